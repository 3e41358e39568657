"""What an adversary tried with fleets: images that lie, names that hurt, reports that overwrite."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layerscope.cache.format import seal
from layerscope.fleet.fleet import Fleet
from layerscope.fleet.run import analyze_fleet
from layerscope.fleet.summaries import ImageResult, LayerOfImage, WastedPart, decode_summary, encode_summary
from layerscope.fleet.tasks import HowToRead, LayerTask
from layerscope.fleet.workers import threads
from layerscope.oci.platform import Platform
from layerscope.oci.version_order import version_key
from layerscope.progress import ignore
from layerscope.sources.listing.fleet_query import FleetQuery
from layerscope.sources.listing.found import FoundImages
from layerscope.sources.listing.registry_images import registry_images
from layerscope.sources.location import EngineOptions
from support.commands import ran
from support.engines import registry
from support.fleet_files import MadeImage, lay_archives, lay_registry, made_fleet
from support.forwarding import forwarder
from support.image_builder import Layer, file, image, layer, whiteout

IMAGES = list(made_fleet(3, 1))
LAYERS: tuple[Layer, ...] = (layer(file("p1", b"1" * 9000)), layer(whiteout("p1"), file("p2", b"2" * 500)))


def liar_of(honest: MadeImage, name: str) -> MadeImage:
    """An image that states all that `honest` does, with other bytes in its last layer."""
    return replace(honest, repository=name, config=honest.config.replace(b"linux", b"linuX"))


def document(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    done = ran(capsys, "fleet", *arguments, "--json", "-")
    return done.code, json.loads(done.out)


def lay_lie(top: Path, repository: str) -> None:
    """An archive that states the digest of the first image's last layer for zeros."""
    lay_archives(top, [liar_of(IMAGES[0], repository)])
    path = top / f"{repository}-{IMAGES[0].tag}.tar"
    stored = IMAGES[0].layers[-1].stored
    path.write_bytes(path.read_bytes().replace(stored, bytes(len(stored))))


@pytest.mark.parametrize("repository", ["a-liar/app", "z-liar/app"])
@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["threads", "processes"])
def test_a_lie_changes_nothing_for_others_whatever_the_order(
    repository: str, workers: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_archives(tmp_path / "honest", IMAGES)
    _, truth = document(capsys, tmp_path / "honest", "--analyze")
    lay_archives(tmp_path / "both", IMAGES)
    lay_lie(tmp_path / "both", repository)
    found = [document(capsys, tmp_path / "both", "--analyze", *workers, "--cache", tmp_path / "kept") for _ in range(2)]
    assert found[0] == found[1], "the second run takes what the first kept"
    code, both = found[0]
    honest = {each["name"]: each for each in truth["images"]}
    for each in both["images"]:
        if each["name"] in honest:
            assert each["content_bytes"] == honest[each["name"]]["content_bytes"]
            assert each["wasted_bytes"] == honest[each["name"]]["wasted_bytes"]
    assert code == 0, "of the digest that it states, others hold the right bytes"
    assert both["totals"]["wasted_bytes"] == truth["totals"]["wasted_bytes"]
    assert both["totals"]["unique_bytes"] == truth["totals"]["unique_bytes"]


def test_what_could_not_be_judged_is_in_no_total_and_no_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.tar").write_bytes(image(*LAYERS, tag="good:1"))
    lay_lie(tmp_path, "bad/app")
    code, found = document(capsys, tmp_path, "--analyze")
    assert (code, found["totals"]["failed"]) == (2, 1)
    assert {name for fix in found["fixes"] for name in fix["images"]} == {"good:1"}
    assert found["totals"]["content_bytes"] == 9500


def test_a_size_that_one_image_states_is_not_that_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay_archives(tmp_path, IMAGES)
    path = tmp_path / f"{IMAGES[2].repository}-{IMAGES[2].tag}.tar"
    size = len(IMAGES[2].layers[0].stored)
    content = path.read_bytes()
    assert f'"size": {size}'.encode() in content
    _, before = document(capsys, tmp_path / f"{IMAGES[0].repository}-{IMAGES[0].tag}.tar")
    path.write_bytes(content.replace(f'"size": {size}'.encode(), b'"size": ' + b"9" * len(str(size)), 1))
    _, after = document(capsys, tmp_path)
    shown = {each["name"]: each["stored_bytes"] for each in after["images"]}
    assert shown[before["images"][0]["name"]] == before["images"][0]["stored_bytes"]


@pytest.mark.parametrize("created", ["1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z", ""])
def test_where_a_time_is_not_known_versions_tell_the_newest(
    created: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = IMAGES[0], replace(IMAGES[1], tag="2.0")
    document_of_new = json.loads(new.config) | {"created": created}
    lay_archives(tmp_path, [old, replace(new, config=json.dumps(document_of_new).encode())])
    _, found = document(capsys, tmp_path)
    [superseded] = found["reclaimable"]["reasons"]
    assert [each["name"] for each in superseded["images"]] == ["team-000/app-0000:1.0"]


def test_platforms_of_a_config_reach_no_terminal_unescaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, architecture in enumerate(("am\x1b]0;owned\x07d64", "arm\n64")):
        config = json.loads(IMAGES[number].config) | {"architecture": architecture}
        made = replace(IMAGES[number], tag="1", config=json.dumps(config).encode())
        lay_archives(tmp_path / str(number), [made])
    for options in ((), ("--metrics", "-"), ("--csv", "-"), ("--html", "-"), ("--jsonl",)):
        out = ran(capsys, "fleet", tmp_path, *options).out
        assert "\x1b" not in out, options
        assert "\x07" not in out, options
        assert "arm\n64" not in out, options


@pytest.mark.parametrize("option", ["--json", "--csv", "--metrics", "--html"])
def test_a_report_never_overwrites_an_image(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(*LAYERS))
    (tmp_path / "link").symlink_to(path)
    for name in (path, tmp_path / "link"):
        done = ran(capsys, "fleet", tmp_path, option, name)
        assert (done.code, "would overwrite" in done.err) == (2, True)
    assert path.read_bytes() == image(*LAYERS)
    assert ran(capsys, "fleet", tmp_path, "--json", tmp_path / "one", "--csv", tmp_path / "one").code == 2


def test_numbers_without_end_are_no_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert version_key("9" * 6000) > version_key("8")
    (tmp_path / "long.tar").write_bytes(image(*LAYERS, tag="app:1." + "7" * 5000))
    (tmp_path / "usual.tar").write_bytes(image(*LAYERS, layer("more"), tag="app:2"))
    code, found = document(capsys, tmp_path)
    assert (code, len(found["images"])) == (0, 2)
    done = ran(capsys, "fleet", tmp_path, "--tags", "newest:" + "1" * 5000)
    assert (done.code, "newest:5" in done.err) == (2, True)


def test_layers_that_only_share_a_file_s_name_are_not_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        top = tmp_path / name
        top.mkdir()
        (top / "1").mkdir()
        (top / "1/layer.tar").write_bytes(layer(file(name, name.encode() * 3000)).tar())
        (top / "config.json").write_text(
            json.dumps({"os": "linux", "architecture": "amd64", "config": {"Labels": {"n": name}}})
        )
        (top / "manifest.json").write_text(
            json.dumps([{"Config": "config.json", "RepoTags": [f"{name}:1"], "Layers": ["1/layer.tar"]}])
        )
    _, found = document(capsys, tmp_path)
    assert (found["totals"]["images"], found["totals"]["distinct_layers"], found["bases"]) == (2, 2, [])


def test_results_that_no_run_wrote_count_as_missing() -> None:
    part = WastedPart(1, 2, "deleted", 5, 5, 1, b"a")
    layers = (LayerOfImage("x", 5, ""), LayerOfImage("y", 0, ""))
    sound = ImageResult(10, 5, layers, (part,))
    assert decode_summary(encode_summary(sound, "n"), "n", ImageResult) == sound
    for odd in (
        WastedPart(1, 99, "deleted", 5, 5, 1, b"a"),
        WastedPart(1, 2, "deleted", 5, 5, 0, b"a"),
        WastedPart(1, 2, "\x1b[31m", 5, 5, 1, b"a"),
    ):
        assert decode_summary(encode_summary(ImageResult(10, 5, layers, (odd,)), "n"), "n", ImageResult) is None
    assert decode_summary(seal(b"\x90"), "n", ImageResult) is None


def test_a_cache_without_a_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "image.tar").write_bytes(image(*LAYERS))
    done = ran(capsys, "fleet", tmp_path, "--analyze", "--cache", "")
    assert (done.code, "--cache names no place" in done.err) == (2, True)


def test_a_wrong_diff_id_beside_a_right_digest_harms_its_own_image_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = IMAGES[0]
    config = json.loads(honest.config)
    config["rootfs"]["diff_ids"][-1] = f"sha256:{'0' * 64}"
    lay_archives(tmp_path, [honest, replace(honest, repository="a-liar/app", config=json.dumps(config).encode())])
    code, found = document(capsys, tmp_path, "--analyze")
    liar, true = found["images"]
    assert (code, liar["name"], true["problem"]) == (2, "a-liar/app:1.0", None)
    assert liar["problem"].startswith("layer 12: its diff_id should be")
    assert found["layers"][-1]["problem"] is None


@pytest.mark.slow
def test_a_layer_that_nobody_can_read_is_tried_a_few_times_and_not_for_each_image(tmp_path: Path) -> None:
    images = list(made_fleet(12, 1))
    lay_registry(tmp_path / "registry", images)
    damaged = images[0].layers[3].digest.partition(":")[2]
    (tmp_path / "registry/docker/registry/v2/blobs/sha256" / damaged[:2] / damaged / "data").write_bytes(b"not a layer")
    with (
        registry(storage={"filesystem": {"rootdirectory": str(tmp_path / "registry")}}) as host,
        forwarder(f"http://{host}") as between,
    ):
        fleet = Fleet.of(
            FoundImages.joined(registry_images(between.host, FleetQuery(), options=EngineOptions(), progress=ignore))
        )
        with threads(2) as workers:
            results = analyze_fleet(fleet, workers, HowToRead(str(tmp_path / "results"), is_cached=False))
    asked = [each for each in between.passed if damaged in each.path and each.method == "GET"]
    assert len(asked) <= 4 * 5  # images that are tried, and tries of a line that breaks
    assert {each.problem[:8] for each in results.images.values()} == {"layer 4:"}


def test_what_a_table_of_contents_claims_is_kept_apart() -> None:
    names = {
        LayerTask("x", Platform("linux", "amd64"), 1, "sha256:0", 1, HowToRead("/", trust_toc=trusts)).name
        for trusts in (True, False)
    }
    assert len(names) == 2


@pytest.mark.slow
def test_a_directory_that_is_no_image_is_not_judged_as_a_registry_s_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_registry(tmp_path / "registry", [replace(IMAGES[0], repository="shop/app", tag="latest")])
    with registry(storage={"filesystem": {"rootdirectory": str(tmp_path / "registry")}}) as host:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("LAYERSCOPE_NO_REGISTRY", raising=False)
        name = f"{host}/shop/app"
        assert ran(capsys, "ci", name, "--min-efficiency", "0").code == 0
        Path(name).mkdir(parents=True)
        done = ran(capsys, "ci", name, "--min-efficiency", "0")
        assert (done.code, "is not an image" in done.err, "layerscope fleet" in done.err) == (2, True, True)
        assert ran(capsys, "ci", f"docker://{name}", "--min-efficiency", "0").code == 0
        assert ran(capsys, "ci", f"{name}:latest", "--min-efficiency", "0").code == 0
