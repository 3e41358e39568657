"""In which order siblings stand. No numpy here: the first frame, which knows the order already, does not wait for it."""

from __future__ import annotations

from enum import Enum


class Order(Enum):
    """What siblings are sorted by. Sizes are biggest first; ties are in the order of names."""

    NAME = "name"
    SIZE = "size"
    CHANGE = "change"

    @property
    def next(self) -> Order:
        """Return the order after this one, round and round: the sizes are one key away from the names."""
        orders = list(Order)
        return orders[(orders.index(self) + 1) % len(orders)]
