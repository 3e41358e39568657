"""How many bytes a plain layer takes as gzip, estimated from a sample: held against gzip itself."""

from __future__ import annotations

import gzip
import io
import os
import random
import sysconfig
import tarfile
from pathlib import Path

import pytest

from layerscope.layers.readers.blob import estimate_compressed
from support.commands import ran
from support.image_builder import blob, image, layer
from support.sources_build import stored_blobs


def standard_library() -> bytes:
    """Python's own directory as a layer: sources, compiled files and libraries, tens of megabytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(sysconfig.get_path("stdlib"), "lib", filter=lambda each: None if "site-packages" in each.name else each)
    return buffer.getvalue()


@pytest.mark.slow
def test_a_layer_of_a_few_samples_is_estimated_within_a_quarter() -> None:
    # Thirty megabytes are a dozen samples: within a tenth with one Python's files, a fifth off with another's.
    tar = standard_library()
    assert len(tar) > 20_000_000
    truth = len(gzip.compress(tar, 6))
    assert estimate_compressed(blob(tar)) == pytest.approx(truth, rel=0.25)


@pytest.mark.parametrize("size", [0, 1, 512, 60_000, 65_536])
def test_a_small_layer_is_compressed_whole(size: int) -> None:
    content = random.Random(size).randbytes(size // 2) + bytes(size - size // 2)
    assert estimate_compressed(blob(content)) == pytest.approx(len(gzip.compress(content, 6)), rel=0.01, abs=20)


@pytest.mark.parametrize("size", [65_537, 1_000_001, 30_000_000])
def test_what_does_not_compress_is_not_taken_for_less_and_zeros_are_next_to_nothing(size: int) -> None:
    assert estimate_compressed(blob(random.Random(1).randbytes(size))) == pytest.approx(size, rel=0.03)
    assert estimate_compressed(blob(bytes(size))) < size * 0.01


def test_the_estimate_is_the_same_every_time() -> None:
    content = blob(random.Random(2).randbytes(300_000) + bytes(900_000))
    assert estimate_compressed(content) == estimate_compressed(content)


@pytest.mark.skipif("LAYERSCOPE_CORPUS" not in os.environ, reason="LAYERSCOPE_CORPUS names no directory with node.tar")
def test_the_corpus_is_estimated_within_a_twentieth() -> None:
    from layerscope.sources.open import open_image

    corpus = Path(os.environ["LAYERSCOPE_CORPUS"])
    plain, packed = (open_image(str(corpus / name)) for name in ("node.tar", "node-gz.tar"))
    estimate = sum(map(estimate_compressed, stored_blobs(plain)))
    assert estimate == pytest.approx(sum(each.reader.stored_bytes for each in packed.layers), rel=0.05)


def test_a_report_of_plain_layers_says_stored_and_of_compressed_ones_on_the_wire(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heading = {}
    for name, stored in (("none", image(layer("a", "b"))), ("gzip", image(layer("a", "b"), compress="gzip"))):
        (tmp_path / "image.tar").write_bytes(stored)
        heading[name] = ran(capsys, tmp_path / "image.tar").lines[1]
    assert " stored · ≈" in heading["none"]
    assert " stored" not in heading["gzip"]
    assert "≈" not in heading["gzip"]
    assert " on the wire · " in heading["gzip"]


def test_diff_says_stored_where_either_side_is_plain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / name for name in ("plain", "gzip")]
    paths[0].write_bytes(image(layer("a", "b")))
    paths[1].write_bytes(image(layer("a", "b"), compress="gzip"))
    rows = [line.split("  ")[0] for line in ran(capsys, "diff", *paths).lines]
    assert rows[1:5] == ["on disk", "stored", "≈ the wire", "wasted"]
    rows = [line.split("  ")[0] for line in ran(capsys, "diff", paths[1], paths[1]).lines]
    assert rows[1:4] == ["on disk", "on the wire", "wasted"]
