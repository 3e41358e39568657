"""`layerscope waste`: the same bytes, added up in four ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import ran, written
from support.image_builder import file, layer

LAYERS = (
    layer(file("a/b/x", b"1" * 100), file("a/c/y", b"2" * 50), file("z", b"3" * 30), "keep"),
    layer("a/.wh.b", file("z", b"4" * 31)),
    layer("a/.wh.c"),
)
INSTRUCTIONS = ["step 2", "step 3"]


def test_waste_is_listed_by_path_biggest_first(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "waste", archive)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "   100 B  deleted        1 → 2    /a/b/x\n"
        "    50 B  deleted        1 → 3    /a/c/y\n"
        "    30 B  overwritten    1 → 2    /z\n"
    )
    assert ran(capsys, "waste", archive, "--by", "path").out == done.out


def test_waste_by_path_for_programs(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "waste", archive, "--json").objects == [
        {"path": "/a/b/x", "bytes": 100, "cause": "deleted", "written_by": 1, "buried_by": 2, "is_base": None},
        {"path": "/a/c/y", "bytes": 50, "cause": "deleted", "written_by": 1, "buried_by": 3, "is_base": None},
        {"path": "/z", "bytes": 30, "cause": "overwritten", "written_by": 1, "buried_by": 2, "is_base": None},
    ]


def test_waste_by_cause(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "waste", archive, "--by", "cause").out == (
        "   150 B  deleted            2 versions  removed later; every pull still carries it\n"
        "    30 B  overwritten         1 version  replaced later by other content\n"
    )
    assert ran(capsys, "waste", archive, "--by", "cause", "--json").objects == [
        {"cause": "deleted", "bytes": 150, "versions": 2, "is_base": None},
        {"cause": "overwritten", "bytes": 30, "versions": 1, "is_base": None},
    ]


def test_waste_by_layer_is_by_the_pair_of_layers_and_cause(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "waste", archive, "--by", "layer").out == (
        "   100 B  deleted        1 → 2           1 version  step 2\n"
        "    50 B  deleted        1 → 3           1 version  step 3\n"
        "    30 B  overwritten    1 → 2           1 version  step 2\n"
    )
    first = ran(capsys, "waste", archive, "--by", "layer", "--json").objects[0]
    assert first == {
        "written_by": 1,
        "buried_by": 2,
        "cause": "deleted",
        "bytes": 100,
        "versions": 1,
        "buried_by_instruction": "step 2",
        "buried_by_comment": "",
        "buried_by_author": "",
        "is_base": None,
    }


def test_waste_by_directory_counts_all_below_it(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(capsys, "waste", archive, "--by", "directory", "--json").objects
    assert {each["path"]: (each["bytes"], each["versions"]) for each in found} == {
        "/": (180, 3),
        "/a": (150, 2),
        "/a/b": (100, 1),
        "/a/c": (50, 1),
    }
    assert ran(capsys, "waste", archive, "--by", "directory").lines[0] == "   180 B        3 versions  /"


@pytest.mark.parametrize("by", ["path", "cause", "layer", "directory"])
def test_a_limit_keeps_the_biggest(archive: Path, capsys: pytest.CaptureFixture[str], by: str) -> None:
    whole = ran(capsys, "waste", archive, "--by", by, "--json").lines
    assert ran(capsys, "waste", archive, "--by", by, "--json", "--limit", "1").lines == whole[:1]
    assert ran(capsys, "waste", archive, "--by", by, "--limit", "0").out == ""


@pytest.mark.parametrize("by", ["path", "cause", "layer"])
def test_every_way_adds_up_to_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path, by: str) -> None:
    ran(capsys, "demo", "--save", tmp_path / "demo.tar")
    whole = sum(each["bytes"] for each in ran(capsys, "waste", tmp_path / "demo.tar", "--json").objects)
    assert sum(each["bytes"] for each in ran(capsys, "waste", tmp_path / "demo.tar", "--by", by, "--json").objects) == whole


@pytest.mark.parametrize("by", ["path", "cause", "layer", "directory"])
def test_an_image_without_waste_lists_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str], by: str) -> None:
    done = ran(capsys, "waste", written(tmp_path / "image.tar", layer("a")), "--by", by)
    assert (done.code, done.out) == (0, "")


def test_paths_are_never_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "n" * 300
    place = written(tmp_path / "image.tar", layer(name), layer(f".wh.{name}"))
    assert name in ran(capsys, "waste", place).out


def test_damage_is_said_and_what_can_be_counted_is_shown(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(b"a/.wh.c", b"a/.wh.d", 1))  # the header's checksum no longer fits
    done = ran(capsys, "waste", archive)
    assert done.code == 2
    assert "/a/b/x" in done.out
    assert "layer 3" in done.err


def test_what_the_base_buries_comes_after_yours_and_is_marked(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(capsys, "waste", archive, "--base", "2", "--json").objects
    assert [(each["path"], each["is_base"]) for each in found] == [("/a/c/y", False), ("/a/b/x", True), ("/z", True)]
    lines = ran(capsys, "waste", archive, "--base", "2").lines
    assert [line.endswith("  (base)") for line in lines] == [False, True, True]
    causes = ran(capsys, "waste", archive, "--base", "2", "--by", "cause", "--json").objects
    assert [(each["cause"], each["bytes"], each["is_base"]) for each in causes] == [
        ("deleted", 50, False),
        ("deleted", 100, True),
        ("overwritten", 30, True),
    ]
