"""`layerscope manual`: pages that mandoc accepts, and that show what the help of each command says, character by character."""

from __future__ import annotations

import inspect
import re
import subprocess
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import requires
from layerscope.cli.completion import completion_script
from layerscope.cli.help import LISTING, REPORT
from layerscope.cli.main import COMMANDS, commands
from layerscope.cli.manual_page import FAILED, OF_OTHERS, VARIABLES
from layerscope.cli.roff import bold, item, section, verbatim
from layerscope.cli.rule_options import RULES
from layerscope.gate.config import KEYS
from support.commands import ran
from support.documentation import ROOT, first_column

NAMES = ["layerscope", *(f"layerscope-{name}" for name in COMMANDS if name != REPORT), "layerscope-registry-check"]


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all pages."""
    place = tmp_path_factory.mktemp("manual") / "man" / "man1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "86400")
        assert commands.main(["manual", str(place)], standalone_mode=False) is None
    return place


def judged(text: str) -> str:
    """What mandoc says of a page: nothing, if all is well."""
    requires("mandoc")
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning"], input=text.encode(), stdout=subprocess.PIPE, check=False)
    return done.stdout.decode()


def shown(text: str) -> str:
    """A page as mandoc prints it, without bold and italics."""
    requires("mandoc")
    command = ["mandoc", "-Tutf8", "-O", "width=200"]
    printed = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()
    return re.sub(".\x08", "", printed, flags=re.DOTALL)


def command_of(name: str) -> click.Command:
    """The command whose options stand on a page."""
    words = name.split("-")[1:] or [REPORT]
    command: click.Command = commands
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    return command.commands[LISTING] if isinstance(command, click.Group) else command


def test_every_command_has_a_page(manual: Path) -> None:
    assert {path.name for path in manual.iterdir()} == {f"{name}.1" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_mandoc_has_nothing_to_say_about_a_page(manual: Path, name: str) -> None:
    assert judged((manual / f"{name}.1").read_text("utf-8")) == ""


def test_mandoc_would_say_what_is_wrong_with_a_page() -> None:
    assert "WARNING" in judged(".TH X 1\n.SH NAME\n.PP\n")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_every_option_and_example_as_it_is_typed(manual: Path, name: str) -> None:
    page = shown((manual / f"{name}.1").read_text("utf-8"))
    command = command_of(name)
    options = [option for each in command.params if isinstance(each, click.Option) for option in each.opts]
    examples = re.findall(r"^  (layerscope .+)$", inspect.cleandoc(command.help or "").partition("Example")[2], re.MULTILINE)
    assert examples
    options += ["-h, --help", *(["--version"] if name == "layerscope" else [])]
    assert [each for each in (*options, *examples) if each not in page] == []
    heads = re.findall(r"^[A-Z].*$", page, re.MULTILINE)[1:]
    assert heads[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"]
    assert {"EXAMPLES", "OPTIONS", "EXIT STATUS"} <= set(heads)
    assert ("1970" in page.splitlines()[-1], "General Commands Manual" in page.splitlines()[0]) == (True, True)


def test_the_first_page_has_all_variables_and_those_of_a_command_are_its_options(manual: Path) -> None:
    first, ci = (shown((manual / f"{name}.1").read_text("utf-8")) for name in ("layerscope", "layerscope-ci"))
    listed = first_column(ROOT / "docs/settings.md", "Environment variables")
    assert list(VARIABLES) == listed
    assert [name for name in (*listed, *OF_OTHERS) if name not in first] == []
    assert [KEYS[name].variable for name in RULES if not re.search(rf"^ +{KEYS[name].variable}$", ci, re.MULTILINE)] == []
    assert ("LAYERSCOPE_INSECURE" in ci, "LAYERSCOPE_DEBUG" in ci) == (True, False)


def test_only_commands_that_can_exit_with_1_say_so(manual: Path) -> None:
    can = {name for name in NAMES if re.search(r"^ +1 ", shown((manual / f"{name}.1").read_text("utf-8")), re.MULTILINE)}
    assert can == {f"layerscope-{name}".rstrip("-") for name in FAILED}


LINES = st.lists(
    st.text(st.characters(min_codepoint=32, max_codepoint=0x17E, exclude_categories=["Cc", "Cf", "Zs"])), min_size=1
)


@given(lines=LINES)
def test_any_text_is_shown_as_it_is(lines: list[str]) -> None:
    page = '.TH X 1 2026-01-01 "x" "x"\n' + "\n".join([section("name"), r"x \- x", section("text"), *verbatim(lines)]) + "\n"
    assert judged(page) == ""
    assert [line.strip() for line in shown(page).partition("TEXT\n")[2].splitlines()[: len(lines)]] == lines


def test_what_would_be_requests_and_escapes_is_text() -> None:
    words = r".dive-ci 'x' \fB \" --no-cache ~/.config ^x^ `.TH` " + "long " * 20 + "`.PP and more code` .SH"
    page = "\n".join(['.TH X 1 2026-01-01 "x" "x"', section("name"), r"x \- x", section("text"), *item(bold(".x"), words)])
    assert judged(page + "\n") == ""
    assert words.replace("`", "") in " ".join(shown(page + "\n").split())


def test_scripts_of_all_shells_are_written_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "manual", tmp_path, "--completions")
    assert (done.code, done.out, done.err) == (0, "", f"wrote {len(NAMES) + 3} files to {tmp_path}\n")
    for shell, name in (("bash", "layerscope.bash"), ("zsh", "_layerscope"), ("fish", "layerscope.fish")):
        assert (tmp_path / name).read_text("utf-8") == completion_script(shell)


def test_a_date_that_is_none_and_a_place_that_cannot_be_made_are_sentences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    done = ran(capsys, "manual", tmp_path / "file")
    assert (done.code, done.err) == (2, f"layerscope: {tmp_path}/file cannot be made: File exists\n")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    done = ran(capsys, "manual", tmp_path / "new")
    assert (done.code, done.err) == (2, "layerscope: SOURCE_DATE_EPOCH is no time: give seconds since 1970\n")
    assert not (tmp_path / "new").exists()
