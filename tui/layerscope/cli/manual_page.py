"""The man page of one command as roff: its help, options, environment variables and exit codes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

import click

from layerscope import __version__
from layerscope.cli.help import LISTING, REFERENCES, REPORT, SUMMARIES
from layerscope.cli.roff import bold, escaped, italic, item, prose, section, verbatim
from layerscope.cli.rule_options import RULES

PROGRAM = "layerscope"
PREFIX = "LAYERSCOPE_"
VARIABLES = {
    "LAYERSCOPE_CONFIG": "Another config file.",
    "LAYERSCOPE_CACHE": "Another directory for the cache of layers.",
    "LAYERSCOPE_CACHE_SIZE": "Another limit of the cache than 512MB.",
    "LAYERSCOPE_NO_CACHE": "`--no-cache` for every command.",
    "LAYERSCOPE_NO_REGISTRY": "`--no-registry` for every command; `0`: not even if the config file says so.",
    "LAYERSCOPE_INSECURE": "`--insecure` for every command; commas separate hosts.",
    "LAYERSCOPE_LIMIT_RATE": "`--limit-rate` for every command.",
    "LAYERSCOPE_KEEP_WINDOWS": "`1`: `keep_windows = true` for every command; `0`: not even if the config file says so.",
    "LAYERSCOPE_NO_STORAGE": "Never read an engine's storage in place: always export.",
    "LAYERSCOPE_CONTAINERD": "The root directory of containerd, if it is an unusual one.",
    "LAYERSCOPE_MAX_UNPACKED": "How many bytes a compressed layer may unpack to.",
    "LAYERSCOPE_DEBUG": "After a bug of layerscope itself, print the traceback for a report.",
}
OF_OTHERS = {
    "CI": "`true`: check the image against rules, as `layerscope ci` does, in place of showing it.",
    "NO_COLOR": "Print reports without color.",
    "DOCKER_HOST, DOCKER_CONTEXT, CONTAINER_HOST, CONTAINERD_NAMESPACE": "Which engine has the image, as for its own commands.",
}
"""Variables that other programs have, too."""
FAILED = {
    "": "A verification failed or a rule is broken.",
    "build": "With `--ci` or `CI=true`: a rule is broken. The exit code of a build that failed is passed on, whatever it is.",
    "ci": "A rule is broken.",
    "slim": "The image cannot be made as small as was asked.",
    "verify": "Something is not what the image says of it.",
}
"""What exit code 1 means where a command has it."""
DONE = "Done; for `ci`: passed."
NOT_DONE = "It could not be done, or something could not be read; a sentence on standard error says why."
ENDED = "Interrupted; ended by SIGTERM; ended by SIGHUP."
_EXAMPLES = re.compile(r"Examples?:")


def all_pages(program: click.Command) -> list[ManualPage]:
    """Return the pages of the program and of every command in it."""
    pages = [ManualPage(program, (PROGRAM,))]
    for page in pages:
        pages += page.inner
    return pages


@dataclass(frozen=True, slots=True)
class ManualPage:
    """The page of the command that is called by these `words`."""

    command: click.Command
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        return "-".join(self.words)

    @property
    def inner(self) -> list[ManualPage]:
        """Return the pages of the commands in this one."""
        names = self.command.list_commands(click.Context(self.command)) if isinstance(self.command, click.Group) else []
        return [ManualPage(self._named(name), (*self.words, name)) for name in names]

    def text(self, date: str) -> str:
        """Return the page as roff, dated as `date` says (2026-01-31)."""
        head = f'.TH "{escaped(self.name.upper())}" 1 {date} "{PROGRAM} {__version__}"'
        return "\n".join([head, *self._head(), *self._help(), *self._options(), *self._facts()]) + "\n"

    @property
    def summary(self) -> str:
        """Return what the command does in a sentence."""
        return SUMMARIES.get(" ".join(self.words[1:])) or self.command.get_short_help_str(limit=100)

    @property
    def _context(self) -> click.Context:
        return click.Context(self._called, info_name=" ".join(self.words), help_option_names=["-h", "--help"])

    @property
    def _called(self) -> click.Command:
        """Return the command that runs where the first word is none of `inner`."""
        return self._named(LISTING if self.words[1:] else REPORT) if isinstance(self.command, click.Group) else self.command

    def _named(self, name: str) -> click.Command:
        assert isinstance(self.command, click.Group)
        found = self.command.get_command(click.Context(self.command), name)
        assert found is not None
        return found

    def _head(self) -> Iterator[str]:
        typed = bold(" ".join(self.words))
        summary = self.summary[:1].lower() + self.summary[1:].rstrip(".")
        yield from [section("name"), rf"{escaped(self.name)} \- {escaped(summary)}"]
        yield from [section("synopsis"), f"{typed} {escaped(' '.join(self._called.collect_usage_pieces(self._context)))}"]
        yield from [".br", f"{typed} {italic('COMMAND')} ..."] if self.inner else []

    def _help(self) -> Iterator[str]:
        texts = [inspect.cleandoc(each.help or "") for each in dict.fromkeys([self.command, self._called])]
        paragraphs = [(each.startswith("\b"), each.removeprefix("\b\n")) for text in texts for each in text.split("\n\n")]
        examples = [text.splitlines()[1:] for _, text in paragraphs if _EXAMPLES.match(text)]
        yield section("description")
        for number, (is_kept, text) in enumerate(each for each in paragraphs if not _EXAMPLES.match(each[1])):
            yield from [".PP"] if number else []
            yield from verbatim(text.splitlines()) if is_kept else prose(text)
        if examples:
            yield from [section("examples"), *verbatim(line.strip() for lines in examples for line in lines)]

    def _options(self) -> Iterator[str]:
        if self.inner:
            yield section("commands")
            for page in self.inner:
                yield from item(f"{bold(page.name)}(1)", page.summary)
        yield section("options")
        for parameter in {each.name: each for each in [*self._called.params, *self.command.get_params(self._context)]}.values():
            record = parameter.get_help_record(self._context)
            if record is not None and isinstance(parameter, click.Option):
                words = (bold(each) if each.startswith("-") else italic(each) for each in record[0].split(" "))
                yield from item(" ".join(words), record[1])

    def _facts(self) -> Iterator[str]:
        if not self.words[1:]:
            yield from [section("what image may be"), *verbatim(REFERENCES.splitlines())]
        variables = self._variables()
        if variables:
            yield section("environment")
            for name, meaning in variables.items():
                yield from item(bold(name), meaning)
        yield section("exit status")
        broken = FAILED.get(" ".join(self.words[1:]), "")
        for code, meaning in (("0", DONE), ("1", broken), ("2", NOT_DONE), ("130, 143, 129", ENDED)):
            yield from item(bold(code), meaning) if meaning else []
        if self.words[1:]:
            above = ("-".join(self.words[:count]) for count in range(1, len(self.words)))
            below = (page.name for page in self.inner)
            yield from [section("see also"), ", ".join(f"{bold(name)}(1)" for name in (*above, *below))]

    def _variables(self) -> dict[str, str]:
        """Return the variables that count for the command: all on the first page, else those that say what its options do."""
        if not self.words[1:]:
            return VARIABLES | OF_OTHERS
        options = [option.removeprefix("--") for each in self._called.params for option in each.opts]
        named = {f"{PREFIX}{option.replace('-', '_').upper()}": option for option in options}
        own = {name: VARIABLES[name] for name in named if name in VARIABLES}
        return own | {name: f"What `--{option}` says." for name, option in named.items() if option in RULES}
