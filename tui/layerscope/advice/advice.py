"""The result of advising: which Dockerfile lines layers come from, and fixes with the bytes each saves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DockerfileLine:
    """The lines of an instruction in a Dockerfile, and how sure it is that they made a layer.

    `line` and `end_line` count from 1, `confidence` goes from 0 to 1, `text` is the instruction on one line, unescaped.
    """

    line: int
    end_line: int
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Fix:
    """One change that makes the image smaller, its bytes computed from this image.

    `kind` is a short stable word (`join-runs`, `copy-chown`, `apt-cache`, `duplicate`), `layers` the layer numbers it is about,
    first the one that the sentence starts with, `line` that layer's line in the Dockerfile (None: not known), `size` the bytes
    it saves; no byte is in two fixes. `sentence` says what is wrong and what to write instead; what it quotes of the image or
    the Dockerfile is printable (`layerscope.text.escape`), but a format's own signs are not escaped. `paths` has a few.
    """

    kind: str
    layers: tuple[int, ...]
    line: int | None
    size: int
    sentence: str
    paths: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """What to change so that an image gets smaller, and which Dockerfile lines made its layers.

    `dockerfile` is the Dockerfile's path as reports name it (relative to the repository), or empty; `lines` goes from layer
    numbers to where their instructions stand, for those layers that could be mapped; `fixes` has the most bytes first. `notes`
    are sentences on what could not be told and why.
    """

    dockerfile: str
    lines: dict[int, DockerfileLine]
    fixes: tuple[Fix, ...]
    notes: tuple[str, ...] = ()
