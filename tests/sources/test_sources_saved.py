"""Archives of `docker save` of every age and from every tool."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from layerscope.errors import BadDocument, LayerscopeError, NotAnImage, NotFound
from layerscope.sources.documents.legacy import NOTE
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from support.image_builder import digest, directory, hardlink, symlink
from support.sources_build import (
    ARM64,
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
    stored_blob,
    write_directory,
    write_tar,
)

BASE, TOP = layer_tar("etc/passwd", "bin/sh"), layer_tar("app")


def opened(path: Path, files: Files, tag: str = "") -> Image:
    return open_image(write_tar(path / "image.tar", files) + tag)


def with_layers(files: Files, *names: str) -> Files:
    return {**files, "manifest.json": dump([{**manifest(files)[0], "Layers": names}])}


def test_an_archive_says_what_its_documents_say(tmp_path: Path) -> None:
    image = opened(tmp_path, saved(BASE, TOP))
    assert (image.name, str(image.platform), image.notes) == ("app:1", "linux/amd64", ())
    assert image.config_digest == digest(config(BASE, TOP))
    assert image.raw_config == config(BASE, TOP)
    assert image.manifest_digest is None
    assert [each.number for each in image.layers] == [1, 2]
    assert [each.diff_id for each in image.layers] == [digest(BASE), digest(TOP)]
    assert [each.created_by for each in image.layers] == ["step 1", "step 2"]
    assert image.layers[1].chain_id == digest(f"{digest(BASE)} {digest(TOP)}".encode())
    assert paths(image) == [[b"etc/passwd", b"bin/sh"], [b"app"]]


def test_a_layer_stored_as_it_is_has_its_diff_id_for_digest(tmp_path: Path) -> None:
    image = opened(tmp_path, saved(BASE))
    assert image.layers[0].digest == digest(BASE)
    assert image.layers[0].media_type == "application/vnd.docker.image.rootfs.diff.tar"


def test_a_compressed_layer_has_no_digest_unless_its_name_is_one(tmp_path: Path) -> None:
    squeezed = gzip.compress(BASE)
    image = opened(tmp_path, saved(squeezed, settings=config(BASE)))
    assert image.layers[0].digest is None
    assert image.layers[0].media_type == "application/vnd.docker.image.rootfs.diff.tar.gzip"
    name = "blobs/" + digest(squeezed).replace(":", "/")
    files = with_layers({**saved(squeezed, settings=config(BASE)), name: squeezed}, name)
    assert opened(tmp_path, files).layers[0].digest == digest(squeezed)


def test_the_order_of_layers_is_the_manifests_not_the_archives(tmp_path: Path) -> None:
    files = saved(BASE, TOP)
    assert paths(opened(tmp_path, dict(reversed(files.items())))) == [[b"etc/passwd", b"bin/sh"], [b"app"]]


def test_a_layer_that_is_a_symlink_leads_to_another_layers_file(tmp_path: Path) -> None:
    files = saved(BASE, BASE)
    first, second = list(files)[:2]
    files[second] = symlink(second, f"../{first}")
    assert paths(opened(tmp_path, files)) == 2 * [[b"etc/passwd", b"bin/sh"]]
    files[second] = hardlink(second, first)
    assert paths(opened(tmp_path, files)) == 2 * [[b"etc/passwd", b"bin/sh"]]


def test_the_same_layer_may_be_listed_twice(tmp_path: Path) -> None:
    files = saved(BASE, BASE)
    image = opened(tmp_path, with_layers(files, *2 * [next(iter(files))]))
    assert [each.reader.stored_bytes for each in image.layers] == 2 * [len(BASE)]


def test_names_may_start_with_a_dot(tmp_path: Path) -> None:
    files = {f"./{name}": content for name, content in saved(BASE).items()}
    assert paths(opened(tmp_path, files)) == [[b"etc/passwd", b"bin/sh"]]


@pytest.mark.parametrize(
    ("config_name", "layer_name"),
    [
        ("sha256:{config}", "{layer}.tar.gz"),  # kaniko, go-containerregistry
        ("{config}.json", "{layer}.tar"),  # podman, skopeo
        ("config.json", "layers/{layer}/layer.tar"),
        ("blobs/sha256/{config}", "blobs/sha256/{layer}"),  # Docker 25
    ],
)
def test_members_may_have_any_name(tmp_path: Path, config_name: str, layer_name: str) -> None:
    settings = config(BASE)
    config_name = config_name.format(config=digest(settings).removeprefix("sha256:"))
    layer_name = layer_name.format(layer=digest(BASE).removeprefix("sha256:"))
    item = {"Config": config_name, "RepoTags": ["app:1"], "Layers": [layer_name]}
    image = opened(tmp_path, {layer_name: BASE, config_name: settings, "manifest.json": dump([item])})
    assert paths(image) == [[b"etc/passwd", b"bin/sh"]]
    assert image.notes == ()


def test_an_unpacked_archive_is_an_image_too(tmp_path: Path) -> None:
    files = saved(BASE, BASE)
    first, second = list(files)[:2]
    del files[second]
    place = write_directory(tmp_path / "unpacked", files)
    Path(place, second).parent.mkdir()
    Path(place, second).symlink_to(f"../{first}")
    assert paths(open_image(place)) == 2 * [[b"etc/passwd", b"bin/sh"]]


def test_a_link_that_leaves_an_unpacked_archive_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(TOP)
    files = saved(BASE, TOP)
    second = list(files)[1]
    del files[second]
    place = write_directory(tmp_path / "unpacked", files)
    Path(place, second).parent.mkdir()
    Path(place, second).symlink_to("../../secret")
    layer = open_image(place).layers[1]
    assert stored_blob(layer) is None
    assert "leaves the directory" in layer.reader.unreadable


@pytest.mark.parametrize("name", ["../secret", "/../secret", "x/../../secret", "\0", "a" * 5000, "sub"])
def test_a_name_never_reaches_beyond_the_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_bytes(TOP)
    files = with_layers(saved(BASE), name)
    place = write_directory(tmp_path / "unpacked", files)
    Path(place, "sub").mkdir()
    with pytest.raises(NotFound, match="none of its 1 layers is there"):
        open_image(place)


@pytest.mark.parametrize("target", ["nowhere", "0" * 64, "manifest.json/x", "../../../etc/passwd", "loop"])
def test_a_link_to_nowhere_is_an_absent_layer(tmp_path: Path, target: str) -> None:
    files = with_layers(saved(BASE), next(iter(saved(BASE))), "loop")
    files |= {"loop": symlink("loop", target), "0" * 64: directory("0" * 64)}
    layer = opened(tmp_path, files).layers[1]
    assert stored_blob(layer) is None
    assert layer.reader.unreadable.startswith("loop is ")
    assert not layer.reader.may_be_missing


def test_a_layer_that_is_not_in_the_archive_is_absent_with_a_reason(tmp_path: Path) -> None:
    files = saved(BASE, TOP)
    name = list(files)[1]
    del files[name]
    image = opened(tmp_path, files)
    assert stored_blob(image.layers[1]) is None
    assert image.layers[1].reader.unreadable == f"{name} is missing"
    assert image.layers[1].diff_id == digest(TOP)


def test_a_layer_named_with_control_characters_is_escaped(tmp_path: Path) -> None:
    files = with_layers(saved(BASE), next(iter(saved(BASE))), "\x1b]0;x\x07")
    assert opened(tmp_path, files).layers[1].reader.unreadable == "\\x1b]0;x\\x07 is missing"


@pytest.mark.parametrize("urls", [["https://example.com/\x1b[2J"], []])
def test_a_foreign_layer_that_is_not_there_says_where_it_is(tmp_path: Path, urls: list[str]) -> None:
    layout = Layout()
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": digest(b"windows"),
        "size": 7,
        "urls": urls,
    }
    own = layout.add(TOP, "application/vnd.oci.image.layer.v1.tar")
    entry = layout.image(settings=config(b"windows", TOP), changes={"layers": [foreign, own]})
    layer = opened(tmp_path, layout.files(entry)).layers[0]
    assert layer.reader.may_be_missing
    assert stored_blob(layer) is None
    assert layer.reader.unreadable.startswith("it is a foreign layer")
    assert ("https://example.com/\\x1b[2J" in layer.reader.unreadable) == bool(urls)


def test_layer_sources_say_that_a_layer_is_foreign(tmp_path: Path) -> None:
    files = saved(BASE, TOP)
    name = next(iter(files))
    del files[name]
    source = {digest(BASE): {"mediaType": "x", "digest": digest(b"z"), "size": 1, "urls": ["https://example.com/base"]}}
    files["manifest.json"] = dump([{**manifest(files)[0], "LayerSources": source}])
    image = opened(tmp_path, files)
    assert [each.reader.may_be_missing for each in image.layers] == [True, False]


def histories(*steps: str) -> list[Json]:
    return [{"created_by": step, "empty_layer": True} if step.islower() else {"created_by": step} for step in steps]


@pytest.mark.parametrize(
    ("steps", "created_by", "note"),
    [
        (["ADD", "env", "COPY", "cmd"], ["ADD", "COPY"], None),
        (["env"], ["", ""], "no history"),
        ([], ["", ""], "no history"),
        (["ADD"], ["ADD", ""], "1 steps for 2 layers"),
        (["ADD", "COPY", "RUN"], ["ADD", "COPY"], "3 steps for 2 layers"),
    ],
)
def test_history_is_laid_beside_the_layers(tmp_path: Path, steps: list[str], created_by: list[str], note: str | None) -> None:
    image = opened(tmp_path, saved(BASE, TOP, settings=config(BASE, TOP, history=histories(*steps))))
    assert [each.created_by for each in image.layers] == created_by
    assert len(image.notes) == (note is not None)
    assert note is None or note in image.notes[0]


@pytest.mark.parametrize("known", [0, 1, 3])
def test_diff_ids_that_do_not_fit_the_layers_are_noted(tmp_path: Path, known: int) -> None:
    diff_ids = [digest(BASE), digest(TOP), digest(b"x")][:known]
    image = opened(tmp_path, saved(BASE, TOP, settings=config(BASE, TOP, rootfs={"diff_ids": diff_ids})))
    assert [each.diff_id is not None for each in image.layers] == [known > 0, known > 1]
    assert [each.chain_id is not None for each in image.layers] == [known > 0, known > 1]
    assert image.notes == (f"the config has {known} diff_ids for 2 layers",)


def test_an_image_without_layers_is_an_image(tmp_path: Path) -> None:
    assert opened(tmp_path, saved()).layers == ()


def test_a_config_that_is_not_what_its_name_says_is_noted(tmp_path: Path) -> None:
    files = saved(BASE)
    name = next(name for name in files if name.endswith(".json"))
    files[name] = config(BASE, author="someone else")
    assert "does not match its name" in opened(tmp_path, files).notes[0]


def test_docker_25_without_a_list_in_its_index_is_read_by_its_manifest(tmp_path: Path) -> None:
    files = saved(BASE, tags=None) | {"index.json": dump({"schemaVersion": 2, "manifests": None})}
    image = opened(tmp_path, files)
    assert (image.name, image.manifest_digest) == ("", None)
    assert paths(image) == [[b"etc/passwd", b"bin/sh"]]


def test_an_image_in_index_and_manifest_is_one_image_with_all_tags(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image(BASE, names={"io.containerd.image.name": "docker.io/library/app:1"})
    files = docker_layout(layout, entry, items=[item(entry, layout, "app:1", "app:2")])
    image = opened(tmp_path, files)
    assert image.manifest_digest == entry["digest"]
    assert image.name == "app:1"
    assert opened(tmp_path, files, ":app:2").name == "app:2"


def test_images_that_only_one_of_index_and_manifest_lists_are_found(tmp_path: Path) -> None:
    layout = Layout()
    mine = layout.image(BASE, names={"org.opencontainers.image.ref.name": "mine"})
    files = docker_layout(layout, mine, items=manifest(saved(TOP, tags=("theirs:1",)))) | {
        name: each for name, each in saved(TOP).items() if name != "manifest.json"
    }
    assert opened(tmp_path, files, ":mine").manifest_digest == mine["digest"]
    assert opened(tmp_path, files, ":theirs:1").config_digest == digest(config(TOP))


def test_platforms_come_from_the_index_of_a_hybrid(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image(BASE, platform={**ARM64, "variant": "v8"})
    files = docker_layout(layout, entry, items=[item(entry, layout, "app:1")])
    assert str(opened(tmp_path, files).platform) == "linux/arm64/v8"


@pytest.mark.parametrize("name", ["index.json", "manifest.json"])
def test_a_damaged_document_beside_a_good_one_is_passed_over_with_a_note(tmp_path: Path, name: str) -> None:
    layout = Layout()
    entry = layout.image(BASE)
    files = docker_layout(layout, entry, items=[item(entry, layout, "app:1")]) | {name: b"{"}
    image = opened(tmp_path, files)
    assert image.notes[0].startswith("skipped: ")
    assert name in image.notes[0]


@pytest.mark.parametrize(
    ("raw", "error", "reason"),
    [
        (b"[]", NotAnImage, "its manifest.json lists no image"),
        (b"null", BadDocument, "manifest.json .*Expected `array`"),
        (b"", BadDocument, "manifest.json is not JSON"),
        (b"{}", BadDocument, "manifest.json is not a list of images"),
        (b'{"config":{},"layers":[]}', BadDocument, "its manifest does not follow the OCI specification"),
        (b'{"name":"an app","icons":[]}', BadDocument, "manifest.json is not a list of images"),
        (b'[{"Config":"none.json","Layers":[]}]', NotFound, "none.json is missing"),
        (b'[{"Config":"manifest.json","Layers":[]}]', BadDocument, "Expected `object`"),
        (b"[" * 100_000, BadDocument, "too deeply"),
    ],
)
def test_a_manifest_without_an_image_is_refused(tmp_path: Path, raw: bytes, error: type[LayerscopeError], reason: str) -> None:
    with pytest.raises(error, match=reason):
        opened(tmp_path, {"manifest.json": raw})


def test_an_archive_from_before_docker_1_10_is_read_along_its_chain(tmp_path: Path) -> None:
    image = opened(tmp_path, legacy(BASE, TOP))
    assert (image.name, str(image.platform), image.notes) == ("old:1", "linux/amd64", (NOTE,))
    assert paths(image) == [[b"etc/passwd", b"bin/sh"], [b"app"]]
    assert [each.created_by for each in image.layers] == ["/bin/sh -c step 0", "/bin/sh -c step 1"]
    assert [each.diff_id for each in image.layers] == [None, None]


@pytest.mark.parametrize("parent", ["0" * 63 + "1", "../../etc", "f" * 64])
def test_a_broken_chain_is_refused(tmp_path: Path, parent: str) -> None:
    files = legacy(BASE, TOP)
    files["0" * 64 + "/json"] = dump({"parent": parent})
    with pytest.raises(LayerscopeError, match=r"chain of layers|is missing"):
        opened(tmp_path, files)


def test_an_unreadable_layer_of_a_directory_says_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    files = saved(BASE, TOP)
    place = write_directory(tmp_path / "unpacked", files)
    Path(place, next(iter(files))).chmod(0)
    assert "Permission denied" in open_image(place).layers[0].reader.unreadable
