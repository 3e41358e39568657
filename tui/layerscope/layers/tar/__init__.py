"""Turns tar headers into the columns of a LayerTable, by the rules of Go's archive/tar."""
