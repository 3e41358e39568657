"""Images that share layers: the forest they make, and what each of them costs where a layer is kept once."""
