"""Writes a part of an image's file tree to disk: what is selected, where it may go, and the writing itself."""
