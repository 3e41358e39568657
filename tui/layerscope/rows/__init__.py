"""The visible lines of a tree: folding, order, hidden changes, and the filter. Independent of the screen."""
