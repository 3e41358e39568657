"""The screen, started from the command line: when it can be, and what its end means."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from layerscope.progress import Progress

if TYPE_CHECKING:
    from layerscope.analysis import Analysis
    from layerscope.app.app import Ending, OnAnalyzed
    from layerscope.app.explorer.loader import Opener
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image


TERMINAL = "/dev/tty"
CRASHED = 1


def can_show_screen(*references: str | None) -> bool:
    """Whether there is a terminal to draw on and to read keys from, or TEXTUAL_DRIVER names another way. Where one of the
    references is standard input, keys come from the terminal itself.
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
    """Whether this process has a terminal of its own, and is not in the background of it."""
    try:
        terminal = os.open(TERMINAL, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    os.close(terminal)
    return True


def show_screen(reference: str, platform: str | None, base: str | None, *, is_watched: bool = False) -> int:
    """Explore an image on the screen, each of its builds if it `is_watched`."""
    context = click.get_current_context()

    # Both run in a thread, once the first frame is drawn: what the cache needs takes as long to import as that frame.
    def opener(progress: Progress) -> tuple[Image, Base]:
        from layerscope.cli.options import chosen_engine_options, open_image
        from layerscope.sources.base import find_base

        with context.scope(cleanup=False):
            engine_options = chosen_engine_options()
        image = open_image(reference, platform, progress, engine_options=engine_options, may_change=is_watched)
        found = find_base(
            image, base, open_base=lambda name: open_image(name, str(image.platform), progress, engine_options=engine_options)
        )
        return image, found

    def remember(analysis: Analysis) -> None:
        from layerscope.cli.options import open_cache, remember_waste

        with context.scope(cleanup=False):
            remember_waste(analysis, open_cache())

    _check_reference(reference)
    read_keys_from_terminal(reference, base)
    return _show(opener, reference, is_watched=is_watched, on_analyzed=remember)


def show_demo() -> int:
    """Explore the built-in image."""

    def opener(_progress: Progress) -> tuple[Image, Base]:
        from layerscope.sources.base import Base
        from layerscope.sources.demo import open_demo

        return open_demo(), Base()

    return _show(opener, "demo")


def _check_reference(reference: str) -> None:
    """Raises NotFound for a file that is not there before the screen is drawn for nothing."""
    from layerscope.sources.location import locate

    locate(reference)


def read_keys_from_terminal(*references: str | None) -> None:
    """Put the terminal where standard input was, for Textual reads keys there; `sys.stdin` stays what the image comes from.

    Only where one of the references is standard input.
    """
    if not any(map(_is_stdin, references)):
        return
    sys.stdin = open(os.dup(0), encoding="utf-8")  # noqa: SIM115, PTH123 - open to the end
    terminal = os.open(TERMINAL, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(terminal, 0)
    os.close(terminal)


def tune_textual() -> None:
    """What Textual reads from the environment when it is imported."""
    if not os.environ.get("NO_COLOR"):
        os.environ.pop("NO_COLOR", None)  # Textual takes an empty one for a wish, too

    # Textual draws 60 times a second unless told otherwise; a key then waits 16 ms more for its frame.
    os.environ.setdefault("TEXTUAL_FPS", "120")


def _show(opener: Opener, reference: str, *, is_watched: bool = False, on_analyzed: OnAnalyzed | None = None) -> int:
    tune_textual()
    from layerscope.app.app import run
    from layerscope.app.explorer.loader import ImageSource
    from layerscope.app.keys.table import KEY_IDS
    from layerscope.app.terminal import Terminal
    from layerscope.settings.read import read_settings
    from layerscope.sources.fingerprint import fingerprint

    settings = read_settings(key_ids=KEY_IDS)
    watched = partial(fingerprint, reference) if is_watched else None
    source = ImageSource(opener, reference, watched)
    return exit_code(run(source, settings=settings, terminal=Terminal.of(), on_analyzed=on_analyzed))


def exit_code(ending: Ending) -> int:
    """What the end of a screen means for the command. Raises the error that ended it."""
    from layerscope.app.app import Crashed
    from layerscope.app.explorer.loader import Failed

    if isinstance(ending, Failed):
        raise ending.error
    if isinstance(ending, Crashed):
        return CRASHED
    return 128 + ending if ending else 0
