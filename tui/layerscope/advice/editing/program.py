"""A Dockerfile's text as pieces that can be replaced, moved and joined; what is not touched stays byte for byte."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from layerscope.advice.dockerfile.stages import Dockerfile
from layerscope.advice.editing.shell import ShellList, read_shell

Action = Literal["replace", "remove", "move", "insert"]
_AND = re.compile(r"^([ \t]+)&&[ \t]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PieceEdit:
    """One change to a piece: its new text (`replace`, `insert`), its new place before the piece `anchor` (`move`, `insert`)."""

    action: Action
    key: int
    text: str = ""
    anchor: int = 0

    @property
    def touched(self) -> frozenset[int]:
        """Return the keys of the pieces that the change depends on."""
        return frozenset({self.key, self.anchor} if self.action in ("move", "insert") else {self.key})


@dataclass(frozen=True, slots=True)
class Program:
    """A Dockerfile in pieces: instructions (by their index in the file) and what stands between them (negative keys).

    `edits` are the changes made so far. `newline` and `mark` are the file's line end and byte order mark.
    """

    order: tuple[int, ...]
    texts: Mapping[int, str]
    edits: tuple[PieceEdit, ...] = ()
    newline: str = "\n"
    mark: str = ""
    escape: str = "\\"

    @classmethod
    def of(cls, text: str, dockerfile: Dockerfile) -> Program | None:
        """Split a Dockerfile's text. None if its line ends are mixed, so that it could not be written as it was."""
        mark = "\ufeff" if text.startswith("\ufeff") else ""
        plain = text.removeprefix(mark).replace("\r\n", "\n")
        newline = "\r\n" if "\r\n" in text else "\n"
        if mark + plain.replace("\n", newline) != text:
            return None
        lines = plain.split("\n")
        order, texts, done = [], {}, 0
        for key, (first, last) in enumerate(_spans(dockerfile)):
            if first - 1 > done:
                order.append(-key - 1)
                texts[-key - 1] = "\n".join(lines[done : first - 1])
            order.append(key)
            texts[key] = "\n".join(lines[first - 1 : last])
            done = last
        if done < len(lines):
            order.append(-len(texts) - 1000)
            texts[order[-1]] = "\n".join(lines[done:])
        return cls(tuple(order), texts, (), newline, mark, dockerfile.escape)

    def text(self) -> str:
        """Return the whole file."""
        return self.mark + "\n".join(self.texts[key] for key in self.order).replace("\n", self.newline)

    def apply(self, edits: Iterable[PieceEdit]) -> Program:
        """Make changes, one after the other."""
        order, texts = list(self.order), dict(self.texts)
        done = tuple(edits)
        for edit in done:
            if edit.action in ("remove", "move"):
                order.remove(edit.key)
            if edit.action in ("move", "insert"):
                order.insert(order.index(edit.anchor), edit.key)
            if edit.action in ("replace", "insert"):
                texts[edit.key] = edit.text
            if edit.action == "remove":
                del texts[edit.key]
        return replace(self, order=tuple(order), texts=texts, edits=(*self.edits, *done))

    def rewritten(self, key: int, text: str) -> Program:
        """Give a piece another text."""
        return self.apply([PieceEdit("replace", key, text)])

    def removed(self, key: int) -> Program:
        """Take a piece out."""
        return self.apply([PieceEdit("remove", key)])

    def moved(self, key: int, before: int) -> Program:
        """Move a piece to the place before another one."""
        return self.apply([PieceEdit("move", key, anchor=before)])

    def inserted(self, text: str, before: int) -> Program:
        """Insert a new piece before another one."""
        return self.apply([PieceEdit("insert", max(self.order) + 1000, text, anchor=before)])

    def appended(self, key: int, command: str) -> Program:
        """Add a command to the end of a RUN, on a line of its own."""
        text = self.texts[key]
        parsed = self._read(key)
        match = _AND.search(text)
        indent = match[1] if match else " "
        return self.rewritten(key, f"{text[: parsed.parts[-1].end]} {self.escape}\n{indent}&& {command}")

    def _read(self, key: int) -> ShellList:
        parsed = read_shell(self.texts[key], self.escape)
        assert parsed is not None, "only commands that can be told apart are edited"
        return parsed

    def joined(self, first: int, second: int, *, groups_first: bool, groups_second: bool) -> Program:
        """Put the commands of a second RUN behind those of a first one, in one RUN; comments between neighbors stay.

        `groups_first` and `groups_second` put the commands of one into parentheses or braces, where it needs them.
        """
        head, tail = self._read(first), self._read(second)
        start = self.texts[first][: head.parts[-1].end]
        if groups_first:
            start = f"{start[: head.begin]}( {start[head.begin :]} )"
        body = self.texts[second][tail.begin : tail.parts[-1].end]
        if groups_second:
            body = f"{{ {body}; }}"
        between, gaps = self._between(first, second)
        match = _AND.search(start) or _AND.search(body)
        indent = match[1] if match else " "
        lines = [f"{start} {self.escape}", *between, f"{indent}&& {body}"]
        edits = [PieceEdit("remove", gap) for gap in gaps]
        return self.apply([*edits, PieceEdit("replace", first, "\n".join(lines)), PieceEdit("remove", second)])

    def _between(self, first: int, second: int) -> tuple[list[str], list[int]]:
        """Return the comment lines between two instructions and the keys of their pieces; nothing if others lie between."""
        keys = self.order[self.order.index(first) + 1 : self.order.index(second)]
        if any(key >= 0 for key in keys):
            return [], []
        lines = [line for key in keys for line in self.texts[key].split("\n")]
        return [line for line in lines if line.strip().startswith("#")], list(keys)

    def without_part(self, key: int, index: int) -> Program:
        """Take the command number `index` out of a RUN, and the RUN out of the file when nothing is left of it."""
        text, parts = self.texts[key], self._read(key).parts
        if len(parts) == 1:
            return self.removed(key)
        if index:
            start, end = parts[index - 1].end, parts[index].end
        else:
            start, end = parts[0].start, parts[1].start
        return self.rewritten(key, text[:start] + text[end:])

    def with_part(self, key: int, index: int, command: str) -> Program:
        """Put another command in the place of the command number `index` of a RUN."""
        text, part = self.texts[key], self._read(key).parts[index]
        return self.rewritten(key, text[: part.start] + command + text[part.end :])


def _spans(dockerfile: Dockerfile) -> list[tuple[int, int]]:
    return [(each.line, each.end_line) for each in dockerfile.instructions]
