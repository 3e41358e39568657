"""Copying: what the menu offers of a file and of a layer, and what it puts into the clipboard."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerscope.advice.advice import Advice, DockerfileLine, Fix
from layerscope.analysis import read_image
from layerscope.app.export.copying import MOST_COPIED, Copyable, copyables
from layerscope.app.export.menu import Menu
from layerscope.app.export.subject import ExportSubject
from layerscope.errors import LayerscopeError
from layerscope.sources.demo import open_demo
from layerscope.sources.open import open_image
from support.image_builder import Member, digest, file, layer, symlink, whiteout, write_layout
from support.screens import built, demo, explored, piloted


class KnownFixes:
    """Fixes as they are once they were found."""

    problem = ""

    def __init__(self, *fixes: Fix, lines: dict[int, DockerfileLine] | None = None) -> None:
        self.known = Advice("Dockerfile", lines or {}, fixes)
        self.advice: Advice | None = None

    def find(self) -> None:
        self.advice = self.known

    def patch(self, fix: Fix) -> str:
        return fix.patch


def subject(tmp_path: Path, *entries: Member, path: bytes = b"f") -> ExportSubject:
    """A path of an image of one layer."""
    contents = read_image(open_image(str(write_layout(tmp_path / "image", layer(*entries)))))
    return ExportSubject.of_path(contents, contents.tree.nodes.find(path) or 0, 1)


def by_key(found: list[Copyable], key: str) -> str:
    return next(each for each in found if each.row.key == key).text()


def keys(found: list[Copyable]) -> str:
    return "".join(each.row.key for each in found)


def test_a_file_has_a_path_a_digest_and_its_content(tmp_path: Path) -> None:
    found = copyables(subject(tmp_path, file("f", "ein Ä\n\tz\n".encode())), None)
    assert keys(found) == "pdci"
    assert by_key(found, "p") == "/f"
    assert by_key(found, "d") == digest("ein Ä\n\tz\n".encode())
    assert by_key(found, "c") == "ein Ä\n\tz\n"


@pytest.mark.parametrize("content", [b"a\x1b[2J", b"\xff", b"a\0", b"a\rb", "\u202e".encode()])
def test_what_would_be_more_than_text_where_it_is_pasted_is_not_copied(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(LayerscopeError, match="not plain text"):
        by_key(copyables(subject(tmp_path, file("f", content)), None), "c")


def test_only_what_applies_is_offered(tmp_path: Path) -> None:
    assert keys(copyables(subject(tmp_path, file("f", b"a" * (MOST_COPIED + 1))), None)) == "pdi"
    assert keys(copyables(subject(tmp_path, symlink("f", "g")), None)) == "pi"
    assert keys(copyables(subject(tmp_path, file("d/f"), path=b""), None)) == "pi"


def test_a_layer_has_its_digests_whole_and_its_instruction() -> None:
    image = open_demo()
    found = copyables(ExportSubject(image, 5), None)
    assert keys(found) == "dfnsi"
    assert [by_key(found, key) for key in "dfns"] == [
        image.layers[4].digest, image.layers[4].diff_id, image.layers[4].chain_id, image.id,
    ]  # fmt: skip
    assert by_key(found, "i") == "RUN useradd app && chown -R app:app /srv/app"


def test_a_dockerfiles_line_and_a_patch_are_looked_for_and_then_known(tmp_path: Path) -> None:
    about = subject(tmp_path, file("d/f"), file("e"), path=b"d")
    small, big = (
        Fix("kind", (1,), 3, size, "", (path,), patch=text) for size, path, text in ((1, b"d", "small"), (2, b"d/f", "big"))
    )
    fixes = KnownFixes(
        small, big, Fix("kind", (1,), 3, 9, "", (b"e", b"dd"), patch="other"), lines={1: DockerfileLine(3, 4, "", 1)}
    )
    assert keys(copyables(about, fixes)) == "pilt"
    assert by_key(copyables(about, fixes), "t") == "big"
    assert by_key(copyables(about, fixes), "l") == "Dockerfile:3"
    assert by_key(copyables(ExportSubject(about.image, 1), fixes), "t") == "other"
    known = KnownFixes()
    known.find()
    assert keys(copyables(about, known)) == "pi"


def test_what_is_not_known_is_a_sentence(tmp_path: Path) -> None:
    found = copyables(subject(tmp_path, file("f")), KnownFixes())
    with pytest.raises(LayerscopeError, match="No line of a Dockerfile is known to have made layer 1"):
        by_key(found, "l")
    with pytest.raises(LayerscopeError, match="No edit is known"):
        by_key(found, "t")


@pytest.mark.parametrize("key", ["enter", "p", "y", "space"])
@piloted
async def test_y_and_a_key_copy_the_path(key: str) -> None:
    async with explored(built(layer("d/e\u0301 中文")), keys=["tab e j", f"y {key}"]) as screen:
        assert screen.app.clipboard == "/d/e\u0301 中文"
        assert screen.said == ["/d/e\u0301 中文"]
        assert screen.app.screen is screen.explorer


@piloted
async def test_y_is_about_the_pane_with_the_focus() -> None:
    async with explored(demo, size=(140, 40), keys=["y"]) as screen:
        layer_shown = open_demo().layers[screen.layer - 1]
        assert any("diff_id" in line for line in screen.picture)
        screen.check_lines()
        await screen.keys("j enter")
        assert screen.app.clipboard == layer_shown.diff_id
        await screen.keys("i y d")
        assert screen.app.clipboard == layer_shown.digest
        await screen.keys("tab tab y y")
        assert screen.app.clipboard == f"/{screen.path}"


@piloted
async def test_escape_copies_nothing() -> None:
    async with explored(demo, keys=["y escape"]) as screen:
        assert not isinstance(screen.app.screen, Menu)
        assert (screen.app.clipboard, screen.said) == ("", [])


@piloted
async def test_in_the_layers_v_shows_the_details_x_takes_its_files_and_b_says_where_it_works() -> None:
    async with explored(built(layer("a", "b"), layer("c", whiteout("a"))), keys=["b"]) as screen:
        assert "choose one in the files" in screen.said[-1]
        await screen.keys("v")
        assert screen.focus == "details"
        await screen.keys("v")
        assert "from the files" in screen.said[-1]
        await screen.keys("i x")
        assert any("Copy what layer 2 wrote" in line for line in screen.picture)


@piloted
async def test_of_a_file_that_is_viewed_the_shown_version_is_copied_and_names_are_escaped() -> None:
    stack = built(layer(file("e\x1b[31m", b"one")), layer(file("e\x1b[31m", b"two")))
    async with explored(stack, keys=["tab v y p"]) as screen:
        assert screen.app.clipboard == "/e\\x1b[31m"
        await screen.keys("y c")
        assert screen.app.clipboard == "two"
        await screen.keys("[ y c")
        assert screen.app.clipboard == "one"
