"""Tar headers -> columns, by the rules of Go's archive/tar."""
