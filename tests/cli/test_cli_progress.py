"""Progress: on a terminal alone, after a while, and gone in the end."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from layerscope.analysis import read_image
from layerscope.cli.output import Progress
from layerscope.sources.open import open_image
from layerscope.units import size_text
from layerscope.wording.style import cells
from support.commands import COMMAND, environment, on_terminal, process, ran, written
from support.image_builder import file, layer, write_layout
from support.pretend_registry import pretended_registry, served

LAYERS = (layer("a"), layer(".wh.a"))

EAGER = (
    COMMAND[0],
    "-c",
    "import sys; from layerscope.cli import output; output.PATIENCE = output.INTERVAL = 0.0; "
    "from layerscope.cli.main import run; sys.exit(run(sys.argv[1:]))",
)
"""The command, without the half second that it waits before it shows progress."""


class Terminal:
    """A standard error that says it is a terminal."""

    def __init__(self) -> None:
        self.shown = ""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError

    def write(self, text: str) -> None:
        self.shown += text

    def flush(self) -> None:
        pass


def as_stderr(monkeypatch: pytest.MonkeyPatch, *, term: str = "xterm") -> Terminal:
    """Not a fixture, for pytest puts its own standard error back before a test begins."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", term)
    return terminal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def left(shown: str) -> str:
    """What a terminal shows in the end: each row from its last erasure on, without colors."""
    rows = [row.rpartition("\r\x1b[K")[2] for row in shown.split("\n")]
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(rows))


def test_nothing_is_drawn_in_the_first_half_second(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    terminal = as_stderr(monkeypatch)
    with Progress() as watch:
        watch("reading", 1, 10)
        clock[0] += 0.49
        watch("reading", 2, 10)
    assert terminal.shown == ""


def test_a_line_is_drawn_ten_times_a_second_at_most_and_erased(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    terminal = as_stderr(monkeypatch)
    with Progress() as watch:
        for _ in range(100):
            clock[0] += 0.02
            watch("reading layers", 1_000_000, 4_000_000)
    assert 5 <= terminal.shown.count("reading layers: 1.00 MB of 4.00 MB (25%), ") <= 16
    assert terminal.shown.endswith("\r\x1b[K")


def interrupted(clock: list[float]) -> None:
    with Progress() as watch:
        clock[0] += 1
        watch("merging", 0, 0)
        raise KeyboardInterrupt


def test_the_rate_is_that_of_bytes_that_come_not_of_the_time_before(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    terminal = as_stderr(monkeypatch)
    with Progress() as watch:
        for _ in range(10):
            clock[0] += 1
            watch("Docker prepares app:1", 0, 0)
        clock[0] += 2
        watch("reading app:1", 10_000_000, 20_000_000)
    assert left(terminal.shown[: -len("\r\x1b[K")]) == "reading app:1: 10.0 MB of 20.0 MB (50%), 5.00 MB/s"


def test_an_error_erases_the_line_too(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    terminal = as_stderr(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        interrupted(clock)
    assert terminal.shown == "\r\x1b[Kmerging ...\r\x1b[K"


def test_a_line_never_wraps(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    terminal = as_stderr(monkeypatch)
    with Progress() as watch:
        clock[0] += 1
        watch("reading " + "日本" * 100, 5, 10)
    assert 70 < cells(terminal.shown.split("\x1b[K")[1].rstrip("\r")) < 80


def test_a_terminal_that_cannot_erase_shows_none(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    terminal = as_stderr(monkeypatch, term="dumb")
    with Progress() as watch:
        clock[0] += 1
        watch("reading", 5, 10)
    assert terminal.shown == ""


@pytest.mark.slow
def test_what_a_registry_was_spared_is_told_and_is_no_progress(tmp_path: Path) -> None:
    place = write_layout(tmp_path / "image", layer(file("big", bytes(40 << 20))), layer(file("small", bytes(900_000))))
    seen: list[tuple[str, int, int]] = []
    with pretended_registry() as registry:
        image = open_image(served(registry, place))
        read_image(image, progress=lambda *report: seen.append(report))
    parts = sum(last - first + 1 for first, last in (each.range for each in registry.asked if each.range))
    stage, done, total = next(each for each in reversed(seen) if each[0].startswith("reading"))
    small = image.layers[1].reader.stored_bytes
    assert stage.endswith(f" of 2, {size_text(image.layers[0].reader.stored_bytes - parts)} spared")
    assert (done, total) == (parts + small, parts + small)
    assert all(done <= total for _, done, total in seen if total)


@pytest.mark.slow
def test_the_line_says_what_was_spared(monkeypatch: pytest.MonkeyPatch, clock: list[float], tmp_path: Path) -> None:
    terminal = as_stderr(monkeypatch)
    place = write_layout(tmp_path / "image", layer(file("big", bytes(40 << 20))), layer(file("small", bytes(900_000))))
    with pretended_registry() as registry, Progress() as watch:

        def timed(stage: str, done: int, total: int) -> None:
            clock[0] += 1
            watch(stage, done, total)

        read_image(open_image(served(registry, place)), progress=timed)
    shown = terminal.shown.split("\r\x1b[K")
    assert any(
        re.fullmatch(r"reading layer \d of 2, 41\.\d MB spared: [\d.]+ kB of [\d.]+ [kM]B \(\d+%\), .*/s", each)
        for each in shown
    )


@pytest.mark.parametrize("command", [[], ["ls"], ["waste"], ["verify"], ["blame"], ["find"]])
def test_a_terminal_shows_progress_and_in_the_end_only_the_output(archive: Path, command: list[str]) -> None:
    arguments = [*command, str(archive), *(["/a"] if command in (["blame"], ["find"]) else [])]
    shown, code = on_terminal(*arguments, command=EAGER)
    assert code == 0
    assert re.search(r"\r\x1b\[K(reading|verifying)", shown)
    assert left(shown) == process(*arguments, settings={"PYTHONUTF8": "1"}).stdout.decode()


def test_an_error_stands_alone_in_the_end(tmp_path: Path) -> None:
    shown, code = on_terminal("ls", written(tmp_path / "image.tar", layer("a")), "/b", command=EAGER)
    assert code == 2
    assert "reading layer " in shown
    assert left(shown).strip() == "layerscope: /b is not in the image"


@pytest.mark.slow
def test_a_pipe_gets_no_progress(archive: Path) -> None:
    done = subprocess.run([*EAGER, archive], capture_output=True, check=True, env=environment({"TERM": "xterm"}))
    assert done.stderr == b""


def test_a_quick_command_shows_no_progress(archive: Path) -> None:
    # On a busy machine a run may take longer than the half second after which progress is shown.
    assert any("\r" not in on_terminal(archive)[0] for _ in range(5))


def test_in_this_process_nothing_is_shown_either(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, archive).err == ""
