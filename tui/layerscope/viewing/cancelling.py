"""Cancelling of background work whose result is no longer needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from layerscope.errors import Cancelled

IsCancelled = Callable[[], bool]


def never_cancelled() -> bool:
    """Return False: the default for `is_cancelled`."""
    return False


def stop_if(is_cancelled: IsCancelled) -> None:
    """Raise Cancelled when the work is no longer wanted."""
    if is_cancelled():
        raise Cancelled


class BoundedPieces:
    """An iterator over pieces up to `limit` bytes in all; `is_cut` then says whether there were more.

    Raises Cancelled between two pieces.
    """

    def __init__(self, pieces: Iterable[bytes], limit: int, is_cancelled: IsCancelled) -> None:
        self.is_cut = False
        self.length = 0
        self._pieces, self._limit, self._is_cancelled = pieces, limit, is_cancelled

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            stop_if(self._is_cancelled)
            room = self._limit - self.length
            self.is_cut = len(piece) > room
            if room and piece:
                self.length += min(len(piece), room)
                yield piece[:room]
            if self.is_cut:
                return
