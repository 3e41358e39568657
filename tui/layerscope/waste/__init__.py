"""The waste of an image, by cause, and its efficiency."""
