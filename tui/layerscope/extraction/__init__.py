"""Writing a part of a view to disk: what is written, where it may go, and the writing itself."""
