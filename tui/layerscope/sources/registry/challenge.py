"""`WWW-Authenticate`: how a registry asks for credentials (RFC 9110 11.6.1; distribution `docs/spec/auth/token.md`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 8192
"""Characters of the header that are parsed."""
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_ITEM = re.compile(
    rf'[\s,]*(?:(?P<name>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{_WORD}))|(?P<scheme>{_WORD}))'
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One authentication scheme that a registry accepts (`basic`, `bearer`); for Bearer also the token server and the scope."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenges(header: str) -> list[Challenge]:
    """Return all challenges of a header, in its order. The list ends at what cannot be parsed."""
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    text = header[:LONGEST]
    while match := _ITEM.match(text, position):
        position = match.end()
        if match["scheme"]:
            found.append((match["scheme"].lower(), {}))
        elif found:
            quoted = match["quoted"]
            value = match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1].setdefault(match["name"].lower(), value)
    return [Challenge(scheme, *(fields.get(name, "") for name in ("realm", "service", "scope"))) for scheme, fields in found]


def best_challenge(header: str) -> Challenge | None:
    """Choose the challenge to answer: a token is preferred to sending a password."""
    known = {challenge.scheme: challenge for challenge in reversed(parse_challenges(header))}
    return known.get("bearer") or known.get("basic")
