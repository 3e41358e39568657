"""The address of a registry, or of a mirror of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RegistryEndpoint:
    """Where requests for a repository go: `schemes` are tried in order until one answers at `host`.

    `prefix` is the path before `/v2/`, if any, and `repository` the repository's name there, which differs behind a mirror.
    `namespace` is sent as `ns=` to containerd's mirrors (containerd `docs/hosts.md`). `is_insecure` allows http and any
    certificate, as `--insecure`, `insecure` and `skip_verify` do. `authorities` and `client_certificates` (certificate, key)
    are PEM files.
    """

    host: str
    repository: str
    prefix: str = ""
    schemes: tuple[str, ...] = ("https",)
    namespace: str = ""
    is_mirror: bool = False
    is_insecure: bool = False
    authorities: tuple[Path, ...] = ()
    client_certificates: tuple[tuple[Path, Path], ...] = ()

    def __str__(self) -> str:
        return f"{self.host}{self.prefix}"


def bare_host(host: str) -> str:
    """Return a host without its port, and an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def is_loopback(host: str) -> bool:
    """Tell whether a host, perhaps with a port, is this machine: plain HTTP is allowed there, as with Docker."""
    name = bare_host(host)
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
