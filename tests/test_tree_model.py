"""The merged tree against the model, on stacks that make sense and on stacks that do not."""

from __future__ import annotations

from hypothesis import given

import model
from build import Layer
from seen import state_of, tree_of
from strategies import linkless_stacks, polite_stacks, stacks


def assert_same_states(stack: list[Layer]) -> None:
    tree = tree_of(stack)
    for number, state in enumerate(model.merge(stack).states, 1):
        found = state_of(tree, number)
        assert found.visible == state.visible, f"visible after layer {number}"
        assert found.changes == state.changes, f"changes of layer {number}"


@given(polite_stacks())
def test_every_view_of_a_sensible_image_is_the_models(stack: list[Layer]) -> None:
    assert_same_states(stack)


@given(linkless_stacks)
def test_every_view_of_an_image_without_links_is_the_models(stack: list[Layer]) -> None:
    assert_same_states(stack)


@given(stacks)
def test_every_view_of_any_image_is_the_models(stack: list[Layer]) -> None:
    assert_same_states(stack)
