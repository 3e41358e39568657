"""Map an image's layers to Dockerfile lines and find fixes."""

from __future__ import annotations

from pathlib import Path

from layerscope.advice.advice import Advice, Fix
from layerscope.advice.dockerfile.history_step import instruction_text, read_steps
from layerscope.advice.dockerfile.mapping import Mapping, map_layers
from layerscope.advice.dockerfile.stages import find_dockerfile, read_dockerfile
from layerscope.advice.fixes.buried import find_removed, find_replaced, find_rewritten, find_shadowed
from layerscope.advice.fixes.fix_context import FixContext, LayerOrigin
from layerscope.advice.fixes.leftovers import find_caches, find_databases, find_live_duplicates, find_repositories
from layerscope.analysis import Analysis
from layerscope.text import escape

__all__ = ["advise", "find_dockerfile"]

FINDERS = (
    find_caches,
    find_repositories,
    find_databases,
    find_removed,
    find_rewritten,
    find_replaced,
    find_shadowed,
    find_live_duplicates,
)
"""Finders of fixes, in order: a byte belongs to the first one that explains it."""
UNMAPPED = Mapping({}, {}, None, is_recognized=False)


def advise(analysis: Analysis, dockerfile: Path | None, *, root: Path | None = None) -> Advice:
    """Map an image's layers to the lines of `dockerfile`, and find what to change. Without a file, fixes name layers only.

    Reports name the file relative to `root` (default: the current directory), where it lies below that. No byte is in two
    fixes, and no fix is about waste that the base itself made. Raises BadDockerfile.
    """
    if dockerfile is None:
        return Advice("", {}, _fixes(analysis, UNMAPPED))
    name = _name(dockerfile, root or Path.cwd())
    mapping = map_layers(analysis.image, read_dockerfile(dockerfile, name=escape(name)), base_layers=analysis.base_layers)
    return Advice(name, mapping.lines, _fixes(analysis, mapping), _notes(mapping, name))


def _name(path: Path, root: Path) -> str:
    whole = path.resolve()
    return whole.relative_to(root.resolve()).as_posix() if whole.is_relative_to(root.resolve()) else str(path)


def _notes(mapping: Mapping, name: str) -> tuple[str, ...]:
    if mapping.is_recognized:
        return ()
    return (f"The image's history does not match {escape(name)}, so fixes name layers instead of lines.",)


def _fixes(analysis: Analysis, mapping: Mapping) -> tuple[Fix, ...]:
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
    context = FixContext(analysis, origins, base_layers)
    fixes = [fix for find in FINDERS for fix in find(context)]
    return tuple(sorted(fixes, key=lambda fix: (-fix.size, fix.layers, fix.kind)))
