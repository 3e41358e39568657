"""As few bytes to push again as it takes to have an image that is small enough."""

from __future__ import annotations

from itertools import chain, combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import OverBudget
from layerscope.slim.budget import fewest_pushed
from layerscope.slim.plan import SlimOptions, plan_slim
from layerscope.slim.write import WriteOptions, write_slim
from support.image_builder import file, layer
from support.slimming import analyzed, slimmed, stored, tars_of

NOISE = b" ".join(b"%d" % (number * number) for number in range(20_000))
sizes = st.dictionaries(st.integers(1, 7), st.tuples(st.integers(-2, 9), st.integers(0, 9)))


@given(sizes, st.integers(-5, 40))
def test_no_other_choice_pushes_less(layers: dict[int, tuple[int, int]], wanted: int) -> None:
    saved, pushed = ({number: pair[at] for number, pair in layers.items()} for at in (0, 1))
    chosen = fewest_pushed(saved, pushed, wanted)
    subsets = chain.from_iterable(combinations(layers, count) for count in range(len(layers) + 1))
    enough = [subset for subset in subsets if sum(saved[number] for number in subset) >= wanted]
    if enough:
        assert sum(saved[number] for number in chosen) >= wanted
        assert sum(pushed[number] for number in chosen) == min(sum(pushed[number] for number in subset) for subset in enough)
    else:
        assert chosen == {number for number in layers if saved[number] > 0}


def test_the_layer_is_chosen_of_which_least_is_pushed(tmp_path: Path) -> None:
    big = layer(file("a", b"1" * 100_000), file("stays", NOISE))
    path = stored(tmp_path, big, layer(file("b", b"2" * 90_000)), layer(file("a"), file("b")))
    before = sum(map(len, tars_of(path)))
    result, out = slimmed(path, SlimOptions(budget=before - 80_000))
    assert [each.is_rewritten for each in result.layers] == [False, True, False]
    assert sum(map(len, tars_of(out))) == result.stored_bytes <= before - 80_000
    assert [each.number for each in plan_slim(analyzed(path), SlimOptions(budget=before - 150_000)).rewritten] == [1, 2]
    assert not plan_slim(analyzed(path), SlimOptions(budget=before)).rewritten


def test_where_an_estimate_was_too_good_another_choice_is_made(tmp_path: Path) -> None:
    """What goes from the first layer takes next to nothing of its compressed bytes."""
    first = layer(file("a", b"1" * 300_000), file("k", NOISE))
    second = layer(file("b", NOISE), file("c", NOISE + NOISE))
    path = stored(tmp_path, first, second, layer(file("a"), file("b")), compress="gzip")
    analysis = analyzed(path)
    budget = analysis.pull_size.stored_bytes - 30_000
    plan = plan_slim(analysis, SlimOptions(budget=budget))
    assert [each.number for each in plan.rewritten] == [1]
    result = write_slim(plan, tmp_path / "out.tar", WriteOptions(), progress=lambda *_: None)
    assert [each.is_rewritten for each in result.layers] == [False, True, False]
    assert result.stored_bytes <= budget
    with pytest.raises(OverBudget, match=r"is not reached: the least is .*; further options: no --layers, --compression"):
        slimmed(path, SlimOptions(budget=budget, layers=frozenset({1})))
