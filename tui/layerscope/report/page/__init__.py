"""The parts of the HTML report: what is drawn, its tables, its style and its script."""
