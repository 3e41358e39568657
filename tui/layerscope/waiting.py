"""Waiting for threads in a way that Ctrl-C and other signals always end.

Python handles a signal between two instructions. One that arrives just before the main thread begins to wait for a lock is not
handled until the wait ends, however long that takes: 3 of 400 interrupted uploads hung so. A thread that looks up now and then
handles it.

Nor does anything here wait with `concurrent.futures.wait`: a signal that ends that may leave locks of futures held, which the
threads of their pool then wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
LOOK = 0.1
"""Seconds between two looks."""


def result_of(future: Future[T]) -> T:
    """Wait for a call to end, and return or raise what it did."""
    return next(as_they_end([future])).result()


def as_they_end(futures: Iterable[Future[T]]) -> Iterator[Future[T]]:
    """Yield calls in the order in which they end."""
    futures, ended = list(futures), SimpleQueue[Future[T]]()
    for future in futures:
        future.add_done_callback(ended.put)
    for _ in futures:
        yield next_of(ended)


def next_of(queue: SimpleQueue[T]) -> T:
    """Wait for something to be put into a queue, and take it out."""
    while True:
        with suppress(Empty):
            return queue.get(timeout=LOOK)
