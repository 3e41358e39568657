"""Names that say which architecture a file is for, and what is left of a name when that is taken out of it.

Debian, Fedora, Alpine, Go, Node, Python and the dynamic loaders each spell architectures in their own way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag

from layerscope.oci.platform import Platform


class NameRule(IntFlag):
    """Rules by which a name of one architecture is that of another. The numbers are bits of a column."""

    TRIPLET = 1
    """A GNU triplet: `x86_64-linux-gnu`, `aarch64-linux-gnu`, `arm-linux-gnueabihf`."""
    LOADER = 2
    """The dynamic loader of glibc: `ld-linux-x86-64.so.2`, `ld-linux-aarch64.so.1`."""
    ARCHITECTURE = 4
    """A word of its own: `linux-x64`, `linux_arm64`, `libc6:amd64.list`."""
    WHEEL = 8
    """Python's tags for wheels (`manylinux2014_x86_64`), and the digest in the name of a library that a wheel brings along."""
    LIB64 = 16
    """`lib64` is `lib`."""

    @property
    def words(self) -> list[str]:
        """Return the names of all rules that are set, in lower case."""
        return [rule.name.lower() for rule in NameRule if rule in self and rule.name]


@dataclass(frozen=True, slots=True)
class Spellings:
    """The spellings of one architecture: processors in triplets, words that stand alone, and glibc's loader."""

    processors: tuple[str, ...]
    words: tuple[str, ...]
    loader: tuple[str, ...]


ARCHITECTURES = {
    "amd64": Spellings(("x86_64",), ("amd64", "x86_64", "x86-64", "x64"), ("ld-linux-x86-64.so.2",)),
    "arm64": Spellings(("aarch64",), ("arm64", "aarch64", "arm64v8"), ("ld-linux-aarch64.so.1",)),
    "arm": Spellings(
        ("arm", "armv5", "armv6", "armv7", "armv7hl"),
        ("arm", "armel", "armhf", "armv5", "armv6", "armv6l", "armv7", "armv7hl", "armv7l", "arm32v5", "arm32v6", "arm32v7"),
        ("ld-linux-armhf.so.3", "ld-linux.so.3"),
    ),
    "386": Spellings(
        ("i386", "i486", "i586", "i686"), ("386", "i386", "i486", "i586", "i686", "ia32", "x86"), ("ld-linux.so.2",)
    ),
    "ppc64le": Spellings(("powerpc64le", "ppc64le"), ("ppc64le", "ppc64el", "powerpc64le", "ppc64"), ("ld64.so.2",)),
    "s390x": Spellings(("s390x",), ("s390x",), ("ld64.so.1",)),
    "riscv64": Spellings(("riscv64",), ("riscv64",), ("ld-linux-riscv64-lp64d.so.1",)),
    "mips64le": Spellings(("mips64el",), ("mips64le", "mips64el"), ("ld.so.1",)),
    "loong64": Spellings(("loongarch64",), ("loong64", "loongarch64"), ("ld-linux-loongarch-lp64d.so.1",)),
}
"""By Go's names, as platforms have them."""

PLACEHOLDER = b"\0"
"""Stands for whatever was taken out of a name; no name holds a NUL."""
_ABI = r"(?:eabi(?:hf)?|abi64)?"
_LIBRARY_OF_WHEEL = re.compile(rb"-[0-9a-f]{8}(?=\.(?:.{0,40}\.)?so(?:\.|$))")


class ArchitectureNames:
    """Takes one platform's architecture out of names; names of an unknown one stay as they are."""

    def __init__(self, platform: Platform) -> None:
        known = ARCHITECTURES.get(platform.normal.architecture, Spellings((), (), ()))
        self._loaders = frozenset(name.encode() for name in known.loader)
        processors, words = (_any_of(spelled) for spelled in (known.processors, known.words))
        vendor = r"(-(?!linux)[a-z]+)?"
        self._triplet = _whole(rf"{processors}{vendor}(-linux(?:-(?:gnu|musl))?){_ABI}")
        self._wheel = _whole(rf"(?:many|musl)linux[0-9_]*_{words}(?:\.(?:many|musl)linux[0-9_]*_{words})*")
        self._word = _whole(rf"{words}(?:(-gnu|-musl){_ABI})?")
        clues = {*known.processors, *known.words, *known.loader, "lib64"}
        self._clues = re.compile(rf"{_any_of(tuple(clues))}|-[0-9a-f]{{8}}\.".encode())

    def changed(self, names: Iterable[bytes]) -> dict[bytes, tuple[bytes, NameRule]]:
        """Return `without` of the names that it changes. All are searched at once: only a few hold a clue."""
        joined = b"\0".join([*names, b""])
        found: dict[bytes, tuple[bytes, NameRule]] = {}
        at = -1
        for clue in self._clues.finditer(joined):
            if clue.start() < at:
                continue
            start, at = joined.rfind(b"\0", 0, clue.start()) + 1, joined.find(b"\0", clue.end())
            name = joined[start:at]
            rest, rules = self.without(name)
            if rules:
                found[name] = rest, rules
        return found

    def without(self, name: bytes) -> tuple[bytes, NameRule]:
        """Return what is left of a path's component without its architecture, and the rules that took it out."""
        if name in self._loaders:
            return PLACEHOLDER + b"ld.so", NameRule.LOADER
        if name == b"lib64":
            return b"lib", NameRule.LIB64
        rules = NameRule(0)
        steps = (
            (self._wheel, PLACEHOLDER + b"linux", NameRule.WHEEL),
            (_LIBRARY_OF_WHEEL, b"-" + PLACEHOLDER, NameRule.WHEEL),
            (self._triplet, PLACEHOLDER + rb"\1\2", NameRule.TRIPLET),
            (self._word, PLACEHOLDER + rb"\1", NameRule.ARCHITECTURE),
        )
        for pattern, replacement, rule in steps:
            name, count = pattern.subn(replacement, name)
            rules |= rule if count else NameRule(0)
        return name, rules

    def without_in_path(self, path: bytes) -> bytes:
        """Return a path, such as a link's target, without the architecture in any of its components."""
        return b"/".join(self.without(name)[0] for name in path.split(b"/"))


def _any_of(spelled: tuple[str, ...]) -> str:
    """Return a pattern for any of these spellings, the longest first; for nothing at all if there are none."""
    return f"(?:{'|'.join(map(re.escape, sorted(spelled, key=len, reverse=True)))})" if spelled else "(?!)"


def _whole(pattern: str) -> re.Pattern[bytes]:
    """Compile a pattern that letters and digits neither precede nor follow."""
    return re.compile(rf"(?<![0-9A-Za-z]){pattern}(?![0-9A-Za-z])".encode())
