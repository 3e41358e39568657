"""Looking up an image of an engine by name or id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from layerscope.errors import AmbiguousImage, NotFound
from layerscope.oci.reference import best_match, familiar, near_matches
from layerscope.text import did_you_mean, escape

MAX_LISTED = 20
_DIGITS = re.compile("[0-9a-f]{2,64}")


@dataclass(frozen=True, slots=True)
class WantedImage:
    """An image's id, in hexadecimal, and the name that it was found by (empty when that was its id)."""

    id: str
    name: str = ""


def find_wanted(text: str, names: Mapping[str, str], ids: Iterable[str], *, place: str) -> WantedImage:
    """Look `text` up among `names`, which map to ids, then among `ids` by their first digits.

    A tag alone is no name here, as for the engines themselves. Raises NotFound, with near names, and AmbiguousImage.
    """
    fits = best_match(text, names, is_tag_enough=False)
    if len({names[name] for name in fits}) > 1:
        raise AmbiguousImage(f"{place} has several images '{escape(text)}': {', '.join(map(escape, sorted(fits)))}")
    if fits:
        return WantedImage(names[min(fits)], min(fits))
    digits = text.removeprefix("sha256:")
    found = sorted(each for each in ids if each.startswith(digits)) if _DIGITS.fullmatch(digits) else []
    if len(found) == 1:
        return WantedImage(found[0])
    if found:
        listed = ", ".join(each[:12] for each in found[:MAX_LISTED])
        raise AmbiguousImage(f"{place} has {len(found)} images whose id begins with {digits}: {listed}")
    question = did_you_mean(near_matches(text, [familiar(name) for name in names]))
    raise NotFound(f"{place} has no image '{escape(text[:200])}'{question}")
