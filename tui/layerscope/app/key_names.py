"""Converts keys as people write them to Textual's names: `[` to `left_square_bracket`, `Ctrl+F` to `ctrl+f`.

Textual is imported late, so that `layerscope config` starts at once where the settings have no keys.
"""

from __future__ import annotations

import string
import unicodedata
from functools import cache

from layerscope.errors import BadSettings
from layerscope.text import escape, suggestion

MODIFIERS = ("alt", "ctrl", "hyper", "meta", "shift", "super")
_HOW_TO_WRITE = '; write a key as in "ctrl+f", "f5", "left_square_bracket" or "["'


def textual_keys(written: str) -> str:
    """Return the keys of one binding by Textual's names, separated by commas without spaces. Raises BadSettings."""
    if written in {",", " "}:
        return textual_key(written)
    return ",".join(dict.fromkeys(textual_key(key.strip()) for key in written.split(",")))


def textual_key(written: str) -> str:
    """Return one key with its modifiers in the order of Textual's events. Raises BadSettings when there is no such key."""
    before, name = _parted(written)
    modifiers = sorted({_modifier(each.strip()) for each in before})
    key = _plain_key(name if name == " " else name.strip())
    if modifiers == ["ctrl"] and key == "at":
        return "ctrl+@"  # so Textual calls what terminals send for Ctrl+Space; no other control key is called by its character
    if modifiers == ["shift"] and len(key) == 1 and key.isalpha():
        return key.upper()
    return "+".join([*modifiers, key.lower()]) if modifiers else key


def _parted(written: str) -> tuple[list[str], str]:
    """Split off the modifiers from the key itself, which may be `+`."""
    if written == "+":
        return [], "+"
    *before, name = (written[:-1] + "plus" if written.endswith("++") else written).split("+")
    return before, name


def _modifier(written: str) -> str:
    if written.lower() not in MODIFIERS:
        raise BadSettings(f"there is no modifier `{escape(written)}`{suggestion(written, MODIFIERS) or _HOW_TO_WRITE}")
    return written.lower()


def _plain_key(written: str) -> str:
    """Return a key without modifiers. Letters keep their case: `E` is Shift and `e`."""
    if not written:
        raise BadSettings(f"a key is missing{_HOW_TO_WRITE}; the comma itself is `comma`")
    name = written.lower()
    if name in _named_keys() or name in _punctuation():
        return name
    key = _character_key(written if len(written) == 1 else _character(name))
    if not key:
        raise BadSettings(f"there is no key `{escape(written)}`{_near(written) or _HOW_TO_WRITE}")
    return key


def _character(name: str) -> str:
    """Return the character with this Unicode name, in Textual's spelling; empty when there is none."""
    try:
        found = unicodedata.lookup(name.replace("_", " ").upper())
    except KeyError:
        return ""
    return found if len(found) == 1 else ""  # some names are those of sequences


def _character_key(character: str) -> str:
    """Name a character as Textual does: letters and digits name themselves, others have their Unicode name, if any."""
    from textual.keys import KEY_NAME_REPLACEMENTS

    if not character or character.isalnum():
        return character
    name = unicodedata.name(character, "").lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)


@cache
def _named_keys() -> frozenset[str]:
    """Return Textual's keys that are not characters, without modifiers: `escape`, `pageup`, `f5`."""
    from textual.keys import Keys

    return frozenset(key.value for key in Keys if key.value.isalnum()) - {"return"}  # terminals send `enter`


@cache
def _punctuation() -> tuple[str, ...]:
    """Return the names of ASCII's punctuation. Not all can be looked up: Unicode spells LESS-THAN SIGN with a hyphen."""
    return tuple(_character_key(character) for character in string.punctuation)


def _near(written: str) -> str:
    return suggestion(written, [*sorted(_named_keys()), *_punctuation()])
