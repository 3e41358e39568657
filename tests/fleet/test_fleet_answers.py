"""What a fleet's answers are, against plain computations with sets, for random fleets of facts."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.fleet.answers import answer
from layerscope.fleet.fleet import NO_TEAM, Fleet
from layerscope.fleet.reclaim import ReclaimReason
from layerscope.oci.digest import Digest
from layerscope.report.fleet.fleet_json import fleet_json
from layerscope.sources.listing.facts import ImageFacts
from support.families_build import facts
from support.fleets import fleet_of

DAY = 86_400.0
SIZES = {"a": 100, "b": 70, "c": 31, "d": 17, "e": 3, "z": 0}
REPOSITORIES = ("app", "shop/app", "shop/web", "registry.example.com/team/x/api", "localhost:5000/tool")
"""Of the teams: none, shop, registry.example.com/team/x and localhost:5000."""

STACKS = st.lists(st.sampled_from(sorted(SIZES)), max_size=4).map(tuple)
NAMES = st.tuples(st.sampled_from(REPOSITORIES), st.sampled_from(["1", "2", "10", "latest"])).map(":".join)


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[ImageFacts], dict[str, int]]:
    """Images whose names are theirs alone, built on days of 2024, and how many containers run some of them."""
    tags = draw(st.lists(NAMES, unique=True, max_size=12))
    images: list[ImageFacts] = []
    while tags:
        count = draw(st.integers(1, 2))
        taken, tags = tags[:count], tags[count:]
        images.append(built(draw(STACKS), taken, draw(st.integers(1, 9)), len(images)))
    images += [built(draw(STACKS), [], draw(st.integers(1, 9)), 100 + number) for number in range(draw(st.integers(0, 2)))]
    names = [each.names[0] for each in images if each.names]
    uses = dict.fromkeys(draw(st.lists(st.sampled_from(names), max_size=2)) if names else [], 2)
    return images, uses


def built(stack: tuple[str, ...], names: list[str], day: int, number: int) -> ImageFacts:
    layers = [f"{each} {SIZES[each]}" for each in stack]
    return facts(" ".join(names), *layers, created=f"2024-01-{day:02}T00:00:00Z", id=f"image {number}")


def chains(image: ImageFacts) -> list[str]:
    return [layer.key for layer in image.layers]


def size_of(keys: set[str], images: list[ImageFacts]) -> int:
    sizes = {layer.key: layer.size for image in images for layer in image.layers}
    return sum(sizes[key] for key in keys)


def freed(gone: list[ImageFacts], images: list[ImageFacts]) -> int:
    """The bytes of layers that none of the images that stay has."""
    kept = {key for image in images if image not in gone for key in chains(image)}
    return size_of({key for image in gone for key in chains(image)} - kept, images)


@given(fleets())
def test_totals_and_what_deleting_frees_are_those_of_sets(drawn: tuple[list[ImageFacts], dict[str, int]]) -> None:
    images, uses = drawn
    fleet = fleet_of(images, uses=uses)
    totals = answer(fleet).totals
    keys = {key for image in images for key in chains(image)}
    several = {key for key in keys if sum(key in chains(image) for image in images) > 1}
    assert (totals.images, totals.layers, totals.distinct_layers) == (
        len(images),
        sum(len(image.layers) for image in images),
        len(keys),
    )
    assert totals.stored_bytes == sum(size_of(set(chains(image)), images) for image in images)
    assert (totals.unique_stored_bytes, totals.shared_stored_bytes) == (size_of(keys, images), size_of(several, images))
    assert (totals.content_bytes, totals.unique_bytes, totals.shared_bytes, totals.wasted_bytes) == (None,) * 4
    for number, image in enumerate(fleet.images):
        assert fleet.freed_by([number]) == freed([image.facts], images)
    half = [number for number in range(len(images)) if number % 2]
    assert fleet.freed_by(half) == freed([fleet.images[number].facts for number in half], images)


@given(fleets())
def test_bases_are_the_longest_beginnings_that_sets_of_images_have_in_common(
    drawn: tuple[list[ImageFacts], dict[str, int]],
) -> None:
    images, _ = drawn
    fleet = fleet_of(images)
    users: dict[tuple[str, ...], set[Digest]] = defaultdict(set)
    for image in images:
        for depth in range(1, len(image.layers) + 1):
            users[tuple(chains(image)[:depth])].add(image.id)
    longest: dict[frozenset[Digest], tuple[str, ...]] = {}
    for start, ids in sorted(users.items(), key=lambda each: len(each[0])):
        if len(ids) > 1:
            longest[frozenset(ids)] = start
    bases = answer(fleet).bases
    told = {frozenset(fleet.images[each].facts.id for each in base.images): base for base in bases.bases}
    assert {ids: base.depth for ids, base in told.items()} == {ids: len(start) for ids, start in longest.items()}
    for shared, base in told.items():
        assert base.stored_bytes == size_of(set(longest[shared]), images)
        assert base.spared_bytes == base.stored_bytes * (len(shared) - 1)
    for number, member in enumerate(fleet.images):
        own = sorted((base for base in bases.bases if number in base.images), key=lambda base: base.depth)
        depth = len(member.facts.layers)
        assert bases.of_image(number) == next((base for base in own[::-1] if base.depth < depth), None)
        for layer in range(1, depth + 1):
            owner = bases.owner_of(number, layer)
            lowest = next((base for base in own if base.depth >= layer), None)
            assert (None if owner is None else bases.bases[owner]) == lowest


def team_of(image: ImageFacts) -> str:
    named = [name for name in image.names if not name.endswith(":latest")] or image.names
    repository = named[0].rpartition(":")[0] if named else ""
    return repository.rpartition("/")[0] or NO_TEAM


@given(fleets())
def test_teams_are_the_images_by_prefix(drawn: tuple[list[ImageFacts], dict[str, int]]) -> None:
    images, _ = drawn
    expected = {}
    for team in {team_of(image) for image in images}:
        members = [image for image in images if team_of(image) == team]
        stored = sum(size_of(set(chains(image)), images) for image in members)
        expected[team] = (len(members), stored, freed(members, images))
    told = answer(fleet_of(images)).teams
    assert {each.team: (len(each.images), each.stored_bytes, each.freed_bytes) for each in told} == expected
    assert [each.freed_bytes for each in told] == sorted((each.freed_bytes for each in told), reverse=True)


def builds_of(image: ImageFacts) -> dict[str, tuple[str, tuple[bool, int]]]:
    """The repositories of an image, each with what the newest of its tags there is ordered by."""
    found: dict[str, tuple[str, tuple[bool, int]]] = {}
    for name in image.names:
        repository, _, tag = name.rpartition(":")
        order = image.created, (tag == "latest", 0 if tag == "latest" else int(tag))
        found[repository] = max(order, found.get(repository, order))
    return found


def kept_builds(images: list[ImageFacts], keep: int) -> set[Digest]:
    """The images that are among the newest of one of their repositories: fewer than `keep` others are newer there."""
    builds = {image.id: builds_of(image) for image in images}
    return {
        each
        for each, own in builds.items()
        for repository, order in own.items()
        if sum(other.get(repository, order) > order for other in builds.values()) < keep
    }


@given(fleets(), st.integers(1, 3), st.integers(1, 9))
def test_what_can_be_deleted_is_unnamed_superseded_or_old_and_never_runs(
    drawn: tuple[list[ImageFacts], dict[str, int]], keep: int, day: int
) -> None:
    images, uses = drawn
    fleet = fleet_of(images, uses=uses)
    found = answer(fleet, older_than=1704067200.0 + (day - 1) * DAY, keep=keep).reclaimable
    kept = kept_builds(images, keep)
    idle = [image for image in images if not (image.names and image.names[0] in uses)]
    expected = {
        ReclaimReason.UNTAGGED: [image for image in idle if not image.names],
        ReclaimReason.SUPERSEDED: [image for image in idle if image.names and image.id not in kept],
        ReclaimReason.OLD: [image for image in idle if image.created < f"2024-01-{day:02}"],
    }
    told = {each.reason: [fleet.images[number].facts for number in each.images] for each in found.by_reason}
    assert {reason: {image.id for image in gone} for reason, gone in told.items()} == {
        reason: {image.id for image in gone} for reason, gone in expected.items() if gone
    }
    for each in found.by_reason:
        gone = told[each.reason]
        assert each.freed_bytes == freed(gone, images)
        assert list(each.freed_alone) == [freed([image], images) for image in gone] == sorted(each.freed_alone, reverse=True)
    everything = {image.id for gone in expected.values() for image in gone}
    assert {fleet.images[number].facts.id for number in found.images} == everything
    assert found.freed_bytes == freed([image for image in images if image.id in everything], images)


@given(fleets(), st.randoms(use_true_random=False))
def test_the_order_in_which_images_are_found_changes_nothing(
    drawn: tuple[list[ImageFacts], dict[str, int]], shuffled: random.Random
) -> None:
    images, uses = drawn
    expected = fleet_json(answer(fleet_of(images, uses=uses)))
    idle = [image for image in images if not set(image.names) & set(uses)]
    again = [*images, *(replace(image) for image in idle[:2])]
    shuffled.shuffle(again)
    assert fleet_json(answer(fleet_of(again, uses=uses))) == expected


def reasons(fleet: Fleet, keep: int = 1) -> dict[str, list[str]]:
    found = answer(fleet, keep=keep).reclaimable
    return {each.reason: [fleet.images[number].name for number in each.images] for each in found.by_reason}


def dated(names: str, day: int, layer: str, platform: str = "linux/amd64") -> ImageFacts:
    return facts(names, layer, created=f"2024-01-{day:02}T00:00:00Z", platform=platform)


def test_a_variant_or_a_platform_is_superseded_by_its_own_kind_alone() -> None:
    fleet = fleet_of(
        [
            dated("app:1.4", 1, "a 1"),
            dated("app:1.4-alpine", 2, "b 1"),
            dated("app:1.5", 3, "c 1"),
            dated("app:1.5-alpine", 4, "d 1"),
            dated("app:1.4-slim", 1, "e 1"),
            dated("app:1.5", 3, "f 1", "linux/arm64"),
        ]
    )
    assert reasons(fleet) == {"superseded": ["app:1.4", "app:1.4-alpine"]}


def test_an_image_with_a_name_that_is_still_current_stays() -> None:
    fleet = fleet_of([dated("app:1 stable/app:1", 1, "a 1"), dated("app:2", 2, "b 1"), dated("app:3", 3, "c 1")])
    assert reasons(fleet) == {"superseded": ["app:2"]}
    assert reasons(fleet, keep=2) == {}


def test_without_times_the_versions_in_tags_decide_and_equal_builds_supersede_neither() -> None:
    undated = [facts(f"app:{tag}", f"{tag} 1") for tag in ("1.9", "1.10", "1.2")]
    assert reasons(fleet_of(undated)) == {"superseded": ["app:1.2", "app:1.9"]}
    twins = [facts("app:1", f"{layer} 1", created="1970-01-01T00:00:00Z", place=f"{layer}.tar") for layer in ("a", "b")]
    assert reasons(fleet_of(twins)) == {}


def test_an_image_far_larger_than_its_sisters_stands_out() -> None:
    mb = 1_000_000
    sisters = [facts(f"app:{each}", f"{each} {20 * mb + each}") for each in range(1, 9)]
    fleet = fleet_of([*sisters, facts("app:big", f"big {200 * mb}")])
    (found,) = answer(fleet).outliers
    assert fleet.images[found.image].name == "app:big"
    assert found.bytes == pytest.approx(180 * mb, abs=10)
    assert found.text == "200 MB, and an image of its repository usually has 20.0 MB"
    assert answer(fleet_of(sisters)).outliers == ()


def test_a_base_is_called_by_its_image_else_by_what_the_images_on_it_state() -> None:
    stated = [replace(facts(f"app:{each}", "os 10", f"{each} 1"), base_name="docker.io/library/debian:12") for each in "ab"]
    (base,) = answer(fleet_of(stated)).bases.bases
    assert (base.title, base.depth, base.spared_bytes) == ("debian:12", 1, 10)
    named = answer(fleet_of([*stated, facts("debian:bookworm", "os 10")])).bases
    assert named.bases[0].title == "debian:bookworm"
    nameless = answer(fleet_of([facts(f"app:{each}", "os 10", f"{each} 1") for each in "ab"])).bases
    assert nameless.bases[0].title.startswith("(no name) 1 layers to ")
