"""Variables in instructions (Dockerfile reference, "Environment replacement"), as far as a Dockerfile tells their values."""

from __future__ import annotations

import re

from layerscope.advice.dockerfile.instructions import Instruction
from layerscope.advice.dockerfile.source import raw_words, unquoted
from layerscope.limits import EXPANDED

Variables = dict[str, str]
UNKNOWN = "\0"
"""Stands in expanded text for what only the builder knew: a build argument, a base's variable, an unsupported modifier."""
MAX_NESTING = 4
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(rf"\$(?:({_NAME})|\{{({_NAME})(:?[-+])?([^{{}}]*)\}})")


def expand(text: str, variables: Variables, escape: str = "\\") -> str:
    """Replace variables by their values, and by UNKNOWN where the value is not known."""
    most = 2 * len(text) + EXPANDED
    for _ in range(MAX_NESTING):
        expanded = _expand_once(text, variables, escape, most)
        if expanded == text or "${" not in expanded:
            return expanded
        text = expanded
    return text


def _expand_once(text: str, variables: Variables, escape: str, most: int) -> str:
    """Expand the innermost of `${A:-${B}}` first: a pair of braces without others inside."""
    parts: list[str] = []
    end = length = 0
    for match in _VARIABLE.finditer(text):
        if match.start() and text[match.start() - 1] == escape:
            continue
        parts += [text[end : match.start()], _value(match, variables)]
        end = match.end()
        length += len(parts[-1]) + len(parts[-2])
        if length > most:  # each of 24 lines may double the one before
            return UNKNOWN
    return "".join([*parts, text[end:]])


def _value(match: re.Match[str], variables: Variables) -> str:
    name, operator, word = match[1] or match[2], match[3], match[4]
    value = variables.get(name)
    if operator is None:
        return UNKNOWN if value is None or word else value
    if value is None:
        return UNKNOWN
    is_set = bool(value) or operator in ("-", "+")
    if operator.endswith("-"):
        return value if is_set else word
    return word if is_set else ""


def sets(instruction: Instruction, variables: Variables) -> Variables:
    """Return the variables that an ENV or ARG sets; an ARG without a default sets nothing."""
    if instruction.keyword not in ("ENV", "ARG"):
        return {}
    escape = instruction.escape
    words = list(raw_words(instruction.arguments, escape))
    if instruction.keyword == "ENV" and "=" not in words[0]:
        value = instruction.arguments[len(words[0]) :].strip()
        return {words[0]: expand(value, variables, escape)}
    pairs = (word.partition("=") for word in words)
    return {unquoted(name, escape): _expanded(value, variables, escape) for name, equals, value in pairs if equals}


def _expanded(value: str, variables: Variables, escape: str) -> str:
    """Return a word's value: single quotes keep variables from being replaced."""
    if value.startswith("'"):
        return unquoted(value, escape)
    return unquoted(expand(value, variables, escape), escape)
