"""What keeps an image from being believed: the one notion of it that the gate, `verify`, reports and the screen share.

A problem says how much it puts in doubt (`Severity`). Damage means that bytes were not read, so that every command exits with
2. Doubt, which damage is too, means that the gate gives no verdict: the image is not what its documents say, or no engine
unpacks it. A difference between engines is a note. Digests that do not fit are checks that failed: `verify` lists each of them,
everyone else gets the same as problems.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from layerscope.layers.table import Problem, Severity
from layerscope.oci.digest import Digest
from layerscope.sources.image import Image

ALGORITHMS = ("sha256", "sha512")
"""Those that the OCI image-spec registers and hashlib has."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: `what` it is, the `expected` and the `actual` digest (empty: none), and a `note` on why.

    `is_unread` is true where it failed because bytes could not be read, so that nothing is known to be wrong.
    """

    what: str
    expected: str
    actual: str
    ok: bool
    note: str = ""
    is_unread: bool = False


def doubts(problems: Iterable[Problem]) -> list[Problem]:
    """The problems for which the gate gives no verdict."""
    return [problem for problem in problems if problem.is_doubt]


def document_checks(image: Image) -> list[Check]:
    """The manifest and the config against their digests."""
    manifest = [_document_check("manifest", image.manifest_digest, image.raw_manifest)] if image.manifest_digest else []
    if not image.states_id:
        return [*manifest, Check("config", "", "", ok=True, note="no digest of it is stated")]
    return [*manifest, _document_check("config", image.config_digest, image.raw_config)]


def document_problems(image: Image) -> list[Problem]:
    """The documents that are not what their digests say."""
    return [_problem_of(check) for check in document_checks(image) if not check.ok]


def digest_check(what: str, expected: Digest | None, actual: str, damage: str = "") -> Check:
    """A digest against the hash (in hexadecimal, empty: there is none) of what it names; `damage` is why there is none."""
    if expected is None:
        note = damage or "the image does not say what it should be"
        return Check(what, "", "", ok=not damage, note=note, is_unread=bool(damage))
    if expected.algorithm not in ALGORITHMS:
        note = damage or f"{expected.algorithm} hashes cannot be computed here"
        return Check(what, expected, "", ok=False, note=note, is_unread=True)
    found = f"{expected.algorithm}:{actual}" if actual else ""
    return Check(what, expected, found, ok=found == expected, note=damage, is_unread=not actual)


def hash_algorithm(digest: Digest | None) -> str:
    """What to hash with; sha256 also where nothing is expected or we do not have the algorithm."""
    return digest.algorithm if digest and digest.algorithm in ALGORITHMS else "sha256"


def _document_check(what: str, digest: Digest, raw: bytes) -> Check:
    return digest_check(what, digest, hashlib.new(hash_algorithm(digest), raw).hexdigest())


def _problem_of(check: Check) -> Problem:
    reason = f", its hash is {check.actual}" if check.actual else f" ({check.note})"
    return Problem(0, b"", f"the {check.what} does not match its digest {check.expected}{reason}", Severity.REFUSED)
