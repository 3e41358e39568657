"""The command line as a whole: which command is meant, and what an error becomes."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress

import click
from click.shell_completion import CompletionItem

from layerscope import __version__
from layerscope.cli.ending import Ended
from layerscope.cli.image_completion import VARIABLE, complete_image, register
from layerscope.cli.output import ready_streams
from layerscope.errors import LayerscopeError, NotFound
from layerscope.text import escape

REPORT = "report"
GATE = "ci"
_REPORTS = frozenset({"--text", "--json", "--help", "-h"})
"""Options of the report that say that it is wanted, be it in CI."""
_NOT_ON = frozenset({"", "0", "false", "no", "off"})
"""Values of a variable that turn off what it stands for."""
COMMANDS = {
    REPORT: "layerscope.cli.report",
    "ls": "layerscope.cli.files",
    "find": "layerscope.cli.files",
    "cat": "layerscope.cli.contents",
    "extract": "layerscope.cli.contents",
    "blame": "layerscope.cli.files",
    "waste": "layerscope.cli.waste",
    "verify": "layerscope.cli.contents",
    "ci": "layerscope.cli.ci",
    "baseline": "layerscope.cli.baseline",
    "diff": "layerscope.cli.diff",
    "images": "layerscope.cli.images",
    "build": "layerscope.cli.build",
    "watch": "layerscope.cli.watch",
    "demo": "layerscope.cli.report",
    "cache": "layerscope.cli.cache",
    "config": "layerscope.cli.config",
    "completion": "layerscope.cli.completion",
}
INTERRUPTED = 130
BROKEN_PIPE = 141
DEBUG = "LAYERSCOPE_DEBUG"
APOLOGY = "sorry, this is a bug of ours"
HOW_TO_REPORT = f"please report the command, the image and what it prints with {DEBUG}=1"

HELP = """What is in this container image, and why is it so big?

\b
  layerscope IMAGE [--base N|IMAGE] [--platform OS/ARCH] [--json FILE]
      the report: layers, waste, the worst paths; with --json all of it for a
      program (`-`: standard output). More: layerscope IMAGE --help

IMAGE is a file or directory (an archive of `docker save` or `podman save`, an OCI archive or layout, compressed or not,
or a tar or zip that holds one), `-` for standard input, or one of docker-archive:FILE[:REF], oci-archive:FILE[:REF],
oci:DIR[:REF], dir:DIR. An image that is one of several in a file is chosen by its tag, digest or position from 0:
FILE:TAG, FILE:DIGEST, FILE:@N. A root filesystem (docker export) or a layer is shown as an image of one layer;
layer:FILE does that with any tar. Anything else is an image in an engine, by NAME[:TAG], NAME@DIGEST or the first digits
of its id; it is read where the engine keeps it, if this user may, and exported if not.

\b
What IMAGE means, the first that fits:
  docker:NAME, podman:NAME   that engine's image
  container:NAME             a container of Docker or Podman: its image, and on
                             top what it wrote; docker:container:NAME, podman:...
  containerd:NAME|DIGEST     an image in containerd's store (nerdctl, k3s, ctr);
                             CONTAINERD_NAMESPACE says in which namespace
  docker-archive:, oci:, ... that file or directory
  layer:FILE                 any tar, as an image of one layer (layer:- for a pipe)
  a path that exists         that file, or directory with an image in it
  /..., ./..., ../..., ~...  a file, which is then missing
  NAME                       Docker's image (DOCKER_HOST, contexts), else
                             Podman's (CONTAINER_HOST, its usual sockets);
                             if both have one of that name that differ, say which

\b
Examples:
  docker save myimage:latest | layerscope -
  layerscope myimage:latest
  layerscope podman:localhost/app --keep .
  layerscope image.tar --base 3
  layerscope ls image.tar /etc --layer 2
  layerscope blame image.tar /etc/passwd
  layerscope waste image.tar --by directory
  layerscope cat image.tar /etc/os-release
  layerscope ci image.tar --max-size 500MB

Exit codes: 0 done, 1 a verification failed or a rule is broken, 2 could not do it, 130 interrupted (143: by SIGTERM).
"""


def _meant(args: list[str]) -> list[str]:
    """An image without a command: the gate with --ci, and in CI where no other report is asked for; else the report."""
    if "--ci" in args:
        return [GATE, *(each for each in args if each != "--ci")]
    wants_report = any(each.partition("=")[0] in _REPORTS for each in args)
    is_ci = os.environ.get("CI", "").lower() not in _NOT_ON
    return [GATE if is_ci and not wants_report else REPORT, *args]


class _ReaderGone(Exception):
    """Whoever read our output has gone."""


class Commands(click.Group):
    """Loads a command's module when it is called; anything that is no command is an image to report on."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All but the report, which has no name."""
        return [name for name in COMMANDS if name != REPORT]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module, and with it only what that command needs."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name])
        command: click.Command = getattr(module, cmd_name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `report` before anything that starts with no command."""
        own = {"--help", "-h", "--version"}
        if args and args[0] not in own and args[0] not in self.list_commands(ctx):
            args = _meant(args)
        # click takes `-:TAG`, an image on standard input, for options; the longer spelling means the same.
        args = [f"docker-archive:{each}" if each.startswith("-:") else each for each in args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The first word may be a command or an image's file; a shell that is told of both forgets the commands."""
        return super().shell_complete(ctx, incomplete) or complete_image(ctx, None, incomplete)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. click would end a broken pipe with exit code 1, which here means that a check failed."""
        try:
            code: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise _ReaderGone from error
        return code

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in self.list_commands(ctx)])


SUMMARIES = {
    "ls": "List the files seen after a layer.",
    "find": "Find paths by glob or /regex/, removed ones too.",
    "cat": "Print a file as it is after a layer.",
    "extract": "Copy a file or directory out of the image.",
    "blame": "Show every version of a path, and what made it.",
    "waste": "List wasted bytes by path, cause, layer or directory.",
    "verify": "Check the digests and diff_ids of all blobs.",
    "ci": "Hold an image to rules: the gate for CI.",
    "baseline": "Write the figures that later builds are held against.",
    "diff": "Show what one image has that another has not.",
    "images": "Show which images share layers, and what each costs.",
    "build": "Build with docker or podman, then explore the image.",
    "watch": "Show an image anew whenever it is built anew.",
    "demo": "Show a small built-in image.",
    "cache": "Show or clear what is kept of layers read before.",
    "config": "Print where the config file is, and the defaults.",
    "completion": "Print the completion script for a shell.",
}


@click.group(cls=Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """The group itself does nothing; its commands do."""


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code. The only place where errors are caught, our own mistakes among them."""
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
        # Python would complain once more when it closes standard output.
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
    """Say that we are at fault, and with LAYERSCOPE_DEBUG where; without it a traceback would bury the sentence."""
    if os.environ.get(DEBUG, "") not in _NOT_ON:
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    click.echo(f"layerscope: {APOLOGY} ({escape(type(error).__name__)}); {HOW_TO_REPORT}", err=True)


def _meant_command(arguments: list[str]) -> str:
    """A hint for a mistyped command, which was taken for an image."""
    typed = arguments[0] if arguments else ""
    if typed in SUMMARIES or os.path.lexists(typed):
        return ""
    from difflib import get_close_matches

    near = get_close_matches(typed, SUMMARIES, n=1)
    return f" (or did you mean the command `{near[0]}`?)" if near else ""


def _system_sentence(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "this image needs more memory than there is"
    return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")


def _usage_sentence(error: click.ClickException) -> str:
    """What is wrong with the arguments, and where to read more."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return error.format_message()
    if isinstance(error, click.NoSuchOption):
        sentence = f"there is no option {error.option_name}"
        options = [option for parameter in context.command.get_params(context) for option in parameter.opts]
        from difflib import get_close_matches

        near = get_close_matches(error.option_name, [*options, "--version"], n=1)
        sentence += f"; did you mean {near[0]}?" if near else "."
    else:
        sentence = error.format_message()
        sentence = sentence[:1].lower() + sentence[1:].rstrip(".") + "."
    return f"{sentence} Try: {context.command_path.removesuffix(f' {REPORT}')} --help"
