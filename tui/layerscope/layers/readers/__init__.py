"""The ways to read a layer: from a blob, a stream, an engine's records, or an overlay directory."""
