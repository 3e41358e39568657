"""Editing Dockerfiles: their shell commands, their pieces, and the patches that tell what changed."""
