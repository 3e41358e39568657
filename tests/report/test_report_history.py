"""What the history says of a layer besides its instruction: tools without Dockerfiles have only comment and author."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from layerscope.oci.documents import HistoryStep
from layerscope.wording.sentences import step_text
from support.commands import ran
from support.image_builder import file, layer
from support.screens import WIDE, explored, piloted, stored
from support.sources_build import config, saved, write_tar

NIX = "store paths: ['/nix/store/0b-glibc-2.38', '/nix/store/1c-app']"
JIB = {"created_by": "jib-maven-plugin:3.4.0", "author": "Jib", "comment": "classes"}
SHOWN = "jib-maven-plugin:3.4.0 (classes; by Jib)"


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        (JIB, SHOWN),
        (
            {"created_by": "ko build ko://example.org/app", "author": "ko", "comment": "go build output, at /ko-app/app"},
            "ko build ko://example.org/app (go build output, at /ko-app/app; by ko)",
        ),
        ({"comment": NIX}, NIX),
        ({"comment": "Imported from -"}, "Imported from -"),
        ({"comment": "merge sha256:8d12 to sha256:91ef"}, "merge sha256:8d12 to sha256:91ef"),
        ({"author": "A. Nonym"}, "by A. Nonym"),
        ({"created_by": "/bin/sh", "comment": "FROM alpine:3.20"}, "/bin/sh (FROM alpine:3.20)"),
        ({"created_by": "COPY a /a # buildkit", "comment": "buildkit.dockerfile.v0"}, "COPY a /a"),
        ({"created_by": "RUN make", "comment": "FROM 9f53eb0a688d"}, "RUN make"),
        (
            {"created_by": "RUN make", "comment": "FROM docker.io/debian:12"},
            "RUN make (FROM docker.io/debian:12)",
        ),
        ({"comment": "a\x1b[2J\n\nb", "author": " \u202ec "}, "a\\x1b[2J b (by \\u202ec)"),
        ({}, ""),
    ],
)
def test_comment_and_author_say_what_a_layer_is(step: dict[str, str], shown: str) -> None:
    assert step_text(msgspec.convert(step, HistoryStep)) == shown


def test_a_layer_without_history_has_nothing_to_say() -> None:
    assert step_text(None) == ""


@pytest.fixture
def archive(tmp_path: Path) -> str:
    tars = (layer(file("a", b"1" * 3000)).tar(), layer(file("a", b"2" * 4000)).tar())
    return write_tar(tmp_path / "image.tar", saved(*tars, settings=config(*tars, history=[{"comment": NIX}, JIB])))


@pytest.mark.parametrize(
    "command",
    [(), ("blame", "/a"), ("waste", "--by", "layer"), ("diff",), ("ci", "--max-wasted", "1")],
    ids=lambda command: " ".join(command) or "report",
)
def test_every_report_shows_them(archive: str, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    name, rest = command[:1], command[1:]
    other = [archive] if name == ("diff",) else []
    if other:
        tars = (layer(file("a", b"1" * 3000)).tar(), layer(file("a", b"3" * 4000)).tar())
        settings = config(*tars, history=[{"comment": NIX}, JIB])
        other = [write_tar(Path(archive).with_name("other.tar"), saved(*tars, settings=settings))]
    assert SHOWN in ran(capsys, *name, archive, *other, *rest).out


@pytest.mark.parametrize("kind", ["markdown", "html", "json", "analysis"])
def test_every_file_of_the_gate_has_them(archive: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    ran(capsys, "ci", archive, "--max-wasted", "1", "--report", f"{kind}={tmp_path / 'report'}")
    written = (tmp_path / "report").read_text()
    assert ("store paths: [" in written, "classes" in written, "Jib" in written) == (True, True, True)


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(ran(capsys, *arguments).lines[-1])


def test_programs_get_each_text_apart(archive: str, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {"comment": "classes", "author": "Jib"}
    for told in (found(capsys, archive, "--json", "-")["layers"][1], found(capsys, "blame", archive, "/a", "--json")):
        assert {key: told[key] for key in wanted} == wanted
    told = found(capsys, "waste", archive, "--by", "layer", "--json")
    assert (told["buried_by_comment"], told["buried_by_author"]) == ("classes", "Jib")


@pytest.mark.slow
@piloted
async def test_the_screen_shows_them(archive: str) -> None:
    async with explored(stored(archive), size=WIDE) as screen:
        assert any("jib-maven-plugin:" in line for line in screen.lines("layers"))
        assert "jib-maven-plugin:3.4.0 comment classes author Jib" in " ".join(" ".join(screen.lines("details")).split())
        assert any(NIX[:20] in line for line in screen.lines("layers"))
