"""The tags of a repository to compare by size: which ones, and what each leads to for one platform.

A registry lists tags by name alone, so that the newest are chosen by the versions in their names, unless it lists sizes, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from layerscope.errors import NotFound, UsageError
from layerscope.oci.platform import Platform
from layerscope.oci.reference import familiar, is_like_a_host
from layerscope.oci.version_order import version_key
from layerscope.progress import Progress
from layerscope.sources.base import BASE_DIGEST
from layerscope.sources.listing.sized_tag import SizedTag
from layerscope.sources.location import REGISTRY, REGISTRY_URL, EngineOptions
from layerscope.sources.registry.check import low_limits
from layerscope.sources.registry.failures import NoSuchImage, RegistryFailed
from layerscope.sources.registry.open import connect
from layerscope.sources.registry.registry_name import RegistryName, parse_repository_name
from layerscope.sources.registry.repository import Repository
from layerscope.sources.registry.stated_tags import stated_tag_pages
from layerscope.sources.registry.tag_facts import TagFacts, TagImage, fetch_tag_facts
from layerscope.text import escape
from layerscope.units import count_text

ATTACHED = re.compile(r"sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64,128})(?:\.\w+)?", re.ASCII)
"""Tags by which signatures, attestations and referrers are attached to an image (cosign's, and the referrers tag schema)."""

VERSION, PUSH = "version", "push"
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class TagQuery:
    """What is asked for: the newest `last` tags, 0 for all, as they are for `platform` (None: this machine's).

    With `has_layers`, manifests are read even where the registry lists sizes.
    """

    platform: Platform | None = None
    last: int = 0
    has_layers: bool = False


@dataclass
class FoundTags:
    """Tags of a repository, called `name`. `reference` opens one of them, followed by a colon and the tag.

    `total` is the number of all tags that name images, 0 if there are more than were listed. `artifacts` are those that do
    not: signatures and the like. `unread` say why tags could not be read; `without_platform` have no image for the platform.
    `chosen_by` says how the newest were chosen, empty if all were read.
    """

    name: str
    reference: str
    sized: list[SizedTag] = field(default_factory=list)
    total: int = 0
    artifacts: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    without_platform: list[str] = field(default_factory=list)
    chosen_by: str = ""

    @property
    def notes(self) -> Iterator[str]:
        """Yield a sentence for each kind of tags that are left out."""
        shown, of_all = count_text(len(self.sized), "tag"), f" of {self.total:,}" if self.total else ""
        if self.chosen_by == VERSION:
            yield f"Of {self.total:,} tags, these have the highest versions: only names tell which are new (--all reads all)."
        elif self.chosen_by:
            yield f"These are the {shown}{of_all} that were pushed last (--all reads all)."
        if self.artifacts:
            yield f"Left out: {count_text(len(self.artifacts), 'tag')} of signatures and other artifacts."
        if self.without_platform:
            named = ", ".join(map(escape, self.without_platform[:MOST_NAMED]))
            more = len(self.without_platform) - MOST_NAMED
            named += f" and {more:,} more" if more > 0 else ""
            yield f"Left out, without an image for the platform: {named}."


def find_tags(typed: str, query: TagQuery, *, options: EngineOptions, progress: Progress) -> FoundTags:
    """Read the tags of a repository side by side: a manifest and a config each, or nothing that the cache already has.

    Raises UsageError for a name with a tag; NoSuchImage, AccessDenied and RegistryFailed; NotFound if the repository has no
    tags, none of an image, or none for the platform.
    """
    repository, listed = _listed(_parsed(typed), query, options, progress)
    found = FoundTags(familiar(str(repository.name)), f"{REGISTRY_URL}{repository.name}")
    found.artifacts = [each.tag for each in listed.tags if ATTACHED.fullmatch(each.tag)]
    images = [each for each in listed.tags if not ATTACHED.fullmatch(each.tag)]
    found.total = 0 if listed.has_more else len(images)
    if query.last and (len(images) > query.last or listed.has_more):
        images, found.chosen_by = _newest(images, query.last)
    for each in _read(repository, images, query, options, progress):
        _sort_in(found, each)
    for sentence in low_limits(repository.connection.traffic):
        options.say(sentence)
    _refuse_nothing(found, query)
    return found


def _parsed(typed: str) -> RegistryName:
    rest = typed.removeprefix(REGISTRY_URL).removeprefix(REGISTRY)
    if is_like_a_host(rest):
        host = escape(rest[:200])
        raise UsageError(f"{host} names no repository; its repositories: layerscope registry {host}")
    name = parse_repository_name(rest)
    if name.tag or name.digest:
        repository = familiar(str(RegistryName(name.host, name.repository)))
        raise UsageError(f"{escape(rest[:200])} names one image; to see its tags, name the repository: {escape(repository)}")
    return name


@dataclass(frozen=True, slots=True)
class _ListedTags:
    """The tags that a registry lists, each once; with `has_more`, these are the newest, and there are others."""

    tags: list[TagFacts]
    has_more: bool = False


def _listed(name: RegistryName, query: TagQuery, options: EngineOptions, progress: Progress) -> tuple[Repository, _ListedTags]:
    """Return the first repository that a name may stand for and its registry has, with its tags."""
    progress(f"asking {escape(name.host)}", 0, 0)
    repositories = list(connect(name, options))
    for repository in repositories[:-1]:
        with suppress(NoSuchImage):
            return repository, _tags(repository, query)
    last = repositories[-1]
    try:
        return last, _tags(last, query)
    except NoSuchImage as error:
        where = f"{escape(last.name.host)} has no repository {escape(last.name.repository)}, or hides it without credentials"
        raise NoSuchImage(f"{where} ({error})") from error


def _tags(repository: Repository, query: TagQuery) -> _ListedTags:
    """Read the list of tags: as far as needed if it begins with the newest, else to its end."""
    tags: dict[str, TagFacts] = {}
    for page in stated_tag_pages(repository, query.platform):
        tags |= {each.tag: each for each in page}
        pushed = [each.pushed for each in tags.values() if not ATTACHED.fullmatch(each.tag)]
        if 0 < query.last < len(pushed) and all(pushed) and pushed == sorted(pushed, reverse=True):
            return _ListedTags(list(tags.values()), has_more=True)
    return _ListedTags(list(tags.values()))


def _newest(tags: list[TagFacts], last: int) -> tuple[list[TagFacts], str]:
    """Return the newest tags, and what they were chosen by: by when they were pushed, if the registry says so of all."""
    if all(each.pushed for each in tags):
        return sorted(tags, key=lambda each: each.pushed)[-last:], PUSH
    return sorted(tags, key=lambda each: version_key(each.tag))[-last:], VERSION


def _read(
    repository: Repository, tags: list[TagFacts], query: TagQuery, options: EngineOptions, progress: Progress
) -> Iterator[TagFacts]:
    """Yield the tags, after fetching the manifests of those whose size is not listed, or of all if layers are wanted."""
    stated = {} if query.has_layers else {each.tag: each for each in tags if _is_stated(each, query.platform)}
    yield from stated.values()
    unknown = {each.tag: each.pushed for each in tags if each.tag not in stated}
    facts = fetch_tag_facts(repository, unknown, cache=options.cache, platform=query.platform)
    for done, each in enumerate(facts, 1):
        progress(f"tag {done:,} of {len(unknown):,}", 0, 0)
        yield replace(each, pushed=unknown[each.tag])


def _is_stated(tag: TagFacts, platform: Platform | None) -> bool:
    """Tell whether the registry's list says all that is asked: the size for the platform, or that there is none for it."""
    image = tag.chosen
    if image is None:
        return bool(tag.images)
    return image.wire_bytes is not None and not (platform is not None and image.platform.is_unknown)


def _sort_in(found: FoundTags, facts: TagFacts) -> None:
    """Put a tag where it belongs: a sized one, or one of those that are left out."""
    image = facts.chosen
    if facts.problem or (image is not None and image.problem):
        found.unread[facts.tag] = facts.problem or (image.problem if image else "")
    elif image is not None and image.is_artifact:
        found.artifacts.append(facts.tag)
    elif image is None:
        is_artifact = bool(facts.images) and all(each.is_artifact for each in facts.images)
        (found.artifacts if is_artifact else found.without_platform).append(facts.tag)
    else:
        found.sized.append(_sized(facts, image))


def _sized(facts: TagFacts, image: TagImage) -> SizedTag:
    labels = image.config.config.labels if image.config else {}
    return SizedTag(
        facts.tag,
        digest=facts.digest,
        platform="" if image.platform.is_unknown else image.platform.name,
        created=image.created,
        pushed=facts.pushed,
        wire_bytes=image.wire_bytes,
        layers=image.layers if image.is_read else None,
        base_digest={**labels, **image.annotations}.get(BASE_DIGEST, ""),
    )


def _refuse_nothing(found: FoundTags, query: TagQuery) -> None:
    """Raise if there is nothing to show: no tags, none that can be read, none of an image, or none for the platform."""
    if found.sized:
        return
    name = escape(found.name)
    if found.unread:
        first, *rest = found.unread.values()
        raise RegistryFailed(f"no tag of {name} can be read: {first}" + (f" (and {len(rest)} more)" if rest else ""))
    if found.without_platform:
        wanted = query.platform or "image for this machine"
        raise NotFound(f"no tag of {name} has a {wanted} image; choose another one with --platform")
    if found.artifacts:
        raise NotFound(f"no tag of {name} is an image: it has {count_text(len(found.artifacts), 'signature')} and the like")
    raise NotFound(f"{name} has no tags")
