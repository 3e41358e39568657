r"""Text from images inside Markdown: nothing of it is markup, a link, a mention or the end of a table's cell.

What readers of GFM do beyond the specification is done to text that is shown, not to code: mentions, numbers of issues,
links from bare addresses. So names go into code. A sentence is text in which those are broken by a zero-width space.
"""

from __future__ import annotations

import re

from layerscope.text import escape
from layerscope.wording.style import cut_end

LONGEST = 1000
"""Characters of a sentence."""
_TICKS = re.compile(r"`+")
_QUOTED = re.compile(r"`([^`]+)`")
_LIVE = re.compile(r"[\\`*_{}\[\]<>|~&!$#]")
_LINKED = re.compile(r"(?<=@)|(?<=#)|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=mailto:)|(?<=xmpp:)", re.IGNORECASE)
_GAP = "&#8203;"


def code(text: str | bytes) -> str:
    """Format a name as code, also in a table's cell.

    A `|` ends a cell even in code, and readers differ on `\\|` after another backslash, so it stands between two code spans.
    """
    return "&#124;".join(_span(part) for part in escape(text).split("|"))


def _span(text: str) -> str:
    if not text:
        return ""
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    # One space on both sides is taken away again (CommonMark, section 6.1).
    gap = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{gap}{text}{gap}{fence}" if text.strip() else f"{fence}{text}{fence}"


def plain(sentence: str) -> str:
    """Format a sentence as text, cut where it is absurdly long; what it quotes in backticks becomes code."""
    parts = _QUOTED.split(cut_end(escape(sentence), LONGEST))
    texts = [code(part) if index % 2 else _text(part) for index, part in enumerate(parts)]
    # Backticks of two codes side by side would be taken as one fence.
    return texts[0] + "".join(text or _GAP for text in texts[1:-1]) + (texts[-1] if len(texts) > 1 else "")


def _text(text: str) -> str:
    pieces = _LINKED.split(text)
    return _GAP.join(_LIVE.sub(lambda match: f"&#{ord(match[0])};", piece) for piece in pieces)
