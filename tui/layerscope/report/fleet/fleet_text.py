"""A fleet as text: totals, what to mend and to delete first, bases, prefixes, and what stands out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from layerscope.fleet.answers import FleetAnswers
from layerscope.fleet.growth import NameGrowth
from layerscope.fleet.reclaim import Reclaimed, ReclaimReason
from layerscope.text import escape
from layerscope.units import count_text, growth_text, size_text, utc_text
from layerscope.wording.sentences import clean_instruction
from layerscope.wording.style import Style, cells, cut_end, cut_middle, wrapped

MOST = 8
EXPLAINED = {
    ReclaimReason.UNTAGGED: "untagged: nothing names them",
    ReclaimReason.SUPERSEDED: "superseded: their repository has newer builds or versions",
    ReclaimReason.OLD: "old: built before --older-than",
}


def fleet_text(answers: FleetAnswers, style: Style) -> str:
    """Format the whole report, each line within `style.width` cells."""
    parts: Sequence[Callable[[FleetAnswers, Style], Iterator[str]]] = (
        _totals, _growth, _fixes, _reclaimable, _bases, _teams, _duplicates, _outliers, _unread, _notes
    )  # fmt: skip
    blocks = ("\n".join(part(answers, style)) for part in parts)
    return "\n\n".join(block for block in blocks if block) + "\n"


def _totals(answers: FleetAnswers, style: Style) -> Iterator[str]:
    totals = answers.totals
    layers = f"{count_text(totals.layers, 'layer')}, {totals.distinct_layers:,} of them distinct"
    yield style.paint(f"{count_text(totals.images, 'image')}, {layers}", "bold")
    lost = "" if totals.wasted_bytes is None else f"{'wasted':>12}"
    yield style.paint(f"{'':12}{'all images':>12}{'unique':>12}{'in several':>12}{lost}", "dim")
    yield _figures("as stored", totals.stored_bytes, totals.unique_stored_bytes, totals.shared_stored_bytes)
    if totals.content_bytes is not None:
        yield _figures("content", totals.content_bytes, totals.unique_bytes, totals.shared_bytes, totals.wasted_bytes)
    moments = sorted(image.moment for image in answers.fleet.images if image.moment is not None)
    if len(moments) > 1:
        oldest, middle, newest = (utc_text(int(moments[place]), "%Y-%m-%d") for place in (0, len(moments) // 2, -1))
        said = f"built from {oldest} to {newest}, half of them before {middle}" if oldest < newest else f"built on {oldest}"
        yield style.paint(said, "dim")


def _figures(title: str, *sizes: int | None) -> str:
    return f"{title:<12}" + "".join(f"{'' if size is None else size_text(size):>12}" for size in sizes)


def _growth(answers: FleetAnswers, style: Style) -> Iterator[str]:
    growth, totals = answers.growth, answers.totals
    if growth is None:
        return
    yield style.paint("Since the baseline", "bold")
    images = totals.images - growth.old_images
    unique = growth_text(totals.unique_stored_bytes - growth.old_unique_bytes)
    yield f"{images:+,} image{'' if abs(images) == 1 else 's'}, {unique} of unique layers as stored"
    yield from _rows([(growth_text(each.bytes), _changed(each)) for each in growth.changes], style, "change")


def _changed(each: NameGrowth) -> str:
    if each.old is None:
        return f"{each.name} (new)"
    return f"{each.name} (gone)" if each.new is None else each.name


def _fixes(answers: FleetAnswers, style: Style) -> Iterator[str]:
    fixes = [fix for fix in answers.fixes if fix.content_bytes]
    if not fixes:
        return
    yield style.paint("What to mend first", "bold")
    yield style.paint(f"{'on disk':>9}{'on pulls':>10}{'images':>8}  layer", "dim")
    for fix in fixes[:MOST]:
        start = f"{size_text(fix.disk_bytes):>9}{size_text(fix.pull_bytes):>10}{len(fix.images):>8,}  "
        name = _cut(answers.place_of(fix), style, cells(start))
        yield style.paint(start, "magenta") + name
        said = f"{', '.join(fix.causes)} {escape(b'/' + fix.path)}: {clean_instruction(fix.instruction)}"
        yield style.paint(" " * 29 + cut_end(_shown(said, style), style.width - 29, mark=style.plain("…")), "dim")
    if len(fixes) > MOST:
        yield style.paint(f"{'':29}and {len(fixes) - MOST:,} more", "dim")
    disk, pulls = sum(fix.disk_bytes for fix in fixes), sum(fix.pull_bytes for fix in fixes)
    yield f"{size_text(disk):>9}{size_text(pulls):>10}{'':>8}  all of them, each of these bytes once"


def _reclaimable(answers: FleetAnswers, style: Style) -> Iterator[str]:
    found = answers.reclaimable
    if not found.images:
        return
    yield style.paint("What can be deleted", "bold")
    yield style.paint(f"{'frees':>9}  image", "dim")
    for each in found.by_reason:
        count = count_text(len(each.images), "image") + (" together" if len(each.images) > 1 else "")
        why = f"{size_text(each.freed_bytes):>9}  {count}, {EXPLAINED[each.reason]}"
        yield cut_end(why, style.width, mark=style.plain("…"))
        yield from _deleted(answers, each, style)
    if len(found.by_reason) > 1:
        yield f"{size_text(found.freed_bytes):>9}  all {len(found.images):,} of them together"


def _deleted(answers: FleetAnswers, reclaimed: Reclaimed, style: Style) -> Iterator[str]:
    rows = [
        (size_text(freed), f"  {answers.fleet.images[number].name}")
        for number, freed in zip(reclaimed.images, reclaimed.freed_alone, strict=True)
    ]
    alone = [row for row, freed in zip(rows, reclaimed.freed_alone, strict=True) if freed] or rows
    yield from _rows(alone, style, "", left_out=len(rows) - len(alone))


def _bases(answers: FleetAnswers, style: Style) -> Iterator[str]:
    bases = answers.bases.bases
    if not bases:
        return
    wasted = answers.wasted_by_base
    yield style.paint("Bases, by what sharing them spares", "bold")
    yield style.paint(f"{'size':>9}{'images':>8}{'spares':>10}{'' if wasted is None else 'wasted':>10}  base", "dim")
    for number, base in enumerate(bases[:MOST]):
        spared = size_text(base.spared_bytes)
        lost = "" if wasted is None else size_text(wasted[number])
        start = f"{size_text(base.stored_bytes):>9}{len(base.images):>8,}{spared:>10}{lost:>10}  "
        yield start + _cut(base.title, style, cells(start))
    if len(bases) > MOST:
        yield style.paint(f"{'':39}and {len(bases) - MOST:,} more", "dim")


def _teams(answers: FleetAnswers, style: Style) -> Iterator[str]:
    teams = answers.teams
    if len(teams) < 2:
        return
    has_waste = answers.results is not None
    yield style.paint("By the prefix of names", "bold")
    yield style.paint(f"{'frees':>9}{'images':>8}{'stored':>10}{'wasted' if has_waste else '':>10}  prefix", "dim")
    for team in teams[:MOST]:
        lost = "" if team.wasted_bytes is None else size_text(team.wasted_bytes)
        start = f"{size_text(team.freed_bytes):>9}{len(team.images):>8,}{size_text(team.stored_bytes):>10}{lost:>10}  "
        yield start + _cut(team.team, style, cells(start))
    if len(teams) > MOST:
        yield style.paint(f"{'':39}and {len(teams) - MOST:,} more", "dim")


def _duplicates(answers: FleetAnswers, style: Style) -> Iterator[str]:
    found = answers.duplicates
    if found:
        yield style.paint("The same large files in layers of several images", "bold")
        rows = [
            (
                size_text(each.extra_bytes),
                f"{escape(b'/' + each.path)} ({len(each.keys):,} layers, {count_text(len(each.images), 'image')})",
            )
            for each in found
        ]
        yield from _rows(rows, style, "extra")


def _outliers(answers: FleetAnswers, style: Style) -> Iterator[str]:
    found = answers.outliers
    if not found:
        return
    yield style.paint("Images that stand out", "bold")
    yield style.paint(f"{'beyond':>9}", "dim")
    for each in found[:MOST]:
        yield f"{f'+{size_text(each.bytes)}':>9}  {_cut(answers.fleet.images[each.image].name, style, 11)}"
        yield style.paint(" " * 13 + cut_end(_shown(each.text, style), style.width - 13, mark=style.plain("…")), "dim")
    if len(found) > MOST:
        yield style.paint(f"{'':13}and {len(found) - MOST:,} more", "dim")


def _rows(rows: Sequence[tuple[str, str]], style: Style, head: str, *, left_out: int = 0) -> Iterator[str]:
    """Yield rows of a size and a name, under a head if there is one, and how many are left out."""
    if head and rows:
        yield style.paint(f"{head:>9}", "dim")
    for size, name in rows[:MOST]:
        yield f"{size:>9}  {_cut(name, style, 11)}"
    left_out += max(len(rows) - MOST, 0)
    if left_out:
        yield style.paint(f"{'':13}and {left_out:,} more", "dim")


def _unread(answers: FleetAnswers, style: Style) -> Iterator[str]:
    for title, sentences in (("Could not be read or judged", answers.failed), ("No images, left out", answers.fleet.skipped)):
        if sentences:
            yield style.paint(f"{title} ({len(sentences):,})", "bold")
            for sentence in sentences[:MOST]:
                yield from wrapped(_shown(sentence, style), style.width, indent="  ")
            if len(sentences) > MOST:
                yield style.paint(f"  and {len(sentences) - MOST:,} more", "dim")


def _notes(answers: FleetAnswers, style: Style) -> Iterator[str]:
    if answers.results is None:
        said = "Content and waste are known with --analyze. "
    else:
        estimates = (
            "On disk and on pulls (one of each image): about what mending spares as stored; `layerscope fix IMAGE` mends. "
        )
        said = estimates if answers.fixes else ""
    sentence = f"{said}Sizes as stored are compressed in registries; unique counts a layer once, whatever images have it."
    for line in wrapped(sentence, style.width):
        yield style.paint(line, "dim")


def _cut(text: str, style: Style, used: int) -> str:
    """Return text that fits into what is left of a line, of which so many cells are used."""
    return cut_middle(_shown(text, style), style.width - used, mark=style.plain("…"))


def _shown(text: str, style: Style) -> str:
    """Return escaped text in ASCII alone where nothing else can be shown."""
    return style.name(style.plain(text))
