"""`layerscope blame` and `layerscope find`: every version of a path, dead ones too."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import ran, written
from support.image_builder import directory, file, layer, symlink

LAYERS = (
    layer(file("etc/conf", b"12345", mode=0o600, uid=1, gid=2), "etc/other.conf", symlink("link", "etc"), "gone"),
    layer(file("etc/conf", b"123"), ".wh.gone"),
    layer("etc/.wh.conf", directory("etc", mode=0o700)),
    layer("gone", "gone"),
)


def test_blame_shows_every_version_with_its_layer_change_and_instruction(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(capsys, "blame", archive, "/etc/conf").out == (
        "+ layer 1   added     -rw------- 1:2              5 B  1970-01-01 00:00  (until layer 2)\n"
        "      step 1\n"
        "~ layer 2   modified  -rw-r--r-- 0:0              3 B  1970-01-01 00:00  (until layer 3)\n"
        "      step 2\n"
        "- layer 3   removed\n"
        "      step 3\n"
    )


def test_blame_tells_programs_the_same(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = ran(capsys, "blame", archive, "etc/conf", "--json").objects
    assert first == {
        "path": "/etc/conf",
        "type": "file",
        "mode": "0600",
        "uid": 1,
        "gid": 2,
        "size": 5,
        "mtime": 0,
        "linkname": "",
        "device": None,
        "xattrs": [],
        "layer": 1,
        "change": "added",
        "is_shadowed": False,
        "buried_by": 2,
        "instruction": "step 1",
        "comment": "",
        "author": "",
    }
    assert (second["layer"], second["change"], second["size"], second["buried_by"]) == (2, "modified", 3, 3)
    assert (third["layer"], third["change"], third["buried_by"]) == (3, "removed", None)


def test_a_path_that_came_back_has_a_gap(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(capsys, "blame", archive, "/gone", "--json").objects
    assert [(each["layer"], each["change"], each["is_shadowed"]) for each in found] == [
        (1, "added", False),
        (2, "removed", False),
        (4, "added", True),
        (4, "added", False),
    ]
    assert "(shadowed: the same layer holds the path again)" in ran(capsys, "blame", archive, "/gone").out


def test_blame_follows_links_to_a_path_that_is_seen(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(capsys, "blame", archive, "/link/other.conf", "--json").objects
    assert [each["path"] for each in found] == ["/etc/other.conf"]


def test_blame_of_a_link_is_about_the_link(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "blame", archive, "/link")
    assert "lrwxrwxrwx" in done.out
    assert " -> etc" in done.out


def test_blame_of_a_path_that_never_was_suggests_another(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "blame", archive, "/etc/other.cnf")
    assert (done.code, done.out) == (2, "")
    assert "/etc/other.conf" in done.err


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("conf", ["/etc/conf", "/etc/conf"]),
        ("*conf", ["/etc/conf", "/etc/conf", "/etc/other.conf"]),
        ("CONF", []),
        ("/*", ["/etc", "/etc", "/gone", "/gone", "/gone", "/link"]),
        ("/**/conf", ["/etc/conf", "/etc/conf"]),
        ("etc/*.conf", ["/etc/other.conf"]),
        ("con[a-f]", ["/etc/conf", "/etc/conf"]),
        ("con[!f]", []),
        ("???f", ["/etc/conf", "/etc/conf"]),
        ("/conf$/", ["/etc/conf", "/etc/conf", "/etc/other.conf"]),
        ("/^.etc.[a-d]/", ["/etc/conf", "/etc/conf"]),
        ("/(?i)CONF$/", ["/etc/conf", "/etc/conf", "/etc/other.conf"]),
        ("**", ["/etc", "/etc", "/etc/conf", "/etc/conf", "/etc/other.conf", "/gone", "/gone", "/gone", "/link"]),
    ],
)
def test_find_lists_every_version_of_what_fits(
    archive: Path, capsys: pytest.CaptureFixture[str], pattern: str, found: list[str]
) -> None:
    done = ran(capsys, "find", archive, pattern, "--json")
    assert done.code == 0
    assert [each["path"] for each in done.objects] == found


def test_find_tells_the_dead_from_the_living(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(capsys, "find", archive, "*conf", "--json").objects
    assert [(each["path"], each["layer"], each["buried_by"]) for each in found] == [
        ("/etc/conf", 1, 2),
        ("/etc/conf", 2, 3),
        ("/etc/other.conf", 1, None),
    ]


def test_find_shows_people_one_line_a_version(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "find", archive, "conf").out == (
        "layer 1   -rw------- 1:2              5 B  1970-01-01 00:00 /etc/conf  (until layer 2)\n"
        "layer 2   -rw-r--r-- 0:0              3 B  1970-01-01 00:00 /etc/conf  (until layer 3)\n"
    )


def test_names_that_are_not_utf8_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = written(tmp_path / "image.tar", layer(b"caf\xe9"))
    assert [each["path_base64"] for each in ran(capsys, "find", place, "caf?", "--json").objects] == ["L2NhZuk="]
    assert [each["path_base64"] for each in ran(capsys, "find", place, "caf\udce9", "--json").objects] == ["L2NhZuk="]


@pytest.mark.parametrize("pattern", ["/[/", "/(/", "/*/"])
def test_a_pattern_that_cannot_be_read_is_refused(archive: Path, capsys: pytest.CaptureFixture[str], pattern: str) -> None:
    done = ran(capsys, "find", archive, pattern)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"layerscope: the pattern '{pattern}' cannot be read: ")
