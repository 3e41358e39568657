"""Split an instruction into words, as a shell does, without their quotes, or from its JSON form."""

from __future__ import annotations

import json
from collections.abc import Iterator

_SPACES = " \t\n"


def raw_words(text: str, escape: str = "\\") -> Iterator[str]:
    """Split into words with quotes and escapes as written; spaces in quotes or after the escape character do not split."""
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
    """Words of the JSON form (`["a", "b"]`); None for other text, which builders take as plain words."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    return tuple(words)
