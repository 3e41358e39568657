"""Requests to registries: challenges, tokens, redirects, ranges, waiting, and what is never sent to whom."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import pytest

from layerscope.errors import BadDocument
from layerscope.oci.digest import Digest
from layerscope.sources.registry.credentials import ANONYMOUS, Credential
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.failures import AccessDenied, NoSuchImage, RegistryFailed
from layerscope.sources.registry.registry_name import parse_image_name
from layerscope.sources.registry.repository import NoRanges, Repository
from layerscope.sources.registry.traffic import Traffic
from layerscope.sources.registry.transport import Connection
from support.pretend_registry import Answer, Asked, PretendedRegistry, Route, blob_route, pretended_registry

pytestmark = pytest.mark.slow

ANN = Credential("ann", "a-secret-word", origin="a test")
BLOB = bytes(range(256)) * 40
DIGEST = Digest.of(BLOB)
BLOB_PATH = f"/v2/team/app/blobs/{DIGEST}"
MANIFEST_PATH = "/v2/team/app/manifests/"


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


@pytest.fixture
def other() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


def repository(registry: PretendedRegistry, who: Credential = ANONYMOUS, traffic: Traffic | None = None) -> Repository:
    endpoint = RegistryEndpoint(registry.host, "team/app", schemes=("http",))
    return Repository(
        parse_image_name(f"{registry.host}/team/app:1"), [Connection(endpoint, lambda: who, traffic or Traffic())]
    )


def token_server(registry: PretendedRegistry, **answer: object) -> Route:
    """The registry's own token server, and the route of something that wants its token."""
    registry.routes["/token"] = lambda _: Answer(200, json.dumps(answer or {"token": "tok-12345"}).encode())

    def guarded(asked: Asked) -> Answer:
        if asked.headers.get("authorization") == "Bearer tok-12345":
            return blob_route(BLOB)(asked)
        realm = f'Bearer realm="http://{registry.host}/token",service="here",scope="repository:team/app:pull"'
        return Answer(401, b"", {"WWW-Authenticate": realm})

    return guarded


def test_a_password_goes_to_the_registry_that_asks_for_it(registry: PretendedRegistry) -> None:
    basic = "Basic " + base64.b64encode(b"ann:a-secret-word").decode()
    registry.routes[BLOB_PATH] = lambda asked: (
        blob_route(BLOB)(asked)
        if asked.headers.get("authorization") == basic
        else Answer(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
    )
    assert repository(registry, ANN).read_range(DIGEST, 5, 7) == BLOB[5:12]


def test_a_password_goes_to_the_token_server_and_the_token_to_the_registry(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = token_server(registry)
    reading = repository(registry, ANN)
    assert b"".join(reading.stream(DIGEST, len(BLOB))) == BLOB
    assert reading.read_range(DIGEST, 0, 3) == BLOB[:3]
    [asked] = registry.asked_for("/token")
    assert asked.headers["authorization"].startswith("Basic ")
    assert "scope=repository%3Ateam%2Fapp%3Apull" in asked.path
    assert "service=here" in asked.path


def test_an_anonymous_user_gets_an_anonymous_token(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = token_server(registry)
    assert repository(registry).read_range(DIGEST, 0, 3) == BLOB[:3]
    assert "authorization" not in registry.asked_for("/token")[0].headers


def test_an_identity_token_is_posted(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = token_server(registry, access_token="tok-12345")
    who = Credential("<token>", identity_token="an-identity-token", origin="a test")
    assert repository(registry, who).read_range(DIGEST, 0, 3) == BLOB[:3]
    [asked] = registry.asked_for("/token")
    assert asked.method == "POST"
    assert b"refresh_token=an-identity-token" in asked.body


def test_a_token_that_ran_out_is_asked_for_again(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = token_server(registry, token="tok-12345", expires_in=0.05)
    reading = repository(registry, ANN)
    reading.read_range(DIGEST, 0, 3)
    time.sleep(0.06)
    reading.read_range(DIGEST, 3, 3)
    assert len(registry.asked_for("/token")) == 2
    assert len(registry.asked_for(BLOB_PATH)) == 3, "the second token was asked for before it was missed"


def test_a_refusal_says_who_was_refused_and_shows_no_secret(registry: PretendedRegistry) -> None:
    words = json.dumps({"errors": [{"code": "DENIED", "message": "a-secret-word is wrong"}]}).encode()
    registry.routes["/v2/"] = lambda _: Answer(401, words, {"WWW-Authenticate": "Basic realm=x"})
    with pytest.raises(AccessDenied, match=r"as ann \(from a test\)") as caught:
        repository(registry, ANN).document("1")
    assert "a-secret-word" not in str(caught.value)
    assert base64.b64encode(b"ann:a-secret-word").decode() not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    "realm", ["http://169.254.169.254/token", "ftp://127.0.0.1/", "https://user:word@example.com/", "/token"]
)
def test_nothing_is_sent_to_a_token_server_that_may_not_be_asked(realm: str, registry: PretendedRegistry) -> None:
    registry.routes["/v2/"] = lambda _: Answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{realm}"'})
    with pytest.raises(RegistryFailed, match="token server"):
        repository(registry, ANN).document("1")


def test_a_long_token_answer_is_refused(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = token_server(registry, token="t" * 70_000)
    with pytest.raises(RegistryFailed, match="64 KiB"):
        repository(registry).read_range(DIGEST, 0, 3)


def test_a_redirect_to_another_host_gets_no_credential(registry: PretendedRegistry, other: PretendedRegistry) -> None:
    guarded = token_server(registry)

    def redirected(asked: Asked) -> Answer:
        answer = guarded(asked)
        there = {"Location": f"http://{other.host}/store/x?sig=1"}
        return answer if answer.status == 401 else Answer(307, b"", there)

    registry.routes[BLOB_PATH] = redirected
    other.routes["/store/x"] = blob_route(BLOB)
    reading = repository(registry, ANN)
    assert reading.read_range(DIGEST, 9, 9) == BLOB[9:18]
    assert reading.read_range(DIGEST, 0, 9) == BLOB[:9]
    assert [asked.headers.get("authorization") for asked in other.asked] == [None, None]
    assert len(registry.asked_for(BLOB_PATH)) == 2, "a signed address is used as long as it holds"


def test_a_signed_address_that_ran_out_is_asked_for_again(registry: PretendedRegistry, other: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = lambda _: Answer(307, b"", {"Location": f"http://{other.host}/{len(registry.asked)}"})
    other.routes["/"] = lambda asked: blob_route(BLOB)(asked) if asked.path == f"/{len(registry.asked)}" else Answer(403)
    reading = repository(registry)
    assert reading.read_range(DIGEST, 0, 4) == BLOB[:4]
    registry.asked.append(Asked("GET", "/nothing", {}))
    assert reading.read_range(DIGEST, 4, 4) == BLOB[4:8]


def test_redirects_end(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = lambda _: Answer(302, b"", {"Location": BLOB_PATH})
    with pytest.raises(RegistryFailed, match="endlessly"):
        repository(registry).read_range(DIGEST, 0, 4)


def test_a_redirect_to_the_metadata_address_is_not_followed(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = lambda _: Answer(302, b"", {"Location": "http://169.254.169.254/latest/meta-data/"})
    with pytest.raises(RegistryFailed, match="nothing is sent there"):
        repository(registry).read_range(DIGEST, 0, 4)


def test_a_login_page_is_told(registry: PretendedRegistry) -> None:
    registry.routes["/"] = lambda _: Answer(200, b"<html>", {"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(RegistryFailed, match="web page"):
        repository(registry).document("1")


def test_a_busy_registry_is_asked_again_when_it_said(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = lambda asked: (
        Answer(429, b"", {"Retry-After": "1"}) if len(registry.asked) == 1 else blob_route(BLOB)(asked)
    )
    started = time.monotonic()
    assert repository(registry).read_range(DIGEST, 0, 4) == BLOB[:4]
    assert time.monotonic() - started >= 1


def test_a_whole_blob_for_a_range_is_not_read(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = lambda _: Answer(200, BLOB)
    traffic = Traffic()
    with pytest.raises(NoRanges):
        repository(registry, traffic=traffic).read_range(DIGEST, 0, 4)
    assert traffic.total == 0


def test_another_part_than_was_asked_for_is_not_taken(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = lambda _: Answer(206, BLOB[:4], {"Content-Range": "bytes 0-3/10240"})
    with pytest.raises(NoRanges):
        repository(registry).read_range(DIGEST, 4, 4)


def test_a_stream_that_breaks_goes_on_where_it_broke(registry: PretendedRegistry) -> None:
    def breaking(asked: Asked) -> Answer:
        answer = blob_route(BLOB)(asked)
        return Answer(answer.status, answer.body, answer.headers, cut_after=3000)

    registry.routes[BLOB_PATH] = breaking
    traffic = Traffic()
    assert b"".join(repository(registry, traffic=traffic).stream(DIGEST, len(BLOB))) == BLOB
    assert traffic.fetched[str(DIGEST)] == len(BLOB)


def test_a_stream_that_always_breaks_ends_with_a_sentence(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = lambda asked: Answer(200, BLOB, {}, cut_after=100)
    with pytest.raises(RegistryFailed, match="broke off"):
        b"".join(repository(registry).stream(DIGEST, len(BLOB)))


def test_a_stream_is_never_longer_than_the_descriptor_says(registry: PretendedRegistry) -> None:
    registry.routes[BLOB_PATH] = lambda _: Answer(200, BLOB * 3)
    assert b"".join(repository(registry).stream(DIGEST, len(BLOB))) == BLOB


def test_documents_are_checked_against_their_digests(registry: PretendedRegistry) -> None:
    registry.routes[MANIFEST_PATH] = lambda _: Answer(200, b'{"other": 1}')
    registry.routes[BLOB_PATH] = lambda _: Answer(200, BLOB[:-1] + b"x")
    with pytest.raises(BadDocument, match="another digest"):
        repository(registry).document(str(DIGEST))
    with pytest.raises(BadDocument, match="another digest"):
        repository(registry).blob(DIGEST, len(BLOB))


def test_a_tag_is_resolved_without_a_pull(registry: PretendedRegistry) -> None:
    registry.routes[MANIFEST_PATH] = lambda _: Answer(
        200, b"", {"Docker-Content-Digest": str(DIGEST), "ratelimit-remaining": "76;w=21600"}
    )
    traffic = Traffic()
    assert repository(registry, traffic=traffic).resolve("1") == DIGEST
    assert [asked.method for asked in registry.asked] == ["HEAD"]
    assert traffic.remaining == {registry.host: 76}


def test_what_is_not_there_is_told(registry: PretendedRegistry) -> None:
    registry.routes["/v2/"] = lambda _: Answer(404, json.dumps({"errors": [{"message": "manifest unknown"}]}).encode())
    with pytest.raises(NoSuchImage, match="manifest unknown"):
        repository(registry).document("1")


def test_a_mirror_that_does_not_know_an_image_is_passed_over(registry: PretendedRegistry, other: PretendedRegistry) -> None:
    other.routes[MANIFEST_PATH] = lambda _: Answer(200, b'{"config": 1}')
    traffic = Traffic()
    connections = [
        Connection(RegistryEndpoint(each.host, "team/app", schemes=("http",)), lambda: ANONYMOUS, traffic)
        for each in (registry, other)
    ]
    found = Repository(parse_image_name("team/app:1"), connections)
    assert found.document("1").raw == b'{"config": 1}'
    assert found.endpoint.host == other.host


def test_what_cannot_be_checked_is_not_taken(registry: PretendedRegistry) -> None:
    unknown = Digest.parse("sha999:" + "a" * 64)
    registry.routes["/v2/"] = lambda _: Answer(200, b"{}")
    with pytest.raises(BadDocument, match="cannot be checked"):
        repository(registry).document(str(unknown))
    with pytest.raises(BadDocument, match="cannot be checked"):
        repository(registry).blob(unknown, 2)


def test_too_many_requests_is_a_sentence_with_a_way_out(registry: PretendedRegistry) -> None:
    words = json.dumps({"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit"}]}).encode()
    registry.routes["/v2/"] = lambda _: Answer(429, words, {"Retry-After": "0"})
    with pytest.raises(
        RegistryFailed, match=r"too many requests \(429: You have reached .*\); wait, or log in with: docker login"
    ):
        repository(registry).document("1")
    assert len(registry.asked) == 5


def test_docker_hub_is_logged_in_to_by_the_name_that_users_know(registry: PretendedRegistry) -> None:
    registry.routes["/v2/"] = lambda _: Answer(403, b"{}")
    connection = Connection(RegistryEndpoint("registry-1.docker.io", "library/alpine"), lambda: ANONYMOUS, Traffic())
    with repository(registry).connection.open(f"http://{registry.host}/v2/") as response:
        assert str(connection.failure(response, "manifest x")).endswith(
            "log in with: docker login docker.io, or podman login docker.io"
        )
