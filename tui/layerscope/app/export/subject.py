"""What leaves the screen: a path of an image as a layer left it, or a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerscope.extraction.extract import content_pieces
from layerscope.viewing.history import PathVersion, seen_after, versions_of_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from layerscope.analysis import Contents
    from layerscope.sources.image import Image


@dataclass(frozen=True, slots=True)
class ExportSubject:
    """Layer number `layer` of an image (0: none) and, unless `node` is None, a path that it wrote.

    `entry` is the tree's entry with the content of the file, -1 for what has none.
    """

    image: Image
    layer: int
    contents: Contents | None = None
    node: int | None = None
    entry: int = -1

    @classmethod
    def of_path(cls, contents: Contents, node: int, layer: int) -> ExportSubject:
        """Return the path of a node, and its version that is seen after `layer`, else the last before it."""
        versions = versions_of_path(contents, node) if contents.image.layers else []
        return cls.of_version(contents, node, versions[seen_after(versions, layer)] if versions else None)

    @classmethod
    def of_version(cls, contents: Contents, node: int, version: PathVersion | None) -> ExportSubject:
        """Return a version of a node; None for a directory that no layer wrote."""
        entry = version.content_entry if version else None
        return cls(contents.image, version.layer if version else 0, contents, node, -1 if entry is None else entry)

    @property
    def path(self) -> bytes:
        """Return the path in the image, without a leading `/`; empty for the root, and for a layer."""
        return self.contents.tree.nodes.paths[self.node] if self.contents is not None and self.node is not None else b""

    @property
    def size(self) -> int:
        """Return the bytes of the file's content."""
        return int(self.contents.tree.entries.size[self.entry]) if self.contents is not None and self.entry >= 0 else 0

    def pieces(self) -> Iterator[bytes]:
        """Yield the file's content. Raises CorruptLayer."""
        assert self.contents is not None
        return content_pieces(self.contents, self.entry)
