"""Amazon on this machine: moto answers as ECR and S3 do, and a proxy before its S3 refuses what only the real one refuses."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from conftest import do_without
from support.engines import _running, _wait_until_it_listens, free_port
from support.forwarding import Forwarder
from support.pretend_registry import Answer, Asked, PretendedRegistry, pretended_registry

BUCKET = "layers-of-a-test"


@pytest.fixture(scope="session")
def amazon() -> Iterator[str]:
    """The URL of a moto server, one for all tests of a session."""
    missing = [each for each in ("moto", "flask", "flask_cors") if find_spec(each) is None]
    if missing:
        do_without(f"the Python package {missing[0]} is not installed")
    host = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", host.partition(":")[2]]
    with tempfile.TemporaryDirectory(prefix="ls-") as directory, _running(Path(directory), command) as process:
        _wait_until_it_listens(host, process)
        yield f"http://{host}"


@dataclass
class ObjectStore:
    """S3 at `server`: refuses what the real one refuses, and has moto answer the rest."""

    server: PretendedRegistry
    behind: Forwarder
    expired: set[str] = field(default_factory=set)
    """The signed addresses that S3 no longer takes."""

    @property
    def registry_settings(self) -> dict[str, Any]:
        """The `storage` section of a registry that keeps its blobs here and redirects clients to signed addresses."""
        login = {"accesskey": "a-test-key", "secretkey": "a-test-secret"}
        place = {"region": "us-east-1", "regionendpoint": f"http://{self.server.host}", "bucket": BUCKET}
        return {"s3": {**login, **place, "secure": False, "v4auth": True}, "redirect": {"disable": False}}

    @property
    def signed(self) -> list[Asked]:
        """The requests with a signature in their address: those of the registry's clients."""
        return [each for each in self.server.asked if "X-Amz-Signature=" in each.path]

    def expire(self) -> None:
        """Let all signed addresses run out that were asked for so far, as S3 does when their time is over."""
        self.expired |= {each.path for each in self.signed}
        # A registry signs the time, in seconds: another address needs another second.
        time.sleep(1 - time.time() % 1)

    def answer(self, asked: Asked) -> Answer:
        query = parse_qs(urlsplit(asked.path).query)
        if "X-Amz-Signature" in query and "authorization" in asked.headers:
            return _refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
        if "X-Amz-Signature" not in query and "authorization" not in asked.headers:
            return _refusal(403, "AccessDenied", "Access Denied")
        return _refusal(403, "AccessDenied", "Request has expired") if asked.path in self.expired else self.behind.answer(asked)


def _refusal(status: int, code: str, message: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


@contextmanager
def object_store(moto: str) -> Iterator[ObjectStore]:
    """An empty bucket of moto's behind S3's refusals."""
    import requests

    with pretended_registry() as server:
        requests.put(f"{moto}/{BUCKET}", timeout=60).raise_for_status()
        store = ObjectStore(server, Forwarder(moto, server))
        server.routes["/"] = store.answer
        yield store
