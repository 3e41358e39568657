"""What a registry has: a tree of repositories, tags and platforms for people, a line of JSON a repository for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from layerscope.families.figures import age_text
from layerscope.oci.documents import UNNAMED_ARTIFACT
from layerscope.report.encode import json_line
from layerscope.sources.registry.attached import Attached
from layerscope.sources.registry.survey import ListedRepository
from layerscope.sources.registry.tag_facts import TagFacts, TagImage
from layerscope.text import escape
from layerscope.units import count_text, size_text
from layerscope.wording.style import Style, cells, cut_end

FIGURES = 34
"""Cells of the figures before a name: size, age and digest."""
NARROWEST = 20
MOST_NAMED = 20
"""Tags named on the line of a repository."""


def tree_heads(style: Style) -> str:
    """Return the heads of the columns."""
    return style.paint(f"{'size':>8}  {'age':>9}  {'digest':12}  name", "dim")


def repository_lines(listed: ListedRepository, style: Style, *, now: float, has_figures: bool) -> Iterator[str]:
    """Yield the lines of a repository: itself, and with `has_figures` its tags, their platforms and what is attached.

    Ages are as of `now`, in seconds since 1970.
    """
    room = max(style.width - FIGURES * has_figures, NARROWEST)
    yield " " * FIGURES * has_figures + _title(listed, style, room, has_names=not has_figures)
    if not has_figures:
        return
    for each in listed.tags[: listed.detailed]:
        yield _figures(each.wire_bytes, age_text(moment_of(each), now), each.digest or "") + _named(each, style, room)
        if len(each.images) > 1:
            for image in each.images:
                figures = _figures(image.wire_bytes, age_text(image.created, now), image.digest)
                yield figures + style.paint(cut_end(f"    {image_name(image)}", room, mark=style.plain("…")), "dim")
        for thing in listed.attached.get(each.tag, ()):
            line = cut_end(f"    {attached_text(thing)}", room, mark=style.plain("…"))
            yield _figures(thing.size, "", thing.digest) + style.paint(line, "dim")
    hidden = len(listed.tags) - listed.detailed
    if hidden:
        yield " " * FIGURES + f"  and {count_text(hidden, 'more tag')} (--all shows them all)"


def repositories_count(count: int) -> str:
    """Format `1 repository`, `3 repositories`."""
    return f"{count:,} repositor" + ("y" if count == 1 else "ies")


def moment_of(facts: TagFacts) -> str:
    """Return the time by which a tag is so and so old: when its image was built, else when it was pushed; RFC 3339."""
    return facts.created or facts.pushed


def image_name(image: TagImage) -> str:
    """Return what to call one of a tag's manifests: its platform, or what it is if it is no image: a media type if that has no
    name. Escaped.
    """
    return image.kind.removeprefix(UNNAMED_ARTIFACT) or escape(str(image.platform))


def attached_text(thing: Attached) -> str:
    """Describe a thing attached to an image in one line. Escaped."""
    detail = next((thing.annotations[key] for key in _TELLING if thing.annotations.get(key)), "") or thing.media_type
    name, detail = thing.kind.removeprefix(UNNAMED_ARTIFACT), escape(detail[:200])
    return name if detail in ("", name) else f"{name}  {detail}"


_TELLING = ("in-toto.io/predicate-type", "dev.sigstore.bundle.predicateType")


def platforms_text(facts: TagFacts) -> str:
    """Return what a tag leads to in a few words: its platform or what it is, `3 platforms`, or why it is not known. Escaped."""
    if facts.problem or (facts.chosen is not None and facts.chosen.problem):
        return facts.problem or (facts.chosen.problem if facts.chosen else "")
    if len(facts.images) == 1:
        return "" if facts.images[0].platform.is_unknown and not facts.images[0].kind else image_name(facts.images[0])
    return count_text(len(facts.platforms), "platform") if facts.images else ""


def _figures(size: int | None, age: str, digest: str) -> str:
    shown = size_text(size) if size is not None else ""
    return f"{shown:>8}  {age:>9}  {digest.partition(':')[2][:12]:12}  "


def _named(facts: TagFacts, style: Style, room: int) -> str:
    text = cut_end(f"  {style.name(facts.tag)}", room, mark=style.plain("…"))
    told = cut_end(f"  {style.name(platforms_text(facts))}", max(room - cells(text), 0), mark=style.plain("…"))
    return text + style.paint(told.rstrip(), "dim")


def _title(listed: ListedRepository, style: Style, room: int, *, has_names: bool) -> str:
    name = style.name(listed.name)
    if listed.problem:
        return f"{style.paint(name, 'bold')}  {style.paint(style.name(listed.problem), 'red')}"
    told = count_text(len(listed.tags), "tag")
    if has_names and listed.tags:
        told += ": " + ", ".join(style.name(each.tag) for each in listed.tags[:MOST_NAMED])
    told = cut_end(told, max(room - cells(name) - 2, NARROWEST), mark=style.plain("…"))
    return f"{style.paint(name, 'bold')}  {told}"


def repository_json(listed: ListedRepository) -> bytes:
    """Encode a repository as one line of JSON. Sizes are bytes; null is what is not known, or was not asked for."""
    tags = None if listed.problem else [_tag(each, listed) for each in listed.tags]
    return json_line({"repository": listed.name, "tags": tags, "problem": listed.problem or None})


def _tag(facts: TagFacts, listed: ListedRepository) -> dict[str, Any]:
    attached = listed.attached.get(facts.tag)
    return {
        "tag": facts.tag,
        "digest": facts.digest,
        "media_type": facts.media_type or None,
        "created": facts.created or None,
        "pushed": facts.pushed or None,
        "wire_bytes": facts.wire_bytes,
        "platforms": _platforms(facts.images) if facts.digest is not None else None,
        "artifact": next((image.kind for image in facts.images if image.kind), None) if not facts.platforms else None,
        "referrers": None if attached is None else list(map(_attached, attached)),
        "problem": facts.problem or next((image.problem for image in facts.images if image.problem), None),
    }


def _platforms(images: Sequence[TagImage]) -> list[dict[str, Any]]:
    return [
        {
            "platform": image.platform.name,
            "digest": image.digest,
            "created": image.created or None,
            "wire_bytes": image.wire_bytes,
        }
        for image in images
        if not image.platform.is_unknown and not image.is_artifact
    ]


def _attached(thing: Attached) -> dict[str, Any]:
    return {
        "kind": thing.kind,
        "media_type": thing.media_type or None,
        "digest": thing.digest,
        "bytes": thing.size,
        "subject": thing.subject,
        "by": thing.place,
        "annotations": thing.annotations,
    }
