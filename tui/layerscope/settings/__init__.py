"""What a user sets in config.toml, and what is remembered from run to run. No textual here."""
