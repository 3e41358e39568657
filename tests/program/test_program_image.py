"""Layerscope's own image: the last stage of the Dockerfile, run as a stranger with a root that nobody can write to."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import COMMAND
from support.engines import RunningEngine, docker_engine, podman_engine
from support.image_builder import image, layer
from support.program import ROOT, BuiltProgram

pytestmark = pytest.mark.slow

NAME = "layerscope"
LARGEST = 120_000_000
READ_ONLY = ("run", "--rm", "-i", "--read-only", "--network=none", "--cap-drop=ALL")


@pytest.fixture(scope="module")
def engine(program: BuiltProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    """A Docker that has the image, built of the tree that the tests share."""
    place = tmp_path_factory.mktemp("context")
    _, _, last_stage = (ROOT / "Dockerfile").read_text().partition("FROM scratch\n")
    (place / "Dockerfile").write_text(f"FROM scratch\n{last_stage.replace('--from=build /image', 'image')}")
    for name in ("images", "tmp", "usr/bin", "usr/lib"):
        (place / "image" / name).mkdir(parents=True)
    (place / "image/tmp").chmod(0o1777)
    shutil.copytree(program.tree, place / "image/usr/lib/layerscope", symlinks=True)
    (place / "image/usr/bin/layerscope").symlink_to("../lib/layerscope/bin/layerscope")
    with docker_engine() as running:
        running.run("build", "-t", NAME, place)
        yield running


def test_it_reads_what_is_piped_into_it_with_no_place_to_write(engine: RunningEngine) -> None:
    report = engine.run(*READ_ONLY, NAME, "-", "--text", stdin=image(layer("a", "b/c"), layer(".wh.a")))
    assert report.startswith(b"test:1")
    assert b"efficient" in engine.run(*READ_ONLY, NAME, "demo", "--text")


def test_it_asks_an_engine_whose_socket_is_mounted(engine: RunningEngine) -> None:
    group = str(engine.socket.stat().st_gid)
    options = ("-v", f"{engine.socket}:/var/run/docker.sock", "--group-add", group)
    report = engine.run(*READ_ONLY, *options, NAME, NAME, "--text")
    assert report.startswith(b"layerscope:latest")


def test_it_reads_a_storage_that_is_mounted(engine: RunningEngine) -> None:
    with podman_engine() as podman:
        podman.load(image(layer("a", "b/c")))
        options = ("-v", f"{podman.root}:/var/lib/containers/storage:ro", "--user=0")
        assert engine.run(*READ_ONLY, *options, NAME, "test:1", "--text").startswith(b"localhost/test:1")


def test_it_matches_regular_expressions_in_a_python_of_its_own(engine: RunningEngine, tmp_path: Path) -> None:
    subprocess.run([*COMMAND, "demo", "--save", tmp_path / "demo.tar"], check=True, capture_output=True)
    tmp_path.chmod(0o755)
    found = engine.run(*READ_ONLY, "-v", f"{tmp_path}:/images:ro", NAME, "find", "demo.tar", "/\\.env$/")
    assert b"srv/app/.env" in found


def test_it_is_small_belongs_to_nobody_and_wastes_nothing(engine: RunningEngine, tmp_path: Path) -> None:
    (tmp_path / "own.tar").write_bytes(engine.run("save", NAME))
    assert (tmp_path / "own.tar").stat().st_size < LARGEST
    config = json.loads(engine.run("inspect", NAME))[0]["Config"]
    assert config["User"] == "65532:65532"
    rules = ("--max-wasted", "0", "--max-layers", "2")  # BuildKit makes a layer of WORKDIR, too
    judged = subprocess.run([*COMMAND, "ci", tmp_path / "own.tar", *rules], check=False, capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout
