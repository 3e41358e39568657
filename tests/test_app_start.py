"""The screen's beginning and end: whatever ends it, the terminal is as it was before."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from build import file, layer
from commands import written
from terminals import PROMPT, READY, Tmux, bare, settings_at, tmux, until, without_codes

MODES = ("alternate_on", "mouse_any_flag", "mouse_standard_flag", "mouse_sgr_flag", "bracket_paste_flag", "keypad_flag")
FAULTY = """
import sys
from layerscope.app.footer import Footer
from layerscope.app.{module} import {owner}
def fail(*_args, **_keywords):
    raise RuntimeError("a bug")
setattr({owner}, "{method}", fail)
sys.argv = ["layerscope", "demo"]
from layerscope.__main__ import main
main()
"""


def modes(opened: Tmux) -> dict[str, str]:
    return {name: opened.state(name) for name in MODES} | {"cursor_flag": opened.state("cursor_flag")}


def stty(opened: Tmux, name: str) -> str:
    """The terminal's settings, asked for in its shell."""
    opened.run("clear")
    opened.type(f"echo {name}=$(stty -g)=\n")
    until(lambda: re.search(rf"^{name}=.+=$", opened.shown.replace("\n", ""), re.M) is not None, lambda: opened.shown)
    return opened.shown


def assert_ends(opened: Tmux, end: Callable[[], None], code: int, *, says: str = "") -> str:
    """Start, end in this way, and see that all is as before; returns what is shown then."""
    before, stty_before = modes(opened), stty(opened, "a")
    opened.run("clear")
    opened.type("echo above; $layerscope demo; echo code=$?\n")
    opened.wait(READY)
    assert modes(opened) != before
    end()
    shown = opened.wait(f"code={code}\n")
    assert modes(opened) == before
    assert READY not in shown
    lines = [line for line in shown.splitlines() if line]
    assert lines[lines.index("above") + 1 : lines.index(f"code={code}")] == ([says] if says else [])
    assert stty(opened, "a") == stty_before
    return shown


LAYERSCOPE = {"layerscope": f"{sys.executable} -m layerscope"}


@pytest.mark.parametrize("key", ["q", "C-c"])
def test_after_quitting_the_terminal_is_as_before(key: str, tmp_path: Path) -> None:
    with tmux(tmp_path, settings=LAYERSCOPE) as opened:
        assert_ends(opened, lambda: opened.press(key), 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_after_a_signal_the_terminal_is_as_before(number: signal.Signals, tmp_path: Path) -> None:
    with tmux(tmp_path, settings=LAYERSCOPE) as opened:
        assert_ends(opened, lambda: os.kill(opened.child(), number), 128 + number)
