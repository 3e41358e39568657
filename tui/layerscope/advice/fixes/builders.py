"""Which program made an image, by the history that it wrote."""

from __future__ import annotations

import re

from layerscope.advice.dockerfile.history_step import is_by_docker
from layerscope.advice.dockerfile.instructions import COPIES
from layerscope.sources.image import Image

LAYERED = COPIES | {"RUN", "WORKDIR"}
BUILDKIT, DOCKER, BUILDAH = "BuildKit", "Docker's old builder", "podman or buildah"


_MAKERS = {
    "jib": re.compile(r"^jib-"),
    "ko": re.compile(r"^ko (?:build|publish)\b"),
    "bazel": re.compile(r"^bazel build"),
    "apko": re.compile(r"^apko\b"),
    "a buildpack": re.compile(r"buildpack|^Application (?:Slice|Layer)", re.IGNORECASE),
    "Nix": re.compile(r"^store paths:"),
}
"""How the histories begin that other programs than builders of Dockerfiles write: what made a layer, else its comment."""
_COMMIT = re.compile(r"^(?:/\S*/)?(?:ba|da|z)?sh$")
_KANIKO = "kaniko"


def find_builder(image: Image, *, base_layers: int) -> str:
    """Name the builder that made an image's own layers, by how it wrote the history; empty if it is none that is known."""
    own = [step for step in image.steps if step.layer is None or step.layer.number > base_layers]
    comments = [step.history.comment for step in own if step.history]
    if any(comment.startswith("buildkit.dockerfile") for comment in comments) or any(
        step.created_by.rstrip().endswith("# buildkit") for step in own
    ):
        return BUILDKIT
    if is_by_docker(own):
        return DOCKER
    if any("/bin/sh -c" in step.created_by for step in own):
        return BUILDAH
    return ""


def find_other_maker(image: Image, *, base_layers: int) -> str:
    """Name the program that made an image's last layers without a Dockerfile; empty for a Dockerfile's and unknown ones."""
    own = [step for step in image.steps if step.layer is not None and step.layer.number > base_layers and step.history]
    texts = [(step.history.created_by or step.history.comment).strip() for step in own if step.history]
    if texts and all(map(_COMMIT.search, texts)):
        return "buildah commit"
    # What is below the last layer may be a base that others made.
    return next((name for name, start in _MAKERS.items() if texts and start.search(texts[-1])), "")


def is_single_snapshot(image: Image, *, base_layers: int, layer_makers: int | None) -> bool:
    """Tell whether kaniko took one snapshot of all steps (`--single-snapshot`), which it writes down as the last step's.

    `layer_makers` are the instructions of the Dockerfile that make layers; None where there is no Dockerfile, and only a last
    step that makes none tells.
    """
    steps = [step for step in image.steps if step.layer is not None]
    own = [step for step in steps if step.layer and step.layer.number > base_layers]
    own = [step for step in own if step.history and step.history.author == _KANIKO]
    if len(own) != 1 or own[0] is not steps[-1]:
        return False
    keyword = own[0].created_by.split(" ", 1)[0].upper()
    return (keyword not in LAYERED) if layer_makers is None else layer_makers > 1
