"""Literals for tests of families: `facts("app:1", "base 100", "app 20")` is an image of two layers, by name and bytes."""

from __future__ import annotations

from itertools import accumulate

from layerscope.families.figures import ImageOrder, LayerUsage
from layerscope.families.forest import NOWHERE
from layerscope.families.outline import TRUNK, rows
from layerscope.oci.digest import Digest
from layerscope.oci.platform import Platform
from layerscope.sources.listing.facts import ImageFacts, LayerFacts


def facts(
    names: str,
    *layers: str,
    place: str = "",
    wasted: int | None = None,
    platform: str = "linux/amd64",
    digests: tuple[str, ...] = (),
    created: str = "",
    id: str = "",  # noqa: A002
) -> ImageFacts:
    """An image with these tags, a space between them; layers of the same names up to one are the same."""
    parts = [layer.rpartition(" ") for layer in layers]
    chain = accumulate((name for name, _, _ in parts), lambda below, name: f"{below} > {name}")
    return ImageFacts(
        id=Digest.of((id or f"{names} {layers} {platform} {place}").encode("utf-8", "surrogatepass")),
        names=tuple(names.split()),
        layers=tuple(
            LayerFacts(Digest.of(each.encode()), f"engine {each}", int(size))
            for each, (_, _, size) in zip(chain, parts, strict=True)
        ),
        platform=Platform.parse(platform),
        created=created,
        place=place,
        repo_digests=digests,
        wasted_bytes=wasted,
    )


def drawn(ledger: LayerUsage) -> list[str]:
    """The forest, two spaces a level; `*` for layers that are no image."""
    return [
        "  " * row.level + ("*" if row.image == TRUNK else ledger.forest.images[row.image].names[0])
        for row in rows(ledger.forest)
    ]


def family(order: ImageOrder = ImageOrder.SIZE) -> LayerUsage:
    """A is a base; B and C are built on A, D and E on B."""
    return LayerUsage.of(
        [
            facts("e:1", "a 100", "b 20", "e 5"),
            facts("c:1", "a 100", "c 3"),
            facts("a:1", "a 100"),
            facts("d:1", "a 100", "b 20", "d 7"),
            facts("b:1", "a 100", "b 20"),
        ],
        order,
    )


def number_of(ledger: LayerUsage, name: str) -> int:
    return next(number for number, image in enumerate(ledger.forest.images) if name in image.names)


def check_shape(ledger: LayerUsage) -> None:
    """What holds for every forest: parents before children, each image at one node, slices that nest."""
    forest = ledger.forest
    assert sorted(image for node in forest.nodes for image in node.images) == list(range(len(forest.images)))
    for number, node in enumerate(forest.nodes):
        assert node.parent == NOWHERE or (node.parent < number and node.end <= forest.nodes[node.parent].end)
        above = [each for each in forest.nodes if each.parent == number]
        assert node.images or len(above) > 1
