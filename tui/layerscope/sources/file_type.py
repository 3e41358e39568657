"""Describes a file that is not an image, in half a sentence for an error message."""

from __future__ import annotations

import re
from collections.abc import Sequence

from layerscope.layers.tar.headers import BLOCK, has_good_checksum
from layerscope.oci.documents import BUILDKIT_CACHE, SCHEMA_1, artifact_kind
from layerscope.text import escape

ZIP_MAGIC = b"PK\x03\x04"
HEAD = 4096
"""Bytes from the front that `describe_head` wants to see."""
_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MAGIC = (
    (b"\x7fELF", "an ELF program"),
    (ZIP_MAGIC, "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"BZh", "bzip2: unpack it first"),
    (b"\xfd7zXZ\0", "xz: unpack it first"),
    (b"\x04\x22\x4d\x18", "lz4: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"hsqs", "a squashfs file system"),
    (b"QFI\xfb", "a qcow2 disk image"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"!<arch>\ndebian", "a Debian package"),
    (b"!<arch>", "an ar archive"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"#!", "a script"),
    (b"version https://git-lfs", "a Git LFS pointer: run git lfs pull"),
)
_ROOT_NAMES = frozenset({b"bin", b"etc", b"lib", b"usr", b"var", b"sbin"})
AS_LAYER = "`layerscope layer:FILE` opens any tar as an image of one layer"
_MANIFESTS = frozenset({b"index.json", b"manifest.json"})


def is_tar(head: bytes) -> bool:
    """Tell whether the first block is a tar header with a valid checksum, in any tar format."""
    return len(head) >= BLOCK and has_good_checksum(head[:BLOCK])


def describe_head(head: bytes) -> str:
    """Describe a file that is not a tar, from its first bytes."""
    if not head:
        return "it is empty"
    if not head.strip(b"\0"):
        return "it is all zeros, or an empty tar"
    if head[32:41] == b"SIF_MAGIC":  # behind a first line that a shell runs
        return "it is a Singularity (Apptainer) image, SIF, which holds one file system and no layers"
    for magic, words in _MAGIC:
        if head.startswith(magic):
            return f"it looks like {words}"
    return f"it looks like {_describe_text(head)}"


def _describe_text(head: bytes) -> str:
    start = head[:HEAD].lstrip()
    if _CONTROLS.search(head[:HEAD]):
        return "binary data of unknown type"
    if start[:1] in (b"{", b"["):
        return f"JSON text{_describe_document(start)}"
    if start[:5].lower() in (b"<!doc", b"<html"):
        return "an HTML page, perhaps of a failed download"
    return "text"


def _describe_document(start: bytes) -> str:
    """Return a clause that says which document of an image a JSON text is; empty for any other text."""
    if b'"fsLayers"' in start or any(media_type.encode() in start for media_type in SCHEMA_1):
        return ", a manifest of Docker's schema 1 (before 2016) without its layers"
    if BUILDKIT_CACHE.encode() in start:
        return f", the manifest of {artifact_kind(BUILDKIT_CACHE)}"
    is_document = b'"schemaVersion"' in start or b'"rootfs"' in start
    return ", a manifest or config without its layers" if is_document else ""


def describe_tar(names: Sequence[bytes], *, is_layer: bool) -> str:
    """Describe a tar with these members; `is_layer` when it also has whiteouts."""
    if not names:
        return "it is an empty tar" if not is_layer else "it looks like a single layer"
    count = "one entry" if len(names) == 1 else f"{len(names)} entries"
    if is_layer:
        return f"it looks like a single layer of {count}, not a whole image; {AS_LAYER}"
    nested = _nested_image(names)
    if nested:
        return f"the image in it is one directory down, in {escape(nested)}/; unpack it and name that directory"
    if any(name.endswith(b"Chart.yaml") and name.count(b"/") <= 1 for name in names):
        return "it looks like a Helm chart"
    if is_root_filesystem(names):
        return f"it looks like a root filesystem of {count}, as `docker export` writes it; {AS_LAYER}"
    return f"it looks like a tar of {count}, such as {escape(names[0][:100])}; {AS_LAYER}"


def describe_zip(names: Sequence[bytes]) -> str:
    """Describe a zip archive with these members."""
    of_what = f"{len(names)} files" if len(names) != 1 else "one file"
    such = f", such as {escape(names[0][:100])}" if names else ""
    return f"it looks like a zip archive of {of_what}{such}"


def describe_directory(names: Sequence[bytes]) -> str:
    """Describe a directory with these entries."""
    archive = next((name for name in names if name.endswith((b".tar", b".tar.gz", b".tgz", b".tar.zst"))), None)
    if not names:
        return "the directory is empty"
    if b"blobs" in names:
        return "the directory has blobs but no index.json that says what they are"
    if is_root_filesystem(names):
        return "the directory looks like a root filesystem; `tar -C DIRECTORY -c . | layerscope layer:-` shows it as one layer"
    if archive:
        return f"the directory has neither index.json nor manifest.json; it holds {escape(archive)}, which may be one"
    if b"Dockerfile" in names or b"Containerfile" in names:
        return "the directory looks like a build context; build it first"
    return "the directory has neither index.json (OCI layout) nor manifest.json (docker save)"


def is_root_filesystem(names: Sequence[bytes]) -> bool:
    """Tell whether at least three of the usual directories are at the top, or the file that Docker puts into each container."""
    top = {name.partition(b"/")[0] for name in names}
    return len(_ROOT_NAMES & top) >= 3 or b".dockerenv" in top


def _nested_image(names: Sequence[bytes]) -> bytes | None:
    """Return the directory that holds an image's documents, when they are not at the top."""
    for name in names:
        directory, _, base = name.rpartition(b"/")
        if base in _MANIFESTS and b"/" not in directory and (directory + b"/oci-layout" in names or base == b"manifest.json"):
            return directory
    return None
