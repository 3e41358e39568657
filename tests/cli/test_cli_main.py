"""The command line as a whole: exit codes, sentences for mistakes, help."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from layerscope import __version__
from layerscope.cli.help import REPORT, SUMMARIES
from layerscope.cli.main import APOLOGY, COMMANDS, run
from support.commands import COMMAND, environment, process, ran, shell, written
from support.image_builder import file, image, layer
from support.sources_build import layer_tar, saved, tar

LAYERS = (layer("a", "b"), layer(".wh.a"))

NAMES = [name for name in COMMANDS if name != REPORT]


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Usage: layerscope ")
    assert all(f"  {name} " in done.out for name in NAMES)


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "--version").out == f"layerscope {__version__}\n"


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_each_command_has_an_example_of_it(capsys: pytest.CaptureFixture[str], name: str) -> None:
    done = ran(capsys, name, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: layerscope {name} ")
    assert f"\n    layerscope {name}" in done.out.partition("Example")[2]


def test_the_help_of_the_report_does_not_call_it_by_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    out = ran(capsys, "image.tar", "--help").out
    assert out.startswith("Usage: layerscope [OPTIONS] IMAGE\n")
    assert "\n    layerscope image.tar " in out.partition("Example")[2]


def test_every_command_has_a_summary() -> None:
    assert list(SUMMARIES) == NAMES


@pytest.mark.parametrize("name", ["--help", "--version", "ls --help", "report --help", "ci --help", "diff --help"])
def test_help_and_version_load_nothing_slow(name: str) -> None:
    script = f"""
import sys
from layerscope.cli.main import run
run({name.split()!r})
print([name for name in ("textual", "docker", "numpy", "zstandard", "msgspec") if name in sys.modules])
"""
    done = subprocess.run([COMMAND[0], "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["{archive}"],
        ["ls", "{archive}"],
        ["find", "{archive}", "nothing"],
        ["blame", "{archive}", "a"],
        ["waste", "{archive}"],
        ["cat", "{archive}", "b"],
        ["verify", "{archive}"],
        ["demo"],
        ["completion", "bash"],
        ["{archive}:test:1"],
        ["docker-archive:{archive}:test:1"],
        ["{archive}", "--platform", "linux/amd64"],
    ],
)
def test_what_was_done_exits_with_0_and_says_nothing_more(
    archive: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    done = ran(capsys, *[each.format(archive=archive) for each in arguments])
    assert (done.code, done.err) == (0, "")


def test_a_failed_verification_exits_with_1(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive.write_bytes(archive.read_bytes().replace(b"content of b", b"content of c"))
    assert ran(capsys, "verify", archive).code == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nope.tar"], "there is no file or directory nope.tar"),
        (["nginx:latest"], "docker save IMAGE | layerscope -"),
        ([""], "name an image"),
        (["{directory}/imag.tar"], "did you mean `{directory}/image.tar`?"),
        (["{archive}:tset:1"], "did you mean `test:1`?"),
        (["{archive}", "--platform", "x"], "is not a platform"),
        (["{archive}", "--platform", "plan9/arm"], "holds no plan9/arm image"),
        (["{archive}", "--base", "9"], "the image has only 2 layers"),
        (["ls", "{archive}", "--layer", "9"], "the image has 2 layers"),
        (["ls", "{archive}", "/bb"], "/bb is not in the image; did you mean `/b`?"),
        (["cat", "{archive}", "/a"], "removed by layer 2"),
        (["find", "{archive}", "/(/"], "cannot be read"),
        (["ls"], "missing argument 'IMAGE'. Try: layerscope ls --help"),
        (["ls", "{archive}", "--jsno"], "there is no option --jsno; did you mean `--json`? Try: layerscope ls --help"),
        (["{archive}", "--platfrom", "x"], "there is no option --platfrom; did you mean `--platform`? Try: layerscope --help"),
        (["--vesion"], "there is no option --vesion; did you mean `--version`?"),
        (["{archive}", "--zzz"], "there is no option --zzz. Try: layerscope --help"),
        (["{archive}", "more"], "got unexpected extra argument (more)"),
        (["waste", "{archive}", "--by", "size"], "'size' is not one of 'path', 'cause', 'layer', 'directory'"),
        (["waste", "{archive}", "--limit", "-1"], "-1 is not in the range"),
        (["ls", "{archive}", "--layer", "x"], "'x' is not a valid integer"),
        (["lss"], "did you mean the command `ls`?"),
        (["lss", "{archive}"], "did you mean the command `ls`?"),
        (["wastee", "{archive}", "--by", "layer"], "did you mean the command `waste`?"),
        (["balme", "{archive}", "/a"], "did you mean the command `blame`?"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
)
def test_what_could_not_be_done_exits_with_2_and_one_sentence(
    archive: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    places = {"archive": str(archive), "directory": str(archive.parent)}
    done = ran(capsys, *[each.format(**places) for each in arguments])
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("layerscope: ")
    assert done.err.count("\n") == 1
    assert sentence.format(**places) in done.err


def test_an_image_named_like_a_command_is_no_mistake(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = archive.rename(archive.with_name("lss"))
    assert "did you mean the command" not in ran(capsys, place, "more").err


def test_a_damaged_image_exits_with_2_and_shows_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "image.tar").write_bytes(tar(saved(layer_tar("a"), layer_tar("b", "c")[:1100])))
    done = ran(capsys, "ls", tmp_path / "image.tar")
    assert done.code == 2
    assert [line.split()[-1] for line in done.lines] == ["/a", "/b"]
    assert done.err.startswith(f"layerscope: {tmp_path}/image.tar: layer 2 (")


@pytest.mark.slow
def test_standard_input_is_an_image_too() -> None:
    done = process("-", stdin=image(layer("a")))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"test:1 ")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["-:test:1"], ["ls", "-:test:1", "/"], ["docker-archive:-"], ["cat", "-", "/a"]])
def test_standard_input_can_be_chosen_from_and_taken_by_each_command(arguments: list[str]) -> None:
    done = process(*arguments, stdin=image(layer("a")))
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize("stdin", [b"", b"hello", b"\0" * 20480])
def test_standard_input_that_is_no_image_is_refused(stdin: bytes) -> None:
    done = process("-", stdin=stdin)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"layerscope: standard input is not a container image: ")


def test_ctrl_c_while_a_slow_pipe_is_read_exits_with_130_and_without_a_traceback() -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, "-"], env=environment(), **pipes) as child:  # type: ignore[call-overload]
        _fill(child.stdin.fileno())
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130
        assert child.stdout.read() == b""
        assert child.stderr.read().strip() == b"layerscope: interrupted"


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_while_a_slow_pipe_is_read_exits_with_its_number(number: signal.Signals, code: int) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, "-"], env=environment(), **pipes) as child:  # type: ignore[call-overload]
        _fill(child.stdin.fileno())
        child.send_signal(number)
        child.send_signal(number)
        assert child.wait(30) == code
        assert child.stderr.read().strip() == f"layerscope: ended by {number.name}".encode()


DESTROYED = """
import signal, sys, time
from layerscope.cli.signals import Ended, raise_on_signals

class Object:
    def __del__(self):
        signal.raise_signal(int(sys.argv[1]))

raise_on_signals()
try:
    Object()
    time.sleep(60)
except (KeyboardInterrupt, Ended):
    print("seen")
"""


HALF_MADE = """
import signal, sys
from layerscope.cli.signals import Ended, raise_on_signals

class Response:
    def __init__(self):
        signal.raise_signal(int(sys.argv[1]))
        self.file = open("/dev/null")

    def __del__(self):
        self.file.close()

raise_on_signals()
try:
    Response()
except (KeyboardInterrupt, Ended):
    print("seen")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("program", [DESTROYED, HALF_MADE], ids=["destroyed", "half made"])
def test_a_signal_is_neither_lost_nor_talked_about_while_an_object_is_destroyed_or_made(
    program: str, number: signal.Signals
) -> None:
    done = subprocess.run([sys.executable, "-c", program, str(int(number))], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"seen\n", b"")


@pytest.mark.slow
def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *COMMAND, "-"]
    with subprocess.Popen(ignoring, env=environment(), **pipes) as child:  # type: ignore[call-overload]
        _fill(child.stdin.fileno())
        child.send_signal(signal.SIGHUP)
        child.stdin.close()
        assert child.wait(30) == 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_no_file_half_written(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(layer(file("big", b"x" * (300 << 20))), compress="zstd", fmt="oci"))
    out = tmp_path / "out"
    out.mkdir()
    with subprocess.Popen([*COMMAND, "extract", path, "/", out], env=environment(), stderr=subprocess.PIPE) as child:
        while child.poll() is None and not any(out.iterdir()):
            time.sleep(0.001)
        child.send_signal(number)
        assert child.wait(30) == 128 + number
    assert list(out.iterdir()) == []


SETTLED = 0.5
"""Seconds in which a command that was sent something is reading again, also on a busy machine."""


def _fill(pipe: int) -> None:
    """Write more of an archive than a pipe holds, so that the command is known to be reading; its end never comes.

    A signal that comes just before a system call blocks is not seen by Python until the call returns, so wait until the
    command has gone back to reading.
    """
    start = layer_tar("a" * 90)[:512] + bytes(1 << 20)
    while start:
        start = start[os.write(pipe, start) :]
    time.sleep(SETTLED)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["ls {} --layer 1", "ls {} --layer 1 --json", "find {} '*'", "find {} '*' --json"])
def test_a_reader_that_goes_away_ends_the_command_silently(tmp_path: Path, command: str) -> None:
    place = written(tmp_path / "image.tar", layer(*(f"{number:0100}" for number in range(3000))))
    done = shell(f"{{ $layerscope {command.format(place)}; echo code $? >&2; }} | head -1")
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b"code 141\n"


def test_a_full_disk_under_standard_output_is_an_error(archive: Path) -> None:
    done = shell(f"$layerscope {archive} > /dev/full")
    assert (done.returncode, done.stderr) == (2, b"layerscope: No space left on device\n")


@pytest.mark.slow
@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), ("<&-", 0)])
def test_a_closed_stream_is_no_traceback(archive: Path, closed: str, code: int) -> None:
    done = shell(f"$layerscope {archive} {closed}")
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.slow
def test_a_closed_standard_input_is_no_image() -> None:
    done = shell("$layerscope - <&-")
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)


@pytest.mark.slow
def test_a_mistake_with_standard_error_closed_still_exits_with_2() -> None:
    assert shell("$layerscope nope 2>&-").returncode == 2


@pytest.mark.parametrize("name", ["\x1b[31m", "a\nb", "\udcff", "\u202e"])
def test_what_the_user_typed_is_shown_escaped(capsys: pytest.CaptureFixture[str], name: str) -> None:
    err = ran(capsys, name).err
    assert err.count("\n") == 1
    assert err[:-1].isprintable()


def test_too_little_memory_is_a_sentence(
    archive: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise MemoryError

    monkeypatch.setattr("layerscope.search.find_nodes.find_nodes", fail)
    done = ran(capsys, "find", archive, "x")
    assert (done.code, done.out, done.err) == (2, "", "layerscope: out of memory: this image needs more than is available\n")


@pytest.mark.parametrize("command", ["ci", "verify", "diff"])
@pytest.mark.parametrize("is_debugged", [False, True])
def test_a_mistake_of_our_own_is_no_broken_rule(
    archive: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, *, is_debugged: bool
) -> None:
    monkeypatch.setenv("LAYERSCOPE_DEBUG", "1" if is_debugged else "0")
    monkeypatch.setitem(COMMANDS, command, "layerscope.cli.not_written")
    assert run([command, str(archive), str(archive)]) == 2
    out, err = capsys.readouterr()
    assert (out, APOLOGY in err, "LAYERSCOPE_DEBUG=1" in err) == ("", True, True)
    assert ("Traceback" in err) == is_debugged
    assert err.count("\n") == 1 or is_debugged
