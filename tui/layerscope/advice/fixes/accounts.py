"""Users and groups that an edit needs earlier than the Dockerfile makes them: their commands move up, if nothing minds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from layerscope.advice.editing.program import PieceEdit
from layerscope.advice.fixes.reach import USER_COMMANDS, Reach, commutes, homes_of, reach_of_parts
from layerscope.advice.fixes.workshop import BARRIERS, Draft, Workshop

_TOOLS = ("usr/sbin", "usr/bin", "sbin", "bin")


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


def find_accounts(workshop: Workshop, names: list[str], first: int, last: int) -> Accounts | None:
    """Find what makes users and groups that have to exist before the instruction `first`, down to the RUN `last`.

    None if they cannot be made there.
    """
    layer = _first_layer(workshop, first)
    if layer is None:
        return None
    missing = [name for name in names if not _exists(workshop, name, layer)]
    if not missing:
        return Accounts(tuple(names), ())
    draft = workshop.draft
    sources: list[tuple[int, tuple[int, ...]]] = []
    for key in [*([first] if draft.sites[first].is_run else []), *draft.between(first, last), last]:
        if draft.sites[key].is_run:
            indexes = _makers(workshop, key)
            if indexes:
                sources.append((key, indexes))
    if [key for key, _ in sources] == [first]:
        return Accounts(tuple(names), ())  # the commands that are added stand behind these anyway
    made = Accounts(tuple(missing), tuple(sources))
    return made if sources and _is_movable(workshop, made, first, layer) else None


def _first_layer(workshop: Workshop, key: int) -> int | None:
    layers = workshop.draft.layers.get(key)
    return layers[0] if layers else None


def _exists(workshop: Workshop, name: str, layer: int) -> bool:
    """Tell whether a user or group exists below a layer."""
    wanted = name.encode()
    for path in (b"etc/passwd", b"etc/group"):
        content = workshop.content_below(path, layer)
        if content is not None and any(line.split(b":")[0] == wanted for line in content.split(b"\n")):
            return True
    return False


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
        moved = reach_of_parts(parts, site.directory)
        if before and not commutes(workshop.tree, moved, reach_of_parts(before, site.directory)):
            return False
        if before and any(_is_made_before(home, before) for part in parts for home in homes_of(part)):
            return False
        reach = reach.joined(moved)
        if (site.user, site.shell) != (draft.sites[first].user, draft.sites[first].shell):
            return False
    crossed = [first, *draft.between(first, accounts.sources[-1][0])]
    mine = {key for key, _ in accounts.sources}
    return set(accounts.names) <= made and all(_may_cross(workshop, reach, key) for key in crossed if key not in mine)


def _is_made_before(home: str, before: object) -> bool:
    return any(word == home or word.startswith(f"{home}/") for part in before for word in part.words)  # type: ignore[attr-defined]


def _may_cross(workshop: Workshop, reach: Reach, key: int) -> bool:
    site = workshop.draft.sites[key]
    if site.instruction.keyword in BARRIERS:
        return False
    other = workshop.reach(key)
    if site.is_run and other.reads is None:
        # Whatever it reads: one more user changes nothing that it writes, unless it writes accounts itself.
        other = replace(other, reads=())
    return site.is_certain and commutes(workshop.tree, reach, other)
