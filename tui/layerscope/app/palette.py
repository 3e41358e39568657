"""The command palette's order: what was used last comes first, then what the footer shows first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from textual.app import SystemCommand
from textual.command import DiscoveryHit, Hits
from textual.system_commands import SystemCommandsProvider

MOST = 8
"""How many commands are remembered."""


class CommandsByUse(SystemCommandsProvider):
    """Offers the app's commands in the app's order, which Textual's own provider sorts by the alphabet."""

    async def discover(self) -> Hits:
        """Yield all commands, for a palette that nothing was typed into yet."""
        for command in self.app.get_system_commands(self.screen):
            yield DiscoveryHit(command.title, command.callback, help=command.help)


def by_use(commands: Iterable[SystemCommand], recent: Sequence[str], used: Callable[[str], None]) -> Iterable[SystemCommand]:
    """Yield first the commands whose titles are in `recent`, in its order; each calls `used` with its title before it runs."""
    place = {title: index for index, title in enumerate(recent)}
    for command in sorted(commands, key=lambda command: place.get(command.title, len(place))):
        yield command._replace(callback=partial(_run, command, used))


def _run(command: SystemCommand, used: Callable[[str], None]) -> object:
    used(command.title)
    return command.callback()


def with_used(recent: Sequence[str], title: str) -> tuple[str, ...]:
    """Return `recent` with `title` first."""
    return (title, *(each for each in recent if each != title))[:MOST]
