"""Smaller images of real engines: they load, a container of them has the same files, and a program in it runs."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import requires
from layerscope.cli.main import run
from support.engines import RunningEngine, docker_engine, podman_engine
from support.kept_images import KeptImages, found

DOCKERFILE = """
FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
RUN /bin/busybox --install -s /bin
RUN mkdir -p /app/cache /etc && head -c 300000 /bin/busybox > /app/cache/x && echo 1 > /app/kept && ln /app/kept /app/link \\
    && ln -s kept /app/symlink && mkfifo /app/fifo && (mknod /app/null c 1 3 || true)
RUN rm -r /app/cache && chmod 600 /app/kept
RUN head -c 200000 /bin/busybox > /app/grown && chown 7:8 /app/grown
RUN echo 2 > /app/grown && mkdir /app/cache && touch /app/cache/again
RUN rm -rf /app/symlink && mkdir /app/symlink && echo 3 > /app/symlink/inside
CMD ["/bin/sh", "-c", "cat /app/grown /app/symlink/inside /app/link"]
"""
Listed = dict[str, tuple[object, ...]]


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    """An engine that has built `app`."""
    requires("busybox")
    context = tmp_path_factory.mktemp("context")
    shutil.copy(shutil.which("busybox") or "", context / "busybox")
    (context / "Dockerfile").write_text(DOCKERFILE)
    with docker_engine() if request.param == "docker" else podman_engine() as running:
        options = (
            ("--network", "host") if running.kind == "docker" else ("--network", "host", "--layers", "--isolation", "chroot")
        )
        running.run("build", "-q", *options, "-t", "app:1", context)
        yield running


@pytest.mark.parametrize(
    ("options", "saves"), [((), 450_000), (("--merge", "4..6"), 450_000), (("--layers", "5..8", "--merge", "own"), 150_000)]
)
def test_a_container_of_the_smaller_image_has_the_same_files(
    engine: RunningEngine, options: tuple[str, ...], saves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST" if engine.kind == "docker" else "CONTAINER_HOST", engine.address)
    monkeypatch.setenv("CONTAINER_HOST" if engine.kind == "docker" else "DOCKER_HOST", "unix:///nowhere")
    prefix = "" if engine.kind == "docker" else "localhost/"
    name, slim = f"{prefix}app:1", f"{prefix}slim:1"
    out = tmp_path / "slim.tar"
    assert run(["slim", f"{engine.kind}:{name}", "-o", str(out), "--tag", slim, *options]) == 0
    engine.run("load", "-i", out)
    before, after = (_exported(engine, each) for each in (name, slim))
    assert after == before
    assert "app/cache/again" in after
    assert "app/cache/x" not in after
    saved = engine.run("save", slim)
    assert len(saved) < len(engine.run("save", name)) - saves
    if engine.kind == "docker":
        assert engine.run("run", "--rm", "--network", "none", slim) == b"2\n3\n1\n"


def test_it_is_loaded_into_the_engine_that_the_image_is_from(
    engine: RunningEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST" if engine.kind == "docker" else "CONTAINER_HOST", engine.address)
    monkeypatch.setenv("CONTAINER_HOST" if engine.kind == "docker" else "DOCKER_HOST", "unix:///nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    prefix = "" if engine.kind == "docker" else "localhost/"
    original = json.loads(engine.run("inspect", f"{prefix}app:1"))[0]["Id"].removeprefix("sha256:")
    assert run(["slim", f"{engine.kind}:app:1", "--load"]) == 0
    assert f"Loaded into {engine.kind.capitalize()} as {prefix}app:1-slimmed: " in " ".join(capsys.readouterr().out.split())
    assert _exported(engine, f"{prefix}app:1-slimmed") == _exported(engine, f"{prefix}app:1")
    assert run(["slim", f"{engine.kind}:app:1", "--load"]) == 2
    assert f"has an image {prefix}app:1-slimmed already; name another with --tag, or give --force" in capsys.readouterr().err
    engine.run("tag", f"{prefix}app:1", f"{prefix}moved:1")
    assert run(["slim", f"{engine.kind}:app:1", "--load", "--tag", "moved:1", "--force", "--json"]) == 0
    loaded = json.loads(capsys.readouterr().out)["loaded"]
    assert loaded["replaced_id"].removeprefix("sha256:") == original
    assert json.loads(engine.run("inspect", f"{prefix}moved:1"))[0]["Id"] in (
        loaded["id"],
        loaded["id"].removeprefix("sha256:"),
    )
    assert run(["slim", f"{engine.kind}:app:1", "-o", str(tmp_path / "app.tar"), "--tag", "saved:1"]) == 0
    assert run(["slim", str(tmp_path / "app.tar"), "--load", "--always", "--engine", engine.kind]) == 0
    assert engine.run("save", f"{prefix}saved:1-slimmed")
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["app.tar"]


def test_a_podman_that_does_not_run_is_not_loaded_into(
    podman_images: KeptImages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found(podman_images, monkeypatch)
    assert run(["slim", "podman:app:1", "--load"]) == 2
    assert capsys.readouterr().err == (
        "layerscope: Podman has the image, but no API that answers, into which it could be loaded: start it (systemctl --user "
        "start podman.socket), or write a FILE with -o, and: podman load -i FILE\n"
    )


def _exported(engine: RunningEngine, image: str) -> Listed:
    """The file system of a container of `image` as its engine exports it, by path."""
    container = engine.run("create", image).decode().split()[-1]
    exported = engine.run("export", container)
    engine.run("rm", container)
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        return {
            each.name: _facts(tar, each)
            for each in tar
            if each.name.split("/")[0] not in ("dev", "proc", "sys", "etc", ".dockerenv", "run")
        }


def _facts(tar: tarfile.TarFile, each: tarfile.TarInfo) -> tuple[object, ...]:
    content = tar.extractfile(each) if each.isreg() else None
    hashed = hashlib.sha256(content.read()).hexdigest() if content else ""
    # A directory that a container was mounted on has a time of its own.
    time = 0 if each.isdir() else int(each.mtime)
    return each.type, each.mode, each.uid, each.gid, time, each.size, each.linkname, each.devmajor, each.devminor, hashed
