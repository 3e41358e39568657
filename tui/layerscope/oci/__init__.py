"""The nouns of the OCI image specification: digest, platform, reference, and the JSON documents of an image."""
