"""`layerscope ls`: the contract of its JSON, key by key, and what people see."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from support.commands import ran, written
from support.image_builder import block, char, directory, fifo, file, hardlink, layer, symlink
from support.sources_build import saved, write_tar

EVERYTHING = layer(
    directory("dev", mode=0o755),
    char("dev/null", mode=0o666),
    block("dev/sda", mode=0o660, gid=6),
    fifo("pipe", mode=0o600),
    file("bin/tool", b"12345", mode=0o4755, uid=1000, gid=100, mtime=86400),
    hardlink("bin/other", "bin/tool", mode=0o4755, uid=1000, gid=100, mtime=86400),
    symlink("link", "bin/tool"),
)
KEYS = ["path", "type", "mode", "uid", "gid", "size", "mtime", "linkname", "device", "xattrs", "layer", "change"]
SECOND = layer("new", file("bin/tool", b"123"), ".wh.pipe")
LAYERS = (EVERYTHING, SECOND)


def nodes(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    """The objects of `ls --json`, by path."""
    done = ran(capsys, "ls", *arguments, "--json")
    assert (done.code, done.err) == (0, "")
    return {each["path"]: each for each in done.objects}


def test_every_node_but_the_root_is_one_object_a_line_in_tree_order(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(nodes(capsys, archive)) == [
        "/bin",
        "/bin/other",
        "/bin/tool",
        "/dev",
        "/dev/null",
        "/dev/sda",
        "/link",
        "/new",
    ]


def test_every_object_has_these_keys_in_this_order(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [list(each) for each in nodes(capsys, archive).values()] == [KEYS] * 8


def test_each_sort_of_node_has_its_type(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = nodes(capsys, archive, "--layer", "1")
    assert {path: each["type"] for path, each in found.items()} == {
        "/bin": "directory",
        "/bin/other": "file",
        "/bin/tool": "file",
        "/dev": "directory",
        "/dev/null": "char",
        "/dev/sda": "block",
        "/link": "symlink",
        "/pipe": "fifo",
    }


def test_mode_is_four_octal_digits_and_the_rest_are_numbers(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nodes(capsys, archive, "--layer", "1")["/bin/tool"] == {
        "path": "/bin/tool",
        "type": "file",
        "mode": "4755",
        "uid": 1000,
        "gid": 100,
        "size": 5,
        "mtime": 86400,
        "linkname": "",
        "device": None,
        "xattrs": [],
        "layer": 1,
        "change": "added",
    }
    assert nodes(capsys, archive)["/bin/tool"]["mode"] == "0644"


def test_a_parent_that_no_entry_names_is_null_where_nothing_is_known(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parent = nodes(capsys, archive)["/bin"]
    assert {key for key, value in parent.items() if value is None} == {"mode", "uid", "gid", "mtime", "device", "layer"}
    assert (parent["type"], parent["size"], parent["linkname"]) == ("directory", 0, "")


def test_a_hard_link_is_a_file_with_the_size_of_its_content(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = nodes(capsys, archive)["/bin/other"]
    assert (other["type"], other["size"], other["linkname"]) == ("file", 5, "")


def test_a_device_has_its_numbers(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = nodes(capsys, archive)
    assert (found["/dev/null"]["device"], found["/dev/sda"]["device"], found["/new"]["device"]) == ([1, 3], [7, 0], None)
    lines = {line.split()[-1]: line for line in ran(capsys, "ls", archive).lines}
    assert lines["/dev/null"] == "  crw-rw-rw- 0:0             1, 3  1970-01-01 00:00 /dev/null"


def test_a_device_number_that_is_no_number_is_a_problem_and_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tar = bytearray(layer(char("tty", device=(5, 0)), tar_format=tarfile.USTAR_FORMAT).tar())
    tar[329:336], tar[148:156] = b"garbage", b" " * 8
    tar[148:156] = b"%06o\0 " % sum(tar[:512])
    broken = write_tar(tmp_path / "broken.tar", saved(bytes(tar)))
    assert nodes(capsys, broken)["/tty"]["device"] is None
    assert "tty: its device number is not a number" in ran(capsys, broken).out


def test_extended_attributes_are_named_and_a_hard_link_has_those_of_its_content(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = (file("ping", b"1", xattrs={"user.\x1b": b"1", "security.capability": b"2"}), hardlink("link", "ping"))
    many = {f"user.{n}": b"1" for n in range(9)} | {"user.empty": b""}  # not shown: empty
    archive = written(tmp_path / "image.tar", layer(*members, file("many", xattrs=many)))
    found = nodes(capsys, archive)
    assert found["/ping"]["xattrs"] == found["/link"]["xattrs"] == ["security.capability", "user.\\x1b"]
    lines = ran(capsys, "ls", archive).lines
    assert [line.partition("/")[2] for line in lines] == [
        "link  (xattrs: security.capability, user.\\x1b)",
        "many  (xattrs: user.0, user.1, user.2, user.3, user.4 and 4 more)",
        "ping  (xattrs: security.capability, user.\\x1b)",
    ]
    assert "(xattrs: security.capability, user.\\x1b)" in ran(capsys, "blame", archive, "/ping").lines[0]


def test_a_symlink_says_where_it_leads(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = nodes(capsys, archive)["/link"]
    assert (link["linkname"], link["size"], link["mode"]) == ("bin/tool", 0, "0777")


def test_layer_is_the_one_whose_entry_is_seen(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {path: each["layer"] for path, each in nodes(capsys, archive).items() if each["layer"] == 2} == {
        "/bin/tool": 2,
        "/new": 2,
    }


def test_change_is_what_the_asked_layer_did(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {each["change"] for each in nodes(capsys, archive, "--layer", "1").values()} == {"added"}
    changes = {path: each["change"] for path, each in nodes(capsys, archive).items()}
    assert {path: word for path, word in changes.items() if word != "unchanged"} == {"/bin/tool": "modified", "/new": "added"}


def test_only_what_is_below_a_path_is_listed(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(nodes(capsys, archive, "/dev")) == ["/dev/null", "/dev/sda"]
    assert list(nodes(capsys, archive, "dev/")) == ["/dev/null", "/dev/sda"]


def test_a_path_that_is_no_directory_is_listed_itself(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(nodes(capsys, archive, "/new")) == ["/new"]
    assert list(nodes(capsys, archive, "/link")) == ["/bin/tool"]


def test_names_that_are_not_utf8_have_escapes_and_base64(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = nodes(capsys, written(tmp_path / "image.tar", layer(b"caf\xe9", symlink("l", b"to\xff"), "\\xe9")))
    assert (found["/caf\\xe9"]["path_base64"], found["/caf\\xe9"]["type"]) == ("L2NhZuk=", "file")
    assert (found["/l"]["linkname"], found["/l"]["linkname_base64"]) == ("to\\xff", "dG//")
    assert "path_base64" not in found["/\\xe9"]


def test_times_before_1970_and_far_ahead_are_whole_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = written(tmp_path / "image.tar", layer(file("old", mtime=-86400), file("far", mtime=10**15)))
    assert [each["mtime"] for each in nodes(capsys, place).values()] == [10**15, -86400]
    assert "1969-12-31 00:00 /old" in ran(capsys, "ls", place).out


def test_people_see_change_mode_owner_size_time_and_path(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "ls", archive).out == (
        "  d????????? -:-                   -                /bin\n"
        "  -rwsr-xr-x 1000:100         5 B  1970-01-02 00:00 /bin/other\n"
        "~ -rw-r--r-- 0:0              3 B  1970-01-01 00:00 /bin/tool\n"
        "  drwxr-xr-x 0:0                   1970-01-01 00:00 /dev\n"
        "  crw-rw-rw- 0:0             1, 3  1970-01-01 00:00 /dev/null\n"
        "  brw-rw---- 0:6             7, 0  1970-01-01 00:00 /dev/sda\n"
        "  lrwxrwxrwx 0:0                   1970-01-01 00:00 /link -> bin/tool\n"
        "+ -rw-r--r-- 0:0             15 B  1970-01-01 00:00 /new\n"
    )


def test_a_path_that_is_not_there_is_answered_with_a_near_one(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "ls", archive, "/bin/tol")
    assert (done.code, done.out) == (2, "")
    assert "/bin/tool" in done.err


def test_a_layer_that_is_not_there_is_refused(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "ls", archive, "--layer", "3").err == "layerscope: --layer 3: the image has 2 layers\n"
    assert ran(capsys, "ls", archive, "--layer", "0").code == 2


def test_an_image_without_layers_lists_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "ls", written(tmp_path / "image.tar"))
    assert (done.code, done.out, done.err) == (0, "", "")
