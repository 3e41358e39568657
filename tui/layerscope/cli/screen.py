"""The screen, started from the command line: when it can be, and what its end means."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from layerscope.progress import Progress

if TYPE_CHECKING:
    from layerscope.app.loading import Opener
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image


def can_show_screen(reference: str = "") -> bool:
    """Whether there is a terminal to draw on and to read keys from, or TEXTUAL_DRIVER names another way."""
    if os.environ.get("TEXTUAL_DRIVER"):
        return True
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()
    return is_terminal and os.environ.get("TERM", "") not in ("", "dumb") and not reference.startswith("-")


def show_screen(reference: str, platform: str | None, base: str | None) -> int:
    """Explore an image on the screen."""

    def opener(progress: Progress) -> tuple[Image, Base]:
        from layerscope.cli.options import open_image
        from layerscope.sources.base import find_base

        image = open_image(reference, platform, progress)
        return image, find_base(image, base, open_base=lambda name: open_image(name, str(image.platform), progress))

    _check_reference(reference)
    return _show(opener, reference)


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


def _show(opener: Opener, reference: str) -> int:
    from layerscope.app.app import run
    from layerscope.app.keys import KEYS
    from layerscope.app.loading import Failed
    from layerscope.app.terminal import Terminal
    from layerscope.settings.read import read_settings

    settings = read_settings(key_ids=[key.id for key in KEYS])
    ending = run(opener, reference, settings=settings, terminal=Terminal.of())
    if isinstance(ending, Failed):
        raise ending.error
    return 128 + ending if ending else 0
