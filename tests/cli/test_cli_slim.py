"""`layerscope slim`: what it says, what it writes, and what it leaves alone."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from conftest import requires
from layerscope.cli.main import run
from support.image_builder import Compress, digest, file, image, layer, whiteout, write_layout

LAYERS = (layer(file("a", b"1" * 5000), "b"), layer(file("a", b"2"), file("c", b"3" * 4000)), layer(whiteout("c")))

LIMITED = """
import resource, signal, sys
from layerscope.cli.main import run
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.exit(run(sys.argv[1:]))
"""
"""The command where no file gets larger than 6,000 bytes."""


def saved(place: Path, compress: Compress = "none") -> Path:
    path = place / "image.tar"
    path.write_bytes(image(*LAYERS, compress=compress))
    return path


def listed(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What a container sees of the image at `path`."""
    capsys.readouterr()
    assert run(["ls", str(path)]) == 0
    return capsys.readouterr().out


def test_where_engines_differ_it_says_what_was_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(*LAYERS, layer("d", whiteout("d"))))
    assert run(["slim", str(path), "-o", str(tmp_path / "slim.tar")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Engines unpack the original in different ways (1 warning): compared is what layerscope ls shows." in said
    assert run(["slim", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["engines_differ"] == 1


def test_without_an_output_it_says_what_can_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["slim", str(saved(tmp_path))]) == 0
    out = capsys.readouterr().out
    assert out.startswith("9.00 kB can go (")
    assert "5.00 kB  layer 1: 5.00 kB overwritten" in out
    assert "To push again: layers 1 and 2, " in out
    assert "fetches layers 1 and 2, and unpacks layer 3 again." in out
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["image.tar"]


def test_a_layer_that_is_much_to_push_again_for_little_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(layer(file("a", b"1"), file("b", b"2" * 5000)), layer(whiteout("a"))))
    assert run(["slim", str(path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "kB to push again for 1 B: leave it as it is by naming the others with --layers." in told


def test_what_is_written_is_proved_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "slim.tar"
    assert run(["slim", str(saved(tmp_path)), "-o", str(out), "--proof", str(tmp_path / "proof"), "--json"]) == 0
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert found["schema"] == "layerscope.slim/1"
    assert found["possible_bytes"] == 9000
    assert [each["is_rewritten"] for each in found["written"]["layers"]] == [True, True, False]
    assert found["written"]["proof"]["compared_paths"] == 3
    assert (tmp_path / "proof").read_text() == printed
    assert run(["verify", str(out)]) == 0
    assert listed(out, capsys) == listed(tmp_path / "image.tar", capsys)


def test_a_layout_gives_a_layout_that_other_tools_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requires("skopeo")
    path = write_layout(tmp_path / "layout", *LAYERS, compress="gzip")
    out = tmp_path / "slim"
    assert run(["slim", str(path), "-o", str(out)]) == 0
    done = subprocess.run(["skopeo", "inspect", "--config", f"oci:{out}:latest"], capture_output=True, check=True)
    assert json.loads(done.stdout)["config"]["Cmd"] == ["/bin/sh"]
    subprocess.run(["skopeo", "copy", f"oci:{out}:latest", f"docker-archive:{tmp_path}/copied.tar"], check=True)
    assert listed(tmp_path / "copied.tar", capsys) == listed(path, capsys)


@pytest.mark.parametrize(
    ("tag", "options", "names", "annotations"),
    [
        ("v1", (), [], {"org.opencontainers.image.ref.name": "v1"}),
        ("host/app@sha256:" + "0" * 64, (), [], None),
        (
            "v1",
            ("--tag", "some/name"),
            ["some/name:latest"],
            {"io.containerd.image.name": "docker.io/some/name:latest", "org.opencontainers.image.ref.name": "latest"},
        ),
    ],
)
def test_engines_get_a_name_with_a_tag_or_none(
    tmp_path: Path, tag: str, options: tuple[str, ...], names: list[str], annotations: dict[str, str] | None
) -> None:
    """Docker refuses an archive with a name without a tag."""
    path, out = write_layout(tmp_path / "layout", *LAYERS, tag=tag), tmp_path / "slim.tar"
    assert run(["slim", str(path), "-o", f"docker-archive:{out}", *options]) == 0
    with tarfile.open(out) as archive:
        saved_as, index = (json.load(archive.extractfile(name) or io.BytesIO()) for name in ("manifest.json", "index.json"))
    assert saved_as[0]["RepoTags"] == names
    assert index["manifests"][0].get("annotations") == annotations


def test_a_layer_keeps_its_sha512(tmp_path: Path) -> None:
    path, tar = write_layout(tmp_path / "layout", *LAYERS), LAYERS[2].tar()
    blobs, named = path / "blobs", f"sha512:{hashlib.sha512(tar).hexdigest()}"
    (blobs / "sha512").mkdir()
    (blobs / "sha512" / named.partition(":")[2]).write_bytes(tar)
    index = json.loads((path / "index.json").read_text())
    manifest = (blobs / index["manifests"][0]["digest"].replace(":", "/")).read_text().replace(digest(tar), named, 1).encode()
    index["manifests"][0] |= {"digest": digest(manifest), "size": len(manifest)}
    (blobs / digest(manifest).replace(":", "/")).write_bytes(manifest)
    (path / "index.json").write_text(json.dumps(index))
    for form in ("oci", "docker-archive"):
        assert run(["slim", str(path), "-o", f"{form}:{tmp_path}/{form}"]) == 0
    assert (tmp_path / "oci" / "blobs" / "sha512" / named.partition(":")[2]).read_bytes() == tar


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_every_archive_is_read_by_skopeo(tmp_path: Path, form: str) -> None:
    requires("skopeo")
    out = tmp_path / "slim.tar"
    assert run(["slim", str(saved(tmp_path, "zstd")), "-o", f"{form}:{out}", "--tag", "some/name:2"]) == 0
    done = subprocess.run(["skopeo", "inspect", f"{form}:{out}"], capture_output=True, check=True)
    assert len(json.loads(done.stdout)["Layers"]) == len(LAYERS)


def test_where_there_is_nothing_to_save_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "image.tar", tmp_path / "slim.tar"
    path.write_bytes(image(layer("a")))
    assert run(["slim", str(path), "-o", str(out)]) == 0
    assert capsys.readouterr().out == "Nothing to save: no layer has content that no container sees.\n"
    assert not out.exists()
    assert run(["slim", str(path), "-o", str(out), "--always"]) == 0
    assert run(["verify", str(out)]) == 0


def test_the_bases_layers_stay_unless_they_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path)
    assert run(["slim", str(path), "--base", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("4.00 kB can go (")
    assert "The base's 1 layer stays as it is, with 5.00 kB of waste: --base-too takes it." in out
    assert run(["slim", str(path), "--base", "1", "--base-too"]) == 0
    assert capsys.readouterr().out.startswith("9.00 kB can go (")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "IMAGE"], "-o would overwrite the image itself"),
        (["-o", "IMAGE", "--force"], "-o would overwrite the image itself"),
        (["-o", "THERE"], "is there already; name another file, or give --force"),
        (["-o", "oci:DIRECTORY"], "is a directory with something in it; name another"),
        (["-o", "nowhere/slim.tar"], "cannot be written: No such file or directory"),
        (["-o", "oci:x", "--format", "oci-archive"], "-o says oci, --format oci-archive: give one of them"),
        (["-o", "PIPE", "--force"], "is neither a file nor a directory; name another"),
        (["-o", "-"], "an image is not written to standard output"),
        (["-o", "/dev/stdout", "--force"], "an image is not written to standard output"),
        (["-o", "slim.tar", "--proof", "./slim.tar"], "--proof would overwrite what -o writes"),
        (["-o", "slim.tar", "--tag", "No Name"], "'No Name' is not a valid name"),
        (["-o", "slim.tar", "--tag", "name@sha256:" + "0" * 64], "--tag: give a name without a digest"),
        (["--compression", "gzip:10"], "--compression gzip:10: give gzip[:1 to 9], zstd[:1 to 19] or none"),
        (["--compression", "lz4"], "--compression lz4: give"),
        (["--merge", "3"], "--merge 3: give own or N..M"),
        (["--merge", "2..2"], "--merge 2..2: a layer alone cannot be merged"),
        (["--merge", "3..1"], "--merge 3..1: give own or N..M"),
        (["--merge", "2..3", "--merge", "own"], "--merge own makes one layer of all that are yours"),
        (["--budget", "much"], "--budget much: give a size such as 500MB or 1.5GiB"),
        (["--layers", "0"], "--layers 0: give own or N..M, or N"),
        (["--layers", "1..9999"], "--layers: there is no layer 9999, the image has 3"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_changes_nothing(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, there = saved(tmp_path), tmp_path / "there"
    there.write_text("something")
    os.mkfifo(tmp_path / "pipe")
    named = {"IMAGE": path, "THERE": there, "DIRECTORY": tmp_path, "PIPE": tmp_path / "pipe"}
    spelled = [each.replace(name, str(place)) for each in arguments for name, place in named.items() if name in each]
    plain = [each for each in arguments if not any(name in each for name in named)]
    before = path.read_bytes()
    assert run(["slim", str(path), *plain[:1], *spelled, *plain[1:]]) == 2
    assert words in capsys.readouterr().err
    assert path.read_bytes() == before
    assert there.read_text() == "something"
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("place", ["index.json", "blobs/sha256/LAYER", "new.tar"])
@pytest.mark.parametrize("option", ["-o", "--proof"])
def test_nothing_is_written_into_the_images_own_layout(
    place: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_layout(tmp_path / "layout", *LAYERS)
    place = place.replace("LAYER", digest(LAYERS[0].tar()).partition(":")[2])
    before = {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}
    out = ("-o", f"docker-archive:{path}/{place}") if option == "-o" else ("-o", f"{tmp_path}/o", "--proof", f"{path}/{place}")
    assert run(["slim", str(path), *out, "--force"]) == 2
    assert f"{option} would write into the image itself" in capsys.readouterr().err
    assert {each: each.read_bytes() for each in path.rglob("*") if each.is_file()} == before


def test_a_damaged_image_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "image.tar", tmp_path / "slim.tar"
    path.write_bytes(image(*LAYERS).replace(b"1" * 5000, b"1" * 4999 + b"0"))
    assert run(["slim", str(path), "-o", str(out)]) == 2
    assert "layer 1: " in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir() if each.name != "cache"] == ["image.tar"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    path, place = saved(tmp_path), tmp_path / "place"
    place.mkdir()
    (place / "slim.tar").write_text("as before")
    command = [sys.executable, "-c", LIMITED, "slim", str(path), "-o", str(place / "slim.tar"), "--force", "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("slim.tar cannot be written: File too large\n")
    assert [each.name for each in place.iterdir()] == ["slim.tar"]
    assert (place / "slim.tar").read_text() == "as before"


def test_the_platform_stays_with_the_version_and_features_of_its_system(tmp_path: Path) -> None:
    path = write_layout(tmp_path / "layout", *LAYERS)
    index = json.loads((path / "index.json").read_text())
    stated = {"architecture": "arm", "os": "windows", "os.version": "10.0.1", "os.features": ["win32k"], "variant": "v6"}
    index["manifests"][0]["platform"] = stated
    (path / "index.json").write_text(json.dumps(index))
    assert run(["slim", str(path), "-o", f"oci:{tmp_path}/slim"]) == 0
    written = json.loads((tmp_path / "slim/index.json").read_text())
    assert written["manifests"][0]["platform"] == stated


def test_layers_become_one_or_go_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "image.tar", tmp_path / "slim.tar"
    path.write_bytes(image(*LAYERS, layer(), layer("d")))
    assert run(["slim", str(path), "--merge", "2..3", "--drop-empty", "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Layers 2 and 3 become one layer." in said
    assert "Layer 4 is empty then, and goes with its step of the history." in said
    assert "in 3 layers, id " in said
    assert listed(out, capsys) == listed(path, capsys)
    assert run(["verify", str(out)]) == 0
    capsys.readouterr()
    assert run(["slim", str(path), "--merge", "own", "--layers", "2..4", "--layers", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["is_merged"] for each in found["layers"]] == [False, True, True, True, True]


def test_what_merging_would_save_is_said_where_it_is_worth_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path)
    assert run(["slim", str(path), "--only", "moved"]) == 0
    assert "Merging layers 1 to 3 (--merge own) would save ≈ " in " ".join(capsys.readouterr().out.split())
    assert run(["slim", str(path), "--only", "moved", "--json"]) == 0
    (saving,) = json.loads(capsys.readouterr().out)["merging"]
    assert (saving["first"], saving["last"]) == (1, 3)
    assert saving["saved_bytes"] > 9000


def test_an_image_that_merging_makes_larger_is_written_only_where_that_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = b" ".join(b"%d" % (number * number) for number in range(20_000))
    path = write_layout(tmp_path / "layout", layer(file("a", numbers)), layer("b"), layer("c"), compress="zstd")
    small, out = tmp_path / "small", tmp_path / "out"
    assert run(["slim", str(path), "--merge", "1..2", "--compression", "zstd:19", "-o", str(small)]) == 0
    command = ["slim", str(small), "--merge", "own", "-o", str(out)]
    assert run(command) == 2
    assert "merged, the image would be larger, by " in capsys.readouterr().err
    assert not out.exists()
    assert run([*command, "--always"]) == 0
    assert "Layers 1 and 2 got no smaller by being merged: " in capsys.readouterr().out


def test_a_budget_is_reached_or_it_is_said_with_what_it_would_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = saved(tmp_path), tmp_path / "slim.tar"
    assert run(["slim", str(path), "--budget", "1GB", "-o", str(out)]) == 0
    assert capsys.readouterr().out == "Nothing to do.\nThe image has 30.7 kB, at most 1.00 GB as it is.\n"
    assert run(["slim", str(path), "--budget", "26kB", "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "To push again: layer 1, " in said
    assert out.exists()
    assert run(["slim", str(path), "--budget", "1kB", "--base", "1"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "--budget 1.00 kB is not reached: the least is ≈ " in said
    assert "further options: --base-too (its layers have 5.00 kB of waste), " in said
    assert run(["slim", str(path), "--budget", "1kB", "-o", str(out), "--force"]) == 1
    assert "--budget 1.00 kB is not reached: the least is " in capsys.readouterr().err
    assert run(["slim", str(path), "--budget", "20kB", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["budget"]["is_reached"] is False
