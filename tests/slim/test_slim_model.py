"""Smaller images against the model: what is seen is what was seen, and nothing that nobody sees is left."""

from __future__ import annotations

import tempfile
from collections.abc import Set
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import CannotSlim, OverBudget
from layerscope.layers.compression import Compression
from layerscope.slim.plan import Chosen, SlimOptions, plan_slim
from layerscope.slim.write import NothingSaved, WriteOptions
from layerscope.waste.find import Cause
from support import model
from support.image_builder import Compress, Layer, directory, file, hardlink, layer, opaque, symlink, whiteout
from support.model import Sight, sights
from support.slimming import analyzed, layers_of, slimmed, stored, tars_of
from support.strategies import polite_stacks, stacks

options = st.builds(
    SlimOptions,
    causes=st.one_of(st.just(frozenset(Cause)), st.sampled_from(list(Cause)).map(lambda cause: frozenset({cause}))),
    spared_layers=st.sampled_from((0, 0, 1, 2)),
    keep=st.sampled_from(((), (), ("a/**",), ("*b",))),
    drop=st.sampled_from(((), (), ("a",), ("b",))),
    layers=st.sampled_from((None, None, frozenset({2, 3}))),
    drop_empty=st.booleans(),
    merge_own=st.booleans(),
    budget=st.sampled_from((None, None, 5_000, 25_000)),
)
compressions = cast("st.SearchStrategy[Compress]", st.sampled_from(("none", "none", "gzip", "zstd")))


def assert_same_files(
    stack: list[Layer], chosen: SlimOptions | None = None, compress: Compress = "none", *, is_all: bool = False
) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = stored(Path(place), *stack, compress=compress)
        before = analyzed(path)
        if any(problem.is_doubt for problem in before.problems):
            with pytest.raises(CannotSlim):
                plan_slim(before, chosen)
            return
        try:
            result, out = slimmed(path, chosen)
        except OverBudget:
            assert chosen is not None
            assert chosen.budget is not None
            return
        except CannotSlim as error:
            assert "cannot be merged" in str(error) or "the image would be larger" in str(error)
            assert not is_all or any(map(has_marker_in_what_it_hides, stack))
            return
        was_seen, now_seen, asked = sights(stack), sights(layers_of(out)), set(chosen.drop if chosen else ())
        assert now_seen.items() <= only(was_seen, now_seen.keys()).items()
        for gone in was_seen.keys() - now_seen.keys():
            assert asked & set(map(bytes.decode, gone.split(b"/"))), f"{gone!r} is gone"
        old, new = tars_of(path), tars_of(out)
        for layer, now in zip(result.layers, new, strict=True):
            was = [old[number - 1] for number in layer.made_of]
            assert len(now) <= sum(map(len, was)) or len(was) > 1
            assert layer.is_rewritten or [now] == was
        assert not chosen or chosen.budget is None or result.stored_bytes <= chosen.budget
        after = analyzed(out)
        if is_all:
            assert not (after.waste.written_by > (chosen.spared_layers if chosen else 0)).any()
            assert not plan_slim(after, chosen).rewritten, "a second run saves nothing"


def only(seen: dict[bytes, Sight], left: Set[bytes]) -> dict[bytes, Sight]:
    """What is seen at the paths that are `left`, and by which of them contents are named."""
    return {path: replace(sight, names=sight.names & left) for path, sight in seen.items() if path in left}


def has_marker_in_what_it_hides(each: Layer) -> bool:
    """Whether a marker alone makes a directory that its own layer hides."""
    hidden = [path for member in each.members if (marker := model.hidden_by(member)) for path in marker[1:]]
    return any(model.is_below(one, other) for one in hidden for other in hidden if one != other)


@pytest.mark.slow
@given(stacks, options, compressions)
def test_any_image_shows_the_same_afterwards(stack: list[Layer], chosen: SlimOptions, compress: Compress) -> None:
    assert_same_files(stack, chosen, compress)


@given(stacks)
def test_any_image_at_all_shows_the_same_afterwards(stack: list[Layer]) -> None:
    assert_same_files(stack)


polite_options = st.builds(
    SlimOptions, spared_layers=st.sampled_from((0, 0, 1)), drop_empty=st.booleans(), merge_own=st.booleans()
)


@given(polite_stacks(), polite_options)
def test_a_sensible_image_wastes_nothing_afterwards(stack: list[Layer], chosen: SlimOptions) -> None:
    assert_same_files(stack, chosen, is_all=True)


@pytest.mark.parametrize(
    ("stack", "drop", "left"),
    [
        ([layer(file("a", b"1"), hardlink("b", "a"))], "b", {b"a"}),
        ([layer(file("a", b"1")), layer("c", hardlink("b", "a"))], "b", {b"a", b"c"}),
        ([layer(file("a", b"1"), hardlink("b", "a"), hardlink("c", "a"))], "[bc]", {b"a"}),
        ([layer(file("a", b"1"), hardlink("b", "a"), hardlink("c", "b"))], "b", {b"a", b"b", b"c"}),
        ([layer(file("a", b"1"), hardlink("b", "a", mode=0o600))], "b", {b"a", b"b"}),
        ([layer(file("a", b"1"), hardlink("b", "a"))], "a", {b"a", b"b"}),
        ([layer("a", symlink("l", "a"), file("e", b""))], "[le]", {b"a"}),
    ],
)
def test_a_name_that_is_dropped_goes_unless_others_need_it(
    stack: list[Layer], drop: str, left: set[bytes], tmp_path: Path
) -> None:
    before, path = sights(stack), stored(tmp_path, *stack)
    try:
        after = sights(layers_of(slimmed(path, SlimOptions(drop=(drop,)))[1]))
    except NothingSaved:
        after = before
    assert after.keys() == left
    assert after.items() <= only(before, after.keys()).items()


class Unpadded(Layer):
    """A layer whose tar ends with the last byte of its last content."""

    def tar(self, tar_format: int | None = None) -> bytes:
        return Layer.tar(self, tar_format).rstrip(b"\0")


@pytest.mark.parametrize("compress", ["none", "gzip"])
@pytest.mark.parametrize(
    "stack",
    [
        [layer("x/y"), layer(whiteout("x/y"))],
        [layer("p/a"), layer(file("p", b"1")), layer("p/", "p/b")],
        [layer(file("a", b"1"), hardlink("b", "a")), layer(whiteout("a"))],
        [layer(file("a", b"1")), layer(hardlink("b", "a")), layer(whiteout("a"))],
        [layer(file("a", b"1"), hardlink("b", "a", mode=0o600)), layer(whiteout("b"))],
        [layer("d/", "d/e/", "d/e/f"), layer(whiteout("d"), "d/g")],
        [layer("d/", "d/f"), layer(opaque("d"), "d/g")],
        [layer("d/f", symlink("l", "d"), "l/x"), layer(whiteout("l"), whiteout("d/x"))],
        [layer(file("a", b"1"), file("a", b"2")), layer("b")],
        [layer(file("a" * 150, b"1")), layer("p/" + "b" * 150), layer(whiteout("p/" + "b" * 150), file("a" * 150, b"2"))],
        [layer(file(b"\xff\xfe", b"1"), b"d\xff/x"), layer(file(b"\xff\xfe", b"2"), whiteout(b"d\xff/x"))],
        [layer(directory("d", mode=0o700), "d/x"), layer(whiteout("d/x"))],
        [layer("d/e/x", "d/y"), layer("d/e/z"), layer(whiteout("d/e/x"), whiteout("d/e/z"), whiteout("d/y"))],
        [Unpadded(layer("a", file("b", b"1" * 700)).members), layer(file("a", b"2"))],
        [Unpadded(layer("a", file("b", b"1" * 700)).members), layer(file("b", b"2"))],
        [Unpadded(layer(file("b", b"1" * 700)).members), layer(file("b", b"2"))],
    ],
)
def test_what_is_hard_to_keep_is_kept_and_nothing_else(stack: list[Layer], compress: Compress) -> None:
    assert_same_files(stack, compress=compress, is_all=True)


def test_a_directory_that_was_implied_does_not_come_to_depend_on_a_whiteout(tmp_path: Path) -> None:
    """umoci makes no directories for whiteouts."""
    path = stored(tmp_path, layer(file("d/e/x", b"1")), layer(whiteout("d/e/x")))
    assert layers_of(slimmed(path)[1])[0].members == (file("d/e/x"),)


def test_a_layer_that_gets_no_smaller_stays_and_the_others_hide_what_is_in_it(tmp_path: Path) -> None:
    numbers = b" ".join(b"%d" % (number * number) for number in range(20_000))
    below = layer("d/", file("d/f", b"1"), file("k", numbers))
    path = stored(tmp_path, below, layer(file("d", b"3" * 300)), layer("d/", "d/g"), compress="gzip")
    result, out = slimmed(path, write=WriteOptions(level=1))
    assert [each.is_rewritten for each in result.layers] == [False, True, False]
    assert result.plan.content_bytes == 300, "what stays is not claimed"
    assert layers_of(out)[1].members == (file("d"),)


def test_where_every_layer_would_be_larger_nothing_is_saved(tmp_path: Path) -> None:
    numbers = b" ".join(b"%d" % (number * number) for number in range(20_000))
    path = stored(tmp_path, layer(file("a", b"1"), file("k", numbers)), layer(file("a", b"2")), compress="gzip")
    with pytest.raises(NothingSaved):
        slimmed(path, write=WriteOptions(level=1))
    assert [each.name for each in tmp_path.iterdir()] == ["image.tar"]


def test_a_base_that_is_spared_keeps_its_bytes(tmp_path: Path) -> None:
    path = stored(tmp_path, layer(file("a", b"1")), layer(file("a", b"2")), layer(file("a", b"3")))
    result, out = slimmed(path, SlimOptions(spared_layers=1))
    assert [each.is_rewritten for each in result.layers] == [False, True, False]
    assert tars_of(out)[0] == tars_of(path)[0]


def test_of_what_nobody_sees_only_what_was_picked_goes(tmp_path: Path) -> None:
    path = stored(tmp_path, layer(file("a", b"1"), file("b", b"22"), "k/x"), layer(file("a", b"3"), whiteout("b")))
    analysis = analyzed(path)
    tree, waste = analysis.tree, analysis.waste
    nodes = np.zeros(len(tree.nodes), bool)
    is_b = waste.node == tree.nodes.find(b"b")
    assert plan_slim(analysis, SlimOptions(chosen=Chosen(is_b, nodes))).content_bytes == 2
    nodes[tree.nodes.find(b"k")] = True
    result, out = slimmed(path, SlimOptions(chosen=Chosen(is_b, nodes)))
    assert layers_of(out)[0].members == (file("a", b"1"),)
    assert (result.plan.asked_paths, result.proof.asked_paths) == (1, 1)


def test_what_is_asked_to_go_goes_although_it_is_seen(tmp_path: Path) -> None:
    path = stored(tmp_path, layer("d/", "d/a", "doc/", "doc/x/", "doc/x/y"), layer("doc/x/v"))
    result, out = slimmed(path, SlimOptions(drop=("doc",)))
    assert sorted(sights(layers_of(out))) == [b"d", b"d/a"]
    assert result.proof.asked_paths == 4


def test_the_first_name_of_content_that_has_others_stays_although_it_is_asked_to_go(tmp_path: Path) -> None:
    path = stored(tmp_path, layer("doc/", "doc/x", file("doc/y", b"1"), hardlink("doc/z", "doc/y"), hardlink("kept", "doc/y")))
    _, out = slimmed(path, SlimOptions(drop=("doc",)))
    assert sorted(sights(layers_of(out))) == [b"doc", b"doc/y", b"kept"]


def test_what_the_base_has_too_stays_although_it_is_asked_to_go(tmp_path: Path) -> None:
    stack = [layer("doc/", "doc/a"), layer(file("doc/a", b"new"), "doc/b")]
    _, out = slimmed(stored(tmp_path, *stack), SlimOptions(drop=("doc",), spared_layers=1))
    assert sorted(sights(layers_of(out))) == [b"doc", b"doc/a"]
    assert sights(layers_of(out))[b"doc/a"] == sights(stack)[b"doc/a"]


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    path = stored(tmp_path, layer(file("a", b"1" * 5000)), layer(file("a", b"2")), compress="gzip")
    first = slimmed(path)[1].read_bytes()
    assert slimmed(path)[1].read_bytes() == first


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD, Compression.NONE])
def test_another_compression_is_only_that_of_rewritten_layers(tmp_path: Path, compression: Compression) -> None:
    path = stored(tmp_path, layer(file("a", b"1" * 5000)), layer(file("a", b"2")), compress="gzip")
    result, _ = slimmed(path, write=WriteOptions(compression=compression))
    assert [each.compression for each in result.layers] == [compression, Compression.GZIP]
