"""What tags lead to, in a real registry (distribution's docker-registry), and in one that lists what no real one does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from socket import socket
from threading import Barrier

import pytest

from layerscope.cache.cache import Cache
from layerscope.oci.platform import Platform
from layerscope.sources.location import EngineOptions
from layerscope.sources.registry.open import connect
from layerscope.sources.registry.registry_name import parse_repository_name
from layerscope.sources.registry.repository import Repository
from layerscope.sources.registry.tag_facts import TagFacts, fetch_tag_facts
from layerscope.sources.registry.traffic import Traffic
from support.engines import registry
from support.image_builder import CREATED, write_layout
from support.image_builder import layer as stack_layer
from support.pretend_registry import Answer, Asked, pretended_registry, served
from support.registry_pushes import put_layout
from support.sources_build import ARM64, Json, Layout, layer_tar

LOWER, AMD, ARM = layer_tar("lower"), layer_tar("amd64"), layer_tar("arm64", "more")


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """A registry whose team/app has one image under `one` and `same`, two platforms under `many`, and a chart."""
    layout = Layout()
    one = layout.image(LOWER, AMD)
    arm = layout.image(LOWER, ARM, platform=ARM64)
    attestation = layout.image(platform={"os": "unknown", "architecture": "unknown"})
    chart = layout.image(LOWER, settings=b"{}", changes=_chart(layout))
    with registry() as host:
        for tag, each in {"one": one, "same": one, "many": layout.index(one, arm, attestation), "chart": chart}.items():
            put_layout(host, "team/app", layout, each, tag)
        yield host


def _chart(layout: Layout) -> Json:
    return {"config": layout.add(b"{}", "application/vnd.cncf.helm.config.v1+json")}


def repository(host: str) -> Repository:
    return next(connect(parse_repository_name(f"{host}/team/app"), EngineOptions()))


def facts(host: str, *tags: str, cache: Cache | None = None, **wanted: object) -> dict[str, TagFacts]:
    found = fetch_tag_facts(repository(host), tags, cache=cache, **wanted)  # type: ignore[arg-type]
    return {each.tag: each for each in found}


def test_a_tag_has_the_size_age_and_layers_of_its_image(host: str) -> None:
    one = facts(host, "one")["one"]
    assert (one.created, one.wire_bytes) == (CREATED, len(LOWER) + len(AMD))
    assert [(each.size, each.created_by) for each in one.layers] == [(len(LOWER), "step 1"), (len(AMD), "step 2")]
    assert [str(each) for each in one.platforms] == ["linux/amd64"]
    assert one.chosen is not None
    assert one.chosen.digest == one.digest


def test_tags_come_in_the_order_that_was_asked_for(host: str) -> None:
    assert list(facts(host, "same", "many", "one")) == ["same", "many", "one"]


@pytest.mark.parametrize(("name", "size"), [("linux/amd64", len(LOWER) + len(AMD)), ("linux/arm64", len(LOWER) + len(ARM))])
def test_of_several_platforms_the_wanted_one_counts(host: str, name: str, size: int) -> None:
    many = facts(host, "many", platform=Platform.parse(name))["many"]
    assert [str(each) for each in many.platforms] == ["linux/amd64", "linux/arm64"]
    assert many.wire_bytes == size
    assert [image.is_read for image in many.images] == [name == str(image.platform) for image in many.images]


def test_a_platform_that_a_tag_does_not_have_has_no_size(host: str) -> None:
    found = facts(host, "one", "many", platform=Platform.parse("linux/s390x"))
    assert [each.chosen for each in found.values()] == [None, None]


def test_every_platform_can_be_read(host: str) -> None:
    many = facts(host, "many", every_platform=True)["many"]
    assert [each.wire_bytes for each in many.images] == [len(LOWER) + len(AMD), len(LOWER) + len(ARM)]


def test_what_is_no_image_says_what_it_is(host: str) -> None:
    chart = facts(host, "chart")["chart"]
    assert chart.chosen is not None
    assert (chart.chosen.kind, chart.wire_bytes, chart.platforms) == ("a Helm chart", len(LOWER), ())


def test_a_tag_that_is_gone_says_so_and_the_others_are_there(host: str) -> None:
    found = facts(host, "gone", "one")
    assert f"{host} has no manifest {host}/team/app:gone" in found["gone"].problem
    assert found["one"].wire_bytes


def test_tags_of_one_image_cost_what_one_does(host: str) -> None:
    place = repository(host)
    list(fetch_tag_facts(place, ["one", "same", "one"], cache=None))
    blobs = [each for each in place.connection.traffic.requests if "/blobs/" in each]
    assert len(blobs) == 1


def test_what_the_cache_has_is_not_asked_for_again(host: str, tmp_path: Path) -> None:
    cache, place = Cache.open(tmp_path), repository(host)
    first = facts(host, "one", "many", cache=cache)
    assert {each.tag: each for each in fetch_tag_facts(place, ["one", "many"], cache=cache)} == first
    asked = [each.partition(" ")[0] for each in place.connection.traffic.requests if "/team/app/" in each]
    assert asked == ["HEAD", "HEAD"]


def test_a_request_without_a_body_leaves_its_line_to_the_next(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []
    watch = Traffic.watch_socket

    def count(traffic: Traffic, line: socket) -> None:
        connected.append(line)
        watch(traffic, line)

    monkeypatch.setattr(Traffic, "watch_socket", count)
    assert len(facts(host, *map(str, range(100, 160)))) == 60
    assert len(connected) < 30  # one for each of the 60 tags is too many; a line is free a moment after its request


@pytest.mark.parametrize("tag", ["../../other/manifests/1", "a b", "", "x" * 129, "1?x=y", "\x1b[2J"])
def test_a_tag_that_cannot_be_one_is_not_asked_for(host: str, tag: str) -> None:
    place = repository(host)
    (found,) = fetch_tag_facts(place, [tag], cache=None)
    assert "is no valid name of a tag" in found.problem
    assert found.problem.isprintable()
    assert not place.connection.traffic.requests


def test_tags_are_asked_for_side_by_side(tmp_path: Path) -> None:
    together = Barrier(4)
    with pretended_registry() as pretended:
        served(pretended, write_layout(tmp_path / "image", stack_layer("one")))
        answer = pretended.routes["/v2/team/app/manifests/1"]

        def answer_four(asked: Asked) -> Answer:
            together.wait(timeout=20)  # fails unless three others are asked for meanwhile
            return answer(asked)

        tags = [str(number) for number in range(100, 120)]
        for tag in tags:
            pretended.routes[f"/v2/team/app/manifests/{tag}"] = answer_four
        found = facts(pretended.host, *tags)
    assert all(each.wire_bytes for each in found.values())
