"""The visible lines of a tree: folding, order, what is hidden, and the filter. No screen and no formatting."""
