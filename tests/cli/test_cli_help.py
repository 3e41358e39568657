"""The help: what a stranger reads first."""

from __future__ import annotations

import pytest

from layerscope import __version__
from layerscope.cli.help import GROUPS, REPORT, SUMMARIES
from layerscope.cli.main import COMMANDS
from support.commands import ran

NAMES = [name for name in COMMANDS if name != REPORT]


def test_the_help_opens_with_the_screen_and_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    head = ran(capsys, "--help").out.partition("Examples:")[0]
    assert "explore it on the screen; `?` shows the keys" in head
    assert "without a terminal, or with --text, print a report" in head
    assert "layerscope help references" in " ".join(head.split())


def test_the_help_lists_commands_by_what_they_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ran(capsys, "--help").lines
    titles = [line.removesuffix(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Look", "Compare", "Make smaller", "Check", "Set up", "Options"]
    for title, group in GROUPS.items():
        start = lines.index(f"{title}:") + 1
        assert [line.split()[0] for line in lines[start : start + len(group)]] == list(group)


def test_no_line_of_any_help_needs_more_than_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["help", "references"], *([name, "--help"] for name in (*NAMES, "image.tar"))):
        lines = ran(capsys, *arguments).lines
        assert [line for line in lines if len(line) > 80 and " layerscope " not in line] == [], arguments


@pytest.mark.parametrize("name", ["ls", "waste", "baseline", "diff", "image.tar"])
def test_options_of_engines_and_registries_stand_behind_those_of_the_command(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    words = [line.split()[0] for line in ran(capsys, name, "--help").lines if line.startswith("  -")]
    assert words[-6:] == ["--pull", "--keep", "--insecure", "--limit-rate", "--no-registry", "-h,"]


@pytest.mark.parametrize("arguments", [("tags",), ("registry", "HOST"), ("registry", "check")])
def test_what_only_asks_registries_has_no_option_to_ask_none(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    help_text = ran(capsys, *arguments, "--help").out
    assert ("--no-registry" in help_text, "--insecure" in help_text) == (False, True)


def test_help_alone_is_the_main_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "help") == ran(capsys, "--help") == ran(capsys)


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_command_is_what_its_own_option_shows(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert ran(capsys, "help", name) == ran(capsys, name, "--help")


@pytest.mark.parametrize("name", ["IMAGE", "image"])
def test_help_of_an_image_shows_the_options_of_the_screen_and_the_report(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert ran(capsys, "help", name) == ran(capsys, "x.tar", "--help")


@pytest.mark.parametrize(
    "form",
    [
        *("docker:NAME", "podman:NAME", "container:NAME", "containerd:NAME", "docker-archive:", "oci-archive:", "oci:", "dir:"),
        *("layer:FILE", "FILE:@N", "artifact.zip:NAME", "-:TAG", "DOCKER_HOST", "CONTAINER_HOST", "xz, bzip2", "docker export"),
    ],
)
def test_help_references_names_every_form_of_image(capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert form in ran(capsys, "help", "references").out


def test_every_prefix_of_an_image_stands_in_the_references(capsys: pytest.CaptureFixture[str]) -> None:
    from layerscope.sources.location import PREFIXES, REGISTRY, REGISTRY_URL

    out = ran(capsys, "help", "references").out
    assert [prefix for prefix in (*PREFIXES, REGISTRY, REGISTRY_URL) if prefix not in out] == []


@pytest.mark.parametrize(
    ("topic", "words"),
    [("dif", "did you mean `diff`?"), ("reference", "did you mean `references`?"), ("qqq", "there is no help on qqq.")],
)
def test_help_on_nothing_says_where_to_look(capsys: pytest.CaptureFixture[str], topic: str, words: str) -> None:
    done = ran(capsys, "help", topic)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert words in done.err
    assert "Try: layerscope help" in done.err


def test_version_is_a_command_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "version") == ran(capsys, "--version")
    assert ran(capsys, "version").out == f"layerscope {__version__}\n"


@pytest.mark.parametrize("name", ["diff", "images", "cache"])
def test_a_json_of_one_object_says_so(capsys: pytest.CaptureFixture[str], name: str) -> None:
    out = ran(capsys, name, "--help").out
    assert "Print JSON: one object." in out
    assert "per line" not in out


@pytest.mark.parametrize("name", ["ls", "find", "blame", "waste", "verify"])
def test_a_json_of_many_objects_says_so(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert "Print JSON, one object per line." in ran(capsys, name, "--help").out


def test_summaries_are_sentences_that_fit_a_line() -> None:
    assert list(SUMMARIES) == NAMES
    assert [text for text in SUMMARIES.values() if not text.endswith(".") or len(text) > 65 or not text[0].isupper()] == []
