"""Writing part of a view to disk: what is selected, where it may go, and the writing itself."""
