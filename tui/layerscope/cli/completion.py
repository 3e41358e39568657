"""`layerscope completion`, and what shells offer for IMAGE: files, also after `layer:`, `oci:` and other prefixes."""

from __future__ import annotations

import os

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class

VARIABLE = "_LAYERSCOPE_COMPLETE"
MAX_LISTED = 1000


def complete_image(_ctx: click.Context, _parameter: click.Parameter | None, incomplete: str) -> list[CompletionItem]:
    """Complete the argument IMAGE: let the shell complete files, or list the files after a prefix such as `oci:`.

    Bash needs no list, because it splits words at colons. After the prefix of a registry, list the hosts that the user has
    logged in to.
    """
    from layerscope.sources.location import PREFIXES, REGISTRY, REGISTRY_URL

    for prefix in (REGISTRY_URL, REGISTRY):
        if incomplete.startswith(prefix):
            return _hosts(prefix, incomplete)
    begun = [each for each in (REGISTRY_URL, REGISTRY) if each.startswith(incomplete) and incomplete]
    if begun and ":" not in incomplete and not _paths(incomplete):
        return [CompletionItem(each) for each in begun]
    prefix = next((each for each in PREFIXES if incomplete.startswith(each)), "")
    if not prefix or os.environ.get(VARIABLE, "").startswith("bash"):
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(prefix + path) for path in _paths(incomplete.removeprefix(prefix))]


def complete_host(_ctx: click.Context, _parameter: click.Parameter | None, incomplete: str) -> list[CompletionItem]:
    """Complete the argument HOST with the registries that the user has logged in to."""
    return _hosts("", incomplete)


def _hosts(prefix: str, incomplete: str) -> list[CompletionItem]:
    """List the registries that the user has logged in to, as completions of `incomplete`, which begins with `prefix`.

    Bash is offered only what stands behind the colon, which begins a new word there.
    """
    from layerscope.sources.registry.credentials import known_hosts

    is_bash = os.environ.get(VARIABLE, "").startswith("bash")
    offered = [f"{prefix}{host}/" for host in known_hosts()]
    return [
        CompletionItem(each.partition(":")[2] if is_bash and prefix else each)
        for each in offered
        if each.startswith(incomplete)
    ]


def _paths(start: str) -> list[str]:
    """List the file system's paths that start with `start`, directories with a slash at the end."""
    parent, name = os.path.split(start)
    try:
        with os.scandir(parent or ".") as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries if entry.name.startswith(name)]
    except (OSError, ValueError):
        return []
    shown = sorted(found)[:MAX_LISTED]
    return [os.path.join(parent, each) + "/" * is_dir for each, is_dir in shown if each.isprintable()]  # noqa: PTH118


class ColonBash(BashComplete):
    """Completion for bash, which splits `layer:FILE` at the colon into three words."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the arguments before the cursor and the one at it, after joining the words that bash split at colons."""
        args, incomplete = super().get_completion_args()
        joined: list[str] = []
        for word in (*args, incomplete):
            if joined and (word.startswith(":") or joined[-1].endswith(":")):
                joined[-1] += word
            else:
                joined.append(word)
        return joined[:-1], joined[-1]


def register() -> None:
    """Make click use `ColonBash` for bash."""
    add_completion_class(ColonBash)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for your shell.

    \b
    Examples:
      layerscope completion bash > ~/.local/share/bash-completion/completions/layerscope
      layerscope completion zsh > "${fpath[1]}/_layerscope"
      layerscope completion fish > ~/.config/fish/completions/layerscope.fish
    """
    click.echo(completion_script(shell))


def completion_script(shell: str) -> str:
    """Return the script that makes `shell` (bash, zsh, fish) complete our commands."""
    from layerscope.cli.main import commands

    kind = get_completion_class(shell)
    assert kind is not None
    return kind(commands, {}, "layerscope", VARIABLE).source()
