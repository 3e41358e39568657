"""Says how small an image gets at least, and with what it would get smaller still, where that is more than a budget."""

from __future__ import annotations

from collections.abc import Iterator

from layerscope.slim.merge_savings import merge_savings
from layerscope.slim.plan import Plan, SlimOptions
from layerscope.units import size_text


def over_budget_text(plan: Plan, budget: int, left: str) -> str:
    """Return the sentence; `left` is the least size that `plan` reaches, in words."""
    return f"--budget {size_text(budget)} is not reached: the least is {left}; further options: {', '.join(_further(plan))}"


def _further(plan: Plan) -> Iterator[str]:
    options = plan.options
    if waste := int(plan.analysis.waste.by_layer(len(plan.layers))[: options.spared_layers].sum()):
        yield f"--base-too (its layers have {size_text(waste)} of waste)"
    if saved := sum(each.saved_bytes for each in merge_savings(plan)):
        yield f"--merge own (≈ {size_text(saved)} more)"
    limits = {"--only": options.causes != SlimOptions().causes, "--keep": options.keep, "--layers": options.layers is not None}
    yield from (f"no {option}" for option, is_given in limits.items() if is_given)
    yield "--compression"
    yield "--drop GLOB for files that are seen"
