"""The gate: rules for an image, where they are stated, and the verdict."""
