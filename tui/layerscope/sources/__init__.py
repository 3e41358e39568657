"""Where an image comes from: archives and layout directories."""
