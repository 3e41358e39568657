"""What the history says of a build step, without builders' noise, and how layers are stored and fetched, in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from layerscope.masking import masked, without_build_arguments
from layerscope.oci.documents import HistoryStep
from layerscope.text import escape, utf8_text
from layerscope.units import count_text, size_text

if TYPE_CHECKING:
    from layerscope.analysis import Contents
    from layerscope.layers.fetched import Fetched
    from layerscope.sources.image import PullSize

_SAYS_NOTHING = frozenset({"buildkit.dockerfile.v0", "buildkit.exporter.image.v0"})
"""Comments that BuildKit gives to every step."""

_NOP = re.compile(r"^/bin/sh -c #\(nop\)\s*")
_SHELL = re.compile(r"^(?:RUN )?/bin/(?:ba|da)?sh(?: -o pipefail)? -e?u?x?c ")
_CHECKSUM = re.compile(r"^(ADD|COPY) (?:--\S+ )*(?:multi:|file:|dir:)([0-9a-f]{8})[0-9a-f]* in ")
_BUILDKIT = re.compile(r"\s*# buildkit$")


def clean_instruction(created_by: str) -> str:
    """Format a step's `created_by` as one printable line: `RUN apt-get update`, `COPY app.py /app/`, or what else it holds.

    Build arguments are left out, and what looks like a secret is masked.
    """
    text = _NOP.sub("", " ".join(created_by.split()))
    text = _BUILDKIT.sub("", text)
    text = without_build_arguments(text)
    shell = _SHELL.match(text)
    if shell:
        text = "RUN " + text[shell.end() :]
    text = _CHECKSUM.sub(r"\1 \2 ", text)
    return escape(masked(text))


def step_text(step: HistoryStep | None) -> str:
    """Format everything the history says of a step as one printable line: `COPY app.py /app/ (its comment; by its author)`.

    Builders without Dockerfiles describe a layer in the comment alone. Empty when the history says nothing.
    """
    if step is None:
        return ""
    comment = "" if step.comment in _SAYS_NOTHING else _one_line(step.comment)
    author = f"by {_one_line(step.author)}" if step.author.strip() else ""
    first, *rest = [part for part in (clean_instruction(step.created_by), comment, author) if part] or [""]
    return f"{first} ({'; '.join(rest)})" if rest else first


def history_fields(step: HistoryStep | None) -> dict[str, str]:
    """Return a history step's instruction, comment and author as JSON fields, empty where the history has none."""
    if step is None:
        return {"instruction": "", "comment": "", "author": ""}
    comment, author = map(utf8_text, (masked(step.comment), step.author))
    return {"instruction": clean_instruction(step.created_by), "comment": comment, "author": author}


def _one_line(text: str) -> str:
    return escape(masked(" ".join(text.split())))


def pull_facts(size: PullSize) -> list[str]:
    """Format `315 MB on the wire`; for uncompressed layers `1.12 GB stored` and, if it was estimated, `≈331 MB on the wire`."""
    if not size.is_estimate:
        return [f"{size_text(size.stored_bytes)} on the wire"]
    stored = f"{size_text(size.stored_bytes)} stored"
    return [stored] if size.pull_bytes is None else [stored, f"≈{size_text(size.pull_bytes)} on the wire"]


def pull_text(size: PullSize) -> str:
    """Join the texts of `pull_facts`: `1.12 GB stored, ≈331 MB on the wire`."""
    return ", ".join(pull_facts(size))


def fetched_text(fetched: Fetched, stored_bytes: int) -> str:
    """Say how a layer of a registry was read: `from the table of contents, 212 kB of 180 MB fetched; not checked`."""
    kept = " in the cache" if fetched.is_kept else ""
    doubt = "" if fetched.is_checked else "; not checked"
    return f"from the {fetched.way}{kept}, {size_text(fetched.bytes)} of {size_text(stored_bytes)} fetched{doubt}"


def fetched_total_text(contents: Contents) -> str:
    """Say how much of an image was fetched: `212 kB of 180 MB fetched; 2 of 3 layers not checked`.

    Empty for an image that is on this machine.
    """
    count = contents.image.count_fetched
    if count is None:
        return ""
    layers = len(contents.image.layers)
    unchecked = sum(fetched is not None and not fetched.is_checked for fetched in contents.fetched)
    doubt = f"; {unchecked} of {count_text(layers, 'layer')} not checked" if unchecked else ""
    return f"{size_text(count())} of {size_text(sum(size.stored_bytes for size in contents.sizes))} fetched{doubt}"
