"""The command `layerscope`, also `python -m layerscope`."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress


def main() -> None:
    """Run the command line and exit with its code."""
    # numpy's BLAS starts a thread a core when it is imported, which takes 70 ms; nothing here uses it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A command lives for a second and makes no cycles worth looking for: 30 ms of 500.
    gc.disable()
    from layerscope.cli.signals import Ended, raise_on_signals

    try:
        raise_on_signals()
        from layerscope.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules were still being imported
        code = 130
    except Ended as ended:
        code = ended.exit_code
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    # Taking a million-entry tree apart object by object takes 40 ms and more; the system does it at once.
    os._exit(code)


if __name__ == "__main__":
    main()
