"""A smaller image with the same files: what can go, the layers without it, and the proof that nothing else went."""
