"""Errors of a configuration, told with the name of what they are about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from layerscope.errors import BadSettings


@contextmanager
def named(name: str) -> Iterator[None]:
    """Put `name` before the sentence of a BadSettings that is raised inside."""
    try:
        yield
    except BadSettings as error:
        raise BadSettings(f"{name}: {error}") from error
