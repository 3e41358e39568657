"""Files in the user's own programs: the pager, the editor, a command; and what is left of them: nothing."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from layerscope.app.export.opening import Opener, openers, safe_suffix
from layerscope.app.export.programs import how_ended, new_file, private_directory
from support.commands import written
from support.image_builder import file, layer
from support.screens import built, explored, piloted
from support.terminals import READY, tmux, until

HARMFUL = b"red \x1b[31m\x1b[2J\x07\ttab\n\xff \xc3\xa4\n"
LEFT = "layerscope-*"


@pytest.mark.parametrize(
    ("path", "suffix"),
    [
        (b"a/b.py", ".py"),
        (b"a.tar.gz", ".gz"),
        (b"a.1234567890", ".1234567890"),
        (b"a.12345678901", ""),
        (b"a.b/c", ""),
        (b".profile", ""),
        (b"d/.profile", ""),
        (b"a.p y", ""),
        (b"a.$(id)", ""),
        (b"a.py\n", ""),
        (b"a.\xc3\xa4", ""),
        (b"a.", ""),
        (b"", ""),
    ],
)
def test_of_a_name_only_a_plain_end_is_kept(path: bytes, suffix: str) -> None:
    assert safe_suffix(path) == suffix


def test_the_pager_comes_first_and_then_the_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PAGER": " less -S ", "VISUAL": "", "EDITOR": "vim"}.items():
        monkeypatch.setenv(name, value)
    assert openers() == [Opener("less -S", is_pager=True), Opener("vim", is_pager=False)]
    monkeypatch.setenv("VISUAL", "emacs")
    assert openers()[1].command == "emacs"


def test_without_any_setting_there_is_less_or_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PAGER", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "less").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert openers() == [Opener("less", is_pager=True)]
    (tmp_path / "less").unlink()
    assert openers() == []


def test_a_private_directory_is_private_and_goes_with_all_that_is_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyError), private_directory() as place:
        with new_file(place / "f") as file_:
            assert stat.S_IMODE(os.fstat(file_.fileno()).st_mode) == 0o600
        with pytest.raises(FileExistsError):
            new_file(place / "f")
        (place / "left by an editor").mkdir()
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_how_a_program_ended_is_said_in_words() -> None:
    assert [how_ended(code) for code in (3, 137, -9)] == ["ended with exit code 3", *["was ended by SIGKILL"] * 2]


@piloted
async def test_what_has_no_content_is_not_opened_and_where_there_is_no_terminal_nothing_is() -> None:
    async with explored(built(layer("d/f")), keys=["O", "tab O"]) as screen:
        assert screen.said == [
            "There is no content to open: a layer is no file",
            "There is no content to open: /d is no file",
        ]
        await screen.keys("e j | c a t enter")
        assert screen.said[-1] == "There is no terminal to run a program on"


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_a_pager_gets_text_that_cannot_harm_and_an_editor_the_bytes(tmp_path: Path) -> None:
    image, home = written(tmp_path / "image.tar", layer(file("f\x1b[31m.py", HARMFUL))), tmp_path / "tmp"
    home.mkdir()
    pager = script(
        tmp_path / "pager", f'stat -c %a "$1" > {tmp_path}/mode; cat "$1"; sleep 0.6; echo ${{1##*/}} is shown; read line'
    )
    editor = script(tmp_path / "editor", f'cp "$1" {tmp_path}/edited; sleep 0.6; echo is edited; read line')
    with tmux(tmp_path, settings={"PAGER": f"{pager} ", "EDITOR": editor, "TMPDIR": str(home)}) as terminal:
        terminal.run_layerscope(image)
        terminal.wait(READY)
        terminal.press("Tab", "O", "O")
        shown = terminal.wait("content.py is shown")
        assert r"red \x1b[31m\x1b[2J\x07" in shown
        assert r"\xff ä" in shown
        assert (tmp_path / "mode").read_text(encoding="utf-8") == "600\n"
        terminal.press("Enter")
        terminal.wait(READY)
        assert list(home.glob(LEFT)) == []
        terminal.press("v")
        terminal.wait("content")
        terminal.press("O", "e")
        terminal.wait("is edited")
        terminal.press("Enter")
        terminal.wait_gone("is edited")
        assert (tmp_path / "edited").read_bytes() == HARMFUL
        terminal.press("|")
        terminal.wait("Pipe")
        terminal.type(f"tee {tmp_path}/piped; exit 3")
        terminal.press("Enter")
        shown = terminal.wait("answer.txt is shown")
        assert r"red \x1b[31m\x1b[2J\x07" in shown
        assert (tmp_path / "piped").read_bytes() == HARMFUL
        terminal.press("Enter")
        terminal.wait("ended with exit code 3")
        assert list(home.glob(LEFT)) == []


def test_whatever_ends_a_program_or_us_nothing_is_left(tmp_path: Path) -> None:
    image, home = written(tmp_path / "image.tar", layer("f")), tmp_path / "tmp"
    home.mkdir()
    pager = script(tmp_path / "pager", "stty raw -echo; kill -9 $$")
    editor = script(tmp_path / "editor", "echo is edited; read line; exit 4")
    with tmux(tmp_path, settings={"PAGER": pager, "EDITOR": editor, "TMPDIR": str(home)}) as terminal:
        before = terminal.attributes
        terminal.run_layerscope(image)
        terminal.wait(READY)
        terminal.press("Tab", "O", "O")
        terminal.wait("SIGKILL.\nEnter goes back")
        terminal.press("Enter")
        terminal.wait(READY)
        terminal.press("O", "e")
        terminal.wait("is edited")
        assert len(list(home.glob(LEFT))) == 1
        os.kill(terminal.child(), signal.SIGTERM)
        terminal.wait_gone("is edited")
        until(lambda: terminal.attributes == before, lambda: str(terminal.attributes))
        terminal.run_layerscope(image)
        terminal.wait(READY)
        terminal.press("Tab", "O", "e")
        terminal.wait("is edited")
        os.kill(terminal.child(), signal.SIGKILL)
        until(lambda: not list(home.glob(LEFT)), lambda: str(list(home.glob(LEFT))))
