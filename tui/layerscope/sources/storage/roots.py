"""The directories of containers/storage (`containers-storage.conf(5)`)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from layerscope.sources.storage.unreadable import StorageUnreadable, read_bytes

SYSTEM = Path("/var/lib/containers/storage")
FILES = (Path("/usr/share/containers/storage.conf"), Path("/etc/containers/storage.conf"))


def containers_roots() -> list[Path]:
    """Return the store of this user's engine and its additional, read-only image stores.

    A configuration that cannot be read counts as none.
    """
    settings = _settings()
    options = settings.get("options")
    more = options.get("additionalimagestores") if isinstance(options, Mapping) else None
    stores = [Path(each) for each in more if isinstance(each, str)] if isinstance(more, list) else []
    return list(dict.fromkeys([_own(settings), *stores]))


def _own(settings: Mapping[str, Any]) -> Path:
    if os.geteuid() == 0:
        root = settings.get("graphroot")
        return Path(root) if isinstance(root, str) and root else SYSTEM
    root = settings.get("rootless_storage_path") or settings.get("graphroot")
    if isinstance(root, str) and root and not root.startswith(str(SYSTEM)):
        return Path(os.path.expandvars(root.replace("$UID", str(os.geteuid()))))
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "containers/storage"


def _settings() -> dict[str, Any]:
    """Return the `storage` table of the file that applies: the last existing one."""
    for path in _files():
        try:
            found = tomllib.loads(read_bytes(path).decode())
        except (StorageUnreadable, ValueError):
            continue
        storage = found.get("storage")
        return storage if isinstance(storage, dict) else {}
    return {}


def _files() -> Iterator[Path]:
    named = os.environ.get("CONTAINERS_STORAGE_CONF")
    if named:
        yield Path(named)
        return
    if os.geteuid() != 0:
        yield Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "containers/storage.conf"
    yield from reversed(FILES)
