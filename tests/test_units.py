"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.units import bar, count_text, efficiency_grade, parse_size, percent_text, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (1004, "1.00 kB"),
        (9994, "9.99 kB"),
        (9995, "10.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (1_120_000_000, "1.12 GB"),
        (1 << 62, "4.61 EB"),
        (10**22, "10000 EB"),
        (-5, "-5 B"),
        (-1500, "-1.50 kB"),
    ],
)
def test_sizes_have_three_digits_and_decimal_units(size: int, text: str) -> None:
    assert size_text(size) == text


@given(st.integers(0, 999 * 10**18))
def test_a_size_fits_eight_cells(size: int) -> None:
    assert len(size_text(size)) <= 8


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0%"), (1.0, "100%"), (0.628, "62.8%"), (0.99999, "99.9%"), (1e-9, "0.1%"), (0.5, "50.0%")]
)
def test_only_all_and_nothing_are_shown_as_such(share: float, text: str) -> None:
    assert percent_text(share) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1802, "1,802 files")])
def test_a_count_has_its_plural_and_its_separators(count: int, text: str) -> None:
    assert count_text(count, "file") == text


@pytest.mark.parametrize(
    ("share", "drawn", "in_ascii"),
    [
        (0.0, "", ""),
        (1.0, "████", "####"),
        (0.5, "██", "##"),
        (0.53, "██▏", "##"),
        (1e-9, "▏", "#"),
        (7.0, "████", "####"),
        (-1.0, "", ""),
    ],
)
def test_a_bar_is_drawn_in_eighths_and_shows_the_least_of_something(share: float, drawn: str, in_ascii: str) -> None:
    assert bar(share, 4) == drawn
    assert bar(share, 4, is_ascii=True) == in_ascii


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("300MB", 300_000_000), ("300mb", 300_000_000), ("1.5 GB", 1_500_000_000), ("64MiB", 64 << 20), ("64mib", 64 << 20)),
        *(("1000", 1000), ("0", 0), ("10k", 10_000), (".5m", 500_000), (" 7b ", 7), ("2E", 2 * 10**18)),
        *(("", None), ("-1", None), ("MB", None), ("1iB", None), ("1e9", None), ("1" * 41, None), ("²", None)),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("efficiency", "color"), [(1, "added"), (0.95, "added"), (0.94, "modified"), (0.8, "modified"), (0.51, "removed")]
)
def test_an_efficiency_has_the_color_of_its_grade(efficiency: float, color: str) -> None:
    assert efficiency_grade(efficiency) == color
