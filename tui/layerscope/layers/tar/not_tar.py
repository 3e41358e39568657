"""Says what a layer is that is not a tar, by its magic bytes, so that it does not look like a damaged tar."""

from __future__ import annotations

_MAGIC = (
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"\x02\x21\x4c\x18", "compressed with lz4"),
    (b"LZIP", "compressed with lzip"),
    (b"\x5d\x00\x00", "compressed with lzma"),
    (b"\x89LZO\0", "compressed with lzop"),
    (b"\x1f\x9d", "compressed with compress (.Z)"),
    (b"\x1f\xa0", "compressed with compress (.Z)"),
    (b"\xff\x06\0\0sNaPpY", "compressed with snappy"),
    (b"BZ0", "compressed with bzip, which came before bzip2"),
    (b"\x78\x01", "compressed with zlib, without gzip's header"),
    (b"\x78\x9c", "compressed with zlib, without gzip's header"),
    (b"\x78\xda", "compressed with zlib, without gzip's header"),
    (b"PK\x03\x04", "a zip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"hsqs", "a squashfs file system"),
    (b"ZFile\0\1", "an overlaybd device"),
    (b"070701", "a cpio archive"),
    (b"070702", "a cpio archive"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"!<arch>\n", "an ar archive, such as a Debian package"),
    (b"\x7fELF", "a program (ELF)"),
    (b"version https://git-lfs", "a pointer of Git LFS: the file itself was not fetched"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"{", "a JSON document"),
)


def no_header_text(offset: int, block: bytes) -> str:
    """Say why `block`, at an offset of the unpacked layer, is not a tar header.

    For the first block, also say what the layer is instead, if that is known.
    """
    found = next((words for magic, words in _MAGIC if block.startswith(magic)), "") if offset == 0 else ""
    if found:
        return f"it is not a tar but {found}, which no engine unpacks (no tar header at offset 0)"
    return f"no tar header at offset {offset}: its checksum is wrong"
