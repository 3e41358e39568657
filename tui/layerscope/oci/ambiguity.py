"""Finds what different programs read differently in a JSON document of an image.

Each finding is the end of a sentence that begins with the name of the document.

Engines read JSON with Go's encoding/json, which takes a key for a field whatever its case, and of a field that is there twice
the last (merged with the first, where both are objects). Others, we among them, know a key by its exact letters. containerd,
Podman and skopeo refuse a manifest that lists manifests, containerd also one that calls itself an index (CVE-2021-41190).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args, get_origin

import msgspec

from layerscope.oci.documents import DOCKER_MANIFEST, INDEXES, OCI_MANIFEST, Index, Manifest
from layerscope.text import escape

MOST = 5
"""The most findings reported for one document."""
_NOT_OF_A_MANIFEST, _NOT_OF_AN_INDEX = ("manifests", "fsLayers"), ("config", "layers", "fsLayers")


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as a list of keys and values, as they are written, so that a key may occur twice."""


def ambiguities(raw: bytes, document: Any) -> list[str]:
    """Return findings on why a document that `decode` read as the type `document` may be something else to an engine.

    Honest documents have none.
    """
    try:
        top = json.loads(raw, object_pairs_hook=_Pairs, parse_int=str, parse_float=str)
    except RecursionError:
        return ["is nested so deeply that programs may read it differently"]
    found = dict.fromkeys([*_twice(top, document), *_two_kinds(top, document)])
    return list(found)[:MOST]


def _twice(top: Any, document: Any) -> Iterator[str]:
    """Yield a finding for each field that occurs twice, or in another letter case. A loop, so that nesting uses no stack."""
    todo = [(top, document)]
    while todo:
        value, wanted = todo.pop()
        if isinstance(value, _Pairs):
            fields = _fields(wanted)
            yield from _keys(value, fields)
            inner = _argument(wanted) if get_origin(wanted) is dict else None
            todo += [(each, fields.get(key, inner)) for key, each in value]
        elif isinstance(value, list):
            todo += [(each, _argument(wanted)) for each in value]


@cache
def _fields(wanted: Any) -> dict[str, Any]:
    structs = [each for each in (wanted, *get_args(wanted)) if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    if not structs or get_origin(wanted) in (tuple, dict):
        return {}
    return {field.encode_name: field.type for field in msgspec.structs.fields(structs[0])}


def _argument(wanted: Any) -> Any:
    """Return the declared type of the values of an array or map of the type `wanted`; None where it has none."""
    arguments = get_args(wanted)
    if not arguments or get_origin(wanted) not in (tuple, dict):
        return None
    return arguments[0] if get_origin(wanted) is tuple else arguments[-1]


def _keys(value: _Pairs, fields: dict[str, Any]) -> Iterator[str]:
    by_letters = {name.casefold(): name for name in fields}
    seen: set[str] = set()
    for key, _ in value:
        field = by_letters.get(key.casefold())
        if field is not None and key != field:
            yield f'says "{escape(key[:100])}", which engines read as "{field}" and other programs do not'
        elif key in seen and field is not None:
            yield f'says "{field}" twice, of which engines take the last'
        seen.add(key)


def _two_kinds(top: Any, document: Any) -> Iterator[str]:
    if document not in (Manifest, Index) or not isinstance(top, _Pairs):
        return
    own, other, foreign, types = (
        ("a manifest", "an index", _NOT_OF_A_MANIFEST, INDEXES)
        if document is Manifest
        else ("an index", "a manifest", _NOT_OF_AN_INDEX, frozenset({OCI_MANIFEST, DOCKER_MANIFEST}))
    )
    letters = {name.casefold(): name for name in foreign}
    for key, value in top:
        if key.casefold() in letters and value not in (None, [], _Pairs()):
            yield f'has "{letters[key.casefold()]}" beside what makes it {own}: containerd, Podman and skopeo refuse that'
        if key.casefold() == "mediatype" and value in types:
            yield f"is {own} and calls itself {other} ({escape(str(value))}), which containerd refuses"
