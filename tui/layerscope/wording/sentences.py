"""What the history says of a build step, without builders' noise, and how layers are stored and fetched, in words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from layerscope.masking import masked, without_build_arguments
from layerscope.oci.documents import HistoryStep
from layerscope.text import escape, utf8_text
from layerscope.units import count_text, size_text

if TYPE_CHECKING:
    from layerscope.analysis import Contents
    from layerscope.layers.fetched import Fetched
    from layerscope.sources.image import PullSize, StoredLayer

_SAYS_NOTHING = re.compile(r"buildkit\.(dockerfile|exporter\.image)\.v0|FROM [0-9a-f]{12,64}")
"""Comments that builders give to every step: BuildKit its own name, buildah the id of the step before."""

_NOP = re.compile(r"^/bin/sh -c #\(nop\)\s*")
_SHELL = re.compile(r"^(?:RUN )?/bin/(?:ba|da)?sh(?: -o pipefail)? -e?u?x?c ")
_CHECKSUM = re.compile(r"^(ADD|COPY) (?:--\S+ )*(?:multi:|file:|dir:)([0-9a-f]{8})[0-9a-f]* in ")
_CONTINUED = re.compile(r"\\[ \t]*\r?\n")
# Quoted text first, to its end or that of the instruction, so that blanks in it stay and no text is looked through twice.
_LINE_ENDS = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|'[^']*+(?:'|\Z)|\\[^\s])"""
    r"""|(?P<written>[ \t]*+\r?\n[ \t]*+)|[ \t]*+\\[ \t]*+\r?\n(?P<indent>[ \t]*+)|(?P<blanks>[ ]{2,}+|[ ]?\t[ \t]*+)""",
    re.DOTALL,
)


def clean_instruction(created_by: str) -> str:
    """Format a step's `created_by` as one printable line: `RUN apt-get update`, `COPY app.py /app/`, or what else it holds.

    Build arguments are left out, and what looks like a secret is masked.
    """
    return escape(masked(_without_noise(" ".join(_CONTINUED.sub(" ", created_by).split()))))


def _without_noise(created_by: str) -> str:
    text = without_build_arguments(_NOP.sub("", created_by.strip()).removesuffix("# buildkit").rstrip())
    shell = _SHELL.match(text)
    if shell:
        text = "RUN " + text[shell.end() :]
    return _CHECKSUM.sub(r"\1 \2 ", text)


def instruction_lines(step: HistoryStep | None) -> list[str]:
    r"""Format a step's `created_by` as it was written, each line printable: `RUN a \` and `    && b`.

    Docker and BuildKit join the lines of an instruction and leave their indentation: several blanks outside of quotes are taken
    for the end of a line. An instruction in which something was masked is one line, for what is secret may have been on two.
    Empty when the history says nothing.
    """
    if step is None or not step.created_by.strip():
        return []
    one_line = clean_instruction(step.created_by)
    text = _without_noise(step.created_by)
    if escape(" ".join(_CONTINUED.sub(" ", text).split())) != one_line:
        return [one_line]
    return [escape(line.expandtabs(4).rstrip()) for line in _LINE_ENDS.sub(_line_end, text).split("\n") if line.strip()]


def _line_end(match: re.Match[str]) -> str:
    if match["quoted"] or match["written"]:
        return match[0]
    return f" \\\n{match['indent'] if match['blanks'] is None else match['blanks'].removeprefix(' ')}"


def comment_and_author(step: HistoryStep | None) -> tuple[str, str]:
    """Return a step's comment and author, each as one printable line; empty where there is none, or the builder's own words."""
    if step is None:
        return "", ""
    return "" if _SAYS_NOTHING.fullmatch(step.comment) else _one_line(step.comment), _one_line(step.author)


def step_text(step: HistoryStep | None) -> str:
    """Format everything the history says of a step as one printable line: `COPY app.py /app/ (its comment; by its author)`.

    Builders without Dockerfiles describe a layer in the comment alone. Empty when the history says nothing.
    """
    if step is None:
        return ""
    comment, author = comment_and_author(step)
    by = f"by {author}" if author else ""
    first, *rest = [part for part in (clean_instruction(step.created_by), comment, by) if part] or [""]
    return f"{first} ({'; '.join(rest)})" if rest else first


def layer_text(layer: StoredLayer) -> str:
    """Format the instruction that made a layer as one printable line: as in the Dockerfile where known, else as `step_text`.

    Builders note a hash where the Dockerfile names what is copied: `COPY . .` is `COPY 30e35cb4 .` in the history.
    """
    return escape(masked(layer.written.text)) if layer.written is not None else step_text(layer.history)


def history_fields(step: HistoryStep | None) -> dict[str, str]:
    """Return a history step's instruction, comment and author as JSON fields, empty where the history has none."""
    if step is None:
        return {"instruction": "", "comment": "", "author": ""}
    comment, author = map(utf8_text, (masked(step.comment), step.author))
    return {"instruction": clean_instruction(step.created_by), "comment": comment, "author": author}


def _one_line(text: str) -> str:
    return escape(masked(" ".join(text.split())))


def layers_text(numbers: Iterable[int]) -> str:
    """Name layers in words: `layer 4`, `layers 1 to 3, 5 and 6`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [word for run in runs for word in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]
    joined = ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1]
    return f"layer {joined}" if words == [str(runs[0][0])] else f"layers {joined}"


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
