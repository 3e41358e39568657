"""Checks of addresses to which a registry directs this program: token servers, redirects and `Link` pages are untrusted input.

Only https is allowed, unless the registry itself may be insecure. Link-local addresses, where clouds keep their metadata, are
never allowed, and private or loopback ones only if the registry itself has such an address.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

from layerscope.sources.registry.endpoint import RegistryEndpoint, bare_host
from layerscope.sources.registry.failures import RegistryFailed
from layerscope.text import escape

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")))
"""Where clouds keep their metadata beside link-local addresses: Amazon over IPv6, Alibaba, Azure, Oracle."""
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv6 addresses whose last four bytes are the IPv4 address that is reached (RFC 6052)."""


@dataclass(slots=True)
class Guard:
    """Checks the addresses to which one endpoint of a registry directs this program."""

    endpoint: RegistryEndpoint
    is_plain_http: bool = False
    """Whether the endpoint itself was reached over http."""
    _own: frozenset[Address] | None = field(default=None, init=False)

    def check(self, url: str, what: str) -> None:
        """Raise RegistryFailed if no request may go to `url`, which is the registry's `what` ("token server")."""
        parts = split_address(url)
        named = parts.netloc.rpartition("@")[2][:200]
        where = f"{escape(str(self.endpoint))} names {escape(named) or 'no host'} as its {what}"
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise RegistryFailed(f"{where}, which is no https address")
        if parts.username is not None:
            raise RegistryFailed(f"{where}, with a user and a password in it")
        is_own = is_same_host(parts, self.endpoint.host)
        if parts.scheme == "http" and not (self.is_plain_http or self.endpoint.is_insecure):
            raise RegistryFailed(f"{where}, without encryption; nothing is sent there")
        if not is_own:
            self._check_addresses(parts, where)

    def _check_addresses(self, parts: SplitResult, where: str) -> None:
        for address in addresses(parts.hostname or ""):
            if address.is_link_local or address.is_unspecified or address.is_multicast or address in METADATA:
                raise RegistryFailed(f"{where}, which is an address of this machine's own network; nothing is sent there")
            if not address.is_global and not self._is_private():
                raise RegistryFailed(
                    f"{where}, which is a private address, as the registry's own is not; nothing is sent there"
                )

    def _is_private(self) -> bool:
        """Tell whether the registry itself is at a private or loopback address."""
        if self._own is None:
            self._own = addresses(bare_host(self.endpoint.host))
        return any(not address.is_global for address in self._own)


def split_address(url: str) -> SplitResult:
    """Return the parts of an address; all are empty for what is none, such as an IPv6 address without its end."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def named_address(url: str, named: str) -> str:
    """Return the address that an answer from `url` names; empty for what is none."""
    try:
        return urljoin(url, named)
    except ValueError:
        return ""


def is_same_host(parts: SplitResult, host: str) -> bool:
    """Tell whether a URL has exactly this host and port."""
    return parts.netloc.lower() == host.lower()


def addresses(host: str) -> frozenset[Address]:
    """Return all addresses of a host; none if it cannot be resolved here, as behind a proxy."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    parsed = {ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found}
    return frozenset(map(_reached, parsed))


def _reached(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv6Address) and address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return getattr(address, "ipv4_mapped", None) or address
