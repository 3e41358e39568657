"""What layers take as they are stored and what a pull of them moves, in words that all reports and screens share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layerscope.units import size_text

if TYPE_CHECKING:
    from layerscope.sources.image import PullSize


def pull_facts(size: PullSize) -> list[str]:
    """`315 MB on the wire`; of plain layers `1.12 GB stored` and, where it could be estimated, `≈331 MB on the wire`."""
    if not size.is_estimate:
        return [f"{size_text(size.stored_bytes)} on the wire"]
    stored = f"{size_text(size.stored_bytes)} stored"
    return [stored] if size.pull_bytes is None else [stored, f"≈{size_text(size.pull_bytes)} on the wire"]


def pull_text(size: PullSize) -> str:
    """The same as one text: `1.12 GB stored, ≈331 MB on the wire`."""
    return ", ".join(pull_facts(size))


def estimate_field(size: PullSize) -> dict[str, int | None]:
    """For programs: what gzip would make of plain layers, an estimate; null where none is stored plain, or it is not known."""
    return {"compressed_bytes_estimate": size.pull_bytes if size.is_estimate else None}
