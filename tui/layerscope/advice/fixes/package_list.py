"""The packages of an image, as dpkg and apk list them, and which of them others need.

`status` of dpkg is described in deb-control(5) and dpkg(1), the list of apk in apk-package(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_VERSION = re.compile(r"\s*\([^)]*\)|:[a-z0-9]+\b|[<>=~].*$")
DPKG, APK = b"var/lib/dpkg/status", b"lib/apk/db/installed"
LISTS = (DPKG, APK)


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package: its bytes as it states them, and the names that it needs, recommends and stands for.

    Each of `depends` and `recommends` is a tuple of alternatives.
    """

    name: str
    size: int
    depends: tuple[tuple[str, ...], ...] = ()
    recommends: tuple[tuple[str, ...], ...] = ()
    provides: tuple[str, ...] = ()


Packages = Mapping[str, Package]


def read_packages(path: bytes, content: bytes) -> dict[str, Package]:
    """Read a list of installed packages, one of `LISTS`; what is odd in it is left out."""
    stanzas = content.decode("utf-8", "replace").split("\n\n")
    read = _dpkg if path == DPKG else _apk
    return {package.name: package for each in stanzas if (package := read(each)) is not None}


def _dpkg(stanza: str) -> Package | None:
    fields: dict[str, str] = {}
    for line in stanza.split("\n"):
        name, colon, value = line.partition(": ")
        if colon and not line.startswith((" ", "\t")):
            fields[name] = value
    if "Package" not in fields or not fields.get("Status", "").endswith(" installed"):
        return None
    size = fields.get("Installed-Size", "")
    return Package(
        fields["Package"],
        int(size) * 1024 if size.isascii() and size.isdigit() else 0,
        _groups(f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}"),
        _groups(fields.get("Recommends", "")),
        tuple(name for group in _groups(fields.get("Provides", "")) for name in group),
    )


def _groups(text: str) -> tuple[tuple[str, ...], ...]:
    groups = (tuple(_VERSION.sub("", each).strip() for each in group.split("|")) for group in text.split(",") if group.strip())
    return tuple(groups)


def _apk(stanza: str) -> Package | None:
    fields = {line[0]: line[2:] for line in stanza.split("\n") if line[1:2] == ":"}
    if "P" not in fields:
        return None
    size = fields.get("I", "")
    needs = tuple((_VERSION.sub("", word),) for word in fields.get("D", "").split() if not word.startswith("!"))
    provides = tuple(_VERSION.sub("", word) for word in fields.get("p", "").split())
    return Package(fields["P"], int(size) if size.isascii() and size.isdigit() else 0, needs, (), provides)


def needed_by(packages: Packages, roots: Iterable[str], *, recommended: bool = False) -> set[str]:
    """Return some packages with all that they need, and with `recommended` also what these recommend.

    Of alternatives that are installed each counts as needed.
    """
    providers: dict[str, list[str]] = {}
    for package in packages.values():
        for name in {package.name, *package.provides}:
            providers.setdefault(name, []).append(package.name)
    found: set[str] = set()
    todo = [name for name in roots if name in packages]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        package = packages[name]
        groups = (*package.depends, *package.recommends) if recommended else package.depends
        todo += [each for group in groups for word in group for each in providers.get(word, ())]
    return found
