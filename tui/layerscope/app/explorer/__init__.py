"""The explorer screen: the layers of an image, and the files that are there after each layer."""
