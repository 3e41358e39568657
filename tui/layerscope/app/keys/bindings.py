"""Textual bindings made from the table of keys."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from layerscope.app.keys.table import KEYS, KeyContext


def back(action: str = "app.back") -> Binding:
    """Bind Escape in a screen of its own: a modal screen hides the app's bindings, others do more than close."""
    key = next(key for key in KEYS if key.id == "app.back")
    return Binding(key.keys, action, key.description, id=key.id, show=False)


def bindings(*contexts: KeyContext) -> list[BindingType]:
    """Return the bindings of these contexts, each with its id, so that users can rebind it, and its tooltip.

    Textual's footer is not used: `show` only says whether ours has a word for the key.
    """
    return [
        Binding(
            key.keys,
            key.action,
            key.label or key.description,
            tooltip=key.description,
            id=key.id,
            show=bool(key.label),
            priority=key.is_first,
        )
        for key in KEYS
        if key.context in contexts
    ]
