"""config.toml: where it is, and what it sets."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from layerscope.app.key_names import textual_keys
from layerscope.errors import BadSettings
from layerscope.settings import Settings, read_settings, settings_path
from layerscope.text import suggestion

KEY_IDS = ("app.help", "explore.sort", "list.up", "list.down")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, where no config file is."""
    monkeypatch.delenv("LAYERSCOPE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def settings(file: Path, text: str) -> Settings:
    file.write_text(text)
    return read_settings(file, key_ids=KEY_IDS, name_keys=textual_keys)


def test_without_a_file_all_is_as_by_default() -> None:
    found = read_settings(key_ids=KEY_IDS, name_keys=textual_keys)
    assert found == Settings()
    assert (found.theme, found.keymap, found.sort, found.start, found.empty_steps) == ("", "default", "name", "layers", True)
    assert found.columns == ("mode", "owner", "size", "bar", "percent", "wasted", "files")


def test_every_key_can_be_set(file: Path) -> None:
    text = 'theme = "nord"\nkeymap = "dive"\ncolumns = ["size"]\nsort = "change"\nstart = "waste"\n'
    text += "open_files = false\nempty_steps = false\n"
    text += 'insecure = ["a.example:5000"]\nlimit_rate = "5MB"\nkeep_windows = true\nno_registry = true\n'
    registries = {"insecure": ("a.example:5000",), "limit_rate": "5MB", "keep_windows": True, "no_registry": True}
    flags = {"open_files": False, "empty_steps": False, **registries}
    expected = Settings("nord", "dive", ("size",), "change", "waste", **flags, keys={"list.up": "k"})  # type: ignore[arg-type]
    assert settings(file, text + '[keys]\n"list.up" = "k"\n') == expected


def test_columns_keep_their_order_and_may_be_none(file: Path) -> None:
    assert settings(file, 'columns = ["wasted", "mode"]').columns == ("wasted", "mode")
    assert settings(file, "columns = []").columns == ()


def test_a_binding_needs_no_quotes_around_its_dotted_name(file: Path) -> None:
    assert settings(file, '[keys]\nlist.up = "k"\nlist.down = "j"').keys == {"list.up": "k", "list.down": "j"}


def test_a_byte_order_mark_is_no_syntax_error(file: Path) -> None:
    assert settings(file, '\ufefftheme = "nord"').theme == "nord"


def test_the_file_is_in_the_users_config_directory(home: Path) -> None:
    assert settings_path() == home / "layerscope" / "config.toml"


def test_the_file_in_the_users_config_directory_is_read(home: Path) -> None:
    (home / "layerscope").mkdir(parents=True)
    (home / "layerscope" / "config.toml").write_text('theme = "nord"')
    assert read_settings(key_ids=KEY_IDS, name_keys=textual_keys).theme == "nord"


def test_layerscope_config_names_another_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_CONFIG", str(file))
    file.write_text('theme = "nord"')
    assert read_settings(key_ids=KEY_IDS, name_keys=textual_keys).theme == "nord"


def test_an_empty_layerscope_config_names_no_file(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("LAYERSCOPE_CONFIG", "")
    assert settings_path().is_relative_to(home)


def test_the_null_device_is_a_config_file_that_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_CONFIG", os.devnull)
    assert read_settings(key_ids=KEY_IDS, name_keys=textual_keys) == Settings()


def test_a_file_that_layerscope_config_names_has_to_be_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_CONFIG", str(file))
    with pytest.raises(BadSettings, match=r"config\.toml: there is no such file, yet LAYERSCOPE_CONFIG names it$"):
        read_settings(key_ids=KEY_IDS, name_keys=textual_keys)


def test_a_config_directory_that_is_a_file_holds_no_config_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(file))
    assert read_settings(key_ids=KEY_IDS, name_keys=textual_keys) == Settings()


def test_a_home_that_cannot_be_looked_into_holds_no_config_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_arguments: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "open", refuse)  # tests may run as root, who may look everywhere
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    assert read_settings(key_ids=KEY_IDS, name_keys=textual_keys) == Settings()


@pytest.mark.parametrize(
    ("word", "expected"), [("nrod", "; did you mean `nord`?"), ("NORD", "; did you mean `nord`?"), ("zzz", ""), ("", "")]
)
def test_the_nearest_choice_is_suggested(word: str, expected: str) -> None:
    assert suggestion(word, ["nord", "gruvbox"]) == expected


def test_reading_settings_loads_nothing_slow() -> None:
    script = (
        "import sys, layerscope.settings\n"
        "print([name for name in ('textual', 'numpy', 'platformdirs', 'tomllib', 'difflib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
