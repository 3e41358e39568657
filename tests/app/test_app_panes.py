"""The room that panes share, and the divider between them: dragged with the mouse, moved by keys."""

from __future__ import annotations

import pytest

from support.image_builder import file, layer
from support.screens import NARROW, WIDE, Shown, built, demo, explored, piloted

MANY = tuple(layer(file("a" if number % 2 else "b", b"x" * number)) for number in range(1, 17))


def width(screen: Shown) -> int:
    return screen.explorer.query_one("#side").region.width


def height(screen: Shown) -> int:
    return screen.explorer.query_one("#side").region.height


async def drag(screen: Shown, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Press the mouse at a cell of the terminal, move it to another one, and let go."""
    await screen.pilot.mouse_down(offset=start)
    await screen.pilot.hover(offset=end)
    await screen.pilot.mouse_up(offset=end)
    await screen.settled()


@piloted
async def test_layers_get_the_lines_that_files_leave_empty_and_keep_them() -> None:
    async with explored(built(*MANY)) as screen:
        assert height(screen) == 16, "22 lines: six are the least for files"
        await screen.keys("[ [ tab E slash z escape escape")
        assert height(screen) == 16
    async with explored(built(*MANY[:8], layer(*(file(f"f{number}", b"x") for number in range(10))))) as screen:
        assert height(screen) == 8, "ten files, their heads and their title leave eight of 22 lines"
    async with explored(demo) as screen:
        assert height(screen) == 7, "more files than there is room for"


@piloted
async def test_the_line_between_the_panes_is_dragged() -> None:
    async with explored(demo, size=WIDE) as screen:
        at = width(screen)
        await drag(screen, (at, 20), (at - 10, 22))
        assert width(screen) == at - 10
        await drag(screen, (at - 11, 20), (at + 4, 22))
        assert width(screen) == at + 5
        await drag(screen, (at + 9, 20), (at + 20, 20))
        assert width(screen) == at + 5, "that was not the line"


@piloted
async def test_a_narrow_terminal_has_its_own_line_to_drag() -> None:
    async with explored(demo) as screen:
        await drag(screen, (30, 8), (31, 10))
        assert height(screen) == 9
        await drag(screen, (30, 10), (31, 1))
        assert height(screen) == 3


@piloted
async def test_keys_give_room_to_the_pane_with_the_focus_within_bounds() -> None:
    async with explored(demo, size=WIDE) as screen:
        at = width(screen)
        await screen.keys("+")
        assert width(screen) == at + 4
        await screen.keys("tab + 2 +")
        assert width(screen) == at - 8
        await screen.keys("9 9 +")
        assert width(screen) == 32
        await screen.keys("9 9 -")
        assert width(screen) == 140 - 48


@piloted
async def test_the_divider_stays_over_sizes_zoom_and_images() -> None:
    async with explored(demo, size=WIDE, keys=["+ +"]) as screen:
        at = width(screen)
        await screen.resize(*NARROW)
        assert (width(screen), height(screen)) == (80, 7)
        await screen.keys("+ +")
        assert height(screen) == 9
        await screen.resize(*WIDE)
        assert width(screen) == at
        await screen.keys("z")
        assert width(screen) == 140
        await screen.keys("+ escape")
        assert width(screen) == at
        assert screen.app._split == screen.explorer.split


@pytest.mark.parametrize("size", [(40, 10), (110, 8)])
@piloted
async def test_a_small_terminal_stands_a_divider_that_was_moved(size: tuple[int, int]) -> None:
    async with explored(demo, size=(200, 60), keys=["9 9 +"]) as screen:
        await screen.resize(*size)
        await screen.keys("+ - 9 9 + tab + +")
        screen.check_lines()
