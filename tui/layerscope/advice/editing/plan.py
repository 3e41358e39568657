"""All edits of an image's fixes: the files before and after them, for all fixes or for some."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from layerscope.advice.editing.patch import ChangedFile, unified_diff
from layerscope.advice.editing.program import PieceEdit, Program


@dataclass(frozen=True, slots=True)
class PlannedEdit:
    """What one fix adds to the edits of the fixes that it needs: changes to pieces, and lines for the ignore file.

    `remark` is what stands at its hunks.
    """

    edits: tuple[PieceEdit, ...]
    ignored: tuple[str, ...]
    needs: tuple[str, ...]
    remark: str


@dataclass(frozen=True, slots=True)
class EditPlan:
    """The edits of fixes by their ids, in the order in which they are made, and the files that they change.

    `path` and `ignore_path` are as the patch names them, from `root`; `ignore_before` is None where that file does not exist
    yet, and `ignore_start` is what it then begins with.
    """

    root: Path
    path: str
    program: Program
    steps: Mapping[str, PlannedEdit] = field(default_factory=dict)
    ignore_path: str = ""
    ignore_before: str | None = None
    ignore_start: str = ""

    def with_needs(self, ids: Collection[str]) -> list[str]:
        """Return fixes with all those that they need, in the order of their edits."""
        wanted = set(ids)
        todo = list(ids)
        while todo:
            new = set(self.steps[todo.pop()].needs) - wanted
            wanted |= new
            todo += new
        return [each for each in self.steps if each in wanted]

    def only(self, ids: Collection[str]) -> EditPlan:
        """Return the plan of some fixes alone, with those that they need."""
        return replace(self, steps={each: self.steps[each] for each in self.with_needs(ids)})

    def changed(self, ids: Collection[str] | None = None) -> list[ChangedFile]:
        """Return the files that fixes change, by default all fixes; those that they need are made too."""
        return self._changed([], self.with_needs(ids) if ids is not None else list(self.steps))

    def _changed(self, before: list[str], chosen: list[str]) -> list[ChangedFile]:
        """Return the files that some fixes change which are made after others."""
        files = [ChangedFile(self.path, self._program(before).text(), self._program([*before, *chosen]).text())]
        old, new = self._ignore(before), self._ignore([*before, *chosen])
        if new is not None:
            files.append(ChangedFile(self.ignore_path, old, new))
        return [file for file in files if file.before != file.after]

    def _program(self, ids: list[str]) -> Program:
        program = self.program
        for each in ids:
            program = program.apply(self.steps[each].edits)
        return program

    def _ignore(self, ids: list[str]) -> str | None:
        """Return the ignore file after some fixes; None where there is none."""
        lines = list(dict.fromkeys(line for each in ids for line in self.steps[each].ignored))
        if not lines:
            return self.ignore_before
        start = self.ignore_before if self.ignore_before is not None else self.ignore_start
        start += "\n" if start and not start.endswith("\n") else ""
        return start + "".join(f"{line}\n" for line in lines)

    def patch(self, ids: Collection[str] | None = None) -> str:
        """Return one unified diff of fixes, by default of all, each hunk with what it saves and why."""
        return self._diff([], self.with_needs(ids) if ids is not None else list(self.steps))

    def step_patch(self, name: str) -> str:
        """Return the unified diff of one fix, for the files as the fixes before it leave them."""
        order = list(self.steps)
        return self._diff(order[: order.index(name)], [name])

    def _diff(self, before: list[str], chosen: list[str]) -> str:
        def remark(file: ChangedFile, *place: int) -> str:
            if file.path == self.path:
                return self._dockerfile_remark(before, chosen, place)
            return self._remarks([each for each in chosen if self.steps[each].ignored])

        return "".join(unified_diff(file, partial(remark, file)) for file in self._changed(before, chosen))

    def _remarks(self, ids: Iterable[str]) -> str:
        return "; ".join(self.steps[each].remark for each in ids)

    def _dockerfile_remark(self, before: list[str], chosen: list[str], place: tuple[int, ...]) -> str:
        """Say which fixes a hunk of the Dockerfile belongs to; `place` are its lines before and after, from 0."""
        keys = _keys_at(self._program(before), place[0], place[1])
        keys |= _keys_at(self._program([*before, *chosen]), place[2], place[3])
        return self._remarks([each for each in chosen if any(edit.key in keys for edit in self.steps[each].edits)])


def _keys_at(program: Program, first: int, last: int) -> set[int]:
    """Return the pieces that have one of some lines."""
    keys, line = set(), 0
    for key in program.order:
        end = line + program.texts[key].count("\n") + 1
        if line < last and first < end:
            keys.add(key)
        line = end
    return keys
