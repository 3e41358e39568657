"""`layerscope config`: where the file is, what may be in it, and whether what is in it can be read."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from layerscope.app.key_names import textual_keys
from layerscope.app.keys import KEYS
from layerscope.settings import read_settings
from support.commands import ran


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config file, which does not exist yet."""
    monkeypatch.delenv("LAYERSCOPE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "layerscope").mkdir()
    return tmp_path / "layerscope" / "config.toml"


def test_all_that_is_printed_is_toml_that_sets_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "config")
    assert (done.code, done.err) == (0, "")
    assert tomllib.loads(done.out) == {"keys": {}}


def test_the_first_line_says_where_the_file_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "config").lines[0] == f"# {file} does not exist; below are the defaults."
    file.touch()
    assert ran(capsys, "config").lines[0] == f"# {file} is read at start; below are the defaults, not its contents."


def test_an_odd_path_is_shown_escaped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LAYERSCOPE_CONFIG", "a\n\x1b\udcff")
    done = ran(capsys, "config")
    assert done.lines[0].startswith("# a\\x0a\\x1b\\xff does not exist")
    assert tomllib.loads(done.out) == {"keys": {}}


def test_every_binding_can_be_rebound_to_the_keys_that_it_has(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = ran(capsys, "config").out
    file.write_text(printed.replace('\n#"', '\n"'))
    assert read_settings(key_ids=[key.id for key in KEYS], name_keys=textual_keys).keys == {key.id: key.keys for key in KEYS}


def test_only_the_path_is_printed_on_demand(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "config", "--path").out == f"{file}\n"


def test_a_good_file_is_ok(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('sort = "size"')
    done = ran(capsys, "config", "--check")
    assert (done.code, done.out, done.err) == (0, "ok\n", "")


@pytest.mark.parametrize("old", ["files.changed", "files.deleted"])
def test_key_ids_of_earlier_versions_are_ok(old: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(f'[keys]\n"{old}" = "f5"\n')
    assert ran(capsys, "config", "--check").out == "ok\n"


def test_no_file_is_ok_too(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "config", "--check")
    assert (done.code, done.out) == (0, f"ok: there is no {file}, so the defaults apply\n")


def test_a_bad_file_exits_with_2_and_the_sentence(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('[keys]\n"app.hlep" = "?"')
    done = ran(capsys, "config", "--check")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"layerscope: {file}: [keys] has an unknown binding `app.hlep`; did you mean `app.help`?\n"


def test_a_bad_file_does_not_keep_the_defaults_from_being_printed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("broken")
    assert ran(capsys, "config").code == 0


def test_path_and_check_are_refused_together(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "config", "--path", "--check")
    assert (done.code, done.err) == (2, "layerscope: --path and --check cannot be combined\n")
