"""What a registry has, as a tree for people."""

from __future__ import annotations

import pytest

from layerscope.oci.digest import Digest
from layerscope.oci.documents import artifact_kind
from layerscope.report.registry_tree import attached_text, repository_lines
from layerscope.sources.registry.attached import Attached
from layerscope.sources.registry.survey import ListedRepository
from layerscope.sources.registry.tag_facts import TagFacts, TagImage
from layerscope.wording.style import Style


@pytest.mark.parametrize(
    ("media_type", "shown"),
    [
        ("application/example.sbom", "application/example.sbom"),
        ("application/vnd.cncf.helm.config.v1+json", "a Helm chart"),
        ("", "an artifact of unknown type"),
    ],
)
def test_a_tag_of_an_artifact_says_of_which_type_and_still_fits_80_columns(media_type: str, shown: str) -> None:
    image = TagImage(Digest.of(b"1"), kind=artifact_kind(media_type))
    listed = ListedRepository("registry.example.com/team/app", (TagFacts("a", Digest.of(b"1"), images=(image,)),), 1)
    _, line = repository_lines(listed, Style(), now=0.0, has_figures=True)
    assert line.endswith(f"  a  {shown}")


def test_the_type_of_what_is_attached_stands_once() -> None:
    media_type = "application/example.sbom"
    thing = Attached(artifact_kind(media_type), Digest.of(b"1"), Digest.of(b"2"), "referrer", media_type)
    assert attached_text(thing) == media_type
