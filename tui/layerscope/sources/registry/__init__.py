"""Images in registries (OCI distribution-spec). Besides the engine package, the only one that imports requests and
docker.auth.
"""
