r"""Regular expressions that can be stopped: each runs in its own process, whose time and memory are limited.

Python's `re` backtracks, for minutes or forever, and meanwhile no other thread of its process runs, not even the one that hears
Ctrl-C. google-re2 does not backtrack, but was measured to take ten times as long a path, means other things by `$`, `\s` and
`(?i)`, and knows no lookahead.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, cast

import numpy as np

from layerscope.errors import UsageError
from layerscope.limits import REGEX_MEMORY, REGEX_SECONDS
from layerscope.search.batch import Batch
from layerscope.tree.shape import Flags

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


class StoppableRegex:
    """One regular expression, searched for in "/" and each of many paths; a context manager, because its process must end."""

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
        """Return which strings contain a match; none when cancelled. Raises UsageError when its time is used up."""
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
        """Read `length` bytes; fewer when the process ended, or when the search was cancelled."""
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
