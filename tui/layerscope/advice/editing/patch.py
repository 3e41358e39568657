"""Unified diffs that `git apply` and `patch -p1` take, with a comment behind each hunk's `@@`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

Remark = Callable[[int, int, int, int], str]
CONTEXT = 3
NO_NEWLINE = "\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file before and after edits: `path` relative to where the patch is applied, `before` None for a new file."""

    path: str
    before: str | None
    after: str


def no_remark(_first: int, _last: int, _new_first: int, _new_last: int) -> str:
    """Return no comment for a hunk."""
    return ""


def unified_diff(changed: ChangedFile, remark: Remark = no_remark) -> str:
    """Return a file's unified diff, empty if nothing changed.

    `remark` is given the lines of a hunk, from 0, in the old file and in the new one (first, one after the last), and says
    what stands behind its `@@`.
    """
    if changed.before == changed.after:
        return ""
    old, new = _lines(changed.before or ""), _lines(changed.after)
    source = "/dev/null" if changed.before is None else f"a/{changed.path}"
    parts = [f"--- {source}\n", f"+++ b/{changed.path}\n"]
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT):
        first, last, new_first, new_last = group[0][1], group[-1][2], group[0][3], group[-1][4]
        words = remark(first, last, new_first, new_last)
        place = f"@@ -{_range(first, last)} +{_range(new_first, new_last)} @@"
        parts.append(f"{place} {words}".rstrip() + "\n")
        parts += _body(group, old, new)
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Replacement:
    """Whole lines in the place of others: from the start of `line` to the start of `end_line`, which may be the same."""

    line: int
    end_line: int
    text: str


def replacements(changed: ChangedFile) -> list[Replacement]:
    """Return what changes in a file, as lines to replace; lines count from 1."""
    old, new = _lines(changed.before or ""), _lines(changed.after)
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [
        Replacement(first + 1, last + 1, "".join(new[new_first:new_last]))
        for tag, first, last, new_first, new_last in codes
        if tag != "equal"
    ]


def _lines(text: str) -> list[str]:
    """Split a text at line feeds alone: other line separators are characters of a line, as git has it."""
    *lines, last = text.split("\n")
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]


def _body(group: list[tuple[str, int, int, int, int]], old: list[str], new: list[str]) -> Iterator[str]:
    for tag, first, last, new_first, new_last in group:
        if tag == "equal":
            yield from (_line(" ", line) for line in old[first:last])
        else:
            yield from (_line("-", line) for line in old[first:last])
            yield from (_line("+", line) for line in new[new_first:new_last])


def _line(sign: str, line: str) -> str:
    return f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}\n{NO_NEWLINE}"


def _range(first: int, last: int) -> str:
    """Format a range of lines as unified diffs have it: from 1, the line before where it is empty."""
    count = last - first
    start = first + 1 if count else first
    return f"{start}" if count == 1 else f"{start},{count}"
