"""Problems as sentences that name the image, the layer and the path."""

from __future__ import annotations

from layerscope.layers.table import Problem
from layerscope.sources.image import Image
from layerscope.text import escape


def problem_text(image: Image, problem: Problem) -> str:
    """`image.tar: layer 3 (sha256:52a14c04…): /etc/x: what is wrong`."""
    return f"{escape(image.reference)}: {problem_place(image, problem)}{escape(problem.text)}"


def problem_place(image: Image, problem: Problem) -> str:
    """The layer and path of a problem, ready to be followed by its sentence; empty for the image as a whole."""
    place = ""
    if problem.layer:
        layer = image.layers[problem.layer - 1]
        digest = layer.digest or layer.diff_id
        place = f"layer {problem.layer} ({digest.short}): " if digest else f"layer {problem.layer}: "
    return place + (f"/{escape(problem.path)}: " if problem.path else "")
