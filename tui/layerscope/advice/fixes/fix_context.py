"""What is known where fixes are looked for: the image's waste, what made each layer, and which bytes fixes have claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from layerscope.advice.advice import DockerfileLine, Fix
from layerscope.advice.dockerfile.instructions import COPIES, Instruction
from layerscope.advice.dockerfile.stages import Stage
from layerscope.advice.fixes.builders import BUILDKIT, find_builder
from layerscope.advice.fixes.stored import Stored
from layerscope.analysis import Analysis
from layerscope.layers.table import Kind
from layerscope.masking import masked
from layerscope.text import escape
from layerscope.tree.tree import Longs, Tree
from layerscope.waste.find import Waste

Mask = npt.NDArray[np.bool_]
TRIFLE_BYTES = 100_000
TRIFLE_SHARE = 0.001
"""A fix that saves less than this, or this share of the image's content, is not worth a sentence."""
EXAMPLES = 3
SHOWN = 56
"""Characters of an instruction that a sentence quotes."""


@dataclass(frozen=True, slots=True)
class LayerOrigin:
    """The instruction that made a layer. `keyword` is empty if neither Dockerfile nor history tells it.

    `text` is on one line, unescaped. `instruction` and `line` are None where the Dockerfile is not known or does not show it.
    """

    number: int
    keyword: str
    text: str
    is_base: bool
    instruction: Instruction | None = None
    line: DockerfileLine | None = None

    @property
    def is_run(self) -> bool:
        """Tell whether a RUN made the layer."""
        return self.keyword == "RUN"

    @property
    def is_copy(self) -> bool:
        """Tell whether a COPY or ADD made the layer."""
        return self.keyword in COPIES

    @property
    def place(self) -> str:
        """Name the instruction's place: `line 9`, or `layer 4` where the line is not known."""
        return f"line {self.line.line}" if self.line else f"layer {self.number}"

    @property
    def quoted(self) -> str:
        """Return the instruction's place and the start of its text, printable: ``line 9 `RUN rm -rf /x` ``."""
        if not self.text:
            return self.place
        return f"{self.place} `{quoted_text(self.text)}`"


@dataclass(frozen=True, eq=False)
class FixContext:
    """An analyzed image and the origins of its layers (index 0 is layer 1).

    `is_taken` marks the entries whose bytes belong to a fix: finders run one after the other, take what they explain, and
    see only the rest, so that each byte is counted for one fix at most. `stored` is what edits leave (None: nothing is edited),
    `stage` the build stage that the image is (None: not known).
    """

    analysis: Analysis
    origins: Sequence[LayerOrigin]
    base_layers: int | None
    stored: Stored | None = None
    stage: Stage | None = None
    is_taken: Mask = field(init=False)

    def __post_init__(self) -> None:
        taken = np.zeros(len(self.tree.entries), bool) if self.stored is None else self.stored.is_gone.copy()
        object.__setattr__(self, "is_taken", taken)

    @property
    def tree(self) -> Tree:
        return self.analysis.tree

    @cached_property
    def waste(self) -> Waste:
        """Return all waste that edits leave in the image, the base's too."""
        return self.analysis.waste if self.stored is None else self.stored.waste(self.tree, self.analysis.waste)

    @property
    def entry_layer(self) -> npt.NDArray[np.integer]:
        """Return the layer of each entry; of layers that an edit joins, the first."""
        return self.tree.entry_layer if self.stored is None else self.stored.group

    @cached_property
    def with_buildkit(self) -> str:
        """Return `with BuildKit, ` where another builder made the image, to go before what only BuildKit does; else nothing."""
        builder = find_builder(self.analysis.image, base_layers=self.base_layers or 0)
        return "" if builder in ("", BUILDKIT) else "with BuildKit, "

    def origin(self, layer: int) -> LayerOrigin:
        """Return the instruction that made a layer."""
        return self.origins[layer - 1]

    @property
    def min_saving(self) -> int:
        """Return the fewest bytes for which a fix is offered."""
        return min_saving(self.waste.content_bytes)

    def open_rows(self) -> Longs:
        """Return the indexes of the rows of waste that the author's layers buried and no fix has claimed yet."""
        waste = self.waste
        return np.flatnonzero(~self.is_taken[waste.entry] & (waste.buried_by > (self.base_layers or 0)))

    def take(self, entries: npt.NDArray[np.integer]) -> None:
        """Claim the bytes of these entries for a fix."""
        self.is_taken[entries] = True

    @cached_property
    def is_live(self) -> Mask:
        """Return a mask of the entries: true for files that are not empty and whose content a container sees."""
        is_live = self.tree.entries.kind == Kind.FILE
        is_live[self.waste.entry] = False
        return np.asarray(is_live & (self.tree.entries.size > 0), bool)

    def examples(self, nodes: npt.NDArray[np.integer], sizes: Longs) -> tuple[bytes, ...]:
        """Return the paths of the few biggest nodes, each once; `sizes` are the nodes' bytes."""
        biggest = np.argsort(-sizes, kind="stable")[:EXAMPLES]
        paths = (self.tree.nodes.paths[node] for node in nodes[biggest].tolist())
        return tuple(dict.fromkeys(paths))

    def fix(self, kind: str, layers: Sequence[int], size: int, sentence: str, paths: tuple[bytes, ...] = ()) -> Fix:
        """Make a fix and add the full stop to its sentence.

        The sentence starts with the first of `layers`, whose line becomes the fix's.
        """
        line = self.origin(layers[0]).line
        return Fix(kind, tuple(layers), line.line if line else None, size, f"{sentence}.", paths)


def min_saving(content_bytes: int) -> int:
    """Return the fewest bytes for which a fix is offered, of an image with so many bytes of content."""
    return max(TRIFLE_BYTES, round(TRIFLE_SHARE * content_bytes))


def quoted_text(text: str) -> str:
    """Return the start of an instruction's text, printable and without secrets; a backtick would end the quotation."""
    text = escape(masked(text)).replace("`", "'")
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def joined(words: Sequence[str]) -> str:
    """Format `a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def places(origins: Sequence[LayerOrigin]) -> str:
    """Name where instructions are: `line 3`, `lines 3 and 5`, `line 3 and layer 6`; of more than four, three are named."""
    lines = sorted({origin.line.line for origin in origins if origin.line})
    layers = sorted({origin.number for origin in origins if not origin.line})
    parts = [_counted("line", lines), _counted("layer", layers)]
    return joined([part for part in parts if part])


def the_runs(origins: Sequence[LayerOrigin]) -> str:
    """Format `the RUN of line 3`, `the RUNs of lines 3 and 5`."""
    return f"the RUN{'s' * (len(origins) > 1)} of {places(origins)}"


def _counted(noun: str, numbers: list[int]) -> str:
    if not numbers:
        return ""
    shown = list(map(str, numbers if len(numbers) <= 4 else [*numbers[:3], "others"]))
    return f"{noun}{'s' * (len(numbers) > 1)} {joined(shown)}"
