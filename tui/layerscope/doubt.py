"""Reasons not to trust an image, shared by the gate (`layerscope ci`), `verify`, reports and the screen.

A problem says how serious it is (`Severity`). Damage means that bytes were not read, so every command exits with 2. Doubt,
which includes damage, means that the gate gives no verdict: the image is not what its documents say, or no engine unpacks it. A
difference between engines is a note. Wrong digests are failed checks: `verify` lists each of them, all others show them as
problems.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from layerscope.layers.hashing import Algorithms, LayerHashes
from layerscope.layers.table import Problem, Severity
from layerscope.oci.digest import Digest
from layerscope.sources.image import Image, StoredLayer

ALGORITHMS = ("sha256", "sha512")
"""Hash algorithms that the OCI image-spec registers and hashlib has."""

TAR = "as the tar"
"""The `expected` text of a check that compares a layer's table of contents with the layer's tar."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check of `what`: the `expected` and the `actual` digest (empty: none), and a `note` with the reason.

    `is_unread` is true where it failed because bytes could not be read, so that nothing is known to be wrong.
    """

    what: str
    expected: str
    actual: str
    ok: bool
    note: str = ""
    is_unread: bool = False


def doubts(problems: Iterable[Problem]) -> list[Problem]:
    """Return only the problems because of which the gate (`layerscope ci`) gives no verdict."""
    return [problem for problem in problems if problem.is_doubt]


def document_checks(image: Image) -> list[Check]:
    """Check the manifest and the config against their digests."""
    manifest = [_document_check("manifest", image.manifest_digest, image.raw_manifest)] if image.manifest_digest else []
    if not image.states_id:
        return [*manifest, Check("config", "", "", ok=True, note="no digest of it is stated")]
    return [*manifest, _document_check("config", image.config_digest, image.raw_config)]


def document_problems(image: Image) -> list[Problem]:
    """Return a problem for each document that does not match its digest."""
    found = []
    for check in document_checks(image):
        if not check.ok:
            reason = f", its hash is {check.actual}" if check.actual else f" ({check.note})"
            text = f"the {check.what} does not match its digest {check.expected}{reason}"
            found.append(Problem(0, b"", text, Severity.REFUSED))
    return found


def layer_checks(layer: StoredLayer, hashes: LayerHashes, damage: str = "") -> list[Check]:
    """Compare a layer's hashes with the stated ones: of stored bytes with the digest, of unpacked bytes with the diff_id.

    `damage` is why the unpacked bytes have no hash. If the layer's table of contents was compared with its tar, that is one
    more check.
    """
    what = f"layer {layer.number}"
    if layer.digest == layer.diff_id and not layer.reader.unreadable:
        # Bytes that are stored as they were unpacked have one hash; documents without any have nothing to compare.
        return [digest_check(f"{what} digest and diff_id", layer.diff_id, hashes.unpacked, damage)]
    fault = hashes.table_fault
    table = [] if fault is None else [Check(f"{what} table of contents", TAR, "" if fault else TAR, ok=not fault, note=fault)]
    checks = [digest_check(f"{what} digest", layer.digest, hashes.stored)] if layer.digest else []
    return [*checks, digest_check(f"{what} diff_id", layer.diff_id, hashes.unpacked, damage), *table]


def layer_problems(layer: StoredLayer, hashes: LayerHashes) -> list[Problem]:
    """Return a problem for each hash of a layer that is not the stated one, or that cannot be checked.

    Damaged bytes have no hash; the layer's reader reports them as damage, so there is no second problem here.
    """
    found = []
    for check in layer_checks(layer, hashes):
        name = check.what.removeprefix(f"layer {layer.number} ")
        if check.actual and not check.ok:
            text = f"its {name} should be {check.expected}, and is {check.actual}"
            found.append(Problem(layer.number, b"", text, Severity.REFUSED))
        elif not check.ok and not _can_hash(check.expected):
            found.append(Problem(layer.number, b"", f"its {name} cannot be checked: {check.note}", Severity.REFUSED))
    return found


def hash_algorithms(layer: StoredLayer) -> Algorithms:
    """Return the algorithms with which a layer has to be hashed to be checked."""
    return Algorithms(hash_algorithm(layer.digest), hash_algorithm(layer.diff_id))


def digest_check(what: str, expected: Digest | None, actual: str, damage: str = "") -> Check:
    """Compare a stated digest with `actual`, the hash of the bytes it names (empty: none; `damage` is why there is none)."""
    if expected is None:
        note = damage or "the image does not say what it should be"
        return Check(what, "", "", ok=not damage, note=note, is_unread=bool(damage))
    if not _can_hash(expected):
        note = damage or f"{expected.algorithm} hashes cannot be computed here"
        return Check(what, expected, "", ok=False, note=note, is_unread=True)
    return Check(what, expected, actual, ok=actual == expected, note=damage, is_unread=not actual)


def _can_hash(digest: str) -> bool:
    return not digest or digest.partition(":")[0] in ALGORITHMS


def hash_algorithm(digest: Digest | None) -> str:
    """Return the algorithm to hash with: the digest's, or sha256 if there is no digest or its algorithm is not supported."""
    return digest.algorithm if digest and digest.algorithm in ALGORITHMS else "sha256"


def _document_check(what: str, digest: Digest, raw: bytes) -> Check:
    algorithm = hash_algorithm(digest)
    return digest_check(what, digest, f"{algorithm}:{hashlib.new(algorithm, raw).hexdigest()}")
