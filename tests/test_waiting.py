"""A signal that does not interrupt the main thread's wait is handled all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

WAITS = {
    "result_of": "result_of(endless)",
    "as_they_end": "list(as_they_end([endless]))",
    "side_by_side": "list(side_by_side(lambda wait: wait(), [endless.result], Traffic()))",
}
PROGRAM = """
import os, signal, threading, time
from concurrent.futures import Future
from layerscope.sources.registry.side_by_side import side_by_side
from layerscope.sources.registry.traffic import Traffic
from layerscope.waiting import as_they_end, result_of
endless = Future()

def interrupt():
    # The main thread sleeps on a lock, and a signal that another thread gets does not wake it.
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    {wait}
except KeyboardInterrupt:
    print("interrupted", flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_signal_that_wakes_nobody_ends_a_wait(wait: str) -> None:
    program = PROGRAM.format(wait=wait)
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120)
    assert done.stdout == "interrupted\n", done.stderr
