"""Work that a user may no longer wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from layerscope.errors import LayerscopeError

IsCancelled = Callable[[], bool]


class Cancelled(LayerscopeError):
    """Nobody waits for this any more; there is nothing to tell the user."""


def never_cancelled() -> bool:
    """Return the default for `is_cancelled`: the result is waited for."""
    return False


def stop_if(is_cancelled: IsCancelled) -> None:
    """Raise Cancelled when the work is no longer wanted."""
    if is_cancelled():
        raise Cancelled("cancelled")


class BoundedPieces:
    """Pieces up to `limit` bytes in all, to be gone through once; `is_cut` then says that there were more.

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
