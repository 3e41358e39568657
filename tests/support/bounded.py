"""Commands whose memory and processor time are bounded by the system: what goes beyond fails, however fast the machine."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path


def limited(
    command: Sequence[str | Path], *, seconds: int, megabytes: int = 1024, directory: Path | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run `command` with that much processor time, and that much address space beyond what numpy and Python map."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return subprocess.run(command, preexec_fn=bound, capture_output=True, cwd=directory, input=stdin, check=False)
