"""The screen on images that others wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerscope.app.explorer.loader import Failed
from layerscope.errors import LayerscopeError
from support.screens import explored, piloted, stored

OPEN = (
    "alpine-3.10.tar.gz",
    "bazel-whiteout.tar",
    "buildkit-estargz.tar",
    "busybox-14-layers.tar",
    "docker26-containerd-attested.tar",
    "family-oci-layout.tar:v2",
    "family-oci-layout.tar:v3",
    "hello-world-docker25.tar",
    "nested-index-oci-layout.tar",
    "oci-estargz.tar",
    "oci-gzip.tar",
    "oci-uncompressed.tar",
    "oci-zstd.tar",
    "skopeo-zstd-chunked.tar",
    "two-images-one-archive.tar:test_image_1",
)
REFUSED = ("family-oci-layout.tar", "family-oci-layout.tar:a1", "not-an-image.tar", "two-images-one-archive.tar")


@pytest.mark.parametrize("name", OPEN)
@piloted
async def test_an_image_that_others_wrote_is_explored(images: Path, name: str) -> None:
    async with explored(stored(f"{images}/{name}")) as screen:
        assert not screen.app._exit
        layers = screen.layer
        for number in range(layers, 0, -1):
            assert screen.layer == number
            screen.check_lines()
            await screen.keys("[")
        await screen.keys("tab e G ] } { u u t m ]")
        screen.check_lines()
        await screen.write("/e")
        await screen.keys("enter down escape")
        await screen.keys("w")
        screen.check_lines()
        await screen.keys("tab down escape")
        assert screen.app.screen is screen.explorer
        await screen.keys("G v")
        screen.check_lines()
        await screen.keys("escape b")
        screen.check_lines()
        await screen.keys("escape q")
        assert screen.app._exit
        assert screen.app.return_value is None


@pytest.mark.parametrize("name", REFUSED)
@piloted
async def test_what_cannot_be_opened_ends_with_a_sentence(images: Path, name: str) -> None:
    async with explored(stored(f"{images}/{name}")) as screen:
        await screen.until(lambda: screen.app._exit)
        ended = screen.app.return_value
        assert isinstance(ended, Failed)
        assert isinstance(ended.error, LayerscopeError)
        assert len(str(ended.error)) > 20


def test_every_sample_is_tried(images: Path) -> None:
    there = {path.name for path in images.iterdir() if ".tar" in path.name}
    assert there <= {name.partition(":")[0] for name in (*OPEN, *REFUSED)}
