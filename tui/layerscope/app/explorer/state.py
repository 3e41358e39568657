"""What is known of the image so far: more and more while it is read, and another image when it is built anew."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from layerscope.app.explorer.layers import Figures

if TYPE_CHECKING:
    from layerscope.analysis import Analysis, Contents
    from layerscope.app.widgets.details import Part
    from layerscope.compare.comparison import Comparison
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image
    from layerscope.tree.tree import View
    from layerscope.waste.group import LayerPair


@dataclass(slots=True)
class Known:
    """`numbers` are the layers that `contents` holds; `comparison` is that with the build before, of what is watched."""

    image: Image | None = None
    base: Base | None = None
    contents: Contents | None = None
    analysis: Analysis | None = None
    comparison: Comparison | None = None
    numbers: frozenset[int] = frozenset()
    pairs: tuple[LayerPair, ...] = ()

    @property
    def base_layers(self) -> int:
        """How many layers are the base's; 0 where that is not known."""
        return (self.base.layers if self.base else 0) or 0

    def learn(self, analysis: Analysis) -> None:
        """All is known; so are the pairs of layers that wrote and buried what is wasted, for each step to look them up."""
        from layerscope.waste.group import by_layer_pair

        self.analysis, self.pairs = analysis, tuple(by_layer_pair(analysis.waste))

    def figures(self, contents: Contents) -> dict[int, Figures]:
        """Bytes and wasted bytes of each layer that was read."""
        if self.analysis is not None:
            sizes, wasted = self.analysis.layer_content_bytes, self.analysis.waste.by_layer(contents.tree.layers).tolist()
        else:
            sizes = [int(contents.tree.entries.size[start:stop].sum()) for start, stop in pairwise(contents.stack.first)]
            wasted = [0] * len(sizes)
        return {
            number: Figures(size, waste, is_read=True)
            for number, (size, waste) in enumerate(zip(sizes, wasted, strict=True), 1)
            if number in self.numbers
        }

    def parts(self, image: Image, number: int, view: View | None) -> list[Part]:
        """What the details say while the cursor is on layer `number` (0: on none) and the tree shows `view`."""
        from layerscope.app.explorer.details_text import (
            comparison_parts,
            digest_parts,
            efficiency_parts,
            image_parts,
            layer_parts,
        )

        layer = image.layers[number - 1] if number else None
        parts: list[Part] = []
        if self.comparison is not None:
            parts += comparison_parts(self.comparison)
        if layer is not None:
            parts += layer_parts(layer, self.analysis, self.pairs, self._own_changes(number, view))
        if self.analysis is not None:
            parts += efficiency_parts(self.analysis)
        if layer is not None:
            parts += digest_parts(layer)
        return [*parts, *image_parts(image, self.analysis)]

    def _own_changes(self, number: int, view: View | None) -> View | None:
        """The view of a layer's own changes, `view` if it is that already; None while it was not read."""
        if self.contents is None or number not in self.numbers:
            return None
        is_shown = view is not None and (view.first, view.last) == (number, number)
        return view if is_shown else self.contents.tree.view(number)
