"""`layerscope fleet registry:HOST`: what of a real registry is listed, and how often one is asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from layerscope.oci.platform import host_platform
from support.commands import process, ran
from support.engines import registry
from support.fleets import Json, check_references, fleet_json, names
from support.image_builder import file, layer, write_layout
from support.pretend_registry import Answer, PretendedRegistry, pretended_registry, served
from support.registry_contents import ARM, LOWER, NEW, OLD, Contents
from support.registry_pushes import put_layout, with_passwords
from support.sources_build import AMD64, ARM64, Layout, config, layer_tar
from support.tagged_images import Built, put_tags

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_home")]

IS_AMD64 = host_platform().name == "linux/amd64"


@pytest.mark.skipif(not IS_AMD64, reason="which image a tag means depends on the machine")
def test_all_repositories_are_listed_without_charts_and_signatures(
    capsys: pytest.CaptureFixture[str], contents: Contents
) -> None:
    found = fleet_json(capsys, f"registry:{contents.host}")
    assert [each["names"] for each in found["images"]] == [
        [f"{contents.host}/team/app:1.10", f"{contents.host}/team/app:latest", f"{contents.host}/web:1"],
        [f"{contents.host}/team/app:1.9", f"{contents.host}/team/web:1"],
    ]
    assert [each["stored_bytes"] for each in found["images"]] == [len(LOWER) + len(NEW), len(LOWER) + len(OLD)]
    assert [each["own_bytes"] for each in found["images"]] == [len(NEW), len(OLD)]
    assert (found["failed"], found["skipped"]) == ([], [])
    check_references(found)
    assert found["images"][0]["reference"] == f"docker://{contents.host}/team/app:1.10"


def repositories(found: Json) -> set[str]:
    return {name.rpartition(":")[0].partition("/")[2] for each in found["images"] for name in each["names"]}


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ("", {"team/app", "team/web", "web"}),
        ("/", {"team/app", "team/web", "web"}),
        ("/team", {"team/app", "team/web"}),
        ("/team/", {"team/app", "team/web"}),
        ("/team/app", {"team/app"}),
        ("/te", set()),
        ("/te*", {"team/app", "team/web"}),
        ("/none-*", set()),
        ("/team/*", {"team/app", "team/web"}),
        ("/*/web", {"team/web"}),
        ("/*web", {"team/web", "web"}),
        ("/team/[aw]pp", {"team/app"}),
        ("/team/app:1.9", {"team/app"}),
        ("/none", set()),
    ],
)
def test_a_prefix_or_a_glob_names_repositories(
    capsys: pytest.CaptureFixture[str], contents: Contents, place: str, wanted: set[str]
) -> None:
    found = fleet_json(capsys, f"registry:{contents.host}{place}", code=0 if wanted else 2)
    assert repositories(found) == wanted
    assert (found["failed"] == []) == bool(wanted)


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("newest:1", {"latest"}),
        ("newest:2", {"latest", "1.10"}),
        ("newest:9", {"latest", "1.10", "1.9"}),
        ("1.*", {"1.9", "1.10"}),
        ("1.*,newest:1", {"1.10"}),
        ("newest:1, 1.*", {"1.10"}),
        ("none*", set()),
    ],
)
def test_tags_are_chosen_by_name_and_by_age(
    capsys: pytest.CaptureFixture[str], contents: Contents, tags: str, wanted: set[str]
) -> None:
    found = fleet_json(capsys, f"registry:{contents.host}/team/app", "--tags", tags)
    assert {name.rpartition(":")[2] for each in found["images"] for name in each["names"]} == wanted


def test_platforms_are_this_machines_or_one_or_all(capsys: pytest.CaptureFixture[str], contents: Contents) -> None:
    place = f"registry:{contents.host}/team/app"
    found = fleet_json(capsys, place, "--platform", "all")
    assert sorted((each["platform"], each["stored_bytes"]) for each in found["images"]) == [
        ("linux/amd64", len(LOWER) + len(OLD)),
        ("linux/amd64", len(LOWER) + len(NEW)),
        ("linux/arm64", len(LOWER) + len(ARM)),
    ]
    assert f"{contents.host}/team/app:1.10 linux/arm64" in names(found)
    check_references(found)
    found = fleet_json(capsys, place, "--platform", "linux/arm64")
    assert [each["platform"] for each in found["images"]] == ["linux/arm64"]
    assert found["skipped"] == [f"{contents.host}/team/app:1.9 has no image for linux/arm64"]
    check_references(found)


@pytest.mark.parametrize("place", ["docker://{}/team/app:1.10", "registry:{}/team/app:1.10"])
def test_one_image_is_for_the_platform_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], contents: Contents, place: str
) -> None:
    for platform in ("linux/amd64", "linux/arm64", "all"):
        found = fleet_json(capsys, place.format(contents.host), "--platform", platform)
        wanted = ["linux/amd64", "linux/arm64"] if platform == "all" else [platform]
        assert [each["platform"] for each in found["images"]] == wanted
        check_references(found)


def test_since_leaves_out_older_images(capsys: pytest.CaptureFixture[str], contents: Contents) -> None:
    found = fleet_json(capsys, f"registry:{contents.host}", "--since", "2026-02-01", "--platform", "linux/amd64")
    assert [each["created"][:10] for each in found["images"]] == ["2026-03-01"]
    old = fleet_json(capsys, f"registry:{contents.host}", "--older-than", "2026-02-01", "--platform", "linux/amd64")
    (reason,) = (each for each in old["reclaimable"]["reasons"] if each["reason"] == "old")
    assert reason["images"] == [{"name": f"{contents.host}/team/app:1.9", "freed_bytes": len(OLD)}]


def test_an_image_that_is_named_twice_in_two_ways_is_one(capsys: pytest.CaptureFixture[str], contents: Contents) -> None:
    places = [
        f"registry:{contents.host}/team",
        f"docker://{contents.host}/team/web:1",
        f"docker://{contents.host}/team/app:1.9",
    ]
    found = fleet_json(capsys, *places, f"docker://{contents.host}/team/web@{contents.digest('old')}")
    old = next(each for each in found["images"] if f"{contents.host}/team/web:1" in each["names"])
    assert (old["name"], old["own_bytes"]) == (f"{contents.host}/team/app:1.9", len(OLD))


def test_a_damaged_manifest_is_a_line_and_all_others_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout()
    good = layout.image(layer_tar("a"))
    bad = layout.image(layer_tar("b"), settings=b'{"rootfs": 7}')
    with registry() as host:
        put_layout(host, "team/app", layout, good, "good")
        put_layout(host, "team/app", layout, bad, "bad")
        found = fleet_json(capsys, f"registry:{host}", code=2)
    assert names(found) == [f"{host}/team/app:good"]
    (problem,) = found["failed"]
    assert problem.startswith(f"{host}/team/app:bad: ")


def test_without_a_password_there_is_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with with_passwords(tmp_path) as host:
        found = fleet_json(capsys, f"registry:{host}", code=2)
        assert (found["images"], len(found["failed"])) == ([], 1)
        assert host in found["failed"][0]
        assert len(fleet_json(capsys, f"registry:{host}/team/app", code=2)["failed"]) == 1


# How often a registry is asked.


@pytest.fixture
def pretended(tmp_path: Path) -> Iterator[PretendedRegistry]:
    """A registry that counts requests, with three tags of two images in team/app."""
    with pretended_registry() as registry:
        for number, tags in (("1", ["1"]), ("2", ["2", "latest"])):
            place = write_layout(tmp_path / number, layer(file("base", b"1" * 5000)), layer(file("own", number.encode())))
            for tag in tags:
                served(registry, place, tag)
        registry.routes["/v2/"] = lambda _asked: Answer(200, b"{}")
        registry.routes["/v2/_catalog"] = lambda _asked: Answer(200, b'{"repositories": ["team/app"]}')
        tags_list = json.dumps({"name": "team/app", "tags": ["1", "2", "latest"]}).encode()
        registry.routes["/v2/team/app/tags/list"] = lambda _asked: Answer(200, tags_list)
        yield registry


def asked(registry: PretendedRegistry) -> Counter[str]:
    """What was asked since the last time, by kind."""
    found: Counter[str] = Counter()
    for each in registry.asked:
        kind = next((kind for kind in ("_catalog", "tags/list", "manifests", "blobs") if kind in each.path), "start")
        found[f"{each.method} {kind}"] += 1
    registry.asked.clear()
    return found


def test_a_tag_costs_a_head_and_an_image_its_manifest_and_config_once_ever(
    pretended: PretendedRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    cold = fleet_json(capsys, f"registry:{pretended.host}")
    assert [len(each["names"]) for each in cold["images"]] == [1, 2]
    counts = asked(pretended)
    assert counts.pop("GET start", 0) <= 1
    assert counts == {"GET _catalog": 1, "GET tags/list": 1, "HEAD manifests": 3, "GET manifests": 2, "GET blobs": 2}
    assert fleet_json(capsys, f"registry:{pretended.host}") == cold
    counts = asked(pretended)
    assert counts.pop("GET start", 0) <= 1
    assert counts == {"GET _catalog": 1, "GET tags/list": 1, "HEAD manifests": 3}


def test_images_of_a_list_cost_no_more(
    pretended: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "list"
    listed.write_text("".join(f"docker://{pretended.host}/team/app:{tag}\n" for tag in ("1", "2", "latest")))
    assert len(fleet_json(capsys, "--from", listed)["images"]) == 2
    counts = asked(pretended)
    assert counts["HEAD manifests"] == 3
    assert counts["GET manifests"] + counts["GET blobs"] <= 6
    fleet_json(capsys, "--from", listed)
    assert {kind: count for kind, count in asked(pretended).items() if kind != "GET start"} == {"HEAD manifests": 3}


def test_a_repository_that_is_named_needs_no_list_of_repositories(
    pretended: PretendedRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    pretended.routes["/v2/_catalog"] = lambda _asked: Answer(401, b"{}")
    assert len(fleet_json(capsys, f"registry:{pretended.host}/team/app")["images"]) == 2
    done = ran(capsys, "fleet", f"registry:{pretended.host}", "--json", "-")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"{pretended.host} lists no repositories" in done.err
    assert len(fleet_json(capsys, f"registry:{pretended.host}/team/*", code=2)["failed"]) == 1


def test_a_registry_that_breaks_off_leaves_what_was_listed(
    pretended: PretendedRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    pretended.routes["/v2/team/app/manifests/2"] = lambda _asked: Answer(404, b"{}")
    found = fleet_json(capsys, f"registry:{pretended.host}", code=2)
    assert [each["names"] for each in found["images"]] == [
        [f"{pretended.host}/team/app:1"],
        [f"{pretended.host}/team/app:latest"],
    ]
    assert len(found["failed"]) == 1


def test_a_fleet_of_many_tags_says_what_is_superseded_and_who_is_on_which_base(
    capsys: pytest.CaptureFixture[str],
) -> None:
    builds = [Built(f"1.{number}", f"os 40 py 20 app{number} 5", f"2026-01-{number + 1:02}T00:00:00Z") for number in range(6)]
    with registry() as host:
        put_tags(host, "shop/app", builds)
        put_tags(host, "base/python", [Built("3.12", "os 40 py 20", "2026-01-01T00:00:00Z")])
        layout = Layout()
        both = [
            layout.image(each, platform=platform, settings=config(each, platform=platform))
            for each, platform in ((layer_tar("x"), AMD64), (layer_tar("y"), ARM64))
        ]
        put_layout(host, "shop/multi", layout, layout.index(*both), "1")
        done = process("fleet", f"registry:{host}", "--keep-newest", "2", "--platform", "linux/amd64", "--json", "-")
        text = process("fleet", f"registry:{host}", "--platform", "linux/amd64").stdout.decode()
    assert done.stderr == b""
    found = json.loads(done.stdout)
    (reason,) = found["reclaimable"]["reasons"]
    assert {each["name"] for each in reason["images"]} == {f"{host}/shop/app:1.{number}" for number in range(4)}
    (base,) = found["bases"]
    assert (base["name"], base["images"], base["layers"]) == (f"{host}/base/python:3.12", 7, 2)
    assert f"{host}/shop/app:1.0" in text
    assert [each["base"] for each in found["images"] if "shop/app" in each["name"]] == [f"{host}/base/python:3.12"] * 6
