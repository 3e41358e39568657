"""Compressed blobs -> unpacked bytes. The only room that imports zstandard and zlib-ng."""
