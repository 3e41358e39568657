"""This machine's registry configuration: mirrors, aliases, certificate authorities and insecure hosts.

Read are containerd's `certs.d/HOST/hosts.toml` (`docs/hosts.md`), containers' `registries.conf` version 2 with its drop-ins
(`containers-registries.conf(5)`), Docker's `daemon.json` (`registry-mirrors`, `insecure-registries`), and
`certs.d/HOST/*.crt|*.cert|*.key` of Docker and of containers (`containers-certs.d(5)`).
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from layerscope.errors import BadSettings, NotFound
from layerscope.oci.reference import DEFAULT_DOMAIN, OFFICIAL
from layerscope.settings import decode_toml
from layerscope.sources.registry.endpoint import RegistryEndpoint, bare_host, is_loopback
from layerscope.sources.registry.registry_name import RegistryName, parse_repository_name
from layerscope.text import escape

LONGEST_FILE = 1 << 20
"""Bytes of a configuration file; real ones have a few thousand."""
REGISTRIES_CONF = "CONTAINERS_REGISTRIES_CONF"
DIGEST_ONLY, TAG_ONLY = "digest-only", "tag-only"

T = TypeVar("T")


class MirrorTable(msgspec.Struct, frozen=True, rename="kebab"):
    """A `[[registry.mirror]]` table of `registries.conf`: one mirror of a registry, and which pulls it serves."""

    location: str = ""
    insecure: bool = False
    pull_from_mirror: str = "all"


class RegistryTable(msgspec.Struct, frozen=True, rename="kebab"):
    """A `[[registry]]` table: settings for all names that begin with `prefix` (default: `location`)."""

    prefix: str = ""
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror: tuple[MirrorTable, ...] = ()
    mirror_by_digest_only: bool = False

    @property
    def matched(self) -> str:
        """Return the prefix that a name has to begin with."""
        return self.prefix or self.location

    def fits(self, name: RegistryName) -> bool:
        """Tell whether this table applies to a name; `*.example.com` matches every host below example.com."""
        if self.matched.startswith("*."):
            return bare_host(name.host).endswith(self.matched[1:])
        full = f"{name.host}/{name.repository}"
        return bool(self.matched) and (full == self.matched or full.startswith(self.matched.rstrip("/") + "/"))


class RegistriesConf(msgspec.Struct, frozen=True, rename={"unqualified_search_registries": "unqualified-search-registries"}):
    """The settings in `registries.conf`, version 2."""

    unqualified_search_registries: tuple[str, ...] | None = None
    registry: tuple[RegistryTable, ...] = ()
    aliases: dict[str, str] = {}


class DaemonJson(msgspec.Struct, frozen=True, rename="kebab"):
    """The registry settings in Docker's `daemon.json`."""

    registry_mirrors: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()


class HostTable(msgspec.Struct, frozen=True):
    """One `[host."URL"]` of containerd's `hosts.toml`; `client` holds paths, or pairs of certificate and key."""

    capabilities: tuple[str, ...] = ("pull", "resolve")
    ca: str | tuple[str, ...] = ()
    client: str | tuple[str | tuple[str, str], ...] = ()
    skip_verify: bool = False
    override_path: bool = False


class HostsToml(msgspec.Struct, frozen=True):
    """containerd's `hosts.toml`; keys outside of any `[host]` apply to the server itself."""

    server: str = ""
    ca: str | tuple[str, ...] = ()
    client: str | tuple[str | tuple[str, str], ...] = ()
    skip_verify: bool = False
    host: dict[str, HostTable] = {}


@dataclass(frozen=True)
class HostSettings:
    """The configuration below `root` (`/`, or another in tests) and of the user whose home is `home`.

    `insecure` are the hosts that the user allowed on the command line. A missing file counts as empty; one that cannot be
    parsed raises BadSettings with its name.
    """

    root: Path = Path("/")
    home: Path | None = None
    insecure: frozenset[str] = frozenset()

    @classmethod
    def of_this_machine(cls, insecure: Iterable[str] = ()) -> HostSettings:
        """Return the settings of the user who runs this program."""
        home = os.path.expanduser("~")  # noqa: PTH111 - Path.home raises where there is none
        return cls(home=None if home == "~" else Path(home), insecure=frozenset(insecure))

    def full_names(self, name: RegistryName) -> list[RegistryName]:
        """Return the full names that a short one may stand for, in the order to try them; a full one stands for itself.

        An alias decides. Otherwise it is Docker Hub's, or in one of the registries that `unqualified-search-registries` lists.
        """
        if not name.is_short:
            return [name]
        short = name.repository.removeprefix(OFFICIAL)
        if alias := self._registries_conf.aliases.get(short):
            full = parse_repository_name(alias)
            return [name.at(full.host, full.repository)]
        search = self._registries_conf.unqualified_search_registries
        return [name if host == DEFAULT_DOMAIN else name.at(host, short) for host in search or (DEFAULT_DOMAIN,)]

    def endpoints(self, name: RegistryName) -> list[RegistryEndpoint]:
        """Return the endpoints to ask for an image: mirrors first, the registry last. Raises NotFound for a blocked name."""
        table = self._table(name)
        if table.blocked:
            raise NotFound(f"{escape(str(name))} may not be pulled: registries.conf blocks {escape(table.matched)}")
        mirrors = [*self._containerd_mirrors(name), *self._listed_mirrors(name, table), *self._docker_mirrors(name)]
        return [*(replace(mirror, is_mirror=True) for mirror in mirrors), self._own(name, table)]

    def own_endpoint(self, name: RegistryName) -> RegistryEndpoint:
        """Return the endpoint to push to: the registry itself, not a mirror, nor where `registries.conf` has a name read."""
        return self._own(name, RegistryTable(insecure=self._table(name).insecure))

    def _table(self, name: RegistryName) -> RegistryTable:
        tables = [table for table in self._registries_conf.registry if table.fits(name)]
        return max(tables, key=lambda each: len(each.matched), default=RegistryTable())

    def _own(self, name: RegistryName, table: RegistryTable) -> RegistryEndpoint:
        if table.location and table.location != table.matched:
            return self._located(name, table, table.location, is_insecure=table.insecure)
        stated = self._hosts_toml(name.host)
        endpoint = self._at(stated.server or name.api_host, name.repository, is_insecure=table.insecure or stated.skip_verify)
        own = self._at(name.host, name.repository, is_insecure=False)
        return replace(
            endpoint,
            authorities=(*own.authorities, *_paths(stated.ca)),
            client_certificates=(*own.client_certificates, *_pairs(stated.client)),
        )

    def _listed_mirrors(self, name: RegistryName, table: RegistryTable) -> Iterator[RegistryEndpoint]:
        for mirror in table.mirror:
            which = DIGEST_ONLY if table.mirror_by_digest_only else mirror.pull_from_mirror
            if which != (TAG_ONLY if name.digest else DIGEST_ONLY):
                yield self._located(name, table, mirror.location, is_insecure=mirror.insecure)

    def _docker_mirrors(self, name: RegistryName) -> Iterator[RegistryEndpoint]:
        """Yield the mirrors in Docker's `daemon.json`, which apply to Docker Hub only (dockerd, `registry-mirrors`)."""
        for url in self._daemon_json.registry_mirrors if name.host == DEFAULT_DOMAIN else ():
            yield self._at(url, name.repository, is_insecure=False)

    def _containerd_mirrors(self, name: RegistryName) -> Iterator[RegistryEndpoint]:
        for url, table in self._hosts_toml(name.host).host.items():
            if {"pull", "resolve"} <= set(table.capabilities):
                endpoint = self._at(url, name.repository, is_insecure=table.skip_verify)
                yield replace(
                    endpoint,
                    namespace=name.host,
                    authorities=(*endpoint.authorities, *_paths(table.ca)),
                    client_certificates=(*endpoint.client_certificates, *_pairs(table.client)),
                )

    def _located(self, name: RegistryName, table: RegistryTable, location: str, *, is_insecure: bool) -> RegistryEndpoint:
        """Return the endpoint of a name in which `location` replaces the table's prefix."""
        full = f"{name.host}/{name.repository}"
        rest = name.repository if table.matched.startswith("*.") else full[len(table.matched) :].lstrip("/")
        host, _, path = location.partition("/")
        return self._at(host, f"{path.rstrip('/')}/{rest}".strip("/"), is_insecure=is_insecure)

    def _at(self, address: str, repository: str, *, is_insecure: bool) -> RegistryEndpoint:
        """Return the endpoint at a host or URL, with the certificates configured for it.

        If it may be insecure, or is this machine, https is tried before http, as Docker does.
        """
        parts = urlsplit(address if "://" in address else f"//{address}")
        is_insecure = is_insecure or self._is_insecure(parts.netloc)
        usual = ("https", "http") if is_insecure or is_loopback(parts.netloc) else ("https",)
        authorities, certificates = self._certificates(parts.netloc)
        return RegistryEndpoint(
            parts.netloc,
            repository,
            prefix=parts.path.rstrip("/").removesuffix("/v2"),
            schemes=(parts.scheme,) if parts.scheme else usual,
            is_insecure=is_insecure,
            authorities=authorities,
            client_certificates=certificates,
        )

    def _is_insecure(self, host: str) -> bool:
        """Tell whether `--insecure`, a `[[registry]]` or `insecure-registries` names a host; the last may contain address
        ranges.
        """
        if host in self.insecure or bare_host(host) in self.insecure:
            return True
        if any(table.insecure and table.matched == host for table in self._registries_conf.registry):
            return True
        return any(host == each or _is_in_range(bare_host(host), each) for each in self._daemon_json.insecure_registries)

    def _certificates(self, host: str) -> tuple[tuple[Path, ...], tuple[tuple[Path, Path], ...]]:
        """Return files of certificate authorities, and of client certificates with their keys, in every `certs.d/HOST`."""
        found: list[Path] = []
        for directory in self._directories("etc/docker/certs.d", "etc/containers/certs.d", ".config/containers/certs.d"):
            try:
                found += sorted((directory / host).iterdir())
            except OSError:  # not there, or this user may not read it
                continue
        keys = [(path, path.with_suffix(".key")) for path in found if path.suffix == ".cert"]
        return tuple(path for path in found if path.suffix == ".crt"), tuple(keys)

    def _directories(self, *names: str) -> list[Path]:
        """Return configuration directories of the system, and those that begin with a dot in the user's home."""
        bases = {True: self.home, False: self.root}
        return [base / name for name in names if (base := bases[name.startswith(".")]) is not None]

    def _hosts_toml(self, host: str) -> HostsToml:
        directory = self.root / "etc/containerd/certs.d"
        # `_default` holds for all hosts without a directory of their own.
        paths = (directory / host / "hosts.toml", directory / "_default" / "hosts.toml")
        return next((_read(path, HostsToml) for path in paths if path.is_file()), HostsToml())

    @cached_property
    def _daemon_json(self) -> DaemonJson:
        paths = self._directories("etc/docker/daemon.json", ".config/docker/daemon.json")
        stated = [_read(path, DaemonJson) for path in paths if path.is_file()]
        return DaemonJson(
            tuple(each for one in stated for each in one.registry_mirrors),
            tuple(each for one in stated for each in one.insecure_registries),
        )

    @cached_property
    def _registries_conf(self) -> RegistriesConf:
        """Merge all files: of two tables with one prefix the later one applies, and so does the later search list."""
        search: tuple[str, ...] | None = None
        tables: dict[str, RegistryTable] = {}
        aliases: dict[str, str] = {}
        for path in self._registries_files():
            stated = _read(path, RegistriesConf)
            search = search if stated.unqualified_search_registries is None else stated.unqualified_search_registries
            tables |= {table.matched: table for table in stated.registry}
            aliases |= stated.aliases
        return RegistriesConf(search, tuple(tables.values()), aliases)

    def _registries_files(self) -> list[Path]:
        """List the files: the user's replaces the system's, drop-ins of both are added (containers-registries.conf(5))."""
        stated = os.environ.get(REGISTRIES_CONF)
        system, own = self.root / "etc/containers", self.home / ".config/containers" if self.home else None
        mains = [Path(stated)] if stated else [each / "registries.conf" for each in (own, system) if each]
        found = [path for path in mains if path.is_file()][:1]
        for directory in (system, own):
            found += sorted((directory / "registries.conf.d").glob("*.conf")) if directory else []
        return found


def _paths(stated: str | tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(map(Path, (stated,) if isinstance(stated, str) else stated))


def _pairs(stated: str | tuple[str | tuple[str, str], ...]) -> tuple[tuple[Path, Path], ...]:
    """Pair certificates with their keys; one file may hold both."""
    several = (stated,) if isinstance(stated, str) else stated
    return tuple((Path(each), Path(each)) if isinstance(each, str) else (Path(each[0]), Path(each[1])) for each in several)


def _is_in_range(host: str, stated: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(stated, strict=False)
    except ValueError:
        return False


def _read(path: Path, document: type[T]) -> T:
    """Read a configuration file in TOML or JSON. Raises BadSettings."""
    try:
        with path.open("rb") as file:
            raw = file.read(LONGEST_FILE + 1)
        return _decode(raw, document, is_json=path.suffix == ".json")
    except OSError as error:
        raise BadSettings(f"{escape(str(path))} cannot be read: {error.strerror}") from error
    except (BadSettings, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadSettings(f"{escape(str(path))} cannot be understood: {escape(str(error))[:300]}") from error


def _decode(raw: bytes, document: type[T], *, is_json: bool) -> T:
    if len(raw) > LONGEST_FILE:
        raise BadSettings(f"longer than {LONGEST_FILE >> 20} MiB")
    return msgspec.json.decode(raw, type=document) if is_json else msgspec.convert(decode_toml(raw), document)
