"""Archives of `docker save` and of other tools that write its format: reads the images that `manifest.json` lists.

There is no specification but Docker's `image/spec/v1.2.md`; kaniko, bazel, podman and skopeo each name the members
differently, so only `manifest.json` says what is what.
"""

from __future__ import annotations

import re

from layerscope.errors import BadDocument, NotFound
from layerscope.layers.table import Problem, Severity
from layerscope.layers.tar.names import normalize
from layerscope.limits import CONFIGS_BYTES
from layerscope.oci.digest import Digest
from layerscope.oci.documents import ArchiveManifest, Config, Descriptor, decode, unread_kind
from layerscope.sources.documents.candidate import Candidate, Refused, StatedLayer, Stored, refuse_absent
from layerscope.sources.documents.files import Files, raw_name, read_document
from layerscope.sources.documents.layout import ambiguity_problems
from layerscope.text import escape

MANIFEST = "manifest.json"
LCOW = (
    "its manifest.json spells paths with backslashes, as Docker on Windows did for Linux images (LCOW) before 18.04; "
    "Docker on Linux refuses it, too: save it again, or put / for each \\\\ there"
)
_HASH = re.compile(r"([a-f0-9]{64})(?:\.json)?$")
_BLOB = re.compile(r"blobs/([a-z0-9+._-]+)/([a-zA-Z0-9=_-]+)")


def saved_images(files: Files) -> list[Stored]:
    """Return every image in `manifest.json`, in its order. Raises NotFound or BadDocument for `manifest.json` itself."""
    raw = read_document(files, MANIFEST)
    what = f"{files.place}: {MANIFEST}"
    if raw.lstrip().startswith(b"{"):
        raise BadDocument(f"{what} is not a list of images")
    known = _Configs(files)
    items = decode(raw, tuple[ArchiveManifest, ...], what=what)
    problems = ambiguity_problems(MANIFEST, raw, tuple[ArchiveManifest, ...])
    stored = (_stored(files, item, known) for item in items)
    return [each.doubted(*problems) if isinstance(each, Candidate) else each for each in stored]


class _Configs:
    """The configs of an archive, each decoded once however often it is listed; their total size has a limit."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._known: dict[bytes, tuple[bytes, Config, Digest]] = {}
        self._bytes = 0

    def read(self, name: str) -> tuple[bytes, Config, Digest]:
        """Return a config's bytes, its decoded content and its digest. Raises NotFound and BadDocument."""
        key = normalize(raw_name(name))
        if key not in self._known:
            raw, what = read_document(self._files, name), f"{self._files.place}: the config {escape(name[:200])}"
            self._bytes += len(raw)
            if self._bytes > CONFIGS_BYTES:
                raise BadDocument(f"{what} comes after {CONFIGS_BYTES >> 20} MiB of others, which no archive needs")
            self._known[key] = raw, decode(raw, Config, what=what), Digest.of(raw)
        return self._known[key]


def _stored(files: Files, item: ArchiveManifest, known: _Configs) -> Stored:
    try:
        raw, config, digest = known.read(item.config)
        parts = _parts(item, config)
        _refuse_backslashes(files, item)
        refuse_absent(files, parts, _what(files, item))
    except (NotFound, BadDocument) as error:
        return Refused(error, item.repo_tags)
    return Candidate(
        platform=config.platform,
        config_digest=digest,
        config=config,
        raw_config=raw,
        parts=parts,
        names=item.repo_tags,
        problems=(*_mismatch(item.config, raw), *ambiguity_problems("config", raw, Config)),
    )


def _refuse_backslashes(files: Files, item: ArchiveManifest) -> None:
    if any("\\" in file for file in item.layers) and not any(files.has(file) for file in item.layers):
        raise BadDocument(f"{_what(files, item)}: {LCOW}")


def _what(files: Files, item: ArchiveManifest) -> str:
    return f"{files.place}: {escape(item.repo_tags[0][:200])}" if item.repo_tags else files.place


def _mismatch(name: str, raw: bytes) -> tuple[Problem, ...]:
    """Return a problem if a config's file name is a hash, but not the config's own; all tools name it after its own."""
    stated = _HASH.search(name)
    if stated is None or stated[1] == Digest.of(raw).encoded:
        return ()
    return (Problem(0, b"", f"the config does not match its name {escape(name[:200])}", Severity.REFUSED),)


def _parts(item: ArchiveManifest, config: Config) -> tuple[StatedLayer, ...]:
    diff_ids = config.rootfs.diff_ids
    sources = [item.layer_sources.get(diff_id) for diff_id in diff_ids[: len(item.layers)]]
    sources += [None] * (len(item.layers) - len(sources))
    return tuple(_part(file, source) for file, source in zip(item.layers, sources, strict=True))


def _part(file: str, source: Descriptor | None) -> StatedLayer:
    """Describe a layer. If its `LayerSources` entry has another digest than the member's name, only its URLs are used."""
    digest = digest_in(file)
    if source is None:
        return StatedLayer(file, digest)
    if source.digest == digest:
        unread = unread_kind(source.media_type, source.annotations)
        return StatedLayer(file, digest, source.media_type, source.size, source.urls, unread)
    return StatedLayer(file, digest, urls=source.urls)


def digest_in(file: str) -> Digest | None:
    """Return the digest that `blobs/ALGORITHM/ENCODED` states; None for names of any other form."""
    match = _BLOB.fullmatch(file.removeprefix("./"))
    try:
        return Digest.parse(f"{match[1]}:{match[2]}") if match else None
    except BadDocument:
        return None
