"""Images in engines (Docker, Podman), read through their API. No other package imports docker."""
