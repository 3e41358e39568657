"""What there is to say about an image's base, which no edit of the Dockerfile changes but that of its FROM."""

from __future__ import annotations

import re
from collections.abc import Iterator

from layerscope.analysis import Analysis
from layerscope.text import escape
from layerscope.units import size_text

_WITH_SLIM = re.compile(r"(?:docker\.io/)?(?:library/)?(debian|node|perl|python|ruby|rust):([\w.]+)$")
"""Names of images whose repository has a `-slim` tag beside each of these, without packages that most programs do not need."""
LARGE_BYTES, LARGE_SHARE = 100_000_000, 0.5
"""From how many bytes, and which share of the image, the base is worth a sentence; its waste from that share of all waste."""
WORTH_BYTES = 1_000_000


def base_notes(analysis: Analysis) -> Iterator[str]:
    """Yield a sentence if the base wastes most of what is wasted, and one if it is most of the image and has a slim sibling.

    Both are only said, and charged to nobody. Nothing is said where the base is not known.
    """
    if not analysis.base_layers:
        return
    own, base = analysis.own_and_base_waste
    if base and base >= WORTH_BYTES and base >= LARGE_SHARE * (own + base):
        yield (
            f"{size_text(base)} of the waste, most of it, are in the base's own layers: "
            "no other line than FROM changes that, and a newer build of the base may have less."
        )
    size = sum(analysis.layer_content_bytes[: analysis.base_layers])
    match = _WITH_SLIM.match(analysis.base_name)
    if match and match[2] != "latest" and LARGE_BYTES <= size >= LARGE_SHARE * sum(analysis.layer_content_bytes):
        yield (
            f"The base {escape(analysis.base_name)} is {size_text(size)} of the image; {match[1]}:{match[2]}-slim is the same "
            "with fewer packages, if nothing needs these."
        )
