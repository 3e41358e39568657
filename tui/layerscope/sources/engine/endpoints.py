"""Addresses at which engines may listen: from the environment, Docker's context, or the usual sockets. The package
docker is not imported.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from layerscope.sources.location import EngineKind

DOCKER_SOCKET = "/var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An engine and its address, such as `unix:///run/podman/podman.sock`; empty: that of DOCKER_HOST or the context."""

    kind: EngineKind
    address: str = ""

    @property
    def socket(self) -> Path | None:
        """Return the path of its socket if it is on this machine."""
        return Path(self.address.removeprefix("unix://")) if self.address.startswith("unix://") else None

    @property
    def is_there(self) -> bool:
        """Tell whether the address is worth trying: a remote one always is."""
        try:
            return self.socket is None or self.socket.exists()
        except OSError:  # a directory that may not be looked into says so when it is tried
            return True

    def __str__(self) -> str:
        return f"{self.kind.label} ({self.address or os.environ.get('DOCKER_HOST') or 'of the current context'})"


def endpoints(kind: EngineKind | None = None) -> list[Endpoint]:
    """List the engines to ask, Docker first. Of an engine's usual sockets only existing ones; if there are none, the last."""
    found: list[Endpoint] = []
    if kind in (None, EngineKind.DOCKER):
        found += _docker()
    if kind in (None, EngineKind.PODMAN):
        found += _podman()
    return found


def local_socket(endpoint: Endpoint) -> Path | None:
    """Return the socket where an engine listens; None if it is remote, or if only Docker's context says where."""
    address = endpoint.address
    if not address and endpoint.kind is EngineKind.DOCKER:
        address = os.environ.get("DOCKER_HOST", "")
    return Path(address.removeprefix("unix://")) if address.startswith("unix:///") else None


def is_usual(kind: EngineKind) -> bool:
    """Tell whether an engine is this machine's own, because no DOCKER_HOST, context or CONTAINER_HOST selects another."""
    if kind is EngineKind.DOCKER:
        return not os.environ.get("DOCKER_HOST") and not _has_context()
    return not os.environ.get("CONTAINER_HOST")


def _docker() -> list[Endpoint]:
    if not is_usual(EngineKind.DOCKER):
        return [Endpoint(EngineKind.DOCKER)]
    rootless = [f"{run}/docker.sock" for run in _own_runtime()]
    return _usual(EngineKind.DOCKER, [DOCKER_SOCKET, *rootless])[:1]


def _podman() -> list[Endpoint]:
    if address := os.environ.get("CONTAINER_HOST"):
        return [Endpoint(EngineKind.PODMAN, address)]
    return _usual(EngineKind.PODMAN, [*(f"{run}/podman/podman.sock" for run in _own_runtime()), PODMAN_SOCKET])


def _usual(kind: EngineKind, sockets: list[str]) -> list[Endpoint]:
    usual = [Endpoint(kind, f"unix://{socket}") for socket in sockets]
    return [endpoint for endpoint in usual if endpoint.is_there] or usual[-1:]


def _own_runtime() -> list[str]:
    """Return the user's directory of sockets (XDG base directory specification); an empty list if there is none."""
    directory = os.environ.get("XDG_RUNTIME_DIR", "")
    return [directory] if directory else []


def _has_context() -> bool:
    """Tell whether `docker context use` or DOCKER_CONTEXT selected another engine than the default one."""
    chosen = os.environ.get("DOCKER_CONTEXT", "")
    if not chosen:
        directory = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")  # noqa: PTH111 - raises for no home
        try:
            settings = json.loads(Path(directory, "config.json").read_bytes())
        except (OSError, ValueError):
            return False
        chosen = settings.get("currentContext", "") if isinstance(settings, dict) else ""
    return chosen not in ("", "default")
