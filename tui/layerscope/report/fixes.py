"""Fixes as a patch, as a list and as JSON, schema `layerscope.fixes/1`: a contract that scripts rely on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from layerscope.advice.advice import Advice, Fix
from layerscope.advice.editing.plan import EditPlan
from layerscope.report.encode import json_line, path_fields
from layerscope.text import escape, utf8_text
from layerscope.units import size_text

SCHEMA = "layerscope.fixes/1"


def fixes_json(advice: Advice, chosen: Collection[str]) -> bytes:
    """Encode the chosen fixes, with a newline at the end. Sizes are in bytes, lines and layers count from 1."""
    fixes = [fix for fix in advice.fixes if fix.id in chosen]
    plan = advice.plan.only([fix.id for fix in fixes if fix.has_edit]) if advice.plan else None
    order = list(plan.steps) if plan else []
    # Each edit is of the files as those before it leave them.
    fixes.sort(key=lambda fix: order.index(fix.id) if fix.id in order else len(order))
    saved = sum(fix.size for fix in fixes if fix.has_edit)
    return json_line({"schema": SCHEMA, "saves_bytes": saved, "fixes": [_fix(fix, plan) for fix in fixes]})


def _fix(fix: Fix, plan: EditPlan | None) -> dict[str, Any]:
    edit = plan.step_patch(fix.id) if plan and fix.has_edit else ""
    return {
        "id": utf8_text(fix.id),
        "saves_bytes": fix.size,
        "line": fix.line,
        "layers": list(fix.layers),
        "paths": [path_fields(path)["path"] for path in fix.paths],
        "why": utf8_text(fix.sentence),
        "edit": utf8_text(edit) or None,
        "by_hand": None if edit else utf8_text(fix.by_hand),
    }


def fixes_patch(advice: Advice, chosen: Collection[str]) -> str:
    """Format the chosen fixes as a patch, behind comments with what each saves and what is left to do by hand."""
    fixes = [fix for fix in advice.fixes if fix.id in chosen]
    return "".join(f"# {line}\n" for line in _comments(advice, fixes)) + _patch(advice, fixes)


def _patch(advice: Advice, fixes: list[Fix]) -> str:
    return advice.plan.patch([fix.id for fix in fixes if fix.has_edit]) if advice.plan else ""


def _comments(advice: Advice, fixes: list[Fix]) -> Iterator[str]:
    edited = [fix for fix in fixes if fix.has_edit]
    if edited:
        yield f"{size_text(sum(fix.size for fix in edited))} saved by {len(edited)} of {len(fixes)} fixes that are edited below"
    for fix in fixes:
        text = f"{size_text(fix.size)}: {fix.sentence}"
        yield escape(f"{fix.id}: {text}" if fix.has_edit else f"By hand: {text}")
        for line in fix.by_hand.split("\n")[1:]:
            yield f"    {escape(line)}"
    for note in advice.notes:
        yield escape(note)
    if not fixes and not advice.notes:
        yield "Nothing to change."


def fix_list(advice: Advice, chosen: Collection[str]) -> str:
    """Format one line a fix: its id, what it saves, and why; what has no edit is marked."""
    fixes = [fix for fix in advice.fixes if fix.id in chosen]
    width = max((len(fix.id) for fix in fixes), default=0)
    lines = (
        f"{fix.id:<{width}}  {size_text(fix.size):>8}  {'' if fix.has_edit else 'by hand: '}{fix.sentence}" for fix in fixes
    )
    return "".join(f"{escape(line)}\n" for line in lines)
