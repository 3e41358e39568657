"""`layerscope images` on archives and layouts, and on engines that are not there."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from layerscope.families.figures import LayerUsage
from layerscope.report.families import families_text
from layerscope.wording.style import Style, cells
from support.commands import Ran, on_terminal, process, ran, written
from support.families_build import facts
from support.image_builder import file, image, layer, whiteout, write_layout
from support.terminals import tmux

BASE = layer(file("base", b"1" * 4000))
OWN = layer(file("own", b"2" * 8000))
OTHER = layer(whiteout("base"))


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """A base, an image on it, and a layout of another one on it."""
    return [
        written(tmp_path / "base.tar", BASE, tag="base:1"),
        written(tmp_path / "app.tar", BASE, OWN, tag="app:1"),
        write_layout(tmp_path / "layout", BASE, OTHER, tag="v1"),
    ]


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/none")


def document(done: Ran) -> Any:
    assert done.out.count("\n") == 1
    return json.loads(done.out)


def test_archives_and_layouts_are_one_forest(three: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "images", *three)
    assert (done.code, done.err) == (0, "")
    assert (
        done.lines
        == [
            "3 images in 1 family",
            "51.2 kB as listed, 30.7 kB on disk: sharing layers saves 20.5 kB.",
            "",
            "    size      own   shared    frees  image",
            " 10.2 kB      0 B  10.2 kB      0 B  base:1",
            " 20.5 kB  10.2 kB  10.2 kB  10.2 kB  ├╴app:1",
            " 20.5 kB  10.2 kB  10.2 kB  10.2 kB  └╴layout:v1",
            "",
            "Sizes are as layers are stored; own: layers no other image has; frees: what",
            "removing one name frees.",
        ]
        or done.lines[4:7] == []
    )


def test_analyze_says_what_each_wastes_and_what_mending_a_base_saves_in_all_above_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = (BASE, OTHER)
    paths = [written(tmp_path / "base.tar", *base, tag="base:1"), written(tmp_path / "app.tar", *base, OWN, tag="app:1")]
    done = ran(capsys, "images", "--analyze", *paths)
    assert done.lines[3].split() == ["size", "own", "shared", "frees", "wasted", "image"]
    assert done.lines[4].split()[-4:] == ["B", "4.00", "kB", "base:1"]
    assert "Waste inherited by other images" in done.lines
    assert " 4.00 kB   8.00 kB       2  base:1" in done.lines


def test_json_has_all_of_it_under_keys_that_stay(three: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    found = document(ran(capsys, "images", "--json", "--analyze", *three))
    assert list(found) == ["schema", "sizes", "images", "layers", "shared_layers", "totals", "problems"]
    assert (found["schema"], found["sizes"], found["problems"]) == ("layerscope.images/1", "stored", [])
    base, app, other = found["images"]
    assert list(app) == [
        *("id", "tags", "repo_digests", "is_dangling", "place", "reference", "platform", "created", "parent", "built_on"),
        *("size", "shared", "shared_with", "own", "freed_by_removal", "wasted", "own_wasted", "carriers", "saved_by_fixing"),
        *("saved_by_fixing_on_pulls", "chain_ids", "layers", "layer_sizes"),
    ]
    assert (app["tags"], app["built_on"], app["parent"]) == (["app:1"], [base["id"]], base["chain_ids"][-1])
    assert (app["shared_with"], app["size"], app["own"]) == (2, sum(app["layer_sizes"]), app["layer_sizes"][1])
    assert (base["wasted"], other["wasted"], other["own_wasted"], base["carriers"]) == (0, 4000, 4000, 3)
    (shared,) = [each for each in found["layers"] if len(each["images"]) == 3]
    assert (shared["id"], shared["size"]) == (base["layers"][0], base["size"])
    assert found["totals"]["stored"] == sum(each["size"] for each in found["layers"])
    assert found["totals"]["wasted"] == 4000


def test_what_the_reference_says_opens_the_image(three: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    for each in document(ran(capsys, "images", "--json", *three))["images"]:
        opened = ran(capsys, each["reference"], "--json", "-")
        assert json.loads(opened.out)["image"]["id"] == each["id"]


def test_a_tag_after_a_file_means_one_image_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_layout(tmp_path / "layout", BASE, tag="v1")
    done = ran(capsys, "images", f"{tmp_path}/layout:v1", "--json")
    assert [each["tags"] for each in document(done)["images"]] == [["v1"]]
    assert ran(capsys, "images", f"{tmp_path}/layout:v2").code == 2


def test_an_image_in_two_places_is_one_with_all_of_its_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [written(tmp_path / f"{number}.tar", BASE, tag=f"app:{number}") for number in (1, 2)]
    found = document(ran(capsys, "images", "--json", *paths))
    assert [each["tags"] for each in found["images"]] == [["app:1", "app:2"]]
    assert found["images"][0]["freed_by_removal"] == 0


def test_what_cannot_be_read_is_said_beside_what_can(three: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    (three[0].parent / "text").write_text("no image")
    done = ran(capsys, "images", three[0], three[0].parent / "text", "docker:app", "--json")
    assert (done.code, len(document(done)["images"]), len(document(done)["problems"])) == (2, 1, 2)
    assert "is not a container image" in done.err
    assert "is not running there: start it" in done.err
    done = ran(capsys, "images", three[0].parent / "text")
    assert (done.code, done.out) == (2, "")


def test_without_an_engine_there_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = ran(capsys, "images")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("layerscope: Docker (unix://")
    done = ran(capsys, "images", "no:such")
    assert "there is no file or directory no:such, and Docker" in done.err or "is not running there" in done.err
    for name in ("DOCKER_HOST", "CONTAINER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(tmp_path / "none"))
    monkeypatch.setattr("layerscope.sources.engine.endpoints.DOCKER_SOCKET", str(tmp_path / "docker.sock"))
    monkeypatch.setattr("layerscope.sources.engine.endpoints.PODMAN_SOCKET", str(tmp_path / "podman.sock"))
    monkeypatch.setattr("layerscope.sources.listing.engine_images.containers_roots", lambda: [tmp_path / "nothing"])
    done = ran(capsys, "images")
    assert (done.code, "there is no Docker at " in done.err, "and no Podman at" in done.err) == (2, True, True)
    assert "or name archives or layouts" in done.err


@pytest.mark.slow
def test_standard_input_is_read_but_once(capsys: pytest.CaptureFixture[str]) -> None:
    done = process("images", "-", "--analyze", "--json", stdin=image(BASE, OTHER, tag="piped:1"))
    (found,) = json.loads(done.stdout)["images"]
    assert (found["tags"], found["wasted"]) == (["piped:1"], 4000)


def test_a_terminal_gets_the_text_where_it_is_asked_for(three: list[Path]) -> None:
    shown, code = on_terminal("images", "--text", *three, columns=70)
    assert (code, "3 images in 1 family" in shown) == (0, True)


def test_a_terminal_gets_the_screen_and_is_as_before_afterwards(three: list[Path], tmp_path: Path) -> None:
    with tmux(tmp_path) as terminal:
        terminal.run_layerscope("images", *three)
        terminal.wait("removing it frees")
        terminal.press("Down", "Enter")
        terminal.wait("efficient")
        terminal.press("q")
        terminal.wait("removing it frees")
        terminal.press("q")
        terminal.wait_gone("removing it frees")
        terminal.type("echo code=$?\n")
        terminal.wait("code=0")
        assert terminal.state("alternate_on") == "0"


def test_names_cannot_act_on_a_terminal_and_json_holds_them_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "a.tar", BASE, tag="evil\x1b[31m\u202e:1")
    done = ran(capsys, "images", path)
    assert "evil\\x1b[31m\\u202e:1" in done.out
    done = ran(capsys, "images", path, "--json")
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert document(done)["images"][0]["tags"] == ["evil\x1b[31m\u202e:1"]


# The text itself.


def family(*more: str) -> LayerUsage:
    deep = [f"l{number} 1" for number in range(30)]
    return LayerUsage.of(
        [
            facts("python:3.12 python:latest python:3.12-slim-bookworm-and-a-very-long-name", "a 80000000", wasted=9000000),
            facts("", "a 80000000", "b 5", wasted=9000005),
            *(facts(f"deep{depth}:1", *deep[:depth]) for depth in range(1, 31)),
            facts("registry.example.com/with/a/very/long/path/to/an/image/of/somebody:2024.05.31-rc1", "x 1"),
            facts("目录/图像:标签", "y 1", "z 1"),
            facts("w:1", "y 1", "w 1"),
        ]
    )


@pytest.mark.parametrize("width", [60, 80, 132])
@pytest.mark.parametrize("is_ascii", [False, True])
def test_every_line_fits_and_keeps_to_ascii_where_it_must(width: int, is_ascii: bool) -> None:
    text = families_text(family(), Style(width=width, is_ascii=is_ascii))
    for line in text.splitlines():
        assert cells(line) <= width, line
        assert line.isascii() or not is_ascii
    assert "python:3.12" in text


def test_the_tree_is_drawn_with_lines_that_lead_to_each_image() -> None:
    ledger = LayerUsage.of(
        [
            facts("a:1", "a 9"),
            facts("b:1", "a 9", "b 8"),
            facts("c:1", "a 9", "c 1"),
            facts("d:1", "a 9", "b 8", "d 7"),
            facts("e:1", "a 9", "b 8", "e 6"),
        ]
    )
    lines = families_text(ledger, Style()).splitlines()[4:9]
    assert [line[37:] for line in lines] == ["a:1", "├╴b:1", "│ ├╴d:1", "│ └╴e:1", "└╴c:1"]
    lines = families_text(ledger, Style(is_ascii=True)).splitlines()[4:9]
    assert [line[37:] for line in lines] == ["a:1", "|-b:1", "| |-d:1", "| `-e:1", "`-c:1"]


def test_dangling_images_and_what_pruning_frees_are_said() -> None:
    text = families_text(family(), Style())
    assert "1 dangling image: removing it frees 5 B." in text
    assert "(dangling) " in text


def test_color_is_only_where_there_is_color() -> None:
    plain = families_text(family(), Style())
    colored = families_text(family(), Style(has_color=True))
    assert "\x1b" not in plain
    assert "\x1b[33m(dangling) " in colored


def test_nothing_at_all_is_said_so() -> None:
    out = io.StringIO(families_text(LayerUsage.of([]), Style())).read()
    assert out.startswith("0 images in 0 families\n0 B on disk")
