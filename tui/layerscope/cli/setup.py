"""`layerscope config` and `cache`: where the config file and the cache of layers are, what they hold, how to clear it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from layerscope.cache.cache import Cache
    from layerscope.cache.directory import KeptFile

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option("--clear", "is_cleared", is_flag=True, help="Remove everything from the cache.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object.")
def cache(*, is_cleared: bool, as_json: bool) -> None:
    """Show the cache of layers: where it is and how much it holds.

    A layer never changes, so one that is compressed or in an engine is read only once: the list of its files is cached,
    never their contents. So are configs of engines' images, which need not be exported again, and manifests and configs of
    registries' images. If the cache is
    full, the least recently used goes first. Times are UTC.

    With `keep_windows = true` in the config file or LAYERSCOPE_KEEP_WINDOWS=1, it
    holds windows, too: 32 KiB of contents for each 16 MiB of a registry's gzip
    layer, from which files in that layer can be unpacked without all before them.

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
        click.echo(json.dumps(_cache_fields(opened, kept, removed)))
    elif is_cleared:
        click.echo(f"removed {_count_text(removed)}")
    else:
        click.echo("\n".join(_cache_lines(opened, kept)))


def _cache_lines(opened: Cache, kept: list[KeptFile]) -> list[str]:
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

    images, windows = sum(file.is_image for file in files), sum(file.is_windows for file in files)
    counts = [count_text(len(files) - images - windows, "layer")]
    counts += [count_text(images, "document")] if images else []
    counts += [f"windows of {count_text(windows, 'layer')} (they hold contents)"] if windows else []
    return f"{' and '.join(counts)}, {size_text(sum(file.size for file in files))}"


def _note(opened: Cache) -> str:
    """Return why the cache is not used; empty if it is used."""
    from layerscope.cli.options import NO_CACHE

    if opened.trouble:
        return opened.trouble
    return f"{NO_CACHE} is set" if os.environ.get(NO_CACHE) else ""


def _cache_fields(opened: Cache, kept: list[KeptFile], removed: list[KeptFile]) -> dict[str, Any]:
    """Collect the fields of --json; bytes of `directory` that are not UTF-8 become escaped surrogates."""
    return {
        "directory": str(opened.directory),
        "limit_bytes": opened.limit,
        "layers": sum(not file.is_image and not file.is_windows for file in kept),
        "windows": sum(file.is_windows for file in kept),
        "images": sum(file.is_image for file in kept),
        "bytes": sum(file.size for file in kept),
        "oldest_use": _time_text(kept[0].used) if kept else None,
        "newest_use": _time_text(kept[-1].used) if kept else None,
        "removed_layers": sum(not file.is_image and not file.is_windows for file in removed),
        "removed_bytes": sum(file.size for file in removed),
        "not_used_because": _note(opened),
    }


def _time_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@click.command()
@click.option("--path", "only_path", is_flag=True, help="Print only the path of the config file.")
@click.option("--check", "only_check", is_flag=True, help="Check the config file: `ok`, or what is wrong and exit code 2.")
def config(*, only_path: bool, only_check: bool) -> None:
    """Print where the config file is, and every setting with its default, as TOML.

    The environment variable LAYERSCOPE_CONFIG selects another file. The rules of `layerscope ci` are not set here.

    \b
    Examples:
      layerscope config > config.toml
      layerscope config --path
      layerscope config --check
    """
    from layerscope.errors import UsageError
    from layerscope.settings import settings_path

    if only_path and only_check:
        raise UsageError("--path and --check cannot be combined")
    if only_path:
        click.echo(os.fsencode(settings_path()))
    elif only_check:
        _check_config(settings_path())
    else:
        _show_config(settings_path())


def _check_config(path: Path) -> None:
    from layerscope.app.key_names import textual_keys
    from layerscope.app.keys import KEY_IDS
    from layerscope.settings import read_settings
    from layerscope.text import escape

    read_settings(key_ids=KEY_IDS, name_keys=textual_keys)
    click.echo("ok" if _exists(path) else f"ok: there is no {escape(str(path))}, so the defaults apply")


def _show_config(path: Path) -> None:
    from layerscope.app.keys import KEYS
    from layerscope.settings import defaults_text
    from layerscope.text import escape

    state = (
        "is read at start; below are the defaults, not its contents"
        if _exists(path)
        else "does not exist; below are the defaults"
    )
    click.echo(f"# {escape(str(path))} {state}.\n")
    click.echo(defaults_text([(key.id, key.keys, key.description) for key in KEYS]), nl=False)


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises where a directory above cannot be looked into
