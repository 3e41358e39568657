"""Comparison of two images, or of two builds of one."""
