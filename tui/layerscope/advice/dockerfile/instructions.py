"""One Dockerfile instruction, parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from layerscope.advice.dockerfile.source import Heredoc, SourceLine, json_words, raw_words, unquoted
from layerscope.errors import BadDockerfile
from layerscope.text import escape as printable

_SETTINGS = ["ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "SHELL"]
KEYWORDS = frozenset([*_SETTINGS, "ADD", "COPY", "FROM", "RUN", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"])
COPIES = frozenset({"ADD", "COPY"})
_WITH_FLAGS = frozenset({"ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"})
_FLAG = re.compile(r"--([a-z][a-z-]*)(?:=(.*))?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Instruction:
    """`keyword` is in capitals; `flags` are (name, value) pairs in order, `arguments` all that follows them as written.

    `words` are the arguments' words without quotes, or those of the JSON form (`is_json`); `escape` is the file's.
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
        """Tell whether builders store a layer for it; for WORKDIR that depends on the builder."""
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
    """Parse one instruction. Raises BadDockerfile with the file's `name` and the line for an unknown keyword."""
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
    """Split off the leading `--name=value` words; the rest stays as written."""
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
