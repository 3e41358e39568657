"""An image whose every text would act on a terminal: no command lets any of it through."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.commands import on_terminal, ran
from support.image_builder import Member, char, directory, fifo, file, hardlink, layer, raw, symlink, whiteout
from support.sources_build import Layout, config, saved, tar, write_directory

SIGNS = [
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\n",
    "\r",
    "\t",
    "\b",
    "\x7f",
    "\x9b31m",
    "\x85",
    "\u202e",
    "\u2066",
    "\u200b",
    "\u2028",
    "\ufeff",
    "\U000e0041",
    "\ue000",
]
BYTES = [b"\xff\xfe", b"\xc3", b"\x9b31m", b"\xed\xa0\x80"]
ALL = "evil" + "".join(SIGNS)
NAMES = [f"n{number}{sign}x".encode() for number, sign in enumerate(SIGNS)] + [b"b" + each for each in BYTES]
COMMANDS = [
    "{image}",
    "{image} --json -",
    "{image} --base 1",
    "{image} --base {image}",
    "ls {image}",
    "ls {image} --json",
    "ls {image} --layer 1",
    "ls {image} --layer 1 --json",
    "ls {image} /nosuch",
    "ls {image} /links/0",
    "find {image} *",
    "find {image} * --json",
    "find {image} /n[0-9]/",
    "blame {image} /{first}",
    "blame {image} /{first} --json",
    "blame {image} /n1",
    "waste {image}",
    "waste {image} --json",
    "waste {image} --by cause",
    "waste {image} --by layer",
    "waste {image} --by layer --json",
    "waste {image} --by directory",
    "waste {image} --by directory --json",
    "verify {image}",
    "verify {image} --json",
    "cat {image} /links/0",
    "cat {image} /links/1",
    "cat {image} /dir",
    "cat {image} /n0",
    "extract {image} / {out}",
    "extract {image} /dir {out}",
    "extract {image} /{first} {out}",
    "{image}:nosuch",
    "{image} --platform no/such",
]


def layers() -> list[bytes]:
    """Every sort of entry under every sort of name, some of it buried, some of it damaged."""
    members: list[str | bytes | Member] = [file(name, b"content " * 50) for name in NAMES]
    members += [file(b"dir" + name + b"/" + name, b"inside") for name in NAMES]
    members += [symlink(f"links/{number}", name) for number, name in enumerate(NAMES)]
    members += [hardlink(b"hard" + name, name) for name in NAMES[::5]]
    members += [hardlink(b"lost" + name, b"nowhere" + name) for name in NAMES]
    members += [fifo("fifo" + ALL), char("char" + ALL), directory("dir")]
    members += [file("attributes" + ALL, b"", xattrs={"user.evil": ALL.encode()}), "dir/.wh.", "dir" + ALL + "/.wh."]
    first = layer(*members).tar()
    second = layer(*(whiteout(name) for name in NAMES[::2]), *(file(name, b"other") for name in NAMES[1::2])).tar()
    third = layer("a" + ALL, "b", "x" * 300 + ALL).tar()
    return [first, second, third[: len(third) // 2]]


def settings(stored: list[bytes]) -> bytes:
    history = [{"created": ALL, "created_by": f"RUN {ALL}{number}", "comment": ALL} for number in range(len(stored))]
    platform = {"os": ALL, "architecture": ALL, "variant": ALL}
    labels = {"Labels": {ALL: ALL}, "Env": [ALL], "Cmd": [ALL], "User": ALL}
    return config(*stored, platform=platform, created=ALL, author=ALL, config=labels, history=history)


def saved_image(path: Path) -> Path:
    stored = layers()
    place = path / "image.tar"
    place.write_bytes(tar(saved(*stored, tags=(ALL + ":1",), settings=settings(stored))))
    return place


def layout_image(path: Path) -> Path:
    stored, layout = layers(), Layout()
    annotations = {"org.opencontainers.image.base.name": ALL, ALL: ALL}
    names = {"org.opencontainers.image.ref.name": ALL}
    found = layout.image(*stored, settings=settings(stored), names=names, changes={"annotations": annotations})
    place = path / "layout"
    place.mkdir()
    write_directory(place, layout.files(found))
    return place


def assert_harmless(text: str) -> None:
    assert [line for line in text.split("\n") if not line.isprintable()] == []


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("make", [saved_image, layout_image])
def test_no_command_lets_a_control_character_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: object, command: str
) -> None:
    assert callable(make)
    place = make(tmp_path)
    first = NAMES[1].decode("utf-8", "surrogateescape")
    arguments = [each.format(image=place, first=first, out=tmp_path / "out") for each in command.split()]
    done = ran(capsys, *arguments)
    assert done.code in (0, 1, 2)
    if arguments[0] != "cat":  # whose output is the file's own
        assert_harmless(done.out)
    assert_harmless(done.err)
    if "--json" in arguments:
        assert [json.loads(line) for line in done.lines]


def test_what_json_hides_it_still_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = saved_image(tmp_path)
    found = json.loads(ran(capsys, place, "--json", "-").out)
    assert found["image"]["name"] == ALL + ":1"
    assert found["image"]["config"]["author"] == ALL
    assert found["layers"][0]["created_by"] == f"RUN {ALL}0"
    paths = {each["path"] for each in ran(capsys, "ls", place, "--layer", "1", "--json").objects}
    assert {f"/n{number}{sign}x" for number, sign in enumerate(SIGNS)} <= paths


@pytest.mark.parametrize("command", [[], ["ls"], ["find", "*"], ["waste"], ["ls", "--json"]])
def test_a_terminal_gets_no_escape_but_ours(tmp_path: Path, command: list[str]) -> None:
    place = saved_image(tmp_path)
    shown, _ = on_terminal(*command[:1], place, *command[1:], settings={"NO_COLOR": "1"})
    assert_harmless(shown.replace("\r\x1b[K", "\n"))  # progress, on a slow machine


def test_a_file_on_a_terminal_is_escaped_too(tmp_path: Path) -> None:
    place = tmp_path / "image.tar"
    place.write_bytes(tar(saved(layer(file("f", raw(ALL) + b"\xff\x9b")).tar())))
    shown, code = on_terminal("cat", place, "/f")
    assert code == 0
    assert_harmless(shown.replace("\t", ""))
