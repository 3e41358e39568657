"""Keys that arrive in one burst, as from a macro or over a slow line: each acts where the keys before it have led."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from textual import events
from textual.app import App
from textual.message_pump import MessagePump
from textual.widgets import Input

PATIENCE = 5.0
"""Seconds after which a key is handed over though the one before is still at work: no key waits for ever."""
SEARCH_PATIENCE = 3.0
"""Seconds after which keys after Enter no longer wait for what is searched for."""
EVERY = 0.005
NOT_WAITING = {"escape", "ctrl+c", "ctrl+q"}
"""Keys that end the waiting for a search."""


MOST = 9_999_999
"""The highest count."""


def counted(app: App[Any]) -> int:
    """Return the count typed before the key that is acted on, as in `3j`; 0 if there is none."""
    queue = getattr(app, "key_queue", None)
    return queue.count if isinstance(queue, KeyQueue) else 0


def counted_so_far(app: App[Any]) -> int:
    """Return the count that is being typed; 0 if there is none."""
    queue = getattr(app, "key_queue", None)
    return queue.counting if isinstance(queue, KeyQueue) else 0


class KeyQueue:
    """Hands keys and pasted text to an app one at a time, each when all is done that the one before brought about.

    Textual sends a key to what has the focus when the key arrives, and acts on it later: of two keys in one burst, the second
    would miss the focus that the first moves. `is_searching` tells whether what Enter leads to is still being looked for.

    Digits that are not bound and not typed into a line of text are a count for the next key; `counting` is the count so far,
    and `count` that of the key that is acted on, 0 for none.
    """

    def __init__(self, app: App[Any], is_searching: Callable[[], bool]) -> None:
        self._app, self._is_searching = app, is_searching
        self._waiting: deque[tuple[events.Event, Callable[[], object]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self.counting = self.count = 0

    @property
    def is_busy(self) -> bool:
        """Tell whether a key waits or is being acted on."""
        return self._task is not None

    def put(self, event: events.Event, deliver: Callable[[], object]) -> None:
        """Call `deliver` in the app, which hands it `event`, as soon as it is its turn."""
        self._waiting.append((event, deliver))
        if self._task is None:
            self._task = asyncio.create_task(self._hand_over())

    async def _hand_over(self) -> None:
        try:
            while self._waiting and self._is_open:
                event, deliver = self._waiting.popleft()
                if self._is_counted(event):
                    continue
                self._app.call_later(deliver)
                await _limited(self._quiet(), PATIENCE)
                if isinstance(event, events.Key) and event.key == "enter":
                    await _limited(self._searched(), SEARCH_PATIENCE)
                    await _limited(self._quiet(), PATIENCE)
        finally:
            self._task = None

    def _is_counted(self, event: events.Event) -> bool:
        """Take a digit into the count; any other key takes the count, and Escape only drops it."""
        key, before = event.key if isinstance(event, events.Key) else "", self.counting
        is_free = not isinstance(self._app.focused, Input) and key not in self._app.screen.active_bindings
        is_digit = len(key) == 1 and key in ("123456789" if not before else "0123456789") and is_free
        self.counting = min(10 * before + int(key), MOST) if is_digit else 0
        self.count = 0 if is_digit else before
        if before != self.counting:
            self._app.screen.refresh_bindings()  # the footer shows it
        return is_digit or (bool(before) and key == "escape")

    async def _searched(self) -> None:
        while self._is_open and self._is_searching():
            if any(getattr(event, "key", "") in NOT_WAITING for event, _ in self._waiting):
                return
            await asyncio.sleep(EVERY)

    async def _quiet(self) -> None:
        """Wait until the focused widget and all around it have nothing left to do."""
        before: list[MessagePump] = []
        while self._is_open and ((chain := self._chain) != before or any(pump.message_queue_size for pump in chain)):
            before = chain
            for pump in chain:
                passed = asyncio.Event()
                if pump.call_later(passed.set):
                    await passed.wait()
                else:  # it is closing
                    await asyncio.sleep(EVERY)

    @property
    def _is_open(self) -> bool:
        """Tell whether the app still has a screen: while it ends, its tasks go on for a moment without one."""
        return self._app.is_running and bool(self._app.screen_stack)

    @property
    def _chain(self) -> list[MessagePump]:
        """Return the focused widget and all around it, which its messages bubble through, out to the app."""
        screen = self._app.screen
        return [*(screen.focused.ancestors_with_self if screen.focused else screen.ancestors_with_self)]


async def _limited(waiting: Coroutine[Any, Any, None], seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(waiting, seconds)
