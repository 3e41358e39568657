"""Where output goes: files that are there whole or not at all, and standard output by all its names."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from layerscope.cli.output import write_bytes
from layerscope.errors import CannotWrite
from support.commands import ran, shell
from support.image_builder import layer

LAYERS = (layer("a"),)


def test_json_goes_to_a_file_and_the_report_to_standard_output(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = archive.with_name("out.json")
    done = ran(capsys, archive, "--json", place)
    assert done.out.startswith("test:1 ")
    assert json.loads(place.read_bytes())["schema"] == "layerscope.analysis/1"


def test_json_on_standard_output_comes_alone(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(ran(capsys, archive, "--json", "-").out)["image"]["layers"] == 1


@pytest.mark.slow
def test_dev_stdout_is_standard_output_and_the_file_behind_it_stays(archive: Path) -> None:
    done = shell(f"$layerscope {archive} --json /dev/stdout > {archive.parent}/out; ls -l /dev/stdout")
    assert done.stdout.startswith(b"l")
    assert json.loads((archive.parent / "out").read_bytes())["image"]["layers"] == 1


def test_a_file_has_the_mode_that_the_umask_gives_it(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_bytes(str(tmp_path / "out"), b"x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.write_bytes(b"old and longer")
    with place.open("rb") as reader:
        write_bytes(str(place), b"new")
        assert reader.read() == b"old and longer"
    assert place.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [place]


def test_what_cannot_be_written_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    place = tmp_path / "out"
    place.write_bytes(b"old")
    with pytest.raises(CannotWrite, match=f"^{place} cannot be written: No space left on device$"):
        write_bytes(str(place), b"new")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"old"]


def test_where_a_link_leads_is_written_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    write_bytes(str(tmp_path / "link"), b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_name_as_long_as_names_can_be_is_written(tmp_path: Path) -> None:
    write_bytes(str(tmp_path / ("n" * 255)), b"x")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("{}/no/such/directory", "No such file or directory"),
        ("{}", "Is a directory"),
        ("{}/image.tar/x", "Not a directory"),
        ("/dev/full", "No space left on device"),
        ("{}/" + "n" * 256, "File name too long"),
        ("", "Is a directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_a_sentence_and_exit_code_2(
    archive: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    done = ran(capsys, archive, "--json", name.format(archive.parent))
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith(f" cannot be written: {reason}\n")
    assert done.err.count("\n") == 1


@pytest.mark.slow
def test_a_pipe_is_written_into(archive: Path) -> None:
    pipe = archive.with_name("pipe")
    os.mkfifo(pipe)
    done = shell(f"cat {pipe} & $layerscope {archive} --json {pipe} > {archive.parent}/report; wait")
    assert json.loads(done.stdout)["image"]["layers"] == 1
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_the_demo_is_saved_as_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "demo", "--save", tmp_path / "demo.tar").code == 0
    assert ran(capsys, tmp_path / "demo.tar").out == ran(capsys, "demo").out
    assert ran(capsys, "verify", tmp_path / "demo.tar").code == 0
    assert ran(capsys, "demo", "--save", "").code == 2


def test_paths_in_the_help_of_the_demo_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran(capsys, "demo", "--save", tmp_path / "demo.tar")
    example = next(line for line in ran(capsys, "demo", "--help").lines if " blame " in line)
    assert ran(capsys, "blame", tmp_path / "demo.tar", example.split()[-1]).code == 0
