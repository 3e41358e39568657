"""The pane of layers and the details under it: what they say, and how one steps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from layerscope.analysis import read_image
from layerscope.app.widgets.lines import Lines
from layerscope.cli.advising import with_instructions
from layerscope.progress import Progress
from layerscope.settings import Settings
from layerscope.sources.base import Base
from layerscope.sources.demo import open_demo
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from layerscope.units import size_text
from support.image_builder import Layer, digest, file, layer, squeeze, whiteout, write_layout
from support.kept_images import KeptImages
from support.screens import NARROW, WIDE, Shown, built, demo, explored, piloted, stored
from support.sources_build import config, saved, tar

GROWN = (
    layer(file("a", b"a" * 1000), file("b", b"b" * 1000)),
    layer(file("a", b"A" * 4000)),
    layer(whiteout("b")),
)


def ink_of(screen: Shown, line: int) -> str:
    pane = screen.layers
    return str([str(each.style) for each in pane.segments(line, pane.room)])


@piloted
async def test_each_layer_has_its_size_a_bar_its_waste_and_its_instruction() -> None:
    async with explored(built(*GROWN)) as screen:
        assert [screen.head("layers"), *screen.lines("layers")] == [
            "  #     size              wasted instruction",
            "  1  2.00 kB █████       2.00 kB step 1",
            "  2  4.00 kB ██████████          step 2",
            "  3     0  B                     step 3",
        ]


@piloted
async def test_the_last_layer_is_the_first_to_be_shown() -> None:
    async with explored(built(*GROWN)) as screen:
        assert (screen.layer, screen.focus) == (3, "layers")


@piloted
async def test_the_base_is_set_apart_and_dimmed() -> None:
    async with explored(built(*GROWN, base=1), size=WIDE) as screen:
        lines = screen.lines("layers")
        assert "base" in lines[1]
        assert "yours below" in lines[1]
        assert lines[2].startswith("  2")
        assert ink_of(screen, 0) != ink_of(screen, 2)


@piloted
async def test_the_line_below_the_base_is_stepped_over() -> None:
    async with explored(built(*GROWN, base=1), keys=["up"]) as screen:
        assert screen.layer == 2
        await screen.keys("up")
        assert screen.layer == 1


@piloted
async def test_an_image_that_is_all_base_has_no_line_below_it() -> None:
    async with explored(built(*GROWN, base=3)) as screen:
        assert len(screen.lines("layers")) == 3


@pytest.mark.parametrize(
    ("size", "settings", "is_shown"),
    [(WIDE, Settings(), True), (NARROW, Settings(), False), (WIDE, Settings(empty_steps=False), False)],
)
@piloted
async def test_steps_without_a_layer_are_listed_where_there_is_room(
    size: tuple[int, int], settings: Settings, is_shown: bool
) -> None:
    async with explored(demo, size=size, settings=settings) as screen:
        assert any("ENV PYTHONUNBUFFERED=1" in line for line in screen.lines("layers")) is is_shown


@piloted
async def test_steps_without_a_layer_are_stepped_over() -> None:
    async with explored(demo, size=WIDE, keys=["home"]) as screen:
        assert screen.layer == 1
        await screen.keys("down")
        assert screen.layer == 2
        await screen.keys("end")
        assert screen.layer == 10


@piloted
async def test_the_layer_stays_when_the_terminal_becomes_too_narrow_for_empty_steps() -> None:
    async with explored(demo, size=WIDE, keys=["up up"]) as screen:
        await screen.resize(*NARROW)
        assert screen.layer == 8
        await screen.resize(*WIDE)
        assert screen.layer == 8


@pytest.mark.parametrize(
    ("keys", "number"),
    [
        ("up", 9),
        ("k", 9),
        ("k k", 8),
        ("home", 1),
        ("g", 1),
        ("g G", 10),
        ("g end", 10),
        ("g down", 2),
        ("g j", 2),
        ("g pagedown", 6),
    ],
)
@piloted
async def test_keys_step_through_the_layers(keys: str, number: int) -> None:
    async with explored(demo, keys=[keys]) as screen:
        assert screen.layer == number
        assert f"after layer {number} " in screen.title


@piloted
async def test_the_ends_of_the_list_hold() -> None:
    async with explored(built(*GROWN), keys=["] down j"]) as screen:
        assert screen.layer == 3
        await screen.keys("[ [ [ [ up k")
        assert screen.layer == 1


@pytest.mark.parametrize("key", ["space", "enter", "right", "l"])
@piloted
async def test_opening_a_layer_goes_to_its_files(key: str) -> None:
    async with explored(built(*GROWN), keys=[key]) as screen:
        assert screen.focus == "files"


@piloted
async def test_more_than_99_layers_keep_their_columns() -> None:
    async with explored(built(*(layer(file(f"f{number}", b"x")) for number in range(101)))) as screen:
        lines = screen.lines("layers")
        assert lines[98].index("step") == lines[99].index("step") == screen.head("layers").index("instruction")


@piloted
async def test_the_cursor_is_in_sight_wherever_the_layers_are_scrolled() -> None:
    async with explored(built(*(layer(f"f{number}") for number in range(40)))) as screen:
        for keys in ("home", "pagedown", "[", "end", "pageup", "]"):
            await screen.keys(keys)
            top, height = round(screen.layers.scroll_y), screen.layers.scrollable_content_region.height
            assert top <= screen.layers.cursor < top + height


# Layers that are not there, or damaged.


def incomplete(path: Path, *layers: Layer) -> Path:
    """A layout without the blob of its second layer."""
    layout = write_layout(path / "layout", *layers)
    (layout / "blobs" / digest(squeeze(layers[1].tar(), "none")).replace(":", "/")).unlink()
    return layout


@piloted
async def test_a_layer_that_is_not_there_says_so_in_its_line(tmp_path: Path) -> None:
    async with explored(stored(incomplete(tmp_path, *GROWN)), size=WIDE) as screen:
        line = next(line for line in screen.lines("layers") if line.startswith("  2"))
        assert "not there" in line or "missing" in line or "absent" in line


@piloted
async def test_a_layer_that_is_not_there_says_why_in_the_details(tmp_path: Path) -> None:
    async with explored(stored(incomplete(tmp_path, *GROWN)), size=WIDE, keys=["up"]) as screen:
        assert screen.layer == 2
        assert "missing: blobs/" in "".join(screen.lines("details")[:3])


@piloted
async def test_a_containers_own_layer_has_the_size_that_reading_it_told(kept_containers: KeptImages) -> None:
    read = read_image(open_image("container:web")).sizes[-1].stored_bytes
    assert read > 0
    async with explored(stored("container:web"), size=WIDE) as screen:
        size = next(line for line in screen.lines("details") if line.split()[:1] == ["size"])
        assert f"{size_text(read)} stored" in size
        assert not any("missing" in line for line in screen.lines("details"))


@piloted
async def test_a_damaged_layer_is_told_of_in_the_details() -> None:
    def damaged(archive: bytes) -> bytes:
        at = archive.index(b"second") + 148  # a header's checksum
        return archive[:at] + b"9999999" + archive[at + 7 :]

    async with explored(built(layer("a"), layer("second", "third"), change=damaged), size=(140, 60)) as screen:
        details = screen.lines("details")
        at = details.index(" Problems")
        assert "layer 2" in details[at + 1]
        screen.check_lines()


@piloted
async def test_an_image_without_layers_shows_what_there_is() -> None:
    async with explored(built(), size=WIDE) as screen:
        assert (screen.layer, screen.paths) == (0, [])
        assert any("cmd" in line and "/bin/sh" in line for line in screen.lines("details"))
        await screen.keys("[ ] { } tab space enter left right e E s t m o a c d u y x i g G pagedown escape")
        screen.check_lines()


@piloted
async def test_an_image_of_one_file_shows_it() -> None:
    async with explored(built(layer(file("only", b"x"))), keys=["tab"]) as screen:
        assert screen.path == "only"


# Details.


def facts(screen: Shown) -> dict[str, str]:
    """The labels of the details and what stands after each: of the layer first, so that its win."""
    found: dict[str, str] = {}
    label = ""
    for line in screen.lines("details"):
        text = line[13:].strip()
        label = line[1:13].strip() or label
        if label:
            found.setdefault(label, text)
    return found


@piloted
async def test_the_details_tell_all_of_a_layer() -> None:
    async with explored(demo, size=WIDE, keys=["home j j j j"]) as screen:
        assert screen.layer == 5
        lines, known = screen.lines("details"), facts(screen)
        assert "RUN useradd app && chown -R app:app /srv/app" in lines[0]
        assert known["size"].startswith("1.52 MB on disk, 1.54 MB stored, ≈")
        assert known["entries"] == "+0 added  ~13 modified  -0 removed"
        assert known["wasted by"].split() == ["bytes", "layer", "files", "cause"]
        assert known["buries of"].split() == ["bytes", "layer", "files", "cause"]
        assert any(line.split() == ["1.52", "MB", "4", "8", "metadata"] for line in lines)
        assert re.fullmatch("sha256:[0-9a-f]{12}…", known["digest"])
        assert re.fullmatch("sha256:[0-9a-f]{12}…", known["diff_id"])
        assert sum("same bytes; mode, owner or" in line for line in lines) == 1


@piloted
async def test_the_details_tell_all_of_the_image() -> None:
    async with explored(demo, size=(200, 80)) as screen:
        lines, known = screen.lines("details"), facts(screen)
        assert known["efficiency"].endswith("48.9% (poor)")
        assert any("A container never sees 51 of every 100 bytes" in line for line in lines)
        assert {known[label] for label in ("name", "reference", "platform", "cmd", "user", "exposes", "env", "labels")} == {
            "layerscope/demo:latest",
            "demo",
            "linux/amd64",
            "python3 /srv/app/main.py",
            "app",
            "8000/tcp",
            "PATH=/usr/bin",
            "org.opencontainers.image.title=layerscope's sample image",
        }
        assert known["metadata"].startswith("1.57 MB")


@piloted
async def test_entries_are_those_of_the_layer_and_the_root_is_none_of_them() -> None:
    async with explored(built(layer("a", "b")), size=WIDE) as screen:
        assert facts(screen)["entries"] == "+2 added  ~0 modified  -0 removed"


@piloted
async def test_the_details_follow_the_layer() -> None:
    async with explored(built(*GROWN), size=WIDE) as screen:
        details: Lines = screen.widget("details", Lines)
        assert (details.border_title, screen.lines("details")[0]) == ("Layer 3 of 3", " step 3")
        await screen.keys("[")
        assert (details.border_title, screen.lines("details")[0]) == ("Layer 2 of 3", " step 2")


@pytest.mark.parametrize("keys", ["t [ ]", "[ [ m ] ]"])
@piloted
async def test_the_layers_entries_are_told_whatever_the_tree_shows(keys: str) -> None:
    async with explored(built(*GROWN), size=WIDE, keys=[keys]) as screen:
        assert facts(screen)["entries"] == "+0 added  ~0 modified  -1 removed"


@piloted
async def test_in_a_narrow_terminal_details_take_the_place_of_the_files_and_give_it_back() -> None:
    async with explored(demo) as screen:
        details: Lines = screen.widget("details", Lines)
        assert (details.is_on_screen, screen.files.is_on_screen) == (False, True)
        await screen.keys("i")
        assert (details.is_on_screen, screen.files.is_on_screen, screen.focus) == (True, False, "details")
        assert "COPY fonts" in "".join(screen.picture[8:])
        await screen.keys("i")
        assert (details.is_on_screen, screen.files.is_on_screen) == (False, True)


@piloted
async def test_details_come_back_to_the_pane_they_were_called_from() -> None:
    async with explored(demo, keys=["tab i i"]) as screen:
        assert screen.focus == "files"


@piloted
async def test_escape_closes_the_details_of_a_narrow_terminal() -> None:
    async with explored(demo, keys=["i escape"]) as screen:
        assert screen.files.is_on_screen
        assert screen.app.is_running


@piloted
async def test_in_a_wide_terminal_i_goes_to_the_details_and_back() -> None:
    async with explored(demo, size=WIDE, keys=["i"]) as screen:
        assert screen.focus == "details"
        await screen.keys("i")
        assert screen.focus == "layers"


@piloted
async def test_details_scroll_with_keys_and_stay_while_layers_are_stepped_through() -> None:
    async with explored(demo, keys=["i j j"]) as screen:
        details: Lines = screen.widget("details", Lines)
        assert details.scroll_y == 2
        await screen.keys("end")
        assert details.scroll_y == details.max_scroll_y > 2
        await screen.keys("[")
        assert (screen.layer, details.scroll_y, screen.focus) == (9, 0, "details")


@piloted
async def test_tab_goes_round_the_panes_that_are_shown() -> None:
    async with explored(demo, size=WIDE) as screen:
        seen = []
        for key in ("tab", "tab", "tab", "shift+tab"):
            await screen.keys(key)
            seen.append(screen.focus)
        assert seen == ["files", "details", "layers", "details"]
    async with explored(demo, keys=["tab tab"]) as screen:
        assert screen.focus == "layers"


# The mouse.


@piloted
async def test_a_click_on_a_layer_steps_to_it() -> None:
    async with explored(built(*GROWN)) as screen:
        await screen.click("layers", 0)
        assert (screen.layer, screen.focus) == (1, "layers")


@piloted
async def test_a_second_click_on_a_layer_goes_to_its_files() -> None:
    async with explored(built(*GROWN), keys=["tab"]) as screen:
        await screen.click("layers", 1)
        await screen.click("layers", 1)
        assert (screen.layer, screen.focus) == (2, "files")


@piloted
async def test_a_click_on_the_line_below_the_base_does_nothing() -> None:
    async with explored(built(*GROWN, base=1)) as screen:
        await screen.click("layers", 1)
        await screen.click("layers", -1)
        assert screen.layer == 3


@piloted
async def test_details_say_how_the_base_is_known() -> None:
    def opener(_progress: Progress) -> tuple[Image, Base]:
        return open_demo(), Base(1, "demo-base:1", "Dockerfile")

    async with explored(opener, size=WIDE) as screen:
        assert any("demo-base:1, the first 1 layer, by" in line for line in screen.lines("details"))


@pytest.mark.parametrize("text", ["FROM base\nRUN make all\n\nCOPY . .\n", "no Dockerfile", ""])
@piloted
async def test_a_layer_is_named_by_its_line_of_the_dockerfile_if_there_is_one(text: str, tmp_path: Path) -> None:
    blobs = [layer(name).tar() for name in ("base", "made", "copied")]
    copied = f"/bin/sh -c #(nop) COPY dir:{'30e35cb4' * 8} in . "
    history = [{"created_by": step} for step in ("base", "/bin/sh -c make all", copied)]
    archive, dockerfile = tmp_path / "image.tar", tmp_path / "Dockerfile"
    archive.write_bytes(tar(saved(*blobs, settings=config(*blobs, history=history))))
    if text:
        dockerfile.write_text(text)

    def opener(progress: Progress) -> tuple[Image, Base]:
        image, base = stored(archive)(progress)
        return with_instructions(image, base.layers, None, context=tmp_path), base

    async with explored(opener) as screen:
        is_known = text.startswith("FROM")
        last = screen.lines("layers")[-1]
        assert ("COPY . .  " in last, last.endswith("  line 4")) == (is_known, is_known)
        assert ("COPY 30e35cb4 ." in last) == (not is_known)
        details = [" ".join(line.split()) for line in screen.lines("details")]
        assert ("COPY . ." in details, "Dockerfile line 4" in details) == (is_known, is_known)
