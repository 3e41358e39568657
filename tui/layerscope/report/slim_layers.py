"""What becomes of layers of a smaller image, in sentences: which are merged, which go, and what merging would save."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.layers.table import Severity
from layerscope.slim.least import over_budget_text
from layerscope.slim.merge_savings import merge_savings
from layerscope.slim.plan import Plan
from layerscope.slim.write import Slimmed
from layerscope.units import count_text, size_text
from layerscope.wording.sentences import layers_text


def arranged_lines(plan: Plan) -> Iterator[str]:
    """Yield which layers become one, and which go."""
    for layer in plan.arrangement.merged:
        if layer.last not in plan.arrangement.gone:
            yield f"{_capital(layers_text(range(layer.first, layer.last + 1)))} become one layer."
    if gone := sorted(plan.arrangement.gone):
        verbs = ("is", "goes", "its step") if len(gone) == 1 else ("are", "go", "their steps")
        yield f"{_capital(layers_text(gone))} {verbs[0]} empty then, and {verbs[1]} with {verbs[2]} of the history."


def merging_lines(plan: Plan) -> Iterator[str]:
    """Yield what merging would save beyond what goes anyway, where that is worth saying, and no budget limits what goes."""
    for each in merge_savings(plan) if plan.options.budget is None else ():
        if each.is_worth_saying:
            layers = layers_text(range(each.first, each.last + 1))
            yield f"Merging {layers} (--merge own) would save ≈ {size_text(each.saved_bytes)} more."


def budget_lines(plan: Plan) -> Iterator[str]:
    """Yield whether the plan reaches its budget, and if not, what more could be done."""
    budget = plan.options.budget
    if budget is None:
        return
    left = size_text(plan.stored_bytes_left)
    if plan.is_over_budget:
        yield f"{over_budget_text(plan, budget, f'≈ {left}')}."
    elif plan.rewritten:
        yield f"The image then has ≈ {left}, at most {size_text(budget)} as asked; no more is written again than that needs."
    else:
        yield f"The image has {left}, at most {size_text(budget)} as it is."


def budget_json(plan: Plan) -> dict[str, int | bool] | None:
    """Return the budget, what the plan reaches (≈), and whether that is enough; None without one. Sizes are in bytes."""
    if plan.options.budget is None:
        return None
    return {
        "bytes": plan.options.budget,
        "stored_bytes_estimate": plan.stored_bytes_left,
        "is_reached": not plan.is_over_budget,
    }


def merged_lines(slimmed: Slimmed) -> Iterator[str]:
    """Yield which merged layers got no smaller than the layers in whose place they are."""
    stored = slimmed.plan.analysis.layer_sizes
    for layer in slimmed.layers:
        before = sum(stored[number - 1].stored_bytes for number in layer.made_of)
        if len(layer.made_of) > 1 and layer.blob.size >= before:
            layers = _capital(layers_text(layer.made_of))
            yield f"{layers} got no smaller by being merged: {size_text(layer.blob.size)}, before {size_text(before)}."


def count_differing(plan: Plan) -> int:
    """Count the warnings that engines unpack the original in different ways."""
    return sum(problem.severity is Severity.DIFFERS for problem in plan.analysis.problems)


def differing_lines(plan: Plan) -> Iterator[str]:
    """Yield, where engines unpack the original in different ways, that one reading of it was compared."""
    if found := count_differing(plan):
        warnings = count_text(found, "warning")
        yield f"Engines unpack the original in different ways ({warnings}): compared is what layerscope ls shows."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
