"""Finds where blocks of deflate end, as zlib itself tells with Z_BLOCK, which Python's zlib does not offer."""

from __future__ import annotations

import ctypes
import ctypes.util
from dataclasses import dataclass

from conftest import do_without

Z_BLOCK, Z_STREAM_END, AUTOMATIC = 5, 1, 47
WINDOW = 32 << 10
IN_BLOCK_END, IN_LAST_BLOCK, UNUSED_BITS = 128, 64, 7


class _Stream(ctypes.Structure):
    """z_stream of zlib.h."""

    _fields_ = (
        ("next_in", ctypes.c_void_p),
        ("avail_in", ctypes.c_uint),
        ("total_in", ctypes.c_ulong),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_uint),
        ("total_out", ctypes.c_ulong),
        ("msg", ctypes.c_char_p),
        ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p),
        ("zfree", ctypes.c_void_p),
        ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int),
        ("adler", ctypes.c_ulong),
        ("reserved", ctypes.c_ulong),
    )


@dataclass(frozen=True)
class Boundary:
    """The end of a block: the offset of the first whole byte after it, its unpacked offset, bits left of the byte before."""

    stored: int
    unpacked: int
    bits: int


def block_boundaries(packed: bytes, unpacked_bytes: int) -> list[Boundary]:
    """Every end of a block that is not its member's last, and of each member's header, in all members of a gzip file."""
    name = ctypes.util.find_library("z")
    if name is None:
        do_without("zlib is no library of its own here")
    zlib = ctypes.CDLL(name)
    stream = _Stream()
    size = ctypes.c_int(ctypes.sizeof(stream))
    zlib.zlibVersion.restype = ctypes.c_char_p
    assert zlib.inflateInit2_(ctypes.byref(stream), AUTOMATIC, zlib.zlibVersion(), size) == 0
    source, target = ctypes.create_string_buffer(packed, len(packed)), ctypes.create_string_buffer(unpacked_bytes + 1)
    stream.next_in, stream.avail_in = ctypes.addressof(source), len(packed)
    stream.next_out, stream.avail_out = ctypes.addressof(target), unpacked_bytes + 1
    found = []
    while stream.avail_in:
        done = zlib.inflate(ctypes.byref(stream), Z_BLOCK)
        assert done in (0, Z_STREAM_END), done
        stored, unpacked = len(packed) - stream.avail_in, unpacked_bytes + 1 - stream.avail_out
        if done == Z_STREAM_END:
            zlib.inflateReset2(ctypes.byref(stream), AUTOMATIC)
        elif stream.data_type & IN_BLOCK_END and not stream.data_type & IN_LAST_BLOCK:
            found.append(Boundary(stored, unpacked, stream.data_type & UNUSED_BITS))
    zlib.inflateEnd(ctypes.byref(stream))
    return found
