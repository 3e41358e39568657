"""The screen's beginning and end: whatever ends it, the terminal is as it was before."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.commands import COMMAND, written
from support.image_builder import file, layer
from support.terminals import READY, Tmux, bare, is_running, tmux, until, without_codes

MODES = ("alternate_on", "cursor_flag", "mouse_any_flag", "mouse_sgr_flag", "bracket_paste_flag")
SIGNALLED = """
import os, queue, signal, sys
from textual.drivers import _writer_thread

class Signalling(queue.Queue):
    def _put(self, item):  # the queue's lock is held here
        super()._put(item)
        if item and "efficient" in item:
            os.kill(os.getpid(), signal.SIGCONT)

_writer_thread.Queue = Signalling
from layerscope.__main__ import main

sys.argv[1:] = ["demo"]
main()
"""
FAULTY = """
import sys
from layerscope.__main__ import main
from layerscope.app.{module} import {owner}
def fail(*_arguments, **_keywords):
    raise RuntimeError("this is a bug")
{owner}.{method} = fail
sys.argv = ["layerscope", "demo"]
main()
"""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Tmux]:
    """A shell in which `$layerscope` is the command."""
    with tmux(tmp_path, settings={"layerscope": " ".join(COMMAND)}) as terminal:
        yield terminal


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    """An image that begins, and then does not go on."""
    path = tmp_path / "slow.tar"
    os.mkfifo(path)
    image = written(tmp_path / "whole.tar", layer(file("a", b"0" * 100_000))).read_bytes()
    both = os.open(path, os.O_RDWR)
    os.write(both, image[:20_000])
    yield path
    os.close(both)


def state(opened: Tmux) -> tuple[list[str], list[object]]:
    """How the terminal is: its screen, cursor and mouse, and what `stty` shows."""
    return [opened.state(name) for name in MODES], opened.attributes


def check_end(opened: Tmux, end: Callable[[], None], code: int, *, command: str = "$layerscope demo", says: str = "") -> None:
    """Start, end in this way, and see that all is as before, and nothing is left but what it `says`."""
    before = state(opened)
    opened.type(f"clear; echo above; {command}; echo code=$?\n")
    opened.wait(READY)
    assert all(now != then for now, then in zip(state(opened), before, strict=True))
    end()
    lines = [line for line in opened.wait(f"code={code}\n").splitlines() if line]
    until(lambda: state(opened) == before, lambda: str(state(opened)))
    left = lines[lines.index("above") + 1 : lines.index(f"code={code}")]
    assert (says in "\n".join(left)) if says else not left


@pytest.mark.parametrize("key", ["q", "C-q", "C-c"])
def test_after_quitting_the_terminal_is_as_before(key: str, opened: Tmux) -> None:
    check_end(opened, lambda: opened.press(key), 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_after_a_signal_the_terminal_is_as_before(number: signal.Signals, opened: Tmux) -> None:
    check_end(opened, lambda: os.kill(opened.child(), number), 128 + number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS])
def test_after_a_signal_that_nothing_can_handle_the_terminal_is_given_back(number: signal.Signals, opened: Tmux) -> None:
    before = state(opened)
    opened.type("$layerscope demo\n")
    opened.wait(READY)
    assert all(now != then for now, then in zip(state(opened), before, strict=True))
    os.kill(opened.child(), number)
    until(lambda: state(opened) == before, lambda: str(state(opened)))
    opened.type("clear; echo still here\n")
    opened.wait("still here\n")


def test_after_a_kill_while_suspended_the_terminal_stays_the_shells(opened: Tmux) -> None:
    before = state(opened)
    opened.type("$layerscope demo\n")
    opened.wait(READY)
    child = opened.child()
    opened.press("C-z")
    opened.wait("Stopped")
    os.kill(child, signal.SIGKILL)
    opened.type("echo still here\n")
    opened.wait("still here\n")
    assert state(opened) == before


@pytest.mark.parametrize(
    ("module", "owner", "method"),
    [
        ("explorer.explorer_screen", "Explorer", "action_pane"),
        ("explorer.layers", "LayerList", "segments"),
        ("explorer.tree", "FileTree", "on_focus"),
    ],
)
def test_after_a_bug_the_terminal_is_as_before(module: str, owner: str, method: str, opened: Tmux, tmp_path: Path) -> None:
    program = tmp_path / "faulty.py"
    program.write_text(FAULTY.format(module=module, owner=owner, method=method), encoding="utf-8")
    before = state(opened)
    opened.type(f"clear; {sys.executable} {program}; echo code=$?\n")
    if method != "segments":
        opened.wait(READY)
        opened.press("Tab")
    assert "this is a bug" in opened.wait("code=1\n")
    until(lambda: state(opened) == before, lambda: str(state(opened)))


def test_ctrl_z_gives_the_shell_its_terminal_and_fg_the_screen(opened: Tmux) -> None:
    before = state(opened)
    opened.type("$layerscope demo\n")
    opened.wait(READY)
    during = state(opened)
    opened.press("C-z")
    opened.wait("Stopped")
    until(lambda: state(opened) == before, lambda: str(state(opened)))
    opened.type("clear; fg\n")
    opened.wait(READY)
    assert all(text in opened.wait("q quit") for text in ("after layer 10", "COPY fonts", "RUN rm"))
    assert state(opened) == during
    opened.type("[")
    opened.wait("after layer 9")
    opened.type("q")
    opened.wait_gone(READY)
    until(lambda: state(opened) == before, lambda: str(state(opened)))


def test_ctrl_z_stops_the_script_around_too(opened: Tmux) -> None:
    opened.type("sh -c '$layerscope demo; true'\n")
    opened.wait(READY)
    opened.press("C-z")
    opened.wait("Stopped")
    opened.type("clear; fg\n")
    opened.wait(READY)


def test_a_stop_from_elsewhere_does_no_harm(opened: Tmux) -> None:
    before = state(opened)
    opened.type("$layerscope demo\n")
    opened.wait(READY)
    during, child = state(opened), opened.child()
    os.kill(child, signal.SIGSTOP)
    until(lambda: opened.attributes != during[1] or "Stopped" in opened.shown, lambda: opened.shown)
    opened.type("bg\n")
    opened.type("clear; fg\n")
    opened.wait(READY)
    until(lambda: state(opened) == during, lambda: str(state(opened)))
    opened.type("q")
    opened.wait_gone(READY)
    until(lambda: state(opened) == before, lambda: str(state(opened)))


def test_a_signal_in_the_middle_of_writing_does_not_lock_the_screen(opened: Tmux, tmp_path: Path) -> None:
    program = tmp_path / "signalled.py"
    program.write_text(SIGNALLED, encoding="utf-8")
    opened.type(f"clear; {sys.executable} {program}; echo code=$?\n")
    opened.wait(READY)
    opened.type("q")
    opened.wait("code=0\n")


def test_when_the_terminal_is_gone_so_is_the_process(opened: Tmux) -> None:
    opened.type("$layerscope demo\n")
    opened.wait(READY)
    child = opened.child()
    opened.run_last("kill-server")
    until(lambda: not is_running(child), lambda: "it still runs", seconds=3)


@pytest.mark.parametrize("key", ["q", "C-q", "C-c"])
def test_quitting_waits_for_nothing_that_is_being_read(key: str, opened: Tmux, pipe: Path) -> None:
    opened.type(f"clear; $layerscope {pipe}; echo code=$?\n")
    opened.wait("opening")
    child = opened.child()
    opened.press(key)
    until(lambda: not is_running(child), lambda: opened.shown, seconds=1.5)
    assert opened.wait("code=0\n").startswith("code=0")


def test_a_signal_while_it_reads_ends_it_too(opened: Tmux, pipe: Path) -> None:
    opened.type(f"clear; $layerscope {pipe}; echo code=$?\n")
    opened.wait("opening")
    os.kill(opened.child(), signal.SIGTERM)
    assert opened.wait("code=143\n").startswith("code=143")


def test_what_cannot_be_opened_is_one_sentence_after_the_screen(opened: Tmux, tmp_path: Path) -> None:
    before = state(opened)
    image = written(tmp_path / "image.tar", layer("a")).read_bytes()
    (tmp_path / "cut.tar").write_bytes(image[: len(image) // 2])
    (tmp_path / "text").write_text("no image at all, but some text", encoding="utf-8")
    for number, arguments in enumerate(
        ("cut.tar", "text", "gone.tar", "image.tar --base nonsense", "image.tar --platform x/y/z/a")
    ):
        opened.type(f"clear; $layerscope {arguments}; echo code {number} $?\n")
        sentence, _, _ = opened.wait(f"code {number} 2\n").partition("code")
        assert sentence.startswith("layerscope: "), sentence
        until(lambda: state(opened) == before, lambda: str(state(opened)))


def test_a_config_file_with_a_mistake_is_one_sentence(opened: Tmux, tmp_path: Path) -> None:
    config = tmp_path / "xdg_config_home" / "layerscope"
    config.mkdir(parents=True)
    (config / "config.toml").write_text('theme = "norrd"\n', encoding="utf-8")
    opened.type("clear; $layerscope demo; echo code=$?\n")
    assert opened.wait("code=2\n").startswith("layerscope: ")


def test_a_filter_typed_at_once_is_all_there(opened: Tmux) -> None:
    opened.type("$layerscope demo\n")
    opened.wait(READY)
    opened.type("[[[]")
    opened.wait("after layer 8")
    opened.type("/main.py")
    opened.wait("1 hit")
    until(lambda: "/main.py" in opened.lines[-2], lambda: opened.shown)
    opened.press("Escape")
    opened.wait_gone("1 hit")
    opened.type("q")
    opened.wait_gone(READY)


@pytest.mark.parametrize(("columns", "rows"), [(40, 10), (20, 5), (300, 80), (3, 2)])
def test_a_terminal_of_any_size_will_do(columns: int, rows: int, tmp_path: Path) -> None:
    with bare(tmp_path, "demo", size=(columns, rows)) as opened:
        opened.wait(r"\?")
        opened.settle()
        opened.type(b"\t]?")
        opened.settle()
        opened.type(b"qwjq")
        opened.settle()
        opened.type(b"q")
        assert opened.ended() == 0
        assert b"Traceback" not in without_codes(opened.written)


def test_the_size_may_change_at_any_time(opened: Tmux, pipe: Path) -> None:
    opened.type(f"clear; $layerscope {pipe}; echo code=$?\n")
    opened.wait("opening")
    for columns, rows in ((20, 5), (200, 60), (1, 1), (120, 30)):
        opened.resize(columns, rows)
    until(lambda: any(line.startswith("└") and len(line) == 120 for line in opened.lines), lambda: opened.shown)
    opened.type("q")
    opened.wait("code=0")


def test_nothing_is_written_but_the_state(opened: Tmux, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    opened.type("$layerscope demo\n")
    opened.wait(READY)
    opened.type("sq")
    opened.wait_gone(READY)
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert all(path.is_relative_to(tmp_path / "xdg_state_home") for path in new), new
