"""Images in the less common forms: by position, by an old id, in `dir:`, inside another archive; and what only looks so."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import requires
from layerscope.analysis import read_image
from layerscope.errors import AmbiguousImage, BadDocument, NotAnImage, NotFound
from layerscope.progress import ignore
from layerscope.report.listings import listing_json_lines, nodes_below
from layerscope.sources.open import open_image
from layerscope.verify import verify
from support.image_builder import directory, file, layer, squeeze, write_layout
from support.sources_build import (
    AMD64,
    ARM64,
    CONTAINERD_NAME,
    Files,
    Json,
    Layout,
    config,
    docker_layout,
    dump,
    item,
    layer_tar,
    legacy,
    manifest,
    paths,
    saved,
    stored_blobs,
    write_directory,
    write_tar,
)

BASE, TOP = layer_tar("etc/passwd", "bin/sh"), layer_tar("app")
ONE, TWO = layer_tar("one"), layer_tar("two")
FIRST, SECOND = (f"{number:064x}" for number in (0, 1))


def tree_of(reference: str) -> list[bytes]:
    contents = read_image(open_image(reference))
    view = contents.tree.view(len(contents.image.layers))
    return list(listing_json_lines(view, nodes_below(view, 0)))


def untagged(*layers: bytes) -> Files:
    """One archive with an image, of one layer and without a tag, for each of `layers`."""
    files: Files = {}
    items: list[Json] = []
    for content in layers:
        each = saved(content, tags=None)
        items += manifest(each)
        files |= {name if name != f"{0:064x}/layer.tar" else f"{len(items)}.tar": data for name, data in each.items()}
        items[-1]["Layers"] = [f"{len(items)}.tar"]
    return {**files, "manifest.json": dump(items)}


@pytest.mark.parametrize(("number", "name"), [(0, b"one"), (1, b"two"), (2, b"app")])
@pytest.mark.parametrize("prefix", ["", "docker-archive:"])
def test_an_image_without_a_tag_is_chosen_by_its_position(tmp_path: Path, prefix: str, number: int, name: bytes) -> None:
    place = write_tar(tmp_path / "image.tar", untagged(ONE, TWO, TOP))
    assert paths(open_image(f"{prefix}{place}:@{number}")) == [[name]]


def test_positions_are_those_that_skopeo_counts(tmp_path: Path) -> None:
    requires("skopeo")
    place = write_tar(tmp_path / "image.tar", untagged(ONE, TWO))
    for number in (0, 1):
        inspected = ["skopeo", "inspect", "--config", "--raw", f"docker-archive:{place}:@{number}"]
        theirs = subprocess.run(inspected, capture_output=True, check=True).stdout
        assert open_image(f"{place}:@{number}").raw_config == theirs


def test_a_position_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    place = write_tar(tmp_path / "image.tar", untagged(ONE, TWO))
    with pytest.raises(NotFound, match="has no image @2; it has @0 to @1"):
        open_image(f"{place}:@2")
    with pytest.raises(NotFound, match="choose by position: @0 to @1"):
        open_image(f"{place}:none")


def test_the_manifests_order_counts_where_an_index_has_another(tmp_path: Path) -> None:
    layout = Layout()
    entries = [
        layout.image(each, names={CONTAINERD_NAME: f"docker.io/library/{name}:1"})
        for each, name in ((ONE, "one"), (TWO, "two"))
    ]
    items = [item(entry, layout, f"{name}:1") for entry, name in zip(entries, ("one", "two"), strict=True)]
    files = docker_layout(layout, *entries, items=items[::-1])
    place = write_tar(tmp_path / "image.tar", files)
    assert [open_image(f"{place}:@{number}").name for number in (0, 1)] == ["two:1", "one:1"]
    assert open_image(f"{place}:@0").manifest_digest == entries[1]["digest"]


def test_a_position_in_a_layout_may_be_an_index_of_platforms(tmp_path: Path) -> None:
    layout = Layout()
    platforms = layout.index(layout.image(ONE, platform=AMD64), layout.image(TWO, platform=ARM64))
    place = write_directory(tmp_path / "layout", layout.files(layout.image(TOP), platforms))
    assert paths(open_image(f"oci:{place}:@0")) == [[b"app"]]
    assert paths(open_image(f"oci:{place}:@1")) == [[b"one"]]


def by_id(*layers: bytes) -> Files:
    """What Docker before 1.10 saved for an id: `repositories` names nothing, or is missing."""
    return {name: data for name, data in legacy(*layers).items() if name != "repositories"}


@pytest.mark.parametrize("more", [{}, {"repositories": b"{}"}])
@pytest.mark.parametrize("tag", ["", f":{SECOND}", f":{SECOND[:12]}", ":@0"])
def test_an_old_archive_that_was_saved_by_id_opens(tmp_path: Path, tag: str, more: Files) -> None:
    opened = open_image(write_tar(tmp_path / "image.tar", by_id(BASE, TOP) | more) + tag)
    assert paths(opened) == [[b"etc/passwd", b"bin/sh"], [b"app"]]
    assert opened.config_digest == f"sha256:{SECOND}"


def test_an_old_archive_may_hold_images_with_a_name_and_without(tmp_path: Path) -> None:
    other = "f" * 64
    about = {"id": other, "os": "linux", "architecture": "amd64"}
    files = legacy(BASE, TOP) | {f"{other}/json": dump(about), f"{other}/layer.tar": ONE}
    place = write_tar(tmp_path / "image.tar", files)
    assert paths(open_image(f"{place}:{other[:12]}")) == [[b"one"]]
    assert open_image(f"{place}:old:1").name == "old:1"
    assert paths(open_image(write_directory(tmp_path / "unpacked", files) + f":{other}")) == [[b"one"]]


def test_a_newer_archive_without_its_manifest_is_not_taken_for_an_old_one(tmp_path: Path) -> None:
    files = by_id(BASE, TOP) | {"e" * 64 + ".json": config(BASE, TOP)}
    with pytest.raises(NotAnImage):
        open_image(write_tar(tmp_path / "image.tar", files))


def skopeo_directory(path: Path, *options: str) -> str:
    """A `dir:` of skopeo's own writing."""
    requires("skopeo")
    source = write_layout(path / "layout", layer(directory("a"), file("a/b", b"x" * 5000)), layer("c"))
    target = str(path / "copied")
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", *options, f"oci:{source}:latest", f"dir:{target}"], check=True)
    return target


@pytest.mark.parametrize("options", [(), ("--format", "v2s2"), ("--dest-compress",), ("--all",)])
@pytest.mark.parametrize("spelled", ["{}", "dir:{}"])
def test_a_directory_of_skopeo_opens(tmp_path: Path, spelled: str, options: tuple[str, ...]) -> None:
    place = skopeo_directory(tmp_path, *options)
    opened = open_image(spelled.format(place))
    assert len(stored_blobs(opened)) == len(opened.layers) == 2
    assert tree_of(spelled.format(place)) == tree_of(f"oci:{tmp_path / 'layout'}:latest")
    assert opened.notes == ()
    assert opened.manifest_digest is not None
    assert opened.manifest_digest.matches(Path(place, "manifest.json").read_bytes())


def test_a_directory_of_skopeo_opens_in_a_tar_too(tmp_path: Path) -> None:
    place = skopeo_directory(tmp_path)
    packed = shutil.make_archive(str(tmp_path / "packed"), "tar", place)
    assert tree_of(packed) == tree_of(place)


def test_a_directory_of_skopeo_may_hold_every_platform(tmp_path: Path) -> None:
    layout = Layout()
    platforms = layout.index(
        layout.image(ONE, platform=AMD64), layout.image(TWO, platform=ARM64), names={"org.opencontainers.image.ref.name": "v1"}
    )
    requires("skopeo")
    source, target = write_directory(tmp_path / "layout", layout.files(platforms)), str(tmp_path / "all")
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--all", f"oci:{source}:v1", f"dir:{target}"], check=True)
    assert paths(open_image(f"dir:{target}")) == [[b"one"]]


def test_a_directory_of_skopeo_with_a_schema_1_manifest_is_named(tmp_path: Path) -> None:
    old = dump({"schemaVersion": 1, "fsLayers": [{"blobSum": "sha256:" + "0" * 64}], "history": [], "signatures": []})
    place = write_directory(tmp_path / "dir", {"version": b"Directory Transport Version: 1.1\n", "manifest.json": old})
    with pytest.raises(BadDocument, match="schema 1"):
        open_image(place)


def test_a_directory_of_skopeo_without_a_blob_says_which(tmp_path: Path) -> None:
    place = Path(skopeo_directory(tmp_path))
    digest = json.loads((place / "manifest.json").read_bytes())["layers"][1]["digest"].removeprefix("sha256:")
    (place / digest).unlink()
    assert open_image(f"dir:{place}").layers[1].reader.unreadable.startswith(f"{digest} is missing")


LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"


@pytest.mark.parametrize("is_image_manifest", [False, True])
def test_a_build_cache_is_named(tmp_path: Path, *, is_image_manifest: bool) -> None:
    """BuildKit's `type=local`: an index whose manifests are layers, or with `image-manifest=true` a manifest."""
    layout = Layout()
    settings = layout.add(dump({"layers": [], "records": []}), CACHE_CONFIG)
    parts = [layout.add(squeeze(each, "gzip"), LAYER) for each in (BASE, TOP)]
    names = {"org.opencontainers.image.ref.name": "latest"}
    if is_image_manifest:
        entry = layout.image(names=names, changes={"config": settings, "layers": parts})
    else:
        entry = layout.index(*parts, settings, names=names)
    place = write_directory(tmp_path / "cache", layout.files(entry) | {"ingest/x": b""})
    with pytest.raises(NotAnImage, match="is not a container image: it is a build cache, as `docker buildx build --cache-to`"):
        open_image(place)


def test_an_image_beside_a_build_cache_opens(tmp_path: Path) -> None:
    layout = Layout()
    cache = layout.index(layout.add(squeeze(TOP, "gzip"), LAYER), layout.add(b"{}", CACHE_CONFIG))
    files = layout.files(cache, layout.image(BASE))
    assert paths(open_image(write_directory(tmp_path / "layout", files))) == [[b"etc/passwd", b"bin/sh"]]


@pytest.mark.parametrize("kind", ["json", "prettyjws"])
def test_a_layout_that_lists_a_schema_1_manifest_names_it(tmp_path: Path, kind: str) -> None:
    layout = Layout()
    old = dump({"schemaVersion": 1, "fsLayers": [], "history": []})
    entry = layout.add(old, f"application/vnd.docker.distribution.manifest.v1+{kind}")
    with pytest.raises(BadDocument, match=r"its manifest is of Docker's schema 1 \(before 2016\)"):
        open_image(write_directory(tmp_path / "layout", layout.files(entry)))


def test_paths_as_docker_on_windows_spelled_them_are_named(tmp_path: Path) -> None:
    files = saved(BASE)
    items = manifest(files)
    items[0]["Layers"] = [items[0]["Layers"][0].replace("/", "\\")]
    with pytest.raises(BadDocument, match=r"spells paths with backslashes, as Docker on Windows did .*\(LCOW\) before 18.04"):
        open_image(write_tar(tmp_path / "image.tar", files | {"manifest.json": dump(items)}))


SIF = b"#!/usr/bin/env run-singularity\n\0" + b"SIF_MAGIC\0" + b"01\0" + bytes(4096)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SIF, r"it is a Singularity \(Apptainer\) image, SIF, which holds one file system and no layers"),
        (b'{"schemaVersion": 1, "name": "x", "fsLayers": []}', "a manifest of Docker's schema 1"),
        (dump({"schemaVersion": 2, "config": {"mediaType": CACHE_CONFIG}}), "the manifest of a build cache"),
    ],
)
def test_a_file_of_another_form_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "it").write_bytes(content)
    with pytest.raises(NotAnImage, match=words):
        open_image(str(tmp_path / "it"))


def test_two_manifests_of_one_platform_are_never_chosen_from_by_chance(tmp_path: Path) -> None:
    layout = Layout()
    one, two = layout.image(ONE), layout.image(TWO)
    names = {"annotations": {"org.opencontainers.image.ref.name": "v1"}}
    beside = write_directory(tmp_path / "beside", layout.files(one | names, two | names))
    with pytest.raises(AmbiguousImage, match=r"2 images for linux/amd64; .*:DIGEST`, or by position, from :@0 on"):
        open_image(f"{beside}:v1")
    assert paths(open_image(f"{beside}:@1")) == [[b"two"]]
    within = write_directory(tmp_path / "within", layout.files(layout.index(one, two, names=names["annotations"])))
    for tag in ("", ":v1", ":@0"):
        with pytest.raises(AmbiguousImage, match=r"2 images for linux/amd64; .*:DIGEST`: "):
            open_image(f"{within}{tag}")
    assert paths(open_image(f"{within}:{two['digest']}")) == [[b"two"]]


def test_verify_of_an_old_archive_says_what_cannot_be_checked(tmp_path: Path) -> None:
    """An id of before Docker 1.10 is a random number, no hash."""
    checks = verify(open_image(write_tar(tmp_path / "image.tar", by_id(BASE, TOP))), progress=ignore)
    assert all(check.ok and not check.expected for check in checks)
    assert checks[0].note == "no digest of it is stated"
