"""The order of tags by the versions in their names, and which tags follow each other."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.oci.version_order import is_version, variant_of, version_key

ORDERED = [
    *("4f3a2b1", "main", "sha-4f3a2b1c", "stable"),
    *("1.2", "v1.2.3-beta.9", "v1.2.3-beta.10", "v1.2.3", "1.9", "1.10", "2.0-rc1", "2.0-rc10", "2.0", "2.0-alpine"),
    *("2.0.1", "20240501", "latest"),
]


def test_tags_are_sorted_as_people_count() -> None:
    mixed = ORDERED.copy()
    random.Random(7).shuffle(mixed)
    assert sorted(mixed, key=version_key) == ORDERED


@pytest.mark.parametrize(
    ("tag", "variant"),
    [
        ("1.4.2", ""),
        ("v1.4.2-rc.1", ""),
        ("1.4.2-alpine3.19", "alpine"),
        ("1.5.0-rc1-alpine3.20", "alpine"),
        ("3.12-slim-bookworm", "slim-bookworm"),
        ("latest", ""),
        ("latest-alpine", "alpine"),
        ("sha-4f3a2b1c", ""),
        ("main-4f3a2b1c", ""),
        ("1.4.2-20240501", ""),
    ],
)
def test_tags_of_one_variant_follow_each_other(tag: str, variant: str) -> None:
    assert variant_of(tag) == variant


def test_a_hash_of_a_commit_is_no_version() -> None:
    assert [is_version(tag) for tag in ("4f3a2b1", "1234567", "1.2", "deadbeef", "latest")] == [False, True, True, False, False]


@given(st.lists(st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True), max_size=20))
def test_any_tags_have_an_order(tags: list[str]) -> None:
    last = max(tags, key=version_key, default="")
    assert all(version_key(tag) <= version_key(last) for tag in tags)
    assert not any(character.isdigit() and character.isascii() for tag in tags for character in variant_of(tag))
