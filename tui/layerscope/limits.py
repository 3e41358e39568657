"""The most memory and work that an input gets: one number for each kind, so that small inputs cannot ask for much.

Every limit is far above what real images need. What goes beyond one is refused, or left out, with a sentence that says so;
SECURITY.md lists them.
"""

from __future__ import annotations

from typing import Final

PATTERN_BYTES: Final = 1 << 10
"""A glob, a regular expression or a word of a filter; no path can be longer than 4,096 bytes."""
REGEX_SECONDS: Final = 5
"""Processor time of all matching of one regular expression; a million real paths take 1 s."""
REGEX_MEMORY: Final = 1 << 30
"""Address space, in bytes, of the process that matches regular expressions."""
