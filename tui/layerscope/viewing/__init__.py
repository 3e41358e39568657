"""The content of a file view: a path's versions, their content as lines, and differences between two. Independent of the
screen.
"""
