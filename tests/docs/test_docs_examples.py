"""Every example of the documentation: run, loaded by its reader, or marked with the reason why it is not run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator
from pre_commit.clientlib import load_config, load_manifest

from layerscope.app.key_names import textual_keys
from layerscope.app.keys import KEY_IDS
from layerscope.cli.main import COMMANDS, GATE
from layerscope.cli.main import commands as layerscope
from layerscope.gate.config_sources import Flags, read_config
from layerscope.settings import read_settings
from support.documentation import (
    DOCUMENTS,
    ROOT,
    Block,
    agrees,
    blocks,
    commands,
    layerscope_calls,
    run_blocks,
    title,
    tokens,
)
from support.image_builder import file, image, layer

pytestmark = pytest.mark.slow

BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
RUN = [block for block in BLOCKS if block.language == "console" and not block.reason]
RULE_FILES = ("layerscope.toml", "pyproject.toml", ".dive-ci")
SCHEMAS = {"GitHub": "vendor.github-workflows", "GitLab": "vendor.gitlab-ci"}


def of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def old_and_new(directory: Path) -> None:
    """Write the two builds of one program that docs/recipes.md compares."""
    base = layer(file("bin/sh", b"s" * 1_200_000), file("etc/os-release", b"ID=debian\n"))
    old = layer(file("app/main.py", b"m" * 40_000), file("app/help.txt", b"h" * 90_000))
    new = layer(file("app/main.py", b"n" * 42_000), file("app/.cache/wheels", b"w" * 3_000_000))
    for name, built in (("old", old), ("new", new)):
        (directory / f"{name}.tar").write_bytes(image(base, built, tag=f"app:{name}"))


@pytest.mark.parametrize("document", sorted({block.document for block in RUN}), ids=title)
def test_a_document_shows_what_its_commands_print(document: Path, tmp_path: Path) -> None:
    session = tmp_path / "session"
    (session / "work").mkdir(parents=True)
    old_and_new(session / "work")
    pending = ""
    for block, command, printed, code in run_blocks(document, session):
        assert pending == "" or command.typed == "echo $?", pending
        pending = f"{block}: `{command.typed}` exits with {code}, and no `echo $?` shows that:\n{printed}" if code else ""
        difference = "\n".join(difflib.ndiff(command.output, printed.splitlines()))
        assert agrees(command.output, printed), f"{block}: `{command.typed}` prints otherwise:\n{difference}"
    assert pending == ""


def test_every_example_is_run_or_loaded_or_says_why_not() -> None:
    """Make commands are held against the Makefile, YAML and TOML by their readers, by tests below; Python runs elsewhere."""
    checked = {"console", "toml", "mermaid", "dockerfile", "pycon"}
    silent = [
        str(block)
        for block in BLOCKS
        if not block.reason
        and block.language not in checked
        and not (block.language == "yaml" and block.file)
        and not (block.language == "sh" and block.content.startswith("make "))
    ]
    assert silent == []
    assert len(RUN) >= 20
    assert sum(len(commands(block)) for block in RUN) >= 40


def test_a_line_of_dots_stands_for_any_lines_and_nothing_else_differs() -> None:
    assert agrees(("a", "...", "d"), "a\nb\nc\nd\n")
    assert agrees(("a", "..."), "a\n")
    assert not agrees(("a", "...", "d"), "a\nb\n")
    assert not agrees(("a",), "a\nb\n")
    assert not agrees(("1.52 MB",), "1.53 MB\n")
    assert agrees(("7 MB stored · ≈4.81 MB on the wire",), "7 MB stored · ≈4.79 MB on the wire\n")
    assert not agrees((), "said something\n")


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_a_config_example_is_read(block: Block, tmp_path: Path) -> None:
    place = tmp_path / (block.file or "unnamed")
    place.write_text(block.content, "utf-8")
    if block.file in RULE_FILES:
        assert read_config(Flags(), directory=tmp_path, environment={}).has_rules, f"{block} states no rule"
    else:
        assert block.file == "config.toml", f"{block} does not say which file it is"
        read_settings(place, key_ids=KEY_IDS, name_keys=textual_keys)


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_a_yaml_example_is_what_its_reader_wants(block: Block, tmp_path: Path) -> None:
    if block.file:
        assert block.file in RULE_FILES
        (tmp_path / block.file).write_text(block.content, "utf-8")
        assert read_config(Flags(), directory=tmp_path, environment={}).has_rules
        return
    if "pre-commit" in block.reason:
        (tmp_path / "hooks.yaml").write_text(block.content, "utf-8")
        hooks = [hook for repo in load_config(tmp_path / "hooks.yaml")["repos"] for hook in repo["hooks"]]
        assert {hook["id"] for hook in hooks} <= {hook["id"] for hook in load_manifest(ROOT / ".pre-commit-hooks.yaml")}
        return
    schema = next(schema for name, schema in SCHEMAS.items() if name in block.reason)
    # BaseLoader: the schema of workflows knows the key `on`, which YAML 1.1 reads as true.
    document = yaml.load(block.content, yaml.BaseLoader if "GitHub" in block.reason else yaml.SafeLoader)
    Draft7Validator(get_builtin_schema(schema)).validate(document)


def test_the_action_in_the_examples_has_the_inputs_that_they_give() -> None:
    inputs = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["inputs"]
    steps = [step for block in of("yaml") for step in _steps(yaml.safe_load(block.content))]
    ours = [step for step in steps if step.get("uses", "").endswith("/layerscope")]
    assert ours
    for step in ours:
        assert set(step["with"]) <= set(inputs)
        assert {name for name, each in inputs.items() if each.get("required")} <= set(step["with"])


def _steps(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in (document.get("jobs") or {}).values():
        yield from job["steps"]


def test_every_make_command_of_the_examples_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    wanted = {
        target for block in of("sh", "console") for target in re.findall(r"^(?:\$ )?make ([a-z]+)", block.content, re.MULTILINE)
    }
    assert {"demo", "test"} <= wanted <= targets


def test_the_readme_opens_with_the_two_commands() -> None:
    first = blocks(ROOT / "README.md")[0]
    assert [line.split("#")[0].strip() for line in first.content.splitlines()] == ["make demo", "make test"]
    assert first.line <= 6


def test_what_is_not_run_uses_only_commands_and_options_that_there_are() -> None:
    texts = [(str(block), block.content) for block in BLOCKS if block.reason]
    texts += [
        (document.name, child.content)
        for document in DOCUMENTS
        for token in tokens(document)
        for child in token.children or []
        if child.type == "code_inline"
    ]
    calls = [(place, call) for place, text in texts for call in layerscope_calls(text)]
    assert len(calls) > 40
    for place, call in calls:
        try:
            _parse(call)
        except click.ClickException as error:
            pytest.fail(f"{place}: layerscope {' '.join(call)}: {error.format_message()}")


def _parse(call: list[str]) -> None:
    """Parse a call without running it. Raises click's error for an option that there is not."""
    name = call[0] if call and call[0] in COMMANDS else GATE if "--ci" in call else "report"
    arguments = [word for word in call if word != "--ci"][call[:1] == [name] :]
    group = click.Context(layerscope, info_name="layerscope", **layerscope.context_settings)
    if call[:1] in (["--version"], ["--help"], ["build"]):  # the engine reads what follows `build`
        return
    command = layerscope.get_command(group, name)
    assert command is not None
    context = click.Context(command, parent=group, info_name=name, **command.context_settings)
    command.make_parser(context).parse_args(arguments)
