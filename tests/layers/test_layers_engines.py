"""The rules by which tars are read (layers/tar/header_walk.py), held against Docker, Podman and umoci, which read with Go."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import requires
from layerscope.layers.readers.blob import read_layer
from layerscope.layers.table import Severity
from layerscope.reading import read_layers
from layerscope.sources.open import open_image
from support.engines import RunningEngine, docker_engine, podman_engine
from support.headers import END, GNU, USTAR, V7, directory, extended, g, header, long_name, member, padded, record, x
from support.image_builder import blob
from support.layer_readings import by_engine, by_umoci, is_refused, ours, without_implied

BIG = b"b" * 400_000
HELLO = b"hello"
RUN = b"%011o\0"
A = member(b"a", HELLO)
IN_FORM_1 = ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"))


def sparse(*records: tuple[bytes, bytes], content: bytes = HELLO) -> bytes:
    return x(*((b"GNU.sparse." + key, value) for key, value in records)) + member(b"a", content)


def one_run(*records: tuple[bytes, bytes]) -> bytes:
    return sparse((b"numblocks", b"1"), (b"map", b"10,5"), *records)


def old_sparse(magic: bytes) -> bytes:
    fields = {386: RUN % 100 + RUN % 5, 483: RUN % 3000}
    return header(b"s", b"S", 5, fields=fields, magic=magic) + padded(HELLO)


ALIKE = {
    "a sparse size without a map is nothing": sparse((b"realsize", b"0"), content=BIG),
    "a lone sparse name renames nothing": sparse((b"name", b"other")),
    "form 0.1: size": one_run((b"size", b"2000")),
    "form 0.1: realsize": one_run((b"realsize", b"3000")),
    "form 0.1: size beside realsize": one_run((b"realsize", b"3000"), (b"size", b"2000")),
    "form 0.1: a size of its own beside both": x((b"size", b"5"))
    + x((b"size", b"5"), (b"GNU.sparse.size", b"900"), (b"GNU.sparse.map", b"0,5"), (b"GNU.sparse.numblocks", b"1"))
    + header(b"a", size=70_000)
    + padded(HELLO),
    "form 0.1: a name": one_run((b"size", b"2000"), (b"name", b"d/real")),
    "form 0.0": sparse(
        (b"size", b"3000"),
        (b"numblocks", b"2"),
        (b"offset", b"10"),
        (b"numbytes", b"2"),
        (b"offset", b"1000"),
        (b"numbytes", b"3"),
    ),
    "form 0 by its version, without a map": sparse(
        (b"major", b"0"), (b"minor", b"1"), (b"numblocks", b"0"), (b"size", b"3000"), content=b""
    ),
    "form 1.0": x(*IN_FORM_1, (b"GNU.sparse.realsize", b"3000"), (b"GNU.sparse.name", b"real"))
    + member(b"a", padded(b"1\n10\n5\n") + HELLO),
    "form 2.0 is none": sparse((b"major", b"2"), (b"minor", b"0"), (b"map", b"0,5"), (b"size", b"3000"), (b"name", b"real")),
    "a sparse name beats a long name": x(
        (b"GNU.sparse.name", b"s"), (b"GNU.sparse.map", b"0,5"), (b"GNU.sparse.numblocks", b"1")
    )
    + long_name(b"long")
    + A,
    "a new x replaces the one before": x((b"path", b"first"), (b"uid", b"7")) + x((b"gid", b"8")) + A,
    "an x that was replaced may hold bad numbers": x((b"uid", b"zz")) + x((b"uid", b"8")) + A,
    "the last of several records counts": x((b"path", b"p"), (b"path", b"q"), (b"uid", b"7"), (b"uid", b"")) + A,
    "L beats a path after it": long_name(b"long") + x((b"path", b"pax")) + A,
    "L beats a path before it": x((b"path", b"pax")) + long_name(b"long") + A,
    "K beats a linkpath": long_name(b"long", b"K") + x((b"linkpath", b"pax")) + header(b"l", b"2", link=b"short"),
    "an empty L takes the one before back": long_name(b"long") + long_name(b"") + A,
    "ASCII where GNU's times stand is a prefix": member(b"z", HELLO, magic=GNU, prefix=b"pre/fix"),
    "a time of GNU's is no prefix": member(b"z", HELLO, magic=GNU, prefix=RUN % 5),
    "other bytes than ASCII there are no prefix": member(b"z", HELLO, magic=GNU, prefix=b"pr\xc3\xa9"),
    "ustar's prefix": member(b"z", HELLO, prefix=b"p" * 70 + b"/" + b"q" * 84),
    "star's prefix": member(b"z", HELLO, prefix=b"p" * 60 + b"/" + b"q" * 70 + b"0" * 24, fields={508: b"tar\0"}),
    "v7 has no prefix": member(b"z", HELLO, magic=V7, prefix=b"pre"),
    "another version of GNU's magic has no prefix": member(b"z", HELLO, magic=b"ustar 00", prefix=b"pre"),
    "v7 has no device numbers": member(b"z", HELLO, magic=V7, fields={329: b"zz"}),
    "a directory in v7 has no content": header(b"d/", b"\0", 700, magic=V7) + A,
    "a directory in v7 by its long name": long_name(b"d/e/") + header(b"x", b"\0", 700) + A,
    "a file in v7": member(b"z", HELLO, b"\0", magic=V7),
    "a file with a slash at its end": member(b"z/", HELLO),
    "a link has no content, whatever its size": header(b"l", b"2", 700, link=b"t") + A,
    "a number ends at a NUL": member(b"z", HELLO, fields={100: b"644\0zz\0\0"}),
    "base-256 numbers": member(b"z", HELLO, fields={108: b"\x80" + bytes(4) + b"\x01\x02\x03"}),
    "a fraction of a second": x((b"mtime", b"5.99")) + A,
    "a plus": x((b"uid", b"+0005")) + A,
    "xattrs in libarchive's form are none": x((b"LIBARCHIVE.xattr.user.a", b"\xff\xfe")) + A,
}
REFUSED = {
    "sparse without numblocks": sparse((b"size", b"3000"), (b"map", b"0,5")),
    "sparse with less stored than its map says": sparse((b"size", b"3000"), (b"numblocks", b"1"), (b"map", b"0,300")),
    "sparse with more stored than its map says": sparse((b"size", b"3000"), (b"numblocks", b"1"), (b"map", b"0,3")),
    "sparse with an empty run out of order": sparse((b"size", b"3000"), (b"numblocks", b"2"), (b"map", b"9,0,0,5")),
    "sparse with a run beyond its size": sparse((b"size", b"9"), (b"numblocks", b"1"), (b"map", b"5,5")),
    "a sparse link": x((b"GNU.sparse.map", b"0,5"), (b"GNU.sparse.numblocks", b"1")) + header(b"l", b"2", link=b"t"),
    "an old GNU sparse file": old_sparse(GNU),
    "an old GNU sparse file in ustar's format": old_sparse(USTAR),
    "a contiguous file": A + member(b"t/u", b"q" * 700, b"7") + member(b"b"),
    "GNU's list of a directory": A + member(b"t/u", b"q" * 700, b"D") + member(b"b"),
    "GNU's name of a volume": A + member(b"t/u", b"", b"V") + member(b"b"),
    "Solaris's extended header": extended(b"X", record(b"path", b"p")) + A,
    "a type that nobody knows": A + member(b"t/u", b"q" * 700, b"@") + member(b"b"),
    "a mode that is no number": member(b"z", HELLO, fields={100: b"zz"}),
    "a device number that is none": member(b"z", HELLO, fields={329: b"zz"}),
    "a time of star's that is none": member(b"z", HELLO, prefix=b"p", fields={476: b"zz", 508: b"tar\0"}),
    "a checksum in base-256": A[:148] + b"\x80" + bytes(5) + b"\x10\x00" + A[156:],
    "a uid that is no number": x((b"uid", b"zz")) + A,
    "a time of access that is no number": x((b"atime", b"zz")) + A,
    "a name with a NUL": x((b"path", b"a\0b")) + A,
    "an owner's name with a NUL": x((b"uname", b"a\0b")) + A,
    "an extended header padded with NULs": extended(b"x", record(b"path", b"p") + bytes(3)) + A,
    "a block of zeros in between": A + bytes(512) + member(b"b"),
}
DIFFERENT = {
    "a global size": directory(b"a/")
    + member(b"a/ok")
    + g((b"size", b"0"))
    + member(b"z", bytes(1024))
    + member(b"srv/.git/config", BIG),
    "a global path, link, owner and sparse map": g(
        (b"path", b"evil"), (b"linkpath", b"evil"), (b"uid", b"7"), (b"GNU.sparse.map", b"0,1")
    )
    + A
    + header(b"l", b"2", link=b"t"),
    "a global header drops what was pending": x((b"path", b"pax")) + long_name(b"long") + g((b"comment", b"1")) + A,
    "a global header may hold bad numbers": g((b"uid", b"zz")) + A,
}
ENDINGS = {
    "no end marker": (A, True),
    "one block of zeros": (A + bytes(512), True),
    "no padding": (A[: 512 + 5], True),
    "some of its padding": (A[:700], True),
    "a part of a block of zeros": (A + bytes(100), False),
    "a block of zeros and a part of one": (A + bytes(700), False),
    "content after it": (A + END + member(b"b") + END, True),
    "garbage after it": (A + END + b"garbage" * 200, True),
}


TAKEN = {name: tar + END for name, tar in (ALIKE | DIFFERENT).items()}
TAKEN |= {name: tar for name, (tar, is_taken) in ENDINGS.items() if is_taken}
NOT_TAKEN = {name: tar + END for name, tar in REFUSED.items()}
NOT_TAKEN |= {name: tar for name, (tar, is_taken) in ENDINGS.items() if not is_taken}


SINCE = {"docker": 25, "podman": 5}
"""The first major versions built with a Go that reads the numbers of global headers, and refuses bad ones."""
BAD_GLOBAL = "a global header may hold bad numbers"


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> Iterator[RunningEngine]:
    with docker_engine() if request.param == "docker" else podman_engine() as running:
        yield running


def major_version(engine: RunningEngine) -> int:
    side = "Server" if engine.kind == "docker" else "Client"
    return int(engine.run("version", "--format", f"{{{{.{side}.Version}}}}").decode().partition(".")[0])


def test_layers_are_read_as_engines_read_them(engine: RunningEngine) -> None:
    taken = dict(TAKEN)
    if major_version(engine) >= SINCE[engine.kind]:
        assert is_refused(engine, taken.pop(BAD_GLOBAL))
    for (name, tar), reading in zip(taken.items(), by_engine(engine, taken.values()), strict=True):
        shown, _ = ours(tar)
        assert without_implied(reading, shown) == shown, name


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_every_engine_refuses_is_told(engine: RunningEngine, name: str) -> None:
    assert is_refused(engine, NOT_TAKEN[name])
    assert ours(NOT_TAKEN[name])[1] in (Severity.REFUSED, Severity.DAMAGE)


@pytest.mark.parametrize("name", ALIKE)
def test_a_layer_is_read_as_umoci_reads_it(name: str) -> None:
    requires("umoci")
    shown, severity = ours(ALIKE[name] + END)
    assert without_implied(by_umoci(ALIKE[name] + END), shown) == shown
    assert severity is None


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_engines_refuse_is_refused_by_umoci_too(name: str) -> None:
    requires("umoci")
    assert by_umoci(NOT_TAKEN[name]) == "refused"


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_global_header_that_umoci_refuses_is_told(name: str) -> None:
    requires("umoci")
    tar = DIFFERENT[name] + END
    assert by_umoci(tar) == "refused"
    *refused, problem = read_layer(blob(tar), layer=1).table.problems
    assert problem.severity is Severity.DIFFERS
    assert "umoci refuses the layer" in problem.text
    assert [each.severity for each in refused] == ([Severity.REFUSED] if name == BAD_GLOBAL else [])


@pytest.mark.parametrize("name", ENDINGS)
def test_a_tar_ends_where_umoci_sees_its_end(name: str) -> None:
    requires("umoci")
    tar, is_taken = ENDINGS[name]
    shown, severity = ours(tar)
    assert by_umoci(tar) == (shown if is_taken else "refused")
    # Engines take a layer with more behind its end, and unpack nothing of that: nobody would find it there.
    assert severity is (None if is_taken and "after it" not in name else Severity.REFUSED)


# Random sequences of headers

OWNERS = st.sampled_from((b"", b"0", b"7", b"+8", b"zz"))
TIMES = st.sampled_from((b"", b"5", b"5.25", b".5", b"1.x"))
SPARSE_SIZES = st.sampled_from((b"", b"5", b"3000", b"x"))
MAPS = st.sampled_from((b"", b"0,5", b"10,2,20,3", b"9,0,0,5", b"0,600", b"5"))
COUNTS = st.sampled_from((b"", b"0", b"1", b"2"))
RECORDS = st.one_of(
    st.tuples(st.sampled_from((b"uid", b"gid")), OWNERS),
    st.tuples(st.sampled_from((b"mtime", b"atime", b"ctime")), TIMES),
    st.tuples(st.just(b"size"), st.sampled_from((b"", b"0", b"5", b"600"))),
    st.tuples(st.sampled_from((b"GNU.sparse.size", b"GNU.sparse.realsize")), SPARSE_SIZES),
    st.tuples(st.just(b"GNU.sparse.map"), MAPS),
    st.tuples(st.sampled_from((b"GNU.sparse.numblocks", b"GNU.sparse.major", b"GNU.sparse.minor")), COUNTS),
    st.tuples(st.sampled_from((b"comment", b"uname")), st.sampled_from((b"", b"text"))),
)
RUNS_OF_FORM_0 = ((b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.offset", b"7"), (b"GNU.sparse.numbytes", b"5"))
SPARSE_RECORDS: tuple[tuple[tuple[bytes, bytes], ...], ...] = (
    (),
    ((b"GNU.sparse.map", b"0,5"), (b"GNU.sparse.numblocks", b"1")),
    ((b"GNU.sparse.map", b"10,2,20,3"), (b"GNU.sparse.numblocks", b"2"), (b"GNU.sparse.size", b"3000")),
    (*RUNS_OF_FORM_0, (b"GNU.sparse.realsize", b"90")),
    IN_FORM_1,
)
CONTENTS = (b"", HELLO, b"c" * 600, padded(b"1\n10\n5\n") + HELLO, padded(b"0\n"), b"2\n0\n2\n5\n3\n")
ODD_FIELDS: tuple[dict[int, bytes], ...] = (
    {},
    {},
    {100: b"644\0zz\0\0"},
    {329: b"zz"},
    {508: b"tar\0"},
    {357: b"c"},
    {108: b"\x80" + bytes(6) + b"\5"},
)


@st.composite
def extended_headers(draw: st.DrawFn, tag: bytes) -> bytes:
    names = st.sampled_from((b"", tag, b"d/" + tag, tag + b"/", tag + b"//./x", tag + b"\0rest"))
    if draw(st.booleans()):
        return long_name(draw(names), draw(st.sampled_from((b"L", b"K"))))
    named = st.tuples(st.sampled_from((b"path", b"linkpath", b"GNU.sparse.name")), names)
    records = [*draw(st.lists(st.one_of(named, RECORDS), max_size=3)), *draw(st.sampled_from(SPARSE_RECORDS))]
    return x(*draw(st.permutations(records))) if draw(st.booleans()) else x(*records)


@st.composite
def entries(draw: st.DrawFn, tag: bytes) -> bytes:
    """Some extended headers and an entry, all of whose names have `tag` in them."""
    flag = draw(st.sampled_from((b"0", b"0", b"0", b"\0", b"5", b"2", b"6", b"7", b"S")))
    content = draw(st.sampled_from(CONTENTS))
    block = header(
        draw(st.sampled_from((tag, b"d/" + tag, tag + b"/"))),
        flag,
        len(content),
        link=b"target" if flag == b"2" else b"",
        magic=draw(st.sampled_from((USTAR, USTAR, GNU, V7))),
        prefix=draw(st.sampled_from((b"", b"", b"p" + tag, b"p\xc3" + tag))),
        fields=draw(st.sampled_from(ODD_FIELDS)),
    )
    before = b"".join(draw(st.lists(extended_headers(tag), max_size=3)))
    return before + block + (padded(content) if flag not in b"526" else b"")


def sequences(between: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """A tar of two drawn entries, and a plain one that is found only by a reader that kept its place."""
    parts = st.tuples(entries(b"n"), between, entries(b"m"))
    return parts.map(lambda drawn: b"".join(drawn) + member(b"last", HELLO) + END)


@settings(max_examples=150)
@given(sequences(st.just(b"")))
def test_random_headers_are_read_as_umoci_reads_them(tar: bytes) -> None:
    requires("umoci")
    shown, severity = ours(tar)
    expected = "refused" if severity in (Severity.REFUSED, Severity.DAMAGE) else shown
    assert without_implied(by_umoci(tar), shown) == expected


@pytest.fixture(scope="module")
def docker() -> Iterator[RunningEngine]:
    with docker_engine() as running:
        yield running


@settings(max_examples=20)
@given(sequences(extended_headers(b"m").map(lambda before: before + g((b"path", b"evil"), (b"size", b"0"), (b"uid", b"7")))))
def test_random_headers_around_a_global_one_are_read_as_docker_reads_them(docker: RunningEngine, tar: bytes) -> None:
    shown, severity = ours(tar)
    assert severity is not None and severity >= Severity.DIFFERS
    if severity is not Severity.DIFFERS:
        assert is_refused(docker, tar)
    else:
        assert without_implied(by_engine(docker, [tar])[0], shown) == shown


@pytest.mark.parametrize("store", [bytes, gzip.compress])
def test_content_after_the_end_is_told_but_for_the_table_of_estargz(store: Callable[[bytes], bytes]) -> None:
    for name, told in (
        (b"stargz.index.json", []),
        (b"other", ["1536 bytes after the end of the layer's tar, which no engine unpacks"]),
    ):
        stored = store(A + END + bytes(512) + member(name, b"{}") + bytes(512))
        assert [problem.text for problem in read_layer(blob(stored), layer=1).table.problems] == told


def test_what_hides_behind_the_table_of_estargz_is_told() -> None:
    for behind in (member(b"srv/.git/config", b"x"), b"x"):
        tar = A + END + member(b"stargz.index.json", b"{}") + END + behind
        assert [problem.severity for problem in read_layer(blob(tar), layer=1).table.problems] == [Severity.REFUSED]


def test_a_real_layer_of_estargz_has_no_problem(images: Path) -> None:
    reads = read_layers(open_image(str(images / "buildkit-estargz.tar")))
    assert [problem for read in reads for problem in read.table.problems] == []
