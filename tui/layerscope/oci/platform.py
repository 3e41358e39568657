"""Platforms: what an image runs on (OCI image-spec `image-index.md`, `platform`)."""

from __future__ import annotations

import platform as machine
import re
from dataclasses import dataclass

from layerscope.errors import UsageError
from layerscope.text import escape

UNKNOWN = "unknown"
_PART = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "i586": "386", "i686": "386"}
_ARMS = {"armhf": "v7", "armel": "v6", "armv6l": "v6", "armv7l": "v7", "armv8l": "v7"}
_PLAIN_VARIANT = {"arm64": "v8", "amd64": "v1", "arm": "v7"}
"""The variant that an architecture without one means (containerd `platforms`, Normalize)."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Operating system, architecture and its variant (often empty), in Go's words."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `os/architecture[/variant]`; `x86_64`, `aarch64` and the like mean their Go names. Raises UsageError."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(_PART.fullmatch(part) for part in parts):
            raise UsageError(f"'{escape(text)}' is not a platform: write os/architecture[/variant], such as linux/arm64/v8")
        return cls(*(part.lower() for part in parts)).normal

    @property
    def normal(self) -> Platform:
        """Return the same platform without aliases, and without a variant that the architecture implies."""
        architecture, variant = self.architecture, self.variant
        if architecture in _ARMS:
            architecture, variant = "arm", variant or _ARMS[architecture]
        architecture = _ALIASES.get(architecture, architecture)
        if variant.isdecimal():
            variant = "v" + variant
        return Platform(self.os, architecture, "" if variant == _PLAIN_VARIANT.get(architecture) else variant)

    @property
    def is_unknown(self) -> bool:
        """Whether it is `unknown/unknown`, which BuildKit writes for attestations."""
        return self.os == self.architecture == UNKNOWN

    def matches(self, wanted: Platform) -> bool:
        """Tell whether both are the same after normalizing: arm64 is arm64/v8, amd64 is amd64/v1, arm is arm/v7."""
        return self.normal == wanted.normal

    def is_kin_of(self, wanted: Platform) -> bool:
        """Tell whether only the variants differ."""
        mine, theirs = self.normal, wanted.normal
        return (mine.os, mine.architecture) == (theirs.os, theirs.architecture)

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os or UNKNOWN, self.architecture or UNKNOWN, self.variant)))


def host_platform() -> Platform:
    """Return the platform that containers run on here: always linux (elsewhere they run in a virtual machine), and this
    architecture.
    """
    return Platform("linux", machine.machine().lower()).normal
