"""A kept layer as a file: what is written is read back, and what is not whole is not read at all."""

from __future__ import annotations

import struct
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from layerscope.cache import format as cache_format
from layerscope.cache.columns import Unusable
from layerscope.cache.format import Fingerprint, OtherFormat, decode, encode
from layerscope.layers.compression import Compression
from layerscope.layers.fetched import Fetched, FetchWay, StoredContents
from layerscope.layers.readers.blob import ReadLayer, read_layer
from layerscope.layers.table import Entries, LayerTable, Omitted, Problem, SparseMap, Strings
from support.image_builder import Compress, Layer, blob, file, hardlink, layer, opaque, squeeze, symlink, whiteout
from support.strategies import layers

NAME = "sha256-" + "0" * 64 + ".stored"
CHECKED = 24
"""Where that starts which the checksum is of."""
FINGERPRINT = Fingerprint(5, 2**64 - 1, bytes(range(16)))


def read_of(written: Layer, compress: Compress = "gzip", number: int = 1) -> ReadLayer:
    return read_layer(blob(squeeze(written.tar(), compress)), layer=number, keep_seek_points=False)


SMALL = read_of(layer("a", "b/c", symlink("d", "a"), hardlink("e", "a"), whiteout("f"), opaque("b")))


def columns_of(table: LayerTable) -> dict[str, object]:
    """Everything in a table, in forms that can be compared."""
    found: dict[str, object] = {}
    for column in fields(Entries):
        values = getattr(table.entries, column.name)
        found[column.name] = values.tolist()
        found[f"{column.name} type"] = values.offsets.dtype if isinstance(values, Strings) else (values.dtype, values.shape)
    return found | {each.name: getattr(table, each.name) for each in fields(table) if each.name != "entries"}


def is_same(found: ReadLayer, expected: ReadLayer) -> bool:
    return columns_of(found.table) == columns_of(expected.table) and found.compression is expected.compression


def round_trip(read: ReadLayer, number: int = 1) -> ReadLayer:
    return decode(encode(read, name=NAME, fingerprint=None), name=NAME, layer=number).read


def with_checksum(data: bytes) -> bytes:
    return data[:8] + xxhash.xxh3_128_digest(data[CHECKED:]) + data[CHECKED:]


@given(written=layers, compress=st.sampled_from(("none", "gzip", "zstd")))
def test_every_table_is_read_back_column_by_column(written: Layer, compress: Compress) -> None:
    read = read_of(written, compress)
    assert is_same(round_trip(read), read)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("uid", [0, 255]),
        ("uid", [256, 65535]),
        ("gid", [65536, 2**32 - 1]),
        ("gid", [2**32, 2**63 - 1]),
        ("mtime", [-1, 2**40]),
        ("mtime", [-(2**63), 2**63 - 1]),
        ("size", [0, 2**62]),
    ],
)
def test_numbers_of_every_width_are_kept(column: str, values: list[int]) -> None:
    read = read_of(layer("a", "b"))
    changed: Any = {column: np.array(values, np.int64)}
    entries = replace(read.table.entries, **changed)
    read = replace(read, table=replace(read.table, entries=entries))
    assert is_same(round_trip(read), read)


def test_rare_parts_are_kept() -> None:
    table = replace(
        SMALL.table,
        omitted=(Omitted(b".wh..wh.plnk/\xff", 7, is_directory=False),),
        problems=(Problem(1, b"\xff", "a sentence \U0001f433"), Problem(1, b"", "another")),
        sparse={0: SparseMap(((0, 5), (2**40, 7)))},
        xattrs={1: {b"user.\xff": b"\0", b"b": b""}, 0: {b"a": bytes(70_000)}},
        devices={0: (1, 3), 1: (2**62, 0)},
    )
    read = replace(SMALL, table=table, compression=Compression.ZSTD)
    assert is_same(round_trip(read), read)


def test_names_that_are_part_of_a_larger_buffer_are_kept_alone() -> None:
    part = replace(SMALL.table, entries=SMALL.table.entries.part(1, 3))
    found = round_trip(replace(SMALL, table=part)).table.entries
    assert found.paths.tolist() == SMALL.table.entries.paths.tolist()[1:3]
    assert found.paths.buffer == b"".join(found.paths.tolist())


def test_problems_name_the_layer_by_its_number_of_today() -> None:
    read = read_of(layer("a", file(".wh.")), number=3)
    assert [problem.layer for problem in read.table.problems] == [3]
    assert [problem.layer for problem in round_trip(read, 7).table.problems] == [7]


def test_the_fingerprint_comes_back() -> None:
    assert decode(encode(SMALL, name=NAME, fingerprint=FINGERPRINT), name=NAME, layer=1).fingerprint == FINGERPRINT


def test_unknown_ids_take_no_room() -> None:
    many = layer(*(file(f"{number}", b"x") for number in range(100)))
    plain, hashed = (encode(read_of(many, compress), name=NAME, fingerprint=None) for compress in ("none", "gzip"))
    assert len(hashed) - len(plain) >= 1600


def test_columns_start_where_numpy_reads_them_best() -> None:
    for length in range(1, 40):
        data = encode(read_of(layer("a" * length)), name=NAME, fingerprint=None)
        assert len(data) % 16 == 0


# Damage


@pytest.mark.parametrize("bit", range(8))
def test_a_file_with_any_bit_flipped_is_no_table(bit: int) -> None:
    data = encode(SMALL, name=NAME, fingerprint=FINGERPRINT)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << bit
        with pytest.raises(Unusable):
            decode(bytes(damaged), name=NAME, layer=1)


def test_a_file_cut_anywhere_is_no_table() -> None:
    data = encode(SMALL, name=NAME, fingerprint=FINGERPRINT)
    for length in range(len(data)):
        with pytest.raises(Unusable):
            decode(data[:length], name=NAME, layer=1)


def test_a_file_with_bytes_behind_it_is_no_table() -> None:
    with pytest.raises(Unusable):
        decode(encode(SMALL, name=NAME, fingerprint=None) + b"\0", name=NAME, layer=1)


def test_a_file_under_another_name_is_no_table() -> None:
    with pytest.raises(Unusable):
        decode(encode(SMALL, name=NAME, fingerprint=None), name=NAME.replace("0", "1"), layer=1)


@given(
    position=st.floats(0, 1, exclude_max=True),
    inserted=st.binary(max_size=9) | st.sampled_from([b"\xff" * 8, b"\x00" * 8, b"\xcf" + b"\xff" * 8, b"\x91" * 300]),
    removed=st.integers(0, 9),
)
def test_damage_that_the_checksum_vouches_for_ends_in_a_table_or_is_refused(
    position: float, inserted: bytes, removed: int
) -> None:
    data = encode(SMALL, name=NAME, fingerprint=FINGERPRINT)
    start = CHECKED + int(position * (len(data) - CHECKED))
    try:
        read = decode(with_checksum(data[:start] + inserted + data[start + removed :]), name=NAME, layer=1).read
    except (Unusable, OtherFormat):
        return
    entries = read.table.entries
    assert {len(getattr(entries, column.name)) for column in fields(entries)} == {len(entries)}


def test_columns_that_hold_what_no_layer_does_are_refused() -> None:
    entries = SMALL.table.entries
    count = len(entries)
    wrong: Any
    for wrong in (
        {"kind": np.full(count, 7, np.uint8)},
        {"mode": np.full(count, 0o10000, np.uint16)},
        {"size": np.full(count, -1, np.int64)},
        {"content_offset": np.full(count, -1, np.int64)},
        {"uid": np.zeros(count + 1, np.int64)},
        {"links": Strings.of([b""] * (count - 1))},
        {"content_id": np.ones((count - 1, 2), np.uint64)},
    ):
        table = replace(SMALL.table, entries=replace(entries, **wrong))
        with pytest.raises(Unusable):
            round_trip(replace(SMALL, table=table))


@pytest.mark.parametrize("entry", [-1, 6])
def test_a_rare_part_of_an_entry_that_is_not_there_is_refused(entry: int) -> None:
    with pytest.raises(Unusable):
        round_trip(replace(SMALL, table=replace(SMALL.table, xattrs={entry: {}})))
    with pytest.raises(Unusable):
        round_trip(replace(SMALL, table=replace(SMALL.table, devices={entry: (1, 3)})))


# Versions


def test_a_file_of_another_format_is_told_from_a_damaged_one() -> None:
    data = bytearray(encode(SMALL, name=NAME, fingerprint=None))
    struct.pack_into("<I", data, CHECKED, cache_format.FORMAT + 1)
    with pytest.raises(OtherFormat):
        decode(with_checksum(bytes(data)), name=NAME, layer=1)


def test_a_file_of_another_version_of_the_program_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(SMALL, name=NAME, fingerprint=None)
    monkeypatch.setattr(cache_format, "__version__", "0.0.1")
    with pytest.raises(OtherFormat):
        decode(data, name=NAME, layer=1)


def test_a_hundred_thousand_entries_stay_small() -> None:
    count = 100_000
    longs = np.arange(count, dtype=np.int64)
    entries = Entries(
        Strings.of([b"usr/lib/node_modules/package-%d/lib/index.js" % number for number in range(count)]),
        *(np.zeros(count, np.uint8), np.zeros(count, np.uint16), longs * 0, longs * 0, longs, longs, longs),
        np.stack([longs, longs], axis=1).astype(np.uint64),
        Strings.of([b""] * count),
    )
    data = encode(ReadLayer(LayerTable(entries), Compression.GZIP), name=NAME, fingerprint=None)
    assert len(data) < 5_000_000


def test_where_contents_are_stored_is_read_back() -> None:
    contents = StoredContents(np.array([0, 7]), np.array([7, 1 << 40]), np.array([3, 0]), np.full((2, 32), 9, np.uint8))
    table = replace(SMALL.table, entries=replace(SMALL.table.entries, content_offset=SMALL.table.entries.content_offset * 0))
    read = replace(SMALL, table=table, stored_contents=contents, fetched=Fetched(FetchWay.TABLE, 5))
    found = round_trip(read)
    assert found.fetched == Fetched(FetchWay.TABLE, 0, is_kept=True)
    assert found.stored_contents is not None
    for column in fields(StoredContents):
        assert getattr(found.stored_contents, column.name).tolist() == getattr(contents, column.name).tolist()


@pytest.mark.parametrize(
    "wrong", [{"start": [5]}, {"end": [1, 1]}, {"inner": [0, -1]}, {"sha256": np.zeros((3, 32), np.uint8)}], ids=str
)
def test_places_of_contents_that_cannot_be_are_not_read(wrong: dict[str, Any]) -> None:
    columns = {"start": [2, 3], "end": [3, 4], "inner": [0, 0], "sha256": np.zeros((2, 32), np.uint8)} | wrong
    contents = StoredContents(**{name: np.array(column) for name, column in columns.items()})
    table = replace(SMALL.table, entries=replace(SMALL.table.entries, content_offset=SMALL.table.entries.content_offset * 0))
    with pytest.raises(Unusable):
        round_trip(replace(SMALL, table=table, stored_contents=contents))


def test_a_file_whose_contents_are_nowhere_is_not_read() -> None:
    zero = np.zeros(1, np.int64)
    contents = StoredContents(zero, zero, zero, np.zeros((1, 32), np.uint8))
    with pytest.raises(Unusable):
        round_trip(replace(SMALL, stored_contents=contents))
