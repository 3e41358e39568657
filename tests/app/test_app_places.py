"""Back and forward through jumps, and bookmarks of the session."""

from __future__ import annotations

from support.image_builder import file, layer
from support.screens import Shown, built, explored, piloted

IMAGE = (layer(file("a/big", b"1" * 900), file("a/b/bigger", b"2" * 9000), "c"), layer(file("d/new", b"3" * 500)))


def place(screen: Shown) -> tuple[str, int]:
    return screen.path, screen.layer


@piloted
async def test_back_and_forward_lead_through_jumps() -> None:
    async with explored(built(*IMAGE), keys=["tab G"]) as screen:
        start = place(screen)
        await screen.keys("B enter")
        first = place(screen)
        assert first == ("a/b/bigger", 1)
        await screen.keys("B j enter")
        second = place(screen)
        assert second == ("a/big", 1)
        for key, where in (("<", first), ("<", start), (">", first), (">", second)):
            await screen.keys(key)
            assert place(screen) == where
        await screen.keys(">")
        assert place(screen) == second
        assert "There is no place to go forward to" in screen.picture[-1]


@piloted
async def test_a_new_jump_forgets_what_was_ahead() -> None:
    async with explored(built(*IMAGE), keys=["tab B enter B j enter < <"]) as screen:
        await screen.keys("B enter >")
        assert "There is no place to go forward to" in screen.picture[-1]


@piloted
async def test_a_bookmark_gives_back_path_layer_and_folds() -> None:
    async with explored(built(*IMAGE), keys=["tab [ space j"]) as screen:
        marked, rows = place(screen), len(screen.rows)
        await screen.keys("' a")
        await screen.keys("] E g")
        assert place(screen) != marked
        await screen.keys("' b")
        assert (place(screen), len(screen.rows)) == (marked, rows)
        await screen.keys("<")
        assert place(screen)[1] == 2
