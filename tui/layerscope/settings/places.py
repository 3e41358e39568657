"""The paths of the settings and state files, where the platform puts such files (XDG on Linux)."""

from __future__ import annotations

import os
from pathlib import Path

NAMED_BY = "LAYERSCOPE_CONFIG"


def is_named() -> bool:
    """Tell whether the user named a config file, which then has to exist."""
    return bool(os.environ.get(NAMED_BY))


def settings_path() -> Path:
    """Return the config file: the one in LAYERSCOPE_CONFIG, or layerscope/config.toml in the user's config directory."""
    if is_named():
        return Path(os.environ[NAMED_BY])
    from platformdirs import user_config_path

    return user_config_path("layerscope", appauthor=False) / "config.toml"


def state_path() -> Path:
    """Return the file of the state that is kept from run to run."""
    from platformdirs import user_state_path

    return user_state_path("layerscope", appauthor=False) / "state.json"
