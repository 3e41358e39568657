"""The HTML report of the gate."""
