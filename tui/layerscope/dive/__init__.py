"""Computes the three figures of the image explorer dive 0.13.1, digit for digit, and reads the limits set for them."""
