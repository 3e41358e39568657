"""The table of keys as Textual's bindings."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from layerscope.app.keys.table import KEYS, Place


def back() -> Binding:
    """Escape, for screens that hide the app's own bindings: modal ones."""
    key = next(key for key in KEYS if key.id == "app.back")
    return Binding(key.keys, f"app.{key.action}", key.description, id=key.id, show=False)


def bindings(*places: Place) -> list[BindingType]:
    """The bindings of one or more places, each with its id and tooltip. The footer is our own, so none is shown by Textual."""
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
        if key.place in places
    ]
