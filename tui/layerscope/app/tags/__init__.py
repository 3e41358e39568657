"""The screen of a repository's tags over time."""
