"""Splits the shell command of a RUN into the commands that `&&`, `;`, `|` and line ends join, each with its place in the file.

Only the top level is split: a loop, a condition or a subshell is one command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from layerscope.advice.dockerfile.instructions import raw_words, unquoted

_KEYWORD = re.compile(r"\s*[A-Za-z]+\s+")
_FLAG = re.compile(r"--[a-z][a-z-]*(?:=.*)?$", re.DOTALL)
_OPERATOR = re.compile(r"&&|\|\||;|\||&|\n")
_REDIRECT = re.compile(r"(\d*)(>>|>\||>&|&>|>|<)(.*)$", re.DOTALL)
_OPENING = frozenset({"if", "for", "while", "until", "select", "{"})
_LOOPS = frozenset({"for"})
_CLOSING = frozenset({"fi", "done", "}"})
_GOES_ON = frozenset({"then", "do", "else", "elif", "!"})
_UNREADABLE = frozenset({"case", "function", "esac"})
_EXPANDED = re.compile(r"'[^']*'|\\.|([$`])", re.DOTALL)
_GLOB = re.compile(r"[*?\[{]")
_CHARACTER = re.compile(r"\\.|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ShellPart:
    """One command of a list: its text on one line, and where it starts and ends in the instruction's raw text.

    `operator` is what stands before it (empty for the first). `words` are its words without quotes, redirections left out;
    `raw` the same as written. `outputs` are the files that `>` and `>>` write to. `is_compound` tells loops, conditions and
    subshells; `is_simple` is false for these, and where a variable or command is expanded.
    """

    text: str
    start: int
    end: int
    operator: str
    words: tuple[str, ...]
    raw: tuple[str, ...]
    outputs: tuple[str, ...]
    is_simple: bool
    is_compound: bool

    @property
    def name(self) -> str:
        """Return the command's name without its directory; empty for a bare redirection."""
        return self.words[0].rpartition("/")[2] if self.words else ""


@dataclass(frozen=True, slots=True)
class ShellList:
    """The command of a RUN: its parts, and where it begins in the instruction's raw text, after the flags.

    `is_script` tells the lines of a here-document, in which a line's end joins commands as `;` does, and `begin` is where they
    begin; `is_strict` tells that its first failure ends it all the same, by `set -e`.
    """

    parts: tuple[ShellPart, ...]
    begin: int
    is_script: bool = False
    is_strict: bool = False

    @property
    def is_chain(self) -> bool:
        """Tell whether only `&&` joins the parts (and pipes within), so that the first failure ends the command."""
        return all(part.operator in ("", "&&", "|") for part in self.parts)

    def is_alone(self, index: int) -> bool:
        """Tell whether a part stands between `&&`, or on a line of a script, so that the others stay as they are without it.

        The last line of a script that goes on after failures says whether the whole of it failed.
        """
        is_last = index + 1 == len(self.parts)
        operator = self.parts[index].operator
        following = "&&" if is_last else self.parts[index + 1].operator
        if not self.is_script:
            return operator in ("", "&&") and following == "&&"
        if is_last and operator == "\n" and not self.is_strict:
            return False
        is_asked = not is_last and "$?" in self.parts[index + 1].text
        return operator in ("", "&&", "\n") and following in ("&&", "\n") and not is_asked


def is_glob(raw_word: str) -> bool:
    """Tell whether the shell may expand a word to names of files."""
    return bool(_GLOB.search(re.sub(r"'[^']*'|\"[^\"]*\"|\\.", "", raw_word)))


def read_shell(raw: str, escape: str = "\\") -> ShellList | None:
    """Split the command of a RUN in shell form, given as written, with all its lines. None for what cannot be split safely.

    That is the JSON form, here-documents, comments of the shell, `case`, functions, jobs in the background, open quotes.
    """
    text, places = _on_one_line(raw, escape)
    begin = _begin(text, escape)
    if begin >= len(text) or text[begin] == "[" or "<<" in text:
        return None
    spans = _spans(text, begin)
    parts = tuple(_part(text, span, places) for span in spans or ())
    return ShellList(parts, places[begin]) if parts else None


def read_script(raw: str, start: int, end: int) -> ShellList | None:
    """Split the lines of a script that stand in `raw` from `start` to `end`. None for what cannot be split safely."""
    characters = [(match[0], start + match.start()) for match in _CHARACTER.finditer(raw[start:end]) if match[0] != "\\\n"]
    text = "".join(characters for characters, _ in characters)
    places = [place + offset for piece, place in characters for offset in range(len(piece))]
    if "<<" in text or text.startswith("#!"):
        return None
    spans = _spans(text, 0, is_script=True)
    parts = tuple(_part(text, span, places) for span in spans or ())
    return ShellList(parts, start, is_script=True, is_strict=sets_strict(parts[0])) if parts else None


def sets_strict(part: ShellPart) -> bool:
    """Tell whether a command is a `set` by which the first failure ends all."""
    return part.name == "set" and any(re.match(r"-[a-z]*e", word) for word in part.words[1:])


def _on_one_line(raw: str, escape: str) -> tuple[str, list[int]]:
    """Join the lines of an instruction as builders do; also return the place in `raw` of each character."""
    continued = re.compile(rf"(?:^|(?<=[^{re.escape(escape)}])){re.escape(escape)}[ \t]*$")
    characters: list[str] = []
    places: list[int] = []
    start = 0
    for number, line in enumerate(raw.split("\n")):
        stripped = line.strip()
        if number == 0 or (stripped and not stripped.startswith("#")):
            first = len(line) - len(line.lstrip()) if number == 0 else 0
            kept = line.rstrip()
            match = continued.search(kept)
            end = match.start() if match else len(kept)
            characters += kept[first:end]
            places += range(start + first, start + end)
            if match is None:
                break
        start += len(line) + 1
    while characters and characters[-1].isspace():
        characters.pop()
        places.pop()
    return "".join(characters), places


def begin_of_command(raw: str, escape: str = "\\") -> int | None:
    """Return where the command of a RUN, given as written, begins after its keyword and flags; None if it has none."""
    text, places = _on_one_line(raw, escape)
    begin = _begin(text, escape)
    return places[begin] if begin < len(text) else None


def _begin(text: str, escape: str) -> int:
    """Return where the command begins in a RUN on one line."""
    match = _KEYWORD.match(text)
    place = match.end() if match else len(text)
    while text.startswith("--", place):
        word = next(raw_words(text[place:], escape), "")
        if not _FLAG.match(word):
            break
        place += len(word)
        while place < len(text) and text[place].isspace():
            place += 1
    return place


@dataclass(slots=True)
class _Level:
    """How deep in loops, conditions and parentheses a scan is, and whether the next word is a command's name.

    `has_lines` is true where a line's end may stand between commands.
    """

    depth: int = 0
    expects_name: bool = True
    has_lines: bool = False

    def take(self, kind: str, token: str) -> bool:
        """Take in a token; return False if the command cannot be split because of it."""
        if kind in "()":
            self.depth += 1 if kind == "(" else -1
            self.expects_name = kind == "("
        elif kind == "operator":
            self.expects_name = True
            return self.depth > 0 or token not in (("&",) if self.has_lines else ("&", "\n"))
        elif kind == "word" and self.expects_name:
            self.depth += (token in _OPENING) - (token in _CLOSING)
            self.expects_name = token in _GOES_ON or token in ("if", "while", "until", "{")
        is_readable = kind != "bad" and (kind != "comment" or self.depth == 0)
        return is_readable and self.depth >= 0 and (token not in _UNREADABLE or kind != "word")


_Span = tuple[int, int, str, bool]


def _spans(text: str, begin: int, *, is_script: bool = False) -> list[_Span] | None:
    """Return (start, end, operator before, is compound) of the commands at the top level; None if it cannot be told."""
    spans: list[_Span] = []
    level, place, operator, is_compound = _Level(has_lines=is_script), begin, "", False
    start, last, has_words = begin, begin, False
    for kind, end in _tokens(text, begin, has_comments=is_script):
        piece, first, place = text[place:end], place, end
        if not level.take(kind, piece):
            return None
        is_compound |= level.depth > 0 or kind == ")"
        if kind == "operator" and level.depth == 0:
            if has_words:
                spans.append((start, last, operator, is_compound))
                operator, is_compound, has_words = piece, False, False
            elif piece != "\n":  # an empty line, or one that ends after an operator, changes nothing
                return None
        elif kind not in ("blank", "comment"):
            start, last, has_words = start if has_words else first, end, True
    if has_words:
        spans.append((start, last, operator, is_compound))
    return None if level.depth or (not has_words and operator not in ("", ";", "\n")) else spans


def _tokens(text: str, place: int, *, has_comments: bool = False) -> Iterator[tuple[str, int]]:
    """Yield the kind and the end of each token: `word`, `blank`, `operator`, `(`, `)`, `comment`.

    It is `bad` where reading has to stop, as at a comment in what is no script.
    """
    while place < len(text):
        character = text[place]
        operator = _OPERATOR.match(text, place)
        if character in " \t":
            place += 1
            yield "blank", place
        elif operator and not text.startswith("&>", place):
            place = operator.end()
            yield "operator", place
        elif character in "()":
            place += 1
            yield character, place
        elif character == "#" and has_comments:
            place = (text.find("\n", place) + 1 or len(text) + 1) - 1
            yield "comment", place
        elif character == "#":
            yield "bad", len(text)
            return
        else:
            place = _word_end(text, place)
            if place < 0:
                yield "bad", len(text)
                return
            yield "word", place


def _word_end(text: str, place: int) -> int:
    """Return where the word ends that begins at `place`; -1 for an open quote, or for a function's `name()`."""
    while place < len(text):
        character = text[place]
        if character in " \t\n;|)":
            return place
        if character == "&" and not (text[place - 1] in "<>" or text.startswith("&>", place)):
            return place
        if character == "(":
            return -1
        place = _piece_end(text, place)
        if place < 0:
            return -1
    return place


def _piece_end(text: str, place: int) -> int:
    """Return the end of a quoted or expanded piece, or of one character; -1 if it is not closed."""
    character = text[place]
    if character == "\\":
        return min(place + 2, len(text))
    if character in "'`":
        return text.find(character, place + 1) + 1 or -1
    if character == '"':
        return _closing(text, place + 1, '"')
    if text.startswith(("$(", "${"), place):
        return _closing(text, place + 2, ")" if text[place + 1] == "(" else "}")
    return place + 1


def _closing(text: str, place: int, sign: str) -> int:
    """Return the place after the sign that closes a piece, nested pieces skipped; -1 without one."""
    while place < len(text):
        character = text[place]
        if character == sign:
            return place + 1
        if sign == ")" and character == "(":
            place = _closing(text, place + 1, ")")
        elif sign == '"' and character in "'":
            place += 1
        else:
            place = _piece_end(text, place)
        if place < 0:
            return -1
    return -1


def inner_commands(text: str) -> list[list[str]]:
    """Return the commands of a part, those in loops, conditions and subshells too, each as its words as they are written.

    The head of a loop is one of them: `for`, its variable, `in`, and the values.
    """
    commands: list[list[str]] = [[]]
    level, place = _Level(), 0
    for kind, end in _tokens(text, 0):
        token, place = text[place:end], end
        is_name = level.expects_name
        level.take(kind, token)
        if kind == "word" and is_name and token in _OPENING | _CLOSING | _GOES_ON:
            commands.append([token] if token in _LOOPS else [])
        elif kind == "word":
            commands[-1].append(token)
        elif kind != "blank":
            commands.append([])
    return [words for words in commands if words]


def _part(text: str, span: _Span, places: list[int]) -> ShellPart:
    start, end, operator, is_compound = span
    piece = text[start:end]
    words, outputs = _without_redirections(list(raw_words(piece)))
    has_expansion = any(match[1] for match in _EXPANDED.finditer(piece))
    plain = tuple(unquoted(word) for word in words)
    is_simple = not is_compound and not has_expansion
    end_place = places[end - 1] + 1
    return ShellPart(piece, places[start], end_place, operator, plain, tuple(words), outputs, is_simple, is_compound)


def _without_redirections(words: list[str]) -> tuple[list[str], tuple[str, ...]]:
    kept: list[str] = []
    outputs: list[str] = []
    rest = iter(words)
    for word in rest:
        match = _REDIRECT.match(word)
        if match is None:
            kept.append(word)
            continue
        target = match[3] or next(rest, "")
        if match[2] != "<" and not (match[2] == ">&" and target.isdigit()):
            outputs.append(unquoted(target))
    return kept, tuple(outputs)
