"""What an image's documents say and its bytes do not hold: the gate gives no verdict, `verify` fails, a report says so."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layerscope.cache.cached_reader import WORTH_KEEPING
from layerscope.layers.hashing import Algorithms, LayerHashes
from layerscope.layers.readers.blob import read_layer
from support.commands import ran
from support.image_builder import MANIFEST_TYPE, blob, digest, file, layer, squeeze
from support.sources_build import INDEX_TYPE, Files, Json, Layout, config, docker_layout, dump, layer_tar, saved, tar, write_tar

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


def rewritten(name: str, old: bytes, new: bytes) -> Files:
    """A classic archive, of one of whose documents the text was changed; a config keeps the name of its own hash."""
    files = saved(BASE, TOP)
    settings = next(each for each in files if each.endswith(".json") and each != "manifest.json")
    own = settings if name == "config" else name
    content = files.pop(own)
    assert isinstance(content, bytes)
    assert old in content
    content = content.replace(old, new, 1)
    if name != "config":
        return {**files, own: content}
    listed = [{**each, "Config": digest(content).removeprefix("sha256:") + ".json"} for each in entries(files)]
    return {**files, listed[0]["Config"]: content, "manifest.json": dump(listed)}


def typed(changes: Json) -> Files:
    """A layout whose manifest says something more, or something else."""
    layout = Layout()
    return layout.files(layout.image(BASE, TOP, changes=changes))


def indexed(**more: Any) -> Files:
    """A layout of an index in an index, which says something more."""
    layout = Layout()
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [layout.image(BASE, TOP)], **more}
    return layout.files(layout.add(dump(index), INDEX_TYPE))


def with_top(old: bytes, new: bytes) -> Files:
    """A layout of whose `index.json` the text was changed."""
    layout = Layout()
    files = layout.files(layout.image(BASE, TOP))
    content = files["index.json"]
    assert isinstance(content, bytes)
    assert old in content
    return {**files, "index.json": content.replace(old, new, 1)}


OTHERWISE: dict[str, tuple[Callable[[], Files], str]] = {
    "layers in other letters": (
        lambda: rewritten("manifest.json", b"}]", b',"layers":[]}]'),
        'the manifest.json says "layers", which engines read as "Layers" and other programs do not',
    ),
    "layers twice": (
        lambda: rewritten("manifest.json", b'{"Config"', b'{"Layers":["x"],"Config"'),
        'the manifest.json says "Layers" twice, of which engines take the last',
    ),
    "diff_ids in other letters": (
        lambda: rewritten("config", b'"rootfs":{', b'"rootfs":{"Diff_Ids":[],'),
        'the config says "Diff_Ids", which engines read as "diff_ids"',
    ),
    "a Kelvin sign": (
        lambda: rewritten("config", b'"rootfs":{', b'"config":{"\xe2\x84\xaaey":1,"WorKingDir":"/"},"rootfs":{'),
        'the config says "config" twice',
    ),
    "history twice": (lambda: rewritten("config", b'{"os"', b'{"history":[],"os"'), 'the config says "history" twice'),
    "a manifest with manifests": (lambda: typed({"manifests": [{}]}), 'the manifest has "manifests" beside what makes it a'),
    "a manifest that says it is an index": (
        lambda: typed({"mediaType": INDEX_TYPE}),
        "the manifest is a manifest and calls itself an index (application/vnd.oci.image.index.v1+json), which containerd",
    ),
    "an index with layers": (lambda: indexed(layers=[{}]), 'the index has "layers" beside what makes it an index'),
    "an index with a config": (lambda: indexed(Config={"digest": "x"}), 'the index has "config" beside what makes it an'),
    "an index that says it is a manifest": (
        lambda: indexed(mediaType=MANIFEST_TYPE),
        "the index is an index and calls itself a manifest",
    ),
    "the top index twice": (
        lambda: with_top(b'{"schemaVersion"', b'{"manifests":[],"schemaVersion"'),
        'the index.json says "manifests" twice',
    ),
    "the top index in other letters": (
        lambda: with_top(b'"schemaVersion"', b'"Manifests":[],"schemaVersion"'),
        'the index.json says "Manifests", which engines read as "manifests"',
    ),
}

WRONG: dict[str, tuple[Callable[[], Files], str]] = {
    "another layer in manifest.json": (lambda: hybrid(BASE, OTHER), "name different layers for this image: layer 2 is blobs/"),
    "other order in manifest.json": (lambda: hybrid(TOP, BASE), "name different layers for this image: layer 1 is blobs/"),
    "fewer layers in manifest.json": (lambda: hybrid(BASE), "name different layers for this image: 2 and 1"),
    "another image in manifest.json": (rivals, "index.json and manifest.json name different images for "),
    "an unreadable image in manifest.json": (unreadable_entry, "index.json and manifest.json name different images for "),
    "an unreadable manifest.json": (lambda: {**hybrid(BASE, TOP), "manifest.json": b"{"}, "skipped: "),
    "an unreadable index.json": (lambda: {**hybrid(BASE, TOP), "index.json": b"{"}, "skipped: "),
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
    **OTHERWISE,
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


def test_names_of_labels_may_differ_in_their_case_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = config(BASE, config={"Labels": {"layers": "1", "Layers": "2", "config": "3"}, "Volumes": {"/a": {}, "/A": {}}})
    path = write_tar(tmp_path / "image.tar", saved(BASE, settings=settings))
    judged = ran(capsys, "ci", path, "--min-efficiency", "0")
    assert (judged.code, "engines read" in judged.out) == (0, False)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xef\xbb\xbf[]", "it starts with a byte order mark"),
        ("[]".encode("utf-16"), "it is UTF-16"),
        (b"[{}]\0", "a NUL byte at offset 4"),
    ],
    ids=["BOM", "UTF-16", "NUL"],
)
def test_what_is_almost_json_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    path = write_tar(tmp_path / "image.tar", {**saved(BASE), "manifest.json": content})
    refused = ran(capsys, "ci", path)
    assert (refused.code, f"manifest.json is not JSON: {words}, which engines refuse, too" in refused.err) == (2, True)


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


# Digests of layers


def layout_of(stored: bytes, unpacked: bytes, **wrong: Any) -> Files:
    """A layout of one layer, with something wrong in its descriptor."""
    layout = Layout()
    entry = {**layout.add(stored, "application/vnd.oci.image.layer.v1.tar"), **wrong}
    return layout.files(layout.image(settings=config(unpacked), changes={"layers": [entry]}))


def moved(layout: Files, content: bytes, name: str) -> Files:
    """The files with a blob under another digest."""
    return {**layout, "blobs/" + name.replace(":", "/"): content}


NOT_ITS_OWN = digest(b"other")
STORED = {
    "a plain layer's diff_id": lambda: saved(BASE, settings=config(TOP)),
    "a gzip layer's diff_id": lambda: saved(gzip.compress(BASE), settings=config(TOP)),
    "a zstd layer's diff_id": lambda: saved(squeeze(BASE, "zstd"), settings=config(TOP)),
    "a plain layer's digest": lambda: moved(layout_of(BASE, BASE, digest=NOT_ITS_OWN), BASE, NOT_ITS_OWN),
    "a gzip layer's digest": lambda: moved(
        layout_of(squeeze(BASE, "gzip"), BASE, digest=NOT_ITS_OWN), squeeze(BASE, "gzip"), NOT_ITS_OWN
    ),
    "one of two layers": lambda: saved(BASE, OTHER, settings=config(BASE, TOP)),
}


@pytest.mark.parametrize("files", STORED.values(), ids=STORED.keys())
def test_the_gate_checks_the_digests_of_layers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: Callable[[], Files]
) -> None:
    path = write_tar(tmp_path / "image.tar", files())
    judged = ran(capsys, "ci", path)
    assert (judged.code, "should be sha256:" in judged.err) == (2, True)
    assert ran(capsys, "verify", path).code == 1
    assert ran(capsys, path, "--text").code == 0
    unchecked = ran(capsys, "ci", path, "--no-verify", "--min-efficiency", "0")
    assert (unchecked.code, "Not verified: the digests of " in unchecked.out) == (0, True)


def test_a_sound_image_is_verified_and_says_nothing_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged = ran(capsys, "ci", write_tar(tmp_path / "image.tar", saved(BASE, gzip.compress(TOP), settings=config(BASE, TOP))))
    assert (judged.code, "erified" in judged.out) == (0, False)


def test_a_hash_that_cannot_be_computed_is_a_doubt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = config(BASE, rootfs={"type": "layers", "diff_ids": ["blake3:" + "0" * 64]})
    path = write_tar(tmp_path / "image.tar", saved(BASE, settings=settings))
    judged = ran(capsys, "ci", path)
    assert (judged.code, "cannot be checked: blake3 hashes cannot be computed here" in judged.err) == (2, True)


@pytest.mark.parametrize(
    "first", [["--text"], ["ci"], ["ci", "--no-verify"]], ids=["a report", "the gate", "the gate unverified"]
)
def test_what_the_cache_knows_is_checked_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, first: list[str]
) -> None:
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LAYERSCOPE_NO_CACHE", raising=False)
    noise = random.Random(1).randbytes(WORTH_KEEPING + 5000)
    own, stored = layer(file("noise", noise)).tar(), gzip.compress(layer(file("noise", noise)).tar(), 1)
    sound = write_tar(tmp_path / "sound.tar", layout_of(stored, own))
    wrong = write_tar(tmp_path / "wrong.tar", layout_of(stored, TOP))
    for path in (sound, wrong):
        assert ran(capsys, *first, path, *(["--min-efficiency", "0"] if "ci" in first else [])).code in (0, 2)
    assert any((tmp_path / "cache").iterdir())
    assert [ran(capsys, "ci", sound).code, ran(capsys, "ci", wrong).code] == [0, 2]
    assert [ran(capsys, "ci", sound).code, ran(capsys, "ci", wrong).code] == [0, 2]
    report = ran(capsys, wrong, "--text")
    assert (report.code, "should be" in report.out) == (0, False)


def test_layers_of_many_small_pieces_and_of_many_sizes_are_hashed_whole() -> None:
    """eStargz has a gzip member for each file, so that pieces come in all sizes."""
    tars = layer(*(file(f"{size}", bytes(size)) for size in (0, 1, 511, 70_000, 3_000_000))).tar()
    members = b"".join(gzip.compress(tars[start : start + 700], mtime=0) for start in range(0, len(tars), 700))
    for stored in (tars, gzip.compress(tars), squeeze(tars, "zstd"), members):
        for algorithms in (Algorithms(), Algorithms("sha512", "sha256")):
            read = read_layer(blob(stored), layer=1, hash_with=algorithms)
            assert not read.table.problems
            assert read.hashes == LayerHashes(
                f"{algorithms.stored}:{hashlib.new(algorithms.stored, stored).hexdigest()}",
                f"sha256:{hashlib.sha256(tars).hexdigest()}",
            )


def test_an_interruption_stops_the_hashing() -> None:
    class Stop(BaseException):
        pass

    def stop(_length: int) -> None:
        raise Stop

    threads = threading.active_count()
    for stored in (BASE, gzip.compress(BASE)):
        with pytest.raises(Stop):
            read_layer(blob(stored), layer=1, on_bytes=stop, hash_with=Algorithms())
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("stored", "code", "words"), [(TOP, 2, "ok      layer 1 digest"), (OTHER, 1, "FAILED  layer 1 digest")]
)
def test_an_encrypted_layer_has_a_digest_to_be_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stored: bytes, code: int, words: str
) -> None:
    layout = Layout()
    secret = layout.add(TOP, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted")
    files = layout.files(layout.image(settings=config(BASE), changes={"layers": [secret]}))
    path = write_tar(tmp_path / "image.tar", {**files, "blobs/" + secret["digest"].replace(":", "/"): stored})
    verified = ran(capsys, "verify", path)
    assert (verified.code, words in verified.out, "it is encrypted" in verified.out) == (code, True, True)
    assert [ran(capsys, "ci", path).code, ran(capsys, path, "--text").code] == [2, 2]
