"""`layerscope diff`: what one image has that another has not, and why a layer is not the one it was."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from layerscope.compare.comparison import Aspect
from layerscope.compare.layers import LayerDifference, LayerState, PairedLayer, layer_difference, pair_layers
from layerscope.report.layer_changes import why_changed
from support.commands import process, ran, written
from support.gating import analyzed
from support.image_builder import (
    Layer,
    Member,
    block,
    char,
    directory,
    fifo,
    file,
    hardlink,
    image,
    layer,
    opaque,
    symlink,
    whiteout,
)
from support.sources_build import config, saved, write_tar

BASE = layer("base")


def paired(old: list[Layer], new: list[Layer]) -> list[tuple[int | None, int | None, LayerState]]:
    return [(pair.old, pair.new, pair.state) for pair in pair_layers(analyzed(*old), analyzed(*new))]


def difference(old: Layer, new: Layer) -> LayerDifference:
    """Of one layer that both images have, by its instruction."""
    before, after = analyzed(old), analyzed(new)
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
    times = "(1970-01-01 00:00:01 → 1970-01-01 00:00:02)"
    assert why_changed(found) == f"only times differ, of 2 paths: /a {times}, /d {times}"


def test_nothing_differs_but_the_order_of_the_tar() -> None:
    found = difference(layer("a", "b"), layer("b", "a"))
    assert found.is_nothing
    assert why_changed(found) == "the same files; only the tar is written differently (in another order)"
    old, new = (analyzed(Layer(layer("a").members, form)) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT))
    assert why_changed(layer_difference(old, new, pair_layers(old, new)[0])).endswith("differently (with other headers)")


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
        (layer(char("x", device=(1, 3))), layer(char("x", device=(1, 5))), "content"),
        (layer(char("x")), layer(block("x", device=(1, 3))), "content"),
        (layer(file("x")), layer(fifo("x")), "content"),
        (layer("a", file("x", b"content of a\n")), layer("a", hardlink("x", "a")), "links"),
    ],
)
def test_each_path_is_told_for_what_differs_most(old: Layer, new: Layer, name: str) -> None:
    found = difference(old, new)
    names = ("added", "removed", "content", "metadata", "times", "unknown", "links", "hidden", "markers")
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


def test_a_hard_link_is_its_content_whichever_name_comes_first() -> None:
    """BuildKit and git write the names of one file in the order of the directory: 140 names of /usr/bin/git-*."""
    names = [f"git-{number:03}" for number in range(141)]
    sides = []
    for first in (names[0], names[-1]):
        links = [hardlink(name, first) for name in names if name != first]
        sides.append(layer(file(first, b"git", xattrs={"user.a": b"1"}), *links))
    found = difference(*sides)
    assert found.is_nothing
    assert why_changed(found) == "the same files; only the tar is written differently (in another order)"


def test_names_of_one_inode_have_the_metadata_of_its_last_header() -> None:
    plain = file("f", b"abc", mode=0o600, uid=5, mtime=9)
    by_link = layer(file("f", b"abc"), hardlink("g", "f", mode=0o600, uid=5, mtime=9))
    assert difference(by_link, layer(plain, hardlink("g", "f", mode=0o600, uid=5, mtime=9))).is_nothing
    found = difference(by_link, layer(plain, hardlink("g", "f", mode=0o644)))
    assert found.metadata == (b"f", b"g")
    assert found.aspects_of((b"f",)) == found.aspects_of((b"g",)) == Aspect.MODE | Aspect.OWNER | Aspect.TIME


def test_a_hard_link_into_a_lower_layer_is_compared_by_what_it_shows() -> None:
    old, new = (analyzed(layer(file("a", content)), layer(hardlink("b", "a"))) for content in (b"1", b"2"))
    second = PairedLayer(2, 2, LayerState.CHANGED)
    assert layer_difference(old, new, second).content == (b"b",)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            file("x", xattrs={"user.a": b"1", "user.same": b"1"}),
            file("x", xattrs={"user.\x1b": b"2", "user.same": b"1"}),
            "1 path with other xattrs: /x (user.\\x1b, user.a)",
        ),
        (char("x", device=(1, 3)), char("x", device=(1, 5)), "1 path with other content: /x (device 1, 3 → 1, 5)"),
        (char("x", device=(1, 3)), fifo("x"), "1 path with other content: /x (char → fifo)"),
        (symlink("x", "a"), symlink("x", "b"), "1 path with other content: /x (to a → b)"),
        (
            file("x", mode=0o644),
            file("x", mode=0o755, uid=7),
            "1 path with another mode or owner: /x (mode 0644 → 0755, owner 0:0 → 7:0)",
        ),
        (
            file("x", gid=7, mode=0, xattrs={"user.a": b"1"}),
            file("x", mtime=1),
            "1 path with another mode, owner or xattrs: /x (mode 0000 → 0644, owner 0:7 → 0:0, user.a)",
        ),
    ],
)
def test_what_differs_of_a_path_is_told(old: Member, new: Member, sentence: str) -> None:
    assert why_changed(difference(layer(old), layer(new))) == sentence


# Hidden on one side only


BELOW = layer("a", "d/x", "d/y")


def hidden(old: Layer, new: Layer) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Of a layer on BELOW: what one side alone hides, and the markers without effect."""
    sides = analyzed(BELOW, old), analyzed(BELOW, new)
    found = layer_difference(*sides, pair_layers(*sides)[1])
    return found.hidden, found.idle_markers


def test_what_one_layer_alone_hides_is_told() -> None:
    assert hidden(layer(whiteout("a")), layer("b")) == ((b"a",), ())
    assert hidden(layer("b"), layer(opaque("d"))) == ((b"d/x", b"d/y"), ())
    assert hidden(layer(whiteout("d")), layer(opaque("d"))) == ((b"d",), ())


def test_a_marker_that_hides_nothing_is_not_called_hidden() -> None:
    sides = layer(whiteout("nothing")), layer("b")
    assert hidden(*sides) == ((), (b"nothing",))
    before, after = (analyzed(BELOW, side) for side in sides)
    sentence = why_changed(layer_difference(before, after, pair_layers(before, after)[1]))
    assert "hidden on one side only" not in sentence
    assert "1 whiteout in one tar only, without effect on what is seen: /nothing" in sentence


def test_the_same_hidden_in_another_way_is_not_hidden_on_one_side_only() -> None:
    assert hidden(layer(whiteout("d/x"), whiteout("d/y")), layer(opaque("d"))) == ((), (b"d", b"d/x", b"d/y"))


# What a container sees


def told(tmp_path: Path, capsys: pytest.CaptureFixture[str], old: Layer, new: Layer, *top: Layer) -> str:
    """The output of `diff` as one line."""
    paths = [written(tmp_path / f"{name}.tar", BASE, side, *top) for name, side in (("old", old), ("new", new))]
    return " ".join(" ".join(ran(capsys, "diff", *paths).lines).split())


@pytest.mark.parametrize(
    ("old", "new", "aspect"),
    [
        (file("x", b"1"), file("x", b"2"), "content"),
        (file("x"), fifo("x"), "kind"),
        (symlink("x", "a"), fifo("x", mode=0o777), "kind"),
        (char("x", device=(1, 3)), char("x", device=(1, 5)), "device"),
        (file("x", xattrs={"user.a": b"1"}), file("x"), "xattrs"),
        (directory("x", xattrs={"user.a": b"1"}), directory("x", mtime=1), "xattrs"),
    ],
)
def test_the_same_files_are_never_said_after_a_list_of_differing_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: Member, new: Member, aspect: str
) -> None:
    out = told(tmp_path, capsys, layer(old), layer(new))
    assert "same files" not in out
    assert out.endswith(f"~ +0 B /x ({aspect})")


def test_directories_whose_times_differ_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = told(tmp_path, capsys, layer(directory("d", mtime=1)), layer(directory("d", mtime=2)))
    assert "only times differ, of 1 path: /d" in out
    assert out.endswith("No path was added, removed or modified, but the time of 1 directory differs.")


def test_what_a_later_layer_of_both_hides_is_said_not_to_be_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = told(tmp_path, capsys, layer(file("x", b"1")), layer(file("x", b"2")), layer(whiteout("x")))
    assert "1 path with other content: /x" in out
    assert out.endswith("A container sees the same files in both; later layers hide what differs.")


# Equal layers


def of_config(tmp_path: Path, name: str, **fields: object) -> str:
    """An archive of one layer with these fields in its config."""
    tar = layer("a").tar()
    settings = {"Env": ["PATH=/bin", "A=1"], "Cmd": ["sh"], "Labels": {"l": "1"}}
    documents = json.loads(config(tar)) | {"config": settings, "created": "2024-01-01T00:00:00Z"}
    return write_tar(tmp_path / name, saved(tar, settings=json.dumps(documents | fields).encode()))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "Layers and config are the same: they are one image."),
        ({"created": "2025-01-01T00:00:00Z"}, "The layers are the same. What differs: config: created."),
        (
            {"config": {"Env": ["PATH=/bin", "A=2", "B=\x1b"], "Cmd": ["bash"], "Labels": {"l": "2"}}},
            "The layers are the same. What differs: config: config.Cmd, config.Env (A, B), config.Labels (l).",
        ),
        (
            {"config": {"Env": ["A=1", "PATH=/bin"], "Cmd": ["sh"], "Labels": {"l": "1"}}},
            "The layers are the same. What differs: config: config.Env (in another order).",
        ),
        (
            {"history": [{"created_by": "another"}]},
            "The layers are the same. What differs: the history's text of 1 step (1).",
        ),
        (
            {"history": [{"created_by": "step 1"}, {"created_by": "ENV", "empty_layer": True}]},
            "the number of the history's steps.",
        ),
    ],
)
def test_images_of_equal_layers_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fields: dict[str, object], reason: str
) -> None:
    old, new = of_config(tmp_path, "old.tar"), of_config(tmp_path, "new.tar", **fields)
    assert " ".join(ran(capsys, "diff", old, new).out.split()).endswith(reason)


def test_another_compression_is_the_reason_and_json_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / name for name in ("gzip", "zstd")]
    for path in paths:
        path.write_bytes(image(layer("a"), layer("b"), compress=path.name, fmt="oci"))  # type: ignore[arg-type]
    out = " ".join(ran(capsys, "diff", *paths).out.split())
    assert out.endswith("The layers are the same. What differs: compression: layers 1, 2 (gzip → zstd).")
    assert json.loads(ran(capsys, "diff", *paths, "--json").out)["documents"] == {
        "config_fields": [],
        "history_steps": [],
        "is_history_longer": False,
        "stored_otherwise": [{"layer": number, "old": "gzip", "new": "zstd"} for number in (1, 2)],
        "same_config": True,
        "same_manifest": False,
    }


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
    assert lines[-3:] == ["~ +2.00 kB /a", "- -500 B /gone", "~ +0 B /t (time)"]


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
        {"path": "/a", "change": "modified", "differs": ["size"], "old_bytes": 1000, "new_bytes": 3000, "grown_bytes": 2000},
        {"path": "/gone", "change": "removed", "differs": [], "old_bytes": 500, "new_bytes": None, "grown_bytes": -500},
        {"path": "/t", "change": "modified", "differs": ["time"], "old_bytes": 1, "new_bytes": 1, "grown_bytes": 0},
    ]
    assert document["waste_by_cause"]["deleted"] == {"old": 0, "new": 700}


def test_a_damaged_image_is_said_and_exits_with_2(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = write_tar(tmp_path / "broken.tar", saved(layer("base").tar(), layer(file("a", bytes(3000))).tar()[:1500]))
    done = ran(capsys, "diff", old, broken)
    assert done.code == 2
    assert "layer 2 (" in done.err
    assert "Layers" in done.out


@pytest.mark.slow
def test_hostile_names_stay_text(tmp_path: Path) -> None:
    names = ("\x1b[2J", "]]>", "\u202e", "\udcff", "\n")
    old = written(tmp_path / "old\x1b.tar", layer(*(file(f"d/{name}", b"1") for name in names)))
    new = written(tmp_path / "new.tar", layer(*(file(f"d/{name}", b"22") for name in names)))
    for option in ((), ("--json",)):
        done = process("diff", old, new, *option)
        assert done.returncode == 0
        assert all(line.isprintable() for line in done.stdout.decode().splitlines())


@pytest.mark.slow
def test_two_files_are_compared_without_loading_what_registries_need(tmp_path: Path) -> None:
    place = written(tmp_path / "image.tar", BASE)
    run = f"import sys; from layerscope.cli.main import run; run(['diff', {str(place)!r}, {str(place)!r}]); "
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            run + "print([each for each in sys.modules if each.startswith('layerscope.sources.registry.t')])",
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    assert told.stdout.splitlines()[-1] == "[]"
