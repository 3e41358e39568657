"""The user's settings in config.toml, with their defaults and checks, and the state kept from run to run.

An error is a sentence that says what is allowed. The state is a convenience: nothing about it ever fails. Both files are where
the platform puts such files (XDG on Linux).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from enum import Enum
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from layerscope.atomic import replace_file
from layerscope.errors import BadSettings
from layerscope.limits import TOML_DEPTH, TOML_DOTS
from layerscope.text import escape, suggestion
from layerscope.units import parse_size

Keymap = Literal["default", "dive"]
Column = Literal["mode", "owner", "size", "bar", "percent", "wasted", "files"]
SortOrder = Literal["name", "size", "change", "wasted"]
Start = Literal["layers", "files", "waste"]

_NO_KEY = re.compile(rb"#[^\n]*|\"\"\".*?\"\"\"|'''.*?'''|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'", re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
"""Matches comments and strings, in which dots do not nest tables."""
MAX_FILE = 1 << 20
"""The longest config file read, in bytes."""
KEYS = "keys"
_LONGEST_SHOWN = 60
NameKeys = Callable[[str], str]
"""Translates the keys of one binding, as the user wrote them, into Textual's names, with commas between. Raises
BadSettings.
"""
NAMED_BY = "LAYERSCOPE_CONFIG"
DESCRIPTIONS = {
    "theme": "The colors: a theme's name, as the command palette lists them. Empty: what suits the terminal",
    "keymap": "Which keys do what: layerscope's own, or with dive's where dive has one",
    "columns": "The columns before the name in the files pane, in this order",
    "sort": "How the files are sorted at start",
    "start": "What has the focus at start",
    "open_files": "Whether files open by themselves, what a layer changed first, until the pane is full or you open one",
    "empty_steps": "Whether the steps of the build that made no layer are shown among the layers",
    "insecure": "Registries that may answer without TLS, or with any certificate",
    "limit_rate": "Bytes a second fetched from registries, such as 5MB. Empty: no limit",
    "keep_windows": "Whether parts of gzip layers of registries (32 KiB in 16 MiB) are cached, to read files of them sooner",
    "no_registry": "Whether an image that no engine has is an error, instead of being read in its registry",
}
_KEYS_COMMENT = """\
# What each key does; a line here wins over the keymap. Several keys have commas between. A key is a character ("[", "?",
# "E") or a name ("left_square_bracket", "f5", "pageup"), with ctrl+, alt+ or shift+ before it ("ctrl+f").
"""
MAX_STATE = 1 << 16
"""The longest state file read, in bytes."""


REGISTRY_KEYS = ("insecure", "limit_rate", "keep_windows", "no_registry")
"""Settings that every command reads, not only the screen."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of config.toml.

    `theme`: a theme's name, which only the screen can check; empty: chosen by the terminal · `columns`: the columns before the
    name in the files pane, in this order, none twice · `sort`: the order of the files at start · `start`: the pane or view that
    has the focus at start · `open_files`: whether directories open by themselves until the pane is full · `empty_steps`:
    whether history steps that made no layer are shown · `keys`: binding id -> Textual's names of its keys, separated by commas
    and without spaces · `insecure`: hosts of registries that may answer without TLS · `limit_rate`: bytes a second that
    registries may send, as `parse_size` reads them; empty: all they can · `keep_windows`: whether places to restart gzip at are
    stored in the cache, which hold contents · `no_registry`: whether a NAME that no engine has is an error, instead of being
    read in its registry.
    """

    theme: str = ""
    keymap: Keymap = "default"
    columns: tuple[Column, ...] = ("mode", "owner", "size", "bar", "percent", "wasted", "files")
    sort: SortOrder = "name"
    start: Start = "layers"
    open_files: bool = True
    empty_steps: bool = True
    insecure: tuple[str, ...] = ()
    limit_rate: str = ""
    keep_windows: bool = False
    no_registry: bool = False
    keys: dict[str, str] = {}


def choices(wanted: Any) -> tuple[str, ...]:
    """Return the words that a setting of the type `wanted` may be, or may list; an empty tuple if any text is allowed."""
    if isinstance(wanted, str):
        return (wanted,)
    return tuple(choice for part in get_args(wanted) for choice in choices(part))


class Order(Enum):
    """A sort order of siblings. Numbers are biggest first, growth whatever its sign; ties are in the order of names."""

    NAME = "name"
    SIZE = "size"
    CHANGE = "change"
    WASTED = "wasted"
    GROWTH = "growth"

    def next_of(self, orders: Sequence[Order]) -> Order:
        """Return the one of `orders` that follows this one; after the last, and if it is none of them, the first."""
        return orders[(orders.index(self) + 1) % len(orders)] if self in orders else orders[0]


def read_settings(path: Path | None = None, *, key_ids: Collection[str], name_keys: NameKeys) -> Settings:
    """Return the settings in the file at `path`, by default `settings_path()`; all defaults where there is none.

    `key_ids` are the bindings that [keys] may name, and `name_keys` names their keys. Raises BadSettings with a sentence that
    names the file and the key, also for a missing file that LAYERSCOPE_CONFIG names.
    """
    return _checked_file(path, lambda document: checked(document, key_ids=key_ids, name_keys=name_keys))


def read_registry_settings() -> Settings:
    """Read what the config file says about registries, and check nothing else in it. Raises BadSettings."""

    def known(document: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in document.items() if key in REGISTRY_KEYS}

    return _checked_file(None, lambda document: checked(known(document), key_ids=(), name_keys=str))


def _checked_file(path: Path | None, check: Callable[[dict[str, Any]], Settings]) -> Settings:
    place = path or settings_path()
    try:
        return check(decode_toml(_read(place, must_exist=path is None and bool(os.environ.get(NAMED_BY)))))
    except BadSettings as error:
        raise BadSettings(f"{escape(str(place))}: {error}") from error
    except RecursionError as error:
        raise BadSettings(f"{escape(str(place))}: nested too deeply") from error


def _read(place: Path, *, must_exist: bool) -> bytes:
    try:
        with place.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise BadSettings(f"there is no such file, yet {NAMED_BY} names it") from error
        return b""
    except OSError as error:
        if not must_exist and not os.access(place.parent, os.X_OK):
            return b""  # HOME is often another user's (sudo, docker run --user); nobody put a file there for this one
        raise BadSettings(f"cannot be read: {error.strerror}") from error
    if len(raw) > MAX_FILE:
        raise BadSettings(f"longer than {MAX_FILE >> 20} MiB, which no config file needs")
    return raw


def decode_toml(raw: bytes) -> dict[str, Any]:
    """Decode a TOML file's text. Raises BadSettings, whose sentence does not name the file."""
    if not raw:  # as most users have it: spare the import
        return {}
    import tomllib

    keys = _NO_KEY.sub(b"", raw)
    if any(line.count(b".") > TOML_DOTS for line in keys.split(b"\n")):
        raise BadSettings(f"nested too deeply: a key has more than {TOML_DOTS} dots")
    if max(accumulate(1 if each in b"[{" else -1 for each in _BRACKET.findall(keys)), default=0) > TOML_DEPTH:
        raise BadSettings(f"nested too deeply: more than {TOML_DEPTH} brackets are open")
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadSettings(f"not UTF-8 at line {line}") from error
    except ValueError as error:  # not only TOMLDecodeError: Python refuses numbers of more than 4,300 digits
        raise BadSettings(f"not valid TOML: {escape(str(error))}") from error


TYPES: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(Settings)}


def checked(document: dict[str, Any], *, key_ids: Collection[str], name_keys: NameKeys) -> Settings:
    """Check a decoded config file and return its settings.

    Raises BadSettings, whose sentence names the key but not the file.
    """
    for key, value in document.items():
        if key not in TYPES:
            near = suggestion(key, TYPES) or f"; allowed: {', '.join(TYPES)}"
            raise BadSettings(f"unknown key `{_shown(key)}`{near}")
        if key != KEYS:
            _check_value(key, value)
    settings = msgspec.convert({**document, KEYS: _checked_keys(document.get(KEYS, {}), key_ids, name_keys)}, Settings)
    if settings.limit_rate and not parse_size(settings.limit_rate):
        raise BadSettings(f'`limit_rate = "{_shown(settings.limit_rate)}"`: must be a size above 0, such as 5MB')
    if len(set(settings.columns)) < len(settings.columns):
        raise BadSettings("`columns`: a column is named twice")
    return settings


def allowed(wanted: Any) -> str:
    """Describe in words what a setting of the type `wanted` may be."""
    if wanted is bool:
        return "true or false"
    if wanted is str:
        return "text in quotes"
    names = ", ".join(choices(wanted))
    if not names:
        return "a list of texts in quotes"
    return f"a list of any of {names}" if get_origin(wanted) is tuple else f"one of {names}"


def _check_value(key: str, value: Any) -> None:
    wanted = TYPES[key]
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        known = choices(wanted)
        word = _unknown_word(value, known)
        raise BadSettings(f"{_written(key, value, word)}: must be {allowed(wanted)}{suggestion(word, known)}") from error


def _unknown_word(value: Any, known: Collection[str]) -> str:
    """Return the text in `value` that is not an allowed word; empty if something else is wrong with it."""
    words = value if isinstance(value, list) else [value]
    return next((word for word in words if isinstance(word, str) and word not in known), "")


def _written(key: str, value: Any, word: str) -> str:
    """Quote a setting for a message, roughly as it is written in the file; of a list only its wrong `word`."""
    if isinstance(value, str):
        return f'`{key} = "{_shown(value)}"`'
    return f'`{key}` has "{_shown(word)}"' if word else f"`{key}`"


def _checked_keys(table: Any, key_ids: Collection[str], name_keys: NameKeys) -> dict[str, str]:
    """Check the table [keys] and return, for each binding id, Textual's names of its keys. Raises BadSettings."""
    if not isinstance(table, dict):
        raise BadSettings("`keys`: must be a table, which begins with the line [keys]")
    return {name: _checked_binding(name, written, key_ids, name_keys) for name, written in _flat(table)}


def _checked_binding(name: str, written: Any, key_ids: Collection[str], name_keys: NameKeys) -> str:
    if name not in key_ids:
        near = suggestion(name, key_ids) or "; `layerscope config` lists them all"
        raise BadSettings(f"[keys] has an unknown binding `{_shown(name)}`{near}")
    if not isinstance(written, str):
        raise BadSettings(f"[keys] `{name}`: must be keys in quotes, with commas between")
    try:
        return name_keys(written)
    except BadSettings as error:
        raise BadSettings(f'[keys] `{name} = "{_shown(written)}"`: {error}') from error


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its dotted name: TOML reads `list.up = "k"` without quotes as a table in a table."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _shown(text: str) -> str:
    return escape(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")


def settings_path() -> Path:
    """Return the config file: the one in LAYERSCOPE_CONFIG, or layerscope/config.toml in the user's config directory."""
    if named := os.environ.get(NAMED_BY):
        return Path(named)
    from platformdirs import user_config_path

    return user_config_path("layerscope", appauthor=False) / "config.toml"


def state_path() -> Path:
    """Return the file of the state that is kept from run to run."""
    from platformdirs import user_state_path

    return user_state_path("layerscope", appauthor=False) / "state.json"


def defaults_text(keys: Sequence[tuple[str, str, str]]) -> str:
    """Return the defaults as TOML. `keys`: the id, default keys and description of each binding.

    A line that starts with `#` and no space is a setting: without the `#` it states the default. All settings are commented
    out, so a copy of the file does not freeze defaults that change later.
    """
    bindings = [f"#{_toml(name)} = {_toml(default_keys)}  # {description}" for name, default_keys, description in keys]
    settings = []
    for field in msgspec.structs.fields(Settings):
        if field.name != KEYS:
            default = _toml(field.default)
            settings.append(f"# {DESCRIPTIONS[field.name]}. Allowed: {allowed(field.type)}.\n#{field.name} = {default}\n")
    return "\n".join([*settings, f"{_KEYS_COMMENT}[{KEYS}]", *bindings, ""])


def _toml(value: object) -> str:
    """Format a value as JSON, whose strings, lists and booleans are also TOML."""
    return json.dumps(value, ensure_ascii=False)


class SavedState(msgspec.Struct, frozen=True):
    """The theme and the commands last chosen in the palette, the last first; empty: none yet."""

    theme: str = ""
    recent: tuple[str, ...] = ()


def recall() -> SavedState:
    """Read the state of the last run; all empty when there is none, or it cannot be read.

    `theme` may name a theme that no longer exists.
    """
    try:
        with state_path().open("rb") as file:
            return msgspec.json.decode(file.read(MAX_STATE), type=SavedState)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return SavedState()


def remember(saved: SavedState) -> None:
    """Store the state for the next run, if possible. The file is replaced, not written into, so it is always whole."""
    path = state_path()
    if not path.is_absolute():
        return  # without a HOME the place is `~/...`, and that would be a directory named `~` right here
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, msgspec.json.encode(saved), mode=0o600, prefix=".state-")
