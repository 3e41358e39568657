"""Find and read a Dockerfile."""

from __future__ import annotations

from pathlib import Path

from layerscope.advice.dockerfile.stages import Dockerfile, parse_dockerfile
from layerscope.errors import BadDockerfile
from layerscope.text import escape

NAMES = ("Dockerfile", "Containerfile")
MAX_BYTES = 1 << 20
"""The longest file taken for a Dockerfile; the longest real ones have some 100 kB."""


def find_dockerfile(directory: Path) -> Path | None:
    """Find a Dockerfile or Containerfile directly in `directory`."""
    return next((directory / name for name in NAMES if (directory / name).is_file()), None)


def read_dockerfile(path: Path, *, name: str = "") -> Dockerfile:
    """Read and parse a file. Raises BadDockerfile, also when it cannot be read; errors call it `name`."""
    name = name or escape(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadDockerfile(f"{name}: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise BadDockerfile(f"{name} is longer than {MAX_BYTES >> 10} KiB, so it is no Dockerfile")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadDockerfile(f"{name}, line {line}: not UTF-8") from error
    return parse_dockerfile(text, name=name)
