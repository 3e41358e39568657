"""The command line as a whole: select the command, run it, turn errors into sentences and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress

import click
from click.shell_completion import CompletionItem

from layerscope import __version__
from layerscope.cli.completion import VARIABLE, complete_image, register
from layerscope.cli.help import EXIT_CODES, GROUPS, HELP, LISTING, REPORT, SUMMARIES
from layerscope.cli.output import ready_streams
from layerscope.cli.signals import Ended
from layerscope.errors import LayerscopeError, NotFound
from layerscope.text import NOT_ON, escape, nearest, suggestion

GATE = "ci"
_REPORTS = frozenset({"--text", "--json", "--help", "-h"})
"""Options that ask for the report even in CI."""
COMMANDS = {
    REPORT: "layerscope.cli.report",
    "ls": "layerscope.cli.files",
    "find": "layerscope.cli.files",
    "cat": "layerscope.cli.files",
    "extract": "layerscope.cli.files",
    "blame": "layerscope.cli.files",
    "waste": "layerscope.cli.report",
    "images": "layerscope.cli.images",
    "fleet": "layerscope.cli.fleet",
    "tags": "layerscope.cli.tags",
    "build": "layerscope.cli.build",
    "demo": "layerscope.cli.report",
    "diff": "layerscope.cli.compare",
    "watch": "layerscope.cli.compare",
    "fix": "layerscope.cli.fix",
    "slim": "layerscope.cli.slim",
    "ci": "layerscope.cli.ci",
    "baseline": "layerscope.cli.ci",
    "trend": "layerscope.cli.trend",
    "verify": "layerscope.cli.files",
    "registry": "layerscope.cli.registry",
    "config": "layerscope.cli.setup",
    "cache": "layerscope.cli.setup",
    "completion": "layerscope.cli.completion",
    "manual": "layerscope.cli.manual",
    "help": "layerscope.cli.help",
    "version": "layerscope.cli.help",
}
SHARED = frozenset({"pull", "keep", "insecure", "limit_rate", "no_registry"})
"""Options of engines and registries, which most commands have: help lists them after a command's own."""
INTERRUPTED = 130
BROKEN_PIPE = 141
DEBUG = "LAYERSCOPE_DEBUG"
APOLOGY = "this is a bug in layerscope"
HOW_TO_REPORT = f"please report the command, the image and the output with {DEBUG}=1"


def _meant(args: list[str]) -> list[str]:
    """Put a command in front of arguments that start with an image: `ci` with --ci or CI=true, otherwise the report."""
    if "--ci" in args:
        return [GATE, *(each for each in args if each != "--ci")]
    wants_report = any(each.partition("=")[0] in _REPORTS for each in args)
    return [GATE if is_ci() and not wants_report else REPORT, *args]


def is_ci() -> bool:
    """Tell whether a CI system runs this command: CI=true is in the environment."""
    return os.environ.get("CI", "").lower() not in NOT_ON


class _ReaderGone(Exception):
    """The reader of standard output closed the pipe."""


class Commands(click.Group):
    """The group of all commands, each imported when it is called; a first word that is no command is an image."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List the names of the commands in the order of the help, without the report, which is called without a name."""
        return [name for name in COMMANDS if name != REPORT]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of a command and return the command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name])
        command: click.Command = getattr(module, cmd_name)
        command.params.sort(key=lambda each: each.name in SHARED)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command that is meant in front of arguments that start with an image, then let click parse them."""
        own = {"--help", "-h", "--version"}
        if args and args[0] not in own and args[0] not in self.list_commands(ctx):
            args = _meant(args)
        # click would read `-:TAG`, an image on standard input, as options; the longer spelling means the same.
        args = [f"docker-archive:{each}" if each.startswith("-:") else each for each in args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer commands, or files if no command matches: a shell that gets both drops the commands."""
        return super().shell_complete(ctx, incomplete) or complete_image(ctx, None, incomplete)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command, and raise _ReaderGone on a broken pipe.

        Click itself would then exit with 1, which here means that a check failed.
        """
        try:
            code: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise _ReaderGone from error
        return code

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the two forms of a call: with an image, and with a command."""
        formatter.write("Usage: layerscope IMAGE [OPTIONS]\n       layerscope COMMAND ...\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands before the few options, then the exit codes."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(EXIT_CODES)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands by group, without importing them."""
        for title, group in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(list(group.items()), col_max=12)


@click.group(cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Do nothing: the work is done by the commands of this group."""


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code. All errors are caught here, our own bugs too."""
    ready_streams()
    if VARIABLE in os.environ:
        register()
    try:
        code = commands.main(arguments or ["--help"], prog_name="layerscope", standalone_mode=False)
        sys.stdout.flush()
    except LayerscopeError as error:
        hint = _meant_command(arguments) if isinstance(error, NotFound) else ""
        click.echo(f"layerscope: {error}{hint}", err=True)
        return error.exit_code
    except click.ClickException as error:
        click.echo(f"layerscope: {_usage_sentence(error)}{_meant_command(arguments)}", err=True)
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("layerscope: interrupted", err=True)
        return INTERRUPTED
    except Ended as ended:
        with suppress(OSError):  # the terminal that hung up
            click.echo(f"layerscope: ended by {ended.name}", err=True)
        code = ended.exit_code
    except _ReaderGone:
        # Python would report the same error again when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (OSError, MemoryError) as error:
        click.echo(f"layerscope: {_system_sentence(error)}", err=True)
        code = 2
    except Exception as error:  # noqa: BLE001 - Python would exit with 1, which means that a rule is broken
        _apologize(error)
        code = 2
    return code if isinstance(code, int) else 0


def _apologize(error: Exception) -> None:
    """Report a bug of our own in one sentence, with a traceback only if LAYERSCOPE_DEBUG is set."""
    if os.environ.get(DEBUG, "") not in NOT_ON:
        import traceback

        for line in "".join(traceback.format_exception(error)).splitlines():
            click.echo(escape(line), err=True)  # errors quote texts of images and registries
    click.echo(f"layerscope: {APOLOGY} ({escape(type(error).__name__)}); {HOW_TO_REPORT}", err=True)


def _meant_command(arguments: list[str]) -> str:
    """Suggest the command that was meant by a name that is neither a command nor a file."""
    typed = arguments[0] if arguments else ""
    if typed in SUMMARIES or os.path.lexists(typed):
        return ""
    near = nearest(typed, SUMMARIES)
    return f" (or did you mean the command `{near[0]}`?)" if near else ""


def _system_sentence(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "out of memory: this image needs more than is available"
    return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")


def _usage_sentence(error: click.ClickException) -> str:
    """Say what is wrong with the arguments, and which help to read."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return error.format_message()
    if isinstance(error, click.NoSuchOption):
        options = [option for parameter in context.command.get_params(context) for option in parameter.opts]
        near = suggestion(error.option_name, [*options, "--version"]) or "."
        sentence = f"there is no option {error.option_name}{near}"
    else:
        sentence = error.format_message()
        sentence = sentence[:1].lower() + sentence[1:].rstrip(".") + "."
    typed = context.command_path.removesuffix(f" {REPORT}").removesuffix(f" {LISTING}")
    return f"{sentence} Try: {typed} --help"
