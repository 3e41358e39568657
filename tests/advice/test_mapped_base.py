"""The base that a Dockerfile tells: which layers are not its own, and when that is certain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from layerscope.advice.base_notes import base_notes
from layerscope.advice.dockerfile.mapped_base import mapped_base
from layerscope.advice.dockerfile.stages import parse_dockerfile
from layerscope.analysis import analyze, read_image
from layerscope.sources.base import Base
from layerscope.sources.open import open_image
from support.commands import ran
from support.dockerfiles import BUILDERS, Builder, Json, copy, history, image_of, run, setting
from support.image_builder import file, layer, whiteout
from support.sources_build import config, saved, write_tar

BASE: list[Json] = [
    {"created_by": "ADD rootfs.tar /"},
    {"created_by": 'CMD ["sh"]', "empty_layer": True},
    {"created_by": "RUN locale-gen"},
]
OWN = [
    run("apt-get update && apt-get install -y curl"),
    setting("WORKDIR", "/app"),
    copy("app", "/app/"),
    run("make -C /app all"),
]
TEXT = "FROM debian:12\n" + "".join("\n".join(each.lines) + "\n" for each in OWN)


def found(path: Path, steps: Sequence[Json], text: str = TEXT) -> Base:
    return mapped_base(image_of(path, steps), parse_dockerfile(text), name="Dockerfile")


@pytest.mark.parametrize("builder", BUILDERS)
def test_it_is_all_before_the_first_own_layer(tmp_path: Path, builder: Builder) -> None:
    steps = [*BASE, *history(builder, OWN)]
    assert found(tmp_path, steps) == Base(2, "debian:12", "the FROM of Dockerfile, line 1")


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("debian:12", "scratch"),
        TEXT.replace("RUN apt-get", "RUN make dependencies\nRUN apt-get"),
        TEXT.replace("install -y curl", "install -y git wget"),
        "FROM debian:12\nRUN cargo build\nCOPY x /y\n",
    ],
    ids=["scratch", "a-first-line-that-is-not-there", "another-first-line", "another-dockerfile"],
)
def test_it_is_not_told_where_it_is_not_certain(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, [*BASE, *history("buildkit", OWN)], text) == Base()


def test_a_base_of_which_only_the_builder_knew_the_tag_is_named_as_written(tmp_path: Path) -> None:
    text = "ARG TAG\n" + TEXT.replace("debian:12", "debian:${TAG}")
    assert found(tmp_path, [*BASE, *history("docker", OWN)], text).name == "debian:${TAG}"


@pytest.mark.parametrize("builder", ["docker", "buildah"])
def test_what_the_bases_onbuild_caused_is_not_the_bases(tmp_path: Path, builder: Builder) -> None:
    base = [*BASE, *history(builder, [setting("ONBUILD", "COPY . /src"), setting("ONBUILD", "RUN make -C /src")])]
    caused = history(builder, [copy("src/", "/src"), run("make -C /src")])
    assert found(tmp_path, [*base, *caused, *history(builder, OWN)]).layers == 2


def test_the_base_built_on_one_with_onbuild_keeps_its_own_layers(tmp_path: Path) -> None:
    base = [*BASE, *history("docker", [setting("ONBUILD", "RUN make -C /src"), run("make -C /src"), run("strip /src/x")])]
    assert found(tmp_path, [*base, *history("docker", OWN)]).layers == 4


def test_its_waste_is_not_charged_and_the_reports_say_how_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tars = [layer(file("a", bytes(9000))).tar(), layer(whiteout("a"), file("b", b"b")).tar()]
    tars += [layer(file(f"own{number}", bytes(9))).tar() for number in range(3)]
    own = [each for each in history("docker", OWN) if not each["empty_layer"]]
    settings = config(*tars, history=[*BASE, *own])
    place = write_tar(tmp_path / "image.tar", saved(*tars, settings=settings))
    assert ran(capsys, "ci", place, "--max-wasted", "0").code == 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other/Dockerfile").write_text(TEXT)
    named = ran(capsys, "ci", place, "--max-wasted", "0", "--dockerfile", "other/Dockerfile")
    assert named.code == 0
    (tmp_path / "Dockerfile").write_text(TEXT)
    done = ran(capsys, "ci", place, "--max-wasted", "0")
    said = "The base is debian:12, layers 1 to 2, by the FROM of Dockerfile, line 1 (--base sets another)."
    assert done.code == 0
    assert said in done.out.replace("\n  ", " ")
    assert ran(capsys, "ci", place, "--max-wasted", "0", "--base", "0").code == 1
    assert "The base's (debian:12, by the FROM of Dockerfile, line 1): 9.00 kB." in ran(capsys, place).out


def test_a_base_that_wastes_most_is_told_and_not_charged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tars = [layer(file("a", bytes(2_000_000))).tar(), layer(whiteout("a"), file("b", b"b")).tar()]
    tars += [layer(file(f"own{number}", bytes(9))).tar() for number in range(3)]
    own = [each for each in history("docker", OWN) if not each["empty_layer"]]
    place = write_tar(tmp_path / "image.tar", saved(*tars, settings=config(*tars, history=[*BASE, *own])))
    (tmp_path / "Dockerfile").write_text(TEXT)
    done = ran(capsys, "fix", place)
    assert "# 2.00 MB of the waste, most of it, are in the base's own layers: no other line than FROM changes that" in done.out
    assert "-slim" not in done.out, "it is small"


@pytest.mark.parametrize(
    ("name", "slim"),
    [("python:3.12", "python:3.12-slim"), ("docker.io/library/debian:12", "debian:12-slim"), ("node:20-slim", "")],
)
def test_a_large_base_with_a_slim_sibling_is_told(tmp_path: Path, name: str, slim: str) -> None:
    first = layer(file("a", bytes(100_000_000))).tar()
    settings = config(first, history=[{"created_by": "COPY a"}])
    image = open_image(write_tar(tmp_path / "image.tar", saved(first, settings=settings)))
    notes = list(base_notes(analyze(read_image(image), base_layers=1, base_name=name)))
    assert [f"; {slim} is the same" in note for note in notes] == [True] * bool(slim)


def test_growth_is_compared_with_a_baseline_that_did_not_know_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tars = [layer(file(f"f{number}", bytes(900))).tar() for number in range(5)]
    own = [each for each in history("docker", OWN) if not each["empty_layer"]]
    place = write_tar(tmp_path / "image.tar", saved(*tars, settings=config(*tars, history=[*BASE, *own])))
    ran(capsys, "baseline", place)
    (tmp_path / "Dockerfile").write_text(TEXT)
    done = ran(capsys, "ci", place, "--baseline", "layerscope.lock.json", "--max-own-growth", "0")
    assert done.code == 0
    assert "max-own-growth" in done.out
