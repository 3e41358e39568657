"""Which layers' changes the tree shows, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """The changes of the layers `first` to `last`."""

    first: int
    last: int
    title: str


def span_of(last: int, *, marked: int, is_so_far: bool, base_layers: int) -> Span:
    """By the layer under the cursor, the one that is marked (0: none), and whether all so far are wanted: since the base."""
    if marked and marked != last:
        low, high = min(marked, last), max(marked, last)
        return Span(low + 1, high, f"changes from layer {low} to {high}")
    if is_so_far:
        base = base_layers or 1
        first = min(base + 1, last) if last > base else 1
        return Span(first, last, f"changes of layers {first} to {last}")
    if marked:
        return Span(last, last, f"layer {last} is marked: step to another to compare")
    return Span(last, last, "this layer's changes")
