"""Readers of layers: from a blob, a stream, an engine's tar-split record, or an overlay directory."""
