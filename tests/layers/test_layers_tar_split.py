"""A layer's tar-split record gives the same table as its tar; damage of any sort is a problem, never an exception."""

from __future__ import annotations

import gzip
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.layers.content_ids import CRC_MARK, recorded_kind
from layerscope.layers.readers.blob import read_plain
from layerscope.layers.readers.protocol import ReadOptions
from layerscope.layers.readers.tar_split import TarSplitReader
from layerscope.layers.table import LayerTable
from layerscope.progress import ignore
from support import strategies
from support.image_builder import Layer, blob, directory, file, hardlink, layer, opaque, symlink, whiteout
from support.same_tables import assert_same
from support.splitting import crc64, file_record, lines, record_of, segment, split, write_record

RICH = layer(
    directory("d", mode=0o750, mtime=7),
    file("d/f", b"x" * 700, mode=0o4755, uid=3),
    file("empty"),
    hardlink("h", "d/f"),
    symlink("s", b"\xff/nowhere"),
    file("d/" * 80 + "long", b"y" * 512, xattrs={"user.a": b"1"}),
    whiteout("gone"),
    opaque("d"),
    file(b"\xe9", b"z", uid=3_000_000),
)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "tar-split.json.gz"


def read(record: Path) -> LayerTable:
    return TarSplitReader(record, record.parent / "diff").read(ReadOptions(), layer=1, on_bytes=ignore).table


def problem(record: Path) -> str:
    """The one problem of a damaged record, which is fatal."""
    (found,) = read(record).problems
    assert found.is_fatal
    return found.text


@given(strategies.layers)
def test_the_record_of_any_layer_gives_the_table_of_its_tar(drawn: Layer) -> None:
    with tempfile.TemporaryDirectory() as top:
        assert_same(read(record_of(Path(top) / "record", drawn)), read_plain(blob(drawn.tar()), layer=1))


@pytest.mark.parametrize("tar_format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_record_gives_the_table_of_its_tar_in_every_format(record: Path, tar_format: int) -> None:
    members = tuple(member for member in RICH.members if not member.xattrs or tar_format == tarfile.PAX_FORMAT)
    drawn = Layer(members, tar_format)
    assert_same(read(record_of(record, drawn)), read_plain(blob(drawn.tar()), layer=1))


@pytest.mark.slow
def test_many_entries_are_read_in_batches(record: Path) -> None:
    drawn = layer(*(file(f"f{number}", b"x" * (number % 700)) for number in range(10_000)))
    found = read(record_of(record, drawn))
    assert_same(found, read_plain(blob(drawn.tar()), layer=1))
    assert found.entries.content_id.any(axis=1).sum() == np.count_nonzero(found.entries.size)


def test_contents_have_their_checksum_for_an_id(record: Path) -> None:
    assert crc64(b"123456789").hex() == "b90956c775a41001"  # as Go's documentation and all tables of CRCs have it
    ids = read(record_of(record, layer(file("a", b"123456789"), file("empty")))).entries.content_id
    assert ids.astype(">u8").tobytes() == crc64(b"123456789") + CRC_MARK + bytes(16)
    assert recorded_kind(ids).tolist() == [1, 0]


def test_a_global_header_bears_on_no_entry(record: Path) -> None:
    """Go's reader gives such a header out as a file of its own, so tar-split has a record for it."""
    body = b"10 uid=77\n"
    header = tarfile.TarInfo("pax_global_header")
    header.type, header.size = tarfile.XGLTYPE, len(body)
    head = header.tobuf(tarfile.USTAR_FORMAT) + body
    rest = layer(file("a", b"x"), file("b", b"y" * 600)).tar()
    records = split(rest)
    records[0] = segment(bytes(-len(head) % 512) + rest[:512])
    write_record(record, [segment(head), file_record("pax_global_header"), *records])
    found = read(record)
    assert_same(found, read_plain(blob(head + bytes(-len(head) % 512) + rest), layer=1))
    assert found.entries.uid.tolist() == [0, 0]


@pytest.mark.slow
def test_padding_after_the_end_counts_as_part_of_the_tar(record: Path) -> None:
    records = [*split(RICH.tar()), *[segment(bytes(1 << 20))] * 40, segment(b"anything")]
    found = read(write_record(record, records))
    assert_same(found, read_plain(blob(RICH.tar() + bytes(40 << 20) + b"anything"), layer=1))


def test_progress_adds_up_to_what_the_layer_takes(record: Path) -> None:
    counted: list[int] = []
    reader = TarSplitReader(record_of(record, RICH), record.parent, stored_bytes=12_345)
    reader.read(ReadOptions(), layer=1, on_bytes=counted.append)
    assert sum(counted) == reader.stored_bytes


def test_a_record_that_is_not_there_is_a_problem_that_names_it(record: Path) -> None:
    assert problem(record) == f"the engine's record of it cannot be read ({record}: No such file or directory)"


def test_an_empty_record_is_a_problem(record: Path) -> None:
    record.write_bytes(b"")
    assert problem(record) == f"the engine's record of it is damaged: {record}: it is empty"


def test_a_truncated_record_is_a_problem_that_names_the_offset(record: Path) -> None:
    whole = record_of(record, RICH).read_bytes()
    record.write_bytes(whole[:-30])
    assert "truncated gzip: the bytes end at stored offset" in problem(record)


@pytest.mark.parametrize(
    "line", [b"{", b'{"type": 2, "payload": "!"}', b'{"type": 1, "size": -1}', b"[]", b"[" * 5000, b"\xff"]
)
def test_a_line_that_is_no_record_is_a_problem_that_names_it(record: Path, line: bytes) -> None:
    record.write_bytes(gzip.compress(lines(split(layer("a").tar())) + line + b"\n"))
    assert f"{record}: line 4 is not a tar-split record" in problem(record)


def test_a_record_of_an_unknown_type_is_a_problem(record: Path) -> None:
    write_record(record, [{"type": 3}])
    assert problem(record).endswith("a record of unknown type 3 near offset 0 of the tar")


@pytest.mark.parametrize("size", [0, 98, 99, 101, 600, 1 << 61])
def test_a_size_that_does_not_fit_the_header_is_a_problem(record: Path, size: int) -> None:
    records = split(layer(file("a", b"x"), file("b", b"x" * 100), file("c", b"x")).tar())
    records[3] = file_record("b", b"x" * 100, size=size)
    table = read(write_record(record, records))
    assert [found.is_fatal for found in table.problems] == [True]
    assert table.entries.paths.tolist() == [b"a"]


def test_entries_before_damage_are_kept(record: Path) -> None:
    records = split(RICH.tar())
    write_record(record, records[:6])
    table = read(record)
    assert table.entries.paths.tolist() == [b"d", b"d/f", b"empty"]


def test_a_header_without_a_file_is_a_problem(record: Path) -> None:
    write_record(record, split(layer("a").tar())[:1])
    assert "has no file" in problem(record)


def test_a_record_that_ends_inside_a_header_is_a_problem(record: Path) -> None:
    write_record(record, [segment(layer("a").tar()[:300])])
    assert "it ends at offset 300 of the tar, inside an entry" in problem(record)


def test_headers_without_end_are_a_problem(record: Path) -> None:
    write_record(record, [segment(b"x" * (1 << 20))] * 20)
    assert read(record).problems[-1].is_fatal


RECORD = lines(split(RICH.tar()))


@given(st.integers(0, len(RECORD) - 1), st.binary(max_size=4), st.integers(0, 3))
def test_damage_is_told_or_does_no_harm(at: int, new: bytes, cut: int) -> None:
    with tempfile.TemporaryDirectory() as top:
        record = Path(top) / "record"
        record.write_bytes(gzip.compress(RECORD[:at] + new + RECORD[at + cut :], 1))
        table = read(record)
    assert len(table.entries) <= len(RICH.members)
