"""The screen of a registry: repositories, their tags, platforms and what is attached to images, while they arrive."""
