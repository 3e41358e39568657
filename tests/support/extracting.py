"""Extracting from literal layers, for tests."""

from __future__ import annotations

from pathlib import Path

from layerscope.analysis import Contents, read_image
from layerscope.extraction.extract import Extracted, extract
from layerscope.layers.blob import Blob
from layerscope.sources.documents.files import Archive
from layerscope.sources.image import Image
from layerscope.sources.location import Location
from layerscope.sources.open import open_files
from layerscope.tree.lookup import resolve
from support.image_builder import Compress, Layer, blob, image


def image_of(*layers: Layer, compress: Compress = "none") -> Image:
    return image_in(blob(image(*layers, compress=compress)))


def image_in(archive: Blob) -> Image:
    return open_files(
        Archive.of("image.tar", archive), Location("image.tar", Path("image.tar")), reference="image.tar", platform=None
    )


def contents_of(*layers: Layer, compress: Compress = "none") -> Contents:
    return read_image(image_of(*layers, compress=compress))


def extracted(
    contents: Contents, path: str, destination: Path, *, overwrite: bool = False, after: int | None = None
) -> Extracted:
    view = contents.tree.view(after or contents.tree.layers)
    return extract(contents, view, resolve(view, path.encode(), follow_last=False), destination, overwrite=overwrite)


def tree_on_disk(root: Path) -> dict[str, bytes]:
    """Every path below `root`, with the content of files and the target of links; directories end in `/`."""
    return {
        f"{path.relative_to(root)}" + ("/" if path.is_dir() and not path.is_symlink() else ""): _shown(path)
        for path in sorted(root.rglob("*"))
    }


def _shown(path: Path) -> bytes:
    if path.is_symlink():
        return b"-> " + str(path.readlink()).encode()
    return path.read_bytes() if path.is_file() else b""
