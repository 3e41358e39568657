"""Saves what the screen shows to a file that the user names: as text, or as a page if its name ends in `.html`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layerscope.app.export.menu import Menu, MenuRow
from layerscope.app.export.question import Question
from layerscope.atomic import replace_file
from layerscope.errors import CannotWrite, LayerscopeError, WouldOverwrite
from layerscope.text import escape
from layerscope.units import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import App

    from layerscope.advice.advice import Advice
    from layerscope.analysis import Analysis

WIDTH = 120
"""Cells of a line of text, where a view does not say how wide it is."""
PAGES = (".html", ".htm")


@dataclass(frozen=True, slots=True)
class Savable:
    """A view that can be saved: its line in the menu, and its text or page, which takes seconds to make.

    Both raise LayerscopeError; the bytes are UTF-8, and what the image holds is escaped in them.
    """

    row: MenuRow
    text: Callable[[], bytes]
    page: Callable[[], bytes]


def text_page(title: str, text: str) -> bytes:
    """Encode a page of a title and preformatted text, both escaped for a terminal, and here for HTML."""
    from layerscope.report.verdict.html import shown, whole_page

    return whole_page(title, f"<main><h1>{shown(title)}</h1>\n<pre>{_lines(text)}</pre></main>")


def _lines(text: str) -> str:
    """Escape lines for HTML, in the colors of the changes that their first character tells."""
    from layerscope.report.verdict.html import shown

    looks = {"+": "good", "~": "warn", "-": "bad"}
    shown_lines = ((looks.get(line[:1]), shown(line)) for line in text.split("\n"))
    return "\n".join(f'<span class="{look}">{line}</span>' if look else line for look, line in shown_lines)


def reports(analysis: Analysis, advice: Callable[[], Advice], by: str) -> list[Savable]:
    """Return the waste, grouped by `by` (`path`, `cause`, `layer` or `directory`), and the report; `advice` takes seconds."""
    name = escape(analysis.image.name or analysis.image.reference)

    def waste() -> str:
        from layerscope.report.listings import waste_lines
        from layerscope.wording.style import Style

        return "".join(f"{line}\n" for line in waste_lines(analysis, by, None, Style(WIDTH)))

    def report() -> bytes:
        from layerscope.report.image_text import report_text
        from layerscope.wording.style import Style

        return report_text(analysis, Style(WIDTH), advice()).encode()

    def report_page() -> bytes:
        from datetime import UTC, datetime

        from layerscope.gate.config_sources import Flags, read_config
        from layerscope.gate.evaluate import evaluate
        from layerscope.report.verdict.gate_run import GateRun
        from layerscope.report.verdict.html import html_report

        config = read_config(Flags(), directory=Path(), environment=os.environ)
        verdict = evaluate(analysis, config, today=datetime.now(UTC).date())
        return html_report(GateRun(analysis, verdict, advice()))

    return [
        Savable(
            MenuRow("w", "waste", f"{size_text(analysis.waste.wasted_bytes)}, by {by}"),
            lambda: waste().encode(),
            lambda: text_page(f"Waste of {name}, by {by}", waste()),
        ),
        Savable(MenuRow("r", "report", "layers, waste, what to change"), report, report_page),
    ]


def save(path: Path, data: bytes, *, image: str, has_asked: bool) -> None:
    """Write a file, whole or not at all. Raises CannotWrite, and WouldOverwrite unless the user `has_asked` to replace it.

    The image itself, named by its reference, is never replaced, nor is what is no regular file.
    """
    place = escape(os.fsencode(path))
    try:
        if path.is_symlink() or path.exists():
            if not path.is_file() or path.is_symlink():
                raise CannotWrite(f"{place} is no regular file")
            if _is_image(path, image):
                raise CannotWrite(f"{place} is the image itself")
            if not has_asked:
                raise WouldOverwrite(f"{place} already exists")
            replace_file(path, data, mode=0o666)
        else:
            _write_new(path, data)
    except (OSError, ValueError) as error:  # a NUL is in no path
        raise CannotWrite(f"{place} cannot be written: {getattr(error, 'strerror', None) or error}") from error


def _write_new(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as file:
        try:
            file.write(data)
            file.flush()
        except OSError:
            path.unlink()
            raise


def _is_image(path: Path, reference: str) -> bool:
    from layerscope.sources.location import locate

    image = locate(reference).path
    return image is not None and image.exists() and image.samefile(path)


def ask_what_to_save(app: App[Any], views: Sequence[Savable], image: str, *, again: Sequence[str]) -> None:
    """Ask which view to save, and where to; `image` is the image's reference, `again` are the keys that ask."""

    def choose(index: int | None) -> None:
        if index is not None:
            _ask_where(app, views[index], image, f"layerscope-{views[index].row.name.split()[0]}.txt", "")

    app.push_screen(Menu("Save", [each.row for each in views], again=again), choose)


def _ask_where(app: App[Any], view: Savable, image: str, value: str, problem: str) -> None:
    """Ask for a file; after a `problem`, which a second Enter overrules if it is that the file is there, ask again."""

    def answer(place: str | None) -> None:
        if place is not None:
            has_asked = bool(problem) and place == value
            app.run_worker(partial(_save, app, view, image, place, has_asked=has_asked), thread=True, group="export")

    note = problem or "A page if it ends in .html, else text. Enter saves it, Esc cancels."
    app.push_screen(Question("Save", f"Save {view.row.name} to the file:", note=note, value=value), answer)


def _save(app: App[Any], view: Savable, image: str, place: str, *, has_asked: bool) -> None:
    try:
        path = Path(place).expanduser()
        data = view.page() if path.suffix.lower() in PAGES else view.text()
        save(path, data, image=image, has_asked=has_asked)
    except (LayerscopeError, RuntimeError) as error:  # ~nobody has no home
        hint = ". Enter again replaces it." if isinstance(error, WouldOverwrite) else ""
        app.call_from_thread(_ask_where, app, view, image, place, f"{error}{hint}")
        return
    sentence = f"{size_text(len(data))} saved to {escape(os.fsencode(path))}"
    app.call_from_thread(app.notify, sentence, markup=False)
