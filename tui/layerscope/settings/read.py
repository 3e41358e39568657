"""Reading config.toml."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from layerscope.errors import BadSettings
from layerscope.limits import TOML_DOTS
from layerscope.settings.checks import NameKeys, checked
from layerscope.settings.places import NAMED_BY, is_named, settings_path
from layerscope.settings.settings import Settings
from layerscope.text import escape

_NO_KEY = re.compile(rb"#[^\n]*|\"\"\".*?\"\"\"|'''.*?'''|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'", re.DOTALL)
"""Comments and strings, in which dots do not nest tables."""
MAX_FILE = 1 << 20
"""The longest config file read, in bytes."""


def read_settings(path: Path | None = None, *, key_ids: Collection[str], name_keys: NameKeys) -> Settings:
    """Return the settings in the file at `path`, by default `settings_path()`; all defaults where there is none.

    `key_ids` are the bindings that [keys] may name, and `name_keys` names their keys. Raises BadSettings with a sentence that
    names the file and the key, also for a missing file that LAYERSCOPE_CONFIG names.
    """
    place = path or settings_path()
    try:
        return checked(decode_toml(_read(place, must_exist=path is None and is_named())), key_ids=key_ids, name_keys=name_keys)
    except BadSettings as error:
        raise BadSettings(f"{escape(str(place))}: {error}") from error
    except RecursionError as error:
        raise BadSettings(f"{escape(str(place))}: nested too deeply") from error


def _read(place: Path, *, must_exist: bool) -> bytes:
    try:
        with place.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise BadSettings(f"there is no such file, yet {NAMED_BY} names it") from error
        return b""
    except OSError as error:
        if not must_exist and not os.access(place.parent, os.X_OK):
            return b""  # HOME is often another user's (sudo, docker run --user); nobody put a file there for this one
        raise BadSettings(f"cannot be read: {error.strerror}") from error
    if len(raw) > MAX_FILE:
        raise BadSettings(f"longer than {MAX_FILE >> 20} MiB, which no config file needs")
    return raw


def decode_toml(raw: bytes) -> dict[str, Any]:
    """Decode a TOML file's text. Raises BadSettings, whose sentence does not name the file."""
    import tomllib

    if any(line.count(b".") > TOML_DOTS for line in _NO_KEY.sub(b"", raw).split(b"\n")):
        raise BadSettings(f"nested too deeply: a key has more than {TOML_DOTS} dots")
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadSettings(f"not UTF-8 at line {line}") from error
    except ValueError as error:  # not only TOMLDecodeError: Python refuses numbers of more than 4,300 digits
        raise BadSettings(f"not valid TOML: {escape(str(error))}") from error
