"""Platforms: what an image runs on (OCI image-spec `image-index.md`, `platform`)."""

from __future__ import annotations

import platform as machine
import re
from dataclasses import dataclass, field, replace

from layerscope.errors import UsageError
from layerscope.text import escape

UNKNOWN = "unknown"
_PART = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_OS = re.compile(r"([A-Za-z0-9_.-]{1,64})(?:\(([A-Za-z0-9_.-]{1,64})\))?")
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "i586": "386", "i686": "386"}
_ARMS = {"armhf": "v7", "armel": "v6", "armv6l": "v6", "armv7l": "v7", "armv8l": "v7"}
_PLAIN_VARIANT = {"arm64": "v8", "amd64": "v1", "arm": "v7"}
"""The variant that an architecture without one means (containerd `platforms`, Normalize)."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Operating system, architecture and its variant (often empty), in Go's words.

    `os_version` is set for Windows, whose images run on hosts of their own version only (image-spec `os.version`).
    `os_features` are kept, but choose nothing.
    """

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `os[(version)]/architecture[/variant]`; `x86_64`, `aarch64` and the like mean their Go names.

        The version is containerd's spelling, `windows(10.0.17763)/amd64`. Raises UsageError.
        """
        first, *parts = text.split("/")
        system = _OS.fullmatch(first)
        if system is None or len(parts) not in (1, 2) or not all(_PART.fullmatch(part) for part in parts):
            raise UsageError(f"'{escape(text)}' is not a platform: write os/architecture[/variant], such as linux/arm64/v8")
        architecture, variant = (*(part.lower() for part in parts), "")[:2]
        return cls(system[1].lower(), architecture, variant, (system[2] or "").lower()).normal

    @property
    def normal(self) -> Platform:
        """Return the same platform without aliases, and without a variant that the architecture implies."""
        architecture, variant = self.architecture, self.variant
        if architecture in _ARMS:
            architecture, variant = "arm", variant or _ARMS[architecture]
        architecture = _ALIASES.get(architecture, architecture)
        if variant.isdecimal():
            variant = "v" + variant
        variant = "" if variant == _PLAIN_VARIANT.get(architecture) else variant
        return Platform(self.os, architecture, variant, self.os_version, self.os_features)

    @property
    def is_unknown(self) -> bool:
        """Tell whether it is `unknown/unknown`, which BuildKit writes for attestations."""
        return self.os == self.architecture == UNKNOWN

    def matches(self, wanted: Platform) -> bool:
        """Tell whether both are the same after normalizing: arm64 is arm64/v8, amd64 is amd64/v1, arm is arm/v7.

        A wanted version of the operating system matches all versions that begin with it: `10.0.17763` fits `10.0.17763.1879`.
        """
        return self.is_kin_of(wanted) and self.normal.variant == wanted.normal.variant

    def is_kin_of(self, wanted: Platform) -> bool:
        """Tell whether this platform matches `wanted` except that the variants may differ."""
        mine, theirs = self.normal, wanted.normal
        fits = not theirs.os_version or f"{mine.os_version}.".startswith(f"{theirs.os_version}.")
        return fits and (mine.os, mine.architecture) == (theirs.os, theirs.architecture)

    @property
    def name(self) -> str:
        """Return the platform without the system's version, as JSON has it: `windows/amd64`."""
        return str(replace(self, os_version=""))

    def __str__(self) -> str:
        version = f"({self.os_version})" if self.os_version else ""
        return "/".join(filter(None, (f"{self.os or UNKNOWN}{version}", self.architecture or UNKNOWN, self.variant)))


def host_platform() -> Platform:
    """Return the platform that containers run on here: always linux, and this machine's architecture.

    On other operating systems, containers run in a virtual machine with Linux.
    """
    return Platform("linux", machine.machine().lower()).normal
