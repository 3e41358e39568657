"""`layerscope cache`: where the cache of layers is, what it holds, and clearing it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from layerscope.cache.cache import Cache
    from layerscope.cache.directory import KeptFile


@click.command()
@click.option("--clear", "is_cleared", is_flag=True, help="Remove everything from the cache.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object.")
def cache(*, is_cleared: bool, as_json: bool) -> None:
    """Show the cache of layers: where it is and how much it holds.

    A layer never changes, so one that is compressed or in an engine is read only once: the list of its files is cached,
    never their contents. So are configs of engines' images, which need not be exported again, and manifests and configs of
    registries' images. If the cache is
    full, the least recently used goes first. Times are UTC.

    \b
    LAYERSCOPE_CACHE=DIR         another directory
    LAYERSCOPE_CACHE_SIZE=SIZE   another limit than 512MB
    LAYERSCOPE_NO_CACHE=1        --no-cache for every command

    \b
    Examples:
      layerscope cache
      layerscope cache --clear
      layerscope cache --json | jq .bytes
    """
    from layerscope.cache.cache import Cache

    opened = Cache.open()
    removed = opened.clear() if is_cleared else []
    kept = opened.entries()
    if as_json:
        click.echo(json.dumps(_facts(opened, kept, removed)))
    elif is_cleared:
        click.echo(f"removed {_count_text(removed)}")
    else:
        click.echo("\n".join(_lines(opened, kept)))


def _lines(opened: Cache, kept: list[KeptFile]) -> list[str]:
    from layerscope.text import escape
    from layerscope.units import size_text

    lines = [
        f"directory  {escape(str(opened.directory))}",
        f"kept       {_count_text(kept)} of at most {size_text(opened.limit)}",
    ]
    if kept:
        lines.append(f"last used  between {_time_text(kept[0].used)} and {_time_text(kept[-1].used)}")
    note = _note(opened)
    return [*lines, f"not used   {escape(note)}"] if note else lines


def _count_text(files: list[KeptFile]) -> str:
    from layerscope.units import count_text, size_text

    images = sum(file.is_image for file in files)
    of_images = f" and {count_text(images, 'document')}" if images else ""
    return f"{count_text(len(files) - images, 'layer')}{of_images}, {size_text(sum(file.size for file in files))}"


def _note(opened: Cache) -> str:
    """Say why the cache is not used; empty if it is."""
    from layerscope.cli.options import NO_CACHE

    if opened.trouble:
        return opened.trouble
    return f"{NO_CACHE} is set" if os.environ.get(NO_CACHE) else ""


def _facts(opened: Cache, kept: list[KeptFile], removed: list[KeptFile]) -> dict[str, Any]:
    """Collect the fields of --json; bytes of `directory` that are not UTF-8 become escaped surrogates."""
    return {
        "directory": str(opened.directory),
        "limit_bytes": opened.limit,
        "layers": sum(not file.is_image for file in kept),
        "images": sum(file.is_image for file in kept),
        "bytes": sum(file.size for file in kept),
        "oldest_use": _time_text(kept[0].used) if kept else None,
        "newest_use": _time_text(kept[-1].used) if kept else None,
        "removed_layers": sum(not file.is_image for file in removed),
        "removed_bytes": sum(file.size for file in removed),
        "not_used_because": _note(opened),
    }


def _time_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
