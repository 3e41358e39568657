"""Layers on each other as the kernel shows them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def overlay(layers: list[Path]) -> Iterator[Path]:
    """The layers, base first, as the kernel puts them on each other."""
    with tempfile.TemporaryDirectory(dir="/tmp") as top:
        links = [Path(top, str(number)) for number, _ in enumerate(layers)]  # an option may have 255 bytes, all 4095
        for link, layer in zip(links, layers, strict=True):
            link.symlink_to(layer)
        lower = "lowerdir=" + ":".join(str(link) for link in reversed(links))
        merged = Path(top, "merged")
        merged.mkdir()
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", lower, merged], check=True)
        try:
            yield merged
        finally:
            subprocess.run(["umount", merged], check=True)
