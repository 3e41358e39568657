"""The command `layerscope`, also `python -m layerscope`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # numpy's BLAS starts a thread a core when it is imported, which takes 70 ms; nothing here uses it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from layerscope.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules were still being imported
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
