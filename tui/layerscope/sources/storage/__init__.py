"""Images read where an engine stores them, without the engine: nothing is written there, and no lock is taken."""
