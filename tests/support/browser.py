"""A real Chromium without a screen, driven over a pipe by its own protocol (CDP): what it shows, logs and asks for."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
PATIENCE = 60.0
"""Seconds for one answer, on a machine that is busy with other tests."""
TROUBLE = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening")

Fields = dict[str, Any]


class Page:
    """One tab. `events` are all that it told so far."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser, self.session = browser, session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")

    def tell(self, method: str, **parameters: Any) -> Fields:
        return self.browser.tell(method, self.session, **parameters)

    def open(self, page: Path, *, place: str = "") -> None:
        """Open a file and wait until it has loaded and its scripts have run."""
        before = len(self.events("Page.loadEventFired"))
        self.tell("Page.navigate", url=page.as_uri() + place)
        self.browser.read_until(lambda: len(self.events("Page.loadEventFired")) > before)

    def events(self, *methods: str) -> list[Fields]:
        return [each for each in self.browser.events if each["method"] in methods and each.get("sessionId") == self.session]

    def value(self, script: str) -> Any:
        """What an expression gives, as JSON would carry it; a promise is waited for."""
        found = self.tell("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of what `selector` finds first."""
        place = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + Math.min(r.height / 2, 8)]; })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.tell("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)
        self.settle()

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.tell("Input.dispatchKeyEvent", type=kind, key=key)
        self.settle()

    def settle(self) -> None:
        """Wait until what was started has been done and drawn: the address changes in a task of its own."""
        self.value("new Promise((done) => requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(() => done(1)))))")

    @property
    def trouble(self) -> list[Fields]:
        """Everything logged, thrown or asked in a dialog."""
        return self.events(*TROUBLE)

    @property
    def requests(self) -> list[str]:
        """The address of everything that the page asked for."""
        return [each["params"]["request"]["url"] for each in self.events("Network.requestWillBeSent")]


class Browser:
    """A running browser; messages end with a NUL (Chromium's `--remote-debugging-pipe`)."""

    def __init__(self, commands: int, answers: int) -> None:
        self.commands, self.answers = commands, answers
        self.events: list[Fields] = []
        self.replies: dict[int, Fields] = {}
        self.count, self.rest = 0, b""

    def tell(self, method: str, session: str = "", **parameters: Any) -> Fields:
        self.count += 1
        number = self.count
        message: Fields = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        self.read_until(lambda: number in self.replies)
        reply = self.replies.pop(number)
        assert "error" not in reply, reply
        found: Fields = reply["result"]
        return found

    def page(self) -> Page:
        """A new tab, 1280 by 900 dots."""
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        page.tell("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
        return page

    def read_until(self, is_enough: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_enough():
            ready, _, _ = select.select([self.answers], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            piece = os.read(self.answers, 1 << 20)
            assert piece, "the browser has gone"
            *whole, self.rest = (self.rest + piece).split(b"\0")
            for message in map(json.loads, whole):
                if "id" in message:
                    self.replies[message["id"]] = message
                else:
                    self.events.append(message)


@contextmanager
def running_browser(profile: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile in `profile`, and end it."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = " ".join(("exec", "chromium", *FLAGS, "--remote-debugging-pipe", '--user-data-dir="$1"', "about:blank"))
    redirected = f"{command} 3<&{theirs_in} 4>&{theirs_out}"
    with subprocess.Popen(
        ["bash", "-c", redirected, "sh", profile],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"HOME": str(profile)},
    ) as child:
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Browser(ours_out, ours_in)
        finally:
            os.close(ours_out)
            os.close(ours_in)
            child.terminate()
