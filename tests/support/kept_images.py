"""Engines that keep a real image, `app:1`, and a container of it, `web`, which changed much of it; once for all tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from conftest import requires
from support import storage_build
from support.engines import PATIENCE, RunningEngine, _directory, _environment, _require_root, docker_engine, podman_service

BUSYBOX = Path("/bin/busybox")
CHANGES = """
echo new > /work/added && echo more >> /work/a && chmod 600 /work/setuid && chown 5:6 /work/nothing
rm -r /work/opaque && mkdir /work/opaque && echo again > /work/opaque/third
rm /work/linked && mv /work/metadata /work/moved && ln /work/added /work/added-twice && ln -s nowhere /work/lost
rm /work/pipe && mkdir /work/pipe && truncate -s 2M /work/hole
"""


@dataclass(frozen=True)
class KeptImages:
    """An engine's storage. `command` is its command line client, `settings` the environment in which we find the engine."""

    kind: str
    root: Path
    driver: str
    command: tuple[str, ...]
    settings: dict[str, str]

    def run(self, *arguments: str | Path, stdin: bytes = b"") -> bytes:
        """What a client command prints."""
        done = subprocess.run([*self.command, *arguments], input=stdin, capture_output=True, check=False, env=_environment())
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    @cached_property
    def archive(self) -> bytes:
        """The image as the engine saves it."""
        return self.run("save", "app:1")

    @cached_property
    def committed(self) -> bytes:
        """The container as the engine commits and saves it."""
        self.run("commit", "web", "committed:1")
        saved = self.run("save", "committed:1")
        self.run("rmi", "committed:1")
        return saved

    @contextmanager
    def asked_by_api(self) -> Iterator[dict[str, str]]:
        """The environment in which everything is asked of the engine's API, although its storage could be read."""
        exporting = self.settings | {"LAYERSCOPE_NO_STORAGE": "1"}
        if self.kind == "docker":
            yield exporting
            return
        with podman_service(self.command) as address:
            yield exporting | {"CONTAINER_HOST": address}

    @property
    def layers_of_storage(self) -> list[Path]:
        """The directories that an overlay of the image is mounted from, base first."""
        if self.kind == "podman":
            lower = self.run("inspect", "--format", "{{.GraphDriver.Data.LowerDir}}", "web").decode().strip()
            return [Path(each) for each in reversed(lower.split(":"))]
        lower = self.run("inspect", "--format", "{{.GraphDriver.Data.LowerDir}}", "web").decode().strip()
        return [Path(each) for each in reversed(lower.split(":")[1:])]  # the first is Docker's own, for what it mounts


@pytest.fixture(scope="session")
def image_context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not BUSYBOX.exists():
        requires("busybox")
    return storage_build.context(tmp_path_factory.mktemp("context"), BUSYBOX)


@pytest.fixture(scope="session")
def docker_images(image_context: Path) -> Iterator[KeptImages]:
    with docker_engine() as engine:
        kept = _of_docker(engine)
        _build(kept, "build", "-q", "--network", "host", "-t", "app:1", str(image_context))
        # Not by `docker exec`: where the engine itself runs in a chroot, that would change the machine's own files.
        changed = ("app:1", "/bin/sh", "-ec", f"{CHANGES}\necho changed\nexec sleep 1000")
        kept.run("run", "-d", "--network=host", "--name=web", "-v=data:/data", "--tmpfs=/scratch", *changed)
        _wait_until_it_says(kept, "web", b"changed")
        yield kept
        kept.run("rm", "-f", "web")


def _wait_until_it_says(kept: KeptImages, container: str, word: bytes) -> None:
    deadline = time.monotonic() + PATIENCE
    while word not in kept.run("logs", container):
        is_running = kept.run("inspect", "--format", "{{.State.Running}}", container).strip() == b"true"
        assert is_running and time.monotonic() < deadline, kept.run("logs", container)
        time.sleep(0.05)


def _of_docker(engine: RunningEngine) -> KeptImages:
    settings = {"DOCKER_HOST": engine.address}
    return KeptImages("docker", engine.root, "overlay2", engine.command, settings)


def _build(kept: KeptImages, *arguments: str) -> None:
    environment = _environment() | {"DOCKER_BUILDKIT": "0", "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run([*kept.command, *arguments], capture_output=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="session")
def podman_images(image_context: Path) -> Iterator[KeptImages]:
    """Podman's, without a service: its clients read and write the storage themselves."""
    with podman_storage("overlay") as kept:
        _build(kept, "build", "-q", "--network", "host", "-t", "app:1", str(image_context))
        kept.run("create", "--name=web", "-v=data:/data", "app:1", "sh")
        merged = kept.run("mount", "web").decode().strip()
        subprocess.run(["chroot", merged, "/bin/sh", "-ec", CHANGES], check=True)
        kept.run("umount", "web")
        yield kept


@pytest.fixture(scope="session")
def vfs_images(docker_images: KeptImages) -> Iterator[KeptImages]:
    """Podman's with the storage driver that works everywhere; the image is Docker's."""
    with podman_storage("vfs") as kept:
        kept.run("load", stdin=docker_images.archive)
        kept.run("create", "--name=web", "app:1", "sh")
        yield kept


@contextmanager
def podman_storage(driver: str) -> Iterator[KeptImages]:
    """A Podman with a storage of its own and nothing in it."""
    requires("podman")
    _require_root()
    with _directory() as top:
        paths = {"graphroot": f"{top}/data", "runroot": f"{top}/run", "driver": driver}
        lines = "".join(f'{name} = "{value}"\n' for name, value in paths.items())
        (top / "storage.conf").write_text(f"[storage]\n{lines}")
        client = ("podman", f"--root={top}/data", f"--runroot={top}/run", f"--storage-driver={driver}")
        settings = {"CONTAINERS_STORAGE_CONF": f"{top}/storage.conf"}
        try:
            yield KeptImages("podman", top / "data", driver, (*client, "--cgroup-manager=cgroupfs"), settings)
        finally:
            subprocess.run([*client, "umount", "--all"], capture_output=True, check=False)
            subprocess.run(["umount", f"{top}/data/{driver}"], capture_output=True, check=False)


@pytest.fixture(params=["docker", "podman", "vfs"])
def kept_images(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> KeptImages:
    """Each of them, found by the environment."""
    kept: KeptImages = request.getfixturevalue(f"{request.param}_images")
    return found(kept, monkeypatch)


@pytest.fixture(params=["docker", "podman"])
def kept_containers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> KeptImages:
    """Those whose containers have a layer of their own."""
    kept: KeptImages = request.getfixturevalue(f"{request.param}_images")
    return found(kept, monkeypatch)


def found(kept: KeptImages, monkeypatch: pytest.MonkeyPatch) -> KeptImages:
    """The same, with an environment in which it is the only engine."""
    for name in ("DOCKER_HOST", "CONTAINER_HOST", "LAYERSCOPE_NO_STORAGE", "CONTAINERS_STORAGE_CONF"):
        monkeypatch.delenv(name, raising=False)
    for name, value in kept.settings.items():
        monkeypatch.setenv(name, value)
    return kept
