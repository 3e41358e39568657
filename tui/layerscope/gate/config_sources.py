"""Where rules are stated, weakest first: layerscope.toml, pyproject.toml, .dive-ci, environment variables, flags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

from layerscope.dive.rule_limits import DEFAULTS, dive_limit
from layerscope.errors import BadSettings
from layerscope.gate.config import ANYWHERE, EXTENDS, KEYS, PREFIX, WHERE, GateConfig, Limit, TableRule, with_defaults
from layerscope.gate.config_document import checked_cause, checked_glob, read_document, read_extends, read_limit
from layerscope.gate.quantities import named, size_of
from layerscope.gate.shared_rules import SharedPlace, shared_place
from layerscope.gate.verdict import RuleSeverity
from layerscope.settings import decode_toml
from layerscope.text import escape, suggestion

FILE, PYPROJECT, DIVE_FILE = "layerscope.toml", "pyproject.toml", ".dive-ci"
MAX_FILE = 1 << 20
DEEPEST = 5
"""How many files may extend each other in a row."""
_OTHER_VARIABLES = ("LAYERSCOPE_MAX_UNPACKED",)
_SHAPES = ("LAYERSCOPE_MAX_", "LAYERSCOPE_MIN_", "LAYERSCOPE_WASTED_")
"""Beginnings of variables that are rules, or mistyped rules."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The rules and files that the command line states, as they were typed.

    `limits` are by key, `dive` by dive's keys; `config_file` replaces layerscope.toml and pyproject.toml, `dive_file` replaces
    .dive-ci. A file that is named must exist.
    """

    limits: Mapping[str, str] = field(default_factory=dict)
    dive: Mapping[str, str] = field(default_factory=dict)
    forbid: tuple[str, ...] = ()
    budget: tuple[str, ...] = ()
    max_cause: tuple[str, ...] = ()
    config_file: Path | None = None
    dive_file: Path | None = None


def read_config(flags: Flags, *, directory: Path, environment: Mapping[str, str]) -> GateConfig:
    """Combine all sources, and the defaults where no source states a rule. Raises BadSettings that names source and key."""
    config = reduce(GateConfig.under, _sources(flags, directory, environment), GateConfig())
    return with_defaults(config)


def rules_of(rules: Mapping[str, Any] | Path | None) -> GateConfig:
    """Read the rules that a program states: a mapping like a layerscope.toml, or such a file; the defaults for none.

    Raises BadSettings.
    """
    if isinstance(rules, Path):
        return with_defaults(_of_toml(rules, must_exist=True))
    with named("rules"):
        return with_defaults(_extended(rules or {}, "rules", "rules", ()))


def _sources(flags: Flags, directory: Path, environment: Mapping[str, str]) -> Iterator[GateConfig]:
    if flags.config_file is not None:
        yield _of_toml(flags.config_file, must_exist=True)
    else:
        yield _of_toml(directory / FILE, name=FILE)
        yield _of_toml(directory / PYPROJECT, name=PYPROJECT)
    place, name = flags.dive_file or directory / DIVE_FILE, str(flags.dive_file or DIVE_FILE)
    dive_file = _read(place, name, lambda raw: dive_config(raw, origin=name), must_exist=flags.dive_file is not None)
    yield dive_file
    yield _of_environment(environment)
    yield _of_flags(flags)
    yield _of_dive_flags(flags, has_dive=bool(dive_file.dive))


def _of_toml(place: Path, *, name: str = "", must_exist: bool = False) -> GateConfig:
    """Read the rules of a layerscope.toml, or of the `[tool.layerscope]` table of a pyproject.toml, and those it extends."""
    name = name or str(place)

    def read(raw: bytes) -> GateConfig:
        document = decode_toml(raw)
        if place.name != PYPROJECT:
            return _extended(document, name, str(place), ())
        tool = document.get("tool", {})
        table = tool.get("layerscope", {}) if isinstance(tool, dict) else {}
        if not isinstance(table, dict):
            raise BadSettings("`tool.layerscope` must be a table")
        return _extended(table, f"{name} [tool.layerscope]", str(place), ())

    return _read(place, name, read, must_exist=must_exist)


def _extended(document: Mapping[str, Any], origin: str, place: str, above: tuple[str, ...]) -> GateConfig:
    """Read the rules of a decoded file over those of the files that it extends; `above` are the files that extend it."""
    names = read_extends(document)
    if len(above) >= DEEPEST and names:
        raise BadSettings(f"`{EXTENDS}`: files extend each other more than {DEEPEST} deep")
    shared = (_shared(shared_place(name, beside=place), (*above, place)) for name in names)
    return reduce(GateConfig.under, (*shared, read_document(document, origin=origin)), GateConfig())


def _shared(shared: SharedPlace, above: tuple[str, ...]) -> GateConfig:
    """Read the rules of a file that another one extends, and of those that it extends."""
    with named(escape(shared.shown)):
        if shared.place in above:
            raise BadSettings("extends itself")
        raw = shared.fetched() if shared.is_address else _raw(Path(shared.place), must_exist=True)
        return _extended(decode_toml(shared.checked(raw or b"")), shared.shown, shared.place, above)


def dive_config(raw: bytes, *, origin: str) -> GateConfig:
    """Turn the bytes of a `.dive-ci` into dive's three rules, with dive's defaults for those it lacks. Raises BadSettings."""
    from layerscope.dive.ci_file import read_ci_file  # imports yaml

    file = read_ci_file(raw)
    limits = {key: Limit(limit, origin) for key, limit in file.limits.items()}
    notes = [f"{origin}: dive has no rule `{name}` and ignores it." for name in file.unknown]
    if file.is_followed:
        notes.append(f"{origin}: a second YAML document follows the rules; dive ignores it.")
    return GateConfig(dive=_dive_defaults() | limits, notes=tuple(notes))


def _dive_defaults() -> dict[str, Limit]:
    return {key: Limit(dive_limit(key, text), "dive's default") for key, text in DEFAULTS.items()}


def _read(place: Path, name: str, read: Callable[[bytes], GateConfig], *, must_exist: bool) -> GateConfig:
    with named(escape(name)):
        raw = _raw(place, must_exist=must_exist)
        try:
            return GateConfig() if raw is None else read(raw)
        except RecursionError as error:
            raise BadSettings("nested too deeply") from error


def _raw(place: Path, *, must_exist: bool) -> bytes | None:
    """Return a file's bytes, or None if it does not exist and need not.

    Raises BadSettings if it cannot be read, because it may hold a rule.
    """
    try:
        with place.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise BadSettings("there is no such file") from error
        return None
    except (OSError, ValueError) as error:
        raise BadSettings(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(raw) > MAX_FILE:
        raise BadSettings(f"longer than {MAX_FILE >> 20} MiB, which no config file needs")
    return raw


def _of_environment(environment: Mapping[str, str]) -> GateConfig:
    """Read rules from environment variables such as LAYERSCOPE_MAX_SIZE; an empty variable states nothing.

    A variable that looks like a misspelled rule raises BadSettings: ignored, its rule would silently not apply.
    """
    by_variable = {key.variable: key for key in KEYS.values()}
    limits = {}
    for variable in sorted(environment):
        key, value = by_variable.get(variable), environment[variable]
        if key is not None and value:
            with named(variable):
                limits[key.name] = read_limit(key, value, origin=variable)
        elif key is None and _looks_like_rule(variable, by_variable):
            raise BadSettings(f"{escape(variable)} is not a variable that layerscope knows{suggestion(variable, by_variable)}")
    return GateConfig(limits=limits)


def _looks_like_rule(variable: str, known: Collection[str]) -> bool:
    if variable in _OTHER_VARIABLES or not variable.startswith(PREFIX):
        return False
    return variable.startswith(_SHAPES) or variable.replace("-", "_").upper() in known


def _of_flags(flags: Flags) -> GateConfig:
    limits = {}
    for name, value in flags.limits.items():
        with named(f"--{name}"):
            limits[name] = read_limit(KEYS[name], value, origin=f"--{name}")
    tables = (
        *_each(flags.forbid, "--forbid", _forbid),
        *_each(flags.budget, "--budget", _budget),
        *_each(flags.max_cause, "--max-cause", _max_cause),
    )
    return GateConfig(limits=limits, tables=tables)


def _of_dive_flags(flags: Flags, *, has_dive: bool) -> GateConfig:
    """Read the flags named after dive's rules. Any of them turns on all three of dive's rules, as in dive itself.

    With `has_dive` a .dive-ci has turned them on already, and no default replaces its limits.
    """
    if not flags.dive:
        return GateConfig()
    limits = {} if has_dive else _dive_defaults()
    for key, value in flags.dive.items():
        with named("on the command line"):
            limits[key] = Limit(dive_limit(key, value), f"--{key}")
    return GateConfig(dive=limits)


def _each(written: Iterable[str], flag: str, read: Callable[[str], TableRule]) -> Iterator[TableRule]:
    with named(flag):
        yield from map(read, written)


def _forbid(written: str) -> TableRule:
    is_anywhere = written.startswith(f"{ANYWHERE}:")
    glob = checked_glob(written.removeprefix(f"{WHERE[is_anywhere]}:"))
    return TableRule("forbid", glob, 0, RuleSeverity.ERROR, "--forbid", is_anywhere)


def _budget(written: str) -> TableRule:
    glob, size = _parted(written, "/usr/share/doc=1MB")
    return TableRule("budget", checked_glob(glob), size_of(size), RuleSeverity.ERROR, "--budget")


def _max_cause(written: str) -> TableRule:
    word, size = _parted(written, "metadata=1MB")
    return TableRule("max-cause", checked_cause(word), size_of(size), RuleSeverity.ERROR, "--max-cause")


def _parted(written: str, example: str) -> tuple[str, str]:
    left, equals, right = written.rpartition("=")
    if not equals:
        raise BadSettings(f"`{escape(written[:60])}` must be written as in {example}")
    return left, right
