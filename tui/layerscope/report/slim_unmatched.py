"""What of the original does not fit its smaller image, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

from layerscope.slim.unmatched import IN_LAYER, Unmatching
from layerscope.wording.sentences import layers_text

NOTHING = "No signature, attestation or table of contents of the original was found; any elsewhere does not fit the new image."


def unmatched_json(unmatching: Unmatching) -> dict[str, Any]:
    """Return all that does not fit; `problem` is a sentence if it could not be asked for, else null."""
    return {
        "found": [
            {
                "kind": each.kind,
                "place": each.place,
                "digest": str(each.digest) if each.digest else None,
                "layer": each.layer or None,
            }
            for each in unmatching.found
        ],
        "problem": unmatching.problem or None,
    }


def unmatched_text(unmatching: Unmatching) -> str:
    """Say what does not fit, by kind, each with its number or its layers."""
    layers: dict[str, list[int]] = {}
    for each in unmatching.found:
        if each.place == IN_LAYER:
            layers.setdefault(each.kind, []).append(each.layer)
    counts = Counter(each.kind for each in unmatching.found if each.place != IN_LAYER)
    words = [kind if count == 1 else f"{kind} ({count})" for kind, count in counts.items()]
    words += [f"{kind} of {layers_text(numbers)}" for kind, numbers in layers.items()]
    text = f"What fits the original alone: {', '.join(words)}." if words else NOTHING
    return f"{text} What else is attached to it is not known: {unmatching.problem}." if unmatching.problem else text
