"""dive's `.dive-ci`: YAML of which only the mapping `rules` matters, read as dive 0.13.1 (Go's yaml.v3) reads it, or refused.

This module imports yaml, so it is imported only where there is such a file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import yaml

from layerscope.dive.rule_limits import DIVE_KEYS, NUMBER, dive_limit
from layerscope.errors import BadSettings
from layerscope.limits import DIVE_CI_BYTES
from layerscope.text import escape, suggestion

_LONGEST = 40
_BY_SPELLING = {key.lower(): key for key in DIVE_KEYS}
_ODD_NUMBER = re.compile(r"[+-]?(?:0[0-9_xobXOB].*|[0-9][0-9_]*_[0-9_]*|\.nan|\.inf)", re.IGNORECASE)
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_TEXT_TAG = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class DiveCiFile:
    """What a `.dive-ci` states: limits by name (of DIVE_KEYS), if they have a value, and names that dive does not know."""

    limits: dict[str, float | int | None] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    is_followed: bool = False
    """Whether a second YAML document follows, which dive does not read."""


class _Loader(yaml.BaseLoader):
    """PyYAML's parser, used to build nodes and no objects; an alias is its anchor's node again, never a copy."""

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: object) -> str:  # noqa: ARG002
        """Leave a node without a tag of its own untagged, so that `null` and `!!str null` differ."""
        return ""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse an alias within its own anchor, as dive does."""
        node = super().compose_node(parent, index)
        if node is not None and node.end_mark is None:
            raise yaml.composer.ComposerError(None, None, "an anchor contains itself", self.get_mark())
        return node


def read_ci_file(raw: bytes) -> DiveCiFile:
    """Read the bytes of a `.dive-ci`. Raises BadSettings with the number of the line."""
    if len(raw) > DIVE_CI_BYTES:
        raise BadSettings(f"longer than {DIVE_CI_BYTES >> 10} KiB, which no rules of dive are")
    text = _decoded(raw)
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_node() if loader.check_node() else None
        is_followed = loader.check_node()
        while loader.check_node():
            loader.get_node()
    except RecursionError as error:
        line = loader.get_mark().line + 1 if loader is not None else 1
        raise BadSettings(f"line {line}: nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = escape(f"{error.context}, {error.problem}" if error.context else str(error.problem))
        raise BadSettings(f"line {mark.line + 1 if mark else 1}: not valid YAML: {words}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadSettings(f"line {line}: not valid YAML: a control character must be written with a backslash") from error
    limits, unknown = _rules(root)
    return DiveCiFile(limits, unknown, is_followed)


def _decoded(raw: bytes) -> str:
    is_utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadSettings(f"line {line}: not {'UTF-16' if is_utf16 else 'UTF-8'}") from error


def _rules(root: yaml.Node | None) -> tuple[dict[str, float | int | None], tuple[str, ...]]:
    limits: dict[str, float | int | None] = {}
    seen: set[str] = set()
    unknown: list[str] = []
    for key, value in _items(_rules_node(root)):
        name = escape(key.value[:_LONGEST])
        known = _BY_SPELLING.get(key.value.lower())  # dive finds its keys in any case
        if known is not None:
            if known in seen:
                raise _bad(key, f"`{known}` is stated twice")
            seen.add(known)
            text = _text(value)
            if text is not None:
                limits[known] = _limit(known, text, value)
        elif near := suggestion(key.value[:_LONGEST], DIVE_KEYS):
            raise _bad(key, f"dive has no rule `{name}`{near}")
        else:
            unknown.append(name)
    return limits, tuple(unknown)


def _limit(key: str, text: str, node: yaml.Node) -> float | int | None:
    try:
        return dive_limit(key, text)
    except BadSettings as error:
        raise _bad(node, str(error)) from error


def _rules_node(root: yaml.Node | None) -> yaml.MappingNode | None:
    """Return the mapping below the key `rules` of a whole file; None if there is none. Other keys are ignored."""
    top = _mapping(root, "a file of rules")
    found = [(key, value) for key, value in _items(top) if key.value.lower() == "rules"]
    if len(found) > 1:
        raise _bad(found[1][0], "`rules` is stated twice")
    return _mapping(found[0][1], "`rules`") if found else None


def _mapping(node: yaml.Node | None, what: str) -> yaml.MappingNode | None:
    if isinstance(node, yaml.MappingNode):
        return node
    if node is None or (isinstance(node, yaml.ScalarNode) and _text(node) is None):
        return None
    raise _bad(node, f"{what} must be a mapping, with one `key: value` a line")


def _items(mapping: yaml.MappingNode | None) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """Yield the keys and values of a mapping: first its own, then merged ones (`<<: *anchor`) whose keys it lacks."""
    seen: set[str] = set()
    merged: set[int] = set()
    waiting = [mapping] if mapping is not None else []
    while waiting:
        each = waiting.pop(0)
        if id(each) in merged:  # the second time it adds nothing
            continue
        merged.add(id(each))
        own: set[str] = set()
        for key, value in each.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _bad(key, "a key must be a word")
            if key.value in own:
                raise _bad(key, f"`{escape(key.value[:_LONGEST])}` is stated twice")
            own.add(key.value)
            if key.value == "<<" and key.style is None:
                waiting += _merged(value)
            elif key.value not in seen:
                yield key, value
        seen |= own


def _merged(value: yaml.Node) -> list[yaml.MappingNode]:
    nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
    found = [each for each in nodes if isinstance(each, yaml.MappingNode)]
    if len(found) < len(nodes):
        raise _bad(value, "only mappings can be merged")
    return found


def _text(node: yaml.Node) -> str | None:
    """Convert a YAML value to text as dive does; None if nothing is written."""
    if not isinstance(node, yaml.ScalarNode):
        raise _bad(node, "a value is a number or a word")
    text = str(node.value)
    if node.tag not in ("", _TEXT_TAG):
        raise _bad(node, f"the tag `{escape(node.tag[:_LONGEST])}` is not read here")
    if node.tag or node.style is not None:
        return text
    if text in _NOTHING:
        return None
    if _ODD_NUMBER.fullmatch(text):
        raise _bad(node, f"`{escape(text[:_LONGEST])}` means different numbers to different readers of YAML")
    if not NUMBER.fullmatch(text) or len(text) > _LONGEST:
        return text
    return str(int(text)) if text.lstrip("+-").isdecimal() else f"{Decimal(repr(float(text))):f}"


def _bad(node: yaml.Node, words: str) -> BadSettings:
    return BadSettings(f"line {node.start_mark.line + 1}: {words}")
