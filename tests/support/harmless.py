"""Whether a text taken from an image may be shown on a terminal as it is."""

from __future__ import annotations

import unicodedata

from layerscope.viewing.shown import ShownFile


def is_harmless(text: str) -> bool:
    return all(unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in text)


def everything(found: ShownFile) -> str:
    return "".join([*found.lines[:5000], found.note, found.language, *(member.name for member in found.members)])
