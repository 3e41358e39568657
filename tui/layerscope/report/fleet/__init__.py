"""Reports about a fleet of images, one module a format."""
