"""A container of a real engine: its image, and what it wrote as one more layer."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerscope.analysis import Contents, read_image
from layerscope.errors import AmbiguousImage, LayerscopeError, NotFound, UsageError
from layerscope.layers.readers.blob import read_plain
from layerscope.layers.readers.overlay.reader import DirectoryReader
from layerscope.layers.table import LayerStack, LayerTable
from layerscope.sources.open import open_image
from layerscope.tree.merge import merge
from support.commands import ran
from support.engines import docker_engine
from support.extracting import image_in
from support.image_builder import blob, image, layer
from support.kept_images import KeptImages, found
from support.same_tables import assert_same, sorted_by_path
from support.seen import as_somebody_else, seen

OWN = 10
"""The number of the container's own layer."""


def opened(reference: str) -> Contents:
    return read_image(open_image(reference))


def own_layer(contents: Contents) -> LayerTable:
    return contents.stack.tables[OWN - 1]


@pytest.fixture
def by_api(kept_containers: KeptImages, monkeypatch: pytest.MonkeyPatch) -> object:
    """The same engine, whose storage is not read."""
    with kept_containers.asked_by_api() as settings:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield


def test_a_containers_own_layer_is_what_a_commit_adds(kept_containers: KeptImages) -> None:
    committed = read_image(image_in(blob(kept_containers.committed)))
    contents = opened("container:web")
    assert isinstance(contents.image.layers[-1].reader, DirectoryReader)
    assert_same(sorted_by_path(own_layer(contents)), sorted_by_path(own_layer(committed)))
    assert own_layer(contents).unpacked_bytes == pytest.approx(own_layer(committed).unpacked_bytes, abs=10_240)
    assert seen(contents.tree) == seen(committed.tree)


def test_the_last_view_is_what_the_container_sees(kept_containers: KeptImages) -> None:
    exported = merge(LayerStack.of([read_plain(blob(kept_containers.run("export", "web")))]))
    assert seen(opened("container:web").tree) == seen(exported)


def test_the_api_gives_the_same_last_view(kept_containers: KeptImages, by_api: object) -> None:
    exported = merge(LayerStack.of([read_plain(blob(kept_containers.run("export", "web")))]))
    contents = opened("container:web")
    assert not isinstance(contents.image.layers[-1].reader, DirectoryReader)
    assert seen(contents.tree) == seen(exported)


def test_the_api_gives_the_layer_of_storage_but_for_what_opaque_directories_hide(
    kept_containers: KeptImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_place = own_layer(opened("container:web"))
    with kept_containers.asked_by_api() as settings:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        by_api = own_layer(opened("container:web"))
    hidden = {path for path in by_api.whiteouts if not path.startswith(b"work/opaque/")}
    assert hidden == set(in_place.whiteouts)
    assert kinds(by_api) == kinds(in_place)


def kinds(table: LayerTable) -> dict[bytes, tuple[int, int, int]]:
    entries = table.entries
    columns = (entries.kind.tolist(), entries.mode.tolist(), entries.mtime.tolist())
    return dict(zip(entries.paths.tolist(), zip(*columns, strict=True), strict=True))


def test_contents_are_read_in_storage(kept_containers: KeptImages, capsys: pytest.CaptureFixture[str]) -> None:
    assert_contents(capsys)


def test_contents_are_asked_of_the_api(kept_containers: KeptImages, by_api: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert_contents(capsys)


def assert_contents(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "cat", "container:web", "/work/added-twice").out == "new\n"
    assert ran(capsys, "cat", "container:web", "/work/a").out.endswith("aaamore\n")


def test_extracting_by_the_api_takes_what_the_container_wrote(
    docker_images: KeptImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found(docker_images, monkeypatch)
    monkeypatch.setenv("LAYERSCOPE_NO_STORAGE", "1")
    assert ran(capsys, "extract", "container:web", "/work", tmp_path / "out").code == 0
    assert (tmp_path / "out/added").read_text() == "new\n"
    assert (tmp_path / "out/hole").stat().st_size == 2 << 20


def test_the_own_layer_is_named_for_the_container(kept_containers: KeptImages, capsys: pytest.CaptureFixture[str]) -> None:
    contents = opened("container:web")
    assert contents.image.layers[-1].created_by == "container web (writable layer)"
    assert ran(capsys, "container:web").out.startswith("container:web")


def test_a_moved_file_is_the_containers_waste(kept_containers: KeptImages, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ran(capsys, "waste", "container:web").lines
    assert any("moved" in line and "/work/metadata/one" in line for line in lines)


def test_mounts_are_named_and_not_walked(docker_images: KeptImages, monkeypatch: pytest.MonkeyPatch) -> None:
    found(docker_images, monkeypatch)
    contents = opened("container:web")
    assert contents.image.notes == ("mounted in the container and not part of its layer: /data",)
    assert contents.tree.nodes.find(b"data") is not None


def test_a_container_is_found_by_the_first_digits_of_its_id(kept_containers: KeptImages) -> None:
    identity = kept_containers.run("inspect", "--format", "{{.Id}}", "web").decode().strip()
    assert len(opened(f"container:{identity[:12]}").image.layers) == OWN
    assert len(opened(f"{kept_containers.kind}:container:{identity}").image.layers) == OWN


def test_a_stopped_container_is_read_like_a_running_one(docker_images: KeptImages, monkeypatch: pytest.MonkeyPatch) -> None:
    found(docker_images, monkeypatch)
    docker_images.run("run", "--name=stopped", "--network=host", "app:1", "sh", "-c", "echo done > /done")
    try:
        assert own_layer(opened("container:stopped")).entries.paths.tolist() == [b"done"]
    finally:
        docker_images.run("rm", "stopped")


def test_a_name_that_no_container_has_is_answered_with_near_ones(
    docker_images: KeptImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(docker_images, monkeypatch)
    with pytest.raises(NotFound, match=r"Docker .* has no container wed; did you mean `web`\?"):
        open_image("docker:container:wed")


@pytest.mark.parametrize("name", ["container:", "docker:container:"])
def test_a_container_has_to_be_named(name: str) -> None:
    with pytest.raises(UsageError, match="name a container: container:NAME"):
        open_image(name)


@pytest.mark.parametrize("name", ["container:a/b", "container:-x", "podman:container:a b", "container:" + "x" * 300])
def test_what_no_container_can_be_called_is_refused(name: str) -> None:
    with pytest.raises(NotFound, match="is not a valid container name"):
        open_image(name)


def test_a_container_is_no_archive_to_be_kept(kept_containers: KeptImages, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "container:web", "--keep", ".")
    assert (done.code, "--keep works for images only; commit the container to an image first" in done.err) == (2, True)


def test_two_containers_of_a_name_are_a_question(
    docker_images: KeptImages, podman_images: KeptImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(docker_images, monkeypatch)
    with podman_images.asked_by_api() as settings:
        monkeypatch.setenv("CONTAINER_HOST", settings["CONTAINER_HOST"])
        with pytest.raises(AmbiguousImage, match=r"choose one: docker:container:web or podman:container:web"):
            open_image("container:web")


def test_storage_that_may_not_be_read_is_asked_of_the_api(docker_images: KeptImages, monkeypatch: pytest.MonkeyPatch) -> None:
    found(docker_images, monkeypatch)
    in_place = seen(opened("container:web").tree)
    with as_somebody_else(docker_images):
        contents = opened("container:web")
        assert not isinstance(contents.image.layers[-1].reader, DirectoryReader)
        assert seen(contents.tree) == in_place


def test_a_container_of_an_engine_that_does_not_run_is_read_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    with docker_engine() as engine:
        engine.load(image(layer("a"), tag="app:1"))
        engine.run("create", "--name=web", "--network=host", "app:1", "x")
        engine.process.terminate()
        engine.process.wait()
        for name in ("DOCKER_HOST", "CONTAINER_HOST", "DOCKER_CONTEXT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("layerscope.sources.storage.docker.SYSTEM", engine.root)
        monkeypatch.setattr("layerscope.sources.engine.endpoints.DOCKER_SOCKET", str(engine.socket))
        contents = opened("docker:container:web")
        assert [len(table.entries) for table in contents.stack.tables] == [1, 0]
        assert opened("docker:app:1").image.name == "app:1"
        with pytest.raises(LayerscopeError, match="there is no Docker at"):
            open_image("docker:container:nothing")


def test_a_check_of_all_digests_passes_over_the_own_layer(
    docker_images: KeptImages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found(docker_images, monkeypatch)
    done = ran(capsys, "verify", "container:web")
    assert done.code == 0
    assert done.lines[-1].split(maxsplit=3)[:3] == ["skipped", "layer", str(OWN)]


def test_nothing_of_a_container_is_written_to(kept_containers: KeptImages) -> None:
    reader = open_image("container:web").layers[-1].reader
    assert isinstance(reader, DirectoryReader)
    before = {path: path.lstat().st_mtime_ns for path in reader.directory.rglob("*")}
    opened("container:web")
    assert {path: path.lstat().st_mtime_ns for path in reader.directory.rglob("*")} == before
    assert before
