"""Reads rules from a decoded layerscope.toml, or from the `[tool.layerscope]` table of a decoded pyproject.toml.

Every mistake becomes a sentence that names its key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from layerscope.errors import BadSettings, UsageError
from layerscope.gate.config import (
    ANYWHERE,
    CAUSES,
    EXTENDS,
    KEYS,
    LOCKED,
    OFF,
    PATH_KEYS,
    RULE_KEYS,
    TABLES,
    WHERE,
    GateConfig,
    Key,
    Limit,
    TableRule,
    Waiver,
)
from layerscope.gate.quantities import growth_of, named, size_of
from layerscope.gate.verdict import RuleSeverity
from layerscope.search.query import glob
from layerscope.text import escape, suggestion

LIMIT, SEVERITY = "limit", "severity"
_LONGEST = 60
_Row = TypeVar("_Row")
_Value = TypeVar("_Value")


def read_document(document: Mapping[str, Any], *, origin: str) -> GateConfig:
    """Read the rules in a decoded file. Raises BadSettings with a sentence that names the key but not the file."""
    allowed = [*KEYS, *TABLES, EXTENDS, LOCKED]
    unknown = next((key for key in document if key not in allowed), None)
    if unknown is not None:
        near = suggestion(unknown, allowed) or f"; allowed: {', '.join(allowed)}"
        raise BadSettings(f"unknown key `{_shown(unknown)}`{near}")
    limits = {key: _limit(KEYS[key], value, origin) for key, value in document.items() if key in KEYS}
    return GateConfig(
        limits=limits,
        locked=dict.fromkeys(_locked_keys(document.get(LOCKED, False), limits), origin),
        tables=tuple(row for name, read in _READERS.items() for row in _rows(document, name, read, origin)),
        waive=tuple(_rows(document, "waive", _waiver, origin)),
    )


def read_extends(document: Mapping[str, Any]) -> list[str]:
    """Return the names of the files that a decoded file extends, weakest first. Raises BadSettings."""
    written = document.get(EXTENDS, [])
    names = [written] if isinstance(written, str) else written
    if not isinstance(names, list) or not all(isinstance(name, str) and name and "\0" not in name for name in names):
        raise BadSettings(f"`{EXTENDS}`: must be a file name or an address in quotes, or a list of them")
    return names


def _locked_keys(written: object, limits: Mapping[str, Limit]) -> Iterable[str]:
    """Return the keys that `locked` names: a list of limits in the same file, or true for all of them."""
    if isinstance(written, bool):
        return limits if written else ()
    if not isinstance(written, list) or not all(isinstance(key, str) for key in written):
        raise BadSettings(f"`{LOCKED}`: must be true, or a list of keys in quotes")
    absent = next((key for key in written if key not in limits), None)
    if absent is not None:
        raise BadSettings(f"`{LOCKED}`: `{_shown(absent)}` has no limit in this file{suggestion(absent, limits)}")
    return written


def read_limit(key: Key, written: object, *, origin: str) -> Limit:
    """Read the limit that a file, variable or flag states; `off` gives None. Raises BadSettings without the key's name."""
    is_off = written is False or (isinstance(written, str) and written.strip().lower() == OFF)
    return Limit(None if is_off else key.read(written), origin)


def checked_glob(written: object) -> str:
    """Return what was written if it is a valid glob or path of a directory. Raises BadSettings."""
    if not isinstance(written, str) or not written.strip("/") or "\0" in written:
        raise BadSettings('must be a glob or a path in quotes, such as "**/.git/**" or "/usr/share/doc"')
    try:
        glob(written.rstrip("/"))
    except UsageError as error:
        raise BadSettings(f"the glob `{_shown(written)}` cannot be read: {error.__cause__ or error}") from error
    return written


def checked_cause(written: object) -> str:
    """Return what was written if it is the word of a cause of waste, such as `deleted`. Raises BadSettings."""
    if not isinstance(written, str) or written not in CAUSES:
        raise BadSettings(f"must be one of {', '.join(CAUSES)}{suggestion(str(written), CAUSES)}")
    return written


def _limit(key: Key, written: object, origin: str) -> Limit:
    """Read a limit that is written as a plain value, or as a table with a limit and a severity."""
    with named(f"`{key.name}`"):
        if not isinstance(written, dict):
            return read_limit(key, written, origin=origin)
        table = _Table(written, (LIMIT, SEVERITY) if key.unit else (LIMIT,))
        limit = table.get(LIMIT, lambda value: read_limit(key, value, origin=origin))
        return Limit(limit.value, origin, table.severity())


def _rows(document: Mapping[str, Any], name: str, read: Callable[[_Table, str], _Row], origin: str) -> Iterator[_Row]:
    rows = document.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadSettings(f"`{name}`: must be tables, each of which begins with the line [[{name}]]")
    for number, row in enumerate(rows, 1):
        with named(f"[[{name}]] number {number}"):
            yield read(_Table(row, TABLE_COLUMNS[name]), origin)


@dataclass(frozen=True, slots=True)
class _Table:
    """One TOML table of rules. Raises BadSettings for a key that is not in `allowed`, and for a missing or wrong value."""

    row: dict[str, Any]
    allowed: Collection[str]

    def __post_init__(self) -> None:
        for key in self.row:
            if key not in self.allowed:
                near = suggestion(key, self.allowed) or f"; allowed: {', '.join(self.allowed)}"
                raise BadSettings(f"unknown key `{_shown(key)}`{near}")

    def get(self, key: str, read: Callable[[object], _Value]) -> _Value:
        if key not in self.row:
            raise BadSettings(f"`{key}` is missing")
        with named(f"`{key}`"):
            return read(self.row[key])

    def maybe(self, key: str, read: Callable[[object], _Value], default: _Value) -> _Value:
        return self.get(key, read) if key in self.row else default

    def severity(self, default: RuleSeverity = RuleSeverity.ERROR) -> RuleSeverity:
        return self.maybe(SEVERITY, lambda written: RuleSeverity(_choice(RuleSeverity, written)), default)


TABLE_COLUMNS: dict[str, tuple[str, ...]] = {
    "forbid": ("path", "where", SEVERITY),
    "budget": ("path", "max", SEVERITY),
    "max-cause": ("cause", "max", SEVERITY),
    "directory-growth": ("path", "max", SEVERITY),
    "waive": ("rule", "path", "reason", "until"),
}


def _forbid(table: _Table, origin: str) -> TableRule:
    is_anywhere = table.maybe("where", lambda written: _choice(WHERE, written), WHERE[0]) == ANYWHERE
    return TableRule("forbid", table.get("path", checked_glob), 0, table.severity(), origin, is_anywhere)


def _budget(table: _Table, origin: str) -> TableRule:
    return TableRule("budget", table.get("path", checked_glob), table.get("max", size_of), table.severity(), origin)


def _max_cause(table: _Table, origin: str) -> TableRule:
    return TableRule("max-cause", table.get("cause", checked_cause), table.get("max", size_of), table.severity(), origin)


def _directory_growth(table: _Table, origin: str) -> TableRule:
    return TableRule("directory-growth", table.get("path", _directory), table.get("max", growth_of), table.severity(), origin)


_READERS = {"forbid": _forbid, "budget": _budget, "max-cause": _max_cause, "directory-growth": _directory_growth}


def _waiver(table: _Table, origin: str) -> Waiver:
    rule, path = table.get("rule", _rule), table.maybe("path", checked_glob, "")
    if path and rule not in PATH_KEYS:
        raise BadSettings(f"`path`: {rule} has no paths; leave `path` out to waive the whole rule")
    return Waiver(rule, path, table.get("reason", _reason), table.get("until", _day), origin)


def _choice(choices: Iterable[str], written: object) -> str:
    names = [str(choice) for choice in choices]
    if not isinstance(written, str) or written not in names:
        raise BadSettings(f"`{_shown(str(written))}` must be one of {', '.join(names)}{suggestion(str(written), names)}")
    return written


def _rule(written: object) -> str:
    if not isinstance(written, str) or written not in RULE_KEYS:
        near = suggestion(str(written), RULE_KEYS) or f"; allowed: {', '.join(RULE_KEYS)}"
        raise BadSettings(f"`{_shown(str(written))}` is not a rule{near}")
    return written


def _directory(written: object) -> str:
    path = checked_glob(written)
    if any(sign in path for sign in "*?["):
        raise BadSettings(f"`{_shown(path)}` is a glob; growth is measured for a directory, such as /usr/lib")
    return "/" + path.strip("/")


def _reason(written: object) -> str:
    if not isinstance(written, str) or not written.strip():
        raise BadSettings("must be text that says why")
    return " ".join(written.split())


def _day(written: object) -> date:
    if isinstance(written, date) and not isinstance(written, datetime):
        return written
    try:
        return date.fromisoformat(written if isinstance(written, str) else "")
    except ValueError as error:
        raise BadSettings(f"`{_shown(str(written))}` is not a date such as 2026-12-31") from error


def _shown(text: str) -> str:
    return escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
