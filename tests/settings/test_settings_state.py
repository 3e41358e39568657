"""What is remembered from run to run: kept where it can be, and never a reason to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerscope.settings import SavedState, recall, remember


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, in a home of its own; it is not there yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "layerscope" / "state.json"


def kept(state: Path, raw: bytes) -> SavedState:
    """What is recalled of a file with these bytes."""
    state.parent.mkdir(parents=True)
    state.write_bytes(raw)
    return recall()


def test_nothing_is_remembered_at_first() -> None:
    assert recall() == SavedState(theme="", recent=())


def test_what_was_remembered_is_recalled() -> None:
    remember(SavedState("nord"))
    remember(SavedState("gruvbox", ("Filter the files",)))
    assert recall() == SavedState("gruvbox", ("Filter the files",))


def test_the_directory_is_the_users_own(state: Path) -> None:
    remember(SavedState("nord"))
    assert state.parent.stat().st_mode & 0o777 == 0o700


def test_nothing_is_left_beside_the_file(state: Path) -> None:
    remember(SavedState("nord"))
    assert list(state.parent.iterdir()) == [state]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"\xff", b'{"theme": 1}', b'{"theme": "\xff"}', b"[" * 50_000, b'{"x": ' + b"[" * 50_000]
)
def test_a_broken_file_is_as_none(state: Path, raw: bytes) -> None:
    assert kept(state, raw) == SavedState()


def test_what_another_version_remembers_beside_is_passed_over(state: Path) -> None:
    assert kept(state, b'{"sort": "size", "theme": "nord", "more": [1]}') == SavedState("nord")


def test_a_place_that_cannot_be_written_is_no_error(state: Path) -> None:
    state.parent.parent.write_text("a file where the directory should be")
    remember(SavedState("nord"))
    assert recall() == SavedState()


def test_a_failed_replacement_leaves_nothing_behind(state: Path) -> None:
    state.mkdir(parents=True)
    remember(SavedState("nord"))
    assert list(state.parent.iterdir()) == [state]


def test_without_a_home_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.settings.state_path", lambda: Path("~/.local/state/layerscope/state.json"))
    monkeypatch.chdir(tmp_path)
    remember(SavedState("nord"))
    assert list(tmp_path.iterdir()) == []
