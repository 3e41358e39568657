"""`cat`, `extract` and `verify` as they are typed: what is printed where, and the exit codes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from layerscope.cli.main import run
from support.image_builder import char, file, layer, symlink, write_layout

TEXT = "héllo\tworld\n\x1b[31mred\x07\r\n".encode()
LAYERS = (
    layer(
        file("etc/text", TEXT),
        file("bin/tool", b"\x7fELF\0\0" + bytes(range(256)) * 3000),
        symlink("link", "/etc/text"),
        char("dev/null"),
    ),
    layer(file("etc/text", b"newer\n")),
)


@pytest.fixture
def archive(archive: Path) -> str:
    return str(archive)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "layerscope", *arguments]


def on_terminal(*arguments: str) -> tuple[bytes, int]:
    """What a terminal gets, and the exit code."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(*arguments), stdout=theirs, stderr=theirs, env={**os.environ, "PYTHONUTF8": "1"}) as process:
        os.close(theirs)
        shown = b""
        while piece := _read(ours):
            shown += piece
    os.close(ours)
    return shown, process.returncode


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux: the other side was closed
        return b""


# cat


@pytest.mark.parametrize("path", ["/etc/text", "etc/text", "/link"])
def test_a_file_is_printed_byte_for_byte(path: str, archive: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["cat", archive, path, "--layer", "1"]) == 0
    assert capfdbinary.readouterr() == (TEXT, b"")


def test_the_last_layer_is_printed_by_default(archive: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["cat", archive, "/link"]) == 0
    assert capfdbinary.readouterr().out == b"newer\n"


def test_control_characters_do_not_reach_a_terminal(archive: str) -> None:
    shown, code = on_terminal("cat", archive, "/etc/text", "--layer", "1")
    assert code == 0
    assert shown.replace(b"\r\n", b"\n") == "héllo\tworld\n\\x1b[31mred\\x07\\x0d\n".encode()


def test_binary_content_is_kept_from_a_terminal(archive: str) -> None:
    shown, code = on_terminal("cat", archive, "/bin/tool")
    assert code == 2
    assert shown.startswith(b"layerscope: /bin/tool is binary; redirect it to a file: ")


@pytest.mark.parametrize(("path", "noun"), [("/", "a directory"), ("/etc", "a directory"), ("/dev/null", "a character device")])
def test_only_files_are_printed(path: str, noun: str, archive: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cat", archive, path]) == 2
    assert capsys.readouterr() == ("", f"layerscope: {path} is {noun}; only files can be printed\n")


def test_a_missing_file_is_explained(archive: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cat", archive, "/etc/test"]) == 2
    assert capsys.readouterr().err == "layerscope: /etc/test is not in the image; did you mean `/etc/text`?\n"


# extract


def test_extracting_says_what_it_did(archive: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["extract", archive, "/", str(tmp_path / "root")]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"extracted 3 files, 768 kB to {tmp_path}/root; 1 device left out\n")
    assert (tmp_path / "root/etc/text").read_bytes() == b"newer\n"


def test_extracting_twice_needs_force(archive: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["extract", archive, "/etc/text", str(tmp_path), "--layer", "1"]
    assert run(arguments) == 0
    assert run(arguments) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"layerscope: {tmp_path}/text already exists; nothing was written (--force replaces files)"
    assert run([*arguments, "--force"]) == 0
    assert (tmp_path / "text").read_bytes() == TEXT


# verify


def test_a_sound_image_is_verified(archive: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", archive]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["ok", "layer", "1"], ["ok", "layer", "2"]]
    assert all(line.startswith("ok      ") and len(line) < 80 for line in lines)


def test_a_changed_blob_fails_and_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = write_layout(tmp_path / "layout", *LAYERS, compress="gzip")
    largest = max((layout / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[4] ^= 1  # the time in gzip's header, which unpacks to the same bytes
    largest.write_bytes(data)
    assert run(["verify", str(layout)]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[2].startswith(f"FAILED  layer 1 digest                sha256:{largest.name[:12]} is sha256:")
    assert err == "layerscope: 1 of 6 checks failed\n"


def test_checks_are_one_json_object_a_line(archive: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", archive, "--json"]) == 0
    checks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [check["ok"] for check in checks] == [True, True, True]
    assert set(checks[0]) == {"what", "expected", "actual", "ok", "note"}
    assert checks[0]["what"] == "config"
