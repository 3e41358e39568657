"""Where images come from: archives and layout directories, container engines and their storage, and registries."""
