"""What registries list besides a catalog, and what is attached to images: a small server stands in for what none here does."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layerscope.errors import NotFound
from layerscope.oci.digest import Digest
from layerscope.oci.documents import OCI_MANIFEST
from layerscope.sources.location import EngineOptions
from layerscope.sources.registry import browse
from layerscope.sources.registry.attached import find_attached, is_attaching_tag, kind_of
from layerscope.sources.registry.browse import Browser, RegistryPlace, newest_first, parse_place
from layerscope.sources.registry.credentials import ANONYMOUS
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.failures import RegistryFailed
from layerscope.sources.registry.stated_repositories import hub_repositories, quay_repositories
from layerscope.sources.registry.tag_facts import TagFacts, TagImage
from layerscope.sources.registry.traffic import Traffic
from layerscope.sources.registry.transport import Connection
from support.pretend_registry import Answer, Asked, PretendedRegistry, pretended_registry
from support.registry_contents import REPOSITORIES, filled_registry

SUBJECT, OTHER = Digest.of(b"subject"), Digest.of(b"other")


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


def connection(registry: PretendedRegistry) -> Connection:
    return Connection(RegistryEndpoint(registry.host, "", schemes=("http",)), lambda: ANONYMOUS, Traffic())


def browser(registry: PretendedRegistry) -> Browser:
    return Browser(registry.host, EngineOptions())


def answer(document: object) -> Answer:
    return Answer(200, json.dumps(document).encode())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ghcr.io", RegistryPlace("ghcr.io")),
        ("https://ghcr.io/", RegistryPlace("ghcr.io", is_below=False)),
        ("index.docker.io/library", RegistryPlace("docker.io", "library")),
        ("docker.io/alpine:3", RegistryPlace("docker.io", "library/alpine", "3")),
        ("localhost:5000/team/", RegistryPlace("localhost:5000", "team", is_below=True)),
        ("host/team/app:1", RegistryPlace("host", "team/app", "1")),
        (f"host/app@{SUBJECT}", RegistryPlace("host", "app", digest=SUBJECT)),
        (f"docker://host/app:1@{SUBJECT}", RegistryPlace("host", "app", "1", SUBJECT)),
    ],
)
def test_a_place_is_a_host_and_the_beginning_of_names(text: str, place: RegistryPlace) -> None:
    assert parse_place(text) == place


def test_all_repositories_of_a_registry_share_a_connection() -> None:
    with filled_registry() as contents:
        looking = Browser(contents.host, EngineOptions())
        assert [name for page in looking.repository_pages() for name in page] == list(REPOSITORIES)
        tags = {name: [each.tag for page in looking.tag_pages(name) for each in page] for name in REPOSITORIES}
    assert tags["web"] == ["1"]
    assert len([each for each in looking.traffic.requests if each.endswith("/v2/")]) == 1  # whether it speaks https


def test_each_repository_is_asked_for_with_its_own_credentials(
    registry: PretendedRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def basic(user: str) -> str:
        return base64.b64encode(f"{user}:a-secret".encode()).decode()

    users = {"": "all", "/team": "ann", "/team/app": "bob"}
    auths = {f"{registry.host}{part}": {"auth": basic(user)} for part, user in users.items()}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    wanted = {"web": "all", "team/x": "ann", "team/app": "bob", "team/app/y": "bob", "team/application": "ann"}

    def tags(asked: Asked) -> Answer:
        return answer({"tags": ["1"]}) if "authorization" in asked.headers else Answer(401, b"", {"WWW-Authenticate": "Basic"})

    for name in wanted:
        registry.routes[f"/v2/{name}/tags/list"] = tags
    looking = browser(registry)
    for name, user in wanted.items():
        assert [each.tag for page in looking.tag_pages(name) for each in page] == ["1"]
        assert registry.asked[-1].headers["authorization"] == f"Basic {basic(user)}"


def test_docker_hub_lists_a_namespace(registry: PretendedRegistry) -> None:
    def pages(asked: Asked) -> Answer:
        is_first = "&page=1" in asked.path
        name = {"name": "alpine" if is_first else "busybox", "namespace": "library", "description": None}
        return answer({"next": "more" if is_first else None, "results": [name]})

    registry.routes["/v2/repositories/library/"] = pages
    assert list(hub_repositories(connection(registry), "library")) == [("library/alpine",), ("library/busybox",)]


def test_quay_lists_a_namespace_by_tokens(registry: PretendedRegistry) -> None:
    def pages(asked: Asked) -> Answer:
        one = {"repositories": [{"namespace": "team", "name": "app"}], "next_page": "a/b=="}
        return answer(
            {"repositories": [{"namespace": "team", "name": "web"}]} if "next_page=a%2Fb%3D%3D" in asked.path else one
        )

    registry.routes["/api/v1/repository?public=true&namespace=team"] = pages
    assert list(quay_repositories(connection(registry), "team")) == [("team/app",), ("team/web",)]


@pytest.mark.parametrize(("prefix", "path"), [("", "repositories?"), ("team/a", "projects/team/repositories?")])
def test_harbor_lists_what_one_may_see_where_the_catalog_is_for_administrators(
    registry: PretendedRegistry, prefix: str, path: str
) -> None:
    challenge = f'Bearer realm="http://{registry.host}/service/token",service="harbor-registry"'
    registry.routes["/service/token"] = lambda _: answer({"token": "a-token"})
    registry.routes["/v2/_catalog"] = lambda _: Answer(401, b"", {"WWW-Authenticate": challenge})
    registry.routes[f"/api/v2.0/{path}"] = lambda _: answer([{"name": "team/app"}, {"name": "team/x/y", "artifact_count": 1}])
    names = [name for page in browser(registry).repository_pages(prefix) for name in page]
    assert names == [name for name in ("team/app", "team/x/y") if name.startswith(prefix)]


def test_google_lists_what_is_below_a_name(registry: PretendedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "GOOGLE", registry.host)
    below: dict[str, Any] = {
        "p": {"child": ["a", "../b"], "tags": []},
        "p/a": {"child": ["c"], "tags": ["1"]},
        "p/a/c": {"tags": ["2"]},
    }
    for name, page in below.items():
        registry.routes[f"/v2/{name}/tags/list"] = lambda _, page=page: answer({"manifest": {}, **page})  # type: ignore[misc]
    assert [name for page in browser(registry).repository_pages("p/") for name in page] == ["p/a", "p/a/c"]


def test_tags_are_sorted_by_push_else_by_version() -> None:
    versions = [TagFacts(tag) for tag in ("1.9", "1.10", "latest", "1.10-rc1")]
    assert [each.tag for each in newest_first(versions)] == ["latest", "1.10", "1.10-rc1", "1.9"]
    assert newest_first([TagFacts("2", pushed="2025-01-01"), TagFacts("1", pushed="2026-01-01")])[0].tag == "1"


# What is attached


def attached(registry: PretendedRegistry, facts: TagFacts) -> set[tuple[str, str, str]]:
    found = find_attached(browser(registry).repository("team/app"), facts, None)
    return {(each.kind, each.digest, each.place) for each in found}


def test_referrers_of_the_index_and_of_each_platform_are_found(registry: PretendedRegistry) -> None:
    def of(name: str, artifact_type: str, **more: Any) -> dict[str, Any]:
        return {"digest": Digest.of(name.encode()), "mediaType": OCI_MANIFEST, "artifactType": artifact_type, **more}

    bundle = {"annotations": {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"}}
    about = {
        SUBJECT: [
            of("1", "application/vnd.cncf.notary.signature"),
            of("2", "application/vnd.dev.sigstore.bundle.v0.3+json", **bundle),
        ],
        OTHER: [
            of("3", "application/vnd.amazon.soci.index.v1+json"),
            of("4", "application/vnd.cyclonedx+json"),
            of("5", "x/\x1b"),
        ],
    }
    for digest, found in about.items():
        registry.routes[f"/v2/team/app/referrers/{digest}"] = lambda _, found=found: answer({"manifests": found})  # type: ignore[misc]
    facts = TagFacts("1", SUBJECT, images=(TagImage(OTHER),))
    assert attached(registry, facts) == {
        (kind, Digest.of(name.encode()), "referrer")
        for kind, name in (
            ("signature", "1"),
            ("provenance", "2"),
            ("SOCI index", "3"),
            ("bill of materials", "4"),
            ("an artifact of type x/\\x1b", "5"),
        )
    }


def test_tags_of_cosign_and_annotations_of_soci_are_found(registry: PretendedRegistry) -> None:
    signature, soci = Digest.of(b"signature"), Digest.of(b"soci")
    path = f"/v2/team/app/manifests/sha256-{SUBJECT.encoded}.sig"
    registry.routes[path] = lambda _: Answer(200, b"{}", {"Docker-Content-Digest": signature})
    image = TagImage(OTHER, annotations={"com.amazon.soci.index-digest": soci})
    facts = TagFacts("1", SUBJECT, images=(image, TagImage(Digest.of(b"v2"), kind="an artifact of type x")))
    assert attached(registry, facts) == {
        ("signature", signature, "tag"),
        ("SOCI index", soci, "annotation"),
        ("an artifact of type x", Digest.of(b"v2"), "index"),
    }


def test_what_is_not_there_has_nothing_attached(registry: PretendedRegistry) -> None:
    assert attached(registry, TagFacts("1")) == set()
    assert not registry.asked


@pytest.mark.parametrize(
    ("media_type", "annotations", "kind"),
    [
        ("application/vnd.in-toto+json", {}, "attestation"),
        ("application/vnd.in-toto+json", {"in-toto.io/predicate-type": "https://spdx.dev/Document"}, "bill of materials"),
        ("application/vnd.dev.cosign.artifact.sig.v1+json", {}, "signature"),
        ("application/vnd.amazon.soci.index.v2+json", {}, "SOCI index"),
        ("", {}, "an artifact of unknown type"),
    ],
)
def test_kinds_are_words(media_type: str, annotations: dict[str, str], kind: str) -> None:
    assert kind_of(media_type, annotations) == kind


def test_tags_that_attach_something_are_no_images() -> None:
    assert is_attaching_tag(f"sha256-{SUBJECT.encoded}.sig")
    assert is_attaching_tag(f"sha256-{SUBJECT.encoded}")
    assert not is_attaching_tag("sha256-1")


def test_a_list_without_end_ends(registry: PretendedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "REGISTRY_NAMES", 3)
    monkeypatch.setattr("layerscope.sources.registry.stated_tags.REGISTRY_NAMES", 3)
    names = [f"team/{number}" for number in range(4)]
    registry.routes["/v2/_catalog"] = lambda _: answer({"repositories": names})
    registry.routes["/v2/team/app/tags/list"] = lambda _: answer({"tags": ["1", "2", "3", "4"]})
    with pytest.raises(RegistryFailed, match="more than 3 repositories"):
        list(browser(registry).repository_pages())
    with pytest.raises(RegistryFailed, match="list of tags has more than 3"):
        list(browser(registry).tag_pages("team/app"))


def test_a_blocked_registry_is_not_asked(registry: PretendedRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "registries.conf").write_text(f'[[registry]]\nlocation = "{registry.host}"\nblocked = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
    with pytest.raises(NotFound, match="blocks"):
        list(browser(registry).repository_pages())
    assert not registry.asked
