"""Images in engines (Docker, Podman), through their API. Nothing else imports docker."""
