"""`layerscope slim --load`: what is refused before any work, and what an engine that fails leaves behind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from layerscope.cli.main import run
from support.commands import COMMAND, environment
from support.engines import _directory
from support.image_builder import file, image, layer
from support.pretend_engine import Answer, Pretended, cut, pretended_engine, sent

LAYERS = (layer(file("a", b"1" * 5000), file("b", b"3" * 1_000_000)), layer(file("a", b"2")))
"""More than a socket holds that nobody reads from."""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    """A Docker with an image `app:1`, and no Podman; what is unfinished goes to the directory `private`."""
    (tmp_path / "private").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "private"))
    with _directory() as top, pretended_engine(top, sent()) as pretended:
        monkeypatch.setenv("DOCKER_HOST", pretended.address)
        monkeypatch.setenv("CONTAINER_HOST", f"unix://{top}/none")
        yield pretended


def saved(place: Path) -> Path:
    path = place / "image.tar"
    path.write_bytes(image(*LAYERS))
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dry-run", "--load"], "--dry-run loads nothing: leave out --load"),
        (["--engine", "podman"], "--engine says where to load: add --load"),
        (["--load", "-o", "oci:new"], "--load sends a docker-archive: let -o write one, or leave it out"),
        (["--load", "--tag", "app:1"], "Docker has an image app:1 already; name another with --tag, or give --force"),
        (["--load", "--engine", "podman"], "is not running there: start its API"),
        (["--load", "--proof", "nowhere/proof"], "nowhere/proof cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_loaded_is_a_sentence_before_any_work(
    engine: Pretended, arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["slim", str(saved(tmp_path)), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not [path for path in engine.asked if path.endswith("/load")]


def test_an_image_without_a_name_needs_one(engine: Pretended, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(*LAYERS, tag=""))
    assert run(["slim", str(path), "--load"]) == 2
    assert "--load: the image has no name; give the new one with --tag NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("refusal", "answer", "words"),
    [
        ("write /x: no space left on device", sent(), "refused (500): write /x: no space left on device"),
        ("", sent(json.dumps({"error": "unexpected EOF"}).encode() + b"\n"), "Docker did not load the image: unexpected EOF"),
        ("", cut(b"{"), "Docker did not load the image: "),
        ("", sent(b'{"stream":"Loaded image: x:1"}\n'), "), but has none"),
    ],
)
def test_an_engine_that_fails_says_why_and_nothing_is_left(
    engine: Pretended, refusal: str, answer: Answer, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.refusal, engine.load = refusal, answer
    assert run(["slim", str(saved(tmp_path)), "--load", "--tag", "x:1", "--compression", "none"]) == 2
    assert words in capsys.readouterr().err
    assert not [*(tmp_path / "private").iterdir()]


def test_another_image_under_the_name_is_noticed(engine: Pretended, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["slim", str(saved(tmp_path)), "--load", "--tag", "app:1", "--force"]) == 2
    assert "Docker took the image app:1 (" in (err := capsys.readouterr().err)
    assert err.endswith("but has sha256:555555555555 by this name\n")


def test_ctrl_c_while_the_engine_loads_leaves_nothing(engine: Pretended, tmp_path: Path) -> None:
    engine.load = engine.wait
    command = [*COMMAND, "slim", str(saved(tmp_path)), "--load", "--tag", "x:1"]
    settings = environment() | {"TMPDIR": str(tmp_path / "private")}
    with subprocess.Popen(command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not [path for path in engine.asked if path.endswith("/load")]:
            assert process.poll() is None
            time.sleep(0.02)
        assert [*(tmp_path / "private").iterdir()]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert not [*(tmp_path / "private").iterdir()]
