"""Fixes for packages that a container does not need: what compiles, what is only recommended, what only developers use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from layerscope.advice.advice import Fix
from layerscope.advice.fixes.file_content import content_below
from layerscope.advice.fixes.fix_context import FixContext, LayerOrigin
from layerscope.advice.fixes.package_list import DPKG, LISTS, Packages, needed_by, read_packages
from layerscope.advice.fixes.sketch import stage_sketch
from layerscope.text import escape
from layerscope.units import size_text

_TOOLS = (
    "autoconf|automake|binutils|bison|build-base|build-essential|cargo|clang|cmake|cpp|dpkg-dev|flex|g\\+\\+|gcc|gfortran|golang|"
    "libc-dev-bin|libtool|linux-headers|linux-libc-dev|make|meson|musl-dev|ninja|ninja-build|pkg-config|pkgconf|rust|rustc"
)
_BUILD = re.compile(rf"(?:{_TOOLS})(?:-\d[\w.]*)?$|binutils-|(?:g\+\+|gcc|cpp|golang)-\d[\w.-]*(?<!-base)$|.+-(?:dev|dbg)$")
"""Names of packages with which programs are built: compilers, headers, static libraries."""
_APT = re.compile(r"\b(?:apt|apt-get|aptitude)\s+(?:-\S+\s+)*install\b")
_WORD = re.compile(r"[a-z0-9][a-z0-9+.-]+")
NAMED = 4
"""How many packages a sentence names."""
LOCK = b".package-lock.json"
DEEPEST = 6
MOST_READ = 8 << 20


def find_packages(context: FixContext) -> Iterator[Fix]:
    """Yield a fix for each RUN that leaves packages which only build, then for each whose packages are only recommended.

    Their bytes are those that the packages state. An image of a registry is left alone: lists would have to be fetched.
    """
    if context.analysis.image.count_fetched is not None:
        return
    for path in LISTS:
        if not any(_wrote(context, path, origin.number) for origin in _own_runs(context)):
            continue  # a list is far into a layer, which may have to be unpacked up to there
        last = _packages(context, path, len(context.origins) + 1)
        first = _packages(context, path, (context.base_layers or 0) + 1)
        named = {word for origin in _own_runs(context) for word in _WORD.findall(origin.text)}
        build = _only_building(last, first, named)
        before = first
        for origin in _own_runs(context):
            after = _packages(context, path, origin.number + 1) if _wrote(context, path, origin.number) else before
            new = set(after) - set(before)
            yield from _building_fix(context, origin, last, new & build)
            if path == DPKG and _APT.search(origin.text) and "no-install-recommends" not in origin.text:
                yield from _recommended_fix(context, origin, last, _only_recommended(last, new, named) - build)
            before = after


def _own_runs(context: FixContext) -> list[LayerOrigin]:
    return [origin for origin in context.origins if origin.is_run and not origin.is_base]


def _wrote(context: FixContext, path: bytes, layer: int) -> bool:
    node = context.tree.nodes.find(path)
    versions = context.tree.versions
    return node is not None and any(versions.layer[each] == layer for each in context.tree.versions_of(node))


def _packages(context: FixContext, path: bytes, layer: int) -> Packages:
    content = content_below(context.analysis, path, layer, most=MOST_READ)
    return read_packages(path, content) if content else {}


def _only_building(last: Packages, first: Packages, named: set[str]) -> set[str]:
    """Return the packages that are for building, with what only these need."""
    build = {name for name in last if name not in first and _BUILD.match(name)}
    kept = needed_by(last, [name for name in last if name in first or (name in named and name not in build)])
    return needed_by(last, build - kept, recommended=True) - kept - set(first)


def _only_recommended(last: Packages, new: set[str], named: set[str]) -> set[str]:
    """Return the packages of a RUN that nothing needs and no RUN names; nothing if it is not known what it names."""
    if not new & named:
        return set()
    return (new & set(last)) - needed_by(last, [name for name in last if name not in new or name in named])


def _building_fix(context: FixContext, origin: LayerOrigin, packages: Packages, names: set[str]) -> Iterator[Fix]:
    size = sum(packages[name].size for name in names)
    if size < context.min_saving:
        return
    sentence = f"{origin.quoted} leaves {size_text(size)} of {_some(packages, names)}, with which programs are built"
    fix = context.fix("build-tools", (origin.number,), size, f"{sentence}: build in a stage of its own, and copy what it makes")
    reason = "What a later RUN builds, and what that needs when it runs, the author knows."
    yield replace(fix, by_hand=reason + stage_sketch(context, origin, names))


def _recommended_fix(context: FixContext, origin: LayerOrigin, packages: Packages, names: set[str]) -> Iterator[Fix]:
    size = sum(packages[name].size for name in names)
    if size < context.min_saving:
        return
    kept = ", `ca-certificates` for one, without which no certificate is trusted" if "ca-certificates" in names else ""
    what = f"{origin.quoted} installs {size_text(size)} of {_some(packages, names)} only because others recommend them"
    sentence = f"{what}: add `--no-install-recommends`, and name those that are used{kept}"
    fix = context.fix("recommended-packages", (origin.number,), size, sentence)
    yield replace(fix, by_hand="Whether a program looks for one of them when it runs, only a test of the image tells.")


def _some(packages: Packages, names: set[str]) -> str:
    """Name the biggest of some packages, printable: `2 packages (gcc-12, cpp-12)`."""
    biggest = sorted(names, key=lambda name: (-packages[name].size, name))
    more = f", {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} package{'s' * (len(names) > 1)} ({escape(', '.join(biggest[:NAMED]))}{more})"


def find_dev_dependencies(context: FixContext) -> Iterator[Fix]:
    """Yield a fix for each `node_modules` in which npm installed what a project's `package.json` has for developers alone."""
    tree = context.tree
    if context.analysis.image.count_fetched is not None:
        return
    named = np.flatnonzero((tree.nodes.depth <= DEEPEST) & (tree.nodes.end == np.arange(len(tree)) + 1))
    name_bytes = tree.nodes.paths.offsets[named + 1] - tree.nodes.paths.offsets[named] - tree.nodes.name_start[named]
    for node in named[name_bytes == len(LOCK)].tolist():
        if tree.nodes.name(node) == LOCK:
            yield from _dev_fix(context, node)


def _dev_fix(context: FixContext, lock: int) -> Iterator[Fix]:
    tree = context.tree
    above = tree.nodes.paths[int(tree.nodes.parent[int(tree.nodes.parent[lock])])]
    path = tree.nodes.paths[lock]
    tops = [top for name in _dev_paths(context, path) if (top := tree.nodes.find((above + b"/" if above else b"") + name))]
    is_inside = np.zeros(len(tree), bool)
    for top in tops:
        is_inside[top : tree.nodes.end[top]] = True
    is_own = context.is_live & ~context.is_taken & (context.entry_layer > (context.base_layers or 0))
    entries = np.flatnonzero(is_own & is_inside[tree.entry_node])
    for layer in np.unique(context.entry_layer[entries]).tolist():
        part = entries[context.entry_layer[entries] == layer]
        sizes = tree.entries.size[part]
        size, origin = int(sizes.sum()), context.origin(layer)
        if size < context.min_saving:
            continue
        context.take(part)
        remedy = "end the RUN that last uses them with `npm prune --omit=dev`, in the layer that installed them"
        if origin.is_copy:
            remedy = "prune them before they are copied"
        verb = "brings" if origin.is_copy else "leaves"
        sentence = f"{origin.quoted} {verb} {size_text(size)} of packages for developers in /{escape(above)}: {remedy}"
        fix = context.fix("dev-dependencies", (layer,), size, sentence, context.examples(tree.entry_node[part], sizes))
        reason = "What the program needs when it runs, the author knows."
        yield replace(fix, by_hand=reason + (stage_sketch(context, origin, set()) if origin.is_run else ""))


def _dev_paths(context: FixContext, lock: bytes) -> list[bytes]:
    """Return the directories that npm's own record of what it installed marks as for developers, from the project's."""
    content = content_below(context.analysis, lock, len(context.origins) + 1, most=MOST_READ)
    try:
        packages = json.loads(content or b"{}").get("packages", {})
        return [name.encode() for name, facts in packages.items() if name and facts.get("dev") is True]
    except (ValueError, AttributeError, RecursionError):
        return []
