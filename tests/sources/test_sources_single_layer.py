"""A root filesystem, or a layer, is shown as an image of one layer, and every command works on it."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from layerscope.analysis import analyze, read_image
from layerscope.errors import CorruptLayer, NotAnImage, NotFound
from layerscope.sources.open import open_image
from support.commands import ran
from support.image_builder import directory, file, image, layer, squeeze, symlink, whiteout
from support.kept_images import KeptImages

ROOT = layer(
    directory("bin"),
    file("bin/sh", b"old" * 1000),
    directory("etc"),
    file("etc/passwd", b"root:x:0:0\n"),
    symlink("lib", "usr/lib"),
    directory("usr"),
    file("bin/sh", b"new" * 500),  # docker export writes a path once; a tar that was appended to has it twice
).tar()
PART = layer(file("srv/app", b"app"), whiteout("srv/old")).tar()
PLAIN = layer(file("README.md", b"hello\n"), file("src/main.c", b"int x;\n")).tar()


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


@pytest.fixture
def rootfs(tmp_path: Path) -> str:
    return written(tmp_path / "rootfs.tar", ROOT)


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
@pytest.mark.parametrize(("data", "noun"), [(ROOT, "a root filesystem"), (PART, "a single layer")])
def test_what_an_image_is_made_of_opens_as_one_layer(tmp_path: Path, data: bytes, noun: str, compress: Any) -> None:
    stored = squeeze(data, compress)
    opened = open_image(written(tmp_path / "it.tar", stored))
    assert (opened.noun, opened.short_id, opened.id, opened.is_guessed) == (noun, noun, None, True)
    (only,) = opened.layers
    assert (only.digest, only.diff_id, only.reader.stored_bytes) == (None, None, len(stored))
    assert f"not an image but {noun}: there is no config, no history and no digest" in opened.notes[0]
    assert len(opened.notes) == 1
    found = read_image(opened)
    assert found.is_complete
    assert found.compression(1) == compress


@pytest.mark.parametrize("data", [PLAIN, image(layer("a")), gzip.compress(PLAIN), ROOT, layer().tar()])
def test_any_tar_that_is_said_to_be_a_layer_is_one(tmp_path: Path, data: bytes) -> None:
    opened = open_image("layer:" + written(tmp_path / "it:1.tar", data))
    assert (opened.noun, opened.is_guessed, len(opened.layers)) == ("a single layer", False, 1)
    assert read_image(opened).is_complete


def test_a_layer_may_come_through_a_pipe() -> None:
    packed = gzip.compress(PLAIN)
    assert open_image("layer:-", stdin=io.BytesIO(packed)).layers[0].reader.stored_bytes == len(packed)
    assert open_image("-", stdin=io.BytesIO(gzip.compress(ROOT))).noun == "a root filesystem"


def test_what_is_no_tar_is_no_layer(tmp_path: Path) -> None:
    for data, words in ((b"hello\n" * 200, "it looks like text"), (gzip.compress(b"hello"), "text"), (b"", "it is empty")):
        with pytest.raises(NotAnImage, match=words):
            open_image("layer:" + written(tmp_path / "it", data))
    with pytest.raises(NotAnImage, match=r"is a directory; a layer is a tar: tar -C .* -c \. \| layerscope layer:-"):
        open_image(f"layer:{tmp_path}")
    with pytest.raises(NotFound, match="did you mean"):
        open_image(f"layer:{tmp_path}/itt")


def test_a_directory_that_is_a_root_filesystem_says_how_to_show_it(tmp_path: Path) -> None:
    for name in ("bin", "etc", "usr"):
        (tmp_path / name).mkdir()
    with pytest.raises(NotAnImage, match=r"root filesystem; `tar -C DIRECTORY -c \. \| layerscope layer:-` shows it"):
        open_image(str(tmp_path))


def test_a_tag_is_not_passed_over(rootfs: str) -> None:
    with pytest.raises(NotAnImage, match="root filesystem"):
        open_image(f"{rootfs}:app:1")


def test_any_other_tar_is_refused_as_before(tmp_path: Path, images: Path) -> None:
    with pytest.raises(NotAnImage, match=r"a tar of 2 entries, such as README\.md; `layerscope layer:FILE` opens any tar"):
        open_image(written(tmp_path / "it.tar", PLAIN))
    with pytest.raises(NotAnImage, match=r"such as README\.md"):
        open_image(str(images / "not-an-image.tar"))
    assert len(read_image(open_image(f"layer:{images / 'not-an-image.tar'}")).tree.nodes) == 2


def test_a_damaged_one_is_shown_as_far_as_it_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = written(tmp_path / "it.tar", ROOT[:-3000])
    for reference in (place, f"layer:{place}"):
        done = ran(capsys, "ls", reference)
        assert done.code == 2
        assert "/etc/passwd" in done.out
    squeezed = written(tmp_path / "it.tar.gz", gzip.compress(ROOT)[:-30])
    done = ran(capsys, "ls", f"layer:{squeezed}")
    assert (done.code, "truncated gzip" in done.err) == (2, True)
    with pytest.raises(CorruptLayer):
        open_image(squeezed)


def test_its_waste_is_what_its_own_tar_buries(rootfs: str) -> None:
    analysis = analyze(read_image(open_image(rootfs)))
    assert [(item.name.lower(), size) for item, size in analysis.waste.by_cause().items() if size] == [("shadowed", 3000)]
    assert analysis.waste.efficiency == pytest.approx((1500 + 11) / (4500 + 11))


@pytest.mark.parametrize("spelled", ["{}", "layer:{}"])
def test_every_command_works_on_it(
    rootfs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    monkeypatch.delenv("CI", raising=False)
    reference = spelled.format(rootfs)
    noun = "a root filesystem" if spelled == "{}" else "a single layer"
    text = ran(capsys, reference, "--text")
    assert text.code == 0
    assert text.lines[0].endswith(f"linux/unknown · {noun}")
    assert f"not an image but {noun}" in " ".join(text.out.split())
    document = json.loads(ran(capsys, reference, "--json", "-").out)
    assert (document["image"]["id"], document["image"]["config"]) == (None, {})
    assert "/etc/passwd" in ran(capsys, "ls", reference).out
    assert ran(capsys, "cat", reference, "/bin/sh").out == "new" * 500
    assert "shadowed: the same layer holds the path again" in ran(capsys, "blame", reference, "/bin/sh").out
    assert "/etc/passwd" in ran(capsys, "find", reference, "passwd").out
    assert "shadowed" in ran(capsys, "waste", reference).out
    assert ran(capsys, "extract", reference, "/etc", tmp_path / "out").code == 0
    assert (tmp_path / "out/passwd").read_bytes() == b"root:x:0:0\n"
    assert ran(capsys, "diff", reference, f"layer:{rootfs}").code == 0


def test_verify_says_what_cannot_be_checked(rootfs: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "verify", rootfs)
    assert done.code == 0
    assert all(line.startswith("skipped") for line in done.lines)
    assert "no digest of it is stated" in done.lines[0]


def test_ci_judges_it_only_when_it_is_said_to_be_a_layer(
    rootfs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (("ci", rootfs), (rootfs, "--ci"), ("baseline", rootfs), ("ci", "--init", rootfs)):
        done = ran(capsys, *arguments)
        assert done.code == 2
        sentence = (
            f"{rootfs} is not a container image but a root filesystem; to check it as an image of one layer, write layer:"
        )
        assert sentence in done.err
    assert ran(capsys, "ci", f"layer:{rootfs}", "--min-efficiency", "0", "--max-wasted-percent", "off").code == 0
    reports = [f"--report={kind}={tmp_path / kind}" for kind in ("openmetrics", "sarif", "html", "json", "markdown", "junit")]
    done = ran(capsys, "ci", f"layer:{rootfs}", "--max-size", "1kB", *reports)
    assert done.code == 1
    assert "a single layer" in done.lines[0]
    assert 'id=""' in (tmp_path / "openmetrics").read_text()
    assert ran(capsys, "baseline", f"layer:{rootfs}").code == 0


def test_a_family_of_images_has_no_layers_alone(rootfs: str, capsys: pytest.CaptureFixture[str]) -> None:
    for reference in (rootfs, f"layer:{rootfs}"):
        done = ran(capsys, "images", reference)
        assert (done.code, "Traceback" in done.err) == (2, False)


def test_what_docker_exports_opens(docker_images: KeptImages, tmp_path: Path) -> None:
    container = docker_images.run("create", "app:1", "true").decode().strip()
    try:
        exported = docker_images.run("export", container)
    finally:
        docker_images.run("rm", container)
    assert open_image(written(tmp_path / "it.tar", exported)).noun == "a root filesystem"
