"""The screen of all images that share layers."""
