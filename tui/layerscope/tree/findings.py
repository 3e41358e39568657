"""Differences between engines in one layer: one problem per kind, however many paths it is about."""

from __future__ import annotations

from dataclasses import dataclass, field

from layerscope.layers.table import Problem, Severity
from layerscope.tree.keys import SEPARATOR


@dataclass(slots=True)
class _Finding:
    severity: Severity
    first: bytes
    count: int = 1


@dataclass(slots=True)
class Findings:
    """Sentences with their severities, in the order in which they were first found."""

    _found: dict[str, _Finding] = field(default_factory=dict)

    def add(self, key: bytes, text: str, severity: Severity) -> None:
        """Record that `text` is true of the path with this sort key."""
        if text in self._found:
            self._found[text].count += 1
        else:
            self._found[text] = _Finding(severity, key.replace(SEPARATOR, b"/"))

    def problems(self, layer: int) -> list[Problem]:
        """Return one problem per sentence, which names the first path and how many more there are."""
        return [
            Problem(layer, each.first, text + (f" ({each.count - 1:,} more like it)" if each.count > 1 else ""), each.severity)
            for text, each in self._found.items()
        ]
