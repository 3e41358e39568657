"""The user's settings in config.toml, and the state kept from run to run. Does not import textual."""
