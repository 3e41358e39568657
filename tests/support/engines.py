"""Real engines for tests: private ones, each with its own storage and socket, ended by their process id."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import requires

PATIENCE = 60
"""Seconds until an engine answers; it takes one or two."""


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """An engine of a test's own. `command` is its command line client, ready for arguments."""

    kind: str
    socket: Path
    root: Path
    process: subprocess.Popen[bytes]
    command: tuple[str, ...]

    @property
    def address(self) -> str:
        return f"unix://{self.socket}"

    def run(self, *arguments: str | Path, stdin: bytes = b"") -> bytes:
        """What a client command prints."""
        done = subprocess.run([*self.command, *arguments], input=stdin, capture_output=True, check=False, env=_environment())
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def load(self, archive: bytes) -> None:
        """Have the engine load an archive."""
        self.run("load", stdin=archive)


@contextmanager
def docker_engine(*options: str) -> Iterator[RunningEngine]:
    """A dockerd; needs root."""
    requires("dockerd")
    requires("docker")
    _require_root()
    with _directory() as top:
        command = ["dockerd", f"--data-root={top}/data", f"--exec-root={top}/exec", f"--pidfile={top}/pid", *options]
        command += ["-H", f"unix://{top}/s", "--iptables=false", "--ip6tables=false", "--bridge=none"]
        client = ("docker", "-H", f"unix://{top}/s")
        with _running(top, command) as process:
            engine = RunningEngine("docker", top / "s", top / "data", process, client)
            _wait_until_it_answers(engine)
            yield engine


@contextmanager
def podman_engine() -> Iterator[RunningEngine]:
    """Podman's API service; needs root."""
    requires("podman")
    _require_root()
    with _directory() as top:
        # vfs works everywhere; podman refuses a run directory whose path has over 50 characters.
        client = ("podman", f"--root={top}/data", f"--runroot={top}/run", "--storage-driver=vfs")
        command = [*client, "system", "service", "-t", "0", f"unix://{top}/s"]
        with _running(top, command) as process:
            engine = RunningEngine("podman", top / "s", top / "data", process, client)
            _wait_until_it_answers(engine)
            yield engine


@contextmanager
def podman_service(client: tuple[str, ...]) -> Iterator[str]:
    """The API of a Podman whose storage already exists; gives its address."""
    with _directory() as top:
        command = [*client, "system", "service", "-t", "0", f"unix://{top}/s"]
        with _running(top, command) as process:
            engine = RunningEngine("podman", top / "s", top, process, client)
            _wait_until_it_answers(engine)
            yield engine.address


@contextmanager
def containerd_engine() -> Iterator[RunningEngine]:
    """A containerd by itself; needs root. Its socket has another API: `run` is for `ctr`."""
    requires("containerd")
    requires("ctr")
    _require_root()
    with _directory() as top:
        lines = ["version = 2", f'root = "{top}/data"', f'state = "{top}/run"', "[grpc]", f'address = "{top}/s"']
        lines.insert(3, 'disabled_plugins = ["io.containerd.grpc.v1.cri"]')
        (top / "config").write_text("\n".join(lines))
        with _running(top, ["containerd", "--config", f"{top}/config"]) as process:
            engine = RunningEngine("containerd", top / "s", top / "data", process, ("ctr", f"--address={top}/s"))
            deadline = time.monotonic() + PATIENCE
            while subprocess.run([*engine.command, "version"], capture_output=True, check=False).returncode:
                assert process.poll() is None and time.monotonic() < deadline, (top / "log").read_text()
                time.sleep(0.05)
            yield engine


def _require_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("an engine of a test's own needs root")


@contextmanager
def _directory() -> Iterator[Path]:
    """A directory with a short name: that of a socket may have 107 characters."""
    top = Path(tempfile.mkdtemp(prefix="ls-", dir="/tmp"))
    try:
        yield top
    finally:
        shutil.rmtree(top, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Without what would send a client elsewhere: podman with CONTAINER_HOST does not even take --root.

    With AWS_CA_BUNDLE a registry wants TLS of its store on S3.
    """
    elsewhere = ("DOCKER_HOST", "CONTAINER_HOST", "AWS_CA_BUNDLE")
    return {name: value for name, value in os.environ.items() if name not in elsewhere}


@contextmanager
def _running(top: Path, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    # Podman's service takes a Dockerfile of its own directory for that of a client.
    started = subprocess.Popen
    with (top / "log").open("wb") as log, started(command, stdout=log, stderr=log, env=_environment(), cwd=top) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_it_answers(engine: RunningEngine) -> None:
    """Ask for its version again and again: nothing else says when an engine is ready."""
    ask = ["curl", "-s", "--unix-socket", str(engine.socket), "http://x/version"]
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert engine.process.poll() is None, (engine.socket.parent / "log").read_text()
        if "ApiVersion" in _version(ask):
            return
        time.sleep(0.05)
    raise AssertionError((engine.socket.parent / "log").read_text())


def _version(ask: list[str]) -> dict[str, object]:
    answer = subprocess.run(ask, capture_output=True, check=False).stdout
    try:
        version: dict[str, object] = json.loads(answer)
    except ValueError:
        return {}
    return version


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        number: int = reserved.getsockname()[1]
        return number


@contextmanager
def registry(**settings: Any) -> Iterator[str]:
    """A registry on this machine, which engines trust without TLS; gives its host and port.

    `settings` are added to its configuration, such as `auth` (distribution `docs/configuration.md`); `http` is completed.
    """
    requires("docker-registry")
    with _directory() as top:
        host = f"127.0.0.1:{free_port()}"
        storage = {"filesystem": {"rootdirectory": f"{top}/data"}}
        http = {"addr": host, "secret": "for-tests"} | settings.pop("http", {})
        (top / "config").write_text(json.dumps({"version": "0.1", "storage": storage, "http": http} | settings))
        with _running(top, ["docker-registry", "serve", f"{top}/config"]) as process:
            _wait_until_it_listens(host, process)
            yield host


def _wait_until_it_listens(host: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", int(host.partition(":")[2]))) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the registry does not start")
