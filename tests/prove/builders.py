"""The builders that a fix is proven with: each in storage of its own, ended by its process id."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60
"""Seconds until a dockerd answers."""
BUILD_PATIENCE = 600


class BuilderMissing(Exception):
    """A builder that cannot be started here; its text says what is missing."""


class StepFailed(Exception):
    """A command that failed: what it was, and the end of what it said."""


def command(*words: str | Path, stdin: bytes = b"", timeout: float = BUILD_PATIENCE, **environment: str) -> bytes:
    """What a command prints. Raises StepFailed."""
    done = subprocess.run(
        [str(word) for word in words],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=timeout,
        env=_environment() | environment,
    )
    if done.returncode:
        said = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
        raise StepFailed("\n".join([f"{' '.join(str(word) for word in words)}: exit {done.returncode}", *said[-15:]]))
    return done.stdout


def _environment() -> dict[str, str]:
    """Without what would send a client elsewhere."""
    return {
        name: value for name, value in os.environ.items() if name not in ("DOCKER_HOST", "CONTAINER_HOST", "DOCKER_CONTEXT")
    }


class Builder(ABC):
    """Builds, saves and shows images. `workspace` is a directory that it can read contexts from."""

    keeps_layers = True
    """Whether each instruction has a layer of its own."""

    def __init__(self, name: str, workspace: Path) -> None:
        self.name = name
        self.workspace = workspace
        workspace.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def base(self, tar: Path, tag: str) -> None:
        """Make an image of one layer from a file system's tar."""

    @abstractmethod
    def build(self, context: Path, dockerfile: Path, tag: str, *, cached: bool = True) -> None:
        """Build an image. Raises StepFailed."""

    @abstractmethod
    def save(self, tag: str, archive: Path) -> None:
        """Write an image as `docker save` does."""

    @abstractmethod
    def export(self, tag: str, tar: Path) -> None:
        """Write the files that a container of the image sees, as one tar."""

    @abstractmethod
    def forget(self, *tags: str) -> None:
        """Remove images."""

    def tidy(self) -> None:  # noqa: B027 - most need nothing
        """Give back what removed images leave behind."""


class Docker(Builder):
    """A dockerd, asked by the client in `client`: the old builder, or BuildKit."""

    def __init__(self, name: str, workspace: Path, client: tuple[str, ...], inside: Path, *, buildkit: bool) -> None:
        super().__init__(name, workspace)
        self._client = client
        self._inside = inside
        self._buildkit = buildkit

    def _run(self, *words: str | Path) -> bytes:
        return command(*self._client, *(self._seen(word) for word in words), DOCKER_BUILDKIT="1" if self._buildkit else "0")

    def _seen(self, word: str | Path) -> str:
        """Name a file as the client sees it, whose root may be another."""
        if isinstance(word, Path) and self._inside != Path("/"):
            return f"/{word.relative_to(self._inside)}"
        return str(word)

    def base(self, tar: Path, tag: str) -> None:
        inside = self.workspace / "base.tar"
        shutil.copyfile(tar, inside)
        self._run("import", inside, tag)
        inside.unlink()

    def build(self, context: Path, dockerfile: Path, tag: str, *, cached: bool = True) -> None:
        options = [] if cached else ["--no-cache"]
        if not self._buildkit:
            options.append("--force-rm")
        self._run("build", "--network=host", *options, "-t", tag, "-f", dockerfile, context)

    def save(self, tag: str, archive: Path) -> None:
        self._run("save", "-o", archive, tag)

    def export(self, tag: str, tar: Path) -> None:
        container = self._run("create", "--network=none", tag, "true").decode().strip()
        try:
            self._run("export", "-o", tar, container)
        finally:
            self._run("rm", container)

    def forget(self, *tags: str) -> None:
        self._run("rmi", "-f", *tags)

    def tidy(self) -> None:
        self._run("image", "prune", "-f")
        if self._buildkit:
            self._run("builder", "prune", "-f", "-a")


class Podman(Builder):
    """Podman, as root."""

    def __init__(self, name: str, workspace: Path, root: Path) -> None:
        super().__init__(name, workspace)
        self._storage = (f"--root={root}/d", f"--runroot={root}/r")
        self._podman = ("podman", *self._storage)

    def base(self, tar: Path, tag: str) -> None:
        command(*self._podman, "import", "-q", tar, tag)

    def build(self, context: Path, dockerfile: Path, tag: str, *, cached: bool = True) -> None:
        options = [] if cached else ["--no-cache"]
        command(*self._podman, "build", "--network=host", "--isolation=chroot", *options, "-t", tag, "-f", dockerfile, context)

    def save(self, tag: str, archive: Path) -> None:
        command(*self._podman, "save", "-q", "--format=docker-archive", "-o", archive, tag)

    def export(self, tag: str, tar: Path) -> None:
        mounted = Path(command(*self._podman, "image", "mount", tag).decode().strip())
        try:
            command(
                "tar", "-C", mounted, "--numeric-owner", "--xattrs", "--xattrs-include=*", "--format=posix", "-cf", tar, "."
            )
        finally:
            command(*self._podman, "image", "umount", tag)

    def forget(self, *tags: str) -> None:
        command(*self._podman, "rmi", "-f", *tags)

    def tidy(self) -> None:
        command(*self._podman, "image", "prune", "-f")


class Buildah(Podman):
    """Buildah, with a layer for each instruction or, as is its custom, one for all of a stage's."""

    def __init__(self, name: str, workspace: Path, root: Path, *, layers: bool) -> None:
        super().__init__(name, workspace, root)
        self.keeps_layers = layers

    def build(self, context: Path, dockerfile: Path, tag: str, *, cached: bool = True) -> None:
        options = ["--layers"] if self.keeps_layers else []
        if self.keeps_layers and not cached:
            options.append("--no-cache")
        buildah = ("buildah", *self._storage, "build", "--network=host", "--isolation=chroot")
        command(*buildah, *options, "-t", tag, "-f", dockerfile, context)


NAMES = ("docker", "buildkit", "podman", "buildah", "buildah-layers")


@contextmanager
def started(name: str, directory: Path) -> Iterator[Builder]:
    """A builder, ready to build, with everything it keeps below `directory`. Raises BuilderMissing."""
    if os.geteuid() != 0:
        raise BuilderMissing("builders need root")
    needed = {"docker": ("dockerd", "docker"), "podman": ("podman",), "buildah": ("podman", "buildah")}
    missing = [program for program in needed.get(name.partition("-")[0], ()) if not shutil.which(program)]
    if missing:
        raise BuilderMissing(f"{' and '.join(missing)} is not installed")
    place = directory / name
    place.mkdir(parents=True, exist_ok=True)
    try:
        with _started(name, place) as builder:
            yield builder
    finally:
        _unmount_below(place)


@contextmanager
def _started(name: str, place: Path) -> Iterator[Builder]:
    if name == "docker":
        with _dockerd(place) as address:
            yield Docker(name, place / "w", ("docker", "-H", address), Path("/"), buildkit=False)
    elif name == "buildkit":
        with _buildkit(place) as builder:
            yield builder
    elif name == "podman":
        yield Podman(name, place / "w", place)
    else:
        yield Buildah(name, place / "w", place, layers=name == "buildah-layers")


def _unmount_below(place: Path) -> None:
    """Undo what engines leave mounted, so that their directories can be removed."""
    points = [line.split(" ")[1] for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    for point in sorted((point for point in points if point.startswith(f"{place}/")), reverse=True):
        subprocess.run(["umount", "-l", point], check=False)


@contextmanager
def _buildkit(place: Path) -> Iterator[Builder]:
    """Docker with BuildKit and containerd's image store: this machine's, where it brings buildx, or that of Debian 13."""
    has_buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0
    if has_buildx and shutil.which("dockerd"):
        settings = place / "daemon.json"
        settings.write_text('{"features": {"containerd-snapshotter": true}}')
        with _dockerd(place, f"--config-file={settings}") as address:
            yield Docker("buildkit", place / "w", ("docker", "-H", address), Path("/"), buildkit=True)
        return
    with _debian13() as (script, root):
        inside = (str(script), "run", str(root), "docker", "-H", "unix:///engine/s")
        work = root / f"prove-{os.getpid()}"
        try:
            yield Docker("buildkit", work, inside, root, buildkit=True)
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _dockerd(place: Path, *options: str) -> Iterator[str]:
    address = f"unix://{place}/s"
    if len(address) > 100:
        raise BuilderMissing(f"{place} is too long a name for a directory of a socket")
    words = ["dockerd", f"--data-root={place}/d", f"--exec-root={place}/x", f"--pidfile={place}/p", "-H", address]
    words += ["--iptables=false", "--ip6tables=false", "--bridge=none", *options]
    with (place / "log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log, env=_environment()) as process:
        try:
            _wait(address, process, place / "log")
            yield address
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while subprocess.run(["docker", "-H", address, "version"], capture_output=True, check=False, env=_environment()).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise BuilderMissing(f"dockerd does not start: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.1)


@contextmanager
def _debian13() -> Iterator[tuple[Path, Path]]:
    """The Debian 13 with newer engines that LAYERSCOPE_ENGINES makes; it stays up where LAYERSCOPE_ENGINES_ROOT names one."""
    named = os.environ.get("LAYERSCOPE_ENGINES", "none")
    if named == "none" or not Path(named).is_file():
        raise BuilderMissing("LAYERSCOPE_ENGINES names no script that starts a Docker with BuildKit")
    script = Path(named).resolve()
    kept = os.environ.get("LAYERSCOPE_ENGINES_ROOT")
    root = Path(kept or f"/var/tmp/prove13-{os.getpid()}")
    command(script, "up", root)
    try:
        yield script, root
    finally:
        if not kept:
            command(script, "clean", root)
