"""layerscope: what is in a container image, and why it is so big."""

__version__ = "0.1.0"
