"""The images that a search found, and sentences about what it could not read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from layerscope.oci.digest import Digest
from layerscope.progress import Progress
from layerscope.sources.listing.facts import ImageFacts, LayerFacts

if TYPE_CHECKING:
    # 60 ms, for numpy: all that is shown of an engine's images can be had without it.
    from layerscope.sources.image import Image

Open = Callable[[Progress], "Image"]
"""Opens the image; raises as `sources.open.open_image` does."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image's facts, and how to open it. `reference` is what a user types to open it, `exact` what opens this very image,
    whatever its tag means by then. `uses` is how many containers of a cluster run it.
    """

    facts: ImageFacts
    reference: str
    open: Open
    exact: str = ""
    uses: int = 0


@dataclass(frozen=True, slots=True)
class FoundImages:
    """All images found; `problems` are sentences about what could not be read, `skipped` about what is no image."""

    found: list[FoundImage] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __add__(self, other: FoundImages) -> FoundImages:
        return FoundImages.joined((self, other))

    @classmethod
    def joined(cls, parts: Iterable[FoundImages]) -> FoundImages:
        """Return everything that several searches found."""
        parts = list(parts)
        return cls(
            [each for part in parts for each in part.found],
            [each for part in parts for each in part.problems],
            [each for part in parts for each in part.skipped],
        )

    def merged(self) -> FoundImages:
        """Merge duplicates: an image in several places under several names becomes one image with all of these names."""
        groups = ((group[0], [name for each in group for name in each.facts.names]) for group in self.alike())
        return replace(self, found=[replace(first, facts=first.facts.named(names)) for first, names in groups])

    def alike(self) -> list[list[FoundImage]]:
        """Return what was found by image: each with all places and names under which it was."""
        groups: dict[tuple[Digest, tuple[LayerFacts, ...]], list[FoundImage]] = {}
        for each in self.found:
            groups.setdefault((each.facts.id, each.facts.layers), []).append(each)
        return list(groups.values())
