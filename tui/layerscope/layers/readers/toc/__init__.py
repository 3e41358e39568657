"""Layers read from the table of contents that eStargz and zstd:chunked put into them, without their other bytes."""
