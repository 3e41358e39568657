"""A repository whose image grows from tag to tag, for a registry or as what was read from one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from layerscope.oci.digest import Digest
from layerscope.sources.listing.sized_tag import SizedTag, TagLayer
from support.image_builder import file, layer
from support.registry_pushes import put_layout
from support.sources_build import AMD64, Layout, config

STEPS = ("FROM", "RUN apk add python3", "COPY requirements.txt /", "RUN pip install -r requirements.txt", "COPY . /srv")


@dataclass(frozen=True, slots=True)
class Built:
    """An image under a tag. `layers` are words such as `base 40`: a name that identifies the content, and its kilobytes."""

    tag: str
    layers: str
    created: str = ""
    platform: dict[str, str] = field(default_factory=lambda: AMD64)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> list[tuple[str, int]]:
        words = self.layers.split()
        return list(zip(words[::2], map(int, words[1::2]), strict=True))


def growing() -> list[Built]:
    """A base of two layers that all share; dependencies that grow at 1.1.0 and shrink at 1.10.0; two names at the end."""
    return [
        Built("1.0.0", "os 400 py 200 req 2 deps 300 src 50", "2024-01-10T08:00:00Z"),
        Built("1.0.1", "os 400 py 200 req 2 deps 300 src1 52", "2024-02-10T08:00:00Z"),
        Built("1.1.0", "os 400 py 200 req2 2 deps2 820 src2 60", "2024-03-10T08:00:00Z"),
        Built("1.9.0", "os 400 py 200 req2 2 deps2 820 src3 90", "2024-04-10T08:00:00Z"),
        Built("1.10.0", "os 400 py 200 req3 2 deps3 410 src4 91", "2024-05-10T08:00:00Z"),
        Built("latest", "os 400 py 200 req3 2 deps3 410 src4 91", "2024-05-10T08:00:00Z"),
    ]


def sized(built: Sequence[Built]) -> list[SizedTag]:
    """What reading these tags tells."""
    found = []
    for each in built:
        layers = tuple(TagLayer(Digest.of(name.encode()), size * 1000, step) for (name, size), step in _with_steps(each))
        digest = Digest.of(f"{each.layers} {each.created}".encode())
        total = sum(layer.size for layer in layers)
        found.append(SizedTag(each.tag, digest, "linux/amd64", each.created, "", total, layers))
    return found


def _with_steps(built: Built) -> list[tuple[tuple[str, int], str]]:
    return [(part, STEPS[min(number, len(STEPS) - 1)]) for number, part in enumerate(built.parts)]


def put_tags(host: str, repository: str, built: Sequence[Built]) -> Layout:
    """Push these tags; a layer is a tar of one file, so that it is a little larger than its kilobytes."""
    layout = Layout()
    for each in built:
        put_layout(host, repository, layout, put_image(layout, each), each.tag)
    return layout


def put_image(layout: Layout, built: Built) -> dict[str, Any]:
    """Keep the image of a tag in a layout, and return its descriptor."""
    layers = [layer(file(name, (name.encode() * size * 1000)[: size * 1000])).tar() for name, size in built.parts]
    history = [{"created": built.created, "created_by": step} for _, step in _with_steps(built)]
    more: dict[str, Any] = {"history": history, "config": {"Labels": built.labels}, "created": built.created}
    return layout.image(*layers, platform=built.platform, settings=config(*layers, platform=built.platform, **more))
