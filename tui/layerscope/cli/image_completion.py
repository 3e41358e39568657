"""Completing IMAGE: a file, also behind `layer:`, `oci:` and the like, which no shell takes for the start of a path."""

from __future__ import annotations

import os

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

VARIABLE = "_LAYERSCOPE_COMPLETE"
MAX_LISTED = 1000


def complete_image(_ctx: click.Context, _parameter: click.Parameter | None, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file name; behind a prefix list the files, for bash alone sees a word of its own there."""
    from layerscope.sources.location import PREFIXES

    prefix = next((each for each in PREFIXES if incomplete.startswith(each)), "")
    if not prefix or os.environ.get(VARIABLE, "").startswith("bash"):
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(prefix + path) for path in _paths(incomplete.removeprefix(prefix))]


def _paths(start: str) -> list[str]:
    """The paths that begin with `start`, directories with a slash behind them."""
    parent, name = os.path.split(start)
    try:
        with os.scandir(parent or ".") as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries if entry.name.startswith(name)]
    except (OSError, ValueError):
        return []
    shown = sorted(found)[:MAX_LISTED]
    return [os.path.join(parent, each) + "/" * is_dir for each, is_dir in shown if each.isprintable()]  # noqa: PTH118


class ColonBash(BashComplete):
    """Bash splits words at colons: `layer:FILE` is three of them, and one argument of ours."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The arguments before the cursor, and the one at it."""
        args, incomplete = super().get_completion_args()
        joined: list[str] = []
        for word in (*args, incomplete):
            if joined and (word.startswith(":") or joined[-1].endswith(":")):
                joined[-1] += word
            else:
                joined.append(word)
        return joined[:-1], joined[-1]


def register() -> None:
    """Have click use it."""
    add_completion_class(ColonBash)
