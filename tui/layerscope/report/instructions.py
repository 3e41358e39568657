"""The instruction that made a layer, without the noise that builders wrap around it."""

from __future__ import annotations

import re

from layerscope.text import escape

_NOP = re.compile(r"^/bin/sh -c #\(nop\)\s*")
# One lazy step, not a repeated one: a hostile history must not make this take longer than its length.
_ARGUMENTS = re.compile(r"^(?:RUN )?\|\d+ (?:[^\s=]+=.*? )?(?=/bin/(?:ba|da)?sh )")
_SHELL = re.compile(r"^(?:RUN )?/bin/(?:ba|da)?sh(?: -o pipefail)? -e?u?x?c ")
_CHECKSUM = re.compile(r"^(ADD|COPY) (?:--\S+ )*(?:multi:|file:|dir:)([0-9a-f]{8})[0-9a-f]* in ")
_BUILDKIT = re.compile(r"\s*# buildkit$")


def clean_instruction(created_by: str) -> str:
    """One line of printable text: `RUN apt-get update`, `COPY app.py /app/`, or whatever the history holds."""
    text = _NOP.sub("", " ".join(created_by.split()))
    text = _BUILDKIT.sub("", text)
    text = _ARGUMENTS.sub("", text)
    shell = _SHELL.match(text)
    if shell:
        text = "RUN " + text[shell.end() :]
    text = _CHECKSUM.sub(r"\1 \2 ", text)
    return escape(text)
