"""What a smaller image saves, as text and as JSON, schema `layerscope.slim/1`: a contract that scripts rely on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from layerscope import __version__
from layerscope.report.encode import json_line
from layerscope.report.slim_layers import (
    arranged_lines,
    budget_json,
    budget_lines,
    count_differing,
    differing_lines,
    merged_lines,
    merging_lines,
)
from layerscope.report.slim_push import pushed_json, pushed_lines
from layerscope.report.slim_unmatched import unmatched_json, unmatched_text
from layerscope.slim.merge_savings import merge_savings
from layerscope.slim.plan import LayerPlan, Plan
from layerscope.slim.push import Pushed
from layerscope.slim.unmatched import Unmatching
from layerscope.slim.write import Slimmed
from layerscope.sources.engine.load import Loaded
from layerscope.text import escape, utf8_text
from layerscope.units import count_text, percent_text, size_text
from layerscope.wording.sentences import layers_text, step_text
from layerscope.wording.style import Style, cut_end, wrapped

SCHEMA = "layerscope.slim/1"
COSTLY = 1000
"""How many times what goes from a layer has to be pushed again before the report says so."""


@dataclass(frozen=True, slots=True, eq=False)
class SlimOutcome:
    """What `layerscope slim` planned, wrote, loaded and pushed, or would push; `unmatching` is what then does not fit."""

    plan: Plan
    slimmed: Slimmed | None = None
    loaded: Loaded | None = None
    pushed: Pushed | None = None
    unmatching: Unmatching = field(default_factory=Unmatching)


def slim_json(done: SlimOutcome) -> bytes:
    """Encode what is saved, and what was written, loaded and pushed if it was; with a newline at the end. Sizes in bytes."""
    plan, image = done.plan, done.plan.analysis.image
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "layerscope": __version__,
        "image": utf8_text(image.reference),
        "id": image.id,
        "content_bytes": plan.analysis.waste.content_bytes,
        "possible_bytes": plan.content_bytes,
        "asked_bytes": plan.asked_bytes,
        "asked_paths": plan.asked_paths,
        "stored_bytes": plan.analysis.pull_size.stored_bytes,
        "spared_layers": plan.options.spared_layers,
        "unpacked_again": list(plan.unpacked_again),
        "layers": [_layer(plan, each) for each in plan.layers],
        "unmatched": unmatched_json(done.unmatching),
        "engines_differ": count_differing(plan),
        "budget": budget_json(plan),
        "merging": [{"first": each.first, "last": each.last, "saved_bytes": each.saved_bytes} for each in merge_savings(plan)],
        "written": _written(done.slimmed) if done.slimmed else None,
        "loaded": _loaded(done.loaded) if done.loaded else None,
        "pushed": pushed_json(done.pushed) if done.pushed else None,
    }
    return json_line(found)


def _layer(plan: Plan, each: LayerPlan) -> dict[str, Any]:
    layer = plan.analysis.image.layers[each.number - 1]
    return {
        "number": each.number,
        "digest": layer.digest,
        "diff_id": layer.diff_id,
        "is_rewritten": each.is_rewritten,
        "is_merged": each.is_merged,
        "is_gone": each.is_gone,
        "dropped_entries": each.dropped,
        "emptied_entries": each.emptied,
        "content_bytes": each.content_bytes,
        "by_cause": {cause.word: size for cause, size in each.causes.items() if size},
    }


def _written(slimmed: Slimmed) -> dict[str, Any]:
    proof = slimmed.proof
    return {
        "id": slimmed.image_id,
        "manifest": slimmed.manifest_digest,
        "stored_bytes": slimmed.stored_bytes,
        "layers": [
            {
                "number": each.number,
                "made_of": list(each.made_of),
                "digest": each.blob.digest,
                "diff_id": each.diff_id,
                "stored_bytes": each.blob.size,
                "is_rewritten": each.is_rewritten,
                "is_packed": each.is_packed,
            }
            for each in slimmed.layers
        ],
        "proof": {
            "compared_paths": proof.paths,
            "asked_paths": proof.asked_paths,
            "compared_entries": proof.entries,
            "compared_contents": proof.contents,
            "compared_content_bytes": proof.content_bytes,
            "layers_as_before": list(proof.layers_as_before),
        },
    }


def _loaded(loaded: Loaded) -> dict[str, Any]:
    return {
        "engine": loaded.engine.value,
        "name": loaded.name,
        "id": loaded.id,
        "size_bytes": loaded.size,
        "replaced_id": loaded.replaced or None,
    }


def slim_lines(done: SlimOutcome, style: Style, *, place: str | None) -> Iterator[str]:
    """Yield what is saved by layer, what a push and a pull then move, and what was written to `place`, loaded and pushed."""
    plan = done.plan
    if not plan.rewritten:
        yield from wrapped(nothing_sentence(plan), style.width)
        yield from (line for text in merging_lines(plan) for line in wrapped(style.plain(text), style.width))
    else:
        yield from _saved(plan, style)
        if done.slimmed or done.unmatching.found:
            yield from wrapped(style.plain(unmatched_text(done.unmatching)), style.width)
    if done.slimmed is None:
        yield from (line for text in budget_lines(plan) for line in wrapped(style.plain(text), style.width))
    if done.slimmed is not None:
        yield ""
        yield from _proved(done.slimmed, style, place)
        yield from (line for text in differing_lines(plan) for line in wrapped(text, style.width))
        if done.loaded is not None:
            yield from wrapped(_said_of(done.loaded), style.width)
    elif plan.rewritten and done.pushed is None:
        yield ""
        yield f"Write it: layerscope slim {style.name(plan.analysis.image.reference)} -o FILE"
    if done.pushed is not None:
        yield ""
        yield from pushed_lines(done.pushed, style)


def _said_of(loaded: Loaded) -> str:
    replaced = f" What had this name before is {escape(loaded.replaced[:19])}." if loaded.replaced else ""
    return f"Loaded into {loaded.engine.label} as {escape(loaded.name)}: {size_text(loaded.size)} there, id checked.{replaced}"


def nothing_sentence(plan: Plan) -> str:
    """Say why nothing is saved."""
    if plan.options.budget is not None and not plan.is_over_budget:
        return "Nothing to do."
    spared = plan.options.spared_layers
    within = f" above the base's {count_text(spared, 'layer')}" if spared else ""
    if plan.analysis.waste.by_layer(len(plan.layers))[spared:].sum():
        return f"Nothing to save: of what no container sees, nothing{within} may go, or its layer would get no smaller."
    return f"Nothing to save: no layer{within} has content that no container sees."


def _saved(plan: Plan, style: Style) -> Iterator[str]:
    waste = plan.analysis.waste
    share = percent_text(plan.content_bytes / max(waste.content_bytes, 1))
    left = waste.content_bytes - plan.content_bytes
    yield style.paint(f"{size_text(plan.content_bytes)} can go ({share}), {size_text(left)} of content stay", "bold")
    for each in plan.rewritten:
        if not each.content_bytes and (each.is_merged or each.is_gone):
            continue
        causes = sorted(each.causes.items(), key=lambda item: -item[1])
        found = [(size, cause.word) for cause, size in causes if size]
        if asked := each.content_bytes - sum(size for size, _ in found):
            found.append((asked, "asked for"))
        why = ", ".join(f"{size_text(size)} {word}" for size, word in found)
        step = step_text(plan.analysis.image.layers[each.number - 1].history)
        yield f"  {style.paint(f'{size_text(each.content_bytes):>8}', 'magenta')}  layer {each.number}: {why}"
        if step:
            yield style.paint(cut_end(f"            {style.name(step)}", style.width, mark=style.plain("…")), "dim")
    yield ""
    if plan.asked.any():
        yield from wrapped(dropped_sentence(plan), style.width)
    for sentence in (
        *arranged_lines(plan),
        *push_sentences(plan),
        *_costly_sentences(plan),
        *merging_lines(plan),
        *_base_sentences(plan),
    ):
        yield from wrapped(style.plain(sentence), style.width)


def dropped_sentence(plan: Plan) -> str:
    """Say what `drop` does: a container sees it, so the files are not the same."""
    paths = plan.asked_paths
    verb = "is" if paths == 1 else "are"
    return (
        f"{count_text(paths, 'path')} with {size_text(plan.asked_bytes)} that a container sees {verb} left out as asked: the "
        "files are not the same. Paths in the base's layers stay, and so does the first name of content that has others."
    )


def push_sentences(plan: Plan) -> Iterator[str]:
    """Say which layers are to be pushed again, and which a host unpacks again."""
    new = [each.number for each in plan.rewritten if not each.is_gone]
    stored = [size.stored_bytes for size in plan.analysis.layer_sizes]
    stay = [each.number for each in plan.layers if not each.is_rewritten]
    text = f"To push again: {layers_text(new)}, ≈ {size_text(plan.push_bytes)} as stored" if new else "No layer to push again"
    if stay:
        text += f"; as before: {layers_text(stay)}, {size_text(sum(stored[number - 1] for number in stay))}"
    yield f"{text}."
    if again := plan.unpacked_again:
        fetched = f"fetches {layers_text(new)}, and " if new else ""
        yield f"A host that has the old image {fetched}unpacks {layers_text(again)} again."


def _costly_sentences(plan: Plan) -> Iterator[str]:
    """Say which layers are much to push again for little."""
    sizes = plan.analysis.layer_sizes
    for each in plan.rewritten:
        left = sizes[each.number - 1].stored_bytes - each.wire_bytes
        if 0 < each.content_bytes * COSTLY < left and not (each.is_merged or each.is_gone):
            yield (
                f"Layer {each.number} is ≈ {size_text(left)} to push again for {size_text(each.content_bytes)}: leave it as it "
                "is by naming the others with --layers."
            )


def _base_sentences(plan: Plan) -> Iterator[str]:
    spared = plan.options.spared_layers
    base = f"The base's {count_text(spared, 'layer')} {'stays as it is' if spared == 1 else 'stay as they are'}"
    left = int(plan.analysis.waste.by_layer(len(plan.layers))[:spared].sum())
    if left:
        yield f"{base}, with {size_text(left)} of waste: --base-too takes it."


def _as_before(slimmed: Slimmed) -> str:
    same, packed = len(slimmed.proof.layers_as_before), sum(layer.is_packed for layer in slimmed.layers)
    found = [f"{count_text(same, 'layer')} byte for byte as before"] if same or not packed else []
    if packed:
        found.append(f"{count_text(packed, 'layer')} as before but compressed")
    return ", ".join(found)


def _proved(slimmed: Slimmed, style: Style, place: str | None) -> Iterator[str]:
    proof = slimmed.proof
    asked = f"{count_text(proof.asked_paths, 'path')} left out as asked, " if proof.asked_paths else ""
    made = f"Wrote {escape(place)}" if place else "The new image"
    yield from wrapped(
        f"{made}: {size_text(slimmed.stored_bytes)} in {count_text(len(slimmed.layers), 'layer')}, "
        f"id {slimmed.image_id.short}.",
        style.width,
    )
    for sentence in merged_lines(slimmed):
        yield from wrapped(sentence, style.width)
    yield from wrapped(
        f"Proved by reading it back: {count_text(proof.paths, 'path')} that a container sees are the same, "
        f"{asked}"
        f"{count_text(proof.contents, 'content')} of rewritten layers ({size_text(proof.content_bytes)}) compared, "
        f"{_as_before(slimmed)}, all digests checked.",
        style.width,
    )
    yield from wrapped(
        "Secrets that were in what is gone are no longer in this image; whoever pulled the original has them: rotate them.",
        style.width,
    )
