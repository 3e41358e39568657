"""The verdict on an image: a pure function of an analysis, a configuration, a day and an optional baseline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from itertools import chain

from layerscope.analysis import Analysis, Contents
from layerscope.doubt import doubts
from layerscope.errors import NotAnImage
from layerscope.gate.baseline import Baseline
from layerscope.gate.config import GROWTH_KEYS, GateConfig
from layerscope.gate.growth import growth_results
from layerscope.gate.judge import Judge
from layerscope.gate.rules import dive_notes, dive_results, limit_results, table_results, uncompared_text
from layerscope.gate.subject import Subject
from layerscope.gate.verdict import RuleResult, Verdict
from layerscope.layers.fetched import Fetched, FetchWay
from layerscope.sources.image import Image, StoredLayer
from layerscope.text import escape
from layerscope.units import size_text

MOST_DOUBTS = 10
_LONGEST_PATH = 200


def evaluate(analysis: Analysis, config: GateConfig, *, today: date, baseline: Baseline | None = None) -> Verdict:
    """Judge every rule of a configuration. Growth rules without a baseline cannot be judged: they become a doubt."""
    judge = Judge(Subject(analysis), config.waive, today)
    results = tuple(
        _unique(
            chain(
                limit_results(judge, config),
                growth_results(judge, config, baseline) if baseline is not None else (),
                table_results(judge, config),
                dive_results(judge, config),
                judge.expired(),
            )
        )
    )
    doubts = [*doubt_sentences(analysis), *judge.doubts]
    if baseline is None and (config.rows("directory-growth") or any(config.limit(key) for key in GROWTH_KEYS)):
        doubts.append("Growth limits are configured, but no baseline is given (--baseline FILE|IMAGE).")
    nothing = [] if results or doubts else ["Every rule is off, so nothing was judged."]
    notes = [*config.notes, *nothing, *_notes(judge, config), *judge.notes()]
    return Verdict(results, tuple(doubts), tuple(notes))


def refuse_guessed(image: Image) -> None:
    """Raise NotAnImage for a root filesystem or layer that was not named as layer:FILE: nobody meant it to be judged."""
    if image.is_guessed:
        name = escape(image.reference)
        raise NotAnImage(
            f"{name} is not a container image but {image.noun}; to check it as an image of one layer, write layer:{name}"
        )


def _unique(results: Iterable[RuleResult]) -> Iterator[RuleResult]:
    """Yield the results with unique names: the second one of a name is called `NAME (2)`, and so on."""
    seen: dict[str, int] = {}
    for result in results:
        seen[result.name] = seen.get(result.name, 0) + 1
        yield result if seen[result.name] == 1 else replace(result, name=f"{result.name} ({seen[result.name]})")


def doubt_sentences(analysis: Analysis) -> list[str]:
    """List why no verdict can be given: damaged layers, and whatever contradicts the image's manifest or config."""
    problems = doubts(analysis.contents.problems)
    sentences = []
    for problem in problems[:MOST_DOUBTS]:
        place = f"layer {problem.layer}: " if problem.layer else ""
        path = f"/{escape(problem.path[:_LONGEST_PATH])}: " if problem.path else ""
        sentences.append(f"{place}{path}{escape(problem.text)}.")
    if len(problems) > MOST_DOUBTS:
        sentences.append(f"{len(problems) - MOST_DOUBTS:,} more problems like these.")
    return sentences


def _notes(judge: Judge, config: GateConfig) -> Iterator[str]:
    analysis = judge.subject.analysis
    if analysis.base_layers is None and analysis.tree.layers:
        yield "The base is not known: all layers count as yours (--base N or --base IMAGE)."
    elif analysis.base_known_by and analysis.base_layers:
        layers = "layer 1" if analysis.base_layers == 1 else f"layers 1 to {analysis.base_layers}"
        yield f"The base is {escape(analysis.base_name)}, {layers}, by {analysis.base_known_by} (--base sets another)."
    if judge.subject.base_wasted_bytes:
        yield f"The base's layers waste {size_text(judge.subject.base_wasted_bytes)} more, which is not counted against you."
    uncompared = uncompared_text(analysis.identity.problems)
    if uncompared:
        yield f"{uncompared[0].upper()}{uncompared[1:]}; such waste counts as overwritten or deleted."
    yield from dive_notes(config, judge)
    yield from _unverified(analysis.contents)


def _unverified(contents: Contents) -> Iterator[str]:
    """Yield notes on the layers that were trusted without a check of their digests, one for each reason."""
    layers = [contents.image.layers[number - 1] for number in contents.unverified]
    reasons = {layer.number: _why_unverified(layer, contents.fetched_by(layer.number)) for layer in layers}
    for reason in dict.fromkeys(reasons.values()):
        text = _layers_text([number for number, why in reasons.items() if why == reason])
        if reason:
            yield f"Not verified: {reason}, so no digest of {text} is checked."
        else:
            yield f"Not verified: the digests of {text} are not checked."


def _why_unverified(layer: StoredLayer, fetched: Fetched | None) -> str:
    if fetched is not None and not fetched.is_checked:
        return f"only the {fetched.way} was fetched" if fetched.way is FetchWay.TABLE else "only headers were fetched"
    return layer.reader.missing_bytes


def _layers_text(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"layer {numbers[0]}"
    is_range = numbers[-1] - numbers[0] == len(numbers) - 1
    return f"layers {numbers[0]} to {numbers[-1]}" if is_range else f"{len(numbers)} layers, the first {numbers[0]},"
