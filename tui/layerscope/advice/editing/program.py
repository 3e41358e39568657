"""A Dockerfile's text as pieces that can be replaced, moved and joined; what is not touched stays byte for byte."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from layerscope.advice.dockerfile.stages import Dockerfile
from layerscope.advice.editing.run_forms import as_shell, heredoc_body, read_run
from layerscope.advice.editing.shell import ShellList

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
class Joint:
    """How the commands of two RUNs are put into one: by `&&`, or one after the other where the first failure ends them anyway.

    `groups_first` and `groups_second` put the commands of one into parentheses or braces, where it needs them.
    """

    groups_first: bool = False
    groups_second: bool = False
    is_chained: bool = True


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

    def shell_text(self, key: int) -> str:
        """Return a piece, a RUN in shell form even where it is written as a list of words."""
        return as_shell(self.texts[key], self.escape)

    def command(self, key: int) -> ShellList | None:
        """Return the commands of a RUN, with their places in its `shell_text`; None if they cannot be told apart."""
        return read_run(self.shell_text(key), self.escape)

    def appended(self, key: int, command: str) -> Program:
        """Add a command to the end of a RUN, on a line of its own."""
        text, parsed = self.shell_text(key), self._read(key)
        end = parsed.parts[-1].end
        if parsed.is_script:
            line_end = text.index("\n", end)
            indent = _indent(text, parsed.parts[-1].start)
            return self.rewritten(key, f"{text[:end]} &&{text[end:line_end]}\n{indent}{command}{text[line_end:]}")
        match = _AND.search(text)
        indent = match[1] if match else " "
        return self.rewritten(key, f"{text[:end]} {self.escape}\n{indent}&& {command}")

    def _read(self, key: int) -> ShellList:
        parsed = self.command(key)
        assert parsed is not None, "only commands that can be told apart are edited"
        return parsed

    def joined(self, first: int, second: int, joint: Joint) -> Program:
        """Put the commands of a second RUN behind those of a first one, in one RUN; comments between neighbors stay."""
        head, tail = self._read(first), self._read(second)
        between, gaps = self._between(first, second)
        join = self._joined_scripts if head.is_script or tail.is_script else self._joined_commands
        edits = [PieceEdit("remove", gap) for gap in gaps]
        edits += [PieceEdit("replace", first, join(first, second, between, joint)), PieceEdit("remove", second)]
        return self.apply(edits)

    def _joined_commands(self, first: int, second: int, between: list[str], joint: Joint) -> str:
        head, tail = self._read(first), self._read(second)
        start = self.shell_text(first)[: head.parts[-1].end]
        if joint.groups_first:
            start = f"{start[: head.begin]}( {start[head.begin :]} )"
        body = self.shell_text(second)[tail.begin : tail.parts[-1].end]
        if joint.groups_second:
            body = f"{{ {body}; }}"
        match = _AND.search(start) or _AND.search(body)
        indent = match[1] if match else " "
        mark, sign = ("", "&& ") if joint.is_chained else (";", "")
        return "\n".join([f"{start}{mark} {self.escape}", *between, f"{indent}{sign}{body}"])

    def _joined_scripts(self, first: int, second: int, between: list[str], joint: Joint) -> str:
        """Return the lines of both RUNs in the here-document of one of them."""
        head, tail = self._read(first), self._read(second)
        start, end = self._lines(first), self._lines(second)
        if joint.groups_first:
            start = f"(\n{start}\n)"
        if joint.groups_second:
            end = f"{{\n{end}\n}}"
        if joint.is_chained:
            last = len(start) if joint.groups_first else head.parts[-1].end - head.begin
            start = f"{start[:last]} &&{start[last:]}"
        key, body = (first, head) if head.is_script else (second, tail)
        text = self.texts[key]
        mark = text.rpartition("\n")[2]
        return "\n".join([text[: body.begin].rstrip("\n"), start, *between, end, mark])

    def _lines(self, key: int) -> str:
        """Return the commands of a RUN as lines of a script."""
        text, parsed = self.shell_text(key), self._read(key)
        span = heredoc_body(text, self.escape)
        return text[span[0] : span[1]].rstrip("\n") if span else text[parsed.begin : parsed.parts[-1].end]

    def _between(self, first: int, second: int) -> tuple[list[str], list[int]]:
        """Return the comment lines between two instructions and the keys of their pieces; nothing if others lie between."""
        keys = self.order[self.order.index(first) + 1 : self.order.index(second)]
        if any(key >= 0 for key in keys):
            return [], []
        lines = [line for key in keys for line in self.texts[key].split("\n")]
        return [line for line in lines if line.strip().startswith("#")], list(keys)

    def without_part(self, key: int, index: int) -> Program:
        """Take the command number `index` out of a RUN, and the RUN out of the file when nothing is left of it."""
        text, parsed = self.shell_text(key), self._read(key)
        parts = parsed.parts
        if len(parts) == 1:
            return self.removed(key)
        following = parts[index + 1].operator if index + 1 < len(parts) else "\n"
        if parsed.is_script and parts[index].operator != "&&" and following == "\n":
            start = text.rfind("\n", 0, parts[index].start)
            end = text.index("\n", parts[index].end)
        elif index and parts[index].operator != "\n":
            start, end = parts[index - 1].end, parts[index].end
        else:
            start, end = parts[index].start, parts[index + 1].start
        return self.rewritten(key, text[:start] + text[end:])

    def with_part(self, key: int, index: int, command: str) -> Program:
        """Put another command in the place of the command number `index` of a RUN."""
        text, part = self.shell_text(key), self._read(key).parts[index]
        return self.rewritten(key, text[: part.start] + command + text[part.end :])


def _indent(text: str, place: int) -> str:
    """Return the blanks at the start of the line of a place."""
    line = text[text.rfind("\n", 0, place) + 1 : place]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _spans(dockerfile: Dockerfile) -> list[tuple[int, int]]:
    return [(each.line, each.end_line) for each in dockerfile.instructions]
