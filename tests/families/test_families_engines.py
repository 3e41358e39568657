"""Families in real engines: what they list, without a layer being moved, is what archives of the same images hold."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from layerscope.analysis import analyze, read_image
from layerscope.errors import NotFound
from layerscope.families.figures import LayerUsage
from layerscope.oci.digest import Digest
from layerscope.progress import ignore
from layerscope.sources.engine.client import Engine
from layerscope.sources.engine.endpoints import Endpoint
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.engine.listing import ListedImage, list_images
from layerscope.sources.listing.engine_images import _of_podmans_storage, facts_of, images_of_engine, known_sums, listed_images
from layerscope.sources.listing.facts import ImageFacts
from layerscope.sources.location import EngineKind
from layerscope.sources.open import open_image
from support.commands import ran
from support.engines import RunningEngine, docker_engine, podman_engine
from support.image_builder import digest, file, hardlink, image, layer, opaque, symlink, whiteout
from support.pretend_engine import pretended_engine, sent
from support.sources_build import Files, config, saved, tar

BASE = (
    layer(file("base", b"1" * 70_000), hardlink("again", "base")),
    layer(file("lib", b"2" * 30_000), whiteout("base")),
)
B = (*BASE, layer(file("b", b"3" * 9_000)))
STACKS = {
    "a:1": BASE,
    "b:1": B,
    "c:1": (*BASE, layer(file("c", b"4" * 4_000))),
    "d:1": (*B, layer(opaque(), file("d", b"5" * 800)), layer(whiteout("b"))),
    "e:1": (*B, layer(whiteout("lib")), layer(file("e", b"6" * 600))),
    "trunk:1": (layer(file("t", b"7" * 5_000)), layer(file("t1", b"8" * 100))),
    "trunk:2": (layer(file("t", b"7" * 5_000)), layer(file("t2", b"9" * 200))),
}


def loaded(engine: RunningEngine) -> None:
    for tag, stack in STACKS.items():
        engine.load(image(*stack, tag=tag))
    engine.run("tag", "b:1", "second/name:of-b")
    dangling: Files = saved(*(each.tar() for each in (*BASE, layer(file("left", b"0" * 321)))), tags=("left:1",))
    engine.load(tar(dangling))
    replaced = saved(*(each.tar() for each in (*BASE, layer(file("left", b"0" * 123)))), tags=("left:1",))
    engine.load(tar(replaced))


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
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RunningEngine:
    running: RunningEngine = request.getfixturevalue(request.param)
    ask(monkeypatch, running)
    return running


@pytest.fixture(autouse=True)
def no_engine_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.setenv(name, f"unix://{tmp_path}/none")
    monkeypatch.chdir(tmp_path)


def ask(monkeypatch: pytest.MonkeyPatch, engine: RunningEngine) -> None:
    monkeypatch.setenv("DOCKER_HOST" if engine.kind == "docker" else "CONTAINER_HOST", engine.address)


def endpoint(engine: RunningEngine) -> Endpoint:
    return Endpoint(EngineKind(engine.kind), engine.address)


def by_name(images: list[ImageFacts]) -> dict[str, ImageFacts]:
    return {name.removeprefix("docker.io/library/").removeprefix("localhost/"): each for each in images for name in each.names}


def by_api(engine: RunningEngine) -> list[ListedImage]:
    """As for those who may not read the engine's storage."""
    with Engine.connect(endpoint(engine)) as asking:
        return list_images(asking.ask, lambda _chain: {}, ignore)


def facts_by_api(engine: RunningEngine) -> list[ImageFacts]:
    listed = by_api(engine)
    return [facts_of(each, known_sums(listed)) for each in listed]


def of_engine(engine: RunningEngine) -> list[ImageFacts]:
    return [each.facts for each in images_of_engine(EngineKind(engine.kind)).found]


def test_an_engines_images_are_a_forest_by_their_layers(engine: RunningEngine) -> None:
    ledger = LayerUsage.of(of_engine(engine))
    named = by_name(list(ledger.forest.images))
    below = {
        name: [ledger.forest.images[each] for each in ledger.images_below(ledger.forest.images.index(facts))]
        for name, facts in named.items()
    }
    assert below["a:1"] == below["trunk:1"] == below["trunk:2"] == []
    assert below["b:1"] == below["c:1"] == below["left:1"] == [named["a:1"]]
    assert below["d:1"] == below["e:1"] == [named["b:1"]]
    assert sum(not node.images for node in ledger.forest.nodes) == 1
    assert ledger.totals.families == 2


def test_sizes_of_layers_are_those_of_the_archive_of_the_same_image(engine: RunningEngine, tmp_path: Path) -> None:
    found = by_name(of_engine(engine))
    for tag, stack in STACKS.items():
        (tmp_path / "image.tar").write_bytes(image(*stack, tag=tag))
        analysis = analyze(read_image(open_image(str(tmp_path / "image.tar"))))
        contents, tars = analysis.layer_content_bytes, [layer.reader.stored_bytes for layer in analysis.image.layers]
        assert [each.size for each in found[tag].layers] == (contents if engine.kind == "docker" else tars), tag
        assert [each.chain_id for each in found[tag].layers] == [each.chain_id for each in analysis.image.layers]
        assert found[tag].id == analysis.image.config_digest


def test_the_api_tells_the_same_as_the_storage(engine: RunningEngine) -> None:
    in_storage, by_asking = of_engine(engine), facts_by_api(engine)
    assert by_name(in_storage).keys() == by_name(by_asking).keys()
    assert {(each.id, each.layers, each.platform, each.is_dangling) for each in in_storage} == {
        (each.id, each.layers, each.platform, each.is_dangling) for each in by_asking
    }


def test_figures_of_the_engine_add_up_to_what_it_keeps(docker: RunningEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, docker)
    used = json.loads(docker.run("system", "df", "--format", "{{json .}}").splitlines()[0])
    assert used["Type"] == "Images"
    totals = LayerUsage.of(of_engine(docker)).totals
    assert used["Size"] == f"{totals.stored / 1000:.4g}kB"


def test_removing_an_image_frees_what_was_said(engine: RunningEngine) -> None:
    engine.load(image(*BASE, layer(file("gone", b"x" * 7_777)), tag="gone:1"))
    before = LayerUsage.of(of_engine(engine))
    number = next(number for number, each in enumerate(before.forest.images) if "gone:1" in by_name([each]))
    assert before.figures[number].freed >= 7_777
    engine.run("rmi", "gone:1")
    after = LayerUsage.of(of_engine(engine))
    assert before.totals.stored - after.totals.stored == before.figures[number].freed


def test_one_image_with_several_names_and_a_dangling_one_are_told(engine: RunningEngine) -> None:
    images = of_engine(engine)
    assert by_name(images)["b:1"] is by_name(images)["second/name:of-b"]
    (dangling,) = [each for each in images if each.is_dangling]
    assert len(dangling.layers) == 3


def test_what_is_built_is_listed_without_the_steps_on_the_way(engine: RunningEngine, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1" * 2_345)
    text = "FROM a:1\nENV X=1\nCOPY one /work/one\nWORKDIR /made\nCOPY one /made/two\nLABEL y=2\n"
    (tmp_path / "Dockerfile").write_text(text if engine.kind == "docker" else text.replace("a:1", "localhost/a:1"))
    options = ("--layers",) if engine.kind == "podman" else ()
    engine.run("build", "-q", *options, "-t", "built:1", tmp_path)
    try:
        for images in (of_engine(engine), facts_by_api(engine)):
            built = by_name(images)["built:1"]
            assert len([each for each in images if each.is_dangling]) == 1
            contents = [each.size for each in built.layers]
            if engine.kind == "docker":
                assert contents == [70_000, 30_000, 2_345, 0, 2_345]
            assert contents[:2] == [each.size for each in by_name(images)["a:1"].layers]
    finally:
        engine.run("rmi", "built:1")


def test_names_and_ids_mean_single_images(engine: RunningEngine) -> None:
    kind = EngineKind(engine.kind)
    (b,) = images_of_engine(kind, name="b:1").found
    assert [each.facts.id for each in images_of_engine(kind, name=b.facts.id.short).found] == [b.facts.id]
    assert [each.facts.id for each in images_of_engine(kind, name=str(b.facts.id)).found] == [b.facts.id]
    with pytest.raises(NotFound, match=r"has no image nothing:1"):
        images_of_engine(kind, name="nothing:1")


def test_an_image_of_the_list_opens_by_its_name_or_id(engine: RunningEngine) -> None:
    found = images_of_engine(EngineKind(engine.kind)).found
    dangling = next(each for each in found if each.facts.is_dangling)
    for each in (dangling, next(each for each in found if "second/name:of-b" in by_name([each.facts]))):
        opened = each.open(ignore)
        assert opened.config_digest == each.facts.id
        assert open_image(each.reference).config_digest == each.facts.id


def test_what_an_image_wastes_is_known_once_it_was_read(engine: RunningEngine, capsys: pytest.CaptureFixture[str]) -> None:
    def wasted() -> dict[str, int | None]:
        done = ran(capsys, "images", f"{engine.kind}:", "--json")
        assert (done.code, done.err) == (0, "")
        return {
            tag.removeprefix("localhost/"): each["wasted"] for each in json.loads(done.out)["images"] for tag in each["tags"]
        }

    assert set(wasted().values()) == {None}
    assert ran(capsys, f"{engine.kind}:e:1", "--text").code == 0
    assert (wasted()["e:1"], wasted()["b:1"]) == (30_000, None)
    assert ran(capsys, "images", "--analyze", f"{engine.kind}:").code == 0
    assert (wasted()["a:1"], wasted()["b:1"], wasted()["d:1"]) == (0, 0, 109_000)


def test_archives_and_an_engines_images_are_one_forest(
    docker: RunningEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(monkeypatch, docker)
    (tmp_path / "own.tar").write_bytes(image(*B, layer(file("own", b"x" * 10)), tag="own:1"))
    found = json.loads(ran(capsys, "images", "--json", "own.tar", "docker:").out)
    own = next(each for each in found["images"] if each["tags"] == ["own:1"])
    b = next(each for each in found["images"] if "b:1" in each["tags"])
    assert (found["sizes"], own["built_on"]) == ("mixed", [b["id"]])


def test_an_engine_without_images_is_an_empty_list(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with docker_engine() as engine:
        ask(monkeypatch, engine)
        done = ran(capsys, "images")
    assert (done.code, done.lines[0]) == (0, "0 images in 0 families")


def test_podmans_images_are_found_in_its_storage_while_it_does_not_run(
    podman: RunningEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CONTAINER_HOST")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("layerscope.sources.engine.endpoints.PODMAN_SOCKET", str(tmp_path / "podman.sock"))
    monkeypatch.setattr("layerscope.sources.listing.engine_images.containers_roots", lambda: [podman.root])
    _, listed = listed_images(EngineKind.PODMAN, ignore)
    assert {each.id for each in listed} == {each.id for each in by_api(podman)}


def test_another_engines_storage_is_not_taken_for_podmans(podman: RunningEngine, tmp_path: Path) -> None:
    """It says that its storage is where another Podman's is, as one in a container may."""
    about = {"DockerRootDir": str(podman.root), "Driver": "vfs", "Images": 1}

    def pretended(path: str) -> Any:
        return {"/info": about, "/images/json": []}.get(path)

    assert _of_podmans_storage(pretended) is None
    about["Images"] = len(by_api(podman))
    assert _of_podmans_storage(pretended) is None


# Engines that misbehave.


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"/images/json": [{"Id": 5}]}, "list of images is invalid"),
        ({"/images/json": "no"}, "list of images is invalid"),
        (
            {"/images/json": [{"Id": "sha256:1"}], "/images/sha256:1/json": {"Id": "x", "RootFS": {"Layers": ["../etc"]}}},
            "is not a digest",
        ),
    ],
)
def test_answers_that_make_no_sense_are_a_sentence(answers: dict[str, Any], sentence: str) -> None:
    with pytest.raises(EngineFailed, match=sentence):
        list_images(answers.get, lambda _chain: {})


def test_an_image_that_is_removed_meanwhile_is_left_out() -> None:
    chain = [digest(b"1")]
    answers = {
        "/images/json": [{"Id": "sha256:1"}, {"Id": "sha256:2"}, {"Id": "sha256:3", "RepoTags": ["<none>:<none>"]}],
        "/images/sha256:2/json": {"Id": "sha256:2", "RootFS": {"Layers": chain}},
        "/images/sha256:3/json": {"Id": "sha256:3", "RootFS": {"Layers": chain}},
        "/images/sha256:3/history": [{"CreatedBy": "x", "Size": 7}],
    }
    (left,) = list_images(answers.get, lambda _chain: {})
    assert (left.id, left.names, left.steps[0].size) == ("sha256:3", (), 7)
    assert left.chain == [Digest.parse(chain[0])]


def test_an_engine_that_goes_away_is_a_sentence(tmp_path: Path) -> None:
    with (
        pretended_engine(tmp_path, sent(b"")) as engine,
        Engine.connect(Endpoint(EngineKind.DOCKER, engine.address)) as asking,
    ):
        assert asking.ask("/images/x/history") is None
        assert asking.ask("/version")["ApiVersion"] == "1.41"
    with pytest.raises(EngineFailed, match="is not running there"):
        Engine.connect(Endpoint(EngineKind.DOCKER, engine.address))


def test_an_engine_that_answers_no_http_is_a_sentence(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(tmp_path / "s"))
        server.listen(1)

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"hello\r\n\r\n")

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(EngineFailed, match="cannot be reached"):
            Engine.connect(Endpoint(EngineKind.DOCKER, f"unix://{tmp_path}/s"))
        thread.join()


def test_labels_and_names_of_an_engine_cannot_act_on_a_terminal(
    docker: RunningEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(monkeypatch, docker)
    content = layer(file("h", b"1")).tar()
    settings = config(content, config={"Labels": {"x": "\x1b[31m"}}, architecture="\x1b[31mamd64")
    files: Files = saved(content, tags=("hostile:1",), settings=settings)
    docker.load(tar(files))
    try:
        done = ran(capsys, "images", "--json")
        assert (done.code, "\x1b" in done.out) == (0, False)
        assert "\x1b" not in ran(capsys, "images").out
    finally:
        docker.run("rmi", "hostile:1")


def test_symlinks_count_for_docker_as_it_counts_them(docker: RunningEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, docker)
    docker.load(image(layer(file("f", b"12345"), symlink("l", "f" * 50)), tag="links:1"))
    try:
        assert [each.size for each in by_name(of_engine(docker))["links:1"].layers] == [55]
    finally:
        docker.run("rmi", "links:1")
