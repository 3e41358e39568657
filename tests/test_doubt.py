"""What an image's documents say and its bytes do not hold: the gate gives no verdict, `verify` fails, a report says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from build import digest
from commands import ran
from sources_build import Files, Json, Layout, config, docker_layout, dump, layer_tar, saved, tar, write_tar

BASE, TOP, OTHER = layer_tar("etc/os-release"), layer_tar("app/main"), layer_tar("app/other")
NAME = {"io.containerd.image.name": "docker.io/library/app:1"}


def entries(files: Files) -> list[Json]:
    """What `manifest.json` says."""
    content = files["manifest.json"]
    assert isinstance(content, bytes)
    found: list[Json] = json.loads(content)
    return found


def item(layout: Layout, entry: Json, *, layers: list[bytes] | None = None) -> Json:
    """What `manifest.json` says of an image of a layout, perhaps with other layers."""
    document: Any = json.loads(layout.blobs[entry["digest"]])
    digests = [each["digest"] for each in document["layers"]] if layers is None else [digest(each) for each in layers]
    names = ["blobs/" + each.replace(":", "/") for each in (document["config"]["digest"], *digests)]
    return {"Config": names[0], "RepoTags": ["app:1"], "Layers": names[1:]}


def hybrid(*layers: bytes) -> Files:
    """An archive as Docker 25 writes it, whose `manifest.json` gives the same image these layers."""
    layout = Layout()
    entry = layout.image(BASE, TOP, names=NAME)
    for each in layers:
        layout.add(each, "")
    return docker_layout(layout, entry, items=[item(layout, entry, layers=list(layers))])


def rivals() -> Files:
    """An archive whose two documents lead to two images of one name, for two platforms."""
    layout = Layout()
    entry = layout.image(BASE, TOP, names={"io.containerd.image.name": "app:1"})
    theirs = saved(
        BASE, OTHER, tags=("app:1",), settings=config(BASE, OTHER, platform={"os": "linux", "architecture": "s390x"})
    )
    return {**theirs, **docker_layout(layout, entry, items=entries(theirs))}


def unreadable_entry() -> Files:
    """An archive whose `manifest.json` gives the image a config that is not there."""
    layout = Layout()
    entry = layout.image(BASE, TOP, names=NAME)
    return docker_layout(layout, entry, items=[{**item(layout, entry), "Config": "blobs/sha256/" + "0" * 64}])


def described(**wrong: Any) -> Files:
    """A layout in which the descriptor of the first layer says something wrong."""
    layout = Layout()
    layers = [{**layout.add(each, "application/vnd.oci.image.layer.v1.tar"), **wrong} for each in (BASE,)]
    return layout.files(layout.image(settings=config(BASE), changes={"layers": layers}))


def documents(change: Callable[[Layout, Json], Json]) -> Files:
    """A layout of an index in an index, of which something was changed."""
    layout = Layout()
    entry = layout.image(BASE, TOP)
    return layout.files(change(layout, entry))


def longer(layout: Layout, content: str) -> None:
    """Add a blank to a blob."""
    layout.blobs[content] += b" "


def longer_index(layout: Layout, entry: Json) -> Json:
    nested = layout.index(entry)
    longer(layout, nested["digest"])
    return nested


def longer_manifest(layout: Layout, entry: Json) -> Json:
    longer(layout, entry["digest"])
    return entry


def longer_config(layout: Layout, entry: Json) -> Json:
    longer(layout, digest(config(BASE, TOP)))
    return entry


def other_config(layout: Layout, entry: Json) -> Json:
    """As long as before."""
    name = digest(config(BASE, TOP))
    layout.blobs[name] = layout.blobs[name].replace(b"linux", b"linuX")
    return entry


def with_diff_ids(*diff_ids: bytes) -> Files:
    return saved(
        BASE, TOP, settings=config(BASE, TOP, rootfs={"type": "layers", "diff_ids": [digest(each) for each in diff_ids]})
    )


def misnamed_config() -> Files:
    files = saved(BASE)
    name = next(name for name in files if name.endswith(".json") and name != "manifest.json")
    return {**files, name: config(BASE, author="someone else")}


WRONG: dict[str, tuple[Callable[[], Files], str]] = {
    "another layer in manifest.json": (lambda: hybrid(BASE, OTHER), "name different layers for this image: layer 2 is blobs/"),
    "other order in manifest.json": (lambda: hybrid(TOP, BASE), "name different layers for this image: layer 1 is blobs/"),
    "fewer layers in manifest.json": (lambda: hybrid(BASE), "name different layers for this image: 2 and 1"),
    "another image in manifest.json": (rivals, "index.json and manifest.json name different images for "),
    "an unreadable image in manifest.json": (unreadable_entry, "index.json and manifest.json name different images for "),
    "an unreadable manifest.json": (lambda: {**hybrid(BASE, TOP), "manifest.json": b"{"}, "passed over: "),
    "an unreadable index.json": (lambda: {**hybrid(BASE, TOP), "index.json": b"{"}, "passed over: "),
    "one diff_id for two layers": (lambda: with_diff_ids(BASE), "the config has 1 diff_ids for 2 layers"),
    "three diff_ids for two layers": (lambda: with_diff_ids(BASE, TOP, OTHER), "the config has 3 diff_ids for 2 layers"),
    "no diff_ids": (with_diff_ids, "the config has 0 diff_ids for 2 layers"),
    "a layer's size": (lambda: described(size=len(BASE) - 1), f"layer 1 is stored in {len(BASE)} bytes where the manifest"),
    "an index's digest": (lambda: documents(longer_index), "the index does not match its digest sha256:"),
    "an index's size": (lambda: documents(longer_index), " where its descriptor says "),
    "a manifest's digest": (lambda: documents(longer_manifest), "the manifest does not match its digest sha256:"),
    "a manifest's size": (lambda: documents(longer_manifest), "the manifest has "),
    "a config's digest": (lambda: documents(other_config), "the config does not match its digest sha256:"),
    "a config's size": (lambda: documents(longer_config), "the config has "),
    "a config's name": (misnamed_config, "the config does not match its name "),
}


@pytest.mark.parametrize(("files", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_the_gate_gives_no_verdict_where_documents_are_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: Callable[[], Files], sentence: str
) -> None:
    path = write_tar(tmp_path / "image.tar", files())
    gate = ran(capsys, "ci", path)
    assert (gate.code, sentence in gate.err, "PASSED" in gate.out) == (2, True, False)
    report = ran(capsys, path, "--text")
    assert (report.code, sentence in " ".join(report.out.split())) == (0, True)
    told = [each for each in json.loads(ran(capsys, path, "--json", "-").out)["problems"] if sentence in each["problem"]]
    assert [(each["severity"], each["is_fatal"]) for each in told] == [("refused", False)]
    verified = ran(capsys, "verify", path)
    assert verified.code == 1, verified.out


def test_two_documents_that_say_the_same_are_no_doubt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "ci", write_tar(tmp_path / "image.tar", hybrid(BASE, TOP)), "--min-efficiency", "0").code == 0


def test_two_documents_may_name_the_same_bytes_differently(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = hybrid(BASE, TOP)
    listed = entries(files)
    copies = {f"copy/{number}/layer.tar": each for number, each in enumerate((BASE, TOP))}
    listed[0]["Layers"] = list(copies)
    path = write_tar(tmp_path / "image.tar", {**files, **copies, "manifest.json": dump(listed)})
    assert ran(capsys, "ci", path).code == 0


@pytest.mark.parametrize("harm", [lambda raw: raw[:-9000], lambda raw: raw.rstrip(b"\0") + b"\1" * 700], ids=["cut", "garbage"])
def test_an_archive_that_ends_early_or_in_garbage_is_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[bytes], bytes]
) -> None:
    files = saved(BASE, TOP)
    path = tmp_path / "image.tar"
    path.write_bytes(harm(tar({**files, "later": bytes(8192)})))
    assert [ran(capsys, "ci", path).code, ran(capsys, path, "--text").code, ran(capsys, "verify", path).code] == [2, 2, 2]
