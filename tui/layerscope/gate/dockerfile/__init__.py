"""Dockerfiles: what stands where, and which line made which layer."""
