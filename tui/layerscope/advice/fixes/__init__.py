"""Changes to a Dockerfile that make the image smaller, each with the bytes it saves."""
