"""Keys that come in one burst, as from a macro or over a slow line: real bytes, written at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import written
from support.image_builder import file, layer
from support.terminals import READY, Bare, Tmux, bare, tmux

LARGE = 400_000


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return written(
        tmp_path / "image.tar",
        layer(file("etc/passwd", b"root:x:0:0\n"), "etc/group", "srv/a"),
        layer(file("big", b"0" * LARGE)),
    )


@pytest.fixture
def opened(tmp_path: Path, image: Path) -> Iterator[Tmux]:
    """The command on the image; all is read."""
    with tmux(tmp_path) as terminal:
        terminal.run_layerscope(image)
        terminal.wait(READY)
        yield terminal


def test_a_filter_and_enter_lead_to_the_match_and_escape_clears_it(opened: Tmux) -> None:
    opened.type("/passwd\r")
    opened.wait("/passwd  ")
    opened.wait("1 hit")
    opened.press("Escape")
    opened.wait_gone("1 hit")
    opened.wait("srv")


def test_a_key_after_enter_acts_on_the_match(opened: Tmux) -> None:
    opened.type("/passwd\rv")
    opened.wait("root:x:0:0")


def test_what_is_typed_after_a_view_opens_goes_to_the_view(opened: Tmux) -> None:
    opened.type("/passwd\rv/root\rq")
    opened.wait("1 hit")
    assert "root:x" not in opened.shown


def test_waste_and_back_and_the_next_layer(opened: Tmux) -> None:
    opened.type("wq[")
    opened.wait("after layer 1")


def test_the_name_to_extract_to_is_all_there(opened: Tmux, tmp_path: Path) -> None:
    opened.type("/passwd\rx")
    opened.wait("Enter copies")
    opened.type(f"{tmp_path}/copied\r")
    opened.wait_gone("Enter copies")
    assert (tmp_path / "copied").read_bytes() == b"root:x:0:0\n"


def test_what_is_typed_while_it_loads_filters_as_soon_as_it_can(tmp_path: Path, image: Path) -> None:
    content, pipe = image.read_bytes(), tmp_path / "slow.tar"
    os.mkfifo(pipe)
    with bare(tmp_path, pipe) as opened, os.fdopen(os.open(pipe, os.O_RDWR), "wb", buffering=0) as both:
        both.write(content[:2_000])
        opened.wait("opening")
        opened.type(b"/passwd")
        opened.wait("searches as soon as")
        write_all(both.fileno(), content[2_000:], opened)
        both.close()
        opened.wait("1 hit")


def write_all(number: int, content: bytes, opened: Bare) -> None:
    while content:
        content = content[os.write(number, content[: 1 << 15]) :]
        opened.settle()
