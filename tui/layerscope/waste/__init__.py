"""What is wasted, by cause, and the scores."""
