"""Problems, changes and causes of waste, in words and signs."""

from __future__ import annotations

from layerscope.layers.table import Problem
from layerscope.sources.image import Image
from layerscope.text import escape
from layerscope.tree.tree import Change
from layerscope.waste.find import Cause
from layerscope.wording.style import cut_middle

CHANGE_MARKS = {Change.UNCHANGED: " ", Change.ADDED: "+", Change.MODIFIED: "~", Change.REMOVED: "-"}
WASTED_MARK = "!"
LONGEST_PATH = 200

EXPLANATIONS = {
    Cause.DELETED: "removed later; every pull still carries it",
    Cause.OVERWRITTEN: "replaced later by other content",
    Cause.METADATA: "same bytes; mode, owner or times differ",
    Cause.IDENTICAL: "same bytes again; nothing differs",
    Cause.MOVED: "removed, and added again at another path",
    Cause.SHADOWED: "its own layer holds the path twice",
}


def problem_text(image: Image, problem: Problem) -> str:
    """Format a problem with its image: `image.tar: layer 3 (sha256:52a14c04…): /etc/x: what is wrong`."""
    return f"{escape(image.reference)}: {problem_sentence(image, problem)}"


def problem_sentence(image: Image, problem: Problem) -> str:
    """Format a problem without its image: `layer 3 (52a14c04…): /etc/x: what is wrong`.

    Long paths are cut; JSON reports have them whole.
    """
    place = ""
    if problem.layer:
        layer = image.layers[problem.layer - 1]
        digest = layer.digest or layer.diff_id
        place = f"layer {problem.layer} ({digest.short}): " if digest else f"layer {problem.layer}: "
    path = f"/{cut_middle(escape(problem.path), LONGEST_PATH)}: " if problem.path else ""
    return f"{place}{path}{escape(problem.text)}"
