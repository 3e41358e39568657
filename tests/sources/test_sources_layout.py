"""OCI layouts: nested indexes, platforms, what is absent, what is no image, and which of several is meant."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from layerscope.analysis import read_image
from layerscope.errors import AmbiguousImage, BadDocument, LayerscopeError, NotAnImage, NotFound
from layerscope.oci.platform import Platform
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from support.image_builder import digest
from support.sources_build import (
    AMD64,
    ARM64,
    CONTAINERD_NAME,
    INDEX_TYPE,
    REF_NAME,
    Files,
    Json,
    Layout,
    config,
    dump,
    layer_tar,
    stored_blob,
    stored_blobs,
    write_directory,
    write_tar,
)

BASE, TOP = layer_tar("etc/passwd"), layer_tar("app")
S390X = {"os": "linux", "architecture": "s390x"}
ARM_V6 = {"os": "linux", "architecture": "arm", "variant": "v6"}
ARM_V7 = {"os": "linux", "architecture": "arm", "variant": "v7"}
ATTESTATION = {"vnd.docker.reference.type": "attestation-manifest"}
UNKNOWN = {"os": "unknown", "architecture": "unknown"}


@pytest.fixture(autouse=True)
def amd64_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def opened(path: Path, files: Files, tag: str = "", platform: str | None = None) -> Image:
    wanted = Platform.parse(platform) if platform else None
    return open_image(write_tar(path / "image.tar", files) + tag, platform=wanted)


def tagged(name: str) -> Json:
    return {REF_NAME: name}


def test_a_directory_and_a_tar_of_it_give_the_same(tmp_path: Path) -> None:
    layout = Layout()
    files = layout.files(layout.image(BASE, TOP, names=tagged("v1")))
    packed, unpacked = opened(tmp_path, files), open_image(write_directory(tmp_path / "layout", files))
    assert packed.name == unpacked.name == "v1"
    assert packed.manifest_digest == unpacked.manifest_digest
    assert packed.notes == unpacked.notes == ()
    for image in (packed, unpacked):
        assert [each.read() for each in stored_blobs(image)] == [BASE, TOP]
        assert [each.digest for each in image.layers] == [digest(BASE), digest(TOP)]


def test_an_index_in_an_index_is_followed(tmp_path: Path) -> None:
    layout = Layout()
    arm, amd = layout.image(BASE, platform=ARM64), layout.image(TOP)
    index = layout.index(layout.index(arm, amd), names={CONTAINERD_NAME: "docker.io/library/app:2", REF_NAME: "2"})
    image = opened(tmp_path, layout.files(index), ":app:2")
    assert (image.manifest_digest, image.name) == (amd["digest"], "app:2")


@pytest.mark.parametrize(
    ("platform", "found"),
    [(None, AMD64), ("linux/arm64", ARM64), ("linux/arm64/v8", ARM64), ("linux/arm/v7", ARM_V7), ("linux/arm", ARM_V7)],
)
def test_the_platform_asked_for_is_chosen_else_the_hosts(tmp_path: Path, platform: str | None, found: Json) -> None:
    layout = Layout()
    entries = {each["architecture"]: layout.image(BASE, platform=each) for each in (S390X, ARM64, AMD64, ARM_V7)}
    image = opened(tmp_path, layout.files(layout.index(*entries.values())), platform=platform)
    assert image.manifest_digest == entries[found["architecture"]]["digest"]


def test_the_only_platform_is_chosen_whatever_the_host(tmp_path: Path) -> None:
    layout = Layout()
    assert str(opened(tmp_path, layout.files(layout.image(BASE, platform=S390X))).platform) == "linux/s390x"


def test_a_variant_of_the_hosts_architecture_will_do(tmp_path: Path) -> None:
    layout = Layout()
    entries = [layout.image(BASE, platform={**AMD64, "variant": "v3"}), layout.image(BASE, platform=S390X)]
    assert str(opened(tmp_path, layout.files(*entries)).platform) == "linux/amd64/v3"


def test_several_platforms_without_the_hosts_are_listed(tmp_path: Path) -> None:
    layout = Layout()
    files = layout.files(layout.image(BASE, platform=S390X), layout.image(BASE, platform=ARM64))
    with pytest.raises(
        AmbiguousImage, match=r"linux/arm64, linux/s390x and none for this machine \(linux/amd64\).*--platform linux"
    ):
        opened(tmp_path, files)


def test_an_architecture_without_its_plain_variant_has_to_be_chosen(tmp_path: Path) -> None:
    layout = Layout()
    files = layout.files(layout.image(BASE, platform=ARM_V6), layout.image(BASE, platform={**ARM_V6, "variant": "v5"}))
    with pytest.raises(AmbiguousImage, match="holds linux/arm/v5, linux/arm/v6; choose one, such as --platform linux/arm/v5"):
        opened(tmp_path, files, platform="linux/arm")


def test_images_of_two_versions_of_windows_are_told_apart(tmp_path: Path) -> None:
    layout, versions = Layout(), ("10.0.17763.1879", "10.0.20348.169")
    entries = [layout.image(BASE, platform={"os": "windows", "architecture": "amd64", "os.version": each}) for each in versions]
    files = layout.files(layout.index(*entries))
    with pytest.raises(AmbiguousImage, match=r"such as --platform 'windows\(10\.0\.17763\.1879\)/amd64'") as caught:
        opened(tmp_path, files)
    assert all(f"windows({each})/amd64" in str(caught.value) for each in versions)
    with pytest.raises(AmbiguousImage):
        opened(tmp_path, files, platform="windows/amd64")
    for asked in ("windows(10.0.20348.169)/amd64", "windows(10.0.20348)/amd64"):
        image = opened(tmp_path, files, platform=asked)
        assert (image.manifest_digest, str(image.platform)) == (entries[1]["digest"], "windows(10.0.20348.169)/amd64")
    with pytest.raises(NotFound):
        opened(tmp_path, files, platform="windows(10.0.2)/amd64")


def test_the_config_says_the_version_of_windows_where_the_index_does_not(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image(BASE, platform={"os": "windows", "architecture": "amd64", "os.version": "10.0.17763.1"})
    del entry["platform"]["os.version"]
    assert str(opened(tmp_path, layout.files(entry)).platform) == "windows(10.0.17763.1)/amd64"


def test_a_platform_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    layout = Layout()
    with pytest.raises(NotFound, match="holds no linux/arm64 image; it holds linux/amd64"):
        opened(tmp_path, layout.files(layout.image(BASE)), platform="linux/arm64")


def test_the_config_says_the_platform_where_the_index_does_not(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image(BASE, platform=ARM64)
    del entry["platform"]
    assert str(opened(tmp_path, layout.files(entry)).platform) == "linux/arm64"


def test_manifests_that_were_never_pulled_are_skipped(tmp_path: Path) -> None:
    layout = Layout()
    mine, other = layout.image(BASE, platform=S390X), layout.drop(layout.image(TOP))
    files = layout.files(layout.index(other, mine, names=tagged("v1")))
    assert opened(tmp_path, files).manifest_digest == mine["digest"]
    with pytest.raises(NotFound, match="is missing"):
        opened(tmp_path, files, platform="linux/amd64")


def test_manifests_without_any_of_their_layers_are_skipped(tmp_path: Path) -> None:
    layout = Layout()
    other, mine = layout.image(TOP), layout.image(BASE, platform=S390X)
    del layout.blobs[digest(TOP)]
    assert opened(tmp_path, layout.files(other, mine)).manifest_digest == mine["digest"]


def test_an_image_without_some_of_its_layers_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    layout = Layout()
    files = layout.files(layout.image(BASE, TOP))
    del files["blobs/" + digest(TOP).replace(":", "/")]
    layer = opened(tmp_path, files).layers[1]
    assert stored_blob(layer) is None
    assert layer.reader.unreadable == f"blobs/sha256/{layer.digest.encoded if layer.digest else ''} is missing"
    assert not layer.reader.may_be_missing


@pytest.mark.parametrize("platform", [UNKNOWN, AMD64])
def test_attestations_are_skipped(tmp_path: Path, platform: Json) -> None:
    layout = Layout()
    mine = layout.image(BASE)
    attestation = layout.image(TOP, platform=platform) | {"annotations": ATTESTATION}
    assert opened(tmp_path, layout.files(attestation, mine)).manifest_digest == mine["digest"]
    with pytest.raises(NotAnImage, match="attestation about an image"):
        opened(tmp_path, layout.files(attestation))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"}}, "a Helm chart"),
        (
            {"config": {"mediaType": "application/vnd.oci.empty.v1+json"}, "artifactType": "application/sbom"},
            "type application/sbom",
        ),
        (
            {"config": {"mediaType": "application/vnd.oci.empty.v1+json"}, "layers": []},
            "an artifact of type application/vnd.oci.empty",
        ),
        ({"config": {"mediaType": "application/\x1b[0m"}}, r"type application/\\x1b\[0m"),
        ({"layers": [{"mediaType": "application/vnd.in-toto+json", "digest": digest(b"")}]}, "an attestation, without layers"),
    ],
)
def test_artifacts_are_refused_with_what_they_are(tmp_path: Path, changes: Json, reason: str) -> None:
    layout = Layout()
    settings = layout.add(config(BASE), "") | changes.pop("config", {"mediaType": "application/vnd.oci.image.config.v1+json"})
    entry = layout.image(BASE, names=tagged("it"), changes={"config": settings, **changes})
    with pytest.raises(NotAnImage, match=f"it is not a container image: it is .*{reason}"):
        opened(tmp_path, layout.files(entry))


def test_an_artifact_beside_an_image_is_no_ambiguity(tmp_path: Path) -> None:
    layout = Layout()
    mine = layout.image(BASE, names=tagged("v1"))
    other = layout.image(TOP, names=tagged("sbom"), changes={"config": layout.add(b"{}", "application/vnd.oci.empty.v1+json")})
    assert opened(tmp_path, layout.files(other, mine)).name == "v1"


def test_a_descriptor_of_a_strange_media_type_is_refused(tmp_path: Path) -> None:
    layout = Layout()
    with pytest.raises(NotAnImage, match="artifact of type text/plain"):
        opened(tmp_path, layout.files(layout.add(b"hello", "text/plain")))


def test_a_schema_1_manifest_is_refused_by_name(tmp_path: Path) -> None:
    layout = Layout()
    old = layout.add(dump({"schemaVersion": 1, "fsLayers": [], "history": []}), "")
    with pytest.raises(BadDocument, match="schema 1"):
        opened(tmp_path, layout.files(old))


def test_docker_media_types_mean_the_same(tmp_path: Path) -> None:
    layout = Layout()
    changes = {
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": layout.add(config(BASE), "application/vnd.docker.container.image.v1+json"),
        "layers": [layout.add(BASE, "application/vnd.docker.image.rootfs.diff.tar.gzip")],
    }
    entry = layout.image(BASE, changes=changes) | {"mediaType": changes["mediaType"]}
    index = layout.index(entry) | {"mediaType": "application/vnd.docker.distribution.manifest.list.v2+json"}
    assert len(opened(tmp_path, layout.files(index)).layers) == 1


def test_content_embedded_in_a_descriptor_is_used(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image(BASE)
    content = layout.blobs.pop(entry["digest"])
    entry["data"] = base64.b64encode(content).decode()
    assert opened(tmp_path, layout.files(entry)).manifest_digest == entry["digest"]
    entry["data"] = base64.b64encode(content + b" ").decode()
    with pytest.raises(NotFound, match="is missing"):
        opened(tmp_path, layout.files(entry))


def test_what_does_not_match_its_digest_or_size_is_a_doubt(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image(BASE)
    layout.blobs[entry["digest"]] += b"\n"
    layout.blobs[digest(config(BASE))] += b"\n"
    layout.blobs[digest(BASE)] += bytes(512)
    problems = read_image(opened(tmp_path, layout.files(entry))).problems
    assert all(problem.is_doubt and not problem.is_fatal for problem in problems)
    assert [problem.text.partition(", its hash")[0] for problem in problems] == [
        f"the manifest has {entry['size'] + 1} bytes where its descriptor says {entry['size']}",
        f"the config has {len(config(BASE)) + 1} bytes where its descriptor says {len(config(BASE))}",
        f"layer 1 is stored in {len(BASE) + 512} bytes where the manifest says {len(BASE)}",
        f"the manifest does not match its digest {entry['digest']}",
        f"the config does not match its digest {digest(config(BASE))}",
    ]


def test_an_encrypted_layer_is_absent(tmp_path: Path) -> None:
    layout = Layout()
    secret = layout.add(BASE, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted")
    layer = opened(tmp_path, layout.files(layout.image(BASE, changes={"layers": [secret]}))).layers[0]
    assert (stored_blob(layer), layer.reader.unreadable) == (None, "it is encrypted")


@pytest.mark.parametrize("tag", ["v1", "v2", "app:v1", "docker.io/library/app:v1"])
def test_several_images_are_chosen_from_by_tag(tmp_path: Path, tag: str) -> None:
    layout = Layout()
    entries = [layout.image(layer_tar(name), names={CONTAINERD_NAME: f"docker.io/library/app:{name}"}) for name in ("v1", "v2")]
    image = opened(tmp_path, layout.files(*entries), f":{tag}")
    assert image.manifest_digest == entries[tag.endswith("v2")]["digest"]
    assert image.name == f"app:{tag[-2:]}"


def test_several_images_without_a_tag_are_listed(tmp_path: Path) -> None:
    layout = Layout()
    files = layout.files(*(layout.image(layer_tar(f"{number}"), names=tagged(f"v{number}")) for number in range(30)))
    with pytest.raises(
        AmbiguousImage,
        match=r"image.tar holds 30 images; choose one with `layerscope .*image.tar:TAG`: v0, .*, v19 and 10 more",
    ):
        opened(tmp_path, files)


def test_several_tags_of_one_image_are_no_ambiguity(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image(BASE)
    files = layout.files(*({**entry, "annotations": tagged(name)} for name in ("v1", "latest")))
    assert opened(tmp_path, files).name == "v1"
    assert opened(tmp_path, files, ":latest").name == "latest"


def test_a_tag_that_is_not_there_is_answered_with_near_ones(tmp_path: Path) -> None:
    layout = Layout()
    files = layout.files(layout.image(BASE, names=tagged("stable")), layout.image(TOP, names=tagged("\x1b[1m")))
    with pytest.raises(NotFound, match=r"holds no image 'stabel'; did you mean `stable`\? It holds \\x1b\[1m, stable"):
        opened(tmp_path, files, ":stabel")


def test_images_without_tags_are_chosen_from_by_digest(tmp_path: Path) -> None:
    layout = Layout()
    one, two = layout.image(BASE), layout.image(TOP)
    index = layout.index(two)
    files = layout.files(one, index)
    with pytest.raises(AmbiguousImage, match=f"2 images for linux/amd64; choose one by digest.*{two['digest'][7:19]}"):
        opened(tmp_path, files)
    for name in (two["digest"], "@" + two["digest"], two["digest"][7:19], digest(config(TOP)), index["digest"]):
        assert opened(tmp_path, files, f":{name}").manifest_digest == two["digest"]
    with pytest.raises(NotFound, match="have no tags"):
        opened(tmp_path, files, ":v1")


def test_two_tags_for_different_platforms_are_still_two_images(tmp_path: Path) -> None:
    layout = Layout()
    entries = layout.image(BASE, names=tagged("amd")), layout.image(TOP, platform=ARM64, names=tagged("arm"))
    with pytest.raises(AmbiguousImage, match="holds 2 images"):
        opened(tmp_path, layout.files(*entries))


@pytest.mark.parametrize("listed", [{"manifests": None}, {"manifests": []}, {}])
def test_an_index_without_manifests_lists_no_image(tmp_path: Path, listed: Json) -> None:
    with pytest.raises(NotAnImage, match=r"its index.json lists no image"):
        opened(tmp_path, {"oci-layout": b"{}", "index.json": dump(listed)})


def test_an_index_that_contains_itself_is_refused(tmp_path: Path) -> None:
    """No hash can be made to do this, but a file need not match its name."""
    layout = Layout()
    loop: Json = {"mediaType": INDEX_TYPE, "digest": digest(b"loop"), "size": 1}
    layout.blobs[loop["digest"]] = dump({"manifests": [loop]})
    with pytest.raises(BadDocument, match="nested too deeply"):
        opened(tmp_path, layout.files(loop))


def test_indexes_that_multiply_are_refused_in_bounded_time(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image(BASE)
    for _ in range(6):
        entry = layout.index(*[entry] * 100)
    with pytest.raises(BadDocument, match="more than 10000 manifests"):
        opened(tmp_path, layout.files(entry))


@pytest.mark.parametrize("what", ["index", "manifest", "config"])
@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{", b'{"layers":7,"manifests":7,"os":7}', b"[" * 100_000])
def test_a_damaged_document_is_refused_by_name(tmp_path: Path, what: str, raw: bytes) -> None:
    layout = Layout()
    entry = layout.image(BASE, names=tagged("v1"))
    index = layout.index(entry)
    layout.blobs[{"index": index["digest"], "manifest": entry["digest"], "config": digest(config(BASE))}[what]] = raw
    with pytest.raises(LayerscopeError, match=what) as caught:
        opened(tmp_path, layout.files(index))
    assert isinstance(caught.value, BadDocument)


def test_one_damaged_image_does_not_hide_the_others(tmp_path: Path) -> None:
    layout = Layout()
    bad, good = layout.image(TOP, names=tagged("bad")), layout.image(BASE, names=tagged("good"))
    layout.blobs[bad["digest"]] = b"{"
    files = layout.files(bad, good)
    assert opened(tmp_path, files).name == "good"
    with pytest.raises(BadDocument, match="bad: its manifest is not JSON"):
        opened(tmp_path, files, ":bad")


@pytest.mark.parametrize("wrong", ["sha256:../../../etc/passwd", "sha256:" + "0" * 63, "../x:y", ""])
def test_a_digest_that_is_none_is_refused(tmp_path: Path, wrong: str) -> None:
    layout = Layout()
    with pytest.raises(BadDocument, match=r"index.json .*not a digest"):
        opened(tmp_path, layout.files(layout.image(BASE) | {"digest": wrong}))


def test_a_blob_linked_from_outside_the_layout_is_not_read(tmp_path: Path) -> None:
    layout = Layout()
    place = write_directory(tmp_path / "layout", layout.files(layout.image(BASE, TOP)))
    blob = Path(place, "blobs", digest(TOP).replace(":", "/"))
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")
    assert "leaves the directory" in open_image(place).layers[1].reader.unreadable
