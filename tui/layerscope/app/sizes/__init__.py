"""The screens of what is big: the treemap and the biggest files."""
