"""The explorer: the layers of an image and the files after each."""
