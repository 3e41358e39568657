"""What an instruction reads and writes, as far as it is known: whether two of them may change places."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from layerscope.advice.editing.shell import ShellPart, inner_commands, is_glob
from layerscope.layers.table import Kind
from layerscope.tree.tree import Longs, Tree

_FILES = (
    "cat chgrp chmod chown cp cut du false grep gunzip gzip head install ln ls mkdir mv rm rmdir sed sort stat strip tail tar"
)
_MORE_FILES = "test touch tr true truncate unzip wc [ : echo printf set sleep date"
FILE_COMMANDS = frozenset(f"{_FILES} {_MORE_FILES}".split(" "))
"""Commands that read and write nothing but the files they name."""
USER_COMMANDS = frozenset({"addgroup", "adduser", "groupadd", "useradd", "usermod", "gpasswd"})
_SAYING = frozenset({"echo", "printf", "date", "set", "sleep", "true", "false", ":"})
PACKAGE_COMMANDS = frozenset({"apt", "apt-get", "apk", "dnf", "microdnf", "tdnf", "yum", "apt-cache", "apt-mark", "dpkg"})
FETCHES = frozenset({"curl", "wget"})
_ACCOUNT_FILES = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
ACCOUNTS = tuple(f"/etc/{name}{end}" for name in _ACCOUNT_FILES for end in ("", "-"))
_ACCOUNT_SETTINGS = tuple(
    f"/etc/{name}"
    for name in ("adduser.conf", "default", "deluser.conf", "login.defs", "nsswitch.conf", "pam.d", "shells", "skel")
)
"""What commands that make users read besides; not /etc as a whole, in which engines make files to mount on."""
_SYSTEM_USR = tuple(f"/usr/{name}" for name in ("bin", "include", "lib", "lib64", "libexec", "sbin", "share"))
SYSTEM = ("/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/run", "/sbin", "/var", *_SYSTEM_USR)
"""What a package manager and the scripts of packages may read; not where applications lie."""
_NUMBERS = re.compile(r"(?:\d+|\$\(seq [\d ]+\))$")
_VARIABLE_NAME = re.compile(r"\$\{?(\w+)\}?$")
MOST_PLACES = 2_000
"""How many places are followed through symlinks, which may form loops; of more, anything may be meant."""
_PROGRAMS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")
_UNPACKERS = ("bzip2", "gzip", "lzma", "pigz", "unzip", "xz", "zstd")
_OPTION_VALUE = re.compile(r"--?[A-Za-z][\w-]*=(.*)$", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Reach:
    """What an instruction writes (nodes of the tree, and `places`: paths with all below) and what it reads.

    `reads` is None where anything may be read; `is_bound` is false where only named files count, whatever ENV says.
    """

    nodes: Longs = field(default_factory=lambda: np.zeros(0, np.int64))
    places: tuple[str, ...] = ()
    reads: tuple[str, ...] | None = ()
    is_bound: bool = False

    def joined(self, other: Reach) -> Reach:
        """Return the reach of both together."""
        reads = None if self.reads is None or other.reads is None else (*self.reads, *other.reads)
        nodes = np.union1d(self.nodes, other.nodes)
        return Reach(nodes, (*self.places, *other.places), reads, self.is_bound or other.is_bound)


def commutes(tree: Tree, one: Reach, other: Reach) -> bool:
    """Tell whether two instructions may change places: neither reads or writes what the other one writes."""
    for writer, reader in ((one, other), (other, one)):
        has_output = len(writer.nodes) > 0 or bool(writer.places)
        if reader.reads is None and has_output:
            return False
        if _overlaps(tree, writer.nodes, (*(reader.reads or ()), *reader.places)):
            return False
        if any(is_near(left, right) for left in writer.places for right in (*(reader.reads or ()), *reader.places)):
            return False
    return not _share(tree, one.nodes, other.nodes)


def is_near(left: str, right: str) -> bool:
    """Tell whether of two absolute paths one is the other or above it."""
    return left == right or left.startswith(right.rstrip("/") + "/") or right.startswith(left.rstrip("/") + "/")


def _overlaps(tree: Tree, nodes: Longs, places: Iterable[str]) -> bool:
    """Tell whether a written node lies at, below or above one of the places."""
    if not len(nodes):
        return False
    for place in places:
        node, is_exact = nearest_node(tree, place)
        end = int(tree.nodes.end[node]) if is_exact else node + 1
        if np.searchsorted(nodes, node) < np.searchsorted(nodes, end):
            return True
        if np.isin(ancestors(tree, np.array([node])), nodes).any():
            return True
    return False


def nearest_node(tree: Tree, place: str) -> tuple[int, bool]:
    """Return the node of an absolute path, or of the nearest directory above it that the tree has; and which of the two."""
    path = place.strip("/").encode("utf-8", "surrogateescape")
    node = tree.nodes.find(path)
    if node is not None:
        return node, True
    while path:
        path = path.rpartition(b"/")[0]
        node = tree.nodes.find(path)
        if node is not None:
            return node, False
    return 0, False


def through_links(tree: Tree, places: Iterable[str]) -> tuple[str, ...]:
    """Return places with all others that they mean, as any layer ever had symlinks on the way to them."""
    found: dict[str, None] = {}
    todo = list(places)
    while todo:
        if len(found) > MOST_PLACES:
            return ("/",)
        place = todo.pop()
        if place in found:
            continue
        found[place] = None
        parts = [part for part in place.split("/") if part]
        for count in range(1, len(parts) + 1):
            above = "/" + "/".join(parts[:count])
            todo += [posixpath.normpath("/".join([target, *parts[count:]])) for target in _links_at(tree, above)]
    return tuple(found)


def _links_at(tree: Tree, place: str) -> list[str]:
    """Return where the symlinks lead that a path ever was."""
    node = tree.nodes.find(place.strip("/").encode("utf-8", "surrogateescape"))
    if node is None:
        return []
    versions = tree.versions
    entries = [int(versions.entry[each]) for each in tree.versions_of(node) if versions.kind[each] == Kind.SYMLINK]
    targets = [tree.entries.links[entry].decode("utf-8", "surrogateescape") for entry in entries if entry >= 0]
    return [posixpath.normpath("/" + posixpath.join(place.rpartition("/")[0], target)) for target in targets]


def ancestors(tree: Tree, nodes: Longs) -> Longs:
    """Return all nodes above these, without the root, ascending."""
    found: list[Longs] = []
    above = np.unique(nodes)
    while len(above):
        above = np.unique(tree.nodes.parent[above[above > 0]]).astype(np.int64)
        above = above[above > 0]
        found.append(above)
    return np.unique(np.concatenate(found)) if found else nodes[:0]


def _share(tree: Tree, one: Longs, other: Longs) -> bool:
    return bool(
        np.isin(one, other).any() or np.isin(one, ancestors(tree, other)).any() or np.isin(other, ancestors(tree, one)).any()
    )


def written_nodes(tree: Tree, layer: int) -> Longs:
    """Return the nodes that a layer changes or hides, ascending; not directories that it only names again as they are."""
    versions, entries = tree.versions, tree.entries
    own = np.flatnonzero(versions.layer == layer)
    hidden = versions.node[versions.until == layer]
    before = np.maximum(own - 1, 0)
    is_again = (own > 0) & (versions.node[before] == versions.node[own]) & (versions.until[before] == layer)
    is_again &= (versions.kind[own] == Kind.DIRECTORY) & (versions.kind[before] == Kind.DIRECTORY)
    is_again &= (versions.entry[own] >= 0) & (versions.entry[before] >= 0)
    old, new = np.maximum(versions.entry[before], 0), np.maximum(versions.entry[own], 0)
    for column in (entries.mode, entries.uid, entries.gid):
        is_again &= column[old] == column[new] if len(column) else False
    return np.setdiff1d(np.union1d(versions.node[own[~is_again]], hidden), versions.node[own[is_again]]).astype(np.int64)


def reach_of_parts(parts: Iterable[ShellPart], directory: str) -> Reach:
    """Return what commands read by their words, and where those that make users write; `directory` is the working directory."""
    places: list[str] = []
    reads: list[str] = []
    is_bound = False
    for part in parts:
        reads += _programs(part)
        if part.name == "cd" and part.is_simple and len(part.words) == 2:
            directory = posixpath.normpath(posixpath.join(directory, part.words[1])) if directory else part.words[1]
            continue
        if part.is_simple and part.name in USER_COMMANDS:
            places += [*ACCOUNTS, *homes_of(part)]
            reads += [*ACCOUNTS, *_ACCOUNT_SETTINGS, *homes_of(part)]
            continue
        found = _reads(part, directory)
        if found is None:
            return Reach(places=tuple(places), reads=None, is_bound=True)
        is_bound |= part.name not in FILE_COMMANDS or not part.is_simple
        reads += found
    return Reach(places=tuple(places), reads=tuple(reads), is_bound=is_bound)


def _programs(part: ShellPart) -> list[str]:
    """Return where the programs may lie that a command calls: it cannot stand above what installs or replaces them."""
    names = (
        {"sh", "bash", *(words[0] for words in inner_commands(part.text))} if part.is_compound else {"sh", "bash", part.name}
    )
    names |= set(_UNPACKERS) if "tar" in names else set()
    return [f"{place}/{name}" for name in sorted(names) if re.fullmatch(r"[\w.+-]+", name) for place in _PROGRAMS]


def homes_of(part: ShellPart) -> list[str]:
    """Return the home directories that a command which makes a user may create, and where mail for it goes."""
    words = part.words
    named = [words[index + 1] for index, word in enumerate(words[:-1]) if word in ("-d", "--home", "--home-dir", "-h")]
    named += [word.partition("=")[2] for word in words if word.startswith(("--home=", "--home-dir="))]
    name = words[-1]
    return [*(named or [f"/home/{name}"]), f"/var/mail/{name}", f"/var/spool/mail/{name}"]


def _reads(part: ShellPart, directory: str) -> list[str] | None:
    """Return the places that a command reads; None where it may be anything."""
    if not part.words or "=" in part.words[0]:
        return None
    if not part.is_simple:
        return _reads_inside(part, directory)
    if part.name in FILE_COMMANDS:
        return _named(part, directory, () if part.name in _SAYING else part.words[1:])
    if part.name in PACKAGE_COMMANDS:
        local = [word for word in part.words[1:] if word.startswith(("/", "./", "../"))]
        found = _named(part, directory, tuple(local))
        return None if found is None else [*SYSTEM, *found]
    if part.name in FETCHES:
        found = _named(part, directory, ())
        return None if found is None else ["/etc", "/usr/share/ca-certificates", *found]
    return None


def _reads_inside(part: ShellPart, directory: str) -> list[str] | None:
    """Return the places that loops, conditions and expanded words read, if only commands on files are in them.

    A word with a variable in it is read as the directory before the variable.
    """
    found: list[str] = []
    variables: set[str] = set()
    for words in inner_commands(part.text):
        if words[0] == "for":
            variables.add(words[1] if len(words) > 1 else "")
        elif words[0] not in FILE_COMMANDS:
            return None
        for word in words[3:] if words[0] == "for" else words[1:]:
            place = _place_of(word, directory, variables, is_text=words[0] in ("echo", "printf"))
            if place is None:
                return None
            found += [place] if place else []
    return found


def _place_of(word: str, directory: str, variables: set[str], *, is_text: bool) -> str | None:
    """Return the place that a word of a command may be, empty if it is none; None where that cannot be told."""
    target = re.sub(r"^\d*(?:>>|>\||>&|&>|>|<)", "", word)
    plain = target.replace('"', "").replace("'", "")
    if not plain or plain.startswith("-") or _NUMBERS.match(plain) or (is_text and target == word):
        return "" if ("`" not in plain and "$(" not in plain) or _NUMBERS.match(plain) else None
    start = re.split(r"[$*?\[{`]", plain)[0]
    if start == plain:
        return resolve(plain, directory)
    if not start:
        name = _VARIABLE_NAME.match(plain)
        return "" if name and name[1] in variables else None
    return resolve(start.rpartition("/")[0] or ("/" if start.startswith("/") else "."), directory)


def _named(part: ShellPart, directory: str, words: tuple[str, ...]) -> list[str] | None:
    """Resolve the words of a command as paths, and add what it writes to; None for a relative path in an unknown directory."""
    found = []
    raw = dict(zip(part.words, part.raw, strict=True))
    for word in (*words, *part.outputs):
        option = _OPTION_VALUE.match(word)
        path = option[1] if option else word
        if not option and word.startswith("-"):
            continue
        if is_glob(raw.get(word, "")):
            path = re.split(r"[*?\[{]", path)[0].rpartition("/")[0] or ("/" if path.startswith("/") else ".")
        place = resolve(path, directory)
        if place is None:
            return None
        found.append(place)
    if part.name in ("chown", "chgrp"):
        found += ["/etc/passwd", "/etc/group"]
    return found


def resolve(path: str, directory: str) -> str | None:
    """Return a path as an absolute one; None if it is relative and the working directory is not known."""
    if path.startswith("~"):
        return None
    if not path.startswith("/") and not directory.startswith("/"):
        return None
    return posixpath.normpath(posixpath.join(directory, path))
