"""What of a registry's or a directory's images a fleet is made of: which tags, since when, for which platforms."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from layerscope.errors import UsageError
from layerscope.oci.platform import Platform
from layerscope.sources.listing.facts import ImageFacts
from layerscope.sources.listing.sized_tag import build_moment
from layerscope.text import escape

NEWEST = "newest:"
_AGE = re.compile(r"([0-9]{1,5})\s*(h|d|w|m|y)", re.IGNORECASE)
_HOURS = {"h": 1, "d": 24, "w": 7 * 24, "m": 30 * 24, "y": 365 * 24}
EVERY = "all"
A_DAY = 86400


@dataclass(frozen=True, slots=True)
class FleetQuery:
    """What to list. `newest` tags of a repository (0: all), only those that match the glob `tags`, if it is not empty.

    `since` is in seconds since 1970: images that were built or pushed earlier are left out, those without a time stay. There is
    one image of each tag, for `platform` (None: this machine's, else the first), or with `every_platform` all of them.
    """

    newest: int = 0
    tags: str = ""
    since: float | None = None
    platform: Platform | None = None
    every_platform: bool = False

    @classmethod
    def parse(cls, *, tags: str | None, since: str | None, platform: str | None, now: float) -> FleetQuery:
        """Parse the options of the command line. Raises UsageError."""
        newest, glob = _parse_tags(tags or "")
        is_every = platform == EVERY
        wanted = Platform.parse(platform) if platform and not is_every else None
        return cls(newest, glob, parse_moment(since, now, option="--since") if since else None, wanted, is_every)

    def has_tag(self, tag: str) -> bool:
        """Tell whether a tag's name is wanted."""
        return not self.tags or fnmatchcase(tag, self.tags)

    def is_recent(self, image: ImageFacts) -> bool:
        """Tell whether an image is young enough, or of unknown age."""
        moment = moment_of(image)
        return self.since is None or moment is None or moment >= self.since


def moment_of(image: ImageFacts) -> float | None:
    """Return when an image was built, else when it was pushed, in seconds since 1970; None where neither is known.

    A time to come is none at which it was built.
    """
    stated = (build_moment(image.created), build_moment(image.pushed))
    return next((moment for moment in stated if moment is not None and moment < time.time() + A_DAY), None)


def parse_moment(text: str, now: float, *, option: str) -> float:
    """Parse an age (`90d`, `12h`, `6m`, `1y`) or a date (`2026-01-31`, RFC 3339) as seconds since 1970. Raises UsageError."""
    age = _AGE.fullmatch(text.strip())
    if age:
        return now - int(age[1]) * _HOURS[age[2].lower()] * 3600
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{option} {escape(text[:60])}: give an age such as 90d, 12h or 1y, or a date such as 2026-01-31"
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _parse_tags(text: str) -> tuple[int, str]:
    """Split `newest:5`, a glob, or both with a comma between them (`v*,newest:5`)."""
    newest, glob = 0, ""
    for part in filter(None, (each.strip() for each in text.split(","))):
        number = part.removeprefix(NEWEST)
        if part.startswith(NEWEST):
            if not (number.isascii() and number.isdecimal() and len(number) < 8 and int(number)):
                raise UsageError(f"--tags {escape(text[:60])}: give a number above 0, such as newest:5")
            newest = int(number)
        elif glob:
            raise UsageError(f"--tags {escape(text[:60])}: give one glob, and newest:N if you like, such as v*,newest:5")
        else:
            glob = part
    return newest, glob
