"""A container's own layer, read from the upper directory of its overlay mount."""
