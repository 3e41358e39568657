r"""Finds nodes by glob or regular expression among all paths of all layers: for `find`, the gate, and the screen's filter.

A regular expression runs in its own process, whose time and memory are limited. Python's `re` backtracks, for minutes or
forever, and meanwhile no other thread of its process runs, not even the one that hears Ctrl-C. google-re2 does not backtrack,
but was measured to take ten times as long a path, means other things by `$`, `\s` and `(?i)`, and knows no lookahead.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import TracebackType
from typing import BinaryIO, cast

import numpy as np

from layerscope.errors import UsageError
from layerscope.limits import REGEX_MEMORY, REGEX_SECONDS
from layerscope.search.names import Batch, has_pieces, parts
from layerscope.search.query import Text, glob, pattern_text
from layerscope.tree.nodes import Flags, Ints, Nodes

_BATCH, _BATCH_BYTES = 1 << 16, 8 << 20
Fits = Callable[[Batch], Flags]
"""Returns which names or paths of a batch match."""
_POLL_SECONDS = 0.05
_CHILD = """
import re, struct, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
except (ImportError, ValueError, OSError):
    pass
read, write = sys.stdin.buffer.read, sys.stdout.buffer
fits = re.compile(read(*struct.unpack("=q", read(8))), re.DOTALL).search
while head := read(16):
    count, length = struct.unpack("=qq", head)
    ends = struct.unpack(f"={count}q", read(8 * count))
    text, start, flags = read(length), 0, bytearray(count)
    for number, end in enumerate(ends):
        flags[number] = fits(text[start:end]) is not None
        start = end
    write.write(flags)
    write.flush()
"""


def find_nodes(nodes: Nodes, pattern: str) -> Ints:
    """Return the nodes (int32, in tree order) whose path matches `pattern`; the root never does.

    `/regex/` is searched in the whole path, which starts with a slash. A glob with a slash must match the whole path, one
    without it the last component: `*` and `?` stop at slashes, `**` does not, `[abc]` and `[!abc]` are sets. Raises UsageError
    for a bad pattern, and for a regular expression that takes too long.
    """
    return _fitting(nodes, pattern_text(pattern))


def nodes_that_fit(nodes: Nodes, pattern: str) -> Ints:
    """Return the nodes that a glob or path of the gate's configuration matches; a slash at its end is ignored."""
    return _fitting(nodes, glob(pattern.rstrip("/")))


def _fitting(nodes: Nodes, text: Text) -> Ints:
    starts, stops = nodes.paths.offsets[1:-1], nodes.paths.offsets[2:]
    if not text.is_path:
        starts = starts + nodes.name_start[1:]
    octets = np.frombuffer(nodes.paths.buffer, np.uint8)
    with fitting(text, lambda: False) as fits:
        found = [
            np.flatnonzero(fits(Batch.of(octets, starts[part], stops[part]))) + part.start + 1
            for part in parts(stops - starts, _BATCH, _BATCH_BYTES)
        ]
    return np.concatenate([np.zeros(0, np.int32), *found]).astype(np.int32)


@contextmanager
def fitting(text: Text, is_cancelled: Callable[[], bool]) -> Iterator[Fits]:
    """Return a context manager for a function that matches names with `text`; a regular expression has a process in it."""
    with StoppableRegex(text.regex, is_cancelled) as regex:

        def fits(batch: Batch) -> Flags:
            flags = has_pieces(batch, text)
            there = np.flatnonzero(flags)
            if not len(there) or not (text.glob or text.regex or text.word):
                return flags
            some = Batch(batch.buffer, batch.starts[there], batch.stops[there])
            if text.glob:
                flags[there] = text.glob.fits(some)
            elif text.regex:
                flags[there] = regex.fits(some)
            elif text.word:
                paths, ends = some.rooted()
                flags[there] = [text.word.search(paths, *span) is not None for span in pairwise([0, *ends.tolist()])]
            return flags

        yield fits


class StoppableRegex:
    """Searches paths for a regular expression, in a child process: a context manager, because that process must end."""

    def __init__(self, source: bytes, is_cancelled: Callable[[], bool]) -> None:
        self._source, self._is_cancelled = source, is_cancelled
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> StoppableRegex:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.__exit__(None, None, None)

    def fits(self, batch: Batch) -> Flags:
        """Return a flag for each string: whether it has a match; none has when cancelled. Raises UsageError when time is up."""
        paths, ends = batch.rooted()
        try:
            self._process = process = self._process or self._started()
            answer = self._answer(process, struct.pack("=qq", len(ends), len(paths)) + ends.tobytes() + paths, len(ends))
        except BrokenPipeError:
            answer = b""
        if len(answer) == len(ends):
            return np.frombuffer(answer, bool)
        if self._is_cancelled():
            return np.zeros(len(ends), bool)
        raise UsageError(
            f"the regular expression takes more than {REGEX_SECONDS} s or {REGEX_MEMORY >> 20} MiB: "
            "write it without repeats inside repeats, or use a glob such as **/*.pem"
        )

    def _started(self) -> subprocess.Popen[bytes]:
        """Start the process, isolated from the user's own directory and environment."""
        code = _CHILD.replace("SECONDS", str(REGEX_SECONDS)).replace("MEMORY", str(REGEX_MEMORY))
        process = subprocess.Popen(  # noqa: S603 - Python itself
            [sys.executable, "-I", "-S", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        cast(BinaryIO, process.stdin).write(struct.pack("=q", len(self._source)) + self._source)
        return process

    def _answer(self, process: subprocess.Popen[bytes], question: bytes, length: int) -> bytes:
        """Send `question` and return `length` bytes of answer; fewer when the process ended or the search was cancelled."""
        stdin, stdout = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
        stdin.write(question)
        stdin.flush()
        answer = b""
        while len(answer) < length and not self._is_cancelled():
            if select.select([stdout], [], [], _POLL_SECONDS)[0]:
                piece = os.read(stdout.fileno(), length - len(answer))
                if not piece:
                    break
                answer += piece
        return answer
