"""Short messages: they stand in the last line and cover nothing, end with the next key, and can be read whole."""

from __future__ import annotations

import pytest

from layerscope.app.widgets.messages import Messages, ShortMessage
from layerscope.units import efficiency_word
from layerscope.wording.style import cells
from support.screens import NARROW, demo, explored, piloted


def test_a_message_that_is_cut_says_where_it_can_be_read() -> None:
    said = ShortMessage("Copied", "/a/very/long/path" * 20, "information")
    assert said.line(78).startswith("Copied: /a/very")
    assert said.line(78).endswith("…  ^p: last messages")
    assert cells(said.line(78)) <= 78
    assert cells(said.line(10)) <= 10
    assert ShortMessage("", "Short").line(10) == "Short"


def test_an_error_is_told_from_a_message_without_color() -> None:
    assert ShortMessage("Not opened", "no such image", "error").line(78) == "! Not opened: no such image"


def test_no_control_character_gets_into_a_message() -> None:
    assert Messages().say("a\x1b[31m\nb", "", "information").text == "a [31m b"


def test_the_next_key_ends_a_message_but_no_error() -> None:
    messages = Messages()
    messages.say("done", "", "information")
    assert messages.end()
    error = messages.say("broken", "", "error")
    assert not messages.end()
    assert messages.end(error)
    assert [said.text for said in messages.last] == ["done", "broken"]


@piloted
async def test_a_message_stands_in_the_last_line_until_the_next_key() -> None:
    async with explored(demo, size=NARROW, keys=["tab"]) as screen:
        before = screen.picture
        await screen.keys("{")
        assert screen.picture[-1].strip() == "No further change above"
        assert screen.picture[:-1] == before[:-1]
        await screen.keys("tab")
        assert "quit" in screen.picture[-1]


@pytest.mark.parametrize(("share", "word"), [(1.0, "good"), (0.94, "fair"), (0.489, "poor")])
def test_efficiency_has_a_word(share: float, word: str) -> None:
    assert efficiency_word(share) == word


@piloted
async def test_half_of_an_image_wasted_is_poor_in_words_and_red() -> None:
    async with explored(demo, size=(120, 30)) as screen:
        summary = screen.app.screen.query_one("#summary")
        assert "48.9% efficient (poor)" in screen.summary
        drawn = [each for each in summary.render_line(0) if "efficient" in each.text or "▕" in each.text]
        assert len(drawn) == 2
        removed = screen.app.theme_variables["removed"].lower()
        for segment in drawn:
            assert segment.style is not None
            assert segment.style.color is not None
            assert segment.style.color.triplet is not None
            assert segment.style.color.triplet.hex == removed
