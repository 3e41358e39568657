"""Reports of what one image has that another has not."""
