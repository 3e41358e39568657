"""Which tags of a repository are read: from a real registry, and from small servers for those that list sizes themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layerscope.cache.cache import Cache
from layerscope.errors import NotFound, UsageError
from layerscope.oci.digest import Digest
from layerscope.oci.documents import OCI_INDEX, OCI_MANIFEST
from layerscope.oci.platform import Platform
from layerscope.progress import ignore
from layerscope.sources.location import EngineOptions
from layerscope.sources.registry import stated_tags
from layerscope.sources.registry.credentials import ANONYMOUS
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.failures import NoSuchImage, RegistryFailed
from layerscope.sources.registry.find_tags import FoundTags, TagQuery, find_tags
from layerscope.sources.registry.traffic import Traffic
from layerscope.sources.registry.transport import Connection
from support.engines import registry
from support.pretend_registry import Answer, Asked, PretendedRegistry, document_route, pretended_registry
from support.registry_pushes import put_layout
from support.sources_build import ARM64, Json, Layout
from support.tagged_images import Built, growing, put_image, put_tags

SIGNATURE = "sha256-" + 64 * "a" + ".sig"
AMD64 = Platform("linux", "amd64")


def find(name: str, *, cache: Cache | None = None, **query: Any) -> FoundTags:
    return find_tags(name, TagQuery(**query), options=EngineOptions(cache=cache), progress=ignore)


def tags(found: FoundTags) -> list[str]:
    return [tag.tag for tag in found.sized]


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """A registry with several repositories."""
    with registry() as host:
        put_tags(host, "team/app", growing())
        layout = put_tags(host, "team/mixed", [Built("1", "a 1"), Built("arm", "b 1", platform=ARM64)])
        chart = layout.image(settings=b"{}", changes={"config": layout.add(b"{}", "application/vnd.cncf.helm.config.v1+json")})
        for tag in (SIGNATURE, "chart"):
            put_layout(host, "team/mixed", layout, chart, tag)
        put_layout(host, "team/signatures", layout, chart, SIGNATURE)
        put_tags(host, "team/based", [Built("1", "a 1", labels={"org.opencontainers.image.base.digest": "sha256:b"})])
        yield host


def test_every_tag_has_its_size_date_and_layers(host: str) -> None:
    found = find(f"{host}/team/app")
    sized = {tag.tag: tag for tag in found.sized}
    assert sorted(sized) == ["1.0.0", "1.0.1", "1.1.0", "1.10.0", "1.9.0", "latest"]
    assert (found.total, found.chosen_by, list(found.notes)) == (6, "", [])
    first = sized["1.0.0"]
    assert (first.created, first.platform) == ("2024-01-10T08:00:00Z", "linux/amd64")
    assert first.layers is not None
    assert first.wire_bytes == sum(layer.size for layer in first.layers) > 952_000
    assert first.layers[3].created_by == "RUN pip install -r requirements.txt"
    assert sized["1.10.0"].digest == sized["latest"].digest


@pytest.mark.parametrize("start", ["", "docker://", "registry:"])
def test_a_repository_may_be_named_as_an_image_is(host: str, start: str) -> None:
    assert find(f"{start}{host}/team/app").reference == f"docker://{host}/team/app"


def test_of_many_tags_the_highest_versions_are_read(host: str) -> None:
    found = find(f"{host}/team/app", last=3)
    assert (tags(found), found.total) == (["1.9.0", "1.10.0", "latest"], 6)
    assert list(found.notes) == ["Of 6 tags, these have the highest versions: only names tell which are new (--all reads all)."]


def test_signatures_and_charts_are_counted_and_left_out(host: str) -> None:
    found = find(f"{host}/team/mixed", platform=AMD64)
    assert (tags(found), sorted(found.artifacts), found.without_platform) == (["1"], ["chart", SIGNATURE], ["arm"])
    assert list(found.notes) == [
        "Left out: 2 tags of signatures and other artifacts.",
        "Left out, without an image for the platform: arm.",
    ]


def test_the_stated_base_is_known(host: str) -> None:
    assert find(f"{host}/team/based").sized[0].base_digest == "sha256:b"


def test_a_repository_that_is_not_there_is_named(host: str) -> None:
    with pytest.raises(NoSuchImage, match=f"^{host} has no repository nope, or hides it"):
        find(f"{host}/nope")


def test_an_image_is_not_a_repository(host: str) -> None:
    with pytest.raises(UsageError, match=f"names one image; to see its tags, name the repository: {host}/team/app$"):
        find(f"{host}/team/app:1.0.0")


def test_a_repository_without_images_says_what_it_has(host: str) -> None:
    with pytest.raises(NotFound, match=r"no tag of .*/team/signatures is an image"):
        find(f"{host}/team/signatures")


def test_a_platform_that_no_tag_has_is_named(host: str) -> None:
    with pytest.raises(NotFound, match=r"no tag of .* has a linux/s390x image"):
        find(f"{host}/team/app", platform=Platform("linux", "s390x"))


# Registries that no machine here can start.


@pytest.fixture
def pretended() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


def names_route(*names: str, **more: object) -> Answer:
    return Answer(200, json.dumps({"tags": names, **more}).encode())


def test_a_repository_without_tags_says_so(pretended: PretendedRegistry) -> None:
    pretended.routes["/v2/team/app/tags/list"] = lambda _asked: Answer(200, b'{"tags": null}')
    with pytest.raises(NotFound, match=r"/team/app has no tags$"):
        find(f"{pretended.host}/team/app")


def test_a_tag_whose_manifest_is_gone_is_named_and_the_others_are_read(pretended: PretendedRegistry, tmp_path: Path) -> None:
    put_pretended(pretended, Built("1", "a 1"))
    pretended.routes["/v2/team/app/tags/list"] = lambda _asked: names_route("1", "gone")
    found = find(f"{pretended.host}/team/app", platform=AMD64)
    assert (tags(found), list(found.unread)) == (["1"], ["gone"])
    assert "has no manifest" in found.unread["gone"]


def test_what_was_read_once_costs_one_request_a_tag(pretended: PretendedRegistry, tmp_path: Path) -> None:
    put_pretended(pretended, Built("1", "a 1"), Built("2", "a 1 b 1"), Built("latest", "a 1 b 1"))
    pretended.routes["/v2/team/app/tags/list"] = lambda _asked: names_route("1", "2", "latest")
    cache = Cache.open(tmp_path)
    first = find(f"{pretended.host}/team/app", cache=cache, platform=AMD64)
    assert sorted(each.method for each in pretended.asked_for("/v2/team/app/")) == [*["GET"] * 5, *["HEAD"] * 3]
    pretended.asked.clear()
    assert find(f"{pretended.host}/team/app", cache=cache, platform=AMD64) == first
    assert sorted(each.method for each in pretended.asked_for("/v2/team/app/")) == ["GET", *["HEAD"] * 3]


def test_where_no_tag_can_be_read_the_first_reason_is_told(pretended: PretendedRegistry) -> None:
    pretended.routes["/v2/team/app/tags/list"] = lambda _asked: names_route("1", "2")
    with pytest.raises(RegistryFailed, match=r"^no tag of .*/team/app can be read: .* \(and 1 more\)$"):
        find(f"{pretended.host}/team/app")


def test_google_lists_sizes_in_one_request(pretended: PretendedRegistry) -> None:
    pretended.routes["/v2/team/app/tags/list"] = lambda _asked: names_route("1", "2", "3", manifest=google("1", "2", "3"))
    found = find(f"{pretended.host}/team/app", last=2)
    assert [(tag.tag, tag.wire_bytes, tag.layers) for tag in found.sized] == [("2", 2000, None), ("3", 3000, None)]
    assert list(found.notes) == ["These are the 2 tags of 3 that were pushed last (--all reads all)."]
    assert [each.path.partition("?")[0] for each in pretended.asked if each.path != "/v2/"] == ["/v2/team/app/tags/list"]


def google(*names: str) -> Json:
    return {
        Digest.of(name.encode()): {
            "imageSizeBytes": f"{name}000",
            "mediaType": OCI_MANIFEST,
            "tag": [name],
            "timeCreatedMs": f"17000000{name}0000",
            "timeUploadedMs": f"17000000{name}0000",
        }
        for name in names
    }


def test_manifests_are_read_if_layers_are_wanted_or_the_size_is_not_listed(pretended: PretendedRegistry) -> None:
    put_pretended(pretended, Built("1", "a 1"), Built("2", "b 3"))
    stated = google("1", "2")
    stated[Digest.of(b"2")]["mediaType"] = OCI_INDEX
    pretended.routes["/v2/team/app/tags/list"] = lambda _asked: names_route("1", "2", manifest=stated)
    sizes = {tag.tag: (tag.wire_bytes, tag.layers is None) for tag in find(f"{pretended.host}/team/app").sized}
    assert sizes == {"1": (1000, True), "2": (10240, False)}
    for query in ({"has_layers": True}, {"platform": AMD64}):  # the list does not say which platform a size is for
        read = find(f"{pretended.host}/team/app", **query)
        assert [len(tag.layers or ()) for tag in read.sized] == [1, 1]
        assert all(tag.pushed for tag in read.sized)


def put_pretended(pretended: PretendedRegistry, *built: Built) -> None:
    """Serve these images as team/app."""
    layout = Layout()
    for each in built:
        descriptor = put_image(layout, each)
        digest = descriptor["digest"]
        route = document_route(digest, layout.blobs[digest])
        pretended.routes[f"/v2/team/app/manifests/{each.tag}"] = route
        pretended.routes[f"/v2/team/app/manifests/{digest}"] = route
    for digest, content in layout.blobs.items():
        pretended.routes[f"/v2/team/app/blobs/{digest}"] = _blob(content)


def _blob(content: bytes) -> Any:
    return lambda _asked: Answer(200, content)


def test_docker_hub_is_asked_only_as_far_as_needed(pretended: PretendedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    def own(traffic: Traffic) -> Connection:
        return Connection(RegistryEndpoint(pretended.host, "", schemes=("http",)), lambda: ANONYMOUS, traffic)

    def page(asked: Asked) -> Answer:
        newest_first = [
            {
                "name": f"1.{number}",
                "digest": Digest.of(b"%d" % number),
                "tag_last_pushed": f"2024-01-{number:02}T00:00:00Z",
                "images": [{"os": "linux", "architecture": "amd64", "digest": Digest.of(b"%d" % number), "size": number}],
            }
            for number in range(20, 10, -1)
        ]
        return Answer(200, json.dumps({"next": "x", "results": newest_first}).encode())

    monkeypatch.setattr(stated_tags, "hub_connection", own)
    pretended.routes["/v2/repositories/library/redis/tags"] = page
    found = find("docker.io/library/redis", last=4, platform=AMD64)
    assert [(tag.tag, tag.wire_bytes) for tag in found.sized] == [("1.17", 17), ("1.18", 18), ("1.19", 19), ("1.20", 20)]
    assert (found.name, found.reference) == ("redis", "docker://docker.io/library/redis")
    assert len(pretended.asked_for("/v2/repositories/")) == 1
    assert list(found.notes) == ["These are the 4 tags that were pushed last (--all reads all)."]


def test_quay_lists_sizes_and_manifests_are_read_of_what_has_several_platforms(
    pretended: PretendedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stated_tags, "QUAY", pretended.host)
    put_pretended(pretended, Built("2", "b 3"))
    one = {"name": "1", "manifest_digest": Digest.of(b"1"), "size": 5, "start_ts": 1700000000}
    many = {"name": "2", "manifest_digest": Digest.of(b"2"), "size": None, "start_ts": 1700000001, "is_manifest_list": True}
    answer = Answer(200, json.dumps({"tags": [many, one], "has_additional": False}).encode())
    pretended.routes["/api/v1/repository/team/app/tag/"] = lambda _asked: answer
    found = find(f"{pretended.host}/team/app")
    assert [(tag.tag, tag.wire_bytes, tag.pushed) for tag in found.sized] == [
        ("1", 5, "2023-11-14T22:13:20Z"),
        ("2", 10240, "2023-11-14T22:13:21Z"),
    ]
    assert not pretended.asked_for("/v2/team/app/tags/list")


def test_harbor_is_known_by_its_challenge(pretended: PretendedRegistry) -> None:
    challenge = f'Bearer realm="http://{pretended.host}/service/token",service="harbor-registry"'

    def names(asked: Asked) -> Answer:
        is_known = asked.headers.get("authorization") == "Bearer a-token"
        return names_route("1", "2") if is_known else Answer(401, b"", {"WWW-Authenticate": challenge})

    artifacts = [
        {
            "digest": Digest.of(name.encode()),
            "size": int(name),
            "push_time": f"2025-01-0{name}T00:00:00Z",
            "tags": [{"name": name}],
            "extra_attrs": {"architecture": "amd64", "os": "linux", "created": f"2025-01-0{name}T00:00:00Z"},
        }
        for name in ("1", "2")
    ]
    pretended.routes["/v2/team/app/tags/list"] = names
    pretended.routes["/service/token"] = lambda _asked: Answer(200, b'{"token": "a-token"}')
    answer = Answer(200, json.dumps(artifacts).encode())
    pretended.routes["/api/v2.0/projects/team/repositories/app/artifacts"] = lambda _asked: answer
    found = find(f"{pretended.host}/team/app", platform=AMD64)
    assert [(tag.tag, tag.wire_bytes, tag.created[:10], tag.platform) for tag in found.sized] == [
        ("1", 1, "2025-01-01", "linux/amd64"),
        ("2", 2, "2025-01-02", "linux/amd64"),
    ]
    assert not pretended.asked_for("/v2/team/app/manifests/")
