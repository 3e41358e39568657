"""`layerscope diff`: what one image has that another has not, and why a layer is not the one it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from build import Layer, directory, file, hardlink, image, layer, symlink, whiteout
from commands import process, ran, written
from gating import analysed
from layerscope.compare.layers import LayerDifference, LayerState, layer_difference, pair_layers
from layerscope.report.layer_changes import why_changed
from sources_build import saved, write_tar

BASE = layer("base")


def paired(old: list[Layer], new: list[Layer]) -> list[tuple[int | None, int | None, LayerState]]:
    return [(pair.old, pair.new, pair.state) for pair in pair_layers(analysed(*old), analysed(*new))]


def difference(old: Layer, new: Layer) -> LayerDifference:
    """Of one layer that both images have, by its instruction."""
    before, after = analysed(old), analysed(new)
    (pair,) = pair_layers(before, after)
    return layer_difference(before, after, pair)


# Layers side by side


def test_the_same_layers_are_shared() -> None:
    assert paired([BASE, layer("a")], [BASE, layer("a")]) == [(1, 1, LayerState.SHARED), (2, 2, LayerState.SHARED)]


def test_a_layer_of_the_same_instruction_is_changed() -> None:
    assert paired([BASE, layer("a")], [BASE, layer("b")]) == [(1, 1, LayerState.SHARED), (2, 2, LayerState.CHANGED)]


def test_layers_that_only_one_image_has_stand_where_they_are() -> None:
    assert paired([BASE], [BASE, layer("a"), layer("b")])[1:] == [(None, 2, LayerState.ADDED), (None, 3, LayerState.ADDED)]
    assert paired([BASE, layer("a")], [BASE])[1:] == [(2, None, LayerState.REMOVED)]
    assert paired([], []) == []


# Why a layer is another


def test_only_times_differ() -> None:
    found = difference(
        layer(file("a", b"1", mtime=1), directory("d", mtime=1)), layer(file("a", b"1", mtime=2), directory("d", mtime=2))
    )
    assert found.is_only_times
    assert why_changed(found) == "only times differ, of 2 paths"


def test_nothing_differs_but_the_order_of_the_tar() -> None:
    found = difference(layer("a", "b"), layer("b", "a"))
    assert found.is_nothing
    assert why_changed(found) == "the same files; only the tar is written differently (order or headers)"


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        (layer("a"), layer("a", "x"), "added"),
        (layer("a", "x"), layer("a"), "removed"),
        (layer(file("x", b"1")), layer(file("x", b"22")), "content"),
        (layer(file("x", b"1")), layer(file("x", b"2")), "content"),
        (layer(file("x", b"")), layer(directory("x")), "content"),
        (layer(symlink("x", "a")), layer(symlink("x", "b")), "content"),
        (layer("a", "b", hardlink("x", "a")), layer("a", "b", hardlink("x", "b")), "content"),
        (layer(file("x", b"1", mode=0o600)), layer(file("x", b"1", mtime=5)), "metadata"),
        (layer(file("x", b"1", uid=1)), layer(file("x", b"1")), "metadata"),
        (layer(file("x", b"1", gid=1)), layer(file("x", b"1")), "metadata"),
        (layer(file("x", b"1", xattrs={"user.a": b"1"})), layer(file("x", b"1", xattrs={"user.a": b"2"})), "metadata"),
        (layer(file("x", b"1", mtime=1)), layer(file("x", b"1", mtime=2)), "times"),
        (layer("a", whiteout("x")), layer("a"), "markers"),
    ],
)
def test_each_path_is_told_for_what_differs_most(old: Layer, new: Layer, name: str) -> None:
    found = difference(old, new)
    names = ("added", "removed", "content", "metadata", "times", "unknown", "markers")
    assert {each: getattr(found, each) for each in names if getattr(found, each)} == {name: (b"x",)}


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_contents_of_compressed_layers_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str], compress: str) -> None:
    for name, content in (("old", b"1"), ("new", b"2")):
        layers = (layer(file("same", bytes(50)), file("x", content * 5000)),)
        (tmp_path / name).write_bytes(image(*layers, compress=compress))  # type: ignore[arg-type]
    assert "1 path with other content: /x" in ran(capsys, "diff", tmp_path / "old", tmp_path / "new").out


def test_the_sentence_names_a_few_paths_and_escapes_them() -> None:
    sentence = why_changed(difference(layer("a"), layer("a", "\x1b[2J", "x1", "x2", "x3")))
    assert sentence == "4 paths added: /\\x1b[2J, /x1, /x2, ..."


# The command


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return written(
        tmp_path / "old.tar", BASE, layer(file("a", bytes(1000)), file("gone", bytes(500)), file("t", b"1", mtime=1))
    )


@pytest.fixture
def new(tmp_path: Path) -> Path:
    second = layer(file("a", bytes(3000)), file("fresh", bytes(700)), file("t", b"1", mtime=2))
    return written(tmp_path / "new.tar", BASE, second, layer(whiteout("fresh")))


def test_sums_layers_and_paths_are_told(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "diff", old, new)
    lines = [" ".join(line.split()) for line in done.lines]
    assert (done.code, done.err) == (0, "")
    assert "on disk 1.52 kB → 3.72 kB +2.20 kB" in lines
    assert "wasted 0 B → 700 B +700 B" in lines
    assert "Layers (1 of 3 layers shared)" in lines
    assert "1 → 1 shared" in lines
    assert "2 → 2 changed +2.20 kB step 2" in lines
    assert "1 path with other content: /a; 1 path added: /fresh; 1" in " ".join(lines)
    assert "→ 3 added +0 B step 3" in lines
    assert lines[-3:] == ["~ +2.00 kB /a", "- -500 B /gone", "~ +0 B /t"]


def test_the_same_image_twice_differs_in_nothing(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "diff", old, old)
    assert done.code == 0
    assert "A container sees the same files in both." in done.lines


def test_a_limit_keeps_the_heaviest(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ran(capsys, "diff", old, new, "--limit", "1").lines
    assert lines[-1] == "  and 2 more (--limit N, --json)"
    assert lines[-2].endswith("/a")


def test_the_json_says_all_of_it(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(ran(capsys, "diff", old, new, "--json").out)
    assert document["schema"] == "layerscope.diff/1"
    assert (document["old"]["content_bytes"], document["new"]["wasted_bytes"]) == (1517, 700)
    assert [each["state"] for each in document["layers"]] == ["shared", "changed", "added"]
    changed = document["layers"][1]["difference"]
    assert {key: changed[key] for key in ("added", "removed", "content", "times", "only_times")} == {
        "added": ["/fresh"],
        "removed": ["/gone"],
        "content": ["/a"],
        "times": ["/t"],
        "only_times": False,
    }
    assert document["paths"] == [
        {"path": "/a", "change": "modified", "old_bytes": 1000, "new_bytes": 3000, "grown_bytes": 2000},
        {"path": "/gone", "change": "removed", "old_bytes": 500, "new_bytes": None, "grown_bytes": -500},
        {"path": "/t", "change": "modified", "old_bytes": 1, "new_bytes": 1, "grown_bytes": 0},
    ]
    assert document["waste_by_cause"]["deleted"] == {"old": 0, "new": 700}


def test_a_damaged_image_is_said_and_exits_with_2(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = write_tar(tmp_path / "broken.tar", saved(layer("base").tar(), layer(file("a", bytes(3000))).tar()[:1500]))
    done = ran(capsys, "diff", old, broken)
    assert done.code == 2
    assert "layer 2 (" in done.err
    assert "Layers" in done.out


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    names = ("\x1b[2J", "]]>", "\u202e", "\udcff", "\n")
    old = written(tmp_path / "old\x1b.tar", layer(*(file(f"d/{name}", b"1") for name in names)))
    new = written(tmp_path / "new.tar", layer(*(file(f"d/{name}", b"22") for name in names)))
    for option in ((), ("--json",)):
        done = process("diff", old, new, *option)
        assert done.returncode == 0
        assert all(line.isprintable() for line in done.stdout.decode().splitlines())
