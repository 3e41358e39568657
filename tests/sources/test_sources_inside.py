"""An image inside a tar or a zip, as CI systems hand on what a job left."""

from __future__ import annotations

import gzip
import io
import json
import stat
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from layerscope.analysis import read_image
from layerscope.errors import AmbiguousImage, CorruptLayer, NotAnImage, NotFound
from layerscope.sources.open import open_image
from layerscope.viewing.archives import list_zip
from support.commands import ran
from support.image_builder import file, image, layer, squeeze
from support.sources_build import Files, Layout, layer_tar, tar

IMAGE = image(layer("etc/passwd"), layer("app"), tag="app:1")
OTHER = image(layer("other"), tag="other:1")
DEFLATED, STORED = zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED


def zipped(files: dict[str, bytes], method: int = DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def paths(reference: str) -> list[bytes]:
    nodes = read_image(open_image(reference)).tree.nodes
    return sorted(nodes.paths[node] for node in range(1, len(nodes)))


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("method", [STORED, DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("name", ["image.tar", "out/image.TAR.gz"])
def test_a_zip_that_holds_an_image_opens(tmp_path: Path, name: str, method: int, compress: Any) -> None:
    place = written(tmp_path / "artifact.zip", zipped({"README.md": b"x", name: squeeze(IMAGE, compress)}, method))
    assert paths(place) == [b"app", b"etc", b"etc/passwd"]
    assert open_image(f"{place}:app:1").name == "app:1"
    assert open_image(f"{place}:{name}:app:1").name == "app:1"


@pytest.mark.parametrize("outer", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("compress", ["none", "gzip"])
def test_a_tar_that_holds_an_image_opens(tmp_path: Path, outer: Any, compress: Any) -> None:
    files: Files = {"notes.txt": b"x", "deploy/image.tar": squeeze(IMAGE, compress)}
    place = written(tmp_path / "bundle", squeeze(tar(files), outer))
    assert paths(place) == [b"app", b"etc", b"etc/passwd"]
    assert open_image("-", stdin=io.BytesIO(Path(place).read_bytes())).name == "app:1"


def test_a_zip_may_come_through_a_pipe() -> None:
    assert open_image("-", stdin=io.BytesIO(zipped({"image.tar": IMAGE}))).name == "app:1"


@pytest.mark.parametrize("method", [STORED, DEFLATED])
def test_a_layout_in_a_zip_opens(tmp_path: Path, method: int) -> None:
    layout = Layout()
    files = layout.files(layout.image(layer_tar("a"), layer_tar("b")))
    place = written(
        tmp_path / "layout.zip", zipped({name: data for name, data in files.items() if isinstance(data, bytes)}, method)
    )
    assert paths(place) == [b"a", b"b"]


@pytest.mark.parametrize("pack", [zipped, tar])
def test_several_images_inside_are_chosen_from_by_name(tmp_path: Path, pack: Any) -> None:
    files = {"a.tar": IMAGE, "b.tar": squeeze(OTHER, "gzip"), "src.tar": tar({"x": b"x"}), "notes": b""}
    place = written(tmp_path / "it", pack(files))
    with pytest.raises(AmbiguousImage, match=r"holds 2 archives of images; choose one with .*it:NAME`: a.tar, b.tar"):
        open_image(place)
    assert open_image(f"{place}:a.tar").name == "app:1"
    assert open_image(f"{place}:b.tar:other:1").name == "other:1"
    with pytest.raises(NotFound, match="no image 'app:1'"):
        open_image(f"{place}:b.tar:app:1")


def test_an_archive_beside_others_that_are_no_images_opens(tmp_path: Path) -> None:
    assert open_image(written(tmp_path / "it.zip", zipped({"src.tar.gz": b"x", "image.tar": IMAGE}))).name == "app:1"


@pytest.mark.parametrize("pack", [zipped, tar])
def test_a_root_filesystem_inside_is_no_image(tmp_path: Path, pack: Any) -> None:
    root = layer("bin/", "etc/", "usr/").tar()
    with pytest.raises(NotAnImage, match=r"of one file|of one entry"):
        open_image(written(tmp_path / "it", pack({"rootfs.tar": root})))


def test_a_root_filesystem_that_holds_an_image_is_a_root_filesystem(tmp_path: Path) -> None:
    root = layer("bin/", "etc/", "usr/", file("var/image.tar", IMAGE)).tar()
    assert open_image(written(tmp_path / "it.tar", root)).noun == "a root filesystem"


def test_an_archive_in_an_archive_in_an_archive_is_not_looked_for(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage):
        open_image(written(tmp_path / "it.zip", zipped({"a.tar": tar({"image.tar": IMAGE})})))


@pytest.mark.parametrize("cut", [100, 2000])
def test_a_damaged_zip_says_so(tmp_path: Path, cut: int) -> None:
    data = zipped({"image.tar": IMAGE}, STORED)
    with pytest.raises(CorruptLayer, match="is a damaged or absurd zip archive"):
        open_image(written(tmp_path / "it.zip", data[:-cut]))


def test_a_damaged_member_says_so(tmp_path: Path) -> None:
    data = bytearray(zipped({"image.tar": IMAGE}))
    data[200:240] = bytes(40)
    with pytest.raises(CorruptLayer, match=r"it.zip: image.tar cannot be unpacked"):
        open_image(written(tmp_path / "it.zip", bytes(data)))
    with pytest.raises(CorruptLayer, match=r"it.zip: image.tar.gz: truncated gzip"):
        open_image(written(tmp_path / "it.zip", zipped({"image.tar.gz": gzip.compress(IMAGE)[:-20]})))


def test_an_encrypted_member_says_so(tmp_path: Path) -> None:
    data = bytearray(zipped({"image.tar": IMAGE}))
    for start in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data[start] |= 1
    with pytest.raises(CorruptLayer, match="encrypted"):
        open_image(written(tmp_path / "it.zip", bytes(data)))


def test_a_bomb_in_a_zip_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_MAX_UNPACKED", "100000")
    place = written(tmp_path / "it.zip", zipped({"image.tar": IMAGE + bytes(1 << 20)}))
    with pytest.raises(NotFound, match=r"image.tar unpacks to .* bytes"):
        open_image(f"{place}:image.tar")


def test_a_link_in_a_zip_is_not_followed(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("image.tar")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(NotFound, match="is a link"):
        open_image(written(tmp_path / "it.zip", buffer.getvalue()) + ":image.tar")


def test_other_zips_are_refused_as_before(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match=r"a zip archive of 2 files, such as META-INF/MANIFEST.MF"):
        open_image(written(tmp_path / "a.jar", zipped({"META-INF/MANIFEST.MF": b"", "a.class": b""})))


def test_every_command_works_on_what_is_inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = written(tmp_path / "artifact.zip", zipped({"image.tar": IMAGE}))
    assert ran(capsys, place, "--text").lines[0].startswith("app:1")
    for arguments in (("ls", place), ("find", place, "app"), ("waste", place), ("verify", place), ("diff", place, place)):
        assert ran(capsys, *arguments).code == 0
    assert ran(capsys, "cat", place, "/app").out == "content of app\n"
    assert ran(capsys, "blame", place, "/app").code == 0
    assert ran(capsys, "extract", place, "/app", tmp_path / "out").code == 0
    assert ran(capsys, "ci", place).code == 0
    several = written(tmp_path / "several.zip", zipped({"a.tar": IMAGE, "b.tar": OTHER}))
    done = ran(capsys, "images", f"{several}:a.tar", "--json", "--analyze")  # opens it a second time, by what it is called then
    assert done.code == 0
    assert [each["tags"] for each in json.loads(done.out)["images"]] == [["app:1"]]


def absurd_zip(members: int, extra: int, *, wide: bool = False) -> bytes:
    """A zip of a directory alone, each entry of which has `extra` bytes of empty extra fields."""
    record = b"PK\x01\x02" + bytes(24) + struct.pack("<HHH", 1, extra, 0) + bytes(12) + b"a" + bytes(extra)
    central = record * members
    size = 1 << 40 if wide else len(central)
    end64 = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, members, members, size, 30) if wide else b""
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 30 + len(central), 1) if wide else b""
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, members & 0xFFFF, members & 0xFFFF, len(central), 30, 0)
    return b"PK\x03\x04" + bytes(26) + central + end64 + locator + end


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (absurd_zip(1000, 60_000), "more extra fields than any real one"),
        (absurd_zip(150_000, 0), "more than 100,000 members"),
        (absurd_zip(1, 0, wide=True), "its directory is larger than 64 MiB"),
    ],
    ids=["extra fields", "members", "directory"],
)
def test_a_zip_whose_directory_is_absurd_is_refused_at_once(tmp_path: Path, content: bytes, reason: str) -> None:
    started = time.process_time()
    with pytest.raises(CorruptLayer, match=reason):
        open_image(written(tmp_path / "it.zip", content))
    assert reason in list_zip(content).damage
    assert time.process_time() - started < 2
