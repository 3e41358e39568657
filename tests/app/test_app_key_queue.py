"""Keys that wait while what they are for is closed."""

from __future__ import annotations

import asyncio

import pytest

from layerscope.app.key_queue import KeyQueue
from support.screens import demo, explored, piloted


class Closing:
    """What takes no call any more, and has something left to do. It tells whether others get their turn."""

    message_queue_size = 1
    asked = 0

    def call_later(self, _call: object) -> bool:
        self.asked += 1
        assert self.asked < 1000, "nothing else gets its turn"
        return False


@piloted
async def test_a_key_that_waits_for_what_is_closing_lets_all_else_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyQueue, "_chain", [Closing()])
    async with explored(demo) as screen:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(KeyQueue(screen.app, lambda: False)._quiet(), 0.1)
        monkeypatch.undo()


@piloted
async def test_keys_that_are_left_when_the_app_has_ended_are_dropped() -> None:
    async with explored(demo) as screen:
        queue = screen.app.key_queue
    await queue._quiet()
    await queue._hand_over()
    assert not queue.is_busy
