"""Two images, or two builds of one, held against each other."""
