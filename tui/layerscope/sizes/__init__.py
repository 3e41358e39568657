"""What is big in an image: bytes by node, the boxes of a treemap, the biggest files."""
