"""A real registry with something to look around in: repositories, tags, platforms, a chart, signatures and attestations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.engines import registry
from support.image_builder import MANIFEST_TYPE
from support.registry_pushes import put_layout
from support.sources_build import AMD64, ARM64, Json, Layout, config, dump, layer_tar

LOWER, OLD, NEW, ARM = layer_tar("lower"), layer_tar("old"), layer_tar("new", "newer"), layer_tar("arm64", "a", "b", "c")
OLD_DATE, NEW_DATE = "2026-01-01T10:00:00Z", "2026-03-01T10:00:00Z"
REPOSITORIES = ("charts/app", "team/app", "team/web", "web")
ATTESTATION_TYPE = "application/vnd.in-toto+json"
PREDICATES = ("https://spdx.dev/Document", "https://slsa.dev/provenance/v1")


@dataclass
class Contents:
    """Where the registry is, and the descriptors of what is in it, by name."""

    host: str
    pushed: dict[str, Json] = field(default_factory=dict)

    def digest(self, name: str) -> str:
        """The digest of something that was pushed."""
        found: str = self.pushed[name]["digest"]
        return found


@pytest.fixture
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials and no configuration of this machine's user."""
    for name in ("DOCKER_CONFIG", "XDG_RUNTIME_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))


@pytest.fixture(scope="module")
def contents() -> Iterator[Contents]:
    """A `filled_registry` for the tests of one module."""
    with filled_registry() as found:
        yield found


@contextmanager
def filled_registry() -> Iterator[Contents]:
    """A registry with team/app (1.9 and, of two platforms with attestations, 1.10 and latest, which is signed), team/web, web
    and a chart.
    """
    layout = Layout()
    old = layout.image(LOWER, OLD, settings=config(LOWER, OLD, created=OLD_DATE))
    new = layout.image(LOWER, NEW, settings=config(LOWER, NEW, created=NEW_DATE))
    arm = layout.image(LOWER, ARM, settings=config(LOWER, ARM, created=NEW_DATE, platform=ARM64), platform=ARM64)
    index = layout.index({**new, "platform": AMD64}, arm, _attestation(layout, new))
    chart = {"config": layout.add(b"{}", "application/vnd.cncf.helm.config.v1+json")}
    signature = layout.image(layer_tar("signature"), settings=b"{}", changes={"annotations": {"is": "a signature"}})
    images = {"old": old, "new": new, "arm": arm, "index": index, "signature": signature}
    images["chart"] = layout.image(LOWER, settings=b"{}", changes=chart)
    with registry() as host:
        for repository, tag, name in (
            ("team/app", "1.9", "old"),
            ("team/app", "1.10", "index"),
            ("team/app", "latest", "index"),
            ("team/app", f"sha256-{index['digest'].partition(':')[2]}.sig", "signature"),
            ("team/web", "1", "old"),
            ("web", "1", "new"),
            ("charts/app", "0.1.0", "chart"),
        ):
            put_layout(host, repository, layout, images[name], tag)
        yield Contents(host, images)


def _attestation(layout: Layout, image: Json) -> Json:
    """What BuildKit puts beside an image: a manifest with a statement a layer."""
    layers = [
        layout.add(dump({"predicateType": each}), ATTESTATION_TYPE, annotations={"in-toto.io/predicate-type": each})
        for each in PREDICATES
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": layout.add(b"{}", "application/json"),
        "layers": layers,
    }
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"]}
    unknown = {"os": "unknown", "architecture": "unknown"}
    return layout.add(dump(manifest), MANIFEST_TYPE, platform=unknown, annotations=about)
