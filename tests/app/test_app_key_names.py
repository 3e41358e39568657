"""The names of keys: however people write them, they become those of Textual's events."""

from __future__ import annotations

import os
import string
import subprocess
import sys
from pathlib import Path

import pytest

from layerscope.app.key_names import textual_keys
from layerscope.errors import BadSettings


@pytest.mark.parametrize("character", string.punctuation + string.ascii_letters + string.digits + " é€")
def test_a_character_becomes_textuals_name_of_it(character: str) -> None:
    from textual.keys import _character_to_key

    assert textual_keys(character) == _character_to_key(character)


@pytest.mark.parametrize("character", string.punctuation)
def test_textuals_name_of_a_character_stays(character: str) -> None:
    from textual.keys import _character_to_key

    assert textual_keys(_character_to_key(character)) == _character_to_key(character)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("k, up", "k,up"),
        ("[,]", "left_square_bracket,right_square_bracket"),
        ("k,k", "k"),
        ("ctrl+f", "ctrl+f"),
        ("Ctrl+F", "ctrl+f"),
        ("ctrl + f", "ctrl+f"),
        ("shift+ctrl+up", "ctrl+shift+up"),
        ("shift+a", "A"),
        ("shift+tab", "shift+tab"),
        ("shift+1", "shift+1"),
        ("A", "A"),
        ("F5", "f5"),
        ("Escape", "escape"),
        ("PageUp", "pageup"),
        ("ctrl+]", "ctrl+right_square_bracket"),
        ("ctrl+_", "ctrl+underscore"),
        ("ctrl++", "ctrl+plus"),
        ("+,-", "plus,minus"),
        ("ctrl+@", "ctrl+@"),
        ("reverse_solidus", "backslash"),
        ("section_sign", "section_sign"),
        ("comma", "comma"),
    ],
)
def test_keys_become_textuals_names(written: str, expected: str) -> None:
    assert textual_keys(written) == expected


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", "a key is missing; write a key as in "),
        ("a,,b", "a key is missing; write a key as in "),
        ("ctrl+", "a key is missing; write a key as in "),
        ("pgup", "there is no key `pgup`; did you mean `pageup`?"),
        ("slahs", "there is no key `slahs`; did you mean `slash`?"),
        ("ctrl-f", 'there is no key `ctrl-f`; write a key as in "ctrl+f"'),
        ("ctl+f", "there is no modifier `ctl`; did you mean `ctrl`?"),
        ("zzz+f", "there is no modifier `zzz`; write a key as in "),
        ("+a", "there is no modifier"),
        ("\x1b", "there is no key `\\x1b`; write a key as in "),
        ("latin_small_letter_r_with_tilde", "there is no key `latin_small_letter_r_with_tilde`"),
    ],
)
def test_what_is_no_key_is_refused(written: str, sentence: str) -> None:
    with pytest.raises(BadSettings) as raised:
        textual_keys(written)
    assert str(raised.value).startswith(sentence)


def test_settings_without_keys_are_checked_without_textual(tmp_path: Path) -> None:
    program = "import sys; from layerscope.cli.main import run; run(['config', '--check']); print('textual' in sys.modules)"
    seen = []
    for text in ('theme = "nord"', '[keys]\n"app.quit" = "["'):
        (tmp_path / "config.toml").write_text(text)
        environment = {**os.environ, "LAYERSCOPE_CONFIG": str(tmp_path / "config.toml")}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
        seen.append(done.stdout.splitlines())
    assert seen == [["ok", "False"], ["ok", "True"]]
