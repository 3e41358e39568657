"""A smaller image on the screen: D marks what goes, a line says what that comes to, W writes and proves it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Input, Static

from layerscope.app.slim.marks import SlimMarks
from layerscope.app.slim.slim_dialog import SlimDialog
from layerscope.slim.output import Format
from layerscope.slim.target import target_of
from support.image_builder import file, layer, whiteout
from support.screens import NARROW, POOR, WIDE, Shown, built, explored, piloted
from support.slimming import analyzed, layers_of, stored

STACK = (
    layer("d/", file("d/doc", b"1" * 4000), file("b", b"2" * 3000), file("c", b"3" * 9000)),
    layer(whiteout("b"), file("c", b"4" * 2000), file("own", b"5")),
)


def slim_line(screen: Shown) -> str:
    line = screen.app.screen.query_one("#slim-line")
    return line.render_line(0).text.strip() if line.display else ""


def told(screen: Shown, part: str = "note") -> str:
    return str(screen.app.screen.query_one(f"#slim-{part}", Static).render())


def marks_of(screen: Shown) -> list[str]:
    return [line[:1] for line in screen.lines("waste")]


def test_a_mark_on_all_rows_is_removed_again_and_one_on_some_completes_them(tmp_path: Path) -> None:
    marks = SlimMarks(analyzed(stored(tmp_path, *STACK)))
    both = np.array([0, 1])
    marks.toggle_rows(both[:1])
    assert marks.share(both) == 0.5
    marks.toggle_rows(both)
    assert marks.share(both) == 1.0
    marks.toggle_rows(both)
    assert not marks.has_any
    assert marks.options.chosen is None


def test_what_is_in_a_marked_directory_has_no_mark_of_its_own(tmp_path: Path) -> None:
    marks = SlimMarks(analyzed(stored(tmp_path, *STACK)))
    directory, inside = (marks.analysis.tree.nodes.find(path) or 0 for path in (b"d", b"d/doc"))
    marks.toggle_node(inside)
    marks.toggle_node(directory)
    assert marks.nodes == {directory}
    assert "above it" in marks.toggle_node(inside)
    assert marks.nodes == {directory}


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("x.tar", ("x.tar", Format.DOCKER_ARCHIVE)),
        ("x/", ("x", Format.OCI)),
        ("oci:x", ("x", Format.OCI)),
        ("oci-archive:x:1", ("x:1", Format.OCI_ARCHIVE)),
        ("some:x", ("some:x", Format.DOCKER_ARCHIVE)),
    ],
)
def test_the_place_is_spelled_as_in_the_command(tmp_path: Path, out: str, expected: tuple[str, Format]) -> None:
    assert target_of(out, str(stored(tmp_path, *STACK))) == (Path(expected[0]), expected[1])


@piloted
async def test_waste_is_marked_by_cause_and_by_path_and_the_line_keeps_up() -> None:
    async with explored(built(*STACK), keys=["w tab"]) as screen:
        assert slim_line(screen) == ""
        await screen.keys("D")
        assert slim_line(screen).startswith("slim: 18.0 kB to 9.00 kB, 66.7% efficient")
        assert marks_of(screen) == ["✗", "✗", " ", " "]
        await screen.keys("j j D D")
        assert marks_of(screen) == ["✗", "✗", " ", " "]
        await screen.keys("tab tab")
        assert marks_of(screen) == ["-"]
        await screen.keys("tab D")
        assert marks_of(screen) == [" ", " "]
        assert slim_line(screen) == ""


@piloted
async def test_the_signs_can_be_seen_without_color_and_in_ascii() -> None:
    for terminal in POOR:
        async with explored(built(*STACK), terminal=terminal, keys=["w tab D"]) as screen:
            screen.check_lines()
            sign = "x" if terminal.is_ascii else "✗"
            assert sum(line.startswith(sign) for line in screen.picture) == 2


@piloted
async def test_a_file_that_is_seen_goes_too_and_the_line_says_so() -> None:
    async with explored(built(*STACK), size=WIDE, keys=["tab"]) as screen:
        await screen.keys("j j D")
        assert "✗" in screen.line("d")
        assert "! not the same files: 2 paths go" in slim_line(screen)
        assert "all waste goes" in slim_line(screen)
        await screen.keys("space j D")
        assert "✗" in screen.line("d/doc")
        assert screen.said[-1] == "It goes with the directory above it, which is marked."
        await screen.keys("k D")
        assert "✗" not in screen.line("d")
        assert slim_line(screen) == ""


@piloted
async def test_the_bases_layers_are_not_marked() -> None:
    async with explored(built(*STACK, base=1), keys=["tab j j D"]) as screen:
        assert screen.said[-1] == "It is in the base's layers, which stay as they are."
        await screen.keys("w tab D")
        assert screen.said[-1] == "The base's layers wrote it, and they stay as they are."
        assert slim_line(screen) == ""


@piloted
async def test_without_marks_all_waste_goes_and_a_file_is_replaced_only_when_asked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test-slim.tar").write_text("mine")
    async with explored(built(*STACK), keys=["W"]) as screen:
        assert "18.0 kB to 6.00 kB, 100% efficient, without all that no container sees." in told(screen, "what")
        await screen.keys("enter")
        assert told(screen) == "test-slim.tar is there already; Enter again replaces it."
        assert (tmp_path / "test-slim.tar").read_text() == "mine"
        await screen.keys("enter")
        assert "5 paths that a container sees are the same" in told(screen, "what")
        assert "docker load -i test-slim.tar" in told(screen, "what")
        await screen.keys("enter")
        assert screen.app.screen is screen.explorer
    below, _ = layers_of(tmp_path / "test-slim.tar")
    assert [member.name for member in below.members] == [b"d/", b"d/doc"]


@piloted
async def test_what_cannot_be_written_is_told_and_asked_again(tmp_path: Path) -> None:
    async with explored(built(*STACK), keys=["tab j j D W"]) as screen:
        assert "2 paths with 4.00 kB that a container sees are left out as asked" in told(screen, "warning")
        screen.app.screen.query_one(Input).value = f"{tmp_path}/nowhere/x.tar"
        await screen.keys("enter")
        assert told(screen).endswith("cannot be written: No such file or directory. Enter tries again, Esc closes.")
        screen.app.screen.query_one(Input).value = f"oci:{tmp_path}/x"
        await screen.keys("enter")
        assert f"podman pull oci:{tmp_path}/x" in told(screen, "what")
        assert "2 paths left out as asked" in told(screen, "what")


@piloted
async def test_an_image_without_waste_says_so() -> None:
    async with explored(built(layer("a")), keys=["W"]) as screen:
        assert told(screen, "what") == "Nothing to save: no layer has content that no container sees."
        await screen.keys("enter")
        assert screen.app.screen is screen.explorer


@pytest.mark.slow
@piloted
async def test_escape_stops_it_and_nothing_stays(tmp_path: Path) -> None:
    stack = (layer(file("a", os.urandom(16_000_000)), file("b", b"1")), layer(whiteout("b")))
    async with explored(built(*stack, compress="gzip"), size=NARROW, keys=["W"]) as screen:
        dialog = screen.app.screen
        assert isinstance(dialog, SlimDialog)
        dialog.query_one(Input).value = f"{tmp_path}/x.tar"
        screen.press("enter")
        await screen.until(lambda: told(screen).startswith("Writing"))
        await screen.keys("escape")
        assert told(screen).startswith("Stopped: nothing was written")
        assert list(tmp_path.iterdir()) == []
        await screen.keys("escape")
        assert screen.app.screen is screen.explorer
