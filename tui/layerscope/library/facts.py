"""What the library tells of an image, its layers, files, waste and rules. The fields are those of the JSON reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageSummary:
    """An image as a whole. Sizes are in bytes, `efficiency` goes from 0 to 1; estimates are None where nothing is estimated.

    `layers`, `entries` and `files` are numbers: of layers, of entries in all layers, of files that a container sees.
    """

    reference: str
    name: str
    id: str | None
    manifest_digest: str | None
    platform: str
    created: str | None
    layers: int
    entries: int
    files: int
    content_bytes: int
    live_bytes: int
    wasted_bytes: int
    wire_bytes: int
    compressed_bytes_estimate: int | None
    wire_bytes_wasted_estimate: int
    efficiency: float
    is_complete: bool


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """A layer; `number` counts from 1, base first. Sizes are in bytes; `wasted_bytes` it wrote, `buries_bytes` it buried.

    `added`, `modified` and `removed` are numbers of paths. `is_base` is None where it is not known which layers are the base's.
    """

    number: int
    digest: str | None
    diff_id: str | None
    media_type: str
    compression: str | None
    created_by: str
    content_bytes: int
    unpacked_bytes: int
    wire_bytes: int
    compressed_bytes_estimate: int | None
    wasted_bytes: int
    buries_bytes: int
    wire_bytes_wasted_estimate: int
    added: int
    modified: int
    removed: int
    is_base: bool | None


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A path as a container sees it after a layer. `mode` to `layer` are None for a directory that no layer names.

    `type` is file, directory, symlink, char, block or fifo; `mode` has the permission bits alone, `mtime` is in seconds since
    1970, `layer` is the layer that wrote it, `linkname` where a symlink leads, and empty for all else.
    """

    path: str
    type: str
    content_bytes: int
    mode: int | None
    uid: int | None
    gid: int | None
    mtime: int | None
    layer: int | None
    linkname: str


@dataclass(frozen=True, slots=True)
class WastedContent:
    """A content that some layer carries and no container sees: who wrote it, who buried it, and the cause.

    `is_base` tells whether the base image wastes it; None where it is not known which layers are the base's.
    """

    path: str
    wasted_bytes: int
    cause: str
    written_by: int
    buried_by: int
    is_base: bool | None


@dataclass(frozen=True, slots=True)
class JudgedRule:
    """A rule and what was measured, in `unit`: bytes, share (0 to 1) or count. `outcome` is passed, failed, warned, waived or
    unjudged; `margin` is negative beyond the limit.
    """

    key: str
    name: str
    outcome: str
    severity: str
    unit: str
    measured: float
    limit: float
    margin: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Judgment:
    """The gate's verdict. `outcome` is passed, failed or unjudged, `exit_code` what `layerscope ci` would exit with: 0, 1 or 2.

    `doubts` say why the image could not be judged, `notes` what else to know.
    """

    outcome: str
    exit_code: int
    rules: tuple[JudgedRule, ...]
    doubts: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def has_passed(self) -> bool:
        """Tell whether the image was judged and no rule is broken."""
        return self.exit_code == 0
