"""`layerscope completion`: the script that a shell reads to complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    Examples:
      layerscope completion bash > ~/.local/share/bash-completion/completions/layerscope
      layerscope completion zsh > "${fpath[1]}/_layerscope"
      layerscope completion fish > ~/.config/fish/completions/layerscope.fish
    """
    from layerscope.cli.main import commands

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(commands, {}, "layerscope", "_LAYERSCOPE_COMPLETE").source())
