"""The default config file as text: it is TOML, it says what is the case, and each line of it can be used."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from layerscope.app.key_names import textual_keys
from layerscope.settings import Settings, defaults_text, read_settings

KEYS = [
    ("list.up", "up,k", "Up"),
    ("layer.next", "right_square_bracket", "Step to the next layer"),
    ("odd", "[", 'A "key" in \\ quotes'),
]
TEXT = defaults_text(KEYS)
SETTING = re.compile(r"^#(?! )", re.MULTILINE)
LINES = [line for line in TEXT.splitlines() if SETTING.match(line)]


def settings(file: Path, text: str) -> Settings:
    file.write_text(text)
    return read_settings(file, key_ids=[name for name, _, _ in KEYS], name_keys=textual_keys)


def test_as_printed_nothing_is_set(tmp_path: Path) -> None:
    assert settings(tmp_path / "config.toml", TEXT) == Settings()


@pytest.mark.parametrize("line", LINES)
def test_each_line_can_be_used_by_taking_its_mark_away(tmp_path: Path, line: str) -> None:
    found = settings(tmp_path / "config.toml", TEXT.replace(line, line[1:]))
    assert msgspec.structs.replace(found, keys={}) == Settings()


def test_all_lines_together_say_the_defaults(tmp_path: Path) -> None:
    found = settings(tmp_path / "config.toml", SETTING.sub("", TEXT))
    keys = {"list.up": "up,k", "layer.next": "right_square_bracket", "odd": "left_square_bracket"}
    assert found == Settings(keys=keys)


def test_every_setting_has_a_line_of_comment_with_what_is_allowed() -> None:
    lines = TEXT.splitlines()
    for name in Settings.__struct_fields__[:-1]:
        number = next(number for number, line in enumerate(lines) if line.startswith(f"#{name} = "))
        assert re.fullmatch(r"# .*\. Allowed: .*\.", lines[number - 1])


def test_the_printed_defaults_are_those_of_the_settings() -> None:
    assert '\n#columns = ["mode", "owner", "size", "bar", "percent", "wasted", "files"]\n' in TEXT
    assert "\n#empty_steps = true\n" in TEXT
    assert '\n#"list.up" = "up,k"  # Up\n' in TEXT
