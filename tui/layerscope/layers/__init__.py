"""Reads the bytes of one layer into one LayerTable: decompression, tar headers, and the columns that they become."""
