"""Images in registries (OCI distribution-spec)."""
