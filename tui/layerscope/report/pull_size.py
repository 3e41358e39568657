"""What layers take as stored, what a pull moves, and what was fetched, in the words that all reports and screens share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layerscope.units import size_text

if TYPE_CHECKING:
    from layerscope.layers.fetched import Fetched
    from layerscope.sources.image import PullSize


def pull_facts(size: PullSize) -> list[str]:
    """Format `315 MB on the wire`; for uncompressed layers `1.12 GB stored` and, if it was estimated, `≈331 MB on the wire`."""
    if not size.is_estimate:
        return [f"{size_text(size.stored_bytes)} on the wire"]
    stored = f"{size_text(size.stored_bytes)} stored"
    return [stored] if size.pull_bytes is None else [stored, f"≈{size_text(size.pull_bytes)} on the wire"]


def pull_text(size: PullSize) -> str:
    """Join those facts: `1.12 GB stored, ≈331 MB on the wire`."""
    return ", ".join(pull_facts(size))


def estimate_field(size: PullSize) -> dict[str, int | None]:
    """Return the estimated gzip size of uncompressed layers, for JSON; null where no layer is stored uncompressed or it is
    unknown.
    """
    return {"compressed_bytes_estimate": size.pull_bytes if size.is_estimate else None}


def fetched_text(fetched: Fetched, stored_bytes: int) -> str:
    """Say how a layer of a registry was read: `from the table of contents, 212 kB of 180 MB fetched; not checked`."""
    doubt = "" if fetched.is_checked else "; not checked"
    return f"from the {fetched.way}, {size_text(fetched.bytes)} of {size_text(stored_bytes)} fetched{doubt}"


def fetched_fields(fetched: Fetched | None) -> dict[str, str | int]:
    """The same for JSON; nothing for a layer that is on this machine."""
    return {} if fetched is None else {"read_from": fetched.way, "fetched_bytes": fetched.bytes}
