"""Docker 26 with containerd's store and BuildKit, Podman 5.4, skopeo 1.18: one image in place, exported, saved and copied."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import requires
from layerscope.advice.dockerfile.mapping import map_layers
from layerscope.advice.dockerfile.stages import parse_dockerfile
from layerscope.analysis import read_image
from layerscope.layers.readers.blob import read_plain
from layerscope.layers.table import LayerStack
from layerscope.sources.open import open_image
from layerscope.tree.merge import merge
from support.commands import ran, without_estimates
from support.image_builder import blob
from support.kept_images import BUSYBOX
from support.newest import NewestEngines
from support.seen import seen

DOCKERFILE = """
FROM scratch
COPY busybox /bin/sh
ENV A=1
RUN <<EOF
echo one > /one
echo two > /two
EOF
COPY <<FIRST <<SECOND /etc/
first
FIRST
second
SECOND
RUN echo last > /last && rm /one
""".lstrip()
LINES = [(2, 2), (4, 7), (8, 12), (13, 13)]
"""Where each layer's instruction is in it."""
NAME = f"newest-{os.getpid()}"
"""Workers of one test run share the engines, and none may have another's image."""


@dataclass(frozen=True, slots=True)
class Built:
    """An image that an engine of the folder built; `saved` is its archive, outside."""

    engines: NewestEngines
    reference: str
    saved: Path


@pytest.fixture(scope="module")
def context(newest: NewestEngines) -> Iterator[str]:
    """A directory to build from, as it is called inside."""
    if not BUSYBOX.exists():
        requires("busybox")
    directory = newest.root / NAME
    directory.mkdir()
    shutil.copy(BUSYBOX, directory / "busybox")
    (directory / "Dockerfile").write_text(DOCKERFILE)
    yield f"/{NAME}"
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def docker(newest: NewestEngines, context: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    newest.run("docker", "build", "--quiet", "--network=host", f"--tag={NAME}:1", context)
    saved = tmp_path_factory.mktemp("docker") / "saved.tar"
    saved.write_bytes(newest.run("docker", "save", f"{NAME}:1"))
    yield Built(newest, f"docker:{NAME}:1", saved)
    newest.run("docker", "rmi", f"{NAME}:1")


@pytest.fixture(scope="module")
def podman(newest: NewestEngines, context: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    newest.run("podman", "build", "--quiet", "--network=host", "--isolation=chroot", f"--tag={NAME}:1", context)
    saved = tmp_path_factory.mktemp("podman") / "saved.tar"
    saved.write_bytes(newest.run("podman", "save", "--quiet", f"{NAME}:1"))
    yield Built(newest, f"podman:{NAME}:1", saved)
    newest.run("podman", "rmi", f"{NAME}:1")


@pytest.fixture(params=["docker", "podman"])
def built(request: pytest.FixtureRequest) -> Built:
    found: Built = request.getfixturevalue(request.param)
    return found


def facts(report: str) -> Any:
    """A report without what one image is called in different places, and without estimates, which take its bytes."""
    document = without_estimates(json.loads(report))
    del document["image"]["reference"]
    return document


def of_saved(built: Built, capsys: pytest.CaptureFixture[str]) -> Any:
    done = ran(capsys, built.saved, "--json", "-")
    assert (done.code, done.err) == (0, "")
    return facts(done.out)


def test_in_place_gives_the_report_of_the_archive(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    in_place = facts(built.engines.layerscope(built.reference, "--json", "-"))
    assert in_place == of_saved(built, capsys)
    assert len(in_place["layers"]) == len(LINES)


def test_what_docker_exports_gives_the_report_of_the_archive(
    docker: Built, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From outside the folder, where the paths that it tells lead nowhere."""
    monkeypatch.setenv("DOCKER_HOST", docker.engines.address)
    done = ran(capsys, docker.reference, "--json", "-")
    assert done.code == 0
    assert facts(done.out) == of_saved(docker, capsys)


def test_attestations_are_no_image_of_their_own(docker: Built, capsys: pytest.CaptureFixture[str]) -> None:
    index = json.loads(saved_index(docker))
    types = [each.get("annotations", {}).get("vnd.docker.reference.type") for each in index["manifests"]]
    assert types == [None, "attestation-manifest"]
    assert ran(capsys, "verify", docker.saved).code == 0
    assert docker.engines.layerscope("verify", docker.reference)


def saved_index(docker: Built) -> bytes:
    """The index of the image and its attestation, which the archive's own index names."""
    with tarfile.open(docker.saved) as tar:
        outer = tar.extractfile("index.json")
        assert outer
        digest = json.load(outer)["manifests"][0]["digest"]
        inner = tar.extractfile(f"blobs/sha256/{digest.partition(':')[2]}")
        assert inner
        return inner.read()


def test_layers_have_the_lines_of_their_heredocs(built: Built) -> None:
    mapping = map_layers(open_image(str(built.saved)), parse_dockerfile(DOCKERFILE))
    assert [(line.line, line.end_line) for line in mapping.lines.values()] == LINES


def test_images_lists_what_the_archive_holds(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    kind = built.reference.partition(":")[0]
    listed = json.loads(built.engines.layerscope("images", f"{kind}:", "--json"))["images"]
    (own,) = [each for each in listed if any(tag.endswith(f"{NAME}:1") for tag in each["tags"])]
    saved = of_saved(built, capsys)
    assert own["chain_ids"] == [layer["chain_id"] for layer in saved["layers"]]
    assert own["layers"][0] == saved["layers"][0]["diff_id"]


@pytest.fixture
def container(docker: Built) -> Iterator[str]:
    name = f"{NAME}-web"
    docker.engines.run(
        "docker", "run", f"--name={name}", "--network=host", f"{NAME}:1", "sh", "-c", "echo more > /more; rm /two"
    )
    yield name
    docker.engines.run("docker", "rm", name)


def test_a_container_is_what_it_wrote_on_its_image(docker: Built, container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    in_place = json.loads(docker.engines.layerscope(f"docker:container:{container}", "--json", "-"))
    assert [layer["number"] for layer in in_place["layers"]] == [1, 2, 3, 4, 5]
    exported = merge(LayerStack.of([read_plain(blob(docker.engines.run("docker", "export", container)))]))
    monkeypatch.setenv("DOCKER_HOST", docker.engines.address)
    contents = read_image(open_image(f"docker:container:{container}"))
    assert seen(contents.tree) == seen(exported)
    assert docker.engines.layerscope("cat", f"docker:container:{container}", "/more") == "more\n"


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_build_shows_what_it_built(newest: NewestEngines, context: str, engine: str) -> None:
    options = ["--network=host"] if engine == "docker" else ["--network=host", "--isolation=chroot"]
    out = newest.layerscope("build", "--engine", engine, *options, f"--tag={NAME}:own", context)
    try:
        assert " · linux/" in out
        assert "RUN echo last > /last && rm /one" in out
    finally:
        newest.run(engine, "rmi", f"{NAME}:own")


@pytest.mark.parametrize("form", ["oci", "zstd", "zstd:chunked"])
def test_what_skopeo_copies_is_the_same_image(built: Built, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    engines = built.engines
    copied = engines.root / f"{NAME}-copied"
    try:
        (engines.root / f"{NAME}.tar").write_bytes(built.saved.read_bytes())
        options = [] if form == "oci" else [f"--dest-compress-format={form}"]
        engines.run(
            "skopeo", "copy", "-q", "--insecure-policy", *options, f"docker-archive:/{NAME}.tar", f"oci:/{NAME}-copied:1"
        )
        assert ran(capsys, "ls", f"oci:{copied}", "-R", "--json").out == ran(capsys, "ls", built.saved, "-R", "--json").out
        assert ran(capsys, "verify", f"oci:{copied}").code == 0
    finally:
        shutil.rmtree(copied, ignore_errors=True)
        (engines.root / f"{NAME}.tar").unlink(missing_ok=True)
