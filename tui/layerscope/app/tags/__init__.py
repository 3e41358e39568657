"""The screen of a repository's tags over time, and that of two of them compared."""
