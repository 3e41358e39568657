"""Images read where an engine keeps them, without the engine: nothing is written there, and no lock is taken."""
