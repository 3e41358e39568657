"""Uploads to a real registry, behind a proxy that gets in the way as those of real ones do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from layerscope.layers.blob import Blob
from layerscope.oci.digest import Digest
from layerscope.sources.registry.credentials import Credential
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.failures import RegistryFailed, RequestRefused
from layerscope.sources.registry.registry_name import parse_image_name
from layerscope.sources.registry.repository import Repository
from layerscope.sources.registry.traffic import Traffic
from layerscope.sources.registry.transport import Connection
from layerscope.sources.registry.upload import RepositoryWriter, stated_place
from support.engines import registry
from support.forwarding import Forwarder, forwarder
from support.pretend_registry import Answer, Asked, pretended_registry
from support.registry_pushes import WORD, with_passwords

ANN = Credential("ann", WORD, origin="a test")
MIB = 1 << 20
Altered = Callable[[Asked, Callable[[Asked], Answer]], Answer]


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    with registry() as host:
        yield host


@pytest.fixture
def proxy(plain: str) -> Iterator[Forwarder]:
    with forwarder(f"http://{plain}") as found:
        yield found


def writer(host: str) -> RepositoryWriter:
    endpoint = RegistryEndpoint(host, "team/app", schemes=("http",))
    return RepositoryWriter(parse_image_name(f"{host}/team/app:1"), Connection(endpoint, lambda: ANN, Traffic()))


def sent(host: str, size: int) -> list[int]:
    """Send a blob of random bytes, see that the registry has them, and return what progress was told."""
    content, told = os.urandom(size), list[int]()
    digest = Digest.of(content)
    writing = writer(host)
    assert not writing.has(digest)
    writing.send_blob(digest, Blob.of_bytes(content), told.append)
    assert writing.has(digest)
    reading = Repository(writing.name, [writing.connection])
    assert b"".join(reading.stream(digest, size)) == content
    assert sum(told) == size
    return told


def altered(proxy: Forwarder, alter: Altered) -> None:
    proxy.server.routes["/"] = lambda asked: alter(asked, proxy.answer)


def requests(proxy: Forwarder) -> list[str]:
    """The methods of all writing requests, with their answers."""
    return [f"{each.method} {each.status}" for each in proxy.passed if each.method not in ("GET", "HEAD")]


def test_a_blob_is_sent_in_one_request(proxy: Forwarder) -> None:
    sent(proxy.host, 3 * MIB)
    assert requests(proxy) == ["POST 202", "PUT 201"]


@pytest.mark.parametrize(("least", "chunks"), [(0, 3), (2 * MIB, 2)])
def test_what_is_too_large_for_a_proxy_goes_in_chunks(least: int, chunks: int, proxy: Forwarder) -> None:
    def small(asked: Asked, answer: Callable[[Asked], Answer]) -> Answer:
        if len(asked.body) > max(least, MIB):
            return Answer(413, b"<h1>too large</h1>")
        found = answer(asked)
        more = {"OCI-Chunk-Min-Length": str(least)} if asked.method == "POST" and least else {}
        return replace(found, headers=found.headers | more)

    altered(proxy, small)
    sent(proxy.host, 3 * MIB)
    assert requests(proxy) == ["POST 202", "POST 202", *["PATCH 202"] * chunks, "PUT 201"]
    altered(proxy, lambda asked, answer: Answer(413) if asked.body else answer(asked))
    with pytest.raises(RegistryFailed, match=r"\(413\), not even in parts of 1.05 MB: a proxy before it limits requests"):
        sent(proxy.host, 3 * MIB)


@pytest.mark.parametrize("fault", [503, 0])
def test_an_upload_that_fails_halfway_begins_anew(fault: int, proxy: Forwarder) -> None:
    """What arrived is not known: sent to the same place again, it would be there twice."""
    failures = iter([True])

    def failing(asked: Asked, answer: Callable[[Asked], Answer]) -> Answer:
        if asked.method == "PUT" and next(failures, False):
            answer(replace(asked, method="PATCH", body=asked.body[: MIB // 2]))
            if not fault:
                raise ConnectionResetError
            return Answer(fault, headers={"Retry-After": "0"})
        return answer(asked)

    altered(proxy, failing)
    told = sent(proxy.host, MIB)
    assert -MIB in told, "progress goes back"
    assert requests(proxy) == ["POST 202", "PATCH 202", "POST 202", "PUT 201"]


def test_a_refusal_is_not_tried_again(proxy: Forwarder) -> None:
    altered(proxy, lambda asked, answer: Answer(400, b"{}") if asked.method == "PUT" else answer(asked))
    with pytest.raises(RequestRefused, match=r"refuses blob \w{12}, 10 B \(400\)"):
        sent(proxy.host, 10)
    assert requests(proxy) == ["POST 202"]


def test_a_registry_that_takes_no_pushes_is_named(proxy: Forwarder) -> None:
    altered(proxy, lambda asked, answer: Answer(405) if asked.method == "POST" else answer(asked))
    with pytest.raises(RequestRefused, match=r"refuses a push to team/app \(405\); it is read-only, or a cache of another"):
        writer(proxy.host).check_rights()


@pytest.mark.parametrize("way", ["location", "redirect"])
def test_another_host_gets_the_blob_without_credentials(way: str, tmp_path: Path) -> None:
    with with_passwords(tmp_path) as host, forwarder(f"http://{host}") as proxy, pretended_registry() as store:
        store.routes["/"] = lambda _: Answer(201)

        def elsewhere(asked: Asked, answer: Callable[[Asked], Answer]) -> Answer:
            place = {"Location": f"http://{store.host}/put/here?signed=yes"}
            if way == "redirect":
                return Answer(307, headers=place) if asked.method == "PUT" else answer(asked)
            found = answer(asked)
            return replace(found, headers=found.headers | place) if asked.method == "POST" and found.status == 202 else found

        altered(proxy, elsewhere)
        content = b"a blob"
        writer(proxy.host).send_blob(Digest.of(content), Blob.of_bytes(content), lambda _: None)
        [put] = store.asked
        assert (put.method, put.body) == ("PUT", content)
        assert put.path.startswith("/put/here?signed=yes")
        assert "authorization" not in put.headers
        assert proxy.server.asked_for("/v2/team")[-1].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize("place", ["http://169.254.169.254/latest", "ftp://127.0.0.1/x", "http://ann:word@127.0.0.1/x", ""])
def test_nothing_is_sent_to_a_place_that_may_not_be_asked(place: str, proxy: Forwarder) -> None:
    altered(proxy, lambda asked, answer: Answer(202, headers={"Location": place}) if asked.method == "POST" else answer(asked))
    with pytest.raises(RegistryFailed, match=r"place for uploads|does not say where it goes on"):
        sent(proxy.host, 10)
    assert requests(proxy) == []


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("/v2/a/uploads/1?_state=x%3D", "https://r.example/v2/a/uploads/1?_state=x%3D"),
        ("2?_state=x", "https://r.example/v2/a/blobs/uploads/2?_state=x"),
        ("http://r.example/v2/a?s=1", "https://r.example/v2/a?s=1"),
        ("https://r.example:443/v2/a", "https://r.example/v2/a"),
        ("http://other.example/v2/a", "http://other.example/v2/a"),
        ("https://r.example:444/v2/a", "https://r.example:444/v2/a"),
    ],
)
def test_a_registry_behind_a_proxy_is_still_itself(location: str, place: str) -> None:
    assert stated_place("https://r.example", "https://r.example/v2/a/blobs/uploads/", location) == place


def test_a_relative_place_is_understood(proxy: Forwarder) -> None:
    def relative(asked: Asked, answer: Callable[[Asked], Answer]) -> Answer:
        found = answer(asked)
        place = found.headers.get("Location", "").partition(proxy.host)[2]
        return replace(found, headers=found.headers | {"Location": place}) if asked.method == "POST" else found

    altered(proxy, relative)
    sent(proxy.host, 10)


def test_what_is_stored_as_something_else_is_an_error(proxy: Forwarder) -> None:
    def other(asked: Asked, answer: Callable[[Asked], Answer]) -> Answer:
        found = answer(asked)
        return replace(found, headers=found.headers | {"Docker-Content-Digest": "sha256:" + "0" * 64})

    altered(proxy, other)
    with pytest.raises(RegistryFailed, match=r"/team/app has stored blob \w{12}, 10 B as sha256:0{64}, not as sha256:"):
        sent(proxy.host, 10)
