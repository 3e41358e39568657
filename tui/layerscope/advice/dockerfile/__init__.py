"""Dockerfiles: parsing, and mapping history steps to lines."""
