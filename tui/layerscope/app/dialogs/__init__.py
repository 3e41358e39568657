"""Dialogs: all keys and marks, and where to extract to."""
