"""What the OCI specifications define: digests, platforms, references, and the JSON documents of an image."""
