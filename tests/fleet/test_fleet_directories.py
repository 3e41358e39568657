"""`layerscope fleet DIRECTORY`: what is found below it, what it is called, and what opens it."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.commands import ran, written
from support.fleets import check_references, fleet_json, names
from support.image_builder import file, layer, write_layout
from support.sources_build import (
    AMD64,
    ARM64,
    REF_NAME,
    Layout,
    dump,
    layer_tar,
    manifest,
    saved,
    write_directory,
    write_tar,
)

BASE = layer(file("base", b"1" * 4000))
OWN, OTHER = layer(file("own", b"2" * 8000)), layer(file("other", b"3" * 9000))


def test_archives_and_layouts_at_any_depth_are_found_in_the_order_of_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("b/deep/er", "a"):
        (tmp_path / place).mkdir(parents=True)
    written(tmp_path / "b/deep/er/web.tar", BASE, OWN, tag="shop/web:1")
    written(tmp_path / "a/base.tar", BASE, tag="base:1")
    written(tmp_path / "with-no-ending", BASE, OTHER, tag="shop/app:1")
    write_layout(tmp_path / "a/layout", BASE, OWN, OTHER, tag="v1", compress="zstd")
    (tmp_path / "notes.txt").write_text("no image")
    found = fleet_json(capsys, tmp_path)
    assert names(found) == ["base:1", "layout:v1", "shop/app:1", "shop/web:1"]
    assert [each["reference"] for each in found["images"]] == [
        *(str(tmp_path / each) for each in ("a/base.tar", "a/layout", "with-no-ending", "b/deep/er/web.tar")),
    ]
    assert (found["failed"], found["skipped"]) == ([], [])
    check_references(found)


def test_what_is_no_image_is_told_and_what_is_damaged_makes_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = written(tmp_path / "good.tar", BASE, OWN, tag="good:1")
    (tmp_path / "cut.tar").write_bytes(good.read_bytes()[:9000])
    (tmp_path / "empty.tar").write_bytes(b"")
    (tmp_path / "nothing-in-it.tar").write_bytes(bytes(10240))
    (tmp_path / "files.tar").write_bytes(layer_tar("a", "b"))
    (tmp_path / "text.tar.gz").write_text("words")
    (tmp_path / "text").write_text("words")
    os.mkfifo(tmp_path / "pipe.tar")
    found = fleet_json(capsys, tmp_path, code=2)
    assert names(found) == ["good:1"]
    assert [Path(each.split()[0]).name for each in found["failed"]] == ["cut.tar"]
    assert [Path(each.split()[0]).name for each in found["skipped"]] == [
        *("empty.tar", "files.tar", "nothing-in-it.tar", "text.tar.gz")
    ]
    assert found["totals"]["failed"] == 1


def test_a_directory_without_images_says_so_and_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "fleet", tmp_path)
    assert (done.code, done.lines[0], done.err) == (0, "0 images, 0 layers, 0 of them distinct", "")
    assert ran(capsys, "fleet", tmp_path / "none").code == 2


def test_links_lead_to_files_but_never_to_directories_and_no_file_is_read_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for each in (inside, outside):
        each.mkdir()
    archive = written(outside / "app.tar", BASE, tag="app:1")
    written(outside / "other.tar", OTHER, tag="other:1")
    (inside / "again").symlink_to(inside)
    (inside / "beside").symlink_to(outside)
    (inside / "soft.tar").symlink_to(archive)
    (inside / "hard.tar").hardlink_to(archive)
    (inside / "lost.tar").symlink_to("nowhere")
    found = fleet_json(capsys, inside, code=2)
    assert names(found) == ["app:1"]
    assert found["images"][0]["reference"] == str(inside / "hard.tar")
    assert found["failed"] == [f"{inside}/lost.tar cannot be read: No such file or directory"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that any user may reach, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Run as a user who may not read everything."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_what_may_not_be_read_is_a_problem_each(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(place / "app.tar", BASE, tag="app:1")
    written(place / "secret.tar", OWN, tag="secret:1").chmod(0)
    (place / "closed").mkdir(mode=0)
    with as_nobody():
        found = fleet_json(capsys, place, code=2)
    assert names(found) == ["app:1"]
    assert found["failed"] == [f"{place}/{name} cannot be read: Permission denied" for name in ("closed", "secret.tar")]


def test_a_damaged_layout_is_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write_layout(tmp_path / "lay", BASE)
    (place / "index.json").write_text("{")
    written(place / "blobs/app.tar", OWN, tag="no:image")
    found = fleet_json(capsys, tmp_path, code=2)
    assert (found["images"], len(found["failed"]), found["skipped"]) == ([], 1, [])


def test_a_directory_with_a_file_that_is_named_as_a_layouts_document_is_no_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/manifest.json").write_text('{"name": "a web app", "icons": []}')
    (tmp_path / "manifest.json").write_text('{"name": "another"}')
    written(tmp_path / "web/app.tar", BASE, tag="app:1")
    found = fleet_json(capsys, tmp_path)
    assert (names(found), found["failed"]) == (["app:1"], [])
    assert found["skipped"] == [f"{tmp_path}{place}: manifest.json is not a list of images" for place in ("/web", "")]


def test_an_image_in_several_places_is_one_with_all_of_its_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "copies").mkdir()
    written(tmp_path / "a.tar", BASE, OWN, tag="docker.io/shop/app:2")
    written(tmp_path / "copies/b.tar", BASE, OWN, tag="shop/app:2")
    written(tmp_path / "copies/c.tar", BASE, OWN, tag="registry.example.com/shop/app:stable")
    written(tmp_path / "base.tar", BASE, tag="docker.io/library/base:1")
    found = fleet_json(capsys, tmp_path)
    assert [each["names"] for each in found["images"]] == [["base:1"], ["shop/app:2", "registry.example.com/shop/app:stable"]]
    assert found["images"][1]["own_bytes"] > 0
    assert found["totals"]["stored_bytes"] == sum(each["stored_bytes"] for each in found["images"])
    check_references(found)


def test_one_archive_under_several_spellings_is_one_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "app.tar", BASE, OWN, tag="app:1")
    found = fleet_json(
        capsys, ".", "app.tar", "./app.tar", tmp_path / "app.tar", f"../{tmp_path.name}/app.tar", "app.tar:app:1"
    )
    assert len(found["images"]) == 1
    assert found["images"][0]["own_bytes"] == found["totals"]["unique_stored_bytes"] > 12000


def test_images_of_one_name_are_told_apart_by_platform_else_by_place_else_by_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, own in (("jan/out", OWN), ("feb/out", OTHER)):
        (tmp_path / place).mkdir(parents=True)
        written(tmp_path / place / "app.tar", BASE, own, tag="app:1")
    layout = Layout()
    tag = {REF_NAME: "1"}
    both = [layout.image(layer_tar(name), platform=each, names=tag) for name, each in (("a", AMD64), ("b", ARM64))]
    write_directory(tmp_path / "lay", layout.files(*both))
    layout = Layout()
    write_directory(tmp_path / "twins", layout.files(*(layout.image(layer_tar(each), names=tag) for each in ("c", "d"))))
    found = fleet_json(capsys, tmp_path)
    told = names(found)
    assert len(set(told)) == len(told)
    assert told[:4] == ["app:1 (feb/out/app.tar)", "app:1 (jan/out/app.tar)", "lay:1 linux/amd64", "lay:1 linux/arm64"]
    assert sorted(told[4:]) == sorted(f"twins:1 ({each['id'].removeprefix('sha256:')[:12]})" for each in found["images"][4:])
    check_references(found)


def test_a_tag_of_a_layout_is_a_build_of_that_layout_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, tag, own in (("a", "1", OWN), ("b", "2", OTHER)):
        write_layout(tmp_path / place / "image", BASE, own, tag=tag)
    found = fleet_json(capsys, tmp_path)
    assert names(found) == ["image:1", "image:2"]
    assert found["reclaimable"]["images"] == 0


def test_the_same_layout_image_in_two_layouts_has_the_name_that_it_has_in_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_layout(tmp_path / "a", BASE, tag="1")
    write_layout(tmp_path / "b", BASE, tag="2")
    found = fleet_json(capsys, tmp_path)
    assert [each["names"] for each in found["images"]] == [["a:1", "b:2"]]
    assert found["images"][0]["reference"] == str(tmp_path / "a")


def test_a_reference_is_as_short_as_is_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    layout = Layout()
    tags = ("one", "two", "two")
    images = [layout.image(layer_tar(str(each)), names={REF_NAME: tag}) for each, tag in enumerate(tags)]
    write_directory(tmp_path / "lay", layout.files(*images))
    written(tmp_path / "docker:app.tar", BASE, tag="docker.io/library/app:1")
    found = fleet_json(capsys, ".")
    told = {each["reference"].partition(":sha256")[0] for each in found["images"]}
    assert told == {"./docker:app.tar", "lay:one", "lay"}
    check_references(found)


def test_a_platform_that_is_asked_for_is_in_the_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout()
    index = layout.index(*(layout.image(layer_tar(each["architecture"]), platform=each) for each in (AMD64, ARM64)))
    write_directory(tmp_path / "lay", layout.files(index))
    for platform in ("linux/arm64", "linux/amd64"):
        found = fleet_json(capsys, tmp_path, "--platform", platform)
        assert [each["platform"] for each in found["images"]] == [platform]
        check_references(found)
    assert len(fleet_json(capsys, tmp_path)["images"]) == 2


def test_the_order_of_places_does_not_change_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = [written(tmp_path / f"{number}.tar", BASE, layer(file("n", bytes(number))), tag="app:1") for number in range(6)]
    places.append(written(tmp_path / "again.tar", BASE, layer(file("n", bytes(3))), tag="again:1"))
    expected = fleet_json(capsys, tmp_path)
    assert len(expected["images"]) == 6
    random.Random(3).shuffle(places)
    assert fleet_json(capsys, *places) == expected


TAGS = st.sampled_from(["app:1", "docker.io/shop/app:2", "shop/app:2", "registry.example.com:5000/a/b:1", "latest", "1", "2"])
STACK = st.lists(st.sampled_from("abcde"), min_size=1, max_size=3).map(tuple)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["x", "a/x", "b/x", "b/y z", "ü"]),
            st.booleans(),
            st.lists(st.tuples(STACK, st.lists(TAGS, max_size=2, unique=True), st.booleans()), min_size=1, max_size=3),
        ),
        max_size=4,
        unique_by=lambda each: each[0],
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_reference_opens_its_image(
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    places: list[tuple[str, bool, list[tuple[tuple[str, ...], list[str], bool]]]],
) -> None:
    top = tmp_path_factory.mktemp("places")
    for name, is_archive, images in places:
        layout = Layout()
        entries = []
        for stack, tags, is_arm in images:
            entry = layout.image(*map(layer_tar, stack), platform=ARM64 if is_arm else AMD64)
            entries += [{**entry, "annotations": {REF_NAME: tag}} for tag in tags] or [entry]
        files = layout.files(*entries)
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        if is_archive:
            write_tar(top / f"{name}.tar", files)
        else:
            write_directory(top / name, files)
    found = fleet_json(capsys, top)
    check_references(found)
    told = [each["name"] for each in found["images"]]
    assert len(set(told)) == len(told)
    wanted = {(stack, is_arm) for _, _, images in places for stack, _, is_arm in images}
    assert len(told) == len(wanted)
    assert len({each["exact_reference"] for each in found["images"]}) == len(told)


def test_a_classic_archive_of_several_images_is_opened_by_tags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (saved(layer_tar(each), tags=(f"docker.io/shop/{each}:1",)) for each in ("a", "b"))
    items = [*manifest(one), *manifest(two)]
    items[1]["Layers"] = ["second/layer.tar"]
    own = {"second/layer.tar": layer_tar("b"), items[1]["Config"]: two[items[1]["Config"]]}
    write_tar(tmp_path / "both.tar", {**one, **own, "manifest.json": dump(items)})
    found = fleet_json(capsys, tmp_path)
    assert [each["reference"] for each in found["images"]] == [f"{tmp_path}/both.tar:shop/{each}:1" for each in ("a", "b")]
    check_references(found)
