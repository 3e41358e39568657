"""When the screen is shown, and when the report is printed instead."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from layerscope.cli.screen import can_show_screen
from support.commands import COMMAND, Settings, process, written
from support.image_builder import layer
from support.sources_build import REF_NAME, Layout, layer_tar, write_tar
from support.terminals import READY, Tmux, bare, tmux, without_codes


class Stream:
    """A standard stream."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def connect(monkeypatch: pytest.MonkeyPatch, *, to_pipes: tuple[str, ...] = (), **environment: str) -> None:
    """Standard streams that are terminals, but for some."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, Stream(is_terminal=name not in to_pipes))
    monkeypatch.delenv("TEXTUAL_DRIVER", raising=False)
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)


def test_a_terminal_shows_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch)
    assert can_show_screen("image.tar", None)


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_without_a_terminal_on_all_sides_there_is_none(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, to_pipes=(stream,))
    assert not can_show_screen("image.tar")


@pytest.mark.parametrize("term", ["", "dumb"])
def test_on_a_terminal_that_cannot_draw_there_is_none(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, TERM=term)
    assert not can_show_screen("image.tar")


START = """
import sys
from layerscope.app import app
from layerscope.cli.main import run

app.run = lambda *_, **__: sys.exit(", ".join(sorted({"numpy", "docker"} & set(sys.modules))))
run([sys.argv[1]])
"""


@pytest.mark.slow
def test_before_the_first_frame_nothing_is_imported_that_reads_images(tmp_path: Path) -> None:
    image = written(tmp_path / "image.tar", layer("a"))
    environment = {**os.environ, "TEXTUAL_DRIVER": "textual.drivers.headless_driver:HeadlessDriver"}
    environment.pop("CI", None)
    started = subprocess.run([sys.executable, "-c", START, image], env=environment, capture_output=True, text=True, check=False)
    assert started.stderr.strip() == ""


def test_a_driver_of_textuals_shows_it_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, to_pipes=("stdin", "stdout"), TERM="dumb", TEXTUAL_DRIVER="some.driver:Driver")
    assert can_show_screen("image.tar")
    assert not can_show_screen("-")


def test_an_image_typed_on_a_terminal_is_no_reason_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch)
    assert not can_show_screen("-")
    assert not can_show_screen("docker-archive:-:tag")
    assert not can_show_screen("image.tar", "-")


def test_a_file_whose_name_begins_with_a_hyphen_is_no_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch)
    assert can_show_screen("-image.tar")


# On a terminal.


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Tmux]:
    """A shell in which `$layerscope` is the command."""
    with tmux(tmp_path, settings={"layerscope": " ".join(COMMAND)}) as terminal:
        yield terminal


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A small one."""
    return written(tmp_path / "image.tar", layer("etc/", "etc/passwd"), layer("srv/", "srv/main.py"))


@pytest.mark.parametrize("reference", ["-", "docker-archive:-:test:1"])
def test_an_image_from_a_pipe_is_explored_with_the_terminals_keys(reference: str, opened: Tmux, image: Path) -> None:
    opened.type(f"clear; cat {image} | $layerscope {reference}; echo code=$?\n")
    opened.wait(READY)
    opened.type("[")
    opened.wait("after layer 1")
    opened.press("C-z")
    opened.wait("Stopped")
    opened.type("clear; fg; echo code=$?\n")
    opened.wait(READY)
    opened.type("q")
    opened.wait("code=0\n")


def test_the_base_may_come_from_a_pipe(opened: Tmux, image: Path) -> None:
    opened.type(f"cat {image} | $layerscope {image} --base -; echo code=$?\n")
    opened.wait(READY)
    opened.type("q")
    opened.wait("code=0\n")


def test_what_feeds_the_pipe_need_not_end(opened: Tmux, image: Path) -> None:
    opened.type(f"(head -c 9000 {image}; exec sleep 60) | $layerscope -\n")
    opened.wait("opening")
    opened.press("q")
    opened.wait_gone("opening", seconds=2)


def test_nothing_in_the_pipe_is_one_sentence(opened: Tmux) -> None:
    opened.type("clear; true | $layerscope -; echo code=$?\n")
    assert opened.wait("code=2\n").startswith("layerscope: standard input")


@pytest.mark.parametrize(
    ("arguments", "settings"), [(["--text"], {}), (["--json", "-"], {}), ([], {"TERM": "dumb"}), ([], {"TERM": ""})]
)
def test_a_terminal_may_be_told_to_show_the_report(arguments: list[str], settings: Settings, tmp_path: Path) -> None:
    with bare(tmp_path, "demo", *arguments, settings=settings) as printed:
        assert printed.ended() == 0
    assert b"\x1b[?1049h" not in printed.written
    assert (b'"waste"' if "--json" in arguments else b"efficien") in without_codes(printed.written)


@pytest.mark.parametrize("redirection", ["> out", "2> out", "< /dev/null"])
def test_what_is_redirected_shows_the_report(redirection: str, opened: Tmux) -> None:
    opened.type(f"clear; $layerscope demo {redirection}; echo code=$?\n")
    shown = opened.wait("code=0\n")
    assert opened.state("alternate_on") == "0"
    assert "┌" not in shown


@pytest.mark.slow
def test_without_any_terminal_a_pipe_gives_the_report(image: Path) -> None:
    ran = process("-", stdin=image.read_bytes(), settings={"TERM": "xterm"})
    assert ran.returncode == 0
    assert b"efficien" in ran.stdout


@pytest.fixture
def two_images(tmp_path: Path) -> str:
    """An archive of two images."""
    layout = Layout()
    images = [layout.image(layer_tar(name), names={REF_NAME: f"{name}:1"}) for name in ("first", "second")]
    return write_tar(tmp_path / "two.tar", layout.files(*images))


def test_an_archive_of_two_images_shows_the_choice(tmp_path: Path, two_images: str) -> None:
    with bare(tmp_path, two_images) as opened:
        assert "first:1" in opened.wait("(?s)second:1.*quit").decode()
        opened.type(b"j\r")
        opened.wait("after layer 1 .* /second")
        opened.type(b"q")
        opened.wait("first:1")
        opened.type(b"q")
        assert opened.ended() == 0


def test_without_a_terminal_the_images_are_named(two_images: str) -> None:
    done = process(two_images)
    assert done.returncode
    assert b"holds 2 images" in done.stderr
    assert b":TAG`: first:1, second:1" in done.stderr
