"""Images in the content store of a real containerd, by name and by digest."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.analysis import read_image
from layerscope.errors import AmbiguousImage, NotFound
from layerscope.sources.engine.client import Engine
from layerscope.sources.open import open_image
from layerscope.sources.storage.bolt import Bucket, read_bolt
from layerscope.sources.storage.containerd import DATABASE
from layerscope.sources.storage.unreadable import StorageUnreadable
from support.commands import ran
from support.engines import RunningEngine, containerd_engine
from support.image_builder import file, image, layer, whiteout, write_layout
from support.pretend_engine import pretended_engine, sent

STACK = (layer(file("a", b"x" * 5000), "d/b"), layer(whiteout("a"), file("c", b"y" * 700)))
NAMES = 300
"""Of one image, so that they take more than a page of the database."""


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    top = tmp_path_factory.mktemp("containerd")
    (top / "app.tar").write_bytes(image(*STACK, tag="docker.io/library/app:1", compress="gzip", fmt="oci"))
    (top / "other.tar").write_bytes(image(layer("other"), tag="docker.io/library/app:1"))
    write_many_names(write_layout(top / "many", layer("many")), top / "many.tar")
    with containerd_engine() as engine:
        for archive in ("app.tar", "many.tar"):
            engine.run("image", "import", "--no-unpack", top / archive)
        engine.run("--namespace=k8s.io", "image", "import", "--no-unpack", top / "other.tar")
        yield engine


def write_many_names(layout: Path, archive: Path) -> None:
    (listed,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    names = [f"docker.io/library/many:{number}" for number in range(NAMES)]
    manifests = [listed | {"annotations": {"io.containerd.image.name": name}} for name in names]
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    with tarfile.open(archive, "w") as tar:
        tar.add(layout, "")


@pytest.fixture(autouse=True)
def store(containerd: RunningEngine, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAYERSCOPE_CONTAINERD", str(containerd.root))
    monkeypatch.setenv("CONTAINERD_NAMESPACE", "default")
    return containerd.root


def report(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    done = ran(capsys, *arguments, "--json", "-")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    del document["image"]["reference"]
    return document


@pytest.mark.parametrize("name", ["app:1", "docker.io/library/app:1"])
def test_a_name_gives_the_report_of_what_containerd_exports(
    containerd: RunningEngine, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    containerd.run("image", "export", tmp_path / "exported.tar", "docker.io/library/app:1")
    assert report(capsys, f"containerd:{name}") == report(capsys, tmp_path / "exported.tar")


def test_a_digest_of_a_manifest_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    named = open_image("containerd:app:1")
    monkeypatch.setattr("layerscope.sources.storage.containerd.DATABASE", "none")
    digest = named.manifest_digest
    assert digest is not None
    for reference in (digest, digest.encoded, digest.encoded[:12], f"docker.io/library/app@{digest}"):
        by_digest = open_image(f"containerd:{reference}")
        assert (by_digest.manifest_digest, by_digest.name) == (digest, "")
        assert [layer.digest for layer in by_digest.layers] == [layer.digest for layer in named.layers]


def test_contents_and_digests_are_read_in_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "cat", "containerd:app:1", "/c").out == "y" * 700
    assert ran(capsys, "verify", "containerd:app:1").code == 0


def test_a_name_in_two_namespaces_is_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERD_NAMESPACE", "k8s.io")
    assert len(open_image("containerd:app:1").layers) == 1
    monkeypatch.delenv("CONTAINERD_NAMESPACE")
    with pytest.raises(AmbiguousImage, match="choose one by digest, with `layerscope containerd:DIGEST`"):
        open_image("containerd:app:1")


def test_every_name_of_a_large_database_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert open_image(f"containerd:many:{NAMES - 1}").name == f"many:{NAMES - 1}"
    (one, other) = json.loads(ran(capsys, "images", "containerd:", "--json").out)["images"]
    assert sorted(map(len, (one["tags"], other["tags"]))) == [1, NAMES]


def test_a_name_that_is_not_there_is_answered_with_near_ones() -> None:
    with pytest.raises(NotFound, match=r"holds no image 'ap:1'; did you mean `app:1`"):
        open_image("containerd:ap:1")


def test_a_digest_of_a_layer_is_no_image(containerd: RunningEngine) -> None:
    digest = open_image("containerd:app:1").layers[0].digest
    with pytest.raises(NotFound, match="holds no image"):
        open_image(f"containerd:{digest}")


def test_no_containerd_at_all_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAYERSCOPE_CONTAINERD", str(tmp_path))
    with pytest.raises(NotFound, match=f"containerd keeps no images that this user may read in {tmp_path} "):
        open_image("containerd:app:1")


def test_docker_with_the_containerd_store_is_read_in_place(
    containerd: RunningEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No such Docker is to be had in Debian: its answers are pretended, the store is a real one."""
    in_place = report(capsys, "containerd:app:1")
    digest = in_place["image"]["manifest_digest"]
    monkeypatch.delenv("LAYERSCOPE_CONTAINERD")
    (tmp_path / "docker/containerd").mkdir(parents=True)
    (tmp_path / "docker/containerd/daemon").symlink_to(containerd.root)
    with pretended_engine(containerd.root.parent, sent(b"no archive")) as pretended:
        pretended.image_id = digest
        pretended.about = {"DockerRootDir": str(tmp_path / "docker"), "Driver": "overlayfs"}
        monkeypatch.setenv("DOCKER_HOST", pretended.address)
        assert report(capsys, "docker:app:1") == in_place
        assert ran(capsys, "verify", "docker:app:1").code == 0
    assert not any(path.endswith("/get") for path in pretended.asked)


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "meta.db").write_bytes(b"x" * 100_000)
    with pytest.raises(StorageUnreadable, match=r"meta\.db is damaged, or written to all the time"):
        read_bolt(tmp_path / "meta.db", names_in)


def test_an_empty_database_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "meta.db").write_bytes(b"")
    with pytest.raises(StorageUnreadable):
        read_bolt(tmp_path / "meta.db", names_in)


def test_the_older_state_is_read_while_a_newer_one_is_half_written(store: Path, tmp_path: Path) -> None:
    whole = (store / DATABASE).read_bytes()
    sound = read_bolt(store / DATABASE, names_in)
    for torn in (0, 4096):  # the two pages that say where the data is
        (tmp_path / "meta.db").write_bytes(whole[: torn + 40] + b"\xff" * 8 + whole[torn + 48 :])
        assert read_bolt(tmp_path / "meta.db", names_in)[0] == sound[0]


@settings(max_examples=60)
@given(st.data())
def test_damage_anywhere_is_told_or_does_no_harm(
    containerd: RunningEngine, tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    raw = bytearray((containerd.root / DATABASE).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "meta.db"
    path.write_bytes(raw)
    try:
        read_bolt(path, names_in)
    except StorageUnreadable as error:
        assert "damaged" in str(error)


def names_in(bucket: Bucket) -> list[bytes]:
    """The names of all buckets, at whatever depth."""
    return [name for own, inner in bucket.buckets() for name in (own, *names_in(inner))]


def test_the_client_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "connect", None)
    assert read_image(open_image("containerd:app:1")).is_complete
