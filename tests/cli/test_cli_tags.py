"""`layerscope tags` on a real registry: the report, lines of JSON, the page, and on a terminal the screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import COMMAND, process, ran
from support.engines import registry
from support.registry_pushes import put_layout
from support.sources_build import ARM64
from support.tagged_images import Built, growing, put_tags
from support.terminals import tmux


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with registry() as host:
        put_tags(host, "team/app", growing())
        layout = put_tags(host, "team/one", [Built("1", "a 1")])
        chart = layout.image(settings=b"{}", changes={"config": layout.add(b"{}", "application/vnd.cncf.helm.config.v1+json")})
        put_layout(host, "team/one", layout, chart, "sha256-" + 64 * "a" + ".sig")
        put_tags(host, "team/arm", [Built("1", "a 1", platform=ARM64), Built("2", "a 1 b 2", platform=ARM64)])
        yield host


def test_the_report_says_what_grew_and_by_which_layer(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "tags", f"{host}/team/app")
    assert (done.code, done.err) == (0, "")
    assert done.lines[:2] == [f"{host}/team/app", "6 tags, oldest first by date of creation: 993 kB → 1.15 MB (+154 kB)."]
    assert [line.split()[0] for line in done.lines[4:10]] == ["1.0.0", "1.0.1", "1.1.0", "1.9.0", "1.10.0", "latest"]
    at = done.lines.index("  +532 kB  1.0.1 → 1.1.0")
    assert done.lines[at + 1].split() == ["+522", "kB", "layer", "4:", "RUN", "pip", "install", "-r", "requirements.txt"]
    assert max(map(len, done.lines)) <= 80


def test_three_tags_of_one_image_are_three_lines_of_json(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "tags", f"{host}/team/app", "--json")
    assert (done.code, done.err) == (0, "")
    found = {line["tag"]: line for line in done.objects}
    assert len(done.lines) == len(found) == 6
    assert found["latest"]["digest"] == found["1.10.0"]["digest"]
    assert all(line["wire_bytes"] == sum(layer["bytes"] for layer in line["layers"]) for line in found.values())


def test_only_the_newest_are_read_and_the_report_says_so(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "tags", f"{host}/team/app", "--last", "2")
    assert "2 tags, oldest first" in done.out
    assert "Of 6 tags, these have the highest versions" in done.out.replace("\n", " ")
    assert len(ran(capsys, "tags", f"{host}/team/app", "--last", "2", "--all", "--json").lines) == 6


def test_the_page_is_written_whole_and_nothing_is_printed(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "sizes.html"
    done = ran(capsys, "tags", f"{host}/team/app", "--html", page)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert page.read_text("utf-8").count("<title>1.1.0 ·") == 1
    assert list(tmp_path.glob(".layerscope-*")) == []
    both = ran(capsys, "tags", f"{host}/team/app", "--json", "--html", page)
    assert len(both.objects) == 6


def test_one_tag_and_a_signature(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "tags", f"{host}/team/one")
    assert done.code == 0
    assert "There is only one tag: nothing to compare it with." in done.lines
    assert "Left out: 1 tag of signatures and other artifacts." in done.lines


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{host}/nope"], "has no repository nope, or hides it"),
        (["{host}/team/app:1.0.0"], "names one image; to see its tags, name the repository: {host}/team/app"),
        (["{host}"], "{host} names no repository; its repositories: layerscope registry {host}"),
        (["{host}/team/app", "--platform", "linux/s390x"], "has a linux/s390x image; choose another one with --platform"),
        (["{host}/Team/App"], "is not a valid name"),
        (["{host}/team/app", "--last", "0"], "--last"),
        (["{host}/team/app", "--json", "--html", "-"], "would both write to standard output"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str], said: str, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = ran(capsys, "tags", *(each.format(host=host) for each in arguments))
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said.format(host=host) in done.err


def test_another_platform_can_be_chosen(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "tags", f"{host}/team/arm", "--platform", "linux/arm64", "--json")
    assert [line["platform"] for line in done.objects] == ["linux/arm64", "linux/arm64"]


def test_in_a_locale_without_utf_8_the_report_is_ascii(host: str) -> None:
    settings = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = process("tags", f"{host}/team/app", settings=settings)
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert b"-----##" in done.stdout


def test_on_a_terminal_it_is_a_screen_and_two_tags_can_be_compared(host: str, tmp_path: Path) -> None:
    with tmux(tmp_path, settings={"layerscope": " ".join(COMMAND)}) as terminal:
        terminal.type(f"clear; $layerscope tags {host}/team/app; echo code=$?\n")
        terminal.wait("c compare")
        terminal.type("c")
        terminal.wait("report")
        terminal.press("Tab")
        terminal.wait("5 of 5 layers shared")
        terminal.press("Tab")
        terminal.wait_gone("5 of 5 layers shared")
        terminal.type("q")
        terminal.wait("c compare")
        terminal.press("Enter")
        terminal.wait("efficient")
        terminal.type("q")
        terminal.wait("c compare")
        terminal.type("q")
        terminal.wait("code=0\n")
