"""The default config file: every key, what it does and its allowed values, all commented out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from layerscope.settings.checks import KEYS, allowed
from layerscope.settings.settings import Settings, choices

DESCRIPTIONS = {
    "theme": "The colors: a theme's name, as the command palette lists them. Empty: what suits the terminal",
    "keymap": "Which keys do what: layerscope's own, or with dive's where dive has one",
    "columns": "The columns before the name in the files pane, in this order",
    "sort": "How the files are sorted at start. Without this line: as they last were",
    "start": "What has the focus at start",
    "empty_steps": "Whether the steps of the build that made no layer are shown among the layers",
}
_KEYS_COMMENT = """\
# What each key does; a line here wins over the keymap. Several keys have commas between. A key is a character ("[", "?",
# "E") or a name ("left_square_bracket", "f5", "pageup"), with ctrl+, alt+ or shift+ before it ("ctrl+f").
"""


def defaults_text(keys: Sequence[tuple[str, str, str]]) -> str:
    """Return the defaults as TOML. `keys`: the id, default keys and description of each binding.

    A line that starts with `#` and no space is a setting: without the `#` it states the default (except for `sort`, which has
    none). All settings are commented out, so a copy of the file does not freeze defaults that change later.
    """
    return "\n".join([*_settings(), f"{_KEYS_COMMENT}[{KEYS}]", *_bindings(keys), ""])


def _settings() -> Iterator[str]:
    for field in msgspec.structs.fields(Settings):
        if field.name != KEYS:
            value = choices(field.type)[0] if field.default is None else field.default
            yield f"# {DESCRIPTIONS[field.name]}. Allowed: {allowed(field.type)}.\n#{field.name} = {_toml(value)}\n"


def _bindings(keys: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    for name, default_keys, description in keys:
        yield f"#{_toml(name)} = {_toml(default_keys)}  # {description}"


def _toml(value: object) -> str:
    """Format a value as JSON, whose strings, lists and booleans are also TOML."""
    return json.dumps(value, ensure_ascii=False)
