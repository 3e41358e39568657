"""Where the settings and what is remembered are: where the platform keeps such files (XDG on Linux)."""

from __future__ import annotations

import os
from pathlib import Path

NAMED_BY = "LAYERSCOPE_CONFIG"


def is_named() -> bool:
    """Tell whether the user named a config file; it then has to be there."""
    return bool(os.environ.get(NAMED_BY))


def settings_path() -> Path:
    """Return the config file: what LAYERSCOPE_CONFIG names, or else layerscope/config.toml in the user's config directory."""
    if is_named():
        return Path(os.environ[NAMED_BY])
    from platformdirs import user_config_path

    return user_config_path("layerscope", appauthor=False) / "config.toml"


def state_path() -> Path:
    """Return the file of what is remembered from run to run."""
    from platformdirs import user_state_path

    return user_state_path("layerscope", appauthor=False) / "state.json"
