"""Advice on what to change: which Dockerfile line made which layer, and fixes with the bytes they save."""
