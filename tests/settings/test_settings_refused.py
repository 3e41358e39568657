"""config.toml: the sentences for what it cannot say, and for what cannot be read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from layerscope.app.key_names import textual_keys
from layerscope.errors import BadSettings
from layerscope.settings import MAX_FILE, read_settings

KEY_IDS = ("app.help", "explore.sort", "list.up", "list.down")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def refusal(file: Path, text: str | bytes) -> str:
    """What is said of a file with this text, without the name of the file."""
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(BadSettings) as raised:
        read_settings(file, key_ids=KEY_IDS, name_keys=textual_keys)
    sentence = str(raised.value)
    assert sentence.startswith(f"{file}: ")
    assert sentence.isprintable()
    return sentence.removeprefix(f"{file}: ")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("colums = []", "unknown key `colums`; did you mean `columns`?"),
        ("Sort = 'size'", "unknown key `Sort`; did you mean `sort`?"),
        (
            "zzz = 1",
            "unknown key `zzz`; allowed: theme, keymap, columns, sort, start, open_files, empty_steps, insecure, limit_rate, "
            "keep_windows, no_registry, keys",
        ),
        ("'a\\u001b\u202e' = 1", "unknown key `a\\u001b\\u202e`; allowed: theme, keymap"),
        ('sort = "sise"', '`sort = "sise"`: must be one of name, size, change, wasted; did you mean `size`?'),
        ('sort = "SIZE"', '`sort = "SIZE"`: must be one of name, size, change, wasted; did you mean `size`?'),
        ('start = "everything"', '`start = "everything"`: must be one of layers, files, waste'),
        ('keymap = "dives"', '`keymap = "dives"`: must be one of default, dive; did you mean `dive`?'),
        ("sort = true", "`sort`: must be one of name, size, change, wasted"),
        ("theme = 1", "`theme`: must be text in quotes"),
        ('empty_steps = "yes"', '`empty_steps = "yes"`: must be true or false'),
        (
            'columns = ["mode", "sise"]',
            '`columns` has "sise": must be a list of any of mode, owner, size, bar, percent, wasted, files; did you',
        ),
        ('columns = "mode"', '`columns = "mode"`: must be a list of any of mode, owner, size, bar, percent, wasted, files'),
        ("columns = [1]", "`columns`: must be a list of any of mode"),
        ('columns = ["mode", "mode"]', "`columns`: a column is named twice"),
        ("keys = 1", "`keys`: must be a table, which begins with the line [keys]"),
        ('[keys]\n"list.upp" = "k"', "[keys] has an unknown binding `list.upp`; did you mean `list.up`?"),
        ('[keys]\nlist.upp = "k"', "[keys] has an unknown binding `list.upp`; did you mean `list.up`?"),
        ('[keys]\nzzz = "k"', "[keys] has an unknown binding `zzz`; `layerscope config` lists them all"),
        ('[keys]\n"list.up" = 1', "[keys] `list.up`: must be keys in quotes, with commas between"),
        ('[keys]\n"list.up" = "pgup"', '[keys] `list.up = "pgup"`: there is no key `pgup`; did you mean `pageup`?'),
        ("theme = 'nord'\nsort = size", "not valid TOML: Invalid value (at line 2, column 8)"),
        ("theme = 'a'\ntheme = 'b'", "not valid TOML: Cannot overwrite a value (at "),
        (b"theme = 'a'\nsort = '\xff'", "not UTF-8 at line 2"),
        (f"theme = {'9' * 5000}", "not valid TOML: "),
        (f"theme = {'[' * 100_000}", "nested too deeply"),
        (f"theme = 0x{'f' * 5000}", "`theme`: must be text in quotes"),
        (f"[keys]\n{'a.' * 30_000}a = 1", "nested too deeply"),
        (f"sort = '{'x' * 1000}'", f'`sort = "{"x" * 60}..."`: must be one of'),
        ("#" * (MAX_FILE + 1), "longer than 1 MiB, which no config file needs"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_a_file_cannot_say_is_refused_in_one_sentence(file: Path, text: str | bytes, sentence: str) -> None:
    assert refusal(file, text).startswith(sentence)


def test_the_name_of_the_file_is_shown_escaped(tmp_path: Path) -> None:
    file = tmp_path / "a\x1b.toml"
    file.write_text("zzz = 1")
    with pytest.raises(BadSettings, match=r"a\\x1b\.toml: unknown key"):
        read_settings(file, key_ids=KEY_IDS, name_keys=textual_keys)


def test_a_directory_is_no_config_file(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r": cannot be read: Is a directory$"):
        read_settings(tmp_path, key_ids=KEY_IDS, name_keys=textual_keys)


def test_a_file_without_permission_is_a_sentence(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_arguments: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "open", refuse)  # tests may run as root, who may read everything
    with pytest.raises(BadSettings, match=r"config\.toml: cannot be read: Permission denied$"):
        read_settings(file, key_ids=KEY_IDS, name_keys=textual_keys)
