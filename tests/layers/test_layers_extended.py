"""Extended headers read side by side give what the exact path gives, header by header."""

from __future__ import annotations

import gzip
import io
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import requires
from layerscope.layers.readers.blob import read_layer
from layerscope.layers.table import LayerTable
from layerscope.layers.tar import header_walk as walk
from support.headers import END, GNU, directory, extended, g, header, long_name, member, record, x
from support.image_builder import blob
from support.same_tables import COLUMNS

VALUES = {
    b"path": (b"", b"p", b"d/p", b"p/", b"./p", b"d/.wh.p", b"a\0b", b"\xc3\xa9" * 60),
    b"linkpath": (b"", b"t", b"../t", b"t\0u"),
    b"mtime": (
        b"",
        b"0",
        b"5",
        b"1700000000.123456789",
        b"1700000000.",
        b".5",
        b"-5.5",
        b"+7",
        b"9" * 19,
        b"1.2.3",
        b"x",
        b"1" * 18,
    ),
    b"atime": (b"", b"1700000000.5", b"x"),
    b"ctime": (b"1700000000.5", b"1 "),
    b"uid": (b"", b"0", b"7", b"0007", b"-1", b"2147483648", b"1.5", b"9" * 40),
    b"gid": (b"1000", b"+8"),
    b"uname": (b"root", b"a\0b"),
    b"comment": (b"", b"size=5", b"a=b=c\nd"),
    b"SCHILY.xattr.user.a": (b"", b"1", b"\0\1", b"b=c\n", b"v" * 1500),
    b"SCHILY.xattr.security.selinux": (b"system_u:object_r:bin_t:s0\0", b"system_u:object_r:lib_t:s0"),
    b"RHT.security.selinux": (b"unconfined_u",),
    b"LIBARCHIVE.xattr.user.a": (b"YQ",),
    b"size": (b"0", b"3", b"600"),
    b"GNU.sparse.name": (b"s",),
    b"mtimes": (b"5",),
    b"k": (b"", b"v"),
}
pairs = st.sampled_from(sorted(VALUES)).flatmap(lambda key: st.tuples(st.just(key), st.sampled_from(VALUES[key])))
usual = st.sampled_from((b"mtime", b"path", b"uid", b"SCHILY.xattr.user.a")).flatmap(
    lambda key: st.tuples(st.just(key), st.sampled_from(VALUES[key][:4]))
)
bodies = st.one_of(
    st.lists(usual, max_size=4).map(lambda drawn: b"".join(record(*pair) for pair in drawn)),
    st.lists(pairs, max_size=16).map(lambda drawn: b"".join(record(*pair) for pair in drawn)),
    st.sampled_from(
        (
            b"5 a=\n",
            b"4 a\n",
            b"6 abc\n",
            b"6 =bc\n",
            b"005 =\n",
            b"012 a=bcdef\n",
            b"12 path=abcd\n5 a=\n",
            b"12 path=abcde\n",
            b"99 path=abc\n",
            b"9 path=a\n",
            b"10 path=a\n\0\0",
            b"24 SCHILY.xattr.user.a\n",
            b"x",
            b"\n",
            b"   ",
            b"11 mtime=5\n" * 2,
        )
    ),
)
befores = st.one_of(
    bodies.map(lambda body: extended(b"x", body)),
    bodies.map(lambda body: extended(b"x", body)),
    st.tuples(st.sampled_from((b"", b"n", b"n/", b"m" * 150, b"a\0b")), st.sampled_from((b"L", b"K"))).map(
        lambda drawn: long_name(*drawn)
    ),
    st.just(g((b"comment", b"1"))),
    st.just(extended(b"x", record(b"uid", b"7"))[:-1] + b"!"),
)


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    before = b"".join(draw(st.lists(befores, max_size=3)))
    kind = draw(st.sampled_from((b"0", b"0", b"0", b"\0", b"5", b"2", b"1", b"3", b"7", b"Z")))
    content = draw(st.sampled_from((b"", b"hello", b"c" * 600))) if kind in b"0\x007Z" else b""
    name = draw(st.sampled_from((b"n", b"d/m", b"n/", b".wh.n")))
    entry = member(name, content, kind, link=b"n" if kind in b"12" else b"", magic=draw(st.sampled_from((b"ustar\x0000", GNU))))
    return before + (entry if draw(st.integers(0, 19)) else entry[:100] + b"9" + entry[101:])


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)


def assert_same_as_exact(stored: bytes) -> LayerTable:
    fast = read_layer(blob(stored), layer=1).table
    with patch.object(walk, "EXTENDED", b""):
        exact = read_layer(blob(stored), layer=1).table
    for name in ("paths", "links"):
        assert getattr(fast.entries, name).tolist() == getattr(exact.entries, name).tolist()
    for name in (*COLUMNS, "content_id"):
        assert getattr(fast.entries, name).tolist() == getattr(exact.entries, name).tolist(), name
    for name in ("whiteouts", "opaques", "omitted", "sparse", "xattrs", "devices", "unpacked_bytes"):
        assert getattr(fast, name) == getattr(exact, name), name
    # Where two things are wrong with one entry, the paths may tell one or the other.
    is_damaged = [any(problem.is_fatal for problem in table.problems) for table in (fast, exact)]
    assert is_damaged[0] == is_damaged[1]
    assert is_damaged[0] or sorted(map(repr, fast.problems)) == sorted(map(repr, exact.problems))
    return fast


def test_contents_before_damage_have_their_ids() -> None:
    stored = gzip.compress(member(b"a", noise(300_000)) + member(b"b", b"hello") + member(b"c", b"more") + b"x" * 512)
    ids = read_layer(blob(stored), layer=1).table.entries.content_id
    assert [bool(each.any()) for each in ids] == [True, True, True]


@pytest.mark.parametrize("store", [bytes, gzip.compress])
@given(drawn=st.lists(entries(), max_size=6), batch=st.sampled_from((1, 3, 4096)))
def test_both_paths_give_the_same_table(store: Callable[[bytes], bytes], drawn: list[bytes], batch: int) -> None:
    with patch.object(walk, "BATCH", batch):
        assert_same_as_exact(store(b"".join(drawn) + END))


def test_xattrs_that_are_the_same_are_kept_once() -> None:
    label = x((b"mtime", b"1.5"), (b"SCHILY.xattr.security.selinux", b"system_u:object_r:bin_t:s0"))
    table = assert_same_as_exact(b"".join(label + member(b"f%d" % number) for number in range(100)) + END)
    assert len(table.xattrs) == 100
    assert len({id(xattrs) for xattrs in table.xattrs.values()}) == 1


FORMATS = {"pax": ["--format=pax"], "selinux-like": ["--format=pax", "--xattrs"], "gnu": ["--format=gnu"]}


@pytest.mark.parametrize("name", FORMATS)
def test_gnu_tars_own_headers_are_read_side_by_side(tmp_path: Path, name: str) -> None:
    requires("tar")
    long = tmp_path / ("n" * 120)
    long.mkdir()
    for number in range(50):
        (long / f"file-{number}").write_bytes(b"x" * number)
        (long / f"link-{number}").symlink_to("t" * 150)
    tar = subprocess.run(["tar", *FORMATS[name], "-C", tmp_path, "-c", "."], capture_output=True, check=True).stdout
    with patch.object(walk.HeaderWalk, "_extended", side_effect=AssertionError("the exact path")):
        read_layer(blob(tar), layer=1)
    assert assert_same_as_exact(tar).problems == ()


def test_pythons_own_headers_are_read_side_by_side() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(50):
            each = tarfile.TarInfo(f"{number}-\xe9" + "n" * 120)
            each.mtime, each.uid, each.pax_headers = number + 0.25, 2**40, {"comment": "none"}
            tar.addfile(each)
    with patch.object(walk.HeaderWalk, "_extended", side_effect=AssertionError("the exact path")):
        table = read_layer(blob(buffer.getvalue()), layer=1).table
    assert table.entries.uid.tolist() == [2**40] * 50
    assert table.entries.mtime.tolist() == list(range(50))
    assert_same_as_exact(buffer.getvalue())


@pytest.mark.parametrize("flag", [b"\0", b"5"])
def test_a_directory_is_told_by_its_extended_name(flag: bytes) -> None:
    assert_same_as_exact(x((b"path", b"d/e/")) + header(b"short", flag) + directory(b"z/") + END)
