"""Waste against the model: every wasted content with its path, cause and layers; and the sum that must hold for any image."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from support import model
from support.image_builder import Compress, Layer
from support.seen import Stacked
from support.strategies import linkless_stacks, polite_stacks, stacks


def assert_same_waste(stack: list[Layer]) -> None:
    stacked, expected = Stacked.of(stack), model.merge(stack)
    assert stacked.wasted() == expected.waste
    found = stacked.waste()
    assert (found.content_bytes, found.live_bytes) == (expected.content_bytes, expected.live_bytes)


@pytest.mark.slow
@given(polite_stacks())
def test_every_wasted_content_of_a_sensible_image_is_the_models(stack: list[Layer]) -> None:
    assert_same_waste(stack)


@pytest.mark.slow
@given(linkless_stacks)
def test_every_wasted_content_of_an_image_without_links_is_the_models(stack: list[Layer]) -> None:
    assert_same_waste(stack)


@pytest.mark.slow
@given(stacks)
def test_every_wasted_content_of_any_image_is_the_models(stack: list[Layer]) -> None:
    assert_same_waste(stack)


@pytest.mark.slow
@given(stacks)
def test_content_bytes_are_live_and_wasted_bytes(stack: list[Layer]) -> None:
    found = Stacked.of(stack).waste()
    assert found.content_bytes == found.live_bytes + found.wasted_bytes


@pytest.mark.slow
@given(stacks)
def test_the_models_content_bytes_are_live_and_wasted_bytes(stack: list[Layer]) -> None:
    expected = model.merge(stack)
    assert expected.content_bytes == expected.live_bytes + expected.wasted_bytes


@pytest.mark.slow
@pytest.mark.parametrize("compress", ["gzip", "zstd"])
@settings(max_examples=40)
@given(stack=polite_stacks())
def test_compressed_layers_waste_the_same(stack: list[Layer], compress: Compress) -> None:
    assert Stacked.of(stack, compress).wasted() == Stacked.of(stack).wasted()
