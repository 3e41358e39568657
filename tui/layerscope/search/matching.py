"""Searches for substrings in many short strings at once, without a Python step for each string."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from layerscope.search.batch import Batch, Octets
from layerscope.search.terms import Text
from layerscope.tree.shape import Flags
from layerscope.tree.tree import Longs

EXACT, PREFIX, SUBSTRING, OTHER = range(4)
"""How well a string matches the typed text, best first."""


def has_pieces(batch: Batch, text: Text) -> Flags:
    """Return which strings contain the pieces of `text`, one after the other and at their required places."""
    alive, places = np.arange(len(batch.starts)), batch.starts
    inner = list(text.pieces)
    last = inner.pop() if text.at_end else b""
    for number, piece in enumerate(inner):
        found = _next(batch, piece, places) if number or not text.at_start else _if_at(batch, piece, places)
        fits = found + len(piece) <= batch.stops[alive]
        alive, places = alive[fits], found[fits] + len(piece)
    if last:
        at_end = batch.stops[alive] - len(last)
        fits = (at_end >= places) & (_if_at(batch, last, at_end) == at_end)
        alive = alive[fits]
    flags = np.zeros(len(batch.starts), bool)
    flags[alive] = True
    return flags


def fit_of(batch: Batch, literal: bytes) -> npt.NDArray[np.uint8]:
    """Rate how well each string matches: EXACT, PREFIX, SUBSTRING or OTHER."""
    found = _next(batch, literal, batch.starts)
    fits = np.full(len(found), OTHER, np.uint8)
    fits[found + len(literal) <= batch.stops] = SUBSTRING
    is_prefix = (found == batch.starts) & (fits == SUBSTRING)
    fits[is_prefix] = PREFIX
    fits[is_prefix & (batch.stops - batch.starts == len(literal))] = EXACT
    return fits


def _next(batch: Batch, piece: bytes, places: Longs) -> Longs:
    """Return where `piece` comes next, from each of `places` on; far behind the buffer where it does not."""
    found = np.append(_everywhere(batch.buffer, piece), 2 * len(batch.buffer) + 1)
    return np.asarray(found[np.searchsorted(found, places)])


def _everywhere(buffer: Octets, piece: bytes) -> Longs:
    count = max(len(buffer) - len(piece) + 1, 0)
    found = np.flatnonzero(buffer[:count] == piece[0])
    for offset, octet in enumerate(piece[1:], 1):
        found = found[buffer[found + offset] == octet]
    return found


def _if_at(batch: Batch, piece: bytes, places: Longs) -> Longs:
    """Return each of `places` where `piece` is; far behind the buffer for all others, including those outside of it."""
    away = 2 * len(batch.buffer) + 1
    found = np.where((places >= 0) & (places + len(piece) <= len(batch.buffer)), places, away)
    for offset, octet in enumerate(piece):
        there = found < away
        found[there] = np.where(batch.buffer[found[there] + offset] == octet, found[there], away)
    return found
