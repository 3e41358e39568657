"""No control character of an image reaches a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.text import escape


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name.txt", "plain name.txt"),
        ("", ""),
        ("naïve 日本語 🐳", "naïve 日本語 🐳"),
        ("a\\b", "a\\b"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("tab\tline\nreturn\r", "tab\\x09line\\x0areturn\\x0d"),
        ("\x7f\x9b", "\\x7f\\u009b"),
        ("\u202eevil\u200b\u2028\ufeff", "\\u202eevil\\u200b\\u2028\\ufeff"),
        ("\ue000\U000e0041", "\\ue000\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("\udcff", "\\xff"),
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", "caf\\xe9"),
        (b"\xc2\x9b", "\\u009b"),
        (b"nul\0", "nul\\x00"),
    ],
)
def test_only_what_acts_or_hides_is_escaped(text: str | bytes, shown: str) -> None:
    assert escape(text) == shown


@given(st.text(alphabet=st.characters(), max_size=50) | st.binary(max_size=50))
def test_escaped_text_is_visible_and_can_be_encoded(text: str | bytes) -> None:
    shown = escape(text)
    shown.encode()
    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert escape(shown) == shown
