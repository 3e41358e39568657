"""Start the screen from the command line: whether there is a terminal for it, and the exit code when it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

from layerscope.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from layerscope.advice.advice import Advice, Adviser
    from layerscope.analysis import Analysis
    from layerscope.app.app import Ending, OnAnalyzed
    from layerscope.app.explorer.loader import ImageSource, Opener
    from layerscope.app.widgets.home import HomeStart
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image


TERMINAL = "/dev/tty"
CRASHED = 1


def can_show_screen(*references: str | None) -> bool:
    """Tell whether there is a terminal to draw on and to read keys from, or TEXTUAL_DRIVER names another driver.

    If an image comes from standard input, keys are read from the terminal device.
    """
    reads_image = any(map(_is_stdin, references))
    if os.environ.get("TEXTUAL_DRIVER"):
        return not reads_image
    if not (sys.stdout.isatty() and sys.stderr.isatty()) or os.environ.get("TERM", "") in ("", "dumb"):
        return False
    # An image on a terminal is a mistake that the reader of the image explains.
    return sys.stdin.isatty() != reads_image and (not reads_image or _has_terminal())


def _is_stdin(reference: str | None) -> bool:
    from layerscope.sources.location import PREFIXES, STDIN

    typed = reference or ""
    prefix = next((prefix for prefix in PREFIXES if typed.startswith(prefix)), "")
    return typed.removeprefix(prefix).partition(":")[0] == STDIN


def _has_terminal() -> bool:
    """Tell whether this process has a controlling terminal."""
    try:
        terminal = os.open(TERMINAL, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    os.close(terminal)
    return True


def show_screen(
    reference: str,
    platform: str | None,
    base: str | None,
    *,
    dockerfile: Path | None = None,
    build_context: Path | None = None,
    is_watched: bool = False,
) -> int:
    """Explore an image on the screen, and every rebuild if it `is_watched`. Returns the exit code.

    What to change is looked for in `dockerfile`, by default the one in `build_context`, by default the current directory.
    """
    from layerscope.sources.location import locate

    context = click.get_current_context()

    # Both run in a thread after the first frame: importing what the cache needs takes as long as drawing that frame.
    def opener(progress: Progress) -> tuple[Image, Base]:
        from layerscope.cli.advising import known_base, with_instructions
        from layerscope.cli.options import chosen_engine_options, open_image

        with context.scope(cleanup=False):
            engine_options = chosen_engine_options(say=say)
        image = open_image(reference, platform, progress, engine_options=engine_options, may_change=is_watched)
        found = known_base(
            image,
            base,
            open_base=lambda name: open_image(name, str(image.platform), progress, engine_options=engine_options),
            dockerfile=named_dockerfile(dockerfile, build_context),
        )
        return with_instructions(image, found.layers, dockerfile, context=build_context), found

    def adviser(analysis: Analysis, only: Collection[str]) -> Advice:
        from layerscope.cli.advising import find_advice

        return find_advice(analysis, dockerfile, context=build_context, only=only)

    def remember(analysis: Analysis) -> None:
        from layerscope.cli.options import open_cache, remember_waste

        with context.scope(cleanup=False):
            remember_waste(analysis, open_cache())

    locate(reference)  # a missing file is reported before the screen opens
    read_keys_from_terminal(reference, base)
    with said_afterwards() as say:
        return _show(opener, reference, is_watched=is_watched, on_analyzed=remember, adviser=adviser)


def show_pair(named: Sequence[tuple[str, str | None]]) -> int:
    """Compare two images, each a reference and a platform, on the screen. Returns the exit code."""
    from layerscope.sources.location import locate

    context = click.get_current_context()
    read: list[Analysis] = []

    def opener(reference: str, platform: str | None, progress: Progress) -> tuple[Image, Base]:
        from layerscope.cli.options import chosen_engine_options, open_image
        from layerscope.sources.base import Base

        with context.scope(cleanup=False):
            engine_options = chosen_engine_options(say=say)
        return open_image(reference, platform, progress, engine_options=engine_options), Base()

    for reference, _ in named:
        locate(reference)  # a missing file is reported before the screen opens
    read_keys_from_terminal(*(reference for reference, _ in named))
    tune_textual()
    from layerscope.app.explorer.pair_screen import ImagePair
    from layerscope.wording.style import without_shared_start

    names = without_shared_start([name for name, _ in named])
    title = " → ".join(f"{name} ({platform})" if platform else name for name, (_, platform) in zip(names, named, strict=True))
    pair = ImagePair([partial(opener, *each) for each in named], title, read.extend)
    with said_afterwards() as say:
        code = run_screen(pair)
    from layerscope.cli.options import damage_exit_code

    return max([code, *(damage_exit_code(analysis.contents) for analysis in read)])


def named_dockerfile(named: Path | None, build_context: Path | None) -> Path | None:
    """Return the Dockerfile that was named, or else the one in the context that was named."""
    from layerscope.advice.advise import find_dockerfile

    return named or (find_dockerfile(build_context) if build_context else None)


def show_demo() -> int:
    """Explore the built-in image on the screen. Returns the exit code."""

    def opener(_progress: Progress) -> tuple[Image, Base]:
        from layerscope.sources.base import Base
        from layerscope.sources.demo import open_demo

        return open_demo(), Base()

    return _show(opener, "demo")


def read_keys_from_terminal(*references: str | None) -> None:
    """Put the terminal on descriptor 0, where Textual reads keys, if an image comes from standard input.

    `sys.stdin` keeps reading the image.
    """
    if not any(map(_is_stdin, references)):
        return
    sys.stdin = open(os.dup(0), encoding="utf-8")  # noqa: SIM115, PTH123 - open to the end
    terminal = os.open(TERMINAL, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(terminal, 0)
    os.close(terminal)


def tune_textual() -> None:
    """Set the environment variables that Textual reads when it is imported."""
    if not os.environ.get("NO_COLOR"):
        os.environ.pop("NO_COLOR", None)  # Textual would obey an empty one too

    # Textual draws 60 times a second unless told otherwise; a key then waits 16 ms more for its frame.
    os.environ.setdefault("TEXTUAL_FPS", "120")


def _show(
    opener: Opener,
    reference: str,
    *,
    is_watched: bool = False,
    on_analyzed: OnAnalyzed | None = None,
    adviser: Adviser | None = None,
) -> int:
    tune_textual()
    from layerscope.app.explorer.loader import ImageSource
    from layerscope.sources.fingerprint import fingerprint

    watched = partial(fingerprint, reference) if is_watched else None
    return run_screen(ImageSource(opener, reference, watched, adviser), on_analyzed)


def run_screen(start: ImageSource | HomeStart, on_analyzed: OnAnalyzed | None = None) -> int:
    """Run the app with the user's settings; return its exit code. Raises BadSettings, and the error that ended the app.

    Call `tune_textual` before anything of the app is imported.
    """
    from layerscope.app.app import run
    from layerscope.app.key_names import textual_keys
    from layerscope.app.keys import KEY_IDS
    from layerscope.app.terminal import Terminal
    from layerscope.settings import read_settings

    settings = read_settings(key_ids=KEY_IDS, name_keys=textual_keys)
    return _exit_code(run(start, settings=settings, terminal=Terminal.of(), on_analyzed=on_analyzed))


@contextmanager
def said_afterwards() -> Iterator[Callable[[str], None]]:
    """Keep the sentences that are said while a screen is open, which has standard error, and print them there at the end."""
    said: list[str] = []
    try:
        yield said.append
    finally:
        from layerscope.cli.options import say_on_stderr

        for sentence in said:
            say_on_stderr(sentence)


def _exit_code(ending: Ending) -> int:
    """Turn the way a screen ended into an exit code. Raises the error that ended it."""
    from layerscope.app.app import Crashed
    from layerscope.app.explorer.loader import Failed

    if isinstance(ending, Failed):
        raise ending.error
    if isinstance(ending, Crashed):
        return CRASHED
    return 128 + ending if ending else 0
