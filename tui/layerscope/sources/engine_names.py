"""Names of images in engines, and the prefix that selects an engine (no engine is asked here)."""

from __future__ import annotations

import re
from enum import StrEnum

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DOMAIN = r"(?:[a-zA-Z0-9.-]+|\[[a-fA-F0-9:]+\])(?::\d+)?"
_NAME = re.compile(
    rf"(?:(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@sha256:[a-f0-9]{{64}})?|sha256:[a-f0-9]{{4,64}})",
    re.ASCII,
)
"""The grammar of `distribution/reference`, and an image's id in full."""
LONGEST = 512


class EngineKind(StrEnum):
    """The supported container engines."""

    DOCKER = "docker"
    PODMAN = "podman"

    @property
    def label(self) -> str:
        """Return the engine's name as sentences spell it."""
        return self.value.capitalize()


PREFIXES = {"docker-daemon:": EngineKind.DOCKER, "docker:": EngineKind.DOCKER, "podman:": EngineKind.PODMAN}
"""skopeo's spelling is known, too."""


CONTAINER = "container:"
"""Before the name of a container, perhaps after the prefix of an engine."""
_CONTAINER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}", re.ASCII)


def may_be_container(text: str) -> bool:
    """Tell whether an engine would accept `text` as the name or id of a container."""
    return _CONTAINER_NAME.fullmatch(text) is not None


def may_be_image(text: str) -> bool:
    """Tell whether an engine would accept `text` as the name or id of an image."""
    return len(text) <= LONGEST and _NAME.fullmatch(text) is not None


def split_prefix(reference: str) -> tuple[EngineKind | None, str]:
    """Split a reference into the engine that its prefix selects, if any, and the rest."""
    for prefix, kind in PREFIXES.items():
        if reference.startswith(prefix):
            return kind, reference.removeprefix(prefix)
    return None, reference
