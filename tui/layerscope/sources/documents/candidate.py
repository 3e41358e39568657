"""An image found in an archive or layout before one is chosen: what its documents say, without any bytes of its layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from layerscope.errors import LayerscopeError, NotFound
from layerscope.layers.table import Problem
from layerscope.oci.digest import Digest
from layerscope.oci.documents import Config, is_foreign_layer
from layerscope.oci.platform import Platform
from layerscope.sources.documents.files import Files, because


@dataclass(frozen=True, slots=True)
class StatedLayer:
    """One layer as a manifest names it. `media_type` is empty and `size` (bytes) is -1 where the manifest does not say.

    `unread` says why its bytes are not a tar that this program can read (encrypted, nydus); it is empty for all others.
    """

    file: str
    digest: Digest | None = None
    media_type: str = ""
    size: int = -1
    urls: tuple[str, ...] = ()
    unread: str = ""
    annotations: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that can be opened. `names` are its tags, the most familiar first; `indexes` are the indexes that list it;
    `numbers` are its positions, from 0, in the document that lists it. `states_id`, `noun` and `is_guessed` are as in
    `Image`.
    """

    platform: Platform
    config_digest: Digest
    config: Config
    raw_config: bytes
    parts: tuple[StatedLayer, ...]
    manifest_digest: Digest | None = None
    raw_manifest: bytes = b""
    names: tuple[str, ...] = ()
    indexes: frozenset[Digest] = frozenset()
    annotations: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    numbers: tuple[int, ...] = ()
    states_id: bool = True
    noun: str = ""
    is_guessed: bool = False

    @property
    def digest(self) -> Digest:
        """Return the digest that identifies this image: of its manifest, or else of its config."""
        return self.manifest_digest or self.config_digest

    def named(self, names: Iterable[str]) -> Candidate:
        """Return the same image with `names` added before its own."""
        return replace(self, names=tuple(dict.fromkeys([*names, *self.names])))

    def doubted(self, *problems: Problem) -> Candidate:
        """Return the same image with further `problems` of its documents."""
        return replace(self, problems=(*self.problems, *problems))


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that an index or archive lists but that cannot be opened as an image; `error` is raised if the user asks for
    it.
    """

    error: LayerscopeError
    names: tuple[str, ...] = ()
    platform: Platform | None = None
    digest: Digest | None = None
    indexes: frozenset[Digest] = frozenset()
    numbers: tuple[int, ...] = ()


Stored = Candidate | Refused


def is_foreign(part: StatedLayer) -> bool:
    """Tell whether a layer is allowed to be missing, by its media type or because it lists addresses to fetch it from."""
    return is_foreign_layer(part.media_type) or any(part.urls)


def refuse_absent(files: Files, parts: tuple[StatedLayer, ...], what: str) -> None:
    """Raise NotFound when none of the layers is stored: containerd exports manifests of platforms that it never pulled."""
    if parts and not any(is_foreign(part) or files.has(part.file) for part in parts):
        raise NotFound(f"{what}: none of its {len(parts)} layers is there{because(files)}")
