"""Runs of layers that become one: whiteouts first, then what is left of the run, with hard links that still lead somewhere."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from conftest import requires
from layerscope.errors import CannotSlim, UsageError
from layerscope.layers.compression import Compression
from layerscope.slim.merge_savings import merge_savings
from layerscope.slim.new_headers import renamed
from layerscope.slim.plan import SlimOptions, plan_slim
from layerscope.slim.write import WriteOptions
from support.image_builder import Layer, Member, directory, file, hardlink, layer, opaque, symlink, whiteout
from support.model import sights
from support.slimming import analyzed, layers_of, slimmed, stored, tars_of
from support.unpacked import umoci_unpack

LONG = b"n" * 120
ABOVE_BASE = SlimOptions(spared_layers=1, merge_own=True)


@pytest.mark.parametrize("compress", ["none", "gzip"])
@pytest.mark.parametrize(
    ("stack", "merged"),
    [
        (
            [layer("base"), layer(file("a", b"1"), hardlink("b", "a"), hardlink("c", "a")), layer(file("a", b"2"))],
            [file("b", b"1"), hardlink("c", "b"), file("a", b"2")],
        ),
        (
            [layer("base"), layer(file("a", b"1", xattrs={"user.a": b"1"}), hardlink(LONG, "a")), layer(whiteout("a"))],
            [file(LONG, b"1", xattrs={"user.a": b"1"})],
        ),
        (
            [layer("base"), layer(file(LONG, b"1"), hardlink("b", LONG), hardlink("c", LONG)), layer(whiteout(LONG))],
            [file("b", b"1"), hardlink("c", "b")],
        ),
        (
            [layer("base"), layer(file("a", b"1"), hardlink(LONG, "a"), hardlink("c", "a")), layer(whiteout("a"))],
            [file(LONG, b"1"), hardlink("c", LONG)],
        ),
        ([layer(file("f", b"1")), layer(hardlink("g", "f")), layer("h")], [hardlink("g", "f"), *layer("h").members]),
        ([layer(file("f", b"1")), layer(hardlink("g", "f")), layer(whiteout("f"))], [whiteout("f"), file("g", b"1")]),
        (
            [layer("d/", "d/x", "d/e/", "d/e/y"), layer(whiteout("d")), layer(directory("d", mode=0o700), "d/y")],
            [whiteout("d/e"), whiteout("d/x"), directory("d/", mode=0o700), *layer("d/y").members],
        ),
        (
            [layer("d/", "d/x", "d/y"), layer("d/", opaque("d"), "d/z"), layer("d/x")],
            [whiteout("d/y"), *layer("d/", "d/z", "d/x").members],
        ),
        ([layer("d/", "d/x"), layer(whiteout("d/x")), layer("d/x")], [*layer("d/x").members]),
        ([layer("d/", "d/x"), layer(file("d", b"1")), layer("e")], [file("d", b"1"), *layer("e").members]),
        ([layer("base"), layer("d/e/x", "d/"), layer("d/e/", "d/y")], [*layer("d/", "d/e/", "d/e/x", "d/y").members]),
        (
            [layer("base"), layer("d/", symlink("l", "d"), "l/x"), layer(whiteout("l"), "l/y")],
            [*layer("d/", file("d/x", b"content of l/x\n"), "l/y").members],
        ),
        (
            [layer("base"), layer(file(b"\xff", b"1"), hardlink(b"\xfe", b"\xff")), layer(whiteout(b"\xff"))],
            [file(b"\xfe", b"1")],
        ),
    ],
)
def test_a_merged_layer_has_what_is_left_of_its_run(
    stack: list[Layer], merged: list[Member], compress: str, tmp_path: Path
) -> None:
    result, out = slimmed(stored(tmp_path, *stack, compress=compress), ABOVE_BASE, WriteOptions(may_grow=True))  # type: ignore[arg-type]
    assert [each.made_of for each in result.layers] == [(1,), (2, 3)]
    assert layers_of(out)[1].members == tuple(merged)
    assert sights(layers_of(out)) == sights(stack)


def test_umoci_unpacks_the_same_of_a_merged_layer(tmp_path: Path) -> None:
    requires("umoci")
    below = layer("d/", "d/x", "d/e/", "d/e/y", "o/", "o/a", "o/b", symlink("l", "d"), file("f", b"1", mode=0o600))
    run = [
        layer(whiteout("d"), whiteout("l"), file("g", b"22", uid=7), hardlink("h", "g", uid=7), hardlink("i", "g", uid=7)),
        layer(directory("d", mode=0o700), "d/y", directory("o", gid=8), opaque("o"), "o/b", "l/", "l/z", whiteout("g")),
        layer(file("o/c", b"333"), whiteout("f"), directory("f", mode=0o711), "f/x"),
    ]
    _, out = slimmed(stored(tmp_path, below, *run), SlimOptions(merge=((2, 4),), layers=frozenset({2, 3, 4})))
    places = [tmp_path / "before", tmp_path / "after"]
    for place in places:
        place.mkdir()
    assert umoci_unpack(layers_of(out), places[1]) == umoci_unpack([below, *run], places[0])
    names = [(places[1] / "bundle" / "rootfs" / name).stat().st_ino for name in ("h", "i")]
    assert names[0] == names[1]


@pytest.mark.parametrize(
    "stack",
    [
        [layer("base"), layer("d/x"), layer(whiteout("d/x"))],
        [layer(directory("d", mode=0o700), "d/x"), layer(whiteout("d")), layer("d/y")],
    ],
)
def test_a_directory_that_one_layer_cannot_make_is_named(stack: list[Layer], tmp_path: Path) -> None:
    with pytest.raises(CannotSlim, match=r"layers 2 to 3 cannot be merged: in them, /d is a directory without an entry"):
        slimmed(stored(tmp_path, *stack), ABOVE_BASE)


def test_what_engines_would_read_in_several_ways_is_not_made(tmp_path: Path) -> None:
    stack = [layer("base", "f"), layer(whiteout("f")), layer("f/x")]
    with pytest.raises(CannotSlim, match=r"layers 2 to 3 cannot be merged: /f: an entry below a path that is not a directory"):
        slimmed(stored(tmp_path, *stack), ABOVE_BASE)


def test_what_is_odd_about_a_layer_above_the_run_is_not_held_against_the_run(tmp_path: Path) -> None:
    stack = [layer("a"), layer("b"), layer("c"), layer(file("..", b"1"), "d")]
    _, out = slimmed(stored(tmp_path, *stack), SlimOptions(merge=((2, 3),)), WriteOptions(may_grow=True))
    assert sights(layers_of(out)) == sights(stack)
    _, out = slimmed(stored(tmp_path, *stack), SlimOptions(merge=((1, 3),)), WriteOptions(may_grow=True))
    assert sights(layers_of(out)) == sights(stack)


def test_steps_of_the_history_stay_and_the_last_one_made_the_layer(tmp_path: Path) -> None:
    path = stored(tmp_path, layer("a"), layer("b"), layer(), layer("c"), layer("d"), layer())
    _, out = slimmed(path, SlimOptions(merge=((4, 5),), drop_empty=True))
    with tarfile.open(out) as archive:
        files = {each.name: content.read() for each in archive if (content := archive.extractfile(each))}
    (entry,) = json.loads(files["manifest.json"])
    history = json.loads(files[entry["Config"]])["history"]
    assert [(step["created_by"], step.get("empty_layer", False)) for step in history] == [
        ("step 1", False),
        ("step 2", False),
        ("step 4", True),
        ("step 5", False),
    ]
    index = json.loads(files["index.json"])
    manifest = json.loads(files["blobs/" + index["manifests"][0]["digest"].replace(":", "/")])
    assert "layers 4 to 5 merged; empty layers left out: 3, 6" in manifest["annotations"]["io.layerscope.slim"]


@pytest.mark.parametrize(
    ("stack", "left"),
    [
        ([layer("a"), layer(file("b", b"1")), layer(whiteout("b"))], [(1,)]),
        ([layer("a"), layer("b/x"), layer(whiteout("b/x"))], [(1,), (2,), (3,)]),
        ([layer("a"), layer(), layer("b")], [(1,), (3,)]),
        ([layer(), layer()], [(2,)]),
        ([layer("d/", "d/x"), layer("d/y"), layer(directory("d", mode=0o700), whiteout("d/y"))], [(1,), (3,)]),
    ],
)
def test_layers_without_anything_go_where_that_changes_nothing(
    stack: list[Layer], left: list[tuple[int, ...]], tmp_path: Path
) -> None:
    result, out = slimmed(stored(tmp_path, *stack), SlimOptions(drop_empty=True))
    assert [each.made_of for each in result.layers] == left
    assert sights(layers_of(out)) == sights(stack)
    assert not plan_slim(analyzed(out), SlimOptions(drop_empty=True)).rewritten


def test_only_layers_that_are_named_get_other_bytes(tmp_path: Path) -> None:
    path = stored(tmp_path, layer(file("a", b"1")), layer(file("a", b"2")), layer(file("a", b"3")))
    result, out = slimmed(path, SlimOptions(layers=frozenset({2})))
    assert [each.is_rewritten for each in result.layers] == [False, True, False]
    assert tars_of(out)[0] == tars_of(path)[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (SlimOptions(merge=((1, 2),), spared_layers=1), "layers 1 to 2 cannot be merged: layer 1 is to stay as it is"),
        (SlimOptions(merge=((2, 9),)), "layers 2 to 9 cannot be merged: the image has 3"),
        (SlimOptions(merge=((2, 3), (1, 2))), "layers 1 to 2 and layers 2 to 3 cannot both be merged: they overlap"),
    ],
)
def test_runs_that_cannot_be_are_refused(options: SlimOptions, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        plan_slim(analyzed(stored(tmp_path, layer("a"), layer("b"), layer("c"))), options)


def test_a_merged_layer_is_compressed_as_most_of_its_run_is(tmp_path: Path) -> None:
    path = stored(tmp_path, layer("a"), layer("b"), compress="zstd")
    result, _ = slimmed(path, SlimOptions(merge_own=True), WriteOptions(may_grow=True))
    assert [each.compression for each in result.layers] == [Compression.ZSTD]


def test_what_merging_would_save_is_what_it_saves(tmp_path: Path) -> None:
    stack = [layer("d/", file("d/a", b"1" * 5000)), layer("d/", file("d/a", b"2" * 700), "d/b"), layer("d/", whiteout("d/b"))]
    path, options = stored(tmp_path, *stack), SlimOptions(keep=("d/a", "d/b"))
    (saving,) = merge_savings(plan_slim(analyzed(path), options))
    before = sum(map(len, tars_of(path)))
    _, out = slimmed(path, SlimOptions(merge_own=True, keep=("d/a", "d/b")))
    # Python's tars end with more zeros than these two blocks.
    assert 0 < saving.saved_bytes <= before - sum(map(len, tars_of(out)))
    assert saving.saved_bytes >= 5000


@pytest.mark.parametrize("tar_format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("old", [b"a", b"p" * 90 + b"/" + b"q" * 60])
@pytest.mark.parametrize("new", [b"b", b"\xff" * 3, b"r" * 90 + b"/" + b"s" * 60])
def test_a_member_gets_another_name_and_target_whatever_its_format(tar_format: int, old: bytes, new: bytes) -> None:
    for member in (file(old, b"x", mode=0o600, uid=7), hardlink(old, old[:50]), directory(old), symlink(old, old[:50])):
        tar = layer(member, tar_format=tar_format).tar()
        with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
            (was,) = opened
            head = was.offset_data
        link = new if member.target else None
        changed = renamed(tar[:head], path=new, link=link) + tar[head:]
        with tarfile.open(fileobj=io.BytesIO(changed), errors="surrogateescape") as opened:
            (now,) = opened
        text = new.decode("utf-8", "surrogateescape")
        assert (now.name, now.linkname) == (text, text if link else "")
        assert (now.type, now.mode, now.uid, now.size) == (was.type, was.mode, was.uid, was.size)


def test_a_sparse_file_keeps_its_map_and_gets_another_name() -> None:
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "old", "GNU.sparse.realsize": "9"}
    header = tarfile.TarInfo("GNUSparseFile.0/old")
    header.pax_headers, header.size = records, 513
    body = b"1\n8\n1\n".ljust(512, b"\0") + b"x"
    head = header.tobuf(tarfile.PAX_FORMAT) + body[:512]
    changed = renamed(head, path=b"new") + body[512:].ljust(512, b"\0")
    with tarfile.open(fileobj=io.BytesIO(changed)) as opened:
        (now,) = opened
        content = opened.extractfile(now)
        assert content is not None
        assert (now.name, content.read()) == ("new", b"\0" * 8 + b"x")
