"""Says of each thing to be done by hand why no edit does it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.builders import BUILDKIT
from layerscope.advice.fixes.cleaning import is_built_on
from layerscope.advice.fixes.fix_context import joined
from layerscope.advice.fixes.ignoring import brought_by
from layerscope.advice.fixes.joining import why_not_joined
from layerscope.advice.fixes.obstacles import unreadable
from layerscope.advice.fixes.sites import Site
from layerscope.advice.fixes.workshop import FREE, Workshop

_OF_BASE = re.compile(r"-of-base$|^newer-base$")
_COPIED = frozenset({"bind-mount", "copy-less", "copy-chown", "copy-chmod", "copy-to-place"})
_JOINED = frozenset({"join-runs", "rewritten", "package-database"})
_OF_KIND = {
    "build-stage": "what a build needs and what it leaves cannot be told from its files",
    "copied-twice": "the two do not come from one place of the context by plain names",
    "duplicate": "a symlink is another type of file, and only you know whether something minds that",
    "package-database": "which packages are installed together changes what is installed",
    "rewritten": "which of these files the command is meant for cannot be told from the image",
    "shadowed": "a layer's own tar holds it twice, which no line of a Dockerfile says",
    "written-twice": "which of the two is needed cannot be told from the files",
}
_FETCHERS = tuple(f"{top}/{name}" for name in ("curl", "wget") for top in ("usr/bin", "bin", "usr/local/bin"))


@dataclass(frozen=True, eq=False)
class Reasons:
    """Says why fixes are made by hand; `workshop` is None where no line is edited, for the reason `general`."""

    workshop: Workshop | None
    general: str

    def of(self, fix: Fix) -> str:
        """Say why a fix is made by hand, as a sentence."""
        text = self.general if self.workshop is None else _reason(self.workshop, fix)
        return f"{text[:1].upper()}{text[1:]}."


def _reason(workshop: Workshop, fix: Fix) -> str:
    numbers = {layer: key for key, layers in workshop.draft.layers.items() for layer in layers}
    keys = [numbers[layer] for layer in fix.layers if layer in numbers]
    found = ""
    if _OF_BASE.search(fix.kind):
        return "no edit of this Dockerfile changes the layers of its base"
    if not keys:
        return "it is not certain which line made its layer"
    if fix.kind in _JOINED:
        found = _of_runs(workshop, keys)
    elif fix.kind in _COPIED:
        found = _of_copies(workshop, fix, keys)
    elif fix.kind not in _OF_KIND and workshop.draft.sites[keys[0]].is_run:
        found = _of_run(workshop, keys[0])
    return found or _OF_KIND.get(fix.kind, f"what {_lines(workshop, keys)} bring and need cannot be told from the image")


def _of_runs(workshop: Workshop, keys: list[int]) -> str:
    """Say why RUNs are not joined: the one that removes or rewrites comes first, then those that wrote."""
    sites = workshop.draft.sites
    writers = [key for key in sorted(set(keys[1:]) - {keys[0]}) if sites[key].is_run and sites[keys[0]].is_run]
    return next((words for key in writers if (words := why_not_joined(workshop, key, keys[0]))), "")


def _of_copies(workshop: Workshop, fix: Fix, keys: list[int]) -> str:
    """Say why a COPY is not changed though a RUN removes, moves or changes what it brought."""
    sites = workshop.draft.sites
    run, copies = sites[keys[0]], [sites[key] for key in keys[1:] if sites[key].is_copy]
    found = next((words for copy in copies if (words := _of_copy(workshop, fix, copy, run))), "")
    if found or not copies:
        return found
    if fix.kind == "bind-mount" and workshop.builder == BUILDKIT:
        return f"{_lines(workshop, [run.key])} names it in a way that a mount would change"
    if fix.kind in ("bind-mount", "copy-chmod") and workshop.builder != BUILDKIT:
        flag = "RUN --mount" if fix.kind == "bind-mount" else "COPY --chmod"
        return f"`{flag}` needs BuildKit, and {workshop.builder} made this image"
    lines = _lines(workshop, [copy.key for copy in copies])
    return {
        "copy-chown": f"{lines} also bring what keeps its owner, or what is used before it changes",
        "copy-chmod": f"{lines} also bring what keeps its mode, or what is used before it changes",
        "copy-to-place": f"what {lines} bring does not arrive whole and unchanged, or something else is there",
    }.get(fix.kind, "")


def _of_copy(workshop: Workshop, fix: Fix, copy: Site, run: Site) -> str:
    line, instruction = f"line {copy.instruction.line}", copy.instruction
    if any("://" in source for source in instruction.sources):
        layer = min(workshop.draft.layers.get(run.key, (1,)))
        program = next((place for place in _FETCHERS if workshop.is_there(place.encode(), layer)), "")
        if not program:
            return f"{line} fetches from an address, and the image has no curl or wget with which a RUN could"
        return f"{line} fetches from an address, and whether /{program} fetches the same in a RUN is not known"
    if "$" in instruction.arguments or instruction.is_json:
        return f"{line} names what it copies by {'a list of words' if instruction.is_json else 'variables'}"
    if instruction.flag("from") and fix.kind == "bind-mount":
        return f"whether {line} copies a file or a directory of its stage is not known"
    if not instruction.flag("from") and not brought_by(workshop, copy):
        return f"what {line} copies is not found in the context"
    return _used_before(workshop, fix, copy, run)


def _used_before(workshop: Workshop, fix: Fix, copy: Site, run: Site) -> str:
    """Name the instruction after a COPY, up to a RUN, that uses what was copied, or may."""
    named = [f"/{path.decode('utf-8', 'replace')}" for path in fix.paths]
    for key in [*workshop.draft.between(copy.key, run.key), run.key]:
        site = workshop.draft.sites[key]
        if site.instruction.keyword in FREE or not site.is_run:
            continue
        if workshop.command(key) is None:
            return unreadable(workshop, key).text
        reads = workshop.reach(key).reads
        if reads is None:
            return f"{site.quoted} may read it before"
        if key != run.key and any(f"{each}/".startswith(place.rstrip("/") + "/") for place in reads for each in named):
            return f"{site.quoted} reads it before"
    return ""


def _of_run(workshop: Workshop, key: int) -> str:
    """Say why no command is put at the end of a RUN."""
    command, site = workshop.command(key), workshop.draft.sites[key]
    if command is None:
        return unreadable(workshop, key).text
    if is_built_on(workshop, site):
        return f"another stage is built on that of line {site.instruction.line}"
    ending = sorted({part.name for part in command.parts} & {"exec", "exit"})
    if ending:
        return f"`{ending[0]}` in line {site.instruction.line} ends its commands"
    return ""


def _lines(workshop: Workshop, keys: list[int]) -> str:
    lines = sorted({workshop.draft.sites[key].instruction.line for key in keys})
    return f"line{'s' * (len(lines) > 1)} {joined(list(map(str, lines)))}"
