"""What programs import: `layerscope.open`, and the types of what it returns (docs/library.md). Nothing else is public."""
