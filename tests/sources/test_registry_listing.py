"""What registries list, from one that answers as no real one does: pages, links that lead elsewhere, referrers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from layerscope.errors import LayerscopeError
from layerscope.oci.digest import Digest
from layerscope.sources.registry.credentials import ANONYMOUS
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.failures import AccessDenied, NoSuchImage, RegistryFailed
from layerscope.sources.registry.registry_listing import next_page, referrers, repository_pages, tag_pages
from layerscope.sources.registry.registry_name import parse_image_name
from layerscope.sources.registry.repository import Repository
from layerscope.sources.registry.traffic import Traffic
from layerscope.sources.registry.transport import Connection
from support.pretend_registry import Answer, Asked, PretendedRegistry, pretended_registry

SUBJECT = Digest.of(b"subject")
TAGS = "/v2/team/app/tags/list"
REFERRERS = f"/v2/team/app/referrers/{SUBJECT}"


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


def connection(registry: PretendedRegistry) -> Connection:
    endpoint = RegistryEndpoint(registry.host, "team/app", schemes=("http",))
    return Connection(endpoint, lambda: ANONYMOUS, Traffic())


def repository(registry: PretendedRegistry) -> Repository:
    return Repository(parse_image_name(f"{registry.host}/team/app:1"), [connection(registry)])


def page(key: str, *names: str, link: str = "") -> Answer:
    return Answer(200, json.dumps({key: names}).encode(), {"Link": link} if link else {})


def artifact(content: bytes) -> dict[str, object]:
    return {"digest": Digest.of(content), "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": "x/y"}


def index(*descriptors: dict[str, object]) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": descriptors}).encode()


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('</v2/_catalog?last=b&n=2>; rel="next"', "/v2/_catalog?last=b&n=2"),
        ("</x>;rel=next", "/x"),
        ('</x>; title="a, b"; rel="next"', "/x"),
        ('</first>; rel="first", </second>; rel="next"', "/second"),
        ('</x>; rel="prev"', ""),
        ('</x>; rel="nextdoor"', ""),
        ("nonsense", ""),
        ("<" * 9000, ""),
        ("", ""),
    ],
)
def test_the_next_page_is_what_the_header_says(header: str, target: str) -> None:
    assert next_page(header) == target


def test_tags_come_page_by_page(registry: PretendedRegistry) -> None:
    def answer(asked: Asked) -> Answer:
        if "last=b" in asked.path:
            return page("tags", "c")
        return page("tags", "a", "b", link=f'<{TAGS}?last=b&n=2>; rel="next"')

    registry.routes[TAGS] = answer
    assert list(tag_pages(repository(registry))) == [("a", "b"), ("c",)]


@pytest.mark.parametrize("tags", [b'{"name": "team/app", "tags": null}', b'{"name": "team/app"}', b"{}"])
def test_a_repository_without_tags_has_none(registry: PretendedRegistry, tags: bytes) -> None:
    registry.routes[TAGS] = lambda _: Answer(200, tags)
    assert list(tag_pages(repository(registry))) == [()]


@pytest.mark.parametrize("body", [b"[]", b'{"tags": 1}', b'{"tags": [1]}', b"{", b"", b"\xff", b"[" * 99_999])
def test_a_list_of_any_form_is_a_sentence(registry: PretendedRegistry, body: bytes) -> None:
    registry.routes[TAGS] = lambda _: Answer(200, body)
    with pytest.raises(LayerscopeError, match="list of tags of team/app"):
        list(tag_pages(repository(registry)))


def test_a_page_at_another_host_is_not_asked(registry: PretendedRegistry) -> None:
    with pretended_registry() as elsewhere:
        registry.routes[TAGS] = lambda _: page("tags", "a", link=f'<http://{elsewhere.host}{TAGS}>; rel="next"')
        pages = tag_pages(repository(registry))
        assert next(pages) == ("a",)
        with pytest.raises(RegistryFailed, match=rf"names {elsewhere.host} for the next page of its list of tags"):
            next(pages)
        assert not elsewhere.asked


def test_a_page_without_encryption_is_not_asked_for_after_an_encrypted_one(registry: PretendedRegistry) -> None:
    registry.routes[TAGS] = lambda _: page("tags", "a", link=f'<https://{registry.host}{TAGS}>; rel="next"')
    with pytest.raises(RegistryFailed, match="nothing is sent there"):
        list(tag_pages(repository(registry)))


def test_pages_in_circles_end(registry: PretendedRegistry) -> None:
    registry.routes[TAGS] = lambda _: page("tags", "a", link=f'<{TAGS}?last=a>; rel="next"')
    with pytest.raises(RegistryFailed, match="in circles"):
        list(tag_pages(repository(registry)))


def test_a_registry_that_refuses_long_pages_is_asked_for_its_own(registry: PretendedRegistry) -> None:
    registry.routes["/v2/_catalog"] = lambda asked: (
        Answer(400, b"{}") if "n=" in asked.path else page("repositories", "team/app")
    )
    assert list(repository_pages(connection(registry))) == [("team/app",)]


def test_a_registry_that_lists_nothing_says_so(registry: PretendedRegistry) -> None:
    with pytest.raises(NoSuchImage, match="has no list of repositories"):
        list(repository_pages(connection(registry)))
    registry.routes["/v2/_catalog"] = lambda _: Answer(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
    with pytest.raises(AccessDenied, match="refuses list of repositories without credentials"):
        list(repository_pages(connection(registry)))


def test_referrers_are_listed_page_by_page_and_once_each(registry: PretendedRegistry) -> None:
    first, second = artifact(b"1"), artifact(b"2")

    def answer(asked: Asked) -> Answer:
        if "page=2" in asked.path:
            return Answer(200, index(first, second))
        return Answer(200, index(first), {"Link": f'<{REFERRERS}?page=2>; rel="next"'})

    registry.routes[REFERRERS] = answer
    found = referrers(repository(registry), SUBJECT)
    assert [each.digest for each in found] == [first["digest"], second["digest"]]
    assert found[0].artifact_type == "x/y"


def test_referrers_of_a_registry_without_a_list_are_under_a_tag(registry: PretendedRegistry) -> None:
    registry.routes[f"/v2/team/app/manifests/sha256-{SUBJECT.encoded}"] = lambda _: Answer(200, index(artifact(b"1")))
    assert [each.digest for each in referrers(repository(registry), SUBJECT)] == [Digest.of(b"1")]


@pytest.mark.parametrize("answer", [Answer(404), Answer(405), Answer(400), Answer(200, b"yes"), Answer(200, b"{}")])
def test_any_other_answer_means_no_referrers(registry: PretendedRegistry, answer: Answer) -> None:
    registry.routes[REFERRERS] = lambda _: answer
    assert referrers(repository(registry), SUBJECT) == []


def test_referrers_that_may_not_be_seen_are_told(registry: PretendedRegistry) -> None:
    registry.routes[REFERRERS] = lambda _: Answer(403)
    with pytest.raises(AccessDenied, match="list of referrers"):
        referrers(repository(registry), SUBJECT)
