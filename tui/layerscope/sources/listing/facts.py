"""An image's names and layer sizes: enough to say what it shares, without a byte of a layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePath

from layerscope.oci.digest import Digest
from layerscope.oci.platform import Platform
from layerscope.oci.reference import familiar
from layerscope.text import escape


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """One layer. `key` identifies what the store keeps once: a chain id in an engine, a blob's digest in a layout.

    `size` is in bytes: of the content in an engine, as stored in an archive or layout.
    """

    chain_id: Digest
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One image. `names` are its tags, `repo_digests` such as `alpine@sha256:…` are set by pulls by digest.

    `layers` are base first. `created` is RFC 3339 as the config has it, or empty. `place` is the archive or layout that holds
    it, or the host of its registry; empty for an engine. `wasted_bytes` (content) is None where its layers were not read.
    `base_name` is what it states of its base (OCI image-spec `annotations.md`), `pushed` when the registry says that it was
    pushed; both may be empty.
    """

    id: Digest
    names: tuple[str, ...]
    layers: tuple[LayerFacts, ...]
    platform: Platform
    created: str = ""
    place: str = ""
    repo_digests: tuple[str, ...] = ()
    wasted_bytes: int | None = None
    base_name: str = ""
    pushed: str = ""

    @property
    def is_dangling(self) -> bool:
        """Tell whether nothing names the image, so that an engine's `prune` removes it."""
        return not (self.names or self.repo_digests or self.place)

    def titles(self, *, has_place: bool = True) -> tuple[str, ...]:
        """Return what to call the image, never empty: its tags, else the digests it was pulled by, else a remark and its id.

        Escaped. The tag of a layout is only a word, so with `has_place` the layout's own name comes before it.
        """
        place = _last_part(self.place) if self.place and has_place else ""
        if self.names:
            return tuple(_title(name, place) for name in self.names)
        if self.repo_digests:
            return tuple(escape(familiar(_short_digest(name))) for name in self.repo_digests)
        if self.place:
            return (f"{place} (no tag) {self.id.short}".lstrip(),)
        return (f"(dangling) {self.id.short}",)

    @property
    def chain_id(self) -> Digest | None:
        """Return the chain id that identifies all layers together; None where there are none."""
        return self.layers[-1].chain_id if self.layers else None

    def wasting(self, wasted_bytes: int | None) -> ImageFacts:
        """Return the same image with the bytes wasted in it, once its layers were read."""
        return replace(self, wasted_bytes=wasted_bytes)

    def named(self, names: Iterable[str]) -> ImageFacts:
        """Return the same image with further names."""
        return replace(self, names=tuple(dict.fromkeys([*self.names, *names])))


def is_word(name: str) -> bool:
    """Tell whether a tag, as layouts have it, names no repository: `1.4`, but neither `app:1.4` nor `shop/app`."""
    return not set("/:") & set(name)


def _title(name: str, place: str) -> str:
    if place and is_word(name):
        return f"{place}:{escape(name)}"
    return escape(familiar(name))


def _short_digest(name: str) -> str:
    repository, _, digest = name.partition("@")
    return f"{repository}@{digest[:19]}"


def _last_part(place: str) -> str:
    return PurePath(place).name or place
