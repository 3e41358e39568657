"""Differences between engines in one layer: one problem per kind, however many paths it is about."""

from __future__ import annotations

from dataclasses import dataclass, field

from layerscope.layers.table import Problem, Severity
from layerscope.text import escape
from layerscope.tree.keys import SEPARATOR

EXAMPLES = 3
"""The most paths that a problem names, the first among them."""


@dataclass(slots=True)
class _Finding:
    severity: Severity
    paths: list[bytes]
    count: int = 1

    def more(self) -> str:
        """Return what follows the sentence when it is true of further paths."""
        if self.count == 1:
            return ""
        others = " and ".join("/" + escape(path) for path in self.paths[1:])
        return f" ({self.count - 1:,} more like it" + (f", such as {others})" if others else ")")


@dataclass(slots=True)
class Findings:
    """Sentences with their severities, in the order in which they were first found."""

    _found: dict[str, _Finding] = field(default_factory=dict)

    def add(self, key: bytes, text: str, severity: Severity) -> None:
        """Record that `text` is true of the path with this sort key."""
        path = key.replace(SEPARATOR, b"/")
        found = self._found.get(text)
        if found is None:
            self._found[text] = _Finding(severity, [path])
            return
        found.count += 1
        if len(found.paths) < EXAMPLES and path not in found.paths:
            found.paths.append(path)

    def problems(self, layer: int) -> list[Problem]:
        """Return one problem per sentence, which names up to three paths and how many more there are."""
        return [Problem(layer, each.paths[0], text + each.more(), each.severity) for text, each in self._found.items()]
