"""Lists of the images in engines, archives and directories, from metadata alone."""
