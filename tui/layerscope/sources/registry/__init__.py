"""Images in registries (OCI distribution-spec). Besides the engine, the only room that imports requests and docker.auth."""
