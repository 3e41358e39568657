"""Splits the text of a Dockerfile into instructions: parser directives, comments, continuation lines and here-documents.

By the Dockerfile reference ("Format", "Parser directives", "Here-documents"); where it is silent, as BuildKit does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from layerscope.errors import BadDockerfile
from layerscope.text import escape as printable

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$")
_DIRECTIVES = frozenset({"check", "escape", "syntax"})
_HEREDOC = re.compile(r"\d*<<(-?)([^<]+)$")
_TAKES_HEREDOCS = re.compile(r"(?:ONBUILD\s+)?(?:ADD|COPY|RUN)\s", re.IGNORECASE)

_SPACES = " \t\n"
_SETTINGS = ["ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "SHELL"]
KEYWORDS = frozenset([*_SETTINGS, "ADD", "COPY", "FROM", "RUN", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"])
COPIES = frozenset({"ADD", "COPY"})
_WITH_FLAGS = frozenset({"ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"})
_FLAG = re.compile(r"--([a-z][a-z-]*)(?:=(.*))?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Heredoc:
    """One here-document: its name without quotes, and its lines as the shell gets them (`<<-`: without leading tabs)."""

    name: str
    body: str


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One instruction as written: `text` joined into one line, without comments and continuation marks. Lines count from 1."""

    line: int
    end_line: int
    text: str
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A Dockerfile's text split into instructions, and its escape character."""

    lines: tuple[SourceLine, ...]
    escape: str = "\\"


def read_source(text: str, *, name: str) -> Source:
    """Split a Dockerfile's text into instructions. `name` is the file's, for errors. Raises BadDockerfile."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape = _escape_character(lines, name)
    return Source(tuple(_Reader(lines, escape, name).instructions()), escape)


def _escape_character(lines: list[str], name: str) -> str:
    """Return the escape character that the parser directives set, by default a backslash. Raises BadDockerfile.

    Parser directives end at the first line that is not one.
    """
    seen: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.match(line.strip())
        word = match[1].lower() if match else ""
        if match is None or word not in _DIRECTIVES:
            break
        if word in seen:
            raise BadDockerfile(f"{name}, line {number}: the directive `{word}` appears twice")
        seen[word] = match[2]
    escape = seen.get("escape", "\\")
    if escape not in ("\\", "`"):
        raise BadDockerfile(f"{name}: the directive `escape` can be \\ or `, not {printable(escape)}")
    return escape


class _Reader:
    """Reads instructions from a Dockerfile's lines in one pass; `_next` is the index of the line to read next."""

    def __init__(self, lines: list[str], escape: str, name: str) -> None:
        self._lines, self._escape, self._name = lines, escape, name
        # Of two escape characters at the end of a line the first takes the second's meaning away.
        self._continued = re.compile(rf"(?:^|(?<=[^{re.escape(escape)}])){re.escape(escape)}[ \t]*$")
        self._next = 0

    def instructions(self) -> Iterator[SourceLine]:
        while self._next < len(self._lines):
            first = self._next
            self._next += 1
            line = self._lines[first]
            if not _is_empty(line):
                text = self._continue(line.strip())
                if not text:  # a continuation mark with nothing before or after it
                    continue
                heredocs = tuple(self._heredocs(text, first + 1))
                yield SourceLine(first + 1, self._last_line(first), text, heredocs)

    def _last_line(self, first: int) -> int:
        """Return the number of the instruction's last line with content.

        Blank lines and comments after a continuation mark do not count.
        """
        last = self._next - 1
        while last > first and _is_empty(self._lines[last]):
            last -= 1
        return last + 1

    def _continue(self, line: str) -> str:
        """Join `line` with the lines that follow, as long as the last one ends with the escape character."""
        parts = []
        while match := self._continued.search(line):
            parts.append(line[: match.start()])
            following = self._following()
            if following is None:
                return "".join(parts).rstrip()
            line = following.rstrip()
        return "".join([*parts, line]).rstrip()

    def _following(self) -> str | None:
        """Return the next line that is neither empty nor a comment; None at the end of the file."""
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            if not _is_empty(line):
                return line
        return None

    def _heredocs(self, text: str, line: int) -> Iterator[Heredoc]:
        if "<<" not in text or not _TAKES_HEREDOCS.match(text):
            return
        for word in raw_words(text, self._escape):
            match = _HEREDOC.match(word)
            name = unquoted(match[2], self._escape) if match else ""
            if match and name:
                yield Heredoc(name, self._body(name, line, is_indented=bool(match[1])))

    def _body(self, name: str, line: int, *, is_indented: bool) -> str:
        body: list[str] = []
        while self._next < len(self._lines):
            text = self._lines[self._next]
            self._next += 1
            text = text.lstrip("\t") if is_indented else text
            if text == name:
                return "".join(f"{each}\n" for each in body)
            body.append(text)
        raise BadDockerfile(f"{self._name}, line {line}: the here-document {printable(name)} has no end")


def _is_empty(line: str) -> bool:
    """Tell whether a line is blank or a comment."""
    start = line.lstrip()
    return not start or start.startswith("#")


def raw_words(text: str, escape: str = "\\") -> Iterator[str]:
    """Yield a text's words with quotes and escapes as written; spaces in quotes or after the escape character do not split."""
    word, quote, is_escaped = "", "", False
    for character in text:
        if not quote and not is_escaped and character in _SPACES:
            if word:
                yield word
            word = ""
            continue
        word += character
        if is_escaped:
            is_escaped = False
        elif character == escape and quote != "'":
            is_escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
    if word:
        yield word


def unquoted(word: str, escape: str = "\\") -> str:
    """Remove quotes and escape characters from a word."""
    kept, quote, is_escaped = [], "", False
    for character in word:
        if is_escaped:
            # Between double quotes the character before all but these is only a character.
            kept.append(character if not quote or character in f'"${escape}' else escape + character)
            is_escaped = False
        elif character == escape and quote != "'":
            is_escaped = True
        elif quote and character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        else:
            kept.append(character)
    return "".join(kept)


def json_words(text: str) -> tuple[str, ...] | None:
    """Return the words of arguments in JSON form (`["a", "b"]`); None for other text, which builders take as plain words."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    return tuple(words)


@dataclass(frozen=True, slots=True)
class Instruction:
    """A parsed instruction of a Dockerfile.

    `keyword` is in capitals; `flags` are (name, value) pairs in order, `arguments` all that follows them as written.

    `words` are the arguments' words without quotes, or those of the JSON form (`is_json`); `escape` is the file's escape
    character.
    """

    keyword: str
    line: int
    end_line: int
    text: str
    flags: tuple[tuple[str, str], ...]
    arguments: str
    words: tuple[str, ...]
    is_json: bool
    heredocs: tuple[Heredoc, ...] = ()
    escape: str = "\\"

    def flag(self, name: str) -> str:
        """Return the value of a flag, empty if it is not there."""
        return dict(self.flags).get(name, "")

    @property
    def makes_layer(self) -> bool:
        """Tell whether all builders store a layer for the instruction: RUN, COPY or ADD. Some do for WORKDIR."""
        return self.keyword in COPIES or self.keyword == "RUN"

    @property
    def sources(self) -> tuple[str, ...]:
        """Return what COPY or ADD copies, without quotes."""
        return self.words[:-1]

    @property
    def destination(self) -> str:
        """Return where COPY or ADD copies to, without quotes."""
        return self.words[-1] if self.words else ""


def parse_instruction(source: SourceLine, *, name: str, escape: str) -> Instruction:
    """Parse one instruction. Raises BadDockerfile, with the file's `name` and the line, if it is unknown or lacks arguments."""
    parts = source.text.split(None, 1)
    keyword = parts[0].upper()
    place = f"{name}, line {source.line}"
    if keyword not in KEYWORDS:
        raise BadDockerfile(f"{place}: {printable(parts[0][:40])} is not a Dockerfile instruction")
    flags, arguments = _flags(parts[1] if len(parts) > 1 else "", escape) if keyword in _WITH_FLAGS else ((), _rest(parts))
    if not arguments:
        raise BadDockerfile(f"{place}: {keyword} needs an argument")
    json_form = json_words(arguments)
    words = json_form if json_form is not None else tuple(unquoted(word, escape) for word in raw_words(arguments, escape))
    if keyword in COPIES and len(words) < 2:
        raise BadDockerfile(f"{place}: {keyword} needs a source and a destination")
    return Instruction(
        keyword=keyword,
        line=source.line,
        end_line=source.end_line,
        text=" ".join(source.text.split()),
        flags=flags,
        arguments=arguments,
        words=words,
        is_json=json_form is not None,
        heredocs=source.heredocs,
        escape=escape,
    )


def _rest(parts: list[str]) -> str:
    return parts[1].strip() if len(parts) > 1 else ""


def _flags(text: str, escape: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """Split the text after a keyword into leading flags, `--name=value` as (name, value) pairs, and the rest as written."""
    flags = []
    rest = text.strip()
    while rest.startswith("--"):
        word = next(raw_words(rest, escape), "")
        match = _FLAG.match(word)
        if match is None:
            break
        flags.append((match[1], unquoted(match[2] or "", escape)))
        rest = rest[len(word) :].lstrip()
    return tuple(flags), rest
