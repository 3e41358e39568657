"""dive's own rules, from the `.dive-ci` of those who come from it: read as dive 0.13.1 reads it, or refused.

The file is YAML of which only the mapping `rules:` matters, a few lines in every file there is. So no YAML library is needed:
block mappings with plain or quoted scalars on one line are read, which mean the same in every version of YAML, and anything
else is refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from layerscope.errors import BadSettings
from layerscope.gate.config import DiveLimit, GateConfig
from layerscope.gate.rule_keys import DIVE_KEYS
from layerscope.settings.suggestion import suggestion
from layerscope.text import escape

DISABLED = "disabled"
DEFAULTS = {"lowestEfficiency": "0.9", "highestWastedBytes": DISABLED, "highestUserWastedPercent": "0.1"}
_BY_SPELLING = {key.lower(): key for key in DIVE_KEYS}
_LINE = re.compile(r"""( *)(?:"([^"\\]*)"|'([^']*)'|([A-Za-z0-9_][^:#"'\[\]{}\t]*?)) *:(?: +(.*))?""")
_QUOTED = re.compile(r"""(?:"([^"\\]*)"|'([^']*)') *(?:#.*)?""")
_PLAIN = re.compile(r"""([^\s"'\[\]{}>|*&!%#`@,:-](?:[^:#]|:(?! )|(?<! )#)*?)? *(?:(?:^| )#.*)?""")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ODD_NUMBER = re.compile(r"[+-]?(?:0[0-9_xobXOB].*|[0-9][0-9_]*_[0-9_]*|0x.*)")
_SIZE = re.compile(r"([0-9.,]*)(.*)", re.DOTALL)
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_UNSIGNED = 1 << 64
_LONGEST_LINE = 1000


def read_dive_ci(raw: bytes, *, origin: str) -> GateConfig:
    """dive's three rules as a `.dive-ci` has them, with dive's defaults for those it lacks. Raises BadSettings."""
    stated, notes = {}, []
    for number, key, written in _rules(_lines(raw)):
        known = _BY_SPELLING.get(key.lower())  # dive's keys are found in any case
        if known is None:
            near = suggestion(key, DIVE_KEYS)
            if near:
                raise BadSettings(f"line {number}: dive has no rule `{escape(key)}`{near}")
            notes.append(f"{origin}: dive has no rule `{escape(key)}` and ignores it.")
        elif known in stated:
            raise BadSettings(f"line {number}: `{known}` is stated twice")
        else:
            stated[known] = _scalar(written, number)
    return GateConfig(dive=dive_limits(stated, origin=origin), notes=tuple(notes))


def dive_limits(stated: Mapping[str, str | None], *, origin: str) -> dict[str, DiveLimit]:
    """Return all three rules: those stated, and dive's defaults for the others (and for those without a value)."""
    limits = {}
    for key in DIVE_KEYS:
        text = stated.get(key)
        limits[key] = _limit(key, DEFAULTS[key], "dive's default") if text is None else _limit(key, text, origin)
    return limits


def dive_limit(key: str, text: str, *, origin: str) -> DiveLimit:
    """One rule's limit as dive reads it. Raises BadSettings."""
    return _limit(key, text, origin)


def _limit(key: str, text: str, origin: str) -> DiveLimit:
    """Only the word `disabled`, so written, disables a rule (measured)."""
    if text == DISABLED:
        return DiveLimit(None, origin)
    try:
        value = _dive_bytes(text) if key == "highestWastedBytes" else _dive_share(text)
    except BadSettings as error:
        raise BadSettings(f"`{key}`: {error}") from error
    return DiveLimit(value, origin)


def _dive_share(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise BadSettings(f"`{escape(text[:40])}` is not a ratio from 0 to 1, nor `{DISABLED}`")
    share = float(text)
    if not 0 <= share <= 1:
        raise BadSettings(f"`{escape(text[:40])}` is outside of 0 to 1, which dive refuses, too")
    return share


def _dive_bytes(text: str) -> int:
    """`20MB` is decimal, `20MiB` binary; case does not count, commas in the number neither."""
    match = _SIZE.fullmatch(text)
    number, unit = (match[1].replace(",", ""), match[2].strip().lower()) if match else ("", "")
    powers = {"": 0, "b": 0} | {letter + end: power for power, letter in enumerate("kmgtpe", 1) for end in ("", "b", "i", "ib")}
    if not _NUMBER.fullmatch(number) or unit not in powers:
        raise BadSettings(f"`{escape(text[:40])}` is not a size such as 20MB, nor `{DISABLED}`")
    size = float(number) * float((1024 if "i" in unit else 1000) ** powers[unit])
    if size >= _UNSIGNED:
        raise BadSettings(f"`{escape(text[:40])}` is more bytes than can be counted")
    return int(size)


def _lines(raw: bytes) -> list[tuple[int, str]]:
    """Return the lines that say something, with their numbers."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise BadSettings(f"not UTF-8 at line {number}") from error
    lines = [(number, line.rstrip()) for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1)]
    lines = [(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]
    longest = max(lines, key=lambda line: len(line[1]), default=(0, ""))
    if len(longest[1]) > _LONGEST_LINE:
        raise _refused(longest[0], f"a line is longer than {_LONGEST_LINE:,} characters")
    return lines


def _rules(lines: list[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    """Line number, key and value of everything below `rules:`. What other keys at the top hold is dive's affair."""
    is_inside, indent, seen = False, 0, set[str]()
    for number, line in lines:
        if line == "---" and not seen:
            continue
        if line[0] not in " -\t":
            key, value = _top(number, line)
            if key in seen:
                raise BadSettings(f"line {number}: `{escape(key)}` is stated twice")
            seen.add(key)
            is_inside, indent = key == "rules", 0
            if is_inside and _scalar(value, number) is not None:
                raise _refused(number, "`rules:` must be followed by one rule a line, each `  key: value`")
        elif is_inside:
            match = _LINE.fullmatch(line)
            if match is None or not match[1] or (indent and len(match[1]) != indent):
                raise _refused(number, "a rule is `  key: value`, all indented alike")
            indent = len(match[1])
            yield number, _key(match), match[5] or ""
        elif not seen:
            raise _refused(number, "the first line must be a key such as `rules:`")


def _top(number: int, line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise _refused(number, "a line at the margin must be `key:` or `key: value`")
    key = _key(match)
    return ("rules" if key.lower() == "rules" else key), match[5] or ""


def _key(match: re.Match[str]) -> str:
    return next(part for part in (match[2], match[3], match[4]) if part is not None)


def _scalar(written: str, number: int) -> str | None:
    """Return a value as YAML has it, made text as dive does; None where nothing is written."""
    written = written.strip()
    quoted, plain = _QUOTED.fullmatch(written), _PLAIN.fullmatch(written)
    if quoted is not None:
        return quoted[1] if quoted[1] is not None else quoted[2]
    negative = _NUMBER.fullmatch(written)
    if plain is None and negative is None:
        raise _refused(number, "a value is a number or a word")
    text = written if plain is None else (plain[1] or "")
    if text in _NOTHING:
        return None
    if _ODD_NUMBER.fullmatch(text) or text.lower().lstrip("+-") in {".nan", ".inf"}:
        raise _refused(number, f"`{escape(text[:40])}` means different numbers to different readers of YAML")
    if not _NUMBER.fullmatch(text):
        return text
    return str(int(text)) if text.lstrip("+-").isdecimal() else f"{Decimal(repr(float(text))):f}"


def _refused(number: int, words: str) -> BadSettings:
    return BadSettings(f"line {number}: only simple YAML is read here: {words}")
