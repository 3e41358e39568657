"""Users and groups that an edit needs earlier than the Dockerfile makes them: their commands move up, if nothing minds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from layerscope.advice.editing.program import PieceEdit
from layerscope.advice.editing.shell import ShellPart
from layerscope.advice.fixes.reach import USER_COMMANDS, Reach, commutes, homes_of
from layerscope.advice.fixes.workshop import BARRIERS, Draft, Workshop

_TOOLS = ("usr/sbin", "usr/bin", "sbin", "bin")
_ASKS = re.compile(r"/etc(?![\w/-])|/etc/(?:passwd|group|g?shadow|sub[ug]id)|/home\b|\b(?:getent|groups|id|users|whoami)\s")
"""What a command says that asks which users there are."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Names of users and groups, and the commands that make them: of each RUN by its key, the numbers of its commands."""

    names: tuple[str, ...]
    sources: tuple[tuple[int, tuple[int, ...]], ...]

    def moved(self, workshop: Workshop, draft: Draft, first: int) -> Draft:
        """Return the draft in which the commands stand before the instruction `first`."""
        for key, indexes in self.sources:
            command = workshop.command(key, draft)
            assert command is not None
            if len(indexes) == len(command.parts):
                draft = draft.with_program(draft.program.moved(key, first))
                continue
            site = draft.sites[key]
            text = "RUN " + " && ".join(command.parts[index].text for index in indexes)
            program = draft.program
            for index in reversed(indexes):
                program = program.without_part(key, index)
            number = max(*program.order, 0) + 1000
            program = program.apply([PieceEdit("insert", number, text, first)])
            made = replace(site, key=number, layer=None, is_certain=True)
            draft = replace(draft, program=program, sites={**draft.sites, number: made})
        return draft


def find_accounts(workshop: Workshop, names: dict[str, int], first: int, last: int) -> Accounts | None:
    """Find what makes users and groups that have to exist before the instruction `first`, down to the RUN `last`.

    `names` has the number that each one has in the end: below `user:` or `group:` and its name. None if they cannot be made
    there, or would have another number there.
    """
    layer = _first_layer(workshop, first)
    if layer is None:
        return None
    numbers = {name: _number(workshop, name, layer) for name in names}
    if any(number not in (None, names[name]) for name, number in numbers.items()):
        return None
    missing = [name for name, number in numbers.items() if number is None]
    plain = tuple(dict.fromkeys(name.partition(":")[2] for name in missing))
    if not missing:
        return Accounts(plain, ())
    draft = workshop.draft
    sources: list[tuple[int, tuple[int, ...]]] = []
    for key in [*([first] if draft.sites[first].is_run else []), *draft.between(first, last), last]:
        indexes = _makers(workshop, key) if draft.sites[key].is_run else ()
        if indexes:
            sources.append((key, indexes))
    if not sources or any(
        _number(workshop, name, _last_layer(workshop, sources[-1][0]) + 1) != names[name] for name in missing
    ):
        return None
    if [key for key, _ in sources] == [first]:
        return Accounts(plain, ())  # the commands that are added stand behind these anyway
    made = Accounts(plain, tuple(sources))
    return made if _is_movable(workshop, made, first, layer) else None


def _last_layer(workshop: Workshop, key: int) -> int:
    return max(workshop.draft.layers.get(key, (0,)))


def _first_layer(workshop: Workshop, key: int) -> int | None:
    layers = workshop.draft.layers.get(key)
    return layers[0] if layers else None


def _number(workshop: Workshop, name: str, layer: int) -> int | None:
    """Return the number that a user or group (`user:app`, `group:app`) has below a layer; None if there is none."""
    kind, _, plain = name.partition(":")
    content = workshop.content_below(b"etc/passwd" if kind == "user" else b"etc/group", layer)
    for line in (content or b"").split(b"\n"):
        fields = line.split(b":")
        if fields[0] == plain.encode() and len(fields) > 2 and fields[2].isdigit():
            return int(fields[2])
    return None


def _makers(workshop: Workshop, key: int) -> tuple[int, ...]:
    """Return the numbers of the commands of a RUN that make users and groups."""
    command = workshop.command(key)
    if command is None:
        return ()
    return tuple(
        index
        for index, part in enumerate(command.parts)
        if part.name in USER_COMMANDS and part.is_simple and command.is_alone(index)
    )


def _is_movable(workshop: Workshop, accounts: Accounts, first: int, layer: int) -> bool:
    """Tell whether the commands can stand before `first`: they exist there, make all names, and mind nothing in between."""
    draft = workshop.draft
    made: set[str] = set()
    reach = Reach()
    for key, indexes in accounts.sources:
        command, site = workshop.command(key), draft.sites[key]
        assert command is not None
        parts = [command.parts[index] for index in indexes]
        for part in parts:
            if not any(workshop.is_there(f"{place}/{part.name}".encode(), layer) for place in _TOOLS):
                return False
            made |= set(part.words[1:])
        before = [part for index, part in enumerate(command.parts[: indexes[-1]]) if index not in indexes]
        moved = workshop.reach_of(parts, site.directory)
        if before and not commutes(workshop.tree, moved, workshop.reach_of(before, site.directory)):
            return False
        if before and any(_is_made_before(home, before) for part in parts for home in homes_of(part)):
            return False
        reach = reach.joined(moved)
        if (site.user, site.shell) != (draft.sites[first].user, draft.sites[first].shell):
            return False
    crossed = [first, *draft.between(first, accounts.sources[-1][0])]
    mine = {key for key, _ in accounts.sources}
    return set(accounts.names) <= made and all(_may_cross(workshop, reach, key) for key in crossed if key not in mine)


def _is_made_before(home: str, before: Iterable[ShellPart]) -> bool:
    return any(word == home or word.startswith(f"{home}/") for part in before for word in part.words)


def _may_cross(workshop: Workshop, reach: Reach, key: int) -> bool:
    site = workshop.draft.sites[key]
    if site.instruction.keyword in BARRIERS:
        return False
    other = workshop.reach(key)
    if site.is_run and other.reads is None:
        # Whatever it reads: one more user changes nothing that it writes, unless it asks for users or writes accounts itself.
        if any(map(_ASKS.search, workshop.texts(key))):
            return False
        other = replace(other, reads=())
    return site.is_certain and commutes(workshop.tree, reach, other)
