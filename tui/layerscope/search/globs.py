"""Matches a glob with many names at once, in time linear in their bytes, by a bit-parallel automaton.

The states that a name is in are the bits of 64-bit words. The automaton is that of R. Baeza-Yates and G. Gonnet ("A New
Approach to Text Searching", 1992) with a loop for each star. A backtracking matcher takes minutes for `*a*a*a*a*b`.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from layerscope.errors import UsageError
from layerscope.limits import PATTERN_BYTES
from layerscope.tree.nodes import Flags

if TYPE_CHECKING:
    from layerscope.search.names import Batch

GLOB_TOKEN = re.compile(rb"(/\*\*/|\*+|\?|\[!?\]?[^\]/]*\])")
_SLASH = ord("/")
_WORD = 64
_CHUNK = 1 << 16
"""Names processed together: their states stay in the processor's cache."""
_LOOK = 8
"""Steps between two checks of which names can still match."""

Masks = npt.NDArray[np.uint64]
Octets = npt.NDArray[np.bool_]
_ANY: Octets = np.ones(256, bool)
_NO_SLASH: Octets = np.arange(256) != _SLASH


@dataclass(frozen=True, slots=True, eq=False)
class Glob:
    """A compiled glob: an automaton with the states 0 to `states`, of which state i means that the first i tokens match.

    A mask is a set of states, with 64 of them in each row. For each byte, `moves` (rows, 256) has the states from which it
    leads to the next state, `loops` (rows, 256) the states in which it may be read without leaving them. From a state in
    `skips` the automaton gets two states further without a byte, from one in `stars` one state. With `is_path`, "/" and the
    name are matched.
    """

    states: int
    moves: Masks
    loops: Masks
    skips: Masks
    stars: Masks
    is_path: bool

    def fits(self, batch: Batch) -> Flags:
        """Return a flag for each string of `batch`: whether all of it matches."""
        lengths = batch.stops - batch.starts
        flags = np.zeros(len(lengths), bool)
        longest_first = np.argsort(-lengths, kind="stable")
        for start in range(0, len(lengths), _CHUNK):
            rows = longest_first[start : start + _CHUNK]
            flags[self._fitting(batch, rows, lengths[rows])] = True
        return flags

    def _fitting(self, batch: Batch, rows: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return which of the strings `rows` (numbers in `batch`, longest first) match.

        All strings are read at once, byte by byte; one keeps the states that it has when its bytes end.
        """
        states = np.repeat(self._start()[:, None], len(rows), axis=1)
        starts, step = batch.starts[rows], 0
        while len(rows) and (count := int(np.searchsorted(-lengths, -step, "left"))):
            octets = batch.buffer[starts[:count] + step]
            states[:, :count] = self._after(states[:, :count], octets)
            step += 1
            if step % _LOOK == 0:
                alive = states.any(axis=0)
                if 2 * np.count_nonzero(alive) < len(rows):
                    rows, lengths, starts, states = rows[alive], lengths[alive], starts[alive], states[:, alive]
        last = states[self.states // _WORD] >> np.uint64(self.states % _WORD) & np.uint64(1)
        return np.asarray(rows[last > 0])

    def _start(self) -> Masks:
        first = np.zeros((len(self.skips), 1), np.uint64)
        first[0, 0] = 1
        first = self._closed(first)
        slash = np.array([_SLASH])
        return (self._after(first, slash) if self.is_path else first)[:, 0]

    def _after(self, states: Masks, octets: npt.NDArray[np.integer]) -> Masks:
        return self._closed(_shifted(states & self.moves[:, octets], 1) | (states & self.loops[:, octets]))

    def _closed(self, states: Masks) -> Masks:
        """Add the states that are reached from `states` without reading a byte."""
        if self.skips.any():
            states = states | _shifted(states & self.skips[:, None], 2)
        return states | _shifted(states & self.stars[:, None], 1)


def _shifted(states: Masks, by: int) -> Masks:
    """Move every state in a set `by` states further, from one row of 64 into the next if need be."""
    moved = states << np.uint64(by)
    moved[1:] |= states[:-1] >> np.uint64(_WORD - by)
    return moved


def compile_glob(pattern: bytes, *, is_path: bool) -> Glob:
    """Compile a glob: `*` and `?` stop at slashes, `**` does not, `[abc]` and `[!abc]` are sets, `/**/` matches `/`, too.

    Raises UsageError for one that is too long, and ValueError for an invalid set.
    """
    if len(pattern) > PATTERN_BYTES:
        raise UsageError(f"a pattern of {len(pattern)} bytes is longer than the {PATTERN_BYTES} allowed: shorten it")
    steps: list[Octets] = []
    stars, skips = [], []
    for index, token in enumerate(GLOB_TOKEN.split(pattern)):
        if token == b"/**/":
            skips.append(len(steps) + 1)
        parts = [b"/", b"**", b"/"] if token == b"/**/" else [token] if index % 2 else [bytes([each]) for each in token]
        for part in parts:
            if part.startswith(b"*"):
                stars.append(len(steps))
            steps.append(_octets_of(part))
    words = len(steps) // _WORD + 1
    moves, loops = np.zeros((words, 256), np.uint64), np.zeros((words, 256), np.uint64)
    for state, octets in enumerate(steps):
        (loops if state in stars else moves)[state // _WORD, octets] |= np.uint64(1 << state % _WORD)
    return Glob(len(steps), moves, loops, _mask(skips, words), _mask(stars, words), is_path)


def _mask(states: list[int], words: int) -> Masks:
    mask = np.zeros(words, np.uint64)
    for state in states:
        mask[state // _WORD] |= np.uint64(1 << state % _WORD)
    return mask


def _octets_of(part: bytes) -> Octets:
    """Return the bytes that a token matches; a star matches its bytes any number of times."""
    if part.startswith(b"*"):
        return _ANY if len(part) > 1 else _NO_SLASH
    if part == b"?":
        return _NO_SLASH
    if len(part) > 2:
        return _set_of(part) & _NO_SLASH
    return np.asarray(np.arange(256) == part[0])


def _set_of(part: bytes) -> Octets:
    body = part[1:-1].replace(b"\\", b"\\\\").replace(b"!", b"^", part[1:2] == b"!")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `[[` will mean something else one day
            fits = re.compile(b"[" + body + b"]", re.DOTALL).match
    except re.error as error:
        raise ValueError(str(error)) from error
    return np.array([fits(bytes([octet])) is not None for octet in range(256)])
