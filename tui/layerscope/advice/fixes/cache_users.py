"""Who needs a cache after the RUN that filled it: what compiles from it, reads an index in it, names it, or works offline."""

from __future__ import annotations

import re

import numpy as np

from layerscope.advice.editing.shell import ShellPart
from layerscope.advice.fixes.known_caches import KnownCache
from layerscope.advice.fixes.reach import FILE_COMMANDS, PACKAGE_COMMANDS, is_near
from layerscope.advice.fixes.workshop import Workshop

_OFFLINE = re.compile(
    r"offline|--no-index|--find-links|--cacheonly|GOPROXY=off|\bmvnw? (?:-\S+ )*-o\b|\b(?:dnf|yum) (?:-\S+ )*-C\b"
)
_SCRIPT = re.compile(r"(?:^|[\s;&|(])(?:\./|\.\./|sh\s|bash\s|make\b|just\b|task\b|npm run\b|/\S+\.sh\b)|\$\(")
"""What may call a program that the Dockerfile does not name."""
_APK_INDEX = re.compile(r"\bapk\s+(?:-\S+\s+)*(?:add|upgrade|fetch|info|search)\b")
_APK_FETCHES = re.compile(r"--no-cache|--update\b|\s-\w*U|\bapk\s+(?:-\S+\s+)*update\b")
_PNP = (b".pnp.cjs", b".pnp.js")
"""Files by which yarn has node read packages from its cache, in place."""
_PNP_DEEPEST = 5


def may_go(workshop: Workshop, cache: KnownCache, key: int, places: list[str]) -> bool:
    """Tell whether what a RUN leaves of a cache, at some places, can go at its end: no later instruction needs it."""
    if cache.tools and not _has_built(workshop, cache, key):
        return False
    if cache.kind == "yarn-cache" and any("berry" in place for place in places) and _has_plug_and_play(workshop):
        return False
    draft = workshop.draft
    order = [each for each in draft.program.order if each in draft.sites]
    later = order[order.index(key) + 1 :]
    if any(_is_named(workshop, each, place) for each in later for place in places):
        return False
    if cache.kind == "apk-cache" and any(_needs_index(draft.program.shell_text(each)) for each in later):
        return False
    return not any(_uses(workshop, cache, each) for each in later) if cache.tools else True


def _has_built(workshop: Workshop, cache: KnownCache, key: int) -> bool:
    """Tell whether a RUN built something from the cache that it filled, so that it did not fill it for others."""
    site, command = workshop.draft.sites[key], workshop.command(key)
    if command is None or (cache.kind == "go-cache" and site.user not in ("", "root", "0")):
        return False  # what go downloads is read-only, which stops all but root from removing it
    words = [part.words for part in command.parts if _names_tool(part.words, cache.tools)]
    return any(verb in each for each in words for verb in cache.verbs)


def _is_named(workshop: Workshop, key: int, place: str) -> bool:
    """Tell whether an instruction names a cache or a directory around it, not to remove it, or works without a network."""
    site = workshop.draft.sites[key]
    command = workshop.command(key) if site.is_run else None
    parts = [part for part in command.parts if part.name != "rm" or not part.is_simple] if command else []
    text = " ".join(part.text for part in parts) if command else workshop.draft.program.shell_text(key)
    names = place.strip("/").split("/")
    hidden = [name for name in names if name.startswith(".")]
    if "/".join(names[-2:]) in text or any(name in text for name in hidden) or _OFFLINE.search(text):
        return True
    # Package managers only fetch again what they do not find.
    reading = [part for part in parts if part.name not in PACKAGE_COMMANDS]
    reads = workshop.reach_of(reading, site.directory).reads or ()
    return any(is_near(place, each) for each in reads if each != "/")


def _needs_index(text: str) -> bool:
    return bool(_APK_INDEX.search(text)) and not _APK_FETCHES.search(text)


def _uses(workshop: Workshop, cache: KnownCache, key: int) -> bool:
    """Tell whether an instruction may run one of the programs that build from a cache."""
    draft, site = workshop.draft, workshop.draft.sites[key]
    text = draft.program.shell_text(key)
    is_named = re.search(rf"(?<![\w-])(?:{'|'.join(map(re.escape, cache.tools))})(?![\w-])", text)
    if site.instruction.keyword in ("CMD", "ENTRYPOINT", "HEALTHCHECK", "ONBUILD"):
        return bool(is_named)
    if not site.is_run:
        return False
    command = workshop.command(key)
    if command is None:
        return bool(is_named) or bool(_SCRIPT.search(text))
    return any(_may_run(part, cache.tools) for part in command.parts)


def _may_run(part: ShellPart, tools: tuple[str, ...]) -> bool:
    if part.name in FILE_COMMANDS and part.is_simple:
        return False
    return _names_tool(part.words, tools) or bool(_SCRIPT.search(part.text))


def _names_tool(words: tuple[str, ...], tools: tuple[str, ...]) -> bool:
    return any(word.rpartition("/")[2] in tools for word in words)


def _has_plug_and_play(workshop: Workshop) -> bool:
    nodes = workshop.tree.nodes
    near = np.flatnonzero((nodes.depth <= _PNP_DEEPEST) & (nodes.end == np.arange(len(workshop.tree)) + 1))
    return any(nodes.name(node) in _PNP for node in near.tolist())
