"""What images there are: in engines, archives and directories, from metadata alone."""
