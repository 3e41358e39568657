"""Answers of registries that are meant to do harm: addresses that are none, endless numbers, bodies that fill the memory."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from layerscope.errors import NotFound
from layerscope.layers.hashing import Algorithms
from layerscope.layers.readers.stream import read_passing
from layerscope.oci.digest import Digest
from layerscope.progress import ignore
from layerscope.sources.location import EngineOptions
from layerscope.sources.open import open_image
from layerscope.sources.registry.challenge import best_challenge
from layerscope.sources.registry.failures import RegistryFailed
from layerscope.sources.registry.find_tags import TagQuery, find_tags
from layerscope.sources.registry.ranged_blob import PassingBlob
from layerscope.sources.registry.registry_listing import referrers, tag_pages
from sources.test_registry_transport import BLOB, BLOB_PATH, DIGEST, MANIFEST_PATH, repository
from support.pretend_registry import Answer, PretendedRegistry, blob_route, pretended_registry

pytestmark = pytest.mark.slow

NO_ADDRESSES = (
    "http://[",
    "//[::1",
    "http://" + "a" * 70 + ".example/",
    "http://x..example/",
    "http://\xff\xfe/",
    "http://*.example/",
)
ENDLESS = "9" * 5000
"""More digits than Python makes a number of."""
FLOOD = 64 << 20


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


@pytest.mark.parametrize("named", NO_ADDRESSES)
def test_a_realm_that_is_no_address_is_a_sentence(registry: PretendedRegistry, named: str) -> None:
    registry.routes["/v2/"] = lambda _: Answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{named}"'})
    with pytest.raises(RegistryFailed):
        repository(registry).document("1")


@pytest.mark.parametrize("named", NO_ADDRESSES)
def test_a_redirect_to_what_is_no_address_is_a_sentence(registry: PretendedRegistry, named: str) -> None:
    registry.routes[BLOB_PATH] = lambda _: Answer(307, b"", {"Location": named})
    start = time.monotonic()
    with pytest.raises(RegistryFailed):
        repository(registry).blob(DIGEST, len(BLOB))
    assert time.monotonic() - start < 5, "trying again makes no address of it"


@pytest.mark.parametrize("named", NO_ADDRESSES)
def test_a_next_page_that_is_no_address_is_a_sentence(registry: PretendedRegistry, named: str) -> None:
    registry.routes["/v2/team/app/tags/list"] = lambda _: Answer(200, b'{"tags":["1"]}', {"Link": f'<{named}>; rel="next"'})
    with pytest.raises(RegistryFailed, match="nothing is sent there"):
        list(tag_pages(repository(registry)))


def test_a_redirect_with_a_password_is_not_followed_nor_is_the_password_shown(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = lambda _: Answer(307, b"", {"Location": "https://ann:a-secret-word@example.org/x"})
    with pytest.raises(RegistryFailed, match=r"names example\.org as its store of blobs, with a user") as caught:
        repository(registry).blob(DIGEST, len(BLOB))
    assert "a-secret-word" not in str(caught.value)


@pytest.mark.parametrize("name", ["ratelimit-remaining", "Retry-After", "Age"])
def test_headers_with_endless_numbers_are_no_obstacle(registry: PretendedRegistry, name: str) -> None:
    registry.routes[BLOB_PATH] = lambda asked: replace(blob_route(BLOB)(asked), headers={name: ENDLESS})
    assert repository(registry).blob(DIGEST, len(BLOB)) == BLOB


def test_an_endless_number_in_a_range_is_a_sentence(registry: PretendedRegistry) -> None:
    stated = {"Content-Range": f"bytes 0-{ENDLESS}/{ENDLESS}"}
    registry.routes[BLOB_PATH] = lambda asked: replace(blob_route(BLOB)(asked), headers=stated)
    with pytest.raises(RegistryFailed, match="another part"):
        repository(registry).read_range(DIGEST, 0, 10)


def test_a_length_of_endless_digits_is_not_believed(registry: PretendedRegistry) -> None:
    registry.protocol = "HTTP/1.0"
    registry.routes[BLOB_PATH] = lambda _: Answer(200, BLOB, {"Content-Length": ENDLESS}, has_length=False)
    assert repository(registry).blob(DIGEST, len(BLOB)) == BLOB
    assert b"".join(repository(registry).stream(DIGEST, len(BLOB) + 9)) == BLOB


def test_a_token_for_ages_is_renewed_within_a_week(registry: PretendedRegistry) -> None:
    answer = json.dumps({"token": "tok-12345", "expires_in": 10**400}).encode()
    registry.routes["/token"] = lambda _: Answer(200, answer)
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{registry.host}/token"'}
    registry.routes[MANIFEST_PATH] = lambda asked: (
        Answer(200, b"{}") if "authorization" in asked.headers else Answer(401, b"", challenge)
    )
    assert repository(registry).document("1").raw == b"{}"


def test_a_challenge_of_spaces_is_parsed_at_once() -> None:
    start = time.monotonic()
    assert best_challenge("Bearer a" + " " * 8000 + "\x01") is not None
    assert time.monotonic() - start < 0.5


@pytest.mark.parametrize("size", [b"-1", b"-5"])
def test_a_chunk_of_negative_length_does_not_fill_the_memory(registry: PretendedRegistry, size: bytes) -> None:
    sent: list[int] = []
    headers = {"Transfer-Encoding": "chunked"}
    registry.routes[BLOB_PATH] = lambda _: Answer(200, b"", headers, has_length=False, more=_flood(sent, size + b"\r\n"))
    with pytest.raises(RegistryFailed, match="broke off"):
        repository(registry).blob(DIGEST, len(BLOB))
    assert max(sent) < FLOOD // 2


def test_the_body_of_a_redirect_is_not_read(registry: PretendedRegistry) -> None:
    sent: list[int] = []
    registry.routes[BLOB_PATH] = lambda _: Answer(307, b"", {"Location": "/real"}, has_length=False, more=_flood(sent))
    registry.routes["/real"] = blob_route(BLOB)
    assert repository(registry).blob(DIGEST, len(BLOB)) == BLOB
    assert max(sent) < FLOOD // 2


def _flood(sent: list[int], start: bytes = b"") -> Iterator[bytes]:
    """Yield FLOOD bytes after `start`, and note in `sent` how many were taken, which buffers on the way do, too."""
    sent.append(0)
    number = len(sent) - 1
    yield start
    for _ in range(FLOOD >> 20):
        yield bytes(1 << 20)
        sent[number] += 1 << 20


def test_referrers_without_end_are_not_collected(registry: PretendedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.sources.registry.registry_listing.REFERRERS", 5)
    listed = {"manifests": [{"mediaType": "x/y", "digest": str(DIGEST), "size": 1}] * 2}
    _without_end(registry, f"/v2/team/app/referrers/{DIGEST}", listed)
    with pytest.raises(RegistryFailed, match="its list of referrers has more than 5"):
        referrers(repository(registry), DIGEST)
    assert len(registry.asked) == 3


def test_tags_without_end_are_not_collected(registry: PretendedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.sources.registry.stated_tags.REGISTRY_NAMES", 5)
    _without_end(registry, "/v2/team/app/tags/list", {"tags": ["1.0", "1.1"]})
    with pytest.raises(RegistryFailed, match="its list of tags has more than 5"):
        find_tags(f"{registry.host}/team/app", TagQuery(last=1), options=EngineOptions(), progress=ignore)
    assert len(registry.asked_for("/v2/team/app/tags/list")) == 3


def _without_end(registry: PretendedRegistry, path: str, page: object) -> None:
    """Serve a list whose every page leads to another one."""
    registry.routes[path] = lambda _: Answer(
        200, json.dumps(page).encode(), {"Link": f"<{path}?p={len(registry.asked)}>; rel=next"}
    )


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]", "100.100.100.200"],
)
def test_no_registry_leads_to_a_cloud_s_metadata(registry: PretendedRegistry, host: str) -> None:
    registry.routes[BLOB_PATH] = lambda _: Answer(307, b"", {"Location": f"http://{host}/latest/meta-data"})
    with pytest.raises(RegistryFailed, match="which is an address of this machine's own network"):
        repository(registry).blob(DIGEST, len(BLOB))


def test_an_index_of_nothing_is_named(registry: PretendedRegistry) -> None:
    index = {"Content-Type": "application/vnd.oci.image.index.v1+json"}
    registry.routes[MANIFEST_PATH] = lambda _: Answer(200, b'{"schemaVersion":2,"manifests":[]}', index)
    with pytest.raises(NotFound, match=rf"{registry.host}/team/app:1 lists no image"):
        open_image(f"docker://{registry.host}/team/app:1")


def test_a_plain_layer_that_is_said_to_be_endless_ends() -> None:
    passing = PassingBlob(iter([b"abc"]), ignore)
    start = time.monotonic()
    read = read_passing(passing, size=1 << 45, algorithms=Algorithms())
    assert time.monotonic() - start < 2
    assert read.hashes is None or read.hashes.stored == Digest.of(b"abc")
