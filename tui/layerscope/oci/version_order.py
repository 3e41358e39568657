"""The order of tags by the versions in their names: `1.9` before `1.10`, `2.0-rc1` before `2.0`, words before all versions.

Tags have no order of their own: a registry lists them as text.
"""

from __future__ import annotations

import re

from layerscope.oci.reference import DEFAULT_TAG

_Natural = tuple[tuple[bool, int, str], ...]
VersionKey = tuple[int, tuple[int, ...], int, _Natural]
"""Rank (a word, a version, `latest`), numbers, whether it is a preview (-1), and the rest in natural order."""

_VERSION = re.compile(r"[vV]?(\d+(?:\.\d+)*)(.*)", re.ASCII | re.DOTALL)
_HASH = re.compile(r"(?:sha-?|g)?(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{7,64}", re.ASCII)
_PREVIEW = re.compile(r"[._-]?(?:alpha|beta|a|b|m|rc|cr|pre|preview|dev|snapshot|nightly|canary|next)(?![a-z])", re.IGNORECASE)
_SEPARATOR = re.compile(r"[._-]+")
LONGEST_NUMBER = 64
_RUN = re.compile(r"\d+|\D+", re.ASCII)
_DIGITS = re.compile(r"[\d.]+", re.ASCII)
_WORD, _NUMBERED, _LATEST = range(3)


def version_key(tag: str) -> VersionKey:
    """Return a key that sorts tags from the oldest to the newest, as far as their names tell.

    A commit's hash is a word, though it may begin with a digit.
    """
    if tag == DEFAULT_TAG:
        return _LATEST, (), 0, ()
    match = _VERSION.fullmatch(tag)
    if match is None or _HASH.fullmatch(tag):
        return _WORD, (), 0, _natural(tag)
    rest = match[2]
    kind = -1 if _PREVIEW.match(rest) else 1 if rest else 0
    return _NUMBERED, tuple(_number(number) for number in match[1].split(".")), kind, _natural(rest)


def is_version(tag: str) -> bool:
    """Tell whether a tag names a version, so that its place among others is known."""
    return version_key(tag)[0] == _NUMBERED


def variant_of(tag: str) -> str:
    """Return what distinguishes tags of one version from another: `alpine` for `1.4.2-alpine3.19`, nothing for `1.4.2-rc1`.

    Tags of one variant follow each other; the next version of an image is not its smaller sister.
    """
    match = _VERSION.fullmatch(tag)
    if _HASH.fullmatch(tag):
        return ""
    if match is None:
        parts = _SEPARATOR.split(tag)[1:]
    else:
        preview = _PREVIEW.match(match[2])
        parts = _SEPARATOR.split(match[2][preview.end() if preview else 0 :])
    return "-".join(filter(None, (_DIGITS.sub("", part) for part in parts if not _HASH.fullmatch(part))))


def _number(digits: str) -> int:
    """Return a number; of one that no version has, only the first digits, as Python refuses to read 4,300."""
    return int(digits[:LONGEST_NUMBER])


def _natural(text: str) -> _Natural:
    """Split text into numbers and words, numbers first: `rc10` comes after `rc9`."""
    return tuple((False, _number(run), "") if run.isdecimal() else (True, 0, run) for run in _RUN.findall(text))
