"""Map an image's layers to Dockerfile lines and find fixes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from layerscope.advice.advice import Advice, Fix
from layerscope.advice.base_notes import base_notes
from layerscope.advice.dockerfile.history_step import instruction_text, read_steps
from layerscope.advice.dockerfile.mapping import Mapping, map_layers
from layerscope.advice.dockerfile.stages import Dockerfile, find_dockerfile, parse_dockerfile, read_text
from layerscope.advice.fixes.builders import find_other_maker, is_single_snapshot
from layerscope.advice.fixes.buried import find_removed, find_replaced, find_rewritten, find_shadowed
from layerscope.advice.fixes.find_fixes import edited_fixes, places_of
from layerscope.advice.fixes.fix_context import FixContext, LayerOrigin
from layerscope.advice.fixes.leftovers import find_caches, find_databases, find_live_duplicates, find_repositories
from layerscope.advice.fixes.packages import find_dev_dependencies, find_packages
from layerscope.advice.fixes.reasons import Reasons
from layerscope.advice.fixes.workshop import Workshop
from layerscope.analysis import Analysis
from layerscope.text import escape

__all__ = ["advise", "find_dockerfile", "taken_alone"]

FINDERS = (
    find_caches,
    find_repositories,
    find_packages,
    find_dev_dependencies,
    find_databases,
    find_removed,
    find_rewritten,
    find_replaced,
    find_shadowed,
    find_live_duplicates,
)
"""Finders of fixes, in order: a byte belongs to the first one that explains it."""
SINGLE_SNAPSHOT = (
    "Kaniko took a single snapshot of all steps, so it is not known which line wrote what: "
    "build without `--single-snapshot` to have fixes."
)
UNMAPPED = Mapping({}, {}, None, is_recognized=False)


def advise(
    analysis: Analysis,
    dockerfile: Path | None,
    *,
    root: Path | None = None,
    context: Path | None = None,
    only: Collection[str] = (),
) -> Advice:
    """Map an image's layers to the lines of `dockerfile`, and find what to change. Without a file, fixes name layers only.

    Reports name the file relative to `root` (default: the current directory), where it lies below that, else by its last
    name. `context` is the directory that is built (default: the Dockerfile's). Of the fixes with an edit, `only` some are made
    (default: all). No byte is in two fixes, and no fix is about waste that the base itself made. Raises BadDockerfile.
    """
    maker = find_other_maker(analysis.image, base_layers=analysis.base_layers or 0)
    if maker:
        note = f"{maker[:1].upper()}{maker[1:]} made this image, not a Dockerfile: no fixes are known for it."
        return Advice("", {}, (), (note,))
    if dockerfile is None:
        if is_single_snapshot(analysis.image, base_layers=analysis.base_layers or 0, layer_makers=None):
            return Advice("", {}, (), (SINGLE_SNAPSHOT,))
        reasons = Reasons(None, "no Dockerfile was given")
        return Advice("", {}, _by_hand(analysis, UNMAPPED, reasons))
    name = _name(dockerfile, root or Path.cwd())
    text = read_text(dockerfile, name=escape(name))
    parsed = parse_dockerfile(text, name=escape(name))
    makers = sum(each.makes_layer for each in parsed.stages[-1].instructions) if parsed.stages else 0
    if is_single_snapshot(analysis.image, base_layers=analysis.base_layers or 0, layer_makers=makers):
        return Advice(name, {}, (), (SINGLE_SNAPSHOT,))
    mapping = map_layers(analysis.image, parsed, base_layers=analysis.base_layers)
    places = places_of(dockerfile, context or dockerfile.resolve().parent)
    workshop = Workshop.of(analysis, text, parsed, mapping)
    if workshop is None:
        reasons = Reasons(None, _why_nothing_is_edited(analysis, mapping))
        return Advice(name, mapping.lines, _by_hand(analysis, mapping, reasons, parsed), _notes(analysis, mapping, name))
    edited, plan = edited_fixes(workshop, places, only)
    fixes = (*edited, *_by_hand(analysis, mapping, Reasons(workshop, ""), parsed))
    return Advice(name, mapping.lines, _sorted(fixes), _notes(analysis, mapping, name), plan)


def taken_alone(
    advice: Advice, chosen: tuple[str, ...], find: Callable[[tuple[str, ...]], Advice]
) -> tuple[Advice, tuple[str, ...]]:
    """Find chosen fixes again without the others, which may have saved some of the same bytes before them.

    `find` is given ids, and finds these fixes alone. Returns the chosen ones, or more of them where one is only right in the
    image as the fixes before it leave it.
    """
    edits = {fix.id for fix in advice.fixes if fix.has_edit} & set(chosen)
    if not edits:
        return advice, chosen
    alone = find(tuple(sorted(edits)))
    if edits <= {fix.id for fix in alone.fixes}:
        return alone, chosen
    if advice.plan is None:
        return advice, chosen
    order = list(advice.plan.steps)
    return advice, tuple(order[: max(map(order.index, edits)) + 1])


def _name(path: Path, root: Path) -> str:
    whole = path.resolve()
    return whole.relative_to(root.resolve()).as_posix() if whole.is_relative_to(root.resolve()) else path.name


def _notes(analysis: Analysis, mapping: Mapping, name: str) -> tuple[str, ...]:
    if mapping.is_recognized:
        return tuple(base_notes(analysis))
    return (f"The image's history does not match {escape(name)}, so fixes name layers instead of lines.",)


def _why_nothing_is_edited(analysis: Analysis, mapping: Mapping) -> str:
    """Say why no line of a Dockerfile is edited, as the beginning of a sentence."""
    if not mapping.lines:
        return "the Dockerfile's lines are not known"
    if not analysis.contents.is_complete:
        return "not all layers could be read, so what an edit saves is not known"
    return "which builder made the image is not known, and builders differ in what an edit does"


def _by_hand(analysis: Analysis, mapping: Mapping, reasons: Reasons, dockerfile: Dockerfile | None = None) -> tuple[Fix, ...]:
    """Find what has to be changed by hand, in what edits leave."""
    base_layers = analysis.base_layers if analysis.base_layers is not None else mapping.base_layers
    steps = {step.layer: step for step in read_steps(analysis.image.steps) if step.layer is not None}
    origins = []
    for layer in analysis.image.layers:
        number, step = layer.number, steps[layer.number]
        instruction = mapping.instructions.get(number)
        origins.append(
            LayerOrigin(
                number,
                instruction.keyword if instruction else step.keyword,
                instruction.text if instruction else instruction_text(step),
                is_base=number <= (base_layers or 0),
                instruction=instruction,
                line=mapping.lines.get(number),
            )
        )
    stage = dockerfile.stages[mapping.stage] if dockerfile and mapping.stage >= 0 else None
    stored = reasons.workshop.draft.stored if reasons.workshop else None
    context = FixContext(analysis, origins, base_layers, stored, stage)
    fixes = [fix for find in FINDERS for fix in find(context)]
    return _sorted(_named(fixes, reasons))


def _sorted(fixes: Iterable[Fix]) -> tuple[Fix, ...]:
    return tuple(sorted(fixes, key=lambda fix: (-fix.size, fix.layers, fix.kind)))


def _named(fixes: Iterable[Fix], reasons: Reasons) -> Iterator[Fix]:
    """Give each fix an id, and say why it is made by hand."""
    seen: dict[str, int] = {}
    for fix in fixes:
        place = f"{fix.line}" if fix.line else f"layer-{fix.layers[0]}"
        name = f"{fix.kind}-{place}-by-hand"
        seen[name] = seen.get(name, 0) + 1
        number = f".{seen[name]}" if seen[name] > 1 else ""
        yield replace(fix, id=name + number, by_hand=fix.by_hand or reasons.of(fix))
