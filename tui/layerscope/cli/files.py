"""`layerscope ls`, `find` and `blame`: the files in an image, and every version of a path."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from layerscope.cli.options import (
    checked_layer,
    damage_exit_code,
    image_argument,
    json_lines_option,
    layer_option,
    platform_option,
    read_image,
)
from layerscope.cli.output import output_style

if TYPE_CHECKING:
    from layerscope.analysis import Contents


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
    from layerscope.report.tree_listing import listing_json_lines, listing_lines, nodes_below
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
    from layerscope.report.tree_listing import find_json_lines, find_lines
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
    from layerscope.report.tree_listing import blame_json_lines, blame_lines

    contents = read_image(reference, platform)
    node = _ever_there(contents, os.fsencode(path))
    if as_json:
        sys.stdout.buffer.writelines(blame_json_lines(contents, node))
    else:
        sys.stdout.writelines(line + "\n" for line in blame_lines(contents, node, output_style()))
    return damage_exit_code(contents)


def _ever_there(contents: Contents, path: bytes) -> int:
    """Find a path that any layer holds, as written or through symlinks of the last layer. Raises NotFound."""
    from layerscope.errors import NotFound
    from layerscope.layers.tar.names import normalize
    from layerscope.tree.lookup import resolve

    node = contents.tree.nodes.find(normalize(path))
    if node is not None:
        return node
    if not contents.tree.layers:
        raise NotFound("the image has no layers")
    return resolve(contents.tree.view(contents.tree.layers), path, follow_last=False)
