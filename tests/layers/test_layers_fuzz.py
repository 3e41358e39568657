"""The header reader against the standard library on valid tars, and against damage of every sort: it must never fail to answer.

`read_layer` promises that damage is a fatal problem of the table, which then holds the entries before it.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, replace
from datetime import timedelta
from math import floor
from unittest.mock import patch

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from layerscope.layers import compression
from layerscope.layers.readers import blob as read
from layerscope.layers.readers.blob import read_layer
from layerscope.layers.table import Kind, LayerTable
from layerscope.layers.tar import header_walk as walk
from layerscope.layers.tar.collect import NO_ROOT
from support import image_builder as build
from support.image_builder import Compress, Layer, Member, blob, directory, file, hardlink, layer, raw, squeeze, symlink, text
from support.model import normalize

BLOCK = 512
# A hang is a failure: damage of a few kilobytes is told in milliseconds.
unhung = settings(deadline=timedelta(seconds=5))


# What the table says, and what tarfile says


@dataclass(frozen=True, slots=True)
class Row:
    path: bytes
    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: bytes
    offset: int
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


def rows_of(table: LayerTable) -> list[Row]:
    entries = table.entries
    return [
        Row(
            path=entries.paths[index],
            kind=Kind(entries.kind[index]),
            mode=int(entries.mode[index]),
            uid=int(entries.uid[index]),
            gid=int(entries.gid[index]),
            size=int(entries.size[index]),
            mtime=int(entries.mtime[index]),
            link=entries.links[index],
            offset=int(entries.content_offset[index]) if entries.size[index] else 0,
            xattrs=tuple(sorted(table.xattrs.get(index, {}).items())),
        )
        for index in range(len(entries))
    ]


KINDS = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.LNKTYPE: Kind.HARDLINK,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.CHRTYPE: Kind.CHAR,
    tarfile.BLKTYPE: Kind.BLOCK,
    tarfile.DIRTYPE: Kind.DIRECTORY,
    tarfile.FIFOTYPE: Kind.FIFO,
}
XATTR = "SCHILY.xattr."


def rows_by_tarfile(tar: bytes) -> list[Row]:
    with tarfile.open(fileobj=io.BytesIO(tar), encoding="utf-8", errors="surrogateescape") as opened:
        return [_row_by_tarfile(member) for member in opened]


def names_the_root(row: Row) -> bool:
    """Whether engines leave the entry out or refuse it: the root can only be a directory."""
    return row.path == b"" and row.kind is not Kind.DIRECTORY


def _row_by_tarfile(member: tarfile.TarInfo) -> Row:
    kind = KINDS[member.type]
    xattrs = {raw(key.removeprefix(XATTR)): raw(value) for key, value in member.pax_headers.items() if key.startswith(XATTR)}
    link = raw(member.linkname)
    return Row(
        path=normalize(raw(member.name)),
        kind=kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=member.size if kind is Kind.FILE else 0,
        mtime=floor(member.mtime),
        link=normalize(link) if kind is Kind.HARDLINK else link if kind is Kind.SYMLINK else b"",
        offset=member.offset_data if kind is Kind.FILE and member.size else 0,
        xattrs=tuple(sorted(xattrs.items())),
    )


# Valid tars

parts = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.sampled_from((b"a", b"b", b".", b"..", b"\xc3\xa9", b"\xff", b" ", b"n\n", b"\x1b[31m", b"x" * 99, b"y" * 150)),
).map(lambda part: part.replace(b"/", b"_").replace(b"\0", b"_").replace(b".wh.", b"_").replace(b"\x1f\x8b", b"gz"))
# Filtered before it is joined: hypothesis 6.100 loses the filter of a mapped list with NumPy 2.
names = st.lists(parts, min_size=1, max_size=4).filter(lambda drawn: normalize(b"/".join(drawn)) != b"").map(b"/".join)
targets = st.one_of(names, st.just(b"t" * 300))
small = st.integers(0, 0o7777777)
large = st.one_of(small, st.integers(0, 2**40))
old_times = st.integers(0, 0o77777777777)
times = st.one_of(old_times, st.integers(-(2**40), 2**40))


ANY_KIND: tuple[build.Kind, ...] = ("file", "file", "hardlink", "symlink", "char", "block", "directory", "fifo")


@st.composite
def members(draw: st.DrawFn, tar_format: int) -> Member:
    """A member with numbers as large, names as long and times as early as the format can say."""
    is_old = tar_format == tarfile.USTAR_FORMAT
    kind = draw(st.sampled_from(ANY_KIND))
    xattrs = st.dictionaries(st.sampled_from(("user.a", "user.b")), st.binary(min_size=1, max_size=9), max_size=2)
    return Member(
        name=draw(names),
        kind=kind,
        content=draw(st.binary(max_size=1100)) if kind == "file" else b"",
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(small if is_old else large),
        gid=draw(small if is_old else large),
        mtime=draw(old_times if is_old else times),
        target=draw(targets) if kind in ("hardlink", "symlink") else b"",
        xattrs=tuple(sorted(draw(xattrs).items())) if tar_format == tarfile.PAX_FORMAT else (),
    )


@st.composite
def tars(draw: st.DrawFn, formats: tuple[int, ...] = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)) -> bytes:
    tar_format = draw(st.sampled_from(formats))
    drawn = Layer(tuple(draw(st.lists(members(tar_format), max_size=6))), tar_format)
    try:
        return drawn.tar()
    except ValueError:  # a name that ustar cannot split
        assume(False)
        raise


def table_of(stored: bytes) -> LayerTable:
    return read_layer(blob(stored), layer=1).table


def assert_as_tarfile_reads(tar: bytes) -> None:
    table, expected = table_of(tar), rows_by_tarfile(tar)
    assert rows_of(table) == [row for row in expected if not names_the_root(row)]
    assert {problem.text for problem in table.problems} == ({NO_ROOT} if any(map(names_the_root, expected)) else set())
    assert table.unpacked_bytes == len(tar)


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", [b".", b"..", b"a/..", b"./."])
@pytest.mark.parametrize("kind", ["file", "char", "block", "fifo", "symlink"])
def test_an_entry_that_is_no_directory_is_not_the_root(tar_format: int, name: bytes, kind: build.Kind) -> None:
    at_root = Member(name, kind, b"x" if kind == "file" else b"", target=b"t" if kind == "symlink" else b"")
    drawn = Layer((file("before", b"1"), at_root, file("after", b"2")), tar_format)
    assert [row.path for row in rows_of(table_of(drawn.tar()))] == [b"before", b"after"]
    assert_as_tarfile_reads(drawn.tar())


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@given(data=st.data())
def test_a_valid_tar_is_read_as_tarfile_reads_it(tar_format: int, data: st.DataObject) -> None:
    assert_as_tarfile_reads(data.draw(tars((tar_format,))))


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
@given(tar=tars())
def test_a_compressed_layer_gives_the_same_rows(tar: bytes, compress: Compress) -> None:
    table = table_of(squeeze(tar, compress))
    assert (rows_of(table), table.problems, table.unpacked_bytes) == (rows_by_tarfile(tar), (), len(tar))


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
@given(tar=tars(), piece=st.integers(1, 2000), batch=st.integers(1, 4))
def test_it_does_not_matter_where_a_stream_is_cut_into_pieces(tar: bytes, piece: int, batch: int, compress: Compress) -> None:
    with (
        patch.object(compression, "PIECE", piece),
        patch.object(read, "HOP", piece),
        patch.object(read, "OVERLAP", piece // 2),
        patch.object(walk, "BATCH", batch),
    ):
        table = table_of(squeeze(tar, compress))
    assert (rows_of(table), table.problems) == (rows_by_tarfile(tar), ())


@given(tar=tars(), piece=st.integers(1, 2000))
def test_contents_are_told_apart_alike_wherever_a_stream_is_cut(tar: bytes, piece: int) -> None:
    whole = table_of(squeeze(tar, "zstd"))
    with patch.object(compression, "PIECE", piece):
        cut = table_of(squeeze(tar, "gzip"))
    assert cut.entries.content_id.tolist() == whole.entries.content_id.tolist()


@given(st.lists(st.tuples(st.sampled_from((b"\0", b"0", b"5")), names), max_size=5))
def test_v7_headers_are_read_as_tarfile_reads_them(drawn: list[tuple[bytes, bytes]]) -> None:
    blocks = [v7_header(name[:90] + b"/" * (flag == b"5"), flag) for flag, name in drawn if normalize(name[:90])]
    tar = b"".join(blocks) + bytes(2 * BLOCK)
    found = [(row.path, row.kind) for row in rows_of(table_of(tar))]
    with tarfile.open(fileobj=io.BytesIO(tar), encoding="utf-8", errors="surrogateescape") as opened:
        expected = [(normalize(raw(each.name)), Kind.DIRECTORY if each.isdir() else Kind.FILE) for each in opened]
    assert found == expected


def v7_header(name: bytes, flag: bytes) -> bytes:
    fields = [name.ljust(100, b"\0"), b"0000644\0", b"0000000\0", b"0000000\0", b"%011o\0" % 0, b"%011o\0" % 9, b" " * 8, flag]
    return with_checksum(b"".join(fields).ljust(BLOCK, b"\0"))


def with_checksum(header: bytes) -> bytes:
    total = sum(header[:148]) + sum(header[156:]) + 8 * 0x20
    return header[:148] + b"%06o\0 " % total + header[156:]


# Damage

SAMPLE = layer(
    "a",
    directory("d", mode=0o700),
    file("d/long-" + "n" * 200, b"x" * 700, xattrs={"user.a": b"1"}),
    symlink("d/l", "t" * 200),
    hardlink("h", "a"),
    file("big-id", b"y" * 512, uid=2**33, mtime=-5),
    "last",
)
SAMPLES = {
    "gnu": Layer(tuple(replace(member, xattrs=()) for member in SAMPLE.members), tarfile.GNU_FORMAT).tar(),
    "pax": SAMPLE.tar(),
}
sample_tars = st.sampled_from(sorted(SAMPLES)).map(SAMPLES.__getitem__)


def assert_sound(table: LayerTable, *, is_compressed: bool = False) -> None:
    """What must hold of any table, however damaged its layer was."""
    for row in rows_of(table):
        assert row.path == normalize(row.path)
        assert row.kind is not Kind.HARDLINK or row.link == normalize(row.link)
        assert b"\0" not in row.path
        assert row.size >= 0
        assert row.mode <= 0o7777
    plain = [row for index, row in enumerate(rows_of(table)) if index not in table.sparse]
    if not is_compressed:
        assert all(row.offset + row.size <= table.unpacked_bytes for row in plain)
    assert set(table.xattrs) | set(table.sparse) <= set(range(len(table.entries)))


def is_damaged(table: LayerTable) -> bool:
    return any(problem.is_fatal for problem in table.problems)


@unhung
@given(st.binary(max_size=4096))
def test_random_bytes_give_a_table(stored: bytes) -> None:
    assert_sound(table_of(stored))


@unhung
@given(st.sampled_from((b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18")), st.binary(max_size=1024))
def test_random_bytes_after_a_magic_number_give_a_table(magic: bytes, rest: bytes) -> None:
    assert_sound(table_of(magic + rest), is_compressed=True)


@unhung
@given(sample_tars, st.data())
def test_flipped_bits_of_a_tar_give_a_table(tar: bytes, data: st.DataObject) -> None:
    flips = data.draw(st.lists(st.tuples(st.integers(0, len(tar) - 1), st.integers(0, 7)), min_size=1, max_size=5))
    damaged = bytearray(tar)
    for position, bit in flips:
        damaged[position] ^= 1 << bit
    assert_sound(table_of(bytes(damaged)))


@unhung
@given(sample_tars, st.sampled_from(("gzip", "zstd")), st.data())
def test_flipped_bits_of_a_compressed_layer_never_go_unnoticed(tar: bytes, compress: Compress, data: st.DataObject) -> None:
    damaged = bytearray(squeeze(tar, compress))
    first = (
        10 if compress == "gzip" else 4
    )  # neither the magic number nor gzip's time and system, which say nothing of the content
    damaged[data.draw(st.integers(first, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    table = table_of(bytes(damaged))
    assert_sound(table, is_compressed=True)
    assert compress == "zstd" or is_damaged(table) or rows_of(table) == rows_of(table_of(tar))


@st.composite
def forged(draw: st.DrawFn) -> bytes:
    """A tar in which one header says something else, its checksum put right: the damage that a checksum does not catch."""
    tar = draw(sample_tars)
    headers = [start for start in range(0, len(tar), BLOCK) if _is_header(tar[start : start + BLOCK])]
    start = draw(st.sampled_from(headers))
    header = bytearray(tar[start : start + BLOCK])
    position = draw(st.one_of(st.integers(100, 156), st.integers(0, BLOCK - 1)))
    for offset, value in enumerate(draw(st.binary(min_size=1, max_size=12))):
        if position + offset < BLOCK:
            header[position + offset] = value
    return tar[:start] + with_checksum(bytes(header)) + tar[start + BLOCK :]


def _is_header(block: bytes) -> bool:
    return with_checksum(block) == block


@unhung
@given(forged())
def test_a_forged_header_gives_a_table(tar: bytes) -> None:
    assert_sound(table_of(tar))


@unhung
@given(forged())
def test_a_forged_header_is_read_alike_from_a_map_and_from_a_stream(tar: bytes) -> None:
    plain, streamed = table_of(tar), table_of(squeeze(tar, "zstd"))
    assert rows_of(plain) == rows_of(streamed)
    assert is_damaged(plain) == is_damaged(streamed)


CUTS = (-1, 0, 1, 157)
"""Near each block's edge, and inside a header."""


@pytest.mark.parametrize("name", sorted(SAMPLES))
@pytest.mark.parametrize("compress", ["none", "zstd"])
def test_a_tar_cut_anywhere_keeps_the_entries_before_the_cut(name: str, compress: Compress) -> None:
    tar = SAMPLES[name]
    whole = rows_of(table_of(tar))
    for cut in (edge + near for edge in range(BLOCK, len(tar), BLOCK) for near in CUTS):
        rows = rows_of(table_of(squeeze(tar[:cut], compress)))
        assert rows == whole[: len(rows)], f"cut at {cut}"


@pytest.mark.parametrize("name", sorted(SAMPLES))
@pytest.mark.parametrize("compress", ["none", "zstd"])
def test_a_tar_cut_inside_an_entry_is_damaged(name: str, compress: Compress) -> None:
    tar = SAMPLES[name]
    cuts = [edge + near for edge in range(BLOCK, len(tar), BLOCK) for near in CUTS]
    unnoticed = [cut for cut in cuts if not is_damaged(table_of(squeeze(tar[:cut], compress)))]
    assert [cut for cut in unnoticed if not _ends_between_entries(tar, cut)] == []


def _ends_between_entries(tar: bytes, cut: int) -> bool:
    """A tar may end without its end marker, also inside a content's padding; but not after a header that speaks of the next."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        ends = [member.offset_data + (member.size if member.isreg() else 0) for member in opened]
    return cut > ends[-1] or any(end <= cut <= -(-end // BLOCK) * BLOCK for end in ends)


@pytest.mark.slow
@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_a_compressed_layer_cut_anywhere_is_damaged(compress: Compress) -> None:
    stored = squeeze(SAMPLES["pax"], compress)
    whole = rows_of(table_of(stored))
    for cut in range(5, len(stored)):
        table = table_of(stored[:cut])
        assert is_damaged(table), f"cut at {cut}"
        assert rows_of(table) == whole[: len(table.entries)], f"cut at {cut}"


def with_size(size_field: bytes) -> bytes:
    tar = layer("a", "b", tar_format=tarfile.USTAR_FORMAT).tar()
    return with_checksum(tar[:124] + size_field + tar[136:BLOCK]) + tar[BLOCK:]


@pytest.mark.parametrize(
    "size_field",
    [
        b"\xff" * 12,
        b"\xff" * 11 + b"\x80",
        b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7,
        b"\x80" + b"\xff" * 11,
        b"\x80" + bytes(3) + b"\x40" + bytes(7),
        b"77777777777\0",
        b"00000100000\0",
        b"-0000000001\0",
        b"9999999999\0\0",
        b"0x000000001\0",
        b"1_000_000\0\0\0",
    ],
    ids=[
        "minus-one",
        "minus-128",
        "8-exbi",
        "96-bits",
        "4-exbi",
        "8-gibi",
        "beyond-the-end",
        "sign",
        "nines",
        "hex",
        "underscores",
    ],
)
@pytest.mark.parametrize("compress", ["none", "zstd"])
def test_a_size_that_lies_is_damage(size_field: bytes, compress: Compress) -> None:
    table = table_of(squeeze(with_size(size_field), compress))
    assert is_damaged(table)
    assert_sound(table, is_compressed=compress != "none")


def pax(records: dict[str, bytes], member: Member) -> bytes:
    """A member whose extended header says `records`, true or not."""
    header = member.header()
    header.pax_headers = {key: text(value) for key, value in records.items()}
    return header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape") + padded(member.content)


def padded(content: bytes) -> bytes:
    return content.ljust(-(-len(content) // BLOCK) * BLOCK, b"\0")


LIES = {
    "size-huge": {"size": b"9" * 19},
    "size-longer-than-64-bits": {"size": b"9" * 400},
    "size-negative": {"size": b"-1"},
    "size-no-number": {"size": b"1e3"},
    "size-beyond": {"size": b"100000"},
    "uid-no-number": {"uid": b"root"},
    "uid-huge": {"uid": b"9" * 30},
    "mtime-huge": {"mtime": b"9" * 30},
    "mtime-nan": {"mtime": b"nan"},
    "mtime-dots": {"mtime": b"1.2.3"},
    "path-with-nul": {"path": b"a\0b"},
    "path-of-64-kib": {"path": b"p/" * 32768},
    "path-dots": {"path": b"../" * 300 + b"x"},
    "sparse-major-only": {"GNU.sparse.major": b"1"},
    "sparse-map-odd": {"GNU.sparse.map": b"1,2,3", "GNU.sparse.size": b"10"},
    "sparse-size-huge": {"GNU.sparse.map": b"0,1", "GNU.sparse.size": b"9" * 18},
    "sparse-runs-overlap": {"GNU.sparse.map": b"0,5,3,5", "GNU.sparse.size": b"10"},
    "sparse-beyond-size": {"GNU.sparse.map": b"0,5,100,5", "GNU.sparse.size": b"10"},
    "sparse-content-map": {"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", "GNU.sparse.realsize": b"4096"},
    "xattr-not-base64": {"LIBARCHIVE.xattr.user.a": b"\xff\xfe"},
}


@pytest.mark.parametrize("lie", sorted(LIES))
@pytest.mark.parametrize("compress", ["none", "zstd"])
def test_an_extended_header_that_lies_gives_a_sound_table(lie: str, compress: Compress) -> None:
    tar = pax(LIES[lie], file("a", b"content")) + layer("b").tar()
    assert_sound(table_of(squeeze(tar, compress)), is_compressed=compress != "none")


@unhung
@given(st.binary(max_size=600), st.sampled_from((b"x", b"g", b"L", b"K", b"S", b"X")))
def test_any_body_of_an_extended_header_gives_a_table(body: bytes, flag: bytes) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = flag, len(body)
    assert_sound(table_of(header.tobuf(tarfile.USTAR_FORMAT) + padded(body) + layer("a").tar()))


records = st.tuples(
    st.sampled_from(
        (b"path", b"linkpath", b"size", b"uid", b"mtime", b"GNU.sparse.map", b"GNU.sparse.major", b"GNU.sparse.size")
    ),
    st.one_of(st.sampled_from((b"", b"0", b"1", b"-1", b"1.5", b"0,1", b"9" * 19)), st.binary(max_size=9)),
)


@unhung
@given(st.lists(records, max_size=5), st.sampled_from((b"x", b"g")))
def test_any_records_of_an_extended_header_are_read_alike_from_a_map_and_from_a_stream(
    drawn: list[tuple[bytes, bytes]], flag: bytes
) -> None:
    tar = extended(flag, *drawn) + layer("a", "b").tar()
    plain, streamed = table_of(tar), table_of(squeeze(tar, "gzip"))
    assert_sound(plain)
    assert (rows_of(plain), is_damaged(plain)) == (rows_of(streamed), is_damaged(streamed))


def record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length += 1
    return b"%d" % length + rest


def extended(flag: bytes, *fields: tuple[bytes, bytes]) -> bytes:
    """An extended header alone, without the entry that it speaks of."""
    body = b"".join(record(key, value) for key, value in fields)
    header = tarfile.TarInfo("pax")
    header.type, header.size = flag, len(body)
    return header.tobuf(tarfile.USTAR_FORMAT) + padded(body)
