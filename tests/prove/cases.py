"""The cases that fixes are proven on: Dockerfiles with contexts of made-up content.

Ours lie in `cases/`: each a Dockerfile and a `context.json`, which says what the context holds: a text, a number of bytes
that look like nothing, or the files of a tar; and how many bytes fixes save at `least`. Those of `tricky.toml` are shorter. The
`make.py` of the directory that LAYERSCOPE_DOCKERFILES names makes others.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prove.builders import Builder

OURS = Path(__file__).with_name("cases")
TRICKY = Path(__file__).with_name("tricky.toml")
TOOLS = Path(__file__).with_name("tools")
BASE = "base/debian:12"
TOOLS_BASE = "base/tools:1"
Member = str | int | list[int]
Content = str | int | Mapping[str, Member]
_BY_CHANCE = re.compile(r"urandom|apt-get|\bdate\b|\$RANDOM")


@dataclass(frozen=True, slots=True)
class Case:
    """A directory that is a context with a Dockerfile. `builders` names the only ones that can build it; empty: all.

    `least` are the bytes that fixes with edits have to save at least, where a builder makes a layer of each instruction.
    """

    name: str
    directory: Path
    builders: tuple[str, ...] = ()
    dockerfile: str = "Dockerfile"
    least: int = 0

    @property
    def text(self) -> str:
        return (self.directory / self.dockerfile).read_text("utf-8")

    @property
    def edited(self) -> tuple[str, ...]:
        """Name the files that a fix may edit, from the context's directory."""
        return (self.dockerfile, ".dockerignore", f"{self.dockerfile}.dockerignore")

    @property
    def is_repeatable(self) -> bool:
        """Tell whether two builds are the same, as far as its text shows."""
        return not _BY_CHANCE.search(self.text)


def our_cases(out: Path) -> list[Case]:
    """Write our cases below `out`."""
    return [_ours(place, out / place.name) for place in sorted(OURS.iterdir()) if (place / "Dockerfile").is_file()]


def tricky_cases(out: Path) -> list[Case]:
    """Write the cases in which the obvious edit is wrong below `out`; their `base` is the plain one or that with tools."""
    described = tomllib.loads(TRICKY.read_text("utf-8"))
    for name, case in described.items():
        write_context(
            out / name, {**case.get("files", {}), "Dockerfile": f"FROM {case.get('base', BASE)}\n{case['dockerfile']}"}
        )
    return [
        Case(name, out / name, tuple(case.get("builders", ())), least=case.get("least", 0)) for name, case in described.items()
    ]


def _ours(place: Path, out: Path) -> Case:
    described = json.loads((place / "context.json").read_text("utf-8"))
    write_context(out, described["files"])
    dockerfile = described.get("dockerfile", "Dockerfile")
    case = Case(place.name, out, tuple(described.get("builders", ())), dockerfile, described.get("least", 0))
    (out / case.dockerfile).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(place / "Dockerfile", out / case.dockerfile)
    if (place / ".dockerignore").is_file():
        shutil.copyfile(place / ".dockerignore", out / ".dockerignore")
    return case


def write_context(out: Path, files: Mapping[str, Content]) -> None:
    """Write files: a text as it is, a number as so many bytes made from the file's name, a mapping as a tar of such files.

    In a tar a name that ends with `/` is a directory, and a list is a number of bytes, an owner and a mode.
    """
    for path, content in files.items():
        place = out / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Mapping):
            with tarfile.open(place, "w") as archive:
                for name, inner in content.items():
                    _add(archive, name, inner)
        else:
            place.write_bytes(_bytes(path, content))


def _bytes(path: str, content: str | int) -> bytes:
    return content.encode() if isinstance(content, str) else random.Random(path.rpartition("/")[2]).randbytes(content)


def _add(archive: tarfile.TarFile, name: str, content: Member) -> None:
    member = tarfile.TarInfo(name.rstrip("/"))
    size, member.uid, member.mode = content if isinstance(content, list) else (content, 0, 0o644)
    inside = _bytes(name, size)
    if name.endswith("/"):
        member.type, member.mode, inside = tarfile.DIRTYPE, member.mode | 0o111, b""
    member.gid, member.size = member.uid, len(inside)
    archive.addfile(member, io.BytesIO(inside))


def shared_cases(out: Path) -> list[Case]:
    """Have the cases of LAYERSCOPE_DOCKERFILES, or of the directory beside LAYERSCOPE_IMAGES, written below `out`."""
    maker = _maker()
    if maker is None:
        return []
    subprocess.run([sys.executable, str(maker), str(out)], check=True)
    return [Case(place.name, place) for place in sorted(out.iterdir())]


def _maker() -> Path | None:
    named = os.environ.get("LAYERSCOPE_DOCKERFILES", "")
    images = os.environ.get("LAYERSCOPE_IMAGES", "none")
    place = Path(named) if named else Path(images).parent / "dockerfiles" if images != "none" else None
    return place / "make.py" if place and (place / "make.py").is_file() else None


def prepare(builder: Builder, base: Path) -> None:
    """Give a builder the base images: one from a tar, and that with made-up tools (pip, npm and so on), which are scripts."""
    builder.base(base, BASE)
    context = builder.workspace / "tools"
    shutil.copytree(TOOLS, context, dirs_exist_ok=True)
    builder.build(context, context / "Dockerfile", TOOLS_BASE)
