"""The result of advising: which Dockerfile lines layers come from, and fixes with the bytes each saves."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerscope.advice.editing.plan import EditPlan

if TYPE_CHECKING:
    from layerscope.analysis import Analysis


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
    the Dockerfile is printable (`layerscope.text.escape`), but a format's own signs are not escaped. `paths` are all that the
    edit touches, moves or takes away, or a few of them where there is no edit.

    `id` is short, and the same in the next run. `patch` is a unified diff of the files as the fixes before it in the plan
    leave them, and `needs` are the fixes that it builds on; `patch` is empty where the change has to be made by hand, and
    `by_hand` then says why; lines after its first are a sketch in the Dockerfile's language.
    """

    kind: str
    layers: tuple[int, ...]
    line: int | None
    size: int
    sentence: str
    paths: tuple[bytes, ...] = ()
    id: str = ""
    patch: str = ""
    by_hand: str = ""
    needs: tuple[str, ...] = ()

    @property
    def has_edit(self) -> bool:
        """Tell whether layerscope can make the change itself."""
        return bool(self.patch)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to change so that an image gets smaller, and which Dockerfile lines made its layers.

    `dockerfile` is the Dockerfile's path as reports name it (relative to the repository), or empty; `lines` goes from layer
    numbers to where their instructions stand, for those layers that could be mapped; `fixes` has the most bytes first. `notes`
    are sentences on what could not be told and why. `plan` has the edits of all fixes, None where there are none.
    """

    dockerfile: str
    lines: dict[int, DockerfileLine]
    fixes: tuple[Fix, ...]
    notes: tuple[str, ...] = ()
    plan: EditPlan | None = None

    @property
    def edited_bytes(self) -> int:
        """Return what all fixes save together that have an edit."""
        return sum(fix.size for fix in self.fixes if fix.has_edit)


Adviser = Callable[["Analysis", Collection[str]], Advice]
"""Finds what to change in an image; of the fixes that have an edit, only those with the given ids, or all if none is given."""
