"""The base image as a Dockerfile tells it: the layers before those that its instructions made."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.advice.dockerfile.mapping import SCRATCH, SURE_FROM, Mapping, map_layers
from layerscope.advice.dockerfile.stages import UNKNOWN, Dockerfile, Stage
from layerscope.sources.base import Base
from layerscope.sources.image import Image


def mapped_base(image: Image, dockerfile: Dockerfile, *, name: str) -> Base:
    """Find the base of an image that `dockerfile` made; `name` is the file's, printable. Empty where it is not certain.

    It is certain if the first instruction that makes a layer surely made one.
    """
    mapping = map_layers(image, dockerfile)
    if not mapping.is_recognized or not mapping.base_layers:
        return Base()
    chain = dockerfile.chain(mapping.stage)
    if chain[0].base.lower() == SCRATCH or not _is_certain(mapping, chain):
        return Base()
    return Base(mapping.base_layers, _base_name(dockerfile, chain[0]), f"the FROM of {name}, line {chain[0].line}")


def _is_certain(mapping: Mapping, chain: Sequence[Stage]) -> bool:
    first = next((each.line for stage in chain for each in stage.instructions if each.makes_layer), None)
    return any(each.line == first and each.confidence > SURE_FROM for each in mapping.lines.values())


def _base_name(dockerfile: Dockerfile, stage: Stage) -> str:
    """Return what FROM names; as it is written, if only the builder knew the values of its variables."""
    if UNKNOWN not in stage.base:
        return stage.base
    return next(each.words[0] for each in dockerfile.instructions if each.line == stage.line)
