"""`layerscope build`: run the engine's build, then show the image, or in CI check it against rules."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from layerscope.errors import NotFound

BUILDERS = ("docker", "podman")
ELSEWHERE = "as with --output, --push or a separate builder"
HELP = frozenset({"-h", "--help"})


class _Verbatim(click.Command):
    """A click command that passes all arguments after its own leading options on to the engine, as they were typed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `--` before the engine's arguments: click would handle a `--help` among them itself."""
        own = 0
        while own < len(args) and (args[own] in ("--engine", "--ci") or args[own].startswith("--engine=")):
            own += 2 if args[own] == "--engine" else 1
        if own > len(args) or (len(args) == 1 and args[0] in HELP):
            return super().parse_args(ctx, args)
        return super().parse_args(ctx, [*args[:own], "--", *args[own:]])


@click.command(cls=_Verbatim)
@click.option(
    "--engine", type=click.Choice(BUILDERS), help="Build with this engine; default: docker if installed, otherwise podman."
)
@click.option("--ci", "is_asked", is_flag=True, help="Check the image against rules instead: see layerscope ci --help.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[BUILD ARGUMENTS]...")
def build(engine: str | None, arguments: tuple[str, ...], *, is_asked: bool) -> int:
    """Build an image with docker or podman, then explore it; without a terminal, print its report.

    With --ci, or with CI=true in the environment, check it against rules instead, as `layerscope ci` does, with its exit code.

    All arguments except a leading --engine or --ci go to the engine's `build`, whose output is shown as it is. If the build
    fails, its exit code is passed on. `layerscope build . --help` shows the engine's options.

    \b
    Examples:
      layerscope build -t myimage .
      layerscope build --engine podman -f Containerfile .
      LAYERSCOPE_MAX_SIZE=500MB layerscope build --ci -t myimage .
    """
    from layerscope.cli.ci import judge_image
    from layerscope.cli.main import is_ci
    from layerscope.cli.report import show_image
    from layerscope.cli.rule_options import read_rules

    is_judged = is_asked or is_ci()
    if is_judged and not HELP & set(arguments):
        read_rules()  # before the build, so that a mistake in them is reported at once
    builder = _builder(engine)
    with tempfile.TemporaryDirectory(prefix="layerscope-") as directory:
        file = Path(directory, "image-id")
        # Engines take the last one, so that the user's own wins.
        code = _run([builder, "build", f"--iidfile={file}", *arguments])
        if code or HELP & set(arguments):
            return code
        identity = _identity([file, *map(Path, reversed(list(_values(arguments, "--iidfile"))))])  # the last one wins
    reference = _reference(Path(builder).name, identity, list(_values(arguments, "--tag", "-t")))
    try:
        return judge_image(reference) if is_judged else show_image(reference)
    except NotFound as error:
        raise NotFound(f"the build may have left its image elsewhere ({ELSEWHERE}): {error}") from error


def _builder(engine: str | None) -> str:
    for name in (engine,) if engine else BUILDERS:
        found = shutil.which(name)
        if found:
            return found
    raise NotFound(f"{engine} is not installed" if engine else "neither docker nor podman is installed")


def _run(command: list[str]) -> int:
    """Run a command with our standard streams and return its exit code. It handles Ctrl-C itself, and gets our SIGTERM."""
    sys.stdout.flush()
    process: subprocess.Popen[bytes] | None = None
    is_ended = False

    def end(*_: object) -> None:
        nonlocal is_ended
        is_ended = True
        if process is not None:
            process.terminate()

    before = signal.signal(signal.SIGTERM, end)
    try:
        process = subprocess.Popen(command)  # noqa: S603 - what the user asked for
        if is_ended:
            process.terminate()
        code = _wait(process)
    finally:
        signal.signal(signal.SIGTERM, before)
    return code if code >= 0 else 128 - code


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _values(arguments: Sequence[str], name: str, short: str = "") -> Iterator[str]:
    """Yield what may be values of the option `name` or `short`: options are not parsed as engines do, so callers check each."""
    for index, argument in enumerate(arguments):
        if argument in (name, short) and index + 1 < len(arguments):
            yield arguments[index + 1]
        elif argument.startswith(f"{name}="):
            yield argument.partition("=")[2]
        elif short and argument.startswith(short) and len(argument) > len(short) and not argument.startswith("--"):
            yield argument.removeprefix(short).removeprefix("=")


def _identity(files: Sequence[Path]) -> str:
    """Return the image ID from the first of these files to which the engine wrote one (--iidfile). Raises NotFound."""
    for file in files:
        try:
            identity = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if identity:
            return identity if ":" in identity else f"sha256:{identity}"
    raise NotFound(f"the build left no image in the engine ({ELSEWHERE})")


def _reference(engine: str, identity: str, tags: Sequence[str]) -> str:
    """Return a reference that leads to the image just built: one of its tags if that is still this image's, otherwise its ID.

    All engines are tried, because a program `docker` may be Podman's.
    """
    from layerscope.sources.fingerprint import fingerprint

    candidates = [f"{each}:{name}" for each in dict.fromkeys([engine, *BUILDERS]) for name in (*tags, identity)]
    for reference in candidates:
        found = fingerprint(reference)
        if isinstance(found, str) and found.removeprefix("sha256:") == identity.removeprefix("sha256:"):
            return reference
    return f"{engine}:{identity}"
