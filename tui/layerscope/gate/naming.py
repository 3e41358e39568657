"""Prefixes for the errors of a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from layerscope.errors import BadSettings


@contextmanager
def named(name: str) -> Iterator[None]:
    """Put `name` in front of the sentence of a BadSettings raised inside the block."""
    try:
        yield
    except BadSettings as error:
        raise BadSettings(f"{name}: {error}") from error
