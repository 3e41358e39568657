"""An archive that another program truncates or writes again while it is open is a sentence, never a killed process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from layerscope.analysis import Contents, read_image
from layerscope.errors import FileChanged
from layerscope.layers.hashing import Algorithms, hash_blob
from layerscope.sources.open import open_image
from support.image_builder import Compress, file, image, layer

CONTENT = os.urandom(3 << 20)
STACK = (layer(file("first", b"1")), layer(file("big", CONTENT)))


def big(contents: Contents) -> bytes:
    """Read the content of the second layer's one file."""
    entries, content = contents.tree.entries, contents.layers[1]
    assert content is not None
    return b"".join(content.pieces(0, int(entries.content_offset[1]), int(entries.size[1])))


def truncated(path: Path) -> None:
    os.truncate(path, 4096)


def written_again(path: Path) -> None:
    """Write other bytes of the same length into the same file, as `docker save -o` does."""
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.write(bytes(size))
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("change", [truncated, written_again])
def test_contents_of_a_file_that_has_changed_are_refused(
    tmp_path: Path, change: Callable[[Path], None], compress: Compress
) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(*STACK, compress=compress))
    contents = read_image(open_image(str(path)))
    change(path)
    with pytest.raises(FileChanged, match=r"image\.tar has changed since it was opened; open it again"):
        big(contents)


@pytest.mark.parametrize("compress", ["none", "gzip"])
def test_an_image_that_changes_before_its_layers_are_read_is_refused(tmp_path: Path, compress: Compress) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(*STACK, compress=compress))
    opened = open_image(str(path))
    truncated(path)
    with pytest.raises(FileChanged):
        read_image(opened)


def test_hashing_a_file_that_changes_ends_with_the_same_sentence(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(*STACK))
    blob = open_image(str(path)).layers[1].reader.blob  # type: ignore[attr-defined]
    truncated(path)
    with pytest.raises(FileChanged):
        hash_blob(blob, Algorithms())


def test_an_image_whose_name_goes_to_another_file_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(*STACK))
    contents = read_image(open_image(str(path)))
    (tmp_path / "other").write_bytes(b"another")
    (tmp_path / "other").replace(path)
    assert big(contents) == CONTENT
