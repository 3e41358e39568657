"""Which layers to write again so that an image is small enough, with the fewest bytes to push again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

LOOKED_AT = 16
"""The most layers of which every choice is looked at: those that save most."""


def fewest_pushed(saved: Mapping[int, int], pushed: Mapping[int, int], wanted: int) -> frozenset[int]:
    """Return the layers that together save at least `wanted` bytes, with the fewest bytes to push; all where that is too much.

    `saved` and `pushed` have, by number, what each would save, and what of it is left to push.
    """
    numbers = sorted((number for number in saved if saved[number] > 0), key=lambda number: -saved[number])
    best = numbers[:LOOKED_AT]
    choices = np.arange(1 << len(best))[:, np.newaxis] >> np.arange(len(best)) & 1
    gains = choices @ np.array([saved[number] for number in best], np.int64)
    costs = choices @ np.array([pushed[number] for number in best], np.int64)
    enough = np.flatnonzero(gains >= wanted)
    if not len(enough):
        return frozenset(numbers)
    choice = choices[enough[np.argmin(costs[enough])]]
    return frozenset(number for number, is_chosen in zip(best, choice.tolist(), strict=True) if is_chosen)
