"""Images that share layers: how they build on each other, and what each one costs when every layer is stored once."""
