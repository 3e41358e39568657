"""Lists of tags that only some registries have, as their documentation shows them: a small server stands in for each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from layerscope.errors import LayerscopeError
from layerscope.oci.digest import Digest
from layerscope.oci.documents import OCI_INDEX, OCI_MANIFEST
from layerscope.oci.platform import Platform
from layerscope.sources.registry.credentials import ANONYMOUS
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.failures import RegistryFailed
from layerscope.sources.registry.registry_name import parse_image_name
from layerscope.sources.registry.repository import Repository
from layerscope.sources.registry.stated_tags import azure_tags, hub_tags, quay_tags, stated_tag_pages
from layerscope.sources.registry.tag_facts import TagFacts
from layerscope.sources.registry.traffic import Traffic
from layerscope.sources.registry.transport import Connection
from support.pretend_registry import Answer, Asked, PretendedRegistry, pretended_registry

ONE, TWO = Digest.of(b"1"), Digest.of(b"2")
AMD64 = Platform("linux", "amd64")
NAMES = "/v2/team/app/tags/list"
HARBOR = "/api/v2.0/projects/team/repositories/"


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


def connection(registry: PretendedRegistry, name: str = "team/app") -> Connection:
    return Connection(RegistryEndpoint(registry.host, name, schemes=("http",)), lambda: ANONYMOUS, Traffic())


def repository(registry: PretendedRegistry, name: str = "team/app") -> Repository:
    return Repository(parse_image_name(f"{registry.host}/{name}:1"), [connection(registry, name)])


def answer(document: object) -> Answer:
    return Answer(200, json.dumps(document).encode())


def told(found: Iterator[list[TagFacts]]) -> list[tuple[str, Digest | None, int | None, str]]:
    """What is known of each tag: its name, digest, size and push."""
    return [(each.tag, each.digest, each.wire_bytes, each.pushed) for page in found for each in page]


def test_docker_hub_states_the_size_of_every_platform(registry: PretendedRegistry) -> None:
    def image(architecture: str, size: int, digest: Digest) -> dict[str, Any]:
        return {"architecture": architecture, "os": "linux", "variant": None, "digest": digest, "size": size}

    tags = [
        {
            "name": "3.20",
            "full_size": 7,
            "digest": TWO,
            "tag_last_pushed": "2026-01-02T03:04:05.6Z",
            "images": [image("amd64", 7, ONE), image("arm64", 9, TWO), image("unknown", 1, TWO) | {"os": "unknown"}],
        }
    ]

    def pages(asked: Asked) -> Answer:
        if "&page=2" in asked.path:
            return answer({"next": None, "results": [{"name": "old", "images": [], "digest": ""}]})
        return answer({"next": "http://elsewhere.example/2", "results": tags})

    registry.routes["/v2/repositories/library/alpine/tags?page_size=100"] = pages
    arm, old = (page[0] for page in hub_tags(connection(registry), "library/alpine", Platform("linux", "arm64")))
    assert (arm.tag, arm.digest, arm.wire_bytes, arm.pushed) == ("3.20", TWO, 9, "2026-01-02T03:04:05.6Z")
    assert [(str(each.platform), each.wire_bytes) for each in arm.images] == [("linux/amd64", 7), ("linux/arm64", 9)]
    assert (old.tag, old.digest, old.wire_bytes) == ("old", None, None)


def test_quay_states_sizes_of_what_has_one_platform(registry: PretendedRegistry) -> None:
    one = {"name": "1", "manifest_digest": ONE, "size": 5, "start_ts": 1700000000, "is_manifest_list": False}
    many = {"name": "2", "manifest_digest": TWO, "size": None, "start_ts": 1700000001, "is_manifest_list": True}

    def pages(asked: Asked) -> Answer:
        is_first = "&page=1" in asked.path
        return answer({"tags": [one] if is_first else [many], "page": 1, "has_additional": is_first})

    registry.routes["/api/v1/repository/team/app/tag/"] = pages
    found = told(quay_tags(connection(registry), "team/app"))
    assert found == [("1", ONE, 5, "2023-11-14T22:13:20Z"), ("2", TWO, None, "2023-11-14T22:13:21Z")]


def test_azure_states_tags_below_their_manifests(registry: PretendedRegistry) -> None:
    more = {"createdTime": "2025-01-01T00:00:00Z", "lastUpdateTime": "2025-01-02T00:00:00Z"}
    image = {"digest": ONE, "imageSize": 8, "architecture": "amd64", "os": "linux", "mediaType": OCI_MANIFEST, **more}
    index = {"digest": TWO, "imageSize": 1, "mediaType": OCI_INDEX, "tags": ["many"], **more}

    def pages(asked: Asked) -> Answer:
        if "last=" in asked.path:
            return answer({"manifests": [index]})
        body = json.dumps({"registry": "x", "manifests": [{**image, "tags": ["1", "latest"]}, {"digest": TWO}]}).encode()
        return Answer(200, body, {"Link": '</acr/v1/team/app/_manifests?last=x>; rel="next"'})

    registry.routes["/acr/v1/team/app/_manifests"] = pages
    found = told(azure_tags(connection(registry), "team/app"))
    pushed = "2025-01-02T00:00:00Z"
    assert found == [("1", ONE, 8, pushed), ("latest", ONE, 8, pushed), ("many", TWO, None, pushed)]


def test_google_states_sizes_in_the_list_of_tags(registry: PretendedRegistry) -> None:
    stated = {"imageSizeBytes": "12", "tag": ["1"], "timeCreatedMs": "0", "timeUploadedMs": "1700000000999"}
    index = {"imageSizeBytes": "3", "mediaType": OCI_INDEX, "tag": ["many"]}
    page = {"child": ["web"], "manifest": {ONE: stated, TWO: index}, "name": "x", "tags": ["1", "many", "odd"]}
    registry.routes[NAMES] = lambda _: answer(page)
    found = told(stated_tag_pages(repository(registry)))
    assert found == [("1", ONE, 12, "2023-11-14T22:13:20Z"), ("many", TWO, None, ""), ("odd", None, None, "")]


def harbor(registry: PretendedRegistry, artifacts: Answer) -> None:
    """A registry that asks for a token as Harbor does, and has its list of artifacts."""
    challenge = f'Bearer realm="http://{registry.host}/service/token",service="harbor-registry"'

    def names(asked: Asked) -> Answer:
        is_known = asked.headers.get("authorization") == "Bearer a-token"
        return answer({"tags": ["1", "2"]}) if is_known else Answer(401, b"", {"WWW-Authenticate": challenge})

    registry.routes["/service/token"] = lambda _: answer({"token": "a-token"})
    registry.routes["/v2/team/app/one/tags/list"] = names
    registry.routes[HARBOR] = lambda _: artifacts


def test_harbor_is_known_by_its_challenge_and_states_sizes(registry: PretendedRegistry) -> None:
    config = {"architecture": "amd64", "os": "linux", "created": "2025-01-01T00:00:00Z", "config": {"Env": []}}
    artifact = {"digest": ONE, "size": 6, "push_time": "2025-01-02T00:00:00Z", "tags": [{"name": "1"}], "extra_attrs": config}
    harbor(registry, answer([artifact, {"digest": TWO, "size": 9, "tags": None}]))
    found = list(stated_tag_pages(repository(registry, "team/app/one")))
    assert told(iter(found)) == [("1", ONE, 6, "2025-01-02T00:00:00Z")]
    assert (found[0][0].created, found[0][0].platforms) == ("2025-01-01T00:00:00Z", (AMD64,))
    assert registry.asked[-1].path.startswith(f"{HARBOR}app%252Fone/artifacts?")


@pytest.mark.parametrize("refusal", [Answer(403, b"{}"), Answer(404), Answer(200, b"[1]"), Answer(200, b"<html>")])
def test_where_the_list_with_sizes_is_refused_the_names_are_listed(registry: PretendedRegistry, refusal: Answer) -> None:
    harbor(registry, refusal)
    assert told(stated_tag_pages(repository(registry, "team/app/one"))) == [("1", None, None, ""), ("2", None, None, "")]


def test_a_plain_registry_is_asked_for_names_only(registry: PretendedRegistry) -> None:
    registry.routes[NAMES] = lambda _: answer({"tags": ["1"]})
    assert told(stated_tag_pages(repository(registry))) == [("1", None, None, "")]
    assert len(registry.asked) == 1


@pytest.mark.parametrize("seconds", [-1, 0, 10**30])
def test_a_time_that_no_clock_shows_is_none(registry: PretendedRegistry, seconds: int) -> None:
    tag = {"name": "1", "manifest_digest": "nonsense", "size": 5, "start_ts": seconds}
    registry.routes["/api/v1/"] = lambda _: answer({"tags": [tag]})
    assert told(quay_tags(connection(registry), "team/app")) == [("1", None, None, "")]


@pytest.mark.parametrize("body", [b"[]", b'{"tags": 1}', b"{}", b"\xff"])
def test_a_list_of_another_form_is_a_sentence(registry: PretendedRegistry, body: bytes) -> None:
    registry.routes["/api/v1/"] = lambda _: Answer(200, body)
    with pytest.raises(LayerscopeError, match="list of tags with sizes"):
        list(quay_tags(connection(registry), "team/app"))


def test_pages_without_end_end(registry: PretendedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerscope.sources.registry.registry_listing.MOST_PAGES", 3)
    registry.routes["/api/v1/"] = lambda _: answer({"tags": [], "has_additional": True})
    with pytest.raises(RegistryFailed, match="without end"):
        list(quay_tags(connection(registry), "team/app"))
