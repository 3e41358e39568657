"""Runs layerscope in a child of this process, which has its modules loaded already: of a proof's time that is the half."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess

MOST_SECONDS = 300


def run_layerscope(words: Sequence[str], directory: Path, environment: Mapping[str, str]) -> CompletedProcess[bytes]:
    """Run `layerscope WORDS...` as a command of its own would, in a directory and with these variables alone."""
    # numpy starts a thread a core when it is imported, and of a process with threads no child may be made.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import layerscope.advice.advise
    import layerscope.cli.fix
    import layerscope.cli.main
    import layerscope.report.fixes
    import layerscope.sources.open  # noqa: F401 - the child needs them
    from layerscope.__main__ import main

    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        child = os.fork()
        if not child:
            try:
                signal.alarm(MOST_SECONDS)
                os.chdir(directory)
                os.environ.clear()
                os.environ.update(environment)
                os.dup2(out.fileno(), 1)
                os.dup2(errors.fileno(), 2)
                sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # a test may have others in their place
                sys.argv = ["layerscope", *words]
                main()
            finally:
                os._exit(70)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        errors.seek(0)
        return CompletedProcess(["layerscope", *words], os.waitstatus_to_exitcode(status), out.read(), errors.read())
