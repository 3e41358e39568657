"""Images in archives and layout directories."""
