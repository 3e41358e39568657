"""Damaged, absurd and hostile images on the command line: one sentence and exit code 2, or a problem in the report; never a
traceback.
"""

from __future__ import annotations

import gzip
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from support.commands import Ran, ran
from support.image_builder import Member, digest, directory, file, hardlink, layer, symlink
from support.sources_build import Layout, config, dump, layer_tar, saved, tar, write_directory

BASE = layer("base", file("old", b"z" * 1000)).tar()
GOOD = layer("a", "b/c", file("d", b"x" * 5000), file("long" + "n" * 200, b"y" * 3000), "last").tar()
STORED: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda raw: raw,
    "gzip": lambda raw: gzip.compress(raw, mtime=0),
    "zstd": lambda raw: zstandard.ZstdCompressor(write_checksum=True).compress(raw),
}
REST = bytes(1024)

stored_each_way = pytest.mark.parametrize("store", STORED.values(), ids=STORED.keys())


def block(name: bytes, size: bytes = b"00000000000\0", flag: bytes = b"0") -> bytes:
    """A header as bytes, for sizes that tarfile would not write."""
    header = bytearray(512)
    header[: len(name)] = name
    header[100:124] = b"0000644\x000000000\x000000000\x00"
    header[124:136] = size
    header[136:148] = b"00000000000\0"
    header[148:156] = b" " * 8
    header[156:157] = flag
    header[257:265] = b"ustar\x0000"
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def octal(number: int) -> bytes:
    return b"%011o\0" % number


def base256(number: int) -> bytes:
    """GNU's form of numbers that octal digits cannot hold."""
    return number.to_bytes(12, "big", signed=True) if number < 0 else (number | 0x80 << 88).to_bytes(12, "big")


def pax(*records: tuple[str, str | bytes]) -> bytes:
    body = b""
    for key, value in records:
        text = key.encode() + b"=" + (value.encode() if isinstance(value, str) else value) + b"\n"
        length = len(text) + 2
        while len(b"%d " % length + text) != length:
            length = len(b"%d " % length + text)
        body += b"%d " % length + text
    return block(b"pax", octal(len(body)), b"x") + body.ljust(-(-len(body) // 512) * 512, b"\0")


@pytest.fixture
def report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Reports on an archive of these layers."""

    def of(*layers: bytes) -> Ran:
        (tmp_path / "image.tar").write_bytes(tar(saved(*layers)))
        return ran(capsys, tmp_path / "image.tar")

    return of


def assert_problem(done: Ran, words: str, *, layer: int = 2) -> None:
    """The rest is shown, the report and one line of standard error name the layer and say what is wrong."""
    assert done.code == 2
    assert "Problems\n" in done.out
    assert f": layer {layer} (" in done.err
    assert words in done.err
    assert done.err.count("\n") == 1


def assert_refused(done: Ran, words: str) -> None:
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("layerscope: ")
    assert words in done.err
    assert done.err.count("\n") == 1


CUTS = {
    "inside the first header": 100,
    "inside a header": GOOD.index(b"b/c\0") + 100,
    "inside a content": GOOD.index(b"x" * 100) + 700,
    "after a content's header": GOOD.index(b"x" * 100),
    "inside an extended header": GOOD.index(b"././@PaxHeader") + 200,
    "inside an extended header's body": GOOD.index(b"path=long") + 30,
    "after an extended header's body": GOOD.index(b"path=long") // 512 * 512 + 512,
}


@stored_each_way
@pytest.mark.parametrize("size", CUTS.values(), ids=CUTS.keys())
def test_a_layer_cut_inside_an_entry_is_a_problem(
    report: Callable[..., Ran], store: Callable[[bytes], bytes], size: int
) -> None:
    assert_problem(report(BASE, store(GOOD[:size])), "truncated: ")


@stored_each_way
@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_a_layer_may_end_after_any_entry_with_or_without_its_end_marker(
    report: Callable[..., Ran], store: Callable[[bytes], bytes], blocks: int
) -> None:
    end = len(GOOD.rstrip(b"\0")) // 512 * 512 + 512
    done = report(BASE, store(GOOD[: end + blocks * 512]))
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("store", [STORED["gzip"], STORED["zstd"]], ids=["gzip", "zstd"])
@pytest.mark.parametrize("size", [4, 5, 9, 10, 11, 20, 1000, -100, -9, -8, -4, -1])
def test_a_compressed_layer_cut_anywhere_is_a_problem(
    report: Callable[..., Ran], store: Callable[[bytes], bytes], size: int
) -> None:
    stored = store(layer(file("r", os.urandom(3000)), "q").tar())
    assert_problem(report(BASE, stored[:size]), "truncated ")


@pytest.mark.slow
@pytest.mark.parametrize("store", [STORED["gzip"], STORED["zstd"]], ids=["gzip", "zstd"])
@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_compressed_layer_with_flipped_bits_is_a_problem(
    report: Callable[..., Ran], store: Callable[[bytes], bytes], place: float
) -> None:
    stored = bytearray(store(layer(*(f"usr/{number}" for number in range(3000))).tar()))
    stored[int(len(stored) * place)] ^= 0xFF
    assert_problem(report(BASE, bytes(stored)), "offset")


@pytest.mark.parametrize("at", [-1, -5])
def test_a_wrong_checksum_or_length_of_gzip_is_a_problem(report: Callable[..., Ran], at: int) -> None:
    stored = bytearray(gzip.compress(GOOD))
    stored[at] ^= 1
    assert_problem(report(BASE, bytes(stored)), "the gzip checksum before stored offset")


def test_a_wrong_checksum_of_zstd_is_a_problem(report: Callable[..., Ran]) -> None:
    stored = bytearray(STORED["zstd"](GOOD))
    stored[-1] ^= 1
    assert_problem(report(BASE, bytes(stored)), "the zstd checksum before stored offset")


@pytest.mark.parametrize("store", [STORED["gzip"], STORED["zstd"]], ids=["gzip", "zstd"])
def test_garbage_after_a_compressed_layer_is_a_problem(report: Callable[..., Ran], store: Callable[[bytes], bytes]) -> None:
    assert_problem(report(BASE, store(GOOD) + b"garbage"), "offset")


@pytest.mark.parametrize("content", [b"this is no tar " * 100, b"\xfd7zXZ\0" + bytes(2000), os.urandom(5000)])
def test_a_layer_that_is_no_tar_is_a_problem(report: Callable[..., Ran], content: bytes) -> None:
    assert_problem(report(BASE, content), "no tar header at offset 0")


def test_a_lone_block_of_zeros_is_a_problem(report: Callable[..., Ran]) -> None:
    assert_problem(report(BASE, GOOD[:1024] + bytes(512) + GOOD[1024:]), "a lone block of zeros at offset 1024")


SIZES = {
    "-1": base256(-1),
    "-4 EiB": base256(-(1 << 62)),
    "8 EiB - 1": base256((1 << 63) - 1),
    "8 EiB": base256(1 << 63),
    "2^90": base256(1 << 90),
    "4 EiB": base256(1 << 62),
    "beyond the end": octal(10**9),
    "all the digits": b"77777777777\0",
    "no number": b"zzzzzzzzzzz\0",
    "a minus": b"-0000000001\0",
}


@stored_each_way
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_a_size_that_lies_is_a_problem(report: Callable[..., Ran], store: Callable[[bytes], bytes], size: bytes) -> None:
    first = block(b"first", octal(3)) + b"abc".ljust(512, b"\0")
    done = report(BASE, store(first + block(b"lies", size) + b"x" * 512 + REST))
    assert_problem(done, "offset")
    assert "3 B" in done.out


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([("size", "-5")], "an entry of -5 bytes"),
        ([("size", "9" * 6000)], "is not a decimal number"),
        ([("size", str(1 << 62))], "truncated"),
        ([("uid", "9" * 30)], "is not a decimal number"),
        ([("GNU.sparse.map", "0,1,0,1"), ("GNU.sparse.size", "9")], "runs overlap"),
        ([("GNU.sparse.map", "0,1"), ("GNU.sparse.size", str(1 << 62))], "does not fit a file of"),
        ([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "1")], "sparse"),
    ],
)
def test_an_absurd_extended_header_is_a_problem(report: Callable[..., Ran], records: list[tuple[str, str]], words: str) -> None:
    assert_problem(report(BASE, pax(*records) + block(b"f") + REST), words)


@pytest.mark.parametrize("body", [b"99999999999999999999 path=zz\n", b"999 path=zz\n", b"x", b"5 a=b\n", b"-6 a=b\n"])
def test_a_damaged_extended_header_is_a_problem(report: Callable[..., Ran], body: bytes) -> None:
    header = block(b"pax", octal(len(body)), b"x") + body.ljust(512, b"\0")
    assert_problem(report(BASE, header + block(b"f") + REST), "a damaged extended header at offset 0")


def test_an_extended_header_of_a_gigabyte_is_not_read(report: Callable[..., Ran]) -> None:
    assert_problem(report(BASE, block(b"pax", octal(1 << 30), b"x") + REST), "an extended header of 1073741824 bytes")


@pytest.mark.parametrize("path", ["p" * 65536, "/".join(["d"] * 10_000)], ids=["64 KiB", "10,000 levels"])
def test_a_path_longer_than_any_system_allows_is_a_problem(report: Callable[..., Ran], path: str) -> None:
    assert_problem(report(BASE, layer(path, "other").tar()), "is longer than any system allows; left out")


def test_two_thousand_levels_are_a_tree(report: Callable[..., Ran]) -> None:
    done = report(layer("/".join(["d"] * 2000)).tar(), layer("d/d/.wh.d").tar())
    assert (done.code, done.err) == (0, "")


def test_names_with_dots_stay_below_the_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = layer("../../etc/passwd", "a/../../b", "/abs", "./.", "a/b/../../../c", "../.wh.gone")
    (tmp_path / "image.tar").write_bytes(tar(saved(names.tar())))
    done = ran(capsys, "ls", tmp_path / "image.tar", "--json")
    assert [each["path"] for each in done.objects] == ["/abs", "/b", "/c", "/etc", "/etc/passwd"]


def test_names_with_nul_are_cut_and_a_problem(report: Callable[..., Ran]) -> None:
    done = report(pax(("path", b"a\0b")) + block(b"f") + REST)
    assert done.code == 0
    assert "/a: its name holds a NUL byte; cut there" in " ".join(done.out.split())


LOOPS: list[str | Member] = [symlink("l", "l"), symlink("a", "b"), symlink("b", "a"), symlink("up", "../up"), symlink("d", ".")]
LOOPS += ["l/x", "a/y", "d/d/d/z", hardlink("h", "h"), hardlink("i", "j"), hardlink("j", "i"), hardlink("k", "nowhere")]


@pytest.mark.parametrize("command", ["", "ls", "waste", "find *", "blame /l", "blame /h"])
def test_loops_of_links_end(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    (tmp_path / "image.tar").write_bytes(tar(saved(layer(*LOOPS).tar(), layer("a/.wh.y", "l/z", "d/l/d/a/q").tar())))
    name, *rest = command.split() or [""]
    done = ran(capsys, *([name] if name else []), tmp_path / "image.tar", *rest)
    assert done.code == 0


@pytest.mark.parametrize("path", ["/l", "/a", "/up", "/h", "/k", "/d/d/l/x/y"])
def test_reading_a_loop_of_links_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str) -> None:
    (tmp_path / "image.tar").write_bytes(tar(saved(layer(*LOOPS).tar())))
    assert_refused(ran(capsys, "cat", tmp_path / "image.tar", path), f"{path} ")


def gzip_of_zeros(start: bytes, megabytes: int) -> bytes:
    """A gzip blob that unpacks to `start` and that many MiB of zeros; its checksum, never reached, is wrong."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + head + piece * megabytes + b"\x03\0" + bytes(8)


def zstd_of_zeros(start: bytes, megabytes: int) -> bytes:
    """The same as one zstd frame of blocks that each repeat a byte."""
    raw_block = struct.pack("<I", len(start) << 3)[:3] + start if start else b""
    zeros = struct.pack("<I", (128 << 10) << 3 | 2)[:3] + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x38" + raw_block + zeros * (8 * megabytes) + b"\1\0\0"


BOMBS = {"gzip": gzip_of_zeros, "zstd": zstd_of_zeros}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
@pytest.mark.parametrize("start", [b"", block(b"zeros", base256(1 << 40))], ids=["bare", "a file"])
def test_a_bomb_as_a_layer_is_stopped(
    report: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, bomb: Callable[[bytes, int], bytes], start: bytes
) -> None:
    monkeypatch.setenv("LAYERSCOPE_MAX_UNPACKED", str(16 << 20))
    assert_problem(report(BASE, bomb(start, 40)), "unpack to more than 16777216 (set LAYERSCOPE_MAX_UNPACKED to allow more)")


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_around_an_archive_is_stopped(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    bomb: Callable[[bytes, int], bytes],
) -> None:
    monkeypatch.setenv("LAYERSCOPE_MAX_UNPACKED", str(16 << 20))
    (tmp_path / "bomb").write_bytes(bomb(block(b"zeros", base256(1 << 40)), 40))
    assert_refused(ran(capsys, tmp_path / "bomb"), "unpack to more than 16777216")


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_zeros_alone_are_no_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bomb: Callable[[bytes, int], bytes]
) -> None:
    (tmp_path / "bomb").write_bytes(bomb(b"", 4000))
    started = time.monotonic()
    assert_refused(ran(capsys, tmp_path / "bomb"), "all zeros")
    assert time.monotonic() - started < 5


def test_a_zstd_window_beyond_reason_gets_no_memory(report: Callable[..., Ran]) -> None:
    frame = b"\x28\xb5\x2f\xfd\x00\xff" + struct.pack("<I", 10 << 3 | 2)[:3] + b"\0\1\0\0"
    assert_problem(report(BASE, frame), "asks for a window of")


MANIFESTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not JSON"),
    "[]": (b"[]", "lists no image"),
    "null": (b"null", "Expected `array`, got `null`"),
    "[null]": (b"[null]", "Expected `object`, got `null`"),
    "[[]]": (b"[[]]", "Expected `object`, got `array`"),
    "a string": (b'"x"', "Expected `array`, got `str`"),
    "a number": (b"1", "Expected `array`, got `int`"),
    "an object": (b"{}", "is not a list of images"),
    "[{}]": (b"[{}]", "missing required field `Config`"),
    "null fields": (b'[{"Config":null,"Layers":null}]', "missing required field `Config`"),
    "numbers": (b'[{"Config":1,"Layers":[1]}]', "Expected `str`, got `int`"),
    "text for layers": (b'[{"Config":"a","Layers":"b"}]', "Expected `array`, got `str`"),
    "utf-16": ("[]".encode("utf-16"), "is not JSON"),
    "not utf-8": (b'[{"Config":"\xff"}]', "is not JSON"),
    "half a surrogate": (b'[{"Config":"\\ud800","Layers":[]}]', "is not JSON"),
    "more after it": (b"[] x", "is not JSON"),
    "NaN": (b"[NaN]", "is not JSON"),
    "absent": (b'[{"Config":"nope.json","RepoTags":["x:1"],"Layers":["nope/layer.tar"]}]', "nope.json is missing"),
    "control characters": (b'[{"Config":"a\\nb\\u001b[31m","Layers":[]}]', "a\\x0ab\\x1b[31m is missing"),
    "deep arrays": (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    "deep objects": (b'[{"Config":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}]", "nested too deeply"),
    "huge": (b"[" + b" " * (100 << 20) + b"]", "is longer than 8 MiB"),
    "many": (b"[" + b"0," * 1_000_000 + b"0]", "more than 524288 values, which no image needs"),
}


@pytest.mark.parametrize(("manifest", "words"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], manifest: bytes, words: str
) -> None:
    (tmp_path / "image.tar").write_bytes(tar({**saved(BASE), "manifest.json": manifest}))
    assert_refused(ran(capsys, tmp_path / "image.tar"), words)


CONFIGS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not JSON"),
    "null": (b"null", "Expected `object`, got `null`"),
    "a list": (b"[]", "Expected `object`, got `array`"),
    "deep": (b"[" * 50_000, "nested too deeply"),
    "a bad diff_id": (b'{"rootfs":{"diff_ids":["x"]}}', "'x' is not a digest"),
    "null diff_ids": (b'{"rootfs":{"diff_ids":[null]}}', "Expected `str`, got"),
    "a bad history": (b'{"history":{}}', "Expected `array`, got `object`"),
    "half a surrogate": (b'{"os":"\\ud800"}', "is not JSON"),
}


@pytest.mark.parametrize(("settings", "words"), CONFIGS.values(), ids=CONFIGS.keys())
def test_a_config_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: bytes, words: str
) -> None:
    (tmp_path / "image.tar").write_bytes(tar(saved(BASE, settings=settings)))
    assert_refused(ran(capsys, tmp_path / "image.tar"), words)


@pytest.mark.parametrize("depth", range(940, 1000, 4))
def test_a_config_as_deep_as_can_be_read_can_be_written_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], depth: int
) -> None:
    start = config(BASE).removesuffix(b"}")
    (tmp_path / "image.tar").write_bytes(tar(saved(BASE, settings=start + b',"x":' + b"[" * depth + b"]" * depth + b"}")))
    done = ran(capsys, tmp_path / "image.tar", "--json", "-")
    assert done.code == 0 or "nested too deeply" in done.err


def test_an_absent_layer_is_a_problem_and_the_rest_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = config(BASE, GOOD)
    files = saved(BASE, settings=settings)
    name = digest(settings).removeprefix("sha256:") + ".json"
    files["manifest.json"] = dump([{"Config": name, "Layers": [f"{0:064x}/layer.tar", "gone/layer.tar"]}])
    (tmp_path / "image.tar").write_bytes(tar(files))
    assert_problem(ran(capsys, tmp_path / "image.tar"), "its bytes are not there (gone/layer.tar is missing)")


def test_digests_that_do_not_match_fail_the_verification(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout()
    files = layout.files(layout.image(BASE, GOOD))
    name = "blobs/" + digest(BASE).replace(":", "/")
    files[name] = BASE.replace(b"zzzz", b"yyyy", 1)
    done = ran(capsys, "verify", write_directory(tmp_path, files))
    assert done.code == 1
    assert "FAILED  layer 1 digest and diff_id" in done.out


def test_indexes_nested_without_end_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout()
    found = layout.image(BASE)
    for _ in range(200):
        found = layout.index(found)
    assert_refused(ran(capsys, write_directory(tmp_path, layout.files(found))), "nested too deeply")


@pytest.fixture
def as_nobody(tmp_path: Path) -> Iterator[None]:
    """Run as a user who may not read everything."""
    if os.geteuid() != 0:
        yield
        return
    for each in (tmp_path, *tmp_path.parents[:2]):
        each.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("name", ["image.tar", "layout", "layout/x", "other"])
def test_what_may_not_be_read_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest, name: str
) -> None:
    (tmp_path / "image.tar").write_bytes(tar(saved(BASE)))
    (tmp_path / "image.tar").chmod(0)
    (tmp_path / "layout").mkdir(mode=0)
    layout = Layout()
    (tmp_path / "other").mkdir()
    write_directory(tmp_path / "other", layout.files(layout.image(BASE)))
    (tmp_path / "other/index.json").chmod(0)
    request.getfixturevalue("as_nobody")
    assert_refused(ran(capsys, tmp_path / name), "cannot be read: Permission denied")


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero", "/dev/urandom"])
def test_a_device_is_refused(capsys: pytest.CaptureFixture[str], device: str) -> None:
    assert_refused(ran(capsys, device), "is a device, not an image")


def test_a_socket_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket may not be long
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        assert_refused(ran(capsys, "socket"), "socket cannot be read: ")


@pytest.mark.slow
def test_a_hundred_thousand_entries_in_one_directory_are_quick(report: Callable[..., Ran]) -> None:
    many = b"".join(block(b"d/%06d" % number) for number in range(100_000)) + REST
    started = time.process_time()
    done = report(gzip.compress(many, 1), layer(".wh.d").tar())
    assert done.code == 0
    assert time.process_time() - started < 10


def test_one_path_written_many_times_is_quick(report: Callable[..., Ran]) -> None:
    entry = block(b"same", octal(1)) + b"x".ljust(512, b"\0")
    started = time.process_time()
    done = report(gzip.compress(entry * 20_000 + REST, 1))
    assert done.code == 0
    assert "20.0 kB  shadowed" in done.out
    assert time.process_time() - started < 10


def test_links_that_multiply_are_not_followed_for_ever(report: Callable[..., Ran]) -> None:
    links: list[str | Member] = [symlink(f"s{number}", f"s{number + 1}/s{number + 1}") for number in range(30)]
    started = time.process_time()
    done = report(layer(directory("d"), *links, symlink("s30", "."), *(f"s0/{number}" for number in range(100))).tar())
    assert done.code == 0
    assert time.process_time() - started < 10


@pytest.mark.slow
def test_the_same_layer_a_thousand_times_is_quick(report: Callable[..., Ran]) -> None:
    started = time.process_time()
    assert report(*[layer_tar("a")] * 1000).code == 0
    assert time.process_time() - started < 20
