"""Sizes, shares, counts and growth: as people write them, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import BadSettings
from layerscope.gate.quantities import Growth, bare_size, count_of, growth_of, share_of, size_of


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("20MB", 20_000_000),
        ("20 mb", 20_000_000),
        ("1.5GiB", 1_610_612_736),
        ("300k", 300_000),
        ("300kB", 300_000),
        ("1Ki", 1024),
        (".5M", 500_000),
        ("7", 7),
        ("7B", 7),
        ("0", 0),
        (12345, 12345),
        ("1.1MB", 1_100_000),
        ("8EiB", None),
        ("7EiB", 7 << 60),
    ],
)
def test_a_size_is_what_it_says(written: object, size: int | None) -> None:
    if size is None:
        with pytest.raises(BadSettings, match="more bytes than any image has"):
            size_of(written)
    else:
        assert size_of(written) == size


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "MB",
        "20XB",
        "20MBB",
        "-1",
        "-1MB",
        "1e6",
        "nan",
        "inf",
        "20%",
        "1,000",
        "1_000",
        "0x10",
        "1.2.3",
        "٣",
        "9" * 50,
    ],
)
def test_what_is_no_size_is_refused(written: str) -> None:
    with pytest.raises(BadSettings, match="is not a size such as 20MB"):
        size_of(written)


@pytest.mark.parametrize("written", [-1, 1.5, math.nan, math.inf, True, False, None, [], {}, 1 << 63])
def test_no_other_type_is_a_size(written: object) -> None:
    with pytest.raises(BadSettings):
        size_of(written)


@pytest.mark.parametrize(
    ("written", "share"),
    [("5%", 0.05), ("0.05", 0.05), (0.05, 0.05), ("62.5 %", 0.625), (1, 1.0), (0, 0.0), ("100%", 1.0), (".5", 0.5)],
)
def test_a_share_is_a_number_up_to_1_or_a_percentage(written: object, share: float) -> None:
    assert share_of(written) == share


@pytest.mark.parametrize(
    "written", ["nan", "inf", "-0.1", -0.1, math.nan, math.inf, -math.inf, "NaN%", "", "%", True, None, "1e-3"]
)
def test_what_is_no_share_is_refused(written: object) -> None:
    with pytest.raises(BadSettings, match="is not a share"):
        share_of(written)


def test_a_share_above_1_was_meant_as_a_percentage() -> None:
    with pytest.raises(BadSettings, match=r"`5` is more than 100%; did you mean `5%`\?"):
        share_of(5)
    with pytest.raises(BadSettings, match=r"`101%` is more than 100%$"):
        share_of("101%")


@pytest.mark.parametrize("written", ["1.5", "-1", -1, 1.0, True, "", "many", 10**7, "1" * 41])
def test_what_is_no_count_is_refused(written: object) -> None:
    with pytest.raises(BadSettings, match="is not a number such as 20"):
        count_of(written)


@pytest.mark.parametrize(
    ("written", "growth"),
    [
        ("5MB", Growth(5_000_000, 0.0)),
        ("2%", Growth(0, 0.02)),
        ("5MB or 2%", Growth(5_000_000, 0.02)),
        ("+2%, +5MB", Growth(5_000_000, 0.02)),
        (0, Growth(0, 0.0)),
        ("0", Growth(0, 0.0)),
    ],
)
def test_growth_is_bytes_or_a_share_or_the_greater_of_both(written: object, growth: Growth) -> None:
    assert growth_of(written) == growth
    assert growth_of(str(growth)) == growth


@pytest.mark.parametrize("written", ["", "5MB or", "5MB or 6MB", "1% or 2%", "5MB and 2%", "-5MB", "nan%"])
def test_what_is_no_growth_is_refused(written: str) -> None:
    with pytest.raises(BadSettings):
        growth_of(written)


def test_the_greater_of_bytes_and_share_is_allowed() -> None:
    growth = growth_of("100 or 10%")
    assert (growth.allowed(10), growth.allowed(1000), growth.allowed(2000)) == (100, 100, 200)


@given(st.integers(0, (1 << 63) - 1))
def test_a_size_that_is_written_is_the_same_when_it_is_read(size: int) -> None:
    assert size_of(bare_size(size)) == size


def test_round_sizes_are_written_as_people_do() -> None:
    assert [bare_size(size) for size in (1_200_000_000, 5_000_000, 300_000, 1_234_567, 999)] == [
        "1.2GB",
        "5MB",
        "300kB",
        "1234567",
        "999",
    ]
