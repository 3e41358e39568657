"""What can be copied to the clipboard of a file or a layer: each with a key, a name, and how to find its text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from layerscope.advice.advice import Advice, DockerfileLine, Fix
from layerscope.app.export.menu import Menu, MenuRow
from layerscope.errors import LayerscopeError, NotFound, UsageError
from layerscope.text import escape
from layerscope.units import size_text
from layerscope.wording.sentences import instruction_lines

if TYPE_CHECKING:
    from textual.app import App

    from layerscope.app.export.subject import ExportSubject

MOST_COPIED = 74_000
"""Bytes of text that are copied: encoded they are 100,000, and terminals drop an OSC 52 that is longer."""


class Fixes(Protocol):
    """What to change in the image: `advice` is None until `find`, which takes seconds, is done, or where it failed."""

    advice: Advice | None
    problem: str

    def find(self) -> None:
        """Look for what to change."""

    def patch(self, fix: Fix) -> str:
        """Return the patch that makes one fix."""


@dataclass(frozen=True, slots=True)
class Copyable:
    """Something to copy. `text` finds it, which may read files for seconds, and raises LayerscopeError."""

    row: MenuRow
    text: Callable[[], str]


def copyables(about: ExportSubject, fixes: Fixes | None) -> list[Copyable]:
    """Return what can be copied, the most wanted first; without `fixes`, neither Dockerfile lines nor patches."""
    found = list(_of_layer(about) if about.node is None else _of_path(about))
    if about.layer:
        if lines := instruction_lines(about.image.layers[about.layer - 1].history):
            found.append(_known("i", "instruction", "\n".join(lines)))
        if fixes is not None:
            found += _of_fixes(about, fixes)
    return found


def _of_path(about: ExportSubject) -> Iterator[Copyable]:
    yield _known("p", "path", "/" + escape(about.path))
    if about.entry >= 0:
        size = size_text(about.size)
        yield Copyable(MenuRow("d", "digest", f"sha256 of its {size}"), partial(_digest, about))
        if about.size <= MOST_COPIED:
            yield Copyable(MenuRow("c", "content", size), partial(_content, about))


def _of_layer(about: ExportSubject) -> Iterator[Copyable]:
    image, layer = about.image, about.image.layers[about.layer - 1] if about.layer else None
    digests = (
        ("d", "digest", layer.digest if layer else None),
        ("f", "diff_id", layer.diff_id if layer else None),
        ("n", "chain_id", layer.chain_id if layer else None),
        ("m", "manifest", image.manifest_digest),
        ("s", "image id", image.id),
    )
    yield from (_known(key, name, str(digest)) for key, name, digest in digests if digest is not None)


def _known(key: str, name: str, text: str) -> Copyable:
    return Copyable(MenuRow(key, name, text.partition("\n")[0]), lambda: text)


def _of_fixes(about: ExportSubject, fixes: Fixes) -> Iterator[Copyable]:
    """Yield the Dockerfile's line and the patch, unless it is known already that there is none."""
    advice = fixes.advice
    line = advice.lines.get(about.layer) if advice else None
    if advice is None or line is not None:
        hint = _place(advice, line) if advice and line else "looked for first"
        yield Copyable(MenuRow("l", "Dockerfile line", hint), partial(_dockerfile_line, about, fixes))
    fix = _fix(about, advice) if advice else None
    if advice is None or fix is not None:
        hint = f"saves {size_text(fix.size)}" if fix else "looked for first"
        yield Copyable(MenuRow("t", "patch", hint), partial(_patch, about, fixes))


def _place(advice: Advice, line: DockerfileLine) -> str:
    return f"{escape(advice.dockerfile)}:{line.line}"


def _fix(about: ExportSubject, advice: Advice) -> Fix | None:
    """Return the fix with an edit that saves most of those about the path, or the layer."""
    fixes = [fix for fix in advice.fixes if fix.has_edit and _is_about(about, fix)]
    return max(fixes, key=lambda fix: fix.size, default=None)


def _is_about(about: ExportSubject, fix: Fix) -> bool:
    if about.node is None:
        return about.layer in fix.layers
    return any(path == about.path or path.startswith(about.path + b"/") for path in fix.paths)


def found_advice(fixes: Fixes) -> Advice:
    """Return what to change, looked for if need be. Raises NotFound where that failed."""
    if fixes.advice is None:
        fixes.find()
    if fixes.advice is None:
        raise NotFound(fixes.problem)
    return fixes.advice


def _dockerfile_line(about: ExportSubject, fixes: Fixes) -> str:
    advice = found_advice(fixes)
    line = advice.lines.get(about.layer)
    if line is None:
        hint = "" if advice.dockerfile else ": no Dockerfile was found (--dockerfile FILE names it)"
        raise NotFound(f"No line of a Dockerfile is known to have made layer {about.layer}{hint}")
    return _place(advice, line)


def _patch(about: ExportSubject, fixes: Fixes) -> str:
    advice = found_advice(fixes)
    fix = _fix(about, advice)
    if fix is None:
        hint = "" if advice.dockerfile else "; without a Dockerfile there is none (--dockerfile FILE names it)"
        raise NotFound(f"No edit is known that makes this smaller{hint}")
    return fixes.patch(fix)


def _digest(about: ExportSubject) -> str:
    digest = hashlib.sha256()
    for piece in about.pieces():
        digest.update(piece)
    return f"sha256:{digest.hexdigest()}"


def _content(about: ExportSubject) -> str:
    """Return a file's text. Whoever pastes it must not paste keys with it, so control characters are no text."""
    try:
        text = b"".join(about.pieces()).decode()
    except UnicodeDecodeError:
        text = "\0"
    if any(not character.isprintable() and character not in "\n\t" for character in text):
        raise UsageError("The file is not plain text, and only that is copied")
    return text


def ask_what_to_copy(app: App[Any], about: ExportSubject, fixes: Fixes | None, *, again: Sequence[str]) -> None:
    """Show the menu, and copy what is chosen, which a thread of the app finds. `again` are the keys that opened it."""
    found = copyables(about, fixes)
    if not found:
        app.notify("There is nothing here to copy")
        return

    def copy(index: int | None) -> None:
        if index is not None:
            app.run_worker(partial(_copy, app, found[index]), thread=True, exclusive=True, group="copy")

    app.push_screen(Menu("Copy", [each.row for each in found], again=again), copy)


def _copy(app: App[Any], wanted: Copyable) -> None:
    try:
        text = wanted.text()
        if len(text.encode()) > MOST_COPIED:
            raise UsageError(
                f"The {wanted.row.name} is too long for the clipboard of a terminal: {size_text(len(text.encode()))}"
            )
    except LayerscopeError as error:
        app.call_from_thread(app.notify, str(error), title="Not copied", severity="warning", markup=False)
        return
    app.call_from_thread(app.copy_to_clipboard, text)
    lines = text.count("\n")
    shown = text if not lines else f"{wanted.row.name}, {lines + (not text.endswith(chr(10)))} lines"
    app.call_from_thread(app.notify, shown, title="Copied", markup=False)
