"""What fits the original alone: it is listed where the image is, in a layout, an archive or a registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from layerscope.cli.main import run
from support.engines import registry
from support.image_builder import digest, file, layer
from support.registry_pushes import put_layout
from support.sources_build import AMD64, Layout, dump, write_directory

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SOCI = "com.amazon.soci.index-digest"
LAYERS = (layer(file("a", b"1" * 5000)).tar(), layer(file("b", b"2")).tar(), layer(file("a", b"3")).tar())


def attested() -> tuple[Layout, dict[str, Any], list[dict[str, Any]]]:
    """A layout; the index of an image that is attested, signed and indexed in every way; and what stands beside the index.

    The index has an image for another platform, too, with an attestation of its own.
    """
    layout = Layout()
    config = layout.add(
        dump({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [*map(digest, LAYERS)]}}),
        "application/vnd.oci.image.config.v1+json",
    )
    tables = [
        {"containerd.io/snapshot/stargz/toc.digest": "sha256:" + "1" * 64},
        {"io.github.containers.zstd-chunked.manifest-checksum": "sha256:" + "2" * 64},
        {},
    ]
    layers = [
        layout.add(each, "application/vnd.oci.image.layer.v1.tar", annotations=table)
        for each, table in zip(LAYERS, tables, strict=True)
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": layers,
        "annotations": {SOCI: "sha256:" + "3" * 64, "kept": "1"},
    }
    image = layout.add(dump(manifest), MANIFEST, platform=AMD64)
    other = layout.image(LAYERS[1], platform={"architecture": "arm64", "os": "linux"})
    index = layout.index(image, other, *(_statement(layout, each) for each in (image, other)))
    signature = _artifact(layout, "application/vnd.dev.cosign.artifact.sig.v1+json")
    referrer = _artifact(layout, "application/spdx+json", subject=image)
    return layout, index, [signature | {"of": index["digest"]}, referrer]


def _statement(layout: Layout, image: dict[str, Any]) -> dict[str, Any]:
    statement = layout.add(
        b"{}" + image["digest"].encode(),
        "application/vnd.in-toto+json",
        annotations={"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"},
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.add(b"{}", "application/vnd.oci.image.config.v1+json"),
        "layers": [statement],
    }
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"]}
    return layout.add(dump(manifest), MANIFEST, platform={"architecture": "unknown", "os": "unknown"}, annotations=about)


def _artifact(layout: Layout, kind: str, **more: Any) -> dict[str, Any]:
    empty = layout.add(b"{}", "application/vnd.oci.empty.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": empty, "layers": [empty], **more}
    return layout.add(dump(manifest), MANIFEST)


def listed(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str, int | None]]:
    unmatched = json.loads(capsys.readouterr().out)["unmatched"]
    assert unmatched["problem"] is None
    return sorted((each["kind"], each["place"], each["layer"]) for each in unmatched["found"])


EVERYTHING = [
    ("SOCI index", "annotation", None),
    ("bill of materials", "referrer", None),
    ("eStargz table", "layer", 1),
    ("provenance", "index", None),
    ("signature", "tag", None),
]


def test_a_layout_is_looked_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout, index, (signature, referrer) = attested()
    tag = signature.pop("of").replace(":", "-") + ".sig"
    name = "org.opencontainers.image.ref.name"
    named = (index | {"annotations": {name: "app"}}, signature | {"annotations": {name: tag}}, referrer)
    write_directory(tmp_path / "layout", layout.files(*named))
    out = tmp_path / "slim"
    assert run(["slim", f"{tmp_path}/layout:app", "--platform", "linux/amd64", "-o", str(out), "--json"]) == 0
    assert listed(capsys) == EVERYTHING
    written = json.loads((out / "index.json").read_text())["manifests"]
    manifest = json.loads((out / "blobs" / written[0]["digest"].replace(":", "/")).read_text())
    assert len(written) == 1
    assert {"kept"} == manifest["annotations"].keys() - {"io.layerscope.slim"}
    assert [each.get("annotations", {}) != {} for each in manifest["layers"]] == [False, True, False]
    assert run(["slim", f"{tmp_path}/layout:app", "--platform", "linux/amd64"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "What fits the original alone: provenance, signature, bill of materials, SOCI index, eStargz table of layer 1." in said
    )


def test_a_registry_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout, index, (signature, referrer) = attested()
    with registry() as host:
        put_layout(host, "app", layout, index, "1")
        listing = layout.index(referrer | {"artifactType": "application/spdx+json"})
        subject = json.loads(layout.blobs[referrer["digest"]])["subject"]["digest"]
        put_layout(host, "app", layout, listing, subject.replace(":", "-"))
        put_layout(host, "app", layout, signature, signature.pop("of").replace(":", "-") + ".sig")
        assert run(["slim", f"docker://{host}/app:1", "--insecure", host, "--platform", "linux/amd64", "--json"]) == 0
    assert listed(capsys) == EVERYTHING
