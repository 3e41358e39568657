"""The screen that lists all images, in families of images that share layers."""
