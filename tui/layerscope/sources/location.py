"""Parsing a reference: a path (also in skopeo's spellings), standard input, or an image in an engine or a registry;
nothing is asked here.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from layerscope.errors import NotFound, UsageError
from layerscope.progress import ignore
from layerscope.sources.registry.registry_name import RegistryName, parse_image_name
from layerscope.text import did_you_mean, escape, nearest

if TYPE_CHECKING:
    from layerscope.cache.cache import Cache
    from layerscope.sources.registry.visit import RegistryVisit

LAYER = "layer:"
REGISTRY_URL, REGISTRY = "docker://", "registry:"
"""Prefixes of images in registries: skopeo's, and ours, which has to be followed by a name that only a registry can have."""
PREFIXES = ("docker-archive:", "oci-archive:", "oci:", "dir:", LAYER)
CONTAINERD = "containerd:"
STDIN = "-"
MAX_NEAR = 5000
"""The most names in a directory that are compared with a mistyped one."""
DOCUMENTS = ("index.json", "manifest.json", "repositories")
"""Names of files, at least one of which is in every directory that holds an image."""
_ID = re.compile(r"sha256:[a-f0-9]+|[a-f0-9]{12}|[a-f0-9]{64}", re.ASCII)
"""An image's id as engines print it. No repository has a name of 64 such digits (`distribution/reference`)."""
_FILE = re.compile(r"^[^/:@]*\.(?:tar|tgz|gz|zst|xz|bz2|zip|oci|json)$", re.ASCII)
"""Names that are a missing file rather than an image at Docker Hub."""
_PATHS = ("/", "./", "../", "~")
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DOMAIN = r"(?:[a-zA-Z0-9.-]+|\[[a-fA-F0-9:]+\])(?::\d+)?"
_NAME = re.compile(
    rf"(?:(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@sha256:[a-f0-9]{{64}})?|sha256:[a-f0-9]{{4,64}})",
    re.ASCII,
)
"""The grammar of `distribution/reference`, and an image's id in full."""
LONGEST = 512
CONTAINER = "container:"
"""Before the name of a container, perhaps after the prefix of an engine."""
_CONTAINER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}", re.ASCII)


@dataclass(frozen=True, slots=True)
class EngineName:
    """An image in an engine: which engine (None: any), its name, and why it is not a path (empty: a prefix says so).

    With `is_container`, it is a container: its image with its own layer on top. With `is_directory`, there is a directory of
    exactly this name, which is no image: the user may have meant that, so that no registry is asked instead.
    """

    kind: EngineKind | None
    name: str
    no_path: str = ""
    is_container: bool = False
    is_directory: bool = False

    @property
    def may_be_in_registry(self) -> bool:
        """Tell whether a registry may have it: no engine was named, and it is neither an image's id nor a mistyped file."""
        is_other = self.is_container or self.is_directory or _ID.fullmatch(self.name) or _FILE.search(self.name)
        return self.kind is None and not is_other


@dataclass(frozen=True, slots=True)
class Location:
    """A parsed reference. `path` is None for standard input, `tag` empty when none was given. With `engine`, it is an image
    in an engine instead; with `is_containerd`, an image in containerd's content store. With `is_layer`, the user says
    that it is not an image but one layer.
    """

    typed: str
    """The reference without its tag, as typed, so that a message can say what to type instead."""
    path: Path | None
    tag: str = ""
    engine: EngineName | None = None
    is_containerd: bool = False
    is_layer: bool = False
    registry: RegistryName | None = None

    @property
    def is_stdin(self) -> bool:
        """Tell whether this is standard input, which can be read only once."""
        return self.path is None and self.engine is None and self.registry is None and not self.is_containerd

    @property
    def place(self) -> str:
        """Return what messages call this location."""
        if self.engine is not None:
            return self.engine.kind.label if self.engine.kind else "the engine"
        if self.registry is not None:
            return escape(self.registry.host)
        if self.is_containerd:
            return "containerd"
        return "standard input" if self.path is None else escape(str(self.path))


def locate(reference: str) -> Location:
    """Find what `reference` names: PATH, PATH:REF, -, these three after `docker-archive:`, `oci-archive:`, `oci:` or `dir:`,
    `layer:` and a PATH or -, or the name or id of an image in an engine, perhaps after `docker:` or `podman:`, or
    `container:` and that of a container, or `containerd:` and the name or digest of an image in containerd's content store,
    or `docker://` or `registry:` and the name of an image in a registry.

    A prefix decides. So does a path that exists, except that a bare name is no directory without an image's documents (`node:1`
    beside a directory `node`). Otherwise what starts with `/`, `./`, `../` or `~` is a path, and any valid image name is an
    engine's; no engine is asked here. The prefix of a path only says that a path follows; the content decides the format. A
    path may contain colons: the longest one that exists is taken, what follows is the tag. Raises NotFound, with similar file
    names, and UsageError for an empty reference.
    """
    named = _named(reference)
    if named is not None:
        return named
    prefix = next((prefix for prefix in PREFIXES if reference.startswith(prefix)), "")
    rest = reference.removeprefix(prefix)
    if not rest:
        raise UsageError("name an image: a file, a directory, - for standard input, or an image of Docker or Podman")
    may_be_engines = not prefix and not rest.startswith(_PATHS) and may_be_image(rest)
    no_path, is_directory = f"there is no file or directory {escape(rest[:200])}", False
    is_layer = prefix == LAYER
    for path, tag in _splits(rest) if not is_layer else [(rest, "")]:
        if path == STDIN:
            return Location(prefix + path, None, tag, is_layer=is_layer)
        if not _is_there(path):
            continue
        if not may_be_engines or _holds_image(Path(path)):
            return Location(prefix + path, Path(path), tag, is_layer=is_layer)
        is_directory = not tag
        no_path = (
            f"the directory {escape(path)} is not an image: it has neither index.json (OCI layout) nor manifest.json "
            f"(for all images in it: layerscope fleet {escape(path)}; for a registry's: docker://NAME)"
        )
    if may_be_engines:
        return Location(rest, None, engine=EngineName(None, rest, no_path, is_directory=is_directory))
    raise NotFound(_not_found(rest))


def _named(reference: str) -> Location | None:
    """Return the place whose prefix names it: containerd, a registry, an engine; None for all else. Raises NotFound,
    UsageError.
    """
    if reference.startswith(CONTAINERD):
        return Location(CONTAINERD.removesuffix(":"), None, reference.removeprefix(CONTAINERD), is_containerd=True)
    in_registry = registry_name(reference)
    if in_registry is not None:
        return Location(reference, None, registry=in_registry)
    kind, name = split_prefix(reference)
    if name.startswith(CONTAINER):
        return Location(reference, None, engine=EngineName(kind, _container_name(name), is_container=True))
    return None if kind is None else Location(reference, None, engine=EngineName(kind, _checked(name, kind)))


def registry_name(reference: str) -> RegistryName | None:
    """Return the image in a registry that a prefix names; None for all other references. Raises NotFound and UsageError.

    `registry:2` and `registry:2.8.3` are tags of an image of that name: what follows has to hold a slash or a tag of its own.
    """
    if reference.startswith(REGISTRY_URL):
        return parse_image_name(reference.removeprefix(REGISTRY_URL))
    rest = reference.removeprefix(REGISTRY)
    if rest == reference or not ("/" in rest or ":" in rest.partition("@")[0]):
        return None
    return parse_image_name(rest)


def _checked(name: str, kind: EngineKind) -> str:
    """Return a name after an engine's prefix. Raises UsageError if it is empty, NotFound for one that no engine can have."""
    if not name:
        raise UsageError(f"name an image: {kind}:NAME[:TAG]")
    if name.startswith("//"):
        known = f"{kind}:{escape(name[2:200])}"
        raise NotFound(f"{kind}:{escape(name[:200])} is in a registry; let {kind.label} pull it: layerscope {known} --pull")
    if not may_be_image(name):
        raise NotFound(f"'{escape(name[:200])}' is not a valid image name")
    return name


def _container_name(text: str) -> str:
    """Return the name after `container:`. Raises UsageError and NotFound for an invalid one."""
    name = text.removeprefix(CONTAINER)
    if not name:
        raise UsageError(f"name a container: {CONTAINER}NAME")
    if not may_be_container(name):
        raise NotFound(f"'{escape(name[:200])}' is not a valid container name")
    return name


def _holds_image(path: Path) -> bool:
    """Tell whether a path may be an image: anything but a directory without an image's documents."""
    return not path.is_dir() or any((path / name).exists() for name in DOCUMENTS)


def _splits(text: str) -> Iterator[tuple[str, str]]:
    """Yield `text` whole, then cut in two at each of its colons, the last colon first."""
    yield text, ""
    for end in range(len(text) - 1, 0, -1):
        if text[end] == ":":
            yield text[:end], text[end + 1 :]


def _is_there(path: str) -> bool:
    try:
        Path(path).stat()
    except ValueError:  # an embedded NUL
        return False
    except OSError as error:
        if error.errno in _NOT_THERE:
            return False
        raise NotFound(f"{escape(path)} cannot be read: {error.strerror}") from error
    return True


def _not_found(path: str) -> str:
    near = near_files(path)
    if near:
        return f"there is no {escape(path[:200])}{did_you_mean(near)}"
    return (
        f"there is no file or directory {escape(path[:200])}; for an image of an engine, try: docker save IMAGE | layerscope -"
    )


def near_files(path: str) -> list[str]:
    """Return at most two files whose names resemble `path`, to suggest after a typing mistake."""
    parent, name = os.path.split(path)
    try:
        with os.scandir(parent or ".") as entries:
            names = [entry.name for entry, _ in zip(entries, range(MAX_NEAR), strict=False)]
    except (OSError, ValueError):
        return []
    return [str(Path(parent, near)) for near in nearest(name, names, most=2, likeness=0.7)]


class EngineKind(StrEnum):
    """The supported container engines."""

    DOCKER = "docker"
    PODMAN = "podman"

    @property
    def label(self) -> str:
        """Return the engine's name as sentences spell it: capitalized."""
        return self.value.capitalize()


ENGINE_PREFIXES = {"docker-daemon:": EngineKind.DOCKER, "docker:": EngineKind.DOCKER, "podman:": EngineKind.PODMAN}
"""The engine that each prefix selects; `docker-daemon:` is skopeo's spelling."""


def may_be_container(text: str) -> bool:
    """Tell whether an engine would accept `text` as the name or id of a container."""
    return _CONTAINER_NAME.fullmatch(text) is not None


def may_be_image(text: str) -> bool:
    """Tell whether an engine would accept `text` as the name or id of an image."""
    return len(text) <= LONGEST and _NAME.fullmatch(text) is not None


def split_prefix(reference: str) -> tuple[EngineKind | None, str]:
    """Split a reference into the engine that its prefix selects, if any, and the rest."""
    for prefix, kind in ENGINE_PREFIXES.items():
        if reference.startswith(prefix):
            return kind, reference.removeprefix(prefix)
    return None, reference


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How images of engines and registries are opened.

    `pull`: the engine pulls an image that it does not have. `keep`: a directory for the exported archive. `needs_bytes`:
    contents of files will be read, so an export is stored at once instead of being requested twice. `needs_tars`: so will
    the layers as they are stored. `cache` holds images that were exported before, and receives new ones.

    `insecure` are hosts of registries that may answer without TLS, or with any certificate; `bytes_per_second` limits what is
    fetched from registries (0: no limit). With `keep_windows`, the cache receives parts of gzip layers of registries,
    from which files in them can be unpacked. With `or_registry`, a NAME that no engine has is read in its registry; `say` is
    then called with a sentence for the user.
    `trust_toc` says whether a layer of a registry may be read by its table of contents, which nothing proves; None: unless
    bytes are to be hashed. `visit` is shared by all images that one command opens in registries. With
    `compare_contents`, contents of files in registries may be fetched just to compare them.
    """

    pull: bool = False
    keep: Path | None = None
    needs_bytes: bool = False
    needs_tars: bool = False
    cache: Cache | None = None
    insecure: tuple[str, ...] = ()
    bytes_per_second: int = 0
    keep_windows: bool = False
    or_registry: bool = False
    say: Callable[[str], None] = ignore
    trust_toc: bool | None = None
    visit: RegistryVisit | None = None
    compare_contents: bool = False

    @property
    def needs_archive(self) -> bool:
        """Tell whether an export should be stored whole, because contents of its files or its layers' tars will be read."""
        return self.needs_bytes or self.needs_tars


DEFAULT_ENGINE_OPTIONS = EngineOptions()
