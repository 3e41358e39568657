"""The forest of images as lines of a screen: sorted, filtered, folded or not, each with the guides drawn before its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from layerscope.families.figures import ImageOrder, LayerUsage
from layerscope.families.forest import NOWHERE, Forest
from layerscope.oci.digest import Digest
from layerscope.sources.listing.facts import ImageFacts

ORDERS = list(ImageOrder)
TRUNK = -1


class Outline:
    """The visible lines of a forest of images, with the chosen order, filter and folding.

    Images keep their numbers, whatever the order, also when their waste becomes known.
    """

    def __init__(self, images: Sequence[ImageFacts]) -> None:
        self.order = ImageOrder.SIZE
        self.text = ""
        self.usage = LayerUsage.of(images)
        self._folded: set[Digest | None] = set()
        self._refresh()

    def sort_next(self) -> None:
        self.sort(ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)])

    def sort(self, order: ImageOrder) -> None:
        self.order = order
        self.usage = self.usage.ordered(self.order)
        self._refresh()

    def filter(self, text: str) -> None:
        """Show only images with `text` in a name or at the beginning of the id, and the images they are built on."""
        self.text = text.strip().lower()
        self._refresh()

    def learn(self, number: int, wasted_bytes: int) -> None:
        """Add the waste of an image, which applies to all images with the same layers."""
        images = self.usage.forest.images
        chain_id = images[number].chain_id
        self.usage = LayerUsage.of(
            [each.wasting(wasted_bytes) if each.chain_id == chain_id else each for each in images], self.order
        )
        self._refresh()

    def is_foldable(self, row: Row) -> bool:
        """Tell whether the row of an image can be folded: something is built on it.

        Of images with the same layers, only the last one folds.
        """
        node = self.usage.forest.nodes[row.node]
        return node.end > row.node + 1 and row.image == (*node.images, TRUNK)[: len(node.images) or 1][-1]

    def is_open(self, row: Row) -> bool:
        """Tell whether the images built on that of a row are shown: always while there is a filter."""
        return bool(self.text) or self.usage.forest.nodes[row.node].chain_id not in self._folded

    def toggle(self, row: Row) -> None:
        """Fold or unfold the images built on that of a row."""
        if self.is_foldable(row) and not self.text:
            self._folded ^= {self.usage.forest.nodes[row.node].chain_id}
            self._refresh()

    def fold_all(self, *, is_open: bool) -> None:
        self._folded = set() if is_open else {node.chain_id for node in self.usage.forest.nodes}
        self._refresh()

    def is_hit(self, row: Row) -> bool:
        """Tell whether an image itself matches the filter, and not only one built on it."""
        return not self.text or (row.image != TRUNK and self._fits(row.image))

    def line_of(self, image: int) -> int:
        """Return the line number of an image; if it is not shown, of the last line above its place."""
        place = next((line for line, row in enumerate(self.rows) if row.image == image), None)
        if place is not None:
            return place
        node = self.usage.forest.node_of[image]
        return max((line for line, row in enumerate(self.rows) if row.node <= node), default=0)

    def _fits(self, number: int) -> bool:
        image = self.usage.forest.images[number]
        return any(self.text in title.lower() for title in self.usage.titles(number)) or image.id.encoded.startswith(self.text)

    def _refresh(self) -> None:
        self.rows = self._filtered() if self.text else self._unfolded()

    def _unfolded(self) -> list[Row]:
        nodes = self.usage.forest.nodes
        shown, hidden_to = [], 0
        for row in rows(self.usage.forest):
            if row.node < hidden_to:
                continue
            shown.append(row)
            if nodes[row.node].chain_id in self._folded and self.is_foldable(row):
                hidden_to = nodes[row.node].end
        return shown

    def _filtered(self) -> list[Row]:
        """Return the lines that match the filter, and before each the first line of every node that it is built on."""
        nodes, found = self.usage.forest.nodes, [row for row in rows(self.usage.forest) if self.is_hit(row)]
        needed = set()
        for row in found:
            node = nodes[row.node].parent
            while node >= 0 and node not in needed:
                needed.add(node)
                node = nodes[node].parent
        hits = {row.node for row in found}
        firsts = {(node, (*nodes[node].images, TRUNK)[0]) for node in needed - hits}
        return [row for row in rows(self.usage.forest) if self.is_hit(row) or (row.node, row.image) in firsts]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list: its node, its image or TRUNK, and (`guides`) for each level whether more lines follow there."""

    node: int
    image: int
    level: int
    guides: tuple[bool, ...] = ()


def rows(forest: Forest) -> Iterator[Row]:
    """Yield a line for every image and trunk.

    Images with exactly the same layers are listed together; what is built on them follows the last.
    """
    guides: list[tuple[bool, ...]] = []
    for number, node in enumerate(forest.nodes):
        is_root = node.parent == NOWHERE
        follows = () if is_root else (*guides[node.parent], node.end < forest.nodes[node.parent].end)
        guides.append(follows)
        images = node.images or (TRUNK,)
        for image in images:
            has_next = follows if image == images[-1] or is_root else (*follows[:-1], True)
            yield Row(number, image, node.level, has_next)
