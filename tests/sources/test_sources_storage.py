"""Images that real engines built, read where the engines keep them: the same as their archives in every respect."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layerscope.analysis import Contents, read_image
from layerscope.errors import NotFound
from layerscope.layers.readers.blob import read_plain
from layerscope.layers.readers.tar_split import TarSplitReader
from layerscope.layers.table import LayerStack
from layerscope.sources.engine.client import Engine
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.open import open_image
from layerscope.tree.merge import merge
from support.commands import ran, without_estimates
from support.image_builder import blob
from support.kept_images import KeptImages, found
from support.overlay import overlay
from support.same_tables import assert_same
from support.seen import as_somebody_else, seen, state_of
from support.unpacked import OnDisk, listing


@pytest.fixture
def archive(kept_images: KeptImages, tmp_path: Path) -> Path:
    path = tmp_path / "saved.tar"
    path.write_bytes(kept_images.archive)
    return path


@pytest.fixture(autouse=True)
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read in place moves no layer: nothing here may ask for an export, but where a test says so."""

    def refuse(*_arguments: object) -> None:
        raise AssertionError("an export was asked for")

    monkeypatch.setattr(Engine, "save", refuse)


def test_storage_gives_the_tables_of_the_archive(kept_images: KeptImages, archive: Path) -> None:
    in_place, saved = read_image(open_image("app:1")), read_image(open_image(str(archive)))
    assert all(isinstance(layer.reader, TarSplitReader) for layer in in_place.image.layers)
    assert len(in_place.stack.tables) == 9
    for one, other in zip(in_place.stack.tables, saved.stack.tables, strict=True):
        assert_same(one, other)


def test_every_content_has_a_checksum(kept_images: KeptImages) -> None:
    entries = read_image(open_image("app:1")).stack.entries
    assert (entries.content_id.any(axis=1) == (entries.size > 0)).all()


def test_storage_gives_the_report_of_the_archive(
    kept_images: KeptImages, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(capsys, "app:1") == report(capsys, archive)


def test_the_gate_says_that_digests_are_not_checked_in_storage(
    kept_images: KeptImages, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only headers are read there, the first time and from the cache; of the archive every byte is hashed."""
    said = "Not verified: only headers are read in an engine's storage, so no digest of layers 1 to 9 is checked."
    for arguments in (["app:1"], ["app:1"], ["app:1", "--no-verify"]):
        judged = ran(capsys, "ci", *arguments, "--min-efficiency", "0")
        assert (judged.code, judged.out.count("erified"), said in " ".join(judged.out.split())) == (0, 1, True)
    assert "erified" not in ran(capsys, "ci", archive, "--min-efficiency", "0").out


def test_a_layer_in_storage_is_read_once_and_then_known(
    kept_images: KeptImages, archive: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    once = report(capsys, "app:1")

    def refuse(*_arguments: object, **_named: object) -> None:
        raise AssertionError("a layer was read again")

    monkeypatch.setattr(TarSplitReader, "read", refuse)
    assert report(capsys, "app:1") == once
    assert ran(capsys, "cat", "app:1", "/more/twin").out == ran(capsys, "cat", archive, "/more/twin").out


@pytest.mark.parametrize(
    "command",
    [
        ("ls", "/work"),
        ("ls", "/", "--layer", "3", "--json"),
        ("find", "*e*", "--json"),
        ("blame", "/work/metadata/one"),
        ("waste",),
        ("cat", "/work/new-name"),
        ("cat", "/more/twin"),
    ],
    ids=" ".join,
)
def test_commands_say_of_storage_what_they_say_of_the_archive(
    kept_images: KeptImages, archive: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    in_place, saved = (ran(capsys, command[0], image, *command[1:]) for image in ("app:1", archive))
    assert in_place == saved
    assert (saved.code, saved.err) == (0, "")


def test_extracting_from_storage_gives_what_the_archive_gives(
    kept_images: KeptImages, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for image, place in (("app:1", tmp_path / "in-place"), (archive, tmp_path / "saved")):
        assert ran(capsys, "extract", image, "/", place).code == 0
    assert listing(tmp_path / "in-place") == listing(tmp_path / "saved")
    for path in listing(tmp_path / "saved"):
        one, other = (Path(os.fsdecode(os.fsencode(tmp_path / place) + b"/" + path)) for place in ("in-place", "saved"))
        assert not one.is_file() or one.is_symlink() or one.read_bytes() == other.read_bytes()


def test_the_last_view_is_what_a_container_gets(docker_images: KeptImages, monkeypatch: pytest.MonkeyPatch) -> None:
    found(docker_images, monkeypatch)
    docker_images.run("create", "--name=untouched", "app:1", "sh")
    try:
        exported = merge(LayerStack.of([read_plain(blob(docker_images.run("export", "untouched")))]))
    finally:
        docker_images.run("rm", "untouched")
    assert seen(read_image(open_image("app:1")).tree) == seen(exported)


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_the_last_view_is_what_the_kernel_mounts(
    engine: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = found(request.getfixturevalue(f"{engine}_images"), monkeypatch)
    expected = {path: node for path, node in on_disk(read_image(open_image("app:1"))).items() if not path.startswith(b"etc")}
    with overlay(kept.layers_of_storage) as merged:
        assert {path: node for path, node in listed(merged).items() if not path.startswith(b"etc")} == expected


def test_the_api_gives_what_storage_gives(
    kept_images: KeptImages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_place = report(capsys, "app:1", "--no-cache")
    monkeypatch.undo()
    with kept_images.asked_by_api() as settings:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        assert report(capsys, "app:1", "--no-cache") == in_place


def test_an_image_is_found_by_its_id_and_every_form_of_its_name(kept_images: KeptImages) -> None:
    image = open_image("app:1")
    digits = image.config_digest.encoded
    for name in (digits, digits[:12], f"sha256:{digits}"):
        by_id = open_image(name)
        assert (by_id.config_digest, by_id.name) == (image.config_digest, "")
    assert open_image(image.name).config_digest == image.config_digest
    assert open_image(f"{kept_images.kind}:app:1").config_digest == image.config_digest
    with pytest.raises(NotFound):
        open_image("nothing:1")


def test_podmans_api_leads_to_its_storage(podman_images: KeptImages, monkeypatch: pytest.MonkeyPatch) -> None:
    found(podman_images, monkeypatch)
    with podman_images.asked_by_api() as settings:
        monkeypatch.delenv("CONTAINERS_STORAGE_CONF")
        monkeypatch.setenv("CONTAINER_HOST", settings["CONTAINER_HOST"])
        image = read_image(open_image("podman:app:1"))
    assert image.is_complete


def test_an_additional_image_store_is_looked_into(
    podman_images: KeptImages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "storage.conf").write_text(
        f'[storage]\ngraphroot = "{tmp_path}/own"\n[storage.options]\nadditionalimagestores = ["{podman_images.root}"]\n'
    )
    (tmp_path / "own" / "overlay-images").mkdir(parents=True)
    found(podman_images, monkeypatch)
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", f"{tmp_path}/storage.conf")
    assert read_image(open_image("app:1")).is_complete


def test_nothing_is_written_into_storage(kept_images: KeptImages, capsys: pytest.CaptureFixture[str]) -> None:
    before = times(kept_images.root)
    report(capsys, "app:1")
    assert times(kept_images.root) == before


def test_storage_that_may_not_be_read_is_asked_of_the_api(
    docker_images: KeptImages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found(docker_images, monkeypatch)
    in_place = report(capsys, "app:1", "--no-cache")
    with as_somebody_else(docker_images), pytest.raises(EngineFailed, match="an export was asked for"):
        open_image("app:1")
    monkeypatch.undo()
    found(docker_images, monkeypatch)
    with as_somebody_else(docker_images):
        assert report(capsys, "app:1", "--no-cache") == in_place


def test_damaged_storage_is_asked_of_the_api(docker_images: KeptImages, monkeypatch: pytest.MonkeyPatch) -> None:
    found(docker_images, monkeypatch)
    names = docker_images.root / "image/overlay2/repositories.json"
    whole = names.read_bytes()
    try:
        names.write_bytes(whole[:-20])
        with pytest.raises(EngineFailed, match="an export was asked for"):
            open_image("app:1")
    finally:
        names.write_bytes(whole)


@pytest.fixture
def pruned(docker_images: KeptImages, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an image that may be removed."""
    found(docker_images, monkeypatch)
    context = b"FROM app:1\nRUN echo will be gone > /gone\n"
    environment = os.environ | {"DOCKER_BUILDKIT": "0"}
    command = [*docker_images.command, "build", "-q", "--network=host", "-t=pruned:1", "-"]
    subprocess.run(command, input=context, capture_output=True, check=True, env=environment)
    yield "pruned:1"
    subprocess.run([*docker_images.command, "rmi", "pruned:1"], capture_output=True, check=False)


def test_a_layer_that_was_removed_after_the_image_was_opened_is_told(docker_images: KeptImages, pruned: str) -> None:
    image = open_image(pruned)
    docker_images.run("rmi", pruned)
    contents = read_image(image)
    (problem,) = contents.tree.problems
    assert (problem.layer, problem.is_fatal) == (10, True)
    assert problem.text.startswith("the engine's record of it cannot be read (")
    assert problem.text.endswith("tar-split.json.gz: No such file or directory)")


def test_a_file_that_was_removed_after_the_layer_was_read_is_told(
    docker_images: KeptImages, pruned: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TarSplitReader.content

    def remove_then_content(reader: TarSplitReader, read: Any) -> Any:
        subprocess.run([*docker_images.command, "rmi", pruned], capture_output=True, check=False)
        return real(reader, read)

    monkeypatch.setattr(TarSplitReader, "content", remove_then_content)
    done = ran(capsys, "cat", pruned, "/gone")
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("cannot be read: it no longer exists\n")


def report(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    done = ran(capsys, *arguments, "--json", "-")
    assert (done.code, done.err) == (0, "")
    document = without_estimates(json.loads(done.out))
    del document["image"]["reference"]
    if not document["image"]["name"].startswith("localhost/"):
        # Docker from 25 on makes a manifest up for what it saves; its storage has none.
        del document["image"]["manifest_digest"]
        for each in document["layers"]:
            del each["media_type"]
    return document


def on_disk(contents: Contents) -> dict[bytes, Any]:
    """What the last view shows as `listed` would, times and extended attributes too."""
    tree = contents.tree
    view = tree.view(tree.layers)
    first = contents.stack.first
    xattrs = {first[k] + row: each for k, table in enumerate(contents.stack.tables) for row, each in table.xattrs.items()}
    shown = {}
    for path, node in state_of(tree, tree.layers).visible.items():
        entry = int(view.entry[tree.nodes.find(path) or 0])
        kind = (node.kind, node.mode, node.uid, node.gid, node.size, node.linkname)
        shown[path] = (*kind, int(tree.entries.mtime[entry]), xattrs.get(entry, {}))
    return shown


def listed(root: Path) -> dict[bytes, Any]:
    """What lies below a directory."""
    return {path: (*vars_of(node), *rest_of(os.fsencode(root) + b"/" + path)) for path, node in listing(root).items()}


def vars_of(node: OnDisk) -> tuple[Any, ...]:
    return (node.kind, node.mode, node.uid, node.gid, node.size, node.linkname)


def rest_of(path: bytes) -> tuple[int, dict[bytes, bytes]]:
    names = [name for name in os.listxattr(path, follow_symlinks=False) if name != "security.selinux"]
    xattrs = {os.fsencode(name): os.getxattr(path, name, follow_symlinks=False) for name in names}
    return int(os.lstat(path).st_mtime), xattrs


def times(root: Path) -> dict[Path, int]:
    """When each file and directory of the databases was changed."""
    return {path: path.lstat().st_mtime_ns for path in root.rglob("*") if not stat.S_ISLNK(path.lstat().st_mode)}
