"""Coverage-guided fuzzing of the header reader and of the readers of documents, by hand: it needs atheris.

    pip install atheris; python tests/fuzz.py layer|document -max_total_time=60

Only errors of ours may come out, whatever goes in.
"""

from __future__ import annotations

import os
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["layerscope"]):
    from layerscope.errors import LayerscopeError
    from layerscope.layers.blob import Blob
    from layerscope.layers.readers.blob import read_layer
    from layerscope.layers.table import LayerStack
    from layerscope.oci.documents import ArchiveManifest, Config, Index, Manifest, decode
    from layerscope.tree.merge import merge

os.environ["LAYERSCOPE_MAX_UNPACKED"] = str(1 << 26)


def fuzz_layer(data: bytes) -> None:
    """The first byte splits the rest into two layers; checksums are made right, or nothing would get past them."""
    cut = (data[0] * len(data) // 256 // 512 * 512) if data else 0
    try:
        tables = [
            read_layer(_blob(_with_checksums(part)), layer=number).table
            for number, part in enumerate((data[1 : cut + 1], data[cut + 1 :]), 1)
        ]
        tree = merge(LayerStack.of(tables))
        for layer in (1, 2):
            assert (tree.view(layer).subtree_bytes >= 0).all()
    except LayerscopeError:
        pass


def fuzz_document(data: bytes) -> None:
    for kind in (Manifest, Index, Config, list[ArchiveManifest]):
        try:
            decode(data, kind, what="fuzz")
        except LayerscopeError:
            continue


def _with_checksums(data: bytes) -> bytes:
    fixed = bytearray(data)
    for start in range(0, len(fixed) - 511, 512):
        block = fixed[start : start + 512]
        if block[257:262] == b"ustar":
            total = sum(block) - sum(block[148:156]) + 8 * 0x20
            fixed[start + 148 : start + 156] = b"%06o\0 " % total
    return bytes(fixed)


def _blob(data: bytes) -> Blob:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return Blob.of_open_file(file)


if __name__ == "__main__":
    target = {"layer": fuzz_layer, "document": fuzz_document}[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
