"""The screen of all wasted bytes."""
