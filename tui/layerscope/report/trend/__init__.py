"""Figures of an image from run to run of the gate: written, read again, and drawn as text and as a page."""
