"""Tags over time: their order, what is the base's, and which layers grew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from layerscope.families.tag_series import BaseClue, TagOrder, TagSeries, layer_growths
from layerscope.oci.digest import Digest
from layerscope.sources.listing.sized_tag import SizedTag, TagLayer, build_moment
from support.tagged_images import Built, growing, sized


def layers(words: str, *steps: str) -> tuple[TagLayer, ...]:
    """Layers such as `a 10 b 5`, each with the step at its place."""
    (found,) = sized([Built("1", words)])
    assert found.layers is not None
    return tuple(replace(each, created_by=step) for each, step in zip(found.layers, steps, strict=True))


def dated(**created: str) -> list[SizedTag]:
    return [SizedTag(tag.replace("_", "."), created=moment, wire_bytes=1) for tag, moment in created.items()]


def order(tags: list[SizedTag]) -> list[str]:
    return [tag.tag for tag in TagSeries.of(tags).tags]


@pytest.mark.parametrize(
    ("text", "is_moment"),
    [
        ("2024-05-29T08:30:00Z", True),
        ("2024-05-29T08:30:00.123456789Z", True),
        ("2024-05-29T10:30:00+02:00", True),
        ("1970-01-01T00:00:00Z", False),
        ("1980-01-01T00:00:01Z", False),
        ("0001-01-01T00:00:00Z", False),
        ("yesterday", False),
        ("", False),
    ],
)
def test_only_a_build_has_a_date(text: str, is_moment: bool) -> None:
    assert (build_moment(text) is not None) == is_moment


def test_a_date_counts_with_its_zone() -> None:
    assert build_moment("2024-05-29T10:30:00+02:00") == build_moment("2024-05-29T08:30:00Z")


def test_tags_are_ordered_by_creation_and_by_version_where_that_is_the_same() -> None:
    tags = dated(v1_10="2024-02-01T00:00:00Z", v1_9="2024-02-01T00:00:00Z", v2="2024-01-01T00:00:00Z")
    assert order(tags) == ["v2", "v1.9", "v1.10"]
    assert TagSeries.of(tags).order is TagOrder.CREATED


def test_dates_of_reproducible_builds_do_not_count() -> None:
    tags = dated(v1_10="1970-01-01T00:00:00Z", v1_9="1980-01-01T00:00:01Z", v1_1="0001-01-01T00:00:00Z")
    series = TagSeries.of(tags)
    assert ([tag.tag for tag in series.tags], series.order, series.undated) == (["v1.1", "v1.9", "v1.10"], TagOrder.VERSION, 0)


def test_one_date_for_all_is_no_order() -> None:
    same = "2024-01-01T00:00:00Z"
    pushed = [replace(tag, pushed=f"2024-0{9 - at}-01T00:00:00Z") for at, tag in enumerate(dated(v1=same, v2=same))]
    assert (order(pushed), TagSeries.of(pushed).order) == (["v2", "v1"], TagOrder.PUSHED)
    assert TagSeries.of(dated(v1=same, v2=same)).order is TagOrder.VERSION


def test_a_tag_without_a_date_stands_by_its_version() -> None:
    tags = dated(v1="2024-03-01T00:00:00Z", v2="", v3="2024-01-01T00:00:00Z", v4="2024-05-01T00:00:00Z", v0="")
    series = TagSeries.of(tags)
    assert ([tag.tag for tag in series.tags], series.undated) == (["v0", "v3", "v1", "v2", "v4"], 2)


def test_the_base_is_what_most_tags_begin_with() -> None:
    tags = [*growing(), Built("0.9", "other 7 py 200", "2023-01-01T00:00:00Z")]
    series = TagSeries.of(sized(tags))
    assert [base and (base.layers, base.size) for base in series.bases] == [(0, 0), *[(2, 600000)] * 6]
    assert {base.clue for base in series.bases if base} == {BaseClue.SHARED}


def test_tags_that_state_the_same_base_share_its_layers() -> None:
    tags = [
        replace(tag, base_digest="sha256:old" if number < 2 else "sha256:new" if number < 4 else "sha256:other")
        for number, tag in enumerate(
            sized([Built(str(number), f"{'old' if number < 2 else 'new'} 40 own{number} {number + 1}") for number in range(5)])
        )
    ]
    found = [base and (base.layers, base.clue) for base in TagSeries.of(tags).bases]
    assert found == [*[(1, BaseClue.STATED)] * 4, (1, BaseClue.SHARED)]


def test_one_image_alone_says_nothing_about_its_base() -> None:
    same = sized([Built("1", "a 1 b 2"), Built("latest", "a 1 b 2")])
    assert TagSeries.of(same).bases == (None, None)


def test_variants_have_bases_of_their_own_and_grow_on_their_own() -> None:
    built = [
        Built("1.0", "debian 100 app1 5", "2024-01-01T00:00:00Z"),
        Built("1.0-alpine", "alpine 8 app1 5", "2024-01-01T00:00:01Z"),
        Built("1.1", "debian 100 app2 6", "2024-02-01T00:00:00Z"),
        Built("1.1-alpine", "alpine 8 app2 6", "2024-02-01T00:00:01Z"),
    ]
    series = TagSeries.of(sized(built))
    assert [base and base.size for base in series.bases] == [100000, 8000, 100000, 8000]
    assert [growth and (growth.old, growth.grown) for growth in series.growths] == [None, None, (0, 1000), (1, 1000)]


def test_what_grew_is_the_layer_that_differs() -> None:
    series = TagSeries.of(sized(growing()))
    growth = series.growths[2]
    assert growth is not None
    assert (growth.grown, growth.shared_layers) == (528000, 2)
    assert [(each.new, each.grown, each.layer.created_by) for each in growth.changes] == [
        (4, 520000, "RUN pip install -r requirements.txt"),
        (5, 8000, "COPY . /srv"),
        (3, 0, "COPY requirements.txt /"),
    ]
    assert [series.tags[each.new].tag for each in series.worst()] == ["1.1.0", "1.9.0", "1.0.1"]


def test_tags_of_one_image_are_twins() -> None:
    series = TagSeries.of(sized(growing()))
    assert series.twins == (None, None, None, None, None, 4)


def test_layers_are_paired_by_instruction_wherever_they_stand() -> None:
    old, new = layers("a 10 b 5", "RUN a", "RUN b"), layers("c 7 b2 6 a2 13", "RUN c", "RUN b", "RUN a")
    found = {(each.old, each.new): each.grown for each in layer_growths(old, new)}
    assert found == {(2, 2): 1000, (1, 3): 3000, (None, 1): 7000}


def test_layers_without_instructions_are_paired_by_place() -> None:
    old, new = layers("same 1 b 5 gone 4", "", "", ""), layers("same 1 b2 9", "", "")
    assert [(each.old, each.new, each.grown) for each in layer_growths(old, new)] == [(2, 2, 4000), (3, None, -4000)]


def test_a_layer_that_moved_did_not_grow() -> None:
    old, new = layers("a 1 b 2", "x", "y"), layers("b 2 a 1", "y", "x")
    assert layer_growths(old, new) == []


def test_without_layers_growth_is_known_but_not_its_reason() -> None:
    tags = [SizedTag(str(number), Digest.of(b"%d" % number), wire_bytes=number * 10) for number in (1, 2)]
    growth = TagSeries.of(tags).growths[1]
    assert growth is not None
    assert (growth.grown, growth.changes) == (10, ())


def test_an_unknown_size_is_passed_over() -> None:
    tags = [SizedTag("1", wire_bytes=10), SizedTag("2"), SizedTag("3", wire_bytes=30)]
    growths = TagSeries.of(tags).growths
    assert [growth and (growth.old, growth.grown) for growth in growths] == [None, None, (0, 20)]
