"""Every byte of an image is hashed, and what does not hash to what the image says is told."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from layerscope.doubt import Check
from layerscope.layers.compression import PIECE
from layerscope.layers.readers.stored import AbsentReader, BlobReader
from layerscope.oci.digest import Digest
from layerscope.progress import ignore
from layerscope.sources.image import Image, StoredLayer
from layerscope.sources.open import open_image
from layerscope.verify import exit_code, verify
from support.extracting import image_of
from support.image_builder import Compress, blob, file, layer, write_layout

CONTENT = bytes(range(256)) * 4 * 1024  # more than one piece, which compresses


def stored(data: bytes, **said: str) -> StoredLayer:
    """A layer whose documents say what `said` says."""
    digest, diff_id = (Digest(said[name]) if name in said else None for name in ("digest", "diff_id"))
    return StoredLayer(1, digest, diff_id, None, "", BlobReader(blob(data)))


def checks(*layers: StoredLayer) -> list[Check]:
    """What is found of the layers, the config aside."""
    image = replace(image_of(layer("a")), layers=layers)
    found = verify(image, progress=ignore)
    assert found[0].ok
    return found[1:]


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def sha512(data: bytes) -> str:
    return "sha512:" + hashlib.sha512(data).hexdigest()


TAR = layer(file("a", CONTENT)).tar()
GZIP = gzip.compress(TAR)


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
def test_a_sound_image_passes(compress: Compress) -> None:
    found = verify(image_of(layer(file("a", CONTENT)), layer("b"), compress=compress), progress=ignore)
    assert all(check.ok and check.actual == check.expected and not check.note for check in found)
    assert [check.what for check in found][:2] == [
        "config",
        "layer 1 digest and diff_id" if compress == "none" else "layer 1 diff_id",
    ]


def test_stored_and_unpacked_bytes_are_checked_apart() -> None:
    right, wrong = checks(stored(GZIP, digest=sha256(GZIP), diff_id=sha256(b"other")))
    assert right == Check("layer 1 digest", sha256(GZIP), sha256(GZIP), ok=True)
    assert wrong == Check("layer 1 diff_id", sha256(b"other"), sha256(TAR), ok=False)


def test_each_hash_is_of_its_own_algorithm() -> None:
    for data in (GZIP, TAR):
        found = checks(stored(data, digest=sha512(data), diff_id=sha256(TAR)))
        assert [(check.ok, check.actual) for check in found] == [(True, sha512(data)), (True, sha256(TAR))]


def test_one_changed_byte_is_found() -> None:
    changed = bytearray(TAR)
    changed[1000] ^= 1
    (found,) = checks(stored(bytes(changed), digest=sha256(TAR), diff_id=sha256(TAR)))
    assert (found.ok, found.expected, found.actual) == (False, sha256(TAR), sha256(bytes(changed)))


def test_a_changed_config_is_found() -> None:
    image = image_of(layer("a"))
    found = verify(replace(image, raw_config=image.raw_config + b" "), progress=ignore)
    assert [(check.what, check.ok) for check in found] == [("config", False), ("layer 1 digest and diff_id", True)]


@pytest.mark.parametrize("cut", [len(GZIP) - 4, len(GZIP) // 2, 20])
def test_a_damaged_stream_names_its_offset_and_its_stored_bytes_are_hashed_all_the_same(cut: int) -> None:
    data = GZIP[:cut]
    digest, diff_id = checks(stored(data, digest=sha256(data), diff_id=sha256(TAR)))
    assert digest.ok
    assert (diff_id.ok, diff_id.actual) == (False, "")
    assert f"the bytes end at stored offset {cut}" in diff_id.note


def test_bytes_after_the_damage_belong_to_the_digest() -> None:
    data = GZIP + b"no member" + bytes(3 * PIECE)
    digest, diff_id = checks(stored(data, digest=sha256(data), diff_id=sha256(TAR)))
    assert digest.ok
    assert f"at stored offset {len(GZIP)}" in diff_id.note


def test_a_layer_that_is_not_there_fails() -> None:
    absent = StoredLayer(1, Digest(sha256(TAR)), None, None, "", AbsentReader("blobs/x is not there"))
    assert checks(absent) == [Check("layer 1", sha256(TAR), "", ok=False, note="blobs/x is not there", is_unread=True)]


def test_a_foreign_layer_that_is_not_there_is_noted() -> None:
    absent = StoredLayer(1, Digest(sha256(TAR)), None, None, "", AbsentReader("it is a foreign layer", may_be_missing=True))
    assert checks(absent) == [Check("layer 1", sha256(TAR), "", ok=True, note="it is a foreign layer", is_unread=True)]


def test_what_the_image_does_not_say_is_no_failure() -> None:
    (found,) = checks(stored(TAR))
    assert found == Check("layer 1 digest and diff_id", "", "", ok=True, note="the image does not say what it should be")


def test_damage_fails_even_where_the_image_says_nothing() -> None:
    (found,) = checks(stored(GZIP[:-9]))
    assert not found.ok


def test_a_hash_that_cannot_be_computed_is_not_passed() -> None:
    (found,) = checks(stored(TAR, diff_id="blake3:" + "0" * 64, digest="blake3:" + "0" * 64))
    assert (found.ok, found.note) == (False, "blake3 hashes cannot be computed here")


def test_layers_are_reported_in_order_whoever_is_done_first() -> None:
    layers = [layer(file("a", bytes(3_000_000)))] + [layer(f"f{number}") for number in range(9)]
    found = verify(image_of(*layers, compress="gzip"), progress=ignore)
    assert [check.what for check in found if check.what.endswith("diff_id")] == [
        f"layer {each} diff_id" for each in range(1, 11)
    ]


def test_progress_counts_every_stored_byte() -> None:
    seen: list[tuple[int, int]] = []
    image: Image = image_of(layer(file("a", CONTENT)), layer("b"), compress="gzip")
    verify(image, progress=lambda _stage, done, total: seen.append((done, total)))
    size = sum(each.reader.stored_bytes for each in image.layers)
    assert max(seen) == (size, size)


def test_an_interruption_stops_all_layers() -> None:
    class Stop(BaseException):
        pass

    def stop(_stage: str, _done: int, _total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        verify(image_of(*[layer(file("a", CONTENT))] * 5), progress=stop)


def test_a_changed_manifest_fails(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout", layer("a"))
    index = json.loads((layout / "index.json").read_bytes())
    manifest = layout / "blobs/sha256" / index["manifests"][0]["digest"].removeprefix("sha256:")
    manifest.write_bytes(manifest.read_bytes() + b" ")
    found = {check.what: check.ok for check in verify(open_image(str(layout)), progress=ignore)}
    assert found["manifest"] is False
    assert found["config"] is True


def test_a_wrong_hash_exits_with_1_and_what_cannot_be_read_with_2() -> None:
    wrong, unread = checks(stored(GZIP[:-9], digest=sha256(GZIP), diff_id=sha256(TAR)))
    assert (wrong.ok, wrong.is_unread, unread.ok, unread.is_unread) == (False, False, False, True)
    assert [exit_code(each) for each in ([], [wrong], [unread], [unread, wrong])] == [0, 1, 2, 1]
