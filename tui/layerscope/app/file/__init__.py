"""The screen of one file: content, differences, and every layer that touched it."""
