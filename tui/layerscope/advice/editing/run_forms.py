"""The forms in which a RUN gives its commands: text for the shell, a list of words in JSON, or the lines of a here-document."""

from __future__ import annotations

import re
import shlex

from layerscope.advice.dockerfile.instructions import json_words
from layerscope.advice.editing.shell import ShellList, begin_of_command, read_script, read_shell

_HEREDOC = re.compile(r"<<-?(?P<quote>['\"]?)(?P<name>\w+)(?P=quote)[ \t]*$")
_SHELL_OPTIONS = re.compile(r"-[eux]*c$")
_FILES = "cat chgrp chmod chown cp cut du false grep gunzip gzip head install ln ls mkdir mv rm rmdir sed sleep sort stat strip"
_MORE_FILES = "tail tar touch tr true truncate unzip wc curl wget"
_SYSTEM = "adduser addgroup apk apt apt-get dnf dpkg groupadd microdnf useradd usermod yum"
SAME_IN_A_SHELL = frozenset(f"{_FILES} {_MORE_FILES} {_SYSTEM}".split(" "))
"""Commands that do by a shell what they do without one: no shell has them built in with other options."""
SIMPLE_SCRIPTS = SAME_IN_A_SHELL - {"curl", "wget"}


def read_run(raw: str, escape: str = "\\") -> ShellList | None:
    """Split the commands of a RUN, given as `as_shell` returns it. None for what cannot be split safely."""
    body = heredoc_body(raw, escape)
    return read_script(raw, *body) if body else read_shell(raw, escape)


def heredoc_body(raw: str, escape: str = "\\") -> tuple[int, int] | None:
    """Return where the lines of a RUN's only here-document start and end, if these are all of its commands."""
    header, _, rest = raw.partition("\n")
    begin = begin_of_command(raw, escape)
    match = _HEREDOC.match(header, begin) if begin is not None else None
    if match is None:
        return None
    lines = rest.split("\n")
    start, last = len(header) + 1, lines[-1]
    is_whole = (last.lstrip("\t") if header[begin : (begin or 0) + 3] == "<<-" else last) == match["name"]
    return (start, len(raw) - len(last)) if is_whole and len(lines) > 1 else None


def as_shell(raw: str, escape: str = "\\") -> str:
    """Return a RUN in shell form: one in JSON form with its words quoted, where it does the same then; any other as it is."""
    begin = begin_of_command(raw, escape)
    if begin is None or raw[begin : begin + 1] != "[" or "\n" in raw:
        return raw
    words = json_words(raw[begin:].strip())
    command = _as_command(words) if words else ""
    return raw[:begin] + command if command else raw


def _as_command(words: tuple[str, ...]) -> str:
    """Return the command of a list of words; empty where a shell may do something else."""
    if not all(word.isprintable() and "\\" not in word for word in words):
        return ""
    name = words[0].rpartition("/")[2]
    if name in ("sh", "bash") and len(words) == 3 and _SHELL_OPTIONS.match(words[1]):
        inner = read_shell(f"RUN {words[2]}")
        is_same = inner is not None and inner.is_chain and all(part.is_simple for part in inner.parts)
        return words[2].strip() if is_same and inner and {part.name for part in inner.parts} <= SIMPLE_SCRIPTS else ""
    return shlex.join(words) if name in SAME_IN_A_SHELL else ""
