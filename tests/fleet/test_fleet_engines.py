"""`layerscope fleet` on the images of real engines, and on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import ran, written
from support.engines import RunningEngine, docker_engine, podman_engine
from support.fleets import check_references, fleet_json, names
from support.image_builder import file, image, layer
from support.terminals import tmux

pytestmark = pytest.mark.slow

BASE = layer(file("base", b"1" * 70_000))
OLD, NEW, LEFT = (layer(file(name, name.encode() * 9_000)) for name in ("old", "new", "left"))


def loaded(engine: RunningEngine) -> None:
    """A base, two builds of one image on it with two names for one of them, and a build that lost its name to another."""
    engine.load(image(BASE, tag="base:1"))
    engine.load(image(BASE, OLD, tag="shop/app:1"))
    engine.load(image(BASE, NEW, tag="shop/app:2"))
    engine.run("tag", "shop/app:2", "shop/app:latest")
    engine.load(image(BASE, LEFT, tag="work:1"))
    engine.load(image(BASE, layer("right"), tag="work:1"))


@pytest.fixture(scope="module")
def docker() -> Iterator[RunningEngine]:
    with docker_engine() as engine:
        loaded(engine)
        yield engine


@pytest.fixture(scope="module")
def podman() -> Iterator[RunningEngine]:
    with podman_engine() as engine:
        loaded(engine)
        yield engine


@pytest.fixture(params=["docker", "podman"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunningEngine:
    running: RunningEngine = request.getfixturevalue(request.param)
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.setenv(name, f"unix://{tmp_path}/none")
    monkeypatch.setenv("DOCKER_HOST" if running.kind == "docker" else "CONTAINER_HOST", running.address)
    monkeypatch.chdir(tmp_path)
    return running


def short(name: str) -> str:
    return name.removeprefix("localhost/")


def test_an_engines_images_are_a_fleet(engine: RunningEngine, capsys: pytest.CaptureFixture[str]) -> None:
    found = fleet_json(capsys, f"{engine.kind}:")
    told = {short(each["name"]): each for each in found["images"]}
    assert sorted(told)[1:] == ["base:1", "shop/app:1", "shop/app:2", "work:1"]
    assert sorted(told)[0].startswith("(dangling) ")
    assert [short(name) for name in told["shop/app:2"]["names"]] == ["shop/app:2", "shop/app:latest"]
    reasons = {each["reason"]: [short(each["name"]) for each in each["images"]] for each in found["reclaimable"]["reasons"]}
    assert reasons == {"untagged": [sorted(told)[0]], "superseded": ["shop/app:1"]}
    assert next(each["name"] for each in found["bases"] if each["images"] == 5).endswith("base:1")
    assert 27_000 <= told["shop/app:1"]["own_bytes"] < 60_000
    check_references(found)


def test_without_a_place_it_is_the_engine_that_answers(engine: RunningEngine, capsys: pytest.CaptureFixture[str]) -> None:
    if engine.kind == "docker":
        assert fleet_json(capsys) == fleet_json(capsys, "docker:")
    else:
        assert len(fleet_json(capsys, "docker:", "podman:", code=2)["images"]) == 5


def test_one_image_of_an_engine_beside_an_archive_of_its_name(
    engine: RunningEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "other.tar", NEW, tag="docker.io/library/base:1")
    found = fleet_json(capsys, f"{engine.kind}:base:1", "other.tar")
    if engine.kind == "docker":
        assert names(found) == ["base:1 (engine)", "base:1 (other.tar)"]
    assert len(found["images"]) == 2
    check_references(found)


def test_a_missing_engine_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/none")
    written(tmp_path / "app.tar", BASE, tag="app:1")
    done = ran(capsys, "fleet")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    done = ran(capsys, "fleet", "docker:", tmp_path / "app.tar", "--json", "-")
    assert (done.code, done.err.count("\n")) == (2, 1)


def test_the_screen_lists_the_images_and_problems_are_told_after_it(tmp_path: Path) -> None:
    builds = tmp_path / "builds"
    builds.mkdir()
    written(builds / "base.tar", BASE, tag="base:1")
    written(builds / "app.tar", BASE, OLD, tag="shop/app:1")
    (builds / "cut.tar").write_bytes((builds / "app.tar").read_bytes()[:20_000])
    with tmux(tmp_path) as terminal:
        terminal.run_layerscope("fleet", builds, "--screen")
        shown = terminal.wait("removing it frees")
        assert "shop/app:1" in shown
        terminal.press("q")
        terminal.wait_gone("removing it frees")
        terminal.type("echo code=$?\n")
        assert "cut.tar is a damaged archive" in terminal.wait("code=2")


def test_the_screen_takes_a_list_from_standard_input(tmp_path: Path) -> None:
    app = written(tmp_path / "app.tar", BASE, OLD, tag="shop/app:1")
    with tmux(tmp_path) as terminal:
        terminal.type(f"echo {app} > list; ")
        terminal.type("cat list | ")
        terminal.run_layerscope("fleet", "--from", "-", "--screen")
        terminal.wait("removing it frees")
        terminal.press("q")
        terminal.wait_gone("removing it frees")
