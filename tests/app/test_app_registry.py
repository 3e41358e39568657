"""The screen of a real registry (distribution's docker-registry): the tree, what arrives, opening an image and coming back."""

from __future__ import annotations

from threading import Event

import pytest
from rich.cells import cell_len

from layerscope.app.explorer.loader import Failed
from layerscope.units import size_text
from support.pretend_registry import Answer, Asked, pretended_registry
from support.registry_contents import LOWER, NEW, OLD, Contents
from support.registry_screens import arrived, looked_at, screen_of
from support.screens import NARROW, POOR, WIDE, Shown, piloted

pytestmark = pytest.mark.slow


def rows(shown: Shown) -> list[str]:
    """The lines from the sign on."""
    return [line[33:].rstrip() for line in shown.lines("registry") if line.strip()]


def words(shown: Shown) -> list[list[str]]:
    return [line.split() for line in shown.lines("registry") if line.strip()]


@piloted
async def test_the_repositories_of_a_registry_are_listed(contents: Contents) -> None:
    async with looked_at(contents.host) as shown:
        assert rows(shown) == ["▸ charts/app", "▸ team/app", "▸ team/web", "▸ web"]
        assert shown.summary.split() == [contents.host, "4", "repositories"]


@piloted
async def test_a_repository_unfolds_into_tags_with_size_age_and_digest(contents: Contents) -> None:
    async with looked_at(contents.host, keys="down space") as shown:
        assert rows(shown)[1:5] == [
            "▾ team/app  3 tags",
            "  ▸ latest  2 platforms",
            "  ▸ 1.10  2 platforms",
            "  ▸ 1.9  linux/amd64",
        ]
        old, new = (contents.digest(name).partition(":")[2][:12] for name in ("old", "index"))
        assert words(shown)[2][:5] == [*size_text(len(LOWER) + len(NEW)).split(), "4", "weeks", new]
        assert words(shown)[4][:5] == [*size_text(len(LOWER) + len(OLD)).split(), "2", "months", old]
        await shown.keys("left")
        assert rows(shown) == ["▸ charts/app", "▸ team/app  3 tags", "▸ team/web", "▸ web"]


@piloted
async def test_a_tag_unfolds_into_platforms_and_what_is_attached(contents: Contents) -> None:
    async with looked_at(f"{contents.host}/team/app", keys="down right") as shown:
        assert rows(shown)[1:7] == [
            "  ▾ latest  2 platforms",
            "      linux/amd64",
            "      linux/arm64",
            "      signature",
            "      bill of materials  https://spdx.dev/Doc…",
            "      provenance  https://slsa.dev/provenance…",
        ]
        note = " ".join(" ".join(shown.lines("registry-note")).split())
        assert "built 2026-03-01 10:00" in note
        assert contents.digest("index") in note.replace(" ", "")
        await shown.keys("down down down down")
        assert "bill of materials of " in " ".join(shown.lines("registry-note"))


@piloted
async def test_an_image_can_be_named(contents: Contents) -> None:
    async with looked_at(f"{contents.host}/team/app:1.10") as shown:
        assert [line.split()[-1] for line in rows(shown)[2:5]] == ["linux/amd64", "linux/arm64", "signature"]


@pytest.mark.parametrize(("keys", "layers"), [("down enter", 2), ("down right down down enter", 2)])
@piloted
async def test_enter_opens_an_image_and_q_comes_back_to_its_line(contents: Contents, keys: str, layers: int) -> None:
    async with looked_at(f"{contents.host}/team/app", keys=keys) as shown:
        await shown.until(lambda: shown.explorer.analysis is not None)
        await shown.settled()
        assert shown.explorer.analysis is not None
        image = shown.explorer.analysis.image
        assert (len(image.layers), str(image.platform)) == (layers, "linux/amd64" if keys == "down enter" else "linux/arm64")
        await shown.keys("q")
        assert screen_of(shown).pane.row is not None
        assert screen_of(shown).pane.cursor == keys.split().count("down")
        await shown.keys("q")
        assert shown.app._exit


@piloted
async def test_what_is_no_image_is_not_opened(contents: Contents) -> None:
    async with looked_at(f"{contents.host}/charts/app", keys="down enter") as shown:
        assert shown.said == ["0.1.0 is a Helm chart, which has no layers to explore"]


@piloted
async def test_the_filter_leaves_matching_repositories_and_tags(contents: Contents) -> None:
    async with looked_at(contents.host, keys="down space slash") as shown:
        await shown.write("web")
        assert rows(shown) == ["▸ team/web", "▸ web"]
        await shown.keys("enter escape slash")
        await shown.write("1.1")
        assert rows(shown) == ["▾ team/app  3 tags", "  ▸ 1.10  2 platforms"]
        await shown.keys("escape")
        assert len(rows(shown)) == 7


@piloted
async def test_what_cannot_be_listed_ends_the_screen_with_a_sentence(contents: Contents) -> None:
    async with looked_at(f"{contents.host}/nothing", wait=False) as shown:
        await shown.until(lambda: shown.app._exit)
        ending = shown.app.return_value
        assert isinstance(ending, Failed)
        assert "lists no repository that begins with nothing" in str(ending.error)


@piloted
async def test_a_list_that_breaks_off_is_told_and_what_arrived_stays() -> None:
    with pretended_registry() as pretended:
        page = Answer(200, b'{"repositories": ["a", "b"]}', {"Link": '</v2/_catalog?last=b>; rel="next"'})
        pretended.routes["/v2/_catalog"] = lambda asked: Answer(403) if "last=" in asked.path else page
        async with looked_at(pretended.host) as shown:
            assert rows(shown) == ["▸ a", "▸ b"]
            assert "refuses list of repositories" in shown.said[0]
            await shown.keys("space")
            await arrived(shown)
            assert "has no list of tags of a" in " ".join(rows(shown))


@piloted
async def test_pages_are_shown_and_filtered_while_others_arrive_and_q_does_not_wait() -> None:
    goes_on = Event()
    with pretended_registry() as pretended:

        def pages(asked: Asked) -> Answer:
            if "last=" in asked.path:
                return Answer(200, b"{}", stall_after=0) if goes_on.is_set() else _second()
            return Answer(200, b'{"repositories": ["a/one", "b/two"]}', {"Link": '</v2/_catalog?last=1>; rel="next"'})

        def _second() -> Answer:
            goes_on.set()
            return Answer(200, b'{"repositories": ["c/one"]}', {"Link": '</v2/_catalog?last=2>; rel="next"'})

        pretended.routes["/v2/_catalog"] = pages
        async with looked_at(pretended.host, wait=False) as shown:
            await shown.until(lambda: len(rows(shown)) == 3)
            assert shown.summary.split()[1:] == ["3", "repositories,", "asking", "…"]
            await shown.keys("slash")
            await shown.write("one")
            assert rows(shown) == ["▸ a/one", "▸ c/one"]
            await shown.keys("ctrl+c")
            assert shown.app._exit


@piloted
async def test_only_tags_in_sight_are_read() -> None:
    tags = ", ".join(f'"{number}"' for number in range(500))
    with pretended_registry() as pretended:
        pretended.routes["/v2/team/app/tags/list"] = lambda _: Answer(200, f'{{"tags": [{tags}]}}'.encode())
        async with looked_at(f"{pretended.host}/team/app") as shown:
            read = {each.path for each in pretended.asked_for("/v2/team/app/manifests/")}
            assert 0 < len(read) <= 24
            assert "/v2/team/app/manifests/499" in read
            await shown.keys("end")
            await arrived(shown)
            assert pretended.asked_for("/v2/team/app/manifests/0")
            assert "has no manifest" in shown.lines("registry")[-1]


@pytest.mark.parametrize("size", [NARROW, WIDE, (40, 12), (20, 8)])
@piloted
async def test_it_fits_any_size(contents: Contents, size: tuple[int, int]) -> None:
    async with looked_at(f"{contents.host}/team/app", size=size, keys="down right") as shown:
        assert all(cell_len(line) <= size[0] for line in shown.lines("registry"))


@pytest.mark.parametrize("terminal", POOR)
@piloted
async def test_a_poor_terminal_shows_it_too(contents: Contents, terminal: object) -> None:
    async with looked_at(contents.host, terminal=terminal, keys="down space") as shown:  # type: ignore[arg-type]
        assert "team/app" in rows(shown)[1]
