"""Families of images: the forest, and what each image costs where a layer is kept once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.families.figures import ImageFigures, ImageOrder, LayerUsage, age_text
from layerscope.families.outline import TRUNK, Outline
from layerscope.oci.digest import Digest
from layerscope.sources.engine.listing import ListedStep
from layerscope.sources.listing.engine_images import layer_sizes
from layerscope.sources.listing.facts import ImageFacts
from support.families_build import check_shape, drawn, facts, family, number_of

# The forest.


def test_images_stand_above_those_that_their_layers_begin_with() -> None:
    assert drawn(family()) == ["a:1", "  b:1", "    d:1", "    e:1", "  c:1"]


def test_layers_that_no_image_ends_with_are_a_trunk_where_ways_part() -> None:
    assert drawn(LayerUsage.of([facts("x:1", "a 9", "b 9", "x 5"), facts("y:1", "a 9", "b 9", "y 1")])) == [
        "*",
        "  x:1",
        "  y:1",
    ]


def test_images_of_the_same_layers_stand_beside_each_other_and_carry_what_is_built_on_them() -> None:
    twins = LayerUsage.of([facts("a:1", "a 1"), facts("a:2", "a 1"), facts("b:1", "a 1", "b 1")])
    assert drawn(twins) == ["a:1", "a:2", "  b:1"]
    assert twins.figures[0].sharing == 2


def test_images_without_layers_are_a_family_of_their_own() -> None:
    ledger = LayerUsage.of([facts("empty:1"), facts("empty:2"), facts("a:1", "a 1")])
    assert drawn(ledger) == ["a:1", "empty:1", "empty:2"]
    assert ledger.figures[0] == ImageFigures(0, 0, 0, 0, 2, None)


def test_no_images_at_all_are_no_forest() -> None:
    assert drawn(LayerUsage.of([])) == []
    assert LayerUsage.of([]).totals.stored == 0


def test_the_biggest_family_comes_first_wherever_its_biggest_image_is() -> None:
    images = [facts("big:1", "x 50"), facts("a:1", "a 1"), facts("b:1", "a 1", "b 90")]
    assert drawn(LayerUsage.of(images)) == ["a:1", "  b:1", "big:1"]
    assert drawn(LayerUsage.of(images, ImageOrder.NAME)) == ["a:1", "  b:1", "big:1"]
    assert drawn(LayerUsage.of(images[::-1], ImageOrder.OWN)) == ["a:1", "  b:1", "big:1"]


stacks = st.lists(st.lists(st.sampled_from("abc"), max_size=5), max_size=12)


@given(stacks)
def test_any_stacks_of_layers_make_a_forest_whose_bytes_add_up(stacks: list[list[str]]) -> None:
    images = [
        facts(f"i{number}:1", *(f"{each} {depth + 3}" for depth, each in enumerate(stack)))
        for number, stack in enumerate(stacks)
    ]
    ledger = LayerUsage.of(images)
    check_shape(ledger)
    kept = {tuple(stack[:depth]): depth + 2 for stack in stacks for depth in range(1, len(stack) + 1)}
    assert ledger.totals.stored == sum(kept.values())
    for number, stack in enumerate(stacks):
        others = {tuple(other[:depth]) for at, other in enumerate(stacks) if at != number for depth in range(len(other) + 1)}
        own = sum(depth + 2 for depth in range(1, len(stack) + 1) if tuple(stack[:depth]) not in others)
        assert (ledger.figures[number].own, ledger.figures[number].freed) == (own, own)
        assert ledger.figures[number].size == sum(depth + 3 for depth in range(len(stack)))
        without = LayerUsage.of(images[:number] + images[number + 1 :])
        assert ledger.totals.stored - without.totals.stored == ledger.figures[number].freed


def test_what_wastes_most_comes_first_and_what_is_not_known_last() -> None:
    images = [facts("a:1", "a 9"), facts("b:1", "b 1", wasted=3), facts("c:1", "c 1", wasted=8)]
    assert drawn(LayerUsage.of(images, ImageOrder.WASTED)) == ["c:1", "b:1", "a:1"]


# What each costs.


def test_an_image_owns_what_no_other_has_and_shares_the_rest() -> None:
    ledger = family()
    figures = {image.names[0]: ledger.figures[number] for number, image in enumerate(ledger.forest.images)}
    assert [(name, each.size, each.own, each.shared, each.freed) for name, each in sorted(figures.items())] == [
        ("a:1", 100, 0, 100, 0),
        ("b:1", 120, 0, 120, 0),
        ("c:1", 103, 3, 100, 3),
        ("d:1", 127, 7, 120, 7),
        ("e:1", 125, 5, 120, 5),
    ]
    assert (ledger.totals.listed, ledger.totals.stored, ledger.totals.saved) == (575, 135, 440)


def test_it_is_known_with_whom_an_image_shares_and_what_it_is_built_on() -> None:
    ledger = family()
    e, b, c = (number_of(ledger, name) for name in ("e:1", "b:1", "c:1"))
    assert len(ledger.sharing(e)) == ledger.figures[e].sharing == 4
    assert ledger.images_below(e) == (b,)
    assert [ledger.forest.images[each].names[0] for each in ledger.images_below(c)] == ["a:1"]


def test_removing_one_of_several_names_frees_nothing() -> None:
    figures = LayerUsage.of([facts("a:1 a:2", "a 100")]).figures[0]
    assert (figures.own, figures.freed) == (100, 0)


def test_a_layer_twice_in_one_image_is_two_layers_of_an_engine_and_one_blob_of_a_file() -> None:
    assert LayerUsage.of([facts("a:1", "a 100", "a 100")]).figures[0].size == 200


def test_pruning_frees_what_only_dangling_images_have() -> None:
    totals = LayerUsage.of([facts("a:1", "a 100"), facts("", "a 100", "x 7", "y 1"), facts("", "a 100", "x 7", "z 2")]).totals
    assert (totals.dangling, totals.prunable) == (2, 10)


def test_what_was_pulled_by_digest_or_lies_in_a_file_is_not_dangling() -> None:
    assert not facts("", digests=("alpine@sha256:12",)).is_dangling
    assert not facts("", place="x.tar").is_dangling
    assert facts("").is_dangling


def test_an_image_is_charged_with_the_waste_that_the_one_below_does_not_have() -> None:
    ledger = LayerUsage.of(
        [facts("a:1", "a 100", wasted=10), facts("b:1", "a 100", "b 20", wasted=14), facts("c:1", "a 100", "c 3")]
    )
    assert [each.own_wasted for each in ledger.figures] == [10, 4, None]
    assert [each.carriers for each in ledger.figures] == [3, 1, 1]
    assert ledger.totals.wasted == 14


def test_without_the_waste_of_the_one_below_an_images_own_is_not_known() -> None:
    assert [
        each.own_wasted for each in LayerUsage.of([facts("a:1", "a 100"), facts("b:1", "a 100", "b 20", wasted=14)]).figures
    ] == [None, None]


# What they are called.


def test_images_are_called_by_their_tags_as_users_know_them() -> None:
    assert facts("docker.io/library/alpine:3 me/x:1").titles() == ("alpine:3", "me/x:1")
    assert facts("", digests=("alpine@sha256:" + "ab" * 32,)).titles() == ("alpine@sha256:abababababab",)
    assert facts("", id="1").titles() == (f"(dangling) {Digest.of(b'1').short}",)


def test_tags_of_files_are_only_words_so_that_the_file_is_named_where_there_are_several() -> None:
    one, other = facts("v1", "a 1", place="dir/one"), facts("v1", "b 1", place="other.tar")
    assert [LayerUsage.of([one]).titles(0), LayerUsage.of([one, other]).titles(1)] == [("v1",), ("other.tar:v1",)]
    assert facts("", place="x.tar", id="1").titles() == (f"x.tar (no tag) {Digest.of(b'1').short}",)


def test_images_of_one_name_are_told_apart() -> None:
    platforms = LayerUsage.of([facts("a:1 a:2", "a 1", platform=each) for each in ("linux/amd64", "linux/arm64")])
    assert platforms.titles(1) == ("a:1 linux/arm64", "a:2")
    places = LayerUsage.of([facts("a:1", "a 1"), facts("a:1", "b 1", place="x.tar")])
    assert [places.titles(number)[0].split()[:2] for number in (0, 1)] == [["a:1", "(engine"], ["a:1", "(x.tar"]]


def test_names_cannot_act_on_a_terminal() -> None:
    assert facts("a\x1b[31m:1").titles() == ("a\\x1b[31m:1",)


@pytest.mark.parametrize(
    ("created", "text"),
    [
        ("2024-05-31T12:00:00Z", "1 day"),
        ("2024-05-20T00:00:00.123Z", "12 days"),
        ("2022-01-01T00:00:00Z", "2 years"),
        ("2024-06-01T11:59:30Z", "now"),
        ("2024-06-01T11:02:00Z", "58 mins"),
        ("1970-01-01T00:00:00Z", ""),
        ("0001-01-01T00:00:00Z", ""),
        ("2099-01-01T00:00:00Z", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_ages_are_said_as_people_say_them(created: str, text: str) -> None:
    assert age_text(created, now=1717243200) == text  # 2024-06-01 12:00 UTC


# Sizes of layers from an engine's history.

CHAIN = [Digest.of(bytes([number])) for number in range(6)]


def sizes(layers: int, *steps: str, total: int | None = None, known: dict[int, int] | None = None) -> list[int]:
    """`steps` are instructions with their sizes; `known` says what layers up to a depth add up to."""
    listed = [ListedStep(step.rpartition(" ")[0], int(step.rpartition(" ")[2])) for step in steps]
    whole = sum(step.size for step in listed) if total is None else total
    sums = {CHAIN[depth - 1]: size for depth, size in (known or {}).items()}
    return layer_sizes(listed, CHAIN[:layers], whole, sums)


def test_steps_without_a_size_that_change_no_file_are_no_layers() -> None:
    assert sizes(3, "ADD x 100", "ENV a=b 0", "RUN rm -rf /x 0", "/bin/sh -c #(nop)  CMD sh 0", "COPY y 5") == [100, 0, 5]


def test_a_directory_that_had_to_be_made_is_a_layer() -> None:
    assert sizes(3, "ADD x 100", "WORKDIR /srv 0", "LABEL a=b 0", "COPY y 5") == [100, 0, 5]


def test_a_command_that_did_nothing_before_anything_was_there_is_no_layer() -> None:
    assert sizes(2, "RUN true 0", "ADD x 100", "RUN rm /x 0") == [100, 0]


def test_what_another_images_layers_add_up_to_decides_which_step_made_a_layer() -> None:
    steps = ("ADD x 100", "RUN rm /x 0", "COPY y 50", "RUN true 0", "COPY z 5")
    assert sizes(4, *steps) == [100, 50, 0, 5]
    assert sizes(4, *steps, known={2: 100}) == [100, 0, 50, 5]
    assert sizes(4, *steps, known={2: 77}) == [100, 50, 0, 5]


def test_what_the_history_does_not_tell_is_the_bases() -> None:
    assert sizes(3, "COPY y 5", total=100) == [95, 0, 5]
    assert sizes(2, total=100) == [100, 0]
    assert sizes(1, "a 5", "b 6") == [11]
    assert sizes(3, "a 5", "b 6", "c 1", "d 9", known={1: 8}) == [8, 13, 0]
    assert sizes(0, "ENV a=b 0") == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=8))
def test_sizes_add_up_to_what_the_steps_do(steps: list[tuple[bool, int]]) -> None:
    made = [size for is_layer, size in steps if is_layer]
    chain = [Digest.of(bytes([number])) for number in range(len(made))]
    listed = [ListedStep("RUN x" if is_layer else "ENV a=b", size if is_layer else 0) for is_layer, size in steps]
    assert layer_sizes(listed, chain, sum(made)) == made


# The lines of the screen.


def lines(outline: Outline) -> list[str]:
    images = outline.usage.forest.images
    return ["  " * row.level + ("*" if row.image == TRUNK else images[row.image].names[0]) for row in outline.rows]


def outline(*more: ImageFacts) -> Outline:
    return Outline([*family().forest.images, *more])


def test_folding_hides_what_is_built_on_an_image_and_unfolding_shows_it() -> None:
    shown = outline()
    shown.toggle(shown.rows[1])
    assert lines(shown) == ["a:1", "  b:1", "  c:1"]
    shown.fold_all(is_open=False)
    assert lines(shown) == ["a:1"]
    shown.toggle(shown.rows[0])
    assert lines(shown) == ["a:1", "  b:1", "  c:1"]
    shown.fold_all(is_open=True)
    assert len(lines(shown)) == 5


def test_an_image_without_others_on_it_does_not_fold() -> None:
    shown = outline()
    shown.toggle(shown.rows[2])
    assert len(lines(shown)) == 5


def test_the_filter_shows_hits_and_what_they_are_built_on_folded_or_not() -> None:
    shown = outline(facts("other:1", "o 1"))
    shown.fold_all(is_open=False)
    shown.filter("E:")
    assert lines(shown) == ["a:1", "  b:1", "    e:1"]
    assert [shown.is_hit(row) for row in shown.rows] == [False, False, True]
    shown.filter("")
    assert lines(shown) == ["a:1", "other:1"]


def test_the_filter_takes_the_first_digits_of_an_id_too() -> None:
    shown = outline()
    number = number_of(shown.usage, "c:1")
    shown.filter(shown.usage.forest.images[number].id.encoded[:10])
    assert lines(shown) == ["a:1", "  c:1"]


def test_the_order_changes_and_the_folding_stays() -> None:
    shown = outline(facts("other:1", "o 900"))
    shown.toggle(shown.rows[2])
    assert lines(shown) == ["other:1", "a:1", "  b:1", "  c:1"]
    while shown.order is not ImageOrder.NAME:
        shown.sort_next()
    assert (shown.order.value, lines(shown)) == ("name", ["a:1", "  b:1", "  c:1", "other:1"])


def test_what_becomes_known_of_an_image_is_known_of_all_with_the_same_layers() -> None:
    shown = Outline([facts("a:1", "a 1"), facts("a:2", "a 1"), facts("b:1", "a 1", "b 1")])
    shown.learn(0, 7)
    assert [image.wasted_bytes for image in shown.usage.forest.images] == [7, 7, None]


def test_the_line_of_a_hidden_image_is_the_nearest_above() -> None:
    shown = outline()
    number = number_of(shown.usage, "e:1")
    assert shown.line_of(number) == 3
    shown.toggle(shown.rows[1])
    assert shown.line_of(number) == 1
