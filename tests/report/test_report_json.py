"""`layerscope.analysis/1`, key by key: what scripts rely on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from layerscope.report.encode import json_line
from support.commands import ran, written
from support.image_builder import digest, directory, file, hardlink, image, layer, symlink, write_layout
from support.sources_build import Layout, config, dump, layer_tar, saved, tar, write_directory

LAYERS = (
    layer(
        file("a", b"1" * 10),
        "d/",
        file("d/x", b"2" * 20),
        file("keep", b"3" * 5),
        file("run", b"4" * 7, mode=0o600),
        hardlink("hard", "keep"),
        file("deep/er/leaf", b"5" * 100),
    ),
    layer(file("a", b"x" * 12), ".wh.d", file("run", b"4" * 7, mode=0o755), file("copy", b"5" * 100)),
)


def document(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    done = ran(capsys, *arguments, "--json", "-")
    return json.loads(done.out)


def test_the_document_says_its_schema_and_has_these_keys(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, archive)
    assert found["schema"] == "layerscope.analysis/1"
    assert set(found) >= {"schema", "image", "layers", "waste", "duplicates", "dive", "problems"}


def test_the_image_is_described(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, archive)["image"]
    assert found["reference"] == str(archive)
    assert found["name"] == "test:1"
    assert found["id"] == digest(dump(found["config"]))
    assert found["platform"] == "linux/amd64"
    assert found["created"] == "2024-01-01T00:00:00Z"
    assert (found["layers"], found["entries"], found["files"]) == (2, 10, 6)
    assert (found["content_bytes"], found["live_bytes"], found["wasted_bytes"]) == (261, 224, 37)
    assert found["wire_bytes"] == sum(len(each.tar()) for each in LAYERS)
    assert found["efficiency"] == 224 / 261
    assert found["is_complete"] is True


def test_the_config_is_there_whole(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, archive)["image"]["config"] == {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(each.tar()) for each in LAYERS]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"step {number}"} for number in (1, 2)],
    }


def test_each_layer_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "image.tar").write_bytes(image(*LAYERS, fmt="oci", compress="gzip"))
    found = document(capsys, tmp_path / "image.tar")["layers"]
    diff_ids = [digest(each.tar()) for each in LAYERS]
    chain = "sha256:" + hashlib.sha256(" ".join(diff_ids).encode()).hexdigest()
    assert [each["number"] for each in found] == [1, 2]
    assert [each["diff_id"] for each in found] == diff_ids
    assert [each["chain_id"] for each in found] == [diff_ids[0], chain]
    assert all(each["digest"].startswith("sha256:") and each["digest"] != each["diff_id"] for each in found)
    assert [each["media_type"] for each in found] == ["application/vnd.oci.image.layer.v1.tar+gzip"] * 2
    assert [each["created_by"] for each in found] == ["step 1", "step 2"]
    assert [each["content_bytes"] for each in found] == [142, 119]
    assert [each["wasted_bytes"] for each in found] == [37, 0]
    assert [(each["added"], each["modified"], each["removed"]) for each in found] == [(10, 0, 0), (1, 2, 2)]
    assert all(0 < each["wire_bytes"] < each["unpacked_bytes"] for each in found)


def test_waste_is_listed_biggest_first_and_summed_by_cause(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, archive)["waste"] == {
        "by_cause": {"overwritten": 10, "metadata": 7, "identical": 0, "deleted": 20, "moved": 0, "shadowed": 0},
        "items": [
            {"path": "/d/x", "bytes": 20, "cause": "deleted", "written_by": 1, "buried_by": 2, "is_base": None},
            {"path": "/a", "bytes": 10, "cause": "overwritten", "written_by": 1, "buried_by": 2, "is_base": None},
            {"path": "/run", "bytes": 7, "cause": "metadata", "written_by": 1, "buried_by": 2, "is_base": None},
        ],
    }


def test_content_alive_at_several_paths_is_a_duplicate_and_hard_links_are_not(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert document(capsys, archive)["duplicates"] == [
        {"bytes": 100, "copies": 2, "extra_bytes": 100, "paths": ["/copy", "/deep/er/leaf"]}
    ]


def test_dives_figures_are_under_dives_names(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, archive)["dive"]
    assert set(found) >= {"efficiencyScore", "inefficientBytes", "userWastedPercent", "sizeBytes"}
    assert found["sizeBytes"] == 261


def test_figures_of_dives_that_are_no_numbers_are_null_and_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, written(tmp_path / "image.tar", layer("d/")))
    assert found["dive"]["userWastedPercent"] is None
    assert "NaN" in found["dive"]["note"]


def test_an_undamaged_image_has_no_problems(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, archive)["problems"] == []


def test_a_problem_names_layer_and_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = layer_tar("a", "b")
    (tmp_path / "image.tar").write_bytes(tar(saved(layer_tar("x/", "x/.wh."), raw[:520])))
    found = document(capsys, tmp_path / "image.tar")
    assert [(each["layer"], each["path"], each["is_fatal"]) for each in found["problems"]] == [
        (1, "/x/.wh.", False),
        (2, None, True),
    ]
    assert all(isinstance(each["problem"], str) for each in found["problems"])
    assert found["image"]["is_complete"] is False


def test_an_image_without_layers_is_all_live(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, written(tmp_path / "image.tar"))
    assert (found["image"]["layers"], found["image"]["content_bytes"], found["image"]["efficiency"]) == (0, 0, 1)
    assert (found["layers"], found["waste"]["items"]) == ([], [])


def test_what_is_not_known_is_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = layer_tar("a")
    (tmp_path / "image.tar").write_bytes(tar(saved(raw, settings=dump({"os": None, "history": None}))))
    found = document(capsys, tmp_path / "image.tar")
    assert found["image"]["created"] is None
    assert found["image"]["config"] == {"os": None, "history": None}
    assert (found["layers"][0]["diff_id"], found["layers"][0]["chain_id"]) == (None, None)
    assert found["layers"][0]["created_by"] == ""
    assert found["base"] == {"layers": None, "name": None, "wasted_bytes": None, "own_wasted_bytes": 0}


def test_a_layer_that_is_not_there_has_no_compression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write_layout(tmp_path, layer("a"), layer("b"))
    (place / "blobs/sha256" / digest(layer("b").tar()).removeprefix("sha256:")).unlink()
    found = document(capsys, place)
    assert [each["compression"] for each in found["layers"]] == ["none", None]
    assert [(each["layer"], each["is_fatal"]) for each in found["problems"]] == [(2, True)]


def test_waste_of_the_base_is_told_apart(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, archive, "--base", "1")
    assert found["base"] == {"layers": 1, "name": None, "wasted_bytes": 0, "own_wasted_bytes": 37}


def test_the_sums_agree_for_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "demo")
    whole = found["image"]
    assert whole["content_bytes"] == whole["live_bytes"] + whole["wasted_bytes"]
    assert whole["content_bytes"] == sum(each["content_bytes"] for each in found["layers"])
    assert whole["wire_bytes"] == sum(each["wire_bytes"] for each in found["layers"])
    assert whole["wasted_bytes"] == sum(found["waste"]["by_cause"].values())
    for cause, size in found["waste"]["by_cause"].items():
        assert size == sum(item["bytes"] for item in found["waste"]["items"] if item["cause"] == cause)
    for each in found["layers"]:
        number = each["number"]
        assert each["wasted_bytes"] == sum(it["bytes"] for it in found["waste"]["items"] if it["written_by"] == number)
        assert each["buries_bytes"] == sum(it["bytes"] for it in found["waste"]["items"] if it["buried_by"] == number)


def test_a_path_that_is_not_utf8_has_escapes_and_its_bytes_in_base64(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(capsys, written(tmp_path / "image.tar", layer(file(b"caf\xe9", b"12")), layer(b".wh.caf\xe9")))
    (item,) = found["waste"]["items"]
    assert (item["path"], item["path_base64"]) == ("/caf\\xe9", "L2NhZuk=")


def test_annotations_of_the_manifest_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout()
    place = write_directory(tmp_path, layout.files(layout.image(layer_tar("a"), changes={"annotations": {"k": "v"}})))
    assert document(capsys, place)["image"]["annotations"] == {"k": "v"}


def test_the_document_is_one_line(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ran(capsys, archive, "--json", "-").out
    assert out.count("\n") == 1
    assert out.endswith("}\n")


def test_a_config_over_many_lines_makes_one_line_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = layer_tar("a")
    settings = json.dumps(json.loads(config(raw)), indent=4).encode()
    (tmp_path / "image.tar").write_bytes(tar(saved(raw, settings=settings)))
    assert ran(capsys, tmp_path / "image.tar", "--json", "-").out.count("\n") == 1


@pytest.mark.parametrize("text", ["plain", "é日🐳", "\x1b[31m\x7f\x9b\n", "\u202e\u200b\u2028", "\U000e0041\ue000", '"\\'])
def test_json_that_hides_nothing_reads_back_the_same(text: str) -> None:
    line = json_line({"path": text})
    assert json.loads(line) == {"path": text}
    assert line.endswith(b"}\n")
    assert line[:-1].decode().isprintable()


def test_directories_and_links_waste_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = written(tmp_path / "image.tar", layer("d/", symlink("l", "d")), layer(directory("d", mode=0o700), ".wh.l"))
    assert document(capsys, place)["waste"]["items"] == []
