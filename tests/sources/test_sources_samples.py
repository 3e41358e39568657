"""The built-in sample, base images, and images that others wrote (LAYERSCOPE_IMAGES)."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from layerscope.errors import AmbiguousImage, NotAnImage
from layerscope.layers.readers.blob import read_layer
from layerscope.layers.table import Kind
from layerscope.oci.platform import Platform
from layerscope.sources.base import annotated_base, base_layers
from layerscope.sources.demo import open_demo, write_demo
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from support.image_builder import digest
from support.sources_build import Layout, layer_tar, saved, stored_blobs, write_tar

AMD64 = Platform("linux", "amd64")


@pytest.fixture(autouse=True)
def amd64_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def test_the_sample_image_is_the_same_every_time() -> None:
    first, second = io.BytesIO(), io.BytesIO()
    write_demo(first)
    write_demo(second)
    assert first.getvalue() == second.getvalue()
    assert len(first.getvalue()) < 10 << 20


def test_the_sample_image_is_a_tar_that_tarfile_reads() -> None:
    buffer = io.BytesIO()
    write_demo(buffer)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        assert tar.getnames()[-1] == "manifest.json"


def test_the_sample_image_tells_its_story() -> None:
    image = open_demo()
    assert (image.reference, image.name, str(image.platform), image.notes) == (
        "demo",
        "layerscope/demo:latest",
        "linux/amd64",
        (),
    )
    tables = [read_layer(each, layer=number).table for number, each in enumerate(stored_blobs(image), 1)]
    assert len(tables) == len(image.layers) == 10
    assert not any(table.problems for table in tables)
    assert [each.digest for each in image.layers] == [digest(each.read()) for each in stored_blobs(image)]
    assert all(each.created_by and each.digest == each.diff_id for each in image.layers)
    assert (tables[0].entries.kind == Kind.HARDLINK).sum() == 3
    assert b"srv/app/.env" in tables[5].whiteouts
    assert tables[8].opaques == (b"srv/app/static",)
    assert len([step for step in image.config.history if step.empty_layer]) == 5


def image(path: Path, *layers: bytes, name: str = "image.tar") -> Image:
    return open_image(write_tar(path / name, saved(*layers)))


def test_the_base_is_what_both_images_have_at_the_bottom(tmp_path: Path) -> None:
    a, b, c, d = (layer_tar(name) for name in "abcd")
    mine = image(tmp_path, a, b, c)
    assert base_layers(mine, image(tmp_path, a, b, name="base.tar")) == 2
    assert base_layers(mine, image(tmp_path, a, d, name="base.tar")) == 1
    assert base_layers(mine, image(tmp_path, b, a, name="base.tar")) == 0
    assert base_layers(mine, mine) == 3
    assert base_layers(mine, image(tmp_path, a, b, c, d, name="base.tar")) == 3


def test_a_base_is_stated_in_annotations_or_labels(tmp_path: Path) -> None:
    stated = {"org.opencontainers.image.base.name": "debian:12", "org.opencontainers.image.base.digest": digest(b"base")}
    layout = Layout()
    files = layout.files(layout.image(layer_tar("a"), changes={"annotations": stated}))
    assert annotated_base(open_image(write_tar(tmp_path / "a.tar", files))) == ("debian:12", digest(b"base"))
    assert annotated_base(image(tmp_path, layer_tar("a"))) == ("", None)


@pytest.mark.parametrize(
    ("file", "name", "platform", "layers", "entries"),
    [
        ("busybox-14-layers.tar", "dive-test:latest", "linux/amd64", 14, 449),
        ("alpine-3.10.tar.gz", "alpine:3.10", "linux/amd64", 1, 482),
        ("bazel-whiteout.tar", "bazel/pkg/v1/mutate:whiteout_image", "linux/amd64", 3, 4),
        ("hello-world-docker25.tar", "", "linux/arm64", 1, 1),
        ("oci-gzip.tar", "", "linux/arm64", 1, 1),
        ("oci-zstd.tar", "", "linux/arm64", 1, 1),
        ("oci-estargz.tar", "", "linux/arm64", 1, 1),
        ("oci-uncompressed.tar", "", "linux/arm64", 1, 1),
        ("nested-index-oci-layout.tar", "multi-platform:latest", "linux/amd64", 1, 3),
        ("two-images-one-archive.tar:test_image_1", "test_image_1", "linux/amd64", 1, 3),
        ("family-oci-layout.tar:b1", "b1", "linux/amd64", 1, 1),
        ("family-oci-layout.tar:v2", "v2", "linux/amd64", 3, 3),
    ],
)
def test_images_that_others_wrote_open(images: Path, file: str, name: str, platform: str, layers: int, entries: int) -> None:
    opened = open_image(f"{images}/{file}")
    assert (opened.name, str(opened.platform), len(opened.layers), opened.notes) == (name, platform, layers, ())
    tables = [read_layer(each, layer=number).table for number, each in enumerate(stored_blobs(opened), 1)]
    assert sum(len(table.entries) for table in tables) == entries
    assert not any(problem.is_fatal for table in tables for problem in table.problems)
    assert [each.digest for each in opened.layers] == [digest(each.read()) for each in stored_blobs(opened)]


@pytest.mark.parametrize(("file", "count"), [("two-images-one-archive.tar", 2), ("family-oci-layout.tar", 7)])
def test_archives_of_several_images_ask_for_a_tag(images: Path, file: str, count: int) -> None:
    with pytest.raises(AmbiguousImage, match=f"holds {count} images; choose one"):
        open_image(f"{images}/{file}")


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7"])
def test_every_platform_of_a_layout_can_be_chosen(images: Path, platform: str) -> None:
    wanted = Platform.parse(platform)
    assert open_image(f"{images}/family-oci-layout.tar:v3", platform=wanted).platform.matches(wanted)


@pytest.mark.parametrize(
    ("file", "words"), [("not-an-image.tar", "README.md"), ("family-oci-layout.tar:a1", "artifact of type")]
)
def test_what_others_wrote_and_is_no_image_is_refused(images: Path, file: str, words: str) -> None:
    with pytest.raises(NotAnImage, match=words):
        open_image(f"{images}/{file}")


def test_an_image_is_found_to_be_built_on_another(images: Path) -> None:
    layout = f"{images}/family-oci-layout.tar"
    assert base_layers(open_image(f"{layout}:v3"), open_image(f"{layout}:b1")) == 1
    assert base_layers(open_image(f"{layout}:v3"), open_image(f"{layout}:b3")) == 0
