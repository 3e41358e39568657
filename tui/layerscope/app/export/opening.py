"""Opens a file of an image in the user's pager or editor, and pipes it to a command of theirs.

A terminal obeys what it is sent, and a file of an image may hold anything. So pagers, of which some pass on what they are given
(`more`, `less -r`, `cat`), get the text with its control characters escaped, and what a command writes is shown in that way.
An editor and a command get the bytes as they are: editors draw every character themselves.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SuspendNotSupported
from textual.worker import get_current_worker

from layerscope.app.export.menu import Menu, MenuRow
from layerscope.app.export.programs import Console, how_ended, new_file, private_directory, suspended
from layerscope.app.export.question import Question
from layerscope.errors import Cancelled, LayerscopeError
from layerscope.text import escape, harmless_text
from layerscope.units import size_text
from layerscope.wording.style import cut_middle

if TYPE_CHECKING:
    from textual.app import App

    from layerscope.app.export.subject import ExportSubject

SHELL = "/bin/sh"
_SUFFIX = re.compile(rb"[^/](\.[A-Za-z0-9]{1,10})\Z")
_PLAIN = re.compile(r"[\w./+-]+(?: +[\w./+:,@%=-]+)*")
_PIECE = 1 << 20
LONGEST_NAME = 30
"""Cells of a command in a message of one line, which ends with what became of it."""
_LARGE = 16 << 20
"""Bytes of a file from which it is said that it is being read."""


@dataclass(frozen=True, slots=True)
class Opener:
    """A program to open files in: the user's command line, and whether it gets control characters escaped."""

    command: str
    is_pager: bool

    def open(self, console: Console, path: Path) -> None:
        """Run it on a file, as git does: its words are the shell's."""
        # A preprocessor of less would unpack or convert a file of a stranger by the end of its name.
        env = {name: value for name, value in os.environ.items() if name not in ("LESSOPEN", "LESSCLOSE")}
        # Where the shell may be replaced by the program, the signal that ends the one ends the other.
        start = "exec " if _PLAIN.fullmatch(self.command) else ""
        console.show([SHELL, "-c", f'{start}{self.command} "$@"', SHELL, path], name=escape(self.command), env=env)


def openers() -> list[Opener]:
    """Return the pager, then the editor of the environment, as far as there are any."""
    pagers = (os.environ.get("PAGER", ""), *filter(shutil.which, ("less", "more")))
    editors = (os.environ.get("VISUAL", ""), os.environ.get("EDITOR", ""))
    found = [(next(filter(None, map(str.strip, named)), ""), named is pagers) for named in (pagers, editors)]
    return [Opener(command, is_pager) for command, is_pager in found if command]


def safe_suffix(path: bytes) -> str:
    """Return the end of a file's name from its last dot, by which programs tell its language, if it is plain; else nothing."""
    found = _SUFFIX.search(path)
    return found[1].decode() if found else ""


def _written(path: Path, pieces: Iterable[bytes]) -> Path:
    """Write a private file. Raises OSError and CorruptLayer."""
    with new_file(path) as file:
        file.writelines(pieces)
    return path


def _escaped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    return (text.encode() for text in harmless_text(pieces))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def ask_what_to_open_with(app: App[Any], about: ExportSubject, *, again: Sequence[str]) -> None:
    """Open a file: with the pager or the editor, whichever is chosen, if there are both. `again` are the keys that ask."""
    found = openers()
    if not _has_content(app, about):
        return
    if not found:
        app.notify("Neither PAGER nor EDITOR is set, and there is no less", severity="warning")
    elif len(found) == 1:
        _start(app, about, partial(_open, app, about, found[0]))
    else:

        def choose(index: int | None) -> None:
            if index is not None:
                _start(app, about, partial(_open, app, about, found[index]))

        names = ["pager" if each.is_pager else "editor" for each in found]
        rows = [MenuRow(name[0], name, escape(each.command)) for name, each in zip(names, found, strict=True)]
        app.push_screen(Menu("Open in", rows, again=again), choose)


class PipeQuestion(Question):
    """Asks for a command; the one before is there already."""

    last: ClassVar[str] = ""


def ask_what_to_pipe_to(app: App[Any], about: ExportSubject) -> None:
    """Ask for a command, and pipe a file's content to it."""
    if not _has_content(app, about):
        return

    def pipe(command: str | None) -> None:
        if command is not None:
            PipeQuestion.last = command
            _start(app, about, partial(_pipe, app, about, command))

    sentence = f"Pipe /{escape(about.path)} of layer {about.layer} ({size_text(about.size)}) to the command:"
    note = "Enter runs it in /bin/sh and shows what it writes; Esc cancels."
    app.push_screen(PipeQuestion("Pipe", sentence, note=note, value=PipeQuestion.last), pipe)


def _has_content(app: App[Any], about: ExportSubject) -> bool:
    if about.entry < 0:
        what = "a layer" if about.node is None else f"/{escape(about.path)}"
        app.notify(f"There is no content to open: {what} is no file", markup=False)
    return about.entry >= 0


def _start(app: App[Any], about: ExportSubject, work: Callable[[], None]) -> None:
    """Run it in a thread of the app, as files may be large; what goes wrong is told in a sentence."""

    def told() -> None:
        try:
            work()
        except Cancelled:
            pass
        except (LayerscopeError, OSError) as error:
            app.call_from_thread(app.notify, escape(str(error)), title="Not opened", severity="error", markup=False)
        except SuspendNotSupported:
            app.call_from_thread(app.notify, "There is no terminal to run a program on", severity="error")

    if about.size > _LARGE:
        app.notify(f"Reading {size_text(about.size)} …")
    app.run_worker(told, thread=True, exclusive=True, group="export")


def _open(app: App[Any], about: ExportSubject, opener: Opener) -> None:
    with private_directory() as place:
        pieces = _uncancelled(about)
        path = _written(place / f"content{safe_suffix(about.path)}", _escaped(pieces) if opener.is_pager else pieces)
        app.call_from_thread(_run_opener, app, opener, path)


def _run_opener(app: App[Any], opener: Opener, path: Path) -> None:
    with suspended(app) as console:
        opener.open(console, path)


def _pipe(app: App[Any], about: ExportSubject, command: str) -> None:
    with private_directory() as place:
        path = _written(place / f"content{safe_suffix(about.path)}", _uncancelled(about))
        said = app.call_from_thread(_run_command, app, command, path)
        if said:
            app.call_from_thread(app.notify, said, markup=False)


def _run_command(app: App[Any], command: str, path: Path) -> str:
    """Run a command on a file, then show what it wrote in the pager; return a sentence if it failed or wrote nothing."""
    name, answer = cut_middle(escape(command), LONGEST_NAME), path.with_name("answer")
    with suspended(app) as console:
        console.say(f"$ {escape(command)}\n(Ctrl+C ends it)\n")
        with path.open("rb") as given, new_file(answer) as written:
            code = console.run([SHELL, "-c", command], stdin=given, stdout=written, stderr=written)
        failure = f"`{name}` {how_ended(code)}" if code else ""
        if not answer.stat().st_size:
            return failure or f"`{name}` wrote nothing"
        shown = _written(path.with_name("answer.txt"), _escaped(_read(answer)))
        pager = next((each for each in openers() if each.is_pager), None)
        if pager is not None:
            pager.open(console, shown)
        else:
            console.say(shown.read_text(encoding="utf-8"))
            console.wait("")
    return failure


def _uncancelled(about: ExportSubject) -> Iterator[bytes]:
    worker = get_current_worker()
    for piece in about.pieces():
        if worker.is_cancelled:
            raise Cancelled
        yield piece
