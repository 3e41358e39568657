"""One report wherever an image lies and however it is read: what each tool pushed, beside the same blobs in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from layerscope.analysis import read_image
from layerscope.cache.cache import Cache
from layerscope.layers.fetched import FetchWay
from layerscope.sources.location import EngineOptions
from layerscope.sources.open import open_image
from sources.test_registry_open import report
from sources.test_registry_tables import NOISE, bare, ways
from support.engines import docker_engine, podman_engine, registry
from support.image_builder import directory, file, hardlink, image, layer, opaque, symlink, whiteout, write_layout
from support.registry_pushes import skopeo_copy

pytestmark = pytest.mark.slow

STACK = (
    layer(directory("a"), file("a/kept", b"k" * 5000), file("a/gone", b"g" * 9000), hardlink("a/same", "a/kept")),
    layer(whiteout("a/gone"), file("a/kept", b"k" * 5000, mode=0o600), symlink("b", "a")),
    layer(directory("a"), opaque("a"), file("a/new", bytes(range(256)) * 99)),
)


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with registry() as host:
        yield host


def push_by_skopeo(archive: Path, name: str) -> None:
    skopeo_copy(f"docker-archive:{archive}", f"docker://{name}")


def push_by_podman(archive: Path, name: str) -> None:
    with podman_engine() as podman:
        podman.load(archive.read_bytes())
        podman.run("push", "--tls-verify=false", "localhost/app:1", f"docker://{name}")


def push_by_docker(archive: Path, name: str) -> None:
    with docker_engine() as docker:
        docker.load(archive.read_bytes())
        docker.run("tag", "app:1", name)
        docker.run("push", name)


@pytest.mark.parametrize("push", [push_by_skopeo, push_by_podman, push_by_docker])
def test_what_each_tool_pushed_reads_as_the_same_blobs_in_files(
    host: str, tmp_path: Path, push: Callable[[Path, str], None]
) -> None:
    (tmp_path / "app.tar").write_bytes(image(*STACK, tag="app:1"))
    name = f"{host}/by/{push.__name__.rpartition('_')[2]}:1"
    push(tmp_path / "app.tar", name)
    skopeo_copy("--src-tls-verify=false", f"docker://{name}", f"dir:{tmp_path / 'blobs'}")
    stored = bare(report(open_image(str(tmp_path / "blobs"))))
    options = EngineOptions(cache=Cache.open(tmp_path / "cache"))
    for way in (FetchWay.STREAM, FetchWay.CACHE):
        found = open_image(f"docker://{name}", engine_options=options)
        assert ways(read_image(found, cache=options.cache)) == {way}
        assert bare(report(open_image(f"docker://{name}", engine_options=options), cache=options.cache)) == stored
    assert len(stored["layers"]) == len(STACK)


def test_a_plain_layer_of_a_real_registry_is_hopped_through_and_reads_as_in_a_file(host: str, tmp_path: Path) -> None:
    """But for what takes the contents: how small they would get, and which of one size are the same."""
    large = layer(directory("a"), *(file(f"a/{number}", NOISE.randbytes(700_000)) for number in range(5)), file("end", b"e"))
    place = write_layout(tmp_path / "image", large)
    skopeo_copy("--preserve-digests", f"oci:{place}", f"docker://{host}/plain:1")
    found = open_image(f"docker://{host}/plain:1")
    assert ways(read_image(found)) == {FetchWay.HEADERS}
    remote, stored = (bare(report(each)) for each in (found, open_image(str(place))))
    assert [each["severity"] for each in remote["problems"]] == ["note"]
    assert stored["problems"] == []
    for each in (remote, stored):
        del each["problems"], each["image"]["compressed_bytes_estimate"], each["layers"][0]["compressed_bytes_estimate"]
    assert remote == stored
