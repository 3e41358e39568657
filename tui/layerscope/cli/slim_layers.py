"""The options of `layerscope slim` about layers: which may be rewritten, which become one, and which go."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from layerscope.slim.merging import Run
    from layerscope.slim.plan import SlimOptions

OWN = "own"
"""Names all layers above the base's."""
_RUN = re.compile(r"([1-9][0-9]{0,4})(?:\.\.([1-9][0-9]{0,4}))?")


@dataclass(frozen=True, slots=True)
class LayerWishes:
    """What the options about layers say: `layers` as SlimOptions has them, `merge` runs, or `own` ones."""

    layers: frozenset[int] | None = None
    merge: tuple[Run, ...] = ()
    merge_own: bool = False
    drop_empty: bool = False
    budget: int | None = None

    def applied(self, options: SlimOptions, count: int) -> SlimOptions:
        """Return `options` with these wishes for an image of `count` layers. Raises UsageError for a layer beyond."""
        from layerscope.errors import UsageError

        if self.layers and max(self.layers) > count:
            raise UsageError(f"--layers: there is no layer {max(self.layers)}, the image has {count}")
        return replace(
            options,
            layers=self.layers,
            merge=self.merge,
            merge_own=self.merge_own,
            drop_empty=self.drop_empty,
            budget=self.budget,
        )


def layer_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options about layers, which the command gets as one argument: `wishes`."""

    @click.option("--layers", metavar="own|N|N..M", multiple=True, help="Rewrite no other layers than these. Repeatable.")
    @click.option("--merge", metavar="own|N..M", multiple=True, help="Make one layer of these, in place of them. Repeatable.")
    @click.option("--drop-empty", is_flag=True, help="Leave out layers that are empty then, with their steps of the history.")
    @click.option(
        "--budget", metavar="SIZE", help="Rewrite only as much as it takes to have at most SIZE: all layers as they are stored."
    )
    @functools.wraps(command)
    def with_wishes(
        *args: Any, layers: tuple[str, ...], merge: tuple[str, ...], drop_empty: bool, budget: str | None, **others: Any
    ) -> int:
        wishes = replace(_wishes(layers, merge, drop_empty=drop_empty), budget=_size(budget))
        return command(*args, wishes=wishes, **others)

    return with_wishes


def _wishes(layers: tuple[str, ...], merge: tuple[str, ...], *, drop_empty: bool) -> LayerWishes:
    from layerscope.errors import UsageError

    if OWN in merge and len(merge) > 1:
        raise UsageError("--merge own makes one layer of all that are yours: leave out the other --merge")
    runs = [_run("--merge", each) for each in merge if each != OWN]
    for first, last in runs:
        if first == last:
            raise UsageError(f"--merge {first}..{last}: a layer alone cannot be merged")
    numbers = [_run("--layers", each) for each in layers if each != OWN]
    named = frozenset(number for first, last in numbers for number in range(first, last + 1))
    return LayerWishes(None if OWN in layers or not layers else named, tuple(runs), OWN in merge, drop_empty)


def _size(text: str | None) -> int | None:
    from layerscope.errors import UsageError
    from layerscope.text import escape
    from layerscope.units import parse_size

    size = None if text is None else parse_size(text)
    if text is not None and size is None:
        raise UsageError(f"--budget {escape(text[:40])}: give a size such as 500MB or 1.5GiB")
    return size


def _run(option: str, text: str) -> Run:
    """Parse `4..10`, or `4` where one layer alone makes sense. Raises UsageError."""
    from layerscope.errors import UsageError
    from layerscope.text import escape

    found = _RUN.fullmatch(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if first > last or (option == "--merge" and found and not found[2]):
        raise UsageError(f"{option} {escape(text[:40])}: give own or N..M{', or N' if option == '--layers' else ''}")
    return first, last
