"""The sort orders of siblings. Does not import numpy, because the first frame, which needs the order, should not wait for
it.
"""

from __future__ import annotations

from enum import Enum


class Order(Enum):
    """A sort order of siblings. Sizes are biggest first; ties are in the order of names."""

    NAME = "name"
    SIZE = "size"
    CHANGE = "change"

    @property
    def next(self) -> Order:
        """Return the next order in a cycle in which the sizes are one key away from the names."""
        orders = list(Order)
        return orders[(orders.index(self) + 1) % len(orders)]
