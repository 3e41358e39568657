"""The Markdown documents of the repository: their headings, links and fenced blocks.

A comment right before a block says what becomes of it: `<!-- not run: needs an engine -->`, or `<!-- file: NAME -->` for a
file that the blocks after it find in the directory in which they run.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from support.commands import environment

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_MARK = re.compile(r"<!-- (not run|file): (.+?) -->")
_ESTIMATE = re.compile(r" *≈[0-9.]+ (?:B|kB|MB|GB)")
_SEPARATOR = re.compile(r"\s(?:\|\|?|&&|;)\s|\n")
_ELISION = "..."


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `reason` says why it is not run, `file` is the name under which its content is written."""

    document: Path
    line: int
    language: str
    content: str
    reason: str = ""
    file: str = ""

    def __str__(self) -> str:
        return f"{title(self.document)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """A line after `$`, and the output that the document shows for it."""

    typed: str
    output: tuple[str, ...]


def title(document: Path) -> str:
    return str(document.relative_to(ROOT))


@cache
def tokens(document: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(document.read_text("utf-8"))


@cache
def blocks(document: Path) -> tuple[Block, ...]:
    return tuple(_blocks(document))


def _blocks(document: Path) -> Iterator[Block]:
    before = ""
    for token in tokens(document):
        if token.type == "fence":
            mark = _MARK.fullmatch(before.strip())
            marks = {mark[1]: mark[2]} if mark else {}
            line = (token.map or [0])[0] + 1
            yield Block(document, line, token.info, token.content, marks.get("not run", ""), marks.get("file", ""))
        before = token.content if token.type == "html_block" else ""


def commands(block: Block) -> list[Command]:
    """Return what a console block types and shows. A typed line that ends with a backslash goes on in the next."""
    found: list[tuple[str, list[str]]] = []
    for line in block.content.splitlines():
        if found and found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        elif line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            assert found, f"{block}: output before the first command"
            found[-1][1].append(line)
    return [Command(typed, tuple(output)) for typed, output in found]


def agrees(shown: tuple[str, ...], printed: str) -> bool:
    """Compare what a document shows with what was printed. A line `...` stands for any lines.

    Estimates (≈) may differ in the figure: it comes from the compression library of the machine.
    """
    lines = (".*\n" if line.strip() == _ELISION else re.escape(_comparable(line)) + "\n" for line in shown)
    pattern = "".join(f"(?:{line})*?" if line == ".*\n" else line for line in lines)
    actual = "".join(f"{_comparable(line)}\n" for line in printed.splitlines())
    return re.fullmatch(pattern, actual) is not None


def _comparable(line: str) -> str:
    return _ESTIMATE.sub(" ≈", line).rstrip()


def run_blocks(document: Path, directory: Path) -> Iterator[tuple[Block, Command, str, int]]:
    """Run a document's console blocks one after the other in one directory, in which its files are written.

    Yields what each command printed on both streams, and its exit code, which `$?` is for the next.
    """
    place = directory / "bin"
    place.mkdir()
    program = place / "layerscope"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m layerscope "$@"\n')
    program.chmod(0o755)
    settings = environment({"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"})
    settings["PATH"] = f"{place}:{settings['PATH']}"
    work = directory / "work"
    work.mkdir(exist_ok=True)
    code = 0
    for block in blocks(document):
        if block.file:
            (work / block.file).write_text(block.content, "utf-8")
        if block.language != "console" or block.reason:
            continue
        for command in commands(block):
            script = ["sh", "-c", f"(exit {code})\n{command.typed}"]
            done = subprocess.run(
                script,
                cwd=work,
                env=settings,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
            code = done.returncode
            yield block, command, done.stdout.decode(), code


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a document."""
    found: set[str] = set()
    for token, inline in pairwise(tokens(document)):
        if token.type == "heading_open":
            text = "".join(child.content for child in inline.children or [])
            bare = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            number, anchor = 0, bare
            while anchor in found:
                number, anchor = number + 1, f"{bare}-{number + 1}"
            found.add(anchor)
    return found


def links(document: Path) -> Iterator[str]:
    for token in tokens(document):
        for child in token.children or []:
            for target in (child.attrGet("href"), child.attrGet("src")):
                if target is not None:
                    yield str(target)


def first_column(document: Path, heading: str) -> list[str]:
    """Return every code in the first column of the table below a heading."""
    found, is_below, column = [], False, -1
    here = tokens(document)
    for token, inline in pairwise(here):
        if token.type == "heading_open":
            is_below = inline.content == heading
        elif token.type == "tr_open":
            column = -1
        elif token.type == "td_open":
            column += 1
            if is_below and column == 0:
                found += [child.content for child in inline.children or [] if child.type == "code_inline"]
    assert found, f"{document.name} has no table below {heading!r}"
    return found


def layerscope_calls(text: str) -> Iterator[list[str]]:
    """Return the arguments of each call of layerscope in a script, or in a piece of code in the text."""
    for piece in _SEPARATOR.split(text.replace("\\\n", " ")):
        try:
            words = shlex.split(piece.strip().removeprefix("$ ").removeprefix("- "), comments=True)
        except ValueError:  # a quote that is closed in another piece
            continue
        if words[:1] == ["layerscope"]:
            yield words[1:]


def list_codes(document: Path, heading: str) -> list[str]:
    """Return every code in the numbered list below a heading, in order."""
    found: list[str] = []
    is_below = is_in_list = False
    for token, inline in pairwise(tokens(document)):
        if token.type == "heading_open":
            is_below = inline.content == heading
        elif token.type.startswith("ordered_list"):
            is_in_list = token.type == "ordered_list_open"
        elif token.type == "inline" and is_below and is_in_list:
            found += [child.content for child in token.children or [] if child.type == "code_inline"]
    return found
