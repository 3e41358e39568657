"""The three figures of dive 0.13.1, digit for digit."""
