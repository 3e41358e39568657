"""What tests of `layerscope fleet` share: the command's documents, and fleets of facts alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from layerscope.fleet.fleet import Fleet
from layerscope.progress import ignore
from layerscope.sources.image import Image
from layerscope.sources.listing.facts import ImageFacts
from layerscope.sources.listing.found import FoundImage, FoundImages
from layerscope.sources.open import open_image
from support.commands import Ran, ran

Json = dict[str, Any]


def fleet_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> Json:
    """The document of `fleet --json -`, which is all that is on standard output."""
    done = ran(capsys, "fleet", *arguments, "--json", "-")
    assert done.code == code, done.err
    return document(done)


def document(done: Ran) -> Json:
    assert done.out.endswith("\n") and done.out.count("\n") == 1
    found: Json = json.loads(done.out)
    return found


def names(found: Json) -> list[str]:
    return [each["name"] for each in found["images"]]


def check_references(found: Json) -> None:
    """Every reference opens the very image that it stands for."""
    for each in found["images"]:
        for reference in (each["reference"], each["exact_reference"]):
            opened = open_image(reference)
            assert (opened.config_digest, str(opened.platform)) == (each["id"], each["platform"]), reference


def fleet_of(images: Iterable[ImageFacts], *, uses: dict[str, int] | None = None, failed: Iterable[str] = ()) -> Fleet:
    """A fleet of images that are nowhere: one whose first name is in `uses` is run by so many containers."""

    def open_it(_progress: object = ignore) -> Image:
        raise AssertionError("no image is opened")

    found = [
        FoundImage(each, f"docker:{each.titles()[0]}", open_it, f"docker:{each.id}", (uses or {}).get(each.titles()[0], 0))
        for each in images
    ]
    return Fleet.of(FoundImages(found, list(failed)))
