"""Queries, globs and regular expressions over the nodes of a tree."""
