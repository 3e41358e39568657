"""What a view of a file shows, whatever the screen: a path's versions, their content as lines, and differences between two."""
