"""Engines behind ssh: a local socket, each connection to which runs `ssh HOST docker system dial-stdio`.

docker-py's own ssh support needs paramiko even when the ssh command does the work, and its sockets have no timeouts.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from layerscope.sources.engine.endpoints import Endpoint
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.location import EngineKind

GOODBYE_SECONDS = 2


@contextlib.contextmanager
def ssh_bridge(endpoint: Endpoint) -> Iterator[Path]:
    """Yield the path of a local socket that leads to an engine behind ssh, as long as the context lasts.

    Raises EngineFailed without an ssh command.
    """
    if shutil.which("ssh") is None:
        raise EngineFailed(f"{endpoint} is behind ssh, and there is no ssh command here: install OpenSSH's client")
    with contextlib.ExitStack() as resources:
        directory = resources.enter_context(tempfile.TemporaryDirectory(prefix="layerscope-"))  # for its owner alone
        listener = resources.enter_context(socket.socket(socket.AF_UNIX))
        path = Path(directory, "ssh.sock")
        listener.bind(str(path))
        listener.listen()
        calls: list[subprocess.Popen[bytes]] = []
        thread = Thread(target=_accept, args=(listener, _command(endpoint), calls), daemon=True)
        thread.start()
        resources.callback(_hang_up, listener, thread, calls)
        yield path


def _command(endpoint: Endpoint) -> list[str]:
    """Return the command line that docker would run. Raises EngineFailed for an address that names no host."""
    if endpoint.kind is EngineKind.PODMAN:
        raise EngineFailed(
            f"{endpoint} is behind ssh: forward its socket (ssh -L), or: ssh HOST podman save IMAGE | layerscope -"
        )
    parts = urlsplit(endpoint.address)
    if not parts.hostname:
        raise EngineFailed(f"{endpoint} names no host: ssh://USER@HOST")
    user = ["-l", parts.username] if parts.username else []
    port = ["-p", str(parts.port)] if parts.port else []
    return ["ssh", *user, *port, "--", parts.hostname, "docker", "system", "dial-stdio"]


def _accept(listener: socket.socket, command: list[str], calls: list[subprocess.Popen[bytes]]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # the listener was shut down
            return
        with connection:
            # It keeps our terminal, to ask for a password there.
            calls.append(subprocess.Popen(command, stdin=connection.fileno(), stdout=connection.fileno()))  # noqa: S603 - of the user's own DOCKER_HOST


def _hang_up(listener: socket.socket, thread: Thread, calls: list[subprocess.Popen[bytes]]) -> None:
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(GOODBYE_SECONDS)
    for call in calls:
        call.terminate()
        try:
            call.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            call.kill()
            call.wait()
