"""Random layer stacks: few names, few levels, so that entries of one image meet each other often."""

from __future__ import annotations

import os
import tarfile
from dataclasses import replace

from hypothesis import strategies as st

from support.image_builder import Layer, Member, directory, fifo, file, hardlink, opaque, symlink, whiteout
from support.model import ancestors, below, is_entry

NAMES = (b"a", b"b", b"c")
CONTENTS = (b"", b"x", b"yy", b"zz")
TARGETS = (b"a", b"b", b"a/b", b"../a", b"/b", b"/a/b", b"..", b".", b"c/../../b", b"nowhere/deep", b"/")

paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(b"/".join)


@st.composite
def spelled(draw: st.DrawFn, path: bytes) -> bytes:
    """Another way to write a path."""
    prefix = draw(st.sampled_from((b"", b"", b"", b"./", b"/", b"../", b".//", b"x/../")))
    return prefix + path.replace(b"/", draw(st.sampled_from((b"/", b"/", b"//", b"/./"))))


def _plain(path: bytes) -> st.SearchStrategy[Member]:
    """Any entry of any kind at `path`."""
    return st.one_of(
        st.sampled_from(CONTENTS).map(lambda content: file(path, content)),
        st.sampled_from(CONTENTS).map(lambda content: file(path, content)),
        st.just(directory(path + b"/")),
        st.sampled_from(TARGETS).map(lambda target: symlink(path, target)),
        st.builds(hardlink, st.just(path), paths, mode=st.sampled_from((0o644, 0o600)), uid=st.sampled_from((0, 7))),
        st.just(Member(path, "fifo")),
        st.just(Member(path, "char", device=(1, 3))),
        st.just(Member(path, "block", device=(7, 0))),
    )


@st.composite
def _with_attributes(draw: st.DrawFn, member: Member) -> Member:
    """Now and then one thing about an entry is not as usual; two at a time say no more."""
    return draw(
        st.sampled_from(
            (
                member,
                member,
                replace(member, mode=0o600),
                replace(member, uid=7),
                replace(member, gid=8),
                replace(member, mtime=9),
                replace(member, xattrs=(("user.a", b"1"),)),
                replace(member, xattrs=(("user.a", b"\xff"),)),
            )
        )
    )


@st.composite
def members(draw: st.DrawFn) -> Member:
    """Any member of a tar, markers too."""
    path = draw(paths)
    sort = draw(st.integers(0, 9))
    if sort == 0:
        return whiteout(path)
    if sort == 1:
        return opaque(draw(st.sampled_from((path, path, b""))))
    member = draw(_plain(path))
    return draw(_with_attributes(replace(member, name=draw(spelled(member.name)))))


layers = st.lists(members(), max_size=8).map(lambda drawn: Layer(tuple(drawn)))
stacks = st.lists(layers, min_size=1, max_size=6)
"""Anything that a tar can say, sense or nonsense."""


def _without_links(layer: Layer) -> Layer:
    return Layer(tuple(member for member in layer.members if member.kind not in ("symlink", "hardlink")))


linkless_stacks = st.lists(layers.map(_without_links), min_size=1, max_size=6)
"""The same without links: what fails here is easier to read."""


# The polite subset


@st.composite
def polite_stacks(draw: st.DrawFn) -> list[Layer]:
    """Stacks that every real tool unpacks in the same way.

    Parents are there before their children, whiteouts come first and name what is there, no path comes twice in a tar or is
    both hidden and written, no link is used as a directory, and a hard link names an earlier file of its own layer.
    """
    shown: dict[bytes, bool] = {}  # path -> is it a directory
    return [draw(_polite_layers(shown)) for _ in range(draw(st.integers(2, 5)))]


@st.composite
def _polite_layers(draw: st.DrawFn, shown: dict[bytes, bool]) -> Layer:
    markers, hidden = _draw_markers(draw, shown)
    writer = _PoliteWriter(shown, hidden)
    for _ in range(draw(st.integers(0, 8))):
        directories = [b"", *sorted(path for path, is_directory in shown.items() if is_directory)]
        writer.write(draw, below(draw(st.sampled_from(directories)), draw(st.sampled_from(NAMES))))
    return Layer(tuple(markers + writer.members), tarfile.PAX_FORMAT)


def _draw_markers(draw: st.DrawFn, shown: dict[bytes, bool]) -> tuple[list[Member], set[bytes]]:
    """Markers of what is `shown`, and the paths they hide, which leave `shown`."""
    there = sorted(shown)
    picked = draw(st.lists(st.sampled_from(there), max_size=2, unique=True)) if there else []
    markers, hidden = list[Member](), set[bytes]()
    for path in picked:
        is_opaque = shown[path] and draw(st.booleans())
        markers.append(opaque(path) if is_opaque else whiteout(path))
        hidden |= {other for other in there if other.startswith(path + b"/") or (other == path and not is_opaque)}
    for path in hidden:
        shown.pop(path, None)
    return [marker for marker, path in zip(markers, picked, strict=True) if _has_parents(path, shown)], hidden


def _has_parents(path: bytes, shown: dict[bytes, bool]) -> bool:
    return all(shown.get(parent) for parent in ancestors(path))


class _PoliteWriter:
    """Writes one layer; `shown` is what is visible so far."""

    def __init__(self, shown: dict[bytes, bool], hidden: set[bytes]) -> None:
        self.shown = shown
        self.hidden = hidden
        self.members: list[Member] = []
        self.written: set[bytes] = set()

    def write(self, draw: st.DrawFn, path: bytes) -> None:
        if path in self.hidden or path in self.written:
            return
        if any(other.startswith(path + b"/") for other in self.written):
            return
        member = draw(self._member(path))
        is_directory = member.kind == "directory"
        if not (is_directory and self.shown.get(path)):
            for other in [other for other in self.shown if other.startswith(path + b"/")]:
                del self.shown[other]
        self.written.add(path)
        self.members.append(member)
        if is_directory and path in self.shown and draw(st.booleans()):
            self._hide_below(path)
        self.shown[path] = is_directory

    def _hide_below(self, path: bytes) -> None:
        """What overlayfs writes for a directory that took the place of something else, or was emptied."""
        self.members.append(opaque(path))
        gone = {other for other in self.shown if other.startswith(path + b"/")}
        self.hidden |= gone
        for other in gone:
            del self.shown[other]

    def _member(self, path: bytes) -> st.SearchStrategy[Member]:
        numbers = {"mode": (0o644, 0o700, 0o4755), "uid": (0, 7), "gid": (0, 8)}
        named = {name: st.sampled_from(values) for name, values in numbers.items()}
        content = st.sampled_from(CONTENTS)
        kinds = [
            st.builds(file, st.just(path), content, **named),
            st.builds(directory, st.just(path + b"/"), **named),
            st.builds(directory, st.just(path + b"/"), **named),
            st.builds(symlink, st.just(path), st.sampled_from(TARGETS)),
            st.builds(fifo, st.just(path), **named),
        ]
        if os.geteuid() == 0:
            kinds.append(st.builds(lambda **named: Member(path, "char", device=(1, 3), **named), **named))
        # A hard link is the file it names, metadata too: tar writers take both from the same inode.
        earlier = [member for member in self.members if member.kind == "file" and is_entry(member)]
        linked = [replace(member, name=path, kind="hardlink", content=b"", target=member.name) for member in earlier[-1:]]
        kinds += [st.just(member) for member in linked]
        return st.one_of(kinds)
