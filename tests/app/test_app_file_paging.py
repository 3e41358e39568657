from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from app.test_app_file import opened, piloted
from layerscope.errors import IsCancelled
from layerscope.viewing import paged
from support.image_builder import file, layer

COUNT = 250_000
LOG = b"".join(b"line %d of many\n" % number for number in range(1, COUNT + 1))


@piloted
async def test_a_large_file_is_shown_to_its_end_and_searched_all_around(tmp_path: Path) -> None:
    async with opened(tmp_path, (layer(file("big.log", LOG)),), "big.log") as view:
        assert view.shown[0] == "      1 line 1 of many"
        assert "cut" not in view.status
        await view.until(lambda: view.status.endswith("+"))
        await view.press("pagedown")
        assert view.lines.count < COUNT
        await view.press("slash", *"line 24999", "enter")
        await view.until(lambda: view.found == "line 24,999")
        assert 24_998 in view.lines.seen
        await view.press("n")
        await view.until(lambda: view.found == "line 249,990")
        await view.press("N", "N")
        await view.until(lambda: view.found == "line 249,999; went on from the end")
        await view.press("slash", *"zz")
        await view.until(lambda: view.found == "not found")
        await view.press("escape", "g", "G")
        await view.until(lambda: view.status.endswith(f"{COUNT:,} of {COUNT:,}"))
        assert view.shown[-1] == f" {COUNT} line {COUNT} of many"
        assert view.status.endswith(f"{COUNT:,} of {COUNT:,}")


@piloted
async def test_esc_stops_going_through_a_file_and_says_how_far_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, (layer(file("big.log", LOG)),), "big.log") as view:
        going, resume = Event(), Event()
        peek = paged._ForwardReader.peek

        def slow(reader: paged._ForwardReader, size: int, is_cancelled: IsCancelled) -> bytes:
            if reader.position > 2 << 20:
                going.set()
                resume.wait(10)
            return peek(reader, size, is_cancelled)

        monkeypatch.setattr(paged._ForwardReader, "peek", slow)
        for keys in (["G"], ["slash", *"nowhere"]):
            going.clear()
            resume.clear()
            for key in keys:
                await view.pilot.press(key)
            while not going.is_set():
                await view.pilot.pause(0.01)
            assert view.screen.pager.is_going_through
            await view.pilot.press("escape")
            resume.set()
            await view.settled()
            is_searched = len(keys) > 1
            await view.until(lambda found=is_searched: "stopped: " in (view.found if found else view.status))  # type: ignore[misc]
            assert "of 4.89 MB" in (view.found if is_searched else view.status)
            assert view.app.screen is view.screen


@piloted
async def test_a_line_of_megabytes_is_shown_whole_and_a_match_in_it_is_brought_into_sight(tmp_path: Path) -> None:
    content = b"x" * 5_000_000 + b" needle " + b"y" * 5000 + b"\nlast\n"
    async with opened(tmp_path, (layer(file("min.js", content)),), "min.js") as view:
        assert view.shown[1].startswith("      > xx")
        await view.press("slash", *"needle", "enter")
        await view.until(lambda: view.found == "line 1" and any("needle" in line for line in view.shown))
        await view.press("escape", "G")
        view.lines.across = 0
        await view.until(lambda: view.shown[-1] == "      2 last")


@piloted
async def test_a_large_binary_is_shown_to_its_end_and_searched(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000 + b"needle"
    async with opened(tmp_path, (layer(file("a.bin", content)),), "a.bin") as view:
        await view.press("slash", *"needle", "enter")
        await view.until(lambda: view.found == "byte 0x4e2000" and "needle" in view.shown[-1])
        await view.press("escape", "g", "G")
        await view.until(lambda: view.shown[-1].startswith("004e2000  6e 65"))
        await view.pilot.resize_terminal(60, 24)
        await view.settled()
        await view.press("G")
        await view.until(lambda: view.shown[-1].startswith("004e2000  6e 65"))
