"""What the explorer has learned of the image so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerscope.app.explorer.layers import LayerSizes

if TYPE_CHECKING:
    from layerscope.analysis import Analysis, Contents
    from layerscope.app.widgets.lines import Detail
    from layerscope.compare.comparison import Comparison
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image
    from layerscope.tree.tree import View
    from layerscope.waste.find import LayerPair


@dataclass(slots=True)
class ExplorerState:
    """An image while it is opened, read and analyzed.

    `numbers` are the layers that `contents` holds; `comparison` is with the build before, for an image that is watched.
    """

    opened: Image | None = None
    base: Base | None = None
    contents: Contents | None = None
    analysis: Analysis | None = None
    comparison: Comparison | None = None
    numbers: frozenset[int] = frozenset()
    pairs: tuple[LayerPair, ...] = ()

    @property
    def image(self) -> Image | None:
        """Return the image; once it was read, with sizes that only reading tells, such as that of a container's own layer."""
        return self.contents.image if self.contents is not None else self.opened

    @property
    def is_whole(self) -> bool:
        """Tell whether all layers were read."""
        return self.contents is not None and len(self.numbers) == len(self.contents.image.layers)

    @property
    def base_layers(self) -> int:
        """Return how many layers the base image has; 0 if that is not known."""
        return (self.base.layers if self.base else 0) or 0

    def learn(self, analysis: Analysis) -> None:
        """Keep the analysis, and its waste by layer pair, so that no step through the layers has to group it again."""
        from layerscope.waste.find import by_layer_pair

        self.analysis, self.pairs = analysis, tuple(by_layer_pair(analysis.waste))

    def figures(self, contents: Contents) -> dict[int, LayerSizes]:
        """Return content bytes and wasted bytes of each layer that was read, by its number."""
        sizes, layers = contents.layer_content_bytes, contents.tree.layers
        wasted = [0] * layers if self.analysis is None else self.analysis.waste.by_layer(layers).tolist()
        return {
            number: LayerSizes(size, waste, is_read=True)
            for number, (size, waste) in enumerate(zip(sizes, wasted, strict=True), 1)
            if number in self.numbers
        }

    def details(self, image: Image, number: int, view: View | None) -> list[Detail]:
        """Return the details to show while the cursor is on layer `number` (0: on none) and the tree shows `view`."""
        from layerscope.app.explorer.details_text import (
            comparison_details,
            digest_details,
            efficiency_details,
            image_details,
            layer_details,
        )

        layer = image.layers[number - 1] if number else None
        details: list[Detail] = []
        if self.comparison is not None:
            details += comparison_details(self.comparison)
        if layer is not None:
            details += layer_details(layer, self.analysis, self.pairs, self._own_changes(number, view))
        if self.analysis is not None:
            details += efficiency_details(self.analysis)
        if layer is not None:
            details += digest_details(layer)
        return [*details, *image_details(image, self.analysis)]

    def _own_changes(self, number: int, view: View | None) -> View | None:
        """Return the view of a layer's own changes, which `view` may be already; None while it was not read."""
        if self.contents is None or number not in self.numbers:
            return None
        is_shown = view is not None and (view.first, view.last) == (number, number)
        return view if is_shown else self.contents.tree.view(number)
