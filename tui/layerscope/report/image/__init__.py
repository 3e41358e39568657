"""Reports about one image: text, JSON, listings, path histories, waste."""
