"""The nouns of the OCI specification: digest, platform, reference, and the JSON documents of an image."""
