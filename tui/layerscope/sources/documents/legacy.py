"""Archives from before Docker 1.10 (2016): `repositories` maps tags to layers, and `ID/json` has the id of the layer below.

See `image/spec/v1.md` of that time. There are no diff_ids and no config; the config is put together from the chain. Images
that were saved by their id are named nowhere: they are those on which no other is built.
"""

from __future__ import annotations

import re

from layerscope.errors import BadDocument, NotFound
from layerscope.layers.table import Problem
from layerscope.oci.digest import Digest
from layerscope.oci.documents import Config, HistoryStep, LegacyImage, decode
from layerscope.sources.documents.candidate import Candidate, Refused, StatedLayer, Stored, refuse_absent
from layerscope.sources.documents.files import Files, decode_document, read_document
from layerscope.text import escape

REPOSITORIES = "repositories"
MAX_CHAIN = 1000
"""The most layers of one image; aufs stopped at 127."""
NOTE = "saved by a Docker older than 1.10: it has no config of its own and no diff_ids"
MAX_LAYERS = 10_000
"""The most layers that are searched for those on which no other is built."""
_ID = re.compile(r"[a-f0-9]{64}")
_CONFIG = re.compile(rb"[a-f0-9]{64}\.json")


def is_legacy(files: Files) -> bool:
    """Tell whether this is such an old archive: it has `repositories`, or layers by id without the newer `HEX.json` config.

    Newer archives have layers by id, too; without that check, a truncated one would be taken for an old one.
    """
    if files.has(REPOSITORIES):
        return True
    return not files.damage and bool(_ids(files)) and not any(_CONFIG.fullmatch(name) for name in files.names())


def legacy_images(files: Files) -> list[Stored]:
    """Return every image that `repositories` names, then unnamed ones by id. Raises BadDocument for a bad `repositories`."""
    repositories: dict[str, dict[str, str]] = {}
    if files.has(REPOSITORIES):
        repositories = decode_document(files, REPOSITORIES, dict[str, dict[str, str]])
    names: dict[str, list[str]] = {}
    for repository, tags in repositories.items():
        for tag, identity in tags.items():
            names.setdefault(identity, []).append(f"{repository}:{tag}")
    names |= {identity: [] for identity in _tops(files) if identity not in names}
    return [_stored(files, identity, tuple(tags)) for identity, tags in names.items()]


def _ids(files: Files) -> list[str]:
    """List the ids of the layers that are stored, in the archive's order."""
    first = dict.fromkeys(name.partition(b"/")[0].decode("utf-8", "replace") for name in files.names())
    return [name for name in first if _ID.fullmatch(name) and files.has(f"{name}/json")]


def _tops(files: Files) -> list[str]:
    """Return the ids of layers on which no other is built. A damaged `json` is skipped; reading its image reports it."""
    parents = set()
    ids = _ids(files)
    for identity in ids[:MAX_LAYERS]:
        try:
            parents.add(decode_document(files, f"{identity}/json", LegacyImage).parent)
        except (NotFound, BadDocument):
            continue
    return [identity for identity in ids[:MAX_LAYERS] if identity not in parents]


def _stored(files: Files, identity: str, names: tuple[str, ...]) -> Stored:
    try:
        return _read(files, identity, names)
    except (NotFound, BadDocument) as error:
        return Refused(error, names)


def _read(files: Files, identity: str, names: tuple[str, ...]) -> Candidate:
    chain = _chain(files, identity)
    top = chain[-1][1]
    parts = tuple(StatedLayer(f"{layer}/layer.tar") for layer, _ in chain)
    refuse_absent(files, parts, f"{files.place}: {escape(names[0][:200]) if names else identity[:12]}")
    history = tuple(_history(image) for _, image in chain)
    config = Config(top.architecture, top.os, created=top.created, config=top.config, history=history)
    return Candidate(
        platform=config.platform,
        config_digest=Digest.parse(f"sha256:{identity}"),
        config=config,
        raw_config=read_document(files, f"{identity}/json"),
        parts=parts,
        names=names,
        states_id=False,
        problems=(Problem(0, b"", NOTE),),
    )


def _chain(files: Files, identity: str) -> list[tuple[str, LegacyImage]]:
    """Return the layer `identity` and all below it, base first, each with its decoded `json`. Raises NotFound, BadDocument."""
    chain: dict[str, LegacyImage] = {}
    while identity:
        if not _ID.fullmatch(identity) or identity in chain or len(chain) >= MAX_CHAIN:
            raise BadDocument(f"{files.place}: the chain of layers is broken at '{escape(identity[:80])}'")
        name = f"{identity}/json"
        chain[identity] = decode(read_document(files, name), LegacyImage, what=f"{files.place}: {name}")
        identity = chain[identity].parent
    return list(reversed(chain.items()))


def _history(image: LegacyImage) -> HistoryStep:
    return HistoryStep(image.created, " ".join(image.container_config.cmd), image.comment, author=image.author)
