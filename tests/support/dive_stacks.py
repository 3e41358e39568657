"""Stacks of layers on which dive's rules differ from ours, and dive itself."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

from hypothesis import strategies as st

from conftest import requires
from support.image_builder import Layer, Member, directory, file, hardlink, layer, opaque, whiteout

NAMES = (b"a", b"b", b"-x", b".a", b".wh", b"a\x01", b"\xff")
"""`-x` and `.a` sort before `.wh.`, the others after it: dive's order of walking decides what a whiteout meets."""
TIMEOUT = 60
names = st.sampled_from(NAMES)
odd_names = st.one_of(names, names, names.map(lambda name: b".wh." + name))
"""As a directory's name: one that looks like a whiteout."""
contents = st.sampled_from((0, 0, 1, 7, 600)).map(bytes)
prefixes = st.sampled_from((b"", b"", b"/", b"./", b".//"))


def members_at(path: bytes) -> st.SearchStrategy[Member]:
    files = st.builds(lambda prefix, content: file(prefix + path, content), prefixes, contents)
    rare = [st.just(hardlink(path, b"a")), st.just(whiteout(path)), st.just(opaque(path))]
    return st.one_of(files, files, files, st.just(directory(path)), st.just(directory(path)), st.one_of(rare))


@st.composite
def stacks_of(draw: st.DrawFn, parts: st.SearchStrategy[bytes], size: int) -> list[Layer]:
    """Up to five layers of `size` members, with whiteouts mostly of what a layer below has, directories above all."""
    paths = st.tuples(st.lists(parts, max_size=4), names).map(lambda path: b"/".join([*path[0], path[1]]))
    there: set[bytes] = set()
    layers = []
    for _ in range(draw(st.integers(1, 5))):
        hidden = draw(st.lists(st.sampled_from(sorted(there)), max_size=3, unique=True)) if there else []
        written = draw(st.lists(paths, max_size=size))
        members = [draw(members_at(path)) for path in written]
        layers.append(layer(*map(whiteout, hidden), *members, tar_format=tarfile.GNU_FORMAT))
        there |= {above for path in written for above in up(path) if not above.rpartition(b"/")[2].startswith(b".wh.")}
    return layers


def up(path: bytes) -> list[bytes]:
    """The path and all directories above it."""
    parts = path.split(b"/")
    return [b"/".join(parts[:count]) for count in range(1, len(parts) + 1)]


stacks = stacks_of(names, 8)
odd_stacks = stacks_of(odd_names, 8)


def dive_program() -> str:
    """dive, beside this Python or on the PATH; the test is skipped (or fails) where there is none."""
    beside = Path(sys.executable).with_name("dive")
    if beside.exists():
        return str(beside)
    requires("dive")
    return "dive"
