"""`layerscope ls`, `find`, `blame`, `cat`, `extract` and `verify`: files in an image, their versions and their contents."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from layerscope.cli.options import (
    checked_layer,
    chosen_engine_options,
    damage_exit_code,
    image_argument,
    json_lines_option,
    layer_option,
    open_image,
    platform_option,
    read_image,
)
from layerscope.cli.output import Progress, output_style, write_to_terminal

if TYPE_CHECKING:
    from layerscope.analysis import Contents

if TYPE_CHECKING:
    from layerscope.analysis import Contents
    from layerscope.doubt import Check
    from layerscope.tree.tree import View


@click.command()
@image_argument
@click.argument("path", default="/")
@layer_option
@platform_option
@json_lines_option
def ls(reference: str, path: str, layer: int | None, platform: str | None, as_json: bool) -> int:  # noqa: FBT001
    """List everything below PATH as a container sees it after a layer.

    The first column is what that layer did: + added, ~ modified. Times are UTC.

    \b
    Examples:
      layerscope ls image.tar /etc
      layerscope ls image.tar --layer 2 --json | jq -r 'select(.change == "added") | .path'
    """
    from layerscope.report.listings import listing_json_lines, listing_lines, nodes_below
    from layerscope.tree.lookup import resolve

    contents = read_image(reference, platform)
    number = checked_layer(contents, layer)
    if number:
        view = contents.tree.view(number)
        nodes = nodes_below(view, resolve(view, os.fsencode(path), follow_last=True))
        if as_json:
            sys.stdout.buffer.writelines(listing_json_lines(view, nodes))
        else:
            sys.stdout.writelines(listing_lines(view, nodes))
    return damage_exit_code(contents)


@click.command()
@image_argument
@click.argument("pattern")
@platform_option
@json_lines_option
def find(reference: str, pattern: str, platform: str | None, as_json: bool) -> int:  # noqa: FBT001
    """Find every version of the paths that match PATTERN, in all layers, removed ones too.

    PATTERN is a glob (`*.pyc`, `/etc/**/*.conf`; without a slash it matches the file name) or a /regular expression/ that
    is searched in the whole path.

    \b
    Examples:
      layerscope find image.tar '*.pem'
      layerscope find image.tar '/[.]git[/]/' --json
    """
    from layerscope.report.listings import find_json_lines, find_lines
    from layerscope.search.find_nodes import find_nodes

    contents = read_image(reference, platform)
    nodes = find_nodes(contents.tree.nodes, pattern).tolist()
    if as_json:
        sys.stdout.buffer.writelines(find_json_lines(contents, nodes))
    else:
        sys.stdout.writelines(line + "\n" for line in find_lines(contents, nodes))
    return damage_exit_code(contents)


@click.command()
@image_argument
@click.argument("path")
@platform_option
@json_lines_option
def blame(reference: str, path: str, platform: str | None, as_json: bool) -> int:  # noqa: FBT001
    """Show every version of PATH, removed ones too: the layer, what it did, and its instruction.

    \b
    Example:
      layerscope blame image.tar /etc/passwd
    """
    from layerscope.report.listings import blame_json_lines, blame_lines

    contents = read_image(reference, platform)
    node = _ever_there(contents, os.fsencode(path))
    if as_json:
        sys.stdout.buffer.writelines(blame_json_lines(contents, node))
    else:
        sys.stdout.writelines(line + "\n" for line in blame_lines(contents, node, output_style()))
    return damage_exit_code(contents)


def _ever_there(contents: Contents, path: bytes) -> int:
    """Return the node of a path that any layer holds: as written, or through symlinks of the last layer. Raises NotFound."""
    from layerscope.errors import NotFound
    from layerscope.layers.tar.names import normalize
    from layerscope.tree.lookup import resolve

    node = contents.tree.nodes.find(normalize(path))
    if node is not None:
        return node
    if not contents.tree.layers:
        raise NotFound("the image has no layers")
    return resolve(contents.tree.view(contents.tree.layers), path, follow_last=False)


@click.command()
@image_argument
@click.argument("path")
@layer_option
@platform_option
def cat(reference: str, path: str, layer: int | None, platform: str | None) -> int:
    """Print the file at PATH, byte for byte, as it is after a layer.

    Symlinks are followed inside the image. On a terminal, control characters are shown as escapes.

    \b
    Examples:
      layerscope cat image.tar /etc/os-release
      layerscope cat image.tar /usr/bin/tool --layer 3 > tool
    """
    from layerscope.errors import UsageError
    from layerscope.extraction.extract import content_pieces
    from layerscope.text import escape
    from layerscope.tree.lookup import content_entry, noun_of, resolve

    contents = read_image(reference, platform, keep_seek_points=True)
    view = _view_after(contents, layer)
    code = damage_exit_code(contents)
    node = resolve(view, os.fsencode(path), follow_last=True)
    entry = content_entry(view, node)
    if entry is None:
        raise UsageError(f"{escape(os.fsencode(path))} is {noun_of(view, node)}; only files can be printed")
    pieces = content_pieces(contents, entry)
    if sys.stdout.isatty():
        write_to_terminal(pieces, path=path)
    else:
        sys.stdout.buffer.writelines(pieces)
    return code


@click.command()
@image_argument
@click.argument("path")
@click.argument("destination", metavar="DEST", type=click.Path(path_type=Path))
@layer_option
@platform_option
@click.option("--force", is_flag=True, help="Overwrite existing files; directories are never replaced.")
def extract(reference: str, path: str, destination: Path, layer: int | None, platform: str | None, *, force: bool) -> int:
    """Copy the file or directory at PATH out of the image, as it is after a layer.

    As with `cp -r`, the copy goes into DEST if that is a directory, otherwise DEST is created. Symlinks are copied as
    symlinks and never followed; devices are left out. Permissions and times are kept, owners are not. Nothing is
    overwritten without --force.

    \b
    Examples:
      layerscope extract image.tar /etc/nginx .
      layerscope extract image.tar / rootfs --layer 2
    """
    from layerscope.extraction.extract import extract as extract_node
    from layerscope.text import escape
    from layerscope.tree.lookup import resolve
    from layerscope.units import count_text, size_text

    contents = read_image(reference, platform, keep_seek_points=True)
    view = _view_after(contents, layer)
    code = damage_exit_code(contents)
    node = resolve(view, os.fsencode(path), follow_last=False)
    with Progress() as progress:
        found = extract_node(contents, view, node, destination, overwrite=force, progress=progress)
    left_out = f"; {count_text(found.devices, 'device')} left out" if found.devices else ""
    files = f"{count_text(found.files, 'file')}, {size_text(found.content_bytes)}"
    click.echo(f"extracted {files} to {escape(os.fsencode(destination))}{left_out}", err=True)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    return code


@click.command()
@image_argument
@platform_option
@json_lines_option
def verify(reference: str, platform: str | None, *, as_json: bool) -> int:
    """Check the digest and size of every blob, and the diff_id of every unpacked layer.

    Exit code 1: something is wrong. 2: something could not be read.

    \b
    Examples:
      layerscope verify image.tar
      layerscope verify image.tar --json | jq -r 'select(.ok | not) | .what'
    """
    from layerscope.verify import exit_code
    from layerscope.verify import verify as verify_image

    with Progress() as progress:
        image = open_image(reference, platform, progress, engine_options=chosen_engine_options(needs_tars=True))
        checks = verify_image(image, progress=progress)
    for check in checks:
        fields = {name: getattr(check, name) for name in ("what", "expected", "actual", "ok", "note")}
        click.echo(json.dumps(fields) if as_json else _check_line(check))
    failed = sum(not check.ok for check in checks)
    if failed:
        click.echo(f"layerscope: {failed} of {len(checks)} checks failed", err=True)
    return exit_code(checks)


def _view_after(contents: Contents, layer: int | None) -> View:
    """Return the view of the image's tree after a layer, by default the last. Without layers it has an empty root only."""
    return contents.tree.view(checked_layer(contents, layer) or 1)


def _check_line(check: Check) -> str:
    """Format a check, such as `ok      layer 3 diff_id  sha256:6c3c624b58db`, with what is wrong after it."""
    from layerscope.text import escape

    status = "FAILED" if not check.ok else "ok" if check.actual else "skipped"
    parts = [_short(check.expected)]
    if not check.ok and check.actual:
        parts.append(f"is {_short(check.actual)}")
    if check.note:
        parts.append(f"({escape(check.note)})")
    return f"{status:<8}{check.what:<30}{' '.join(part for part in parts if part)}".rstrip()


def _short(digest: str) -> str:
    """Shorten a digest to 12 digits; --json has all of them."""
    algorithm, colon, encoded = digest.partition(":")
    return f"{algorithm}{colon}{encoded[:12]}"
