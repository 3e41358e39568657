"""Layers of a registry that are read by SOCI's tables of contents, which are beside the image."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from layerscope.analysis import analyze, read_image
from layerscope.cache.cache import Cache
from layerscope.cli.main import run
from layerscope.errors import CorruptLayer
from layerscope.layers.fetched import Fetched, FetchWay
from layerscope.layers.readers.toc.ztoc import read_ztoc
from layerscope.sources.open import open_image
from sources.test_registry_open import report
from sources.test_registry_tables import (
    EVERY_KIND,
    assert_same_but_ids,
    assert_same_contents,
    bare,
    blob_bytes,
    small_files,
    warm,
    ways,
)
from support.engines import registry as real_registry
from support.image_builder import LAYER_TYPES, Layer, directory, file, layer
from support.pretend_registry import Answer, PretendedRegistry, pretended_registry, served
from support.soci_writer import PLAIN, Version, Ztoc, add_index, new_builder, ztoc_of
from support.toc_writer import Written, write_tables_layout

pytestmark = pytest.mark.slow

NOISE = random.Random(14)
Edit = Callable[[Ztoc], None]
TEXT = b"\n".join(b"%d words that can be compressed, %x" % (number, NOISE.getrandbits(90)) for number in range(12_000))


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


@pytest.fixture
def small_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small layers are read like large ones."""
    for name in ("WORTH_A_TABLE", "WORTH_A_LOOK", "WORTH_A_ZTOC"):
        monkeypatch.setattr(f"layerscope.sources.registry.layer_parts.{name}", 0)


def zipped(members: Layer) -> Written:
    tar = members.tar()
    return Written(gzip.compress(tar, mtime=0), tar, {}, LAYER_TYPES["gzip"])


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def with_index(
    registry: PretendedRegistry,
    place: Path,
    *layers: Written,
    version: Version = "v2",
    edit: Edit = lambda _ztoc: None,
    span: int = 1 << 18,
    tag: str = "1",
) -> str:
    """Serve an image of these layers with SOCI's index of them; `edit` changes each ztoc."""
    ztocs = {}
    for each in layers:
        ztoc = ztoc_of(each.stored, each.tar, span=span)
        edit(ztoc)
        ztocs[digest_of(each.stored)] = ztoc.pack()
    write_tables_layout(place, *layers)
    digest = add_index(place, version, ztocs)
    reference = served(registry, place, tag)
    if version == "v1":
        subject = json.loads((place / "index.json").read_bytes())["manifests"][0]["digest"]
        kind = "application/vnd.amazon.soci.index.v1+json"
        listed = [{"digest": digest_of(b"other"), "artifactType": "application/vnd.cncf.notary.signature", "size": 5}]
        listed += [{"digest": digest, "artifactType": kind, "size": 1}]
        body = json.dumps({"schemaVersion": 2, "manifests": listed}).encode()
        registry.routes[f"/v2/team/app/referrers/{subject}"] = lambda _asked: Answer(200, body)
    return reference


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_every_kind_of_entry_is_as_in_the_tar(registry: PretendedRegistry, tmp_path: Path, version: Version) -> None:
    reference = with_index(registry, tmp_path / "image", zipped(EVERY_KIND), zipped(layer("other")), version=version)
    remote, stored = read_image(open_image(reference)), read_image(open_image(str(tmp_path / "image")))
    assert ways(remote) == {FetchWay.TABLE}
    assert_same_but_ids(remote, stored)
    assert_same_contents(remote, stored)


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize("is_first_form", [False, True])
@pytest.mark.parametrize("span", [1 << 16, 1 << 18, 1 << 22])
def test_contents_are_unpacked_from_the_checkpoints(
    registry: PretendedRegistry, tmp_path: Path, span: int, is_first_form: bool
) -> None:
    members = layer(*(file(f"{number}", TEXT[number * 20_000 :][: number * 7000]) for number in range(24)))
    written = zipped(members)
    checkpoints = ztoc_of(written.stored, written.tar, span=span, is_first_form=is_first_form).checkpoints
    reference = with_index(registry, tmp_path / "image", written, edit=lambda ztoc: setattr(ztoc, "checkpoints", checkpoints))
    contents = read_image(open_image(reference))
    assert ways(contents) == {FetchWay.TABLE}
    assert_same_contents(contents, read_image(open_image(str(tmp_path / "image"))))


def test_a_large_layer_costs_its_ztoc_and_a_file_its_span(registry: PretendedRegistry, tmp_path: Path) -> None:
    written = zipped(small_files(3000, 6000))
    reference = with_index(registry, tmp_path / "image", written, span=1 << 22)
    image = open_image(reference)
    contents = read_image(image)
    assert ways(contents) == {FetchWay.TABLE}
    assert contents.fetched[0] is not None
    assert contents.fetched[0].bytes < len(written.stored) / 15
    assert blob_bytes(registry, image) < 100
    registry.asked.clear()
    entries, content = contents.tree.entries, contents.layers[0]
    assert content is not None
    row = entries.paths.tolist().index(b"d6/f2528")
    assert len(b"".join(content.pieces(row, int(entries.content_offset[row]), 6000))) == 6000
    assert 0 < blob_bytes(registry, image) < 4 << 20
    assert all(each.range for each in registry.asked)
    found, expected = bare(report(image)), bare(report(open_image(str(tmp_path / "image"))))
    (told,) = found.pop("problems")
    assert "compared by their sizes alone" in told["problem"]
    assert found == {key: value for key, value in expected.items() if key != "problems"}


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_index_is_asked_for_once_and_never_again(
    registry: PretendedRegistry, tmp_path: Path, version: Version, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    cache = Cache.open()
    layers = [zipped(layer(file("a", TEXT[:99_999]))), zipped(layer(file("b", TEXT))), zipped(EVERY_KIND)]
    reference = with_index(registry, tmp_path / "image", *layers, version=version)
    warm(reference, cache)
    index = json.loads((tmp_path / "image/index.json").read_bytes())["manifests"]
    start = f"/v2/team/app/manifests/{index[1]['digest']}" if version == "v2" else "/v2/team/app/referrers/"
    assert len(registry.asked_for(start)) == 1
    registry.asked.clear()
    contents = warm(reference, cache)
    assert [each.path for each in registry.asked] == ["/v2/team/app/manifests/1"]
    assert contents.fetched == (Fetched(FetchWay.TABLE, 0, is_kept=True),) * 3
    assert run(["cat", reference, "/b"]) == 0
    assert capfdbinary.readouterr().out == TEXT
    assert len(registry.asked_for("/v2/team/app/blobs/")) < 8
    assert not registry.asked_for(start)


def test_nobody_asks_for_an_index_of_small_layers(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = with_index(registry, tmp_path / "image", zipped(layer(file("a", NOISE.randbytes(2 << 20)))), version="v1")
    assert ways(read_image(open_image(reference))) == {FetchWay.STREAM}
    assert not registry.asked_for("/v2/team/app/referrers/")


@pytest.mark.usefixtures("small_too")
def test_an_index_is_no_image(registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = with_index(registry, tmp_path / "image", zipped(EVERY_KIND))
    for place in (reference, str(tmp_path / "image")):
        assert run(["ls", place]) == 0
        assert "passwd" in capsys.readouterr().out
        assert run(["ls", place, "--platform", "linux/s390x"]) != 0
        said = capsys.readouterr().err
        assert said.count("linux/amd64") == 1
        assert "SOCI" not in said
    digest = json.loads((tmp_path / "image/index.json").read_bytes())["manifests"][1]["digest"]
    assert run(["ls", reference.replace(":1", f"@{digest}").replace("127.0.0@", "127.0.0.1")]) != 0


def first(**fields: Any) -> Edit:
    """An edit of the first entry that has content."""

    def edit(ztoc: Ztoc) -> None:
        entry = next(each for each in ztoc.entries if each.size)
        for name, value in fields.items():
            setattr(entry, name, value)

    return edit


def checkpoint(form: str, at: int, value: int) -> Edit:
    """An edit of the second checkpoint."""

    def edit(ztoc: Ztoc) -> None:
        raw = bytearray(ztoc.checkpoints)
        struct.pack_into(form, raw, 12 + 32785 + at, value)
        ztoc.checkpoints = bytes(raw)

    return edit


HOSTILE: list[Edit] = [
    first(offset=1 << 60),
    first(offset=-512),
    first(offset=0),
    first(offset=513),
    first(size=1 << 62),
    first(size=-1),
    first(size=1 << 23),
    first(mode=-1),
    first(type=b"socket"),
    first(name=b"a\0b"),
    first(time="yesterday"),
    first(time="2024-01-01T00:00:00"),
    first(time="caf\xe9"),
    first(records={b"GNU.sparse.realsize": b"5"}),
    first(records={b"SCHILY.xattr.user.a": bytes(8 << 20)}),
    lambda ztoc: ztoc.entries.reverse(),
    lambda ztoc: ztoc.entries.append(ztoc.entries[0]),
    lambda ztoc: setattr(ztoc, "stored_bytes", 5),
    lambda ztoc: setattr(ztoc, "unpacked_bytes", 1 << 61),
    lambda ztoc: setattr(ztoc, "unpacked_bytes", -1),
    lambda ztoc: setattr(ztoc, "algorithm", 3),
    lambda ztoc: setattr(ztoc, "algorithm", PLAIN),
    lambda ztoc: setattr(ztoc, "checkpoints", b""),
    lambda ztoc: setattr(ztoc, "checkpoints", ztoc.checkpoints[:-1]),
    lambda ztoc: setattr(ztoc, "checkpoints", b"\xff\xff\xff\x7f" + ztoc.checkpoints[4:]),
    checkpoint("<q", 0, 1 << 60),
    checkpoint("<q", 0, -1),
    checkpoint("<q", 8, 0),
    checkpoint("<q", 8, 1 << 60),
    checkpoint("<B", 16, 8),
]


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize("edit", HOSTILE)
def test_a_ztoc_in_doubt_is_not_believed(registry: PretendedRegistry, tmp_path: Path, edit: Edit) -> None:
    written = zipped(layer(directory("d"), file("d/text", TEXT), file("last", b"the end")))
    image = open_image(with_index(registry, tmp_path / "image", written, edit=edit))
    contents = read_image(image)
    assert ways(contents) == {FetchWay.STREAM}
    assert_same_contents(contents, read_image(open_image(str(tmp_path / "image"))))


def test_damaged_ztocs_are_read_or_refused_in_a_sentence() -> None:
    written = zipped(EVERY_KIND)
    ztoc = ztoc_of(written.stored, written.tar)
    ztoc.checkpoints = b"\1" + ztoc.checkpoints[1:12]
    good = ztoc.pack()
    assert len(read_ztoc(good, layer=1, stored_bytes=len(written.stored)).table.entries) == 12
    noise, refused = random.Random(5), 0
    for _ in range(1000):
        raw = bytearray(good)
        for _ in range(noise.randrange(1, 4)):
            at = noise.randrange(len(raw))
            raw[at : at + 4] = noise.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", noise.randbytes(4)])
        try:
            read_ztoc(bytes(raw), layer=1, stored_bytes=len(written.stored))
        except CorruptLayer:
            refused += 1
    assert refused > 200
    for length in range(0, len(good) - 64, 7):  # the last bytes are the name of the tool
        with pytest.raises(CorruptLayer):
            read_ztoc(good[:length], layer=1, stored_bytes=len(written.stored))


def test_a_ztoc_that_shares_its_texts_to_look_larger_is_refused() -> None:
    builder = new_builder()
    name, kind = builder.CreateString(b"n" * 1_000_000), builder.CreateString(b"dir")
    builder.StartObject(14)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependUOffsetTRelativeSlot(1, kind, 0)
    builder.PrependInt64Slot(2, 512, 0)
    entry = builder.EndObject()
    builder.StartVector(4, 100_000, 4)
    for _ in range(100_000):
        builder.PrependUOffsetTRelative(entry)
    entries = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, entries, 0)
    toc = builder.EndObject()
    builder.StartObject(4)
    info = builder.EndObject()
    builder.StartObject(6)
    for slot, value in ((4, toc), (5, info)):
        builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    builder.PrependInt64Slot(2, 1000, 0)
    builder.Finish(builder.EndObject())
    raw = bytes(builder.Output())
    with pytest.raises(CorruptLayer, match="lists that are longer than it is"):
        read_ztoc(raw, layer=1, stored_bytes=1000)


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (first(mode=0o4777), "text has another mode in the layer's tar"),
        (first(size=10), "text has another size in the layer's tar"),
        (first(name=b"other"), "is not in its table of contents"),
        (first(size=-1), "its ztoc has a number below zero"),
        (lambda ztoc: ztoc.entries.pop(), "last is not in its table of contents"),
        (lambda ztoc: setattr(ztoc.entries[2], "offset", ztoc.entries[2].offset + 512), "content of last is at another place"),
    ],
)
def test_verify_names_a_ztoc_that_lies(
    registry: PretendedRegistry, tmp_path: Path, edit: Edit, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written = zipped(layer(directory("d"), file("d/text", TEXT), file("last", b"the end")))
    assert run(["verify", with_index(registry, tmp_path / "honest", written)]) == 0
    assert "ok      layer 1 table of contents     as the tar" in capsys.readouterr().out
    assert run(["verify", with_index(registry, tmp_path / "lying", written, edit=edit, tag="2")]) == 1
    assert said in capsys.readouterr().out


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize(
    "edit",
    [
        checkpoint("<q", 0, 70_000),
        checkpoint("<q", 8, 300_000),
        checkpoint("<B", 16, 9),
        checkpoint("<Q", 17 + 30_000, 0),
    ],
    ids=["stored", "unpacked", "bits", "window"],
)
def test_verify_names_a_checkpoint_that_leads_elsewhere(
    registry: PretendedRegistry, tmp_path: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    written = zipped(layer(directory("d"), file("d/text", TEXT), file("last", b"the end")))
    changed = ztoc_of(written.stored, written.tar, span=1 << 18)
    edit(changed)
    if changed.checkpoints[12 + 32785 + 16] > 7:  # bits that are possible, and others than they were
        changed = ztoc_of(written.stored, written.tar, span=1 << 18)
        was = changed.checkpoints[12 + 32785 + 16]
        checkpoint("<B", 16, (was + 1) % 8)(changed)
    reference = with_index(registry, tmp_path / "image", written, edit=lambda ztoc: vars(ztoc).update(vars(changed)))
    assert run(["verify", reference]) == 1
    assert "its checkpoint at stored offset" in capsys.readouterr().out


@pytest.mark.usefixtures("small_too")
def test_every_checkpoint_of_several_members_is_checked(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tar = layer(file("text", TEXT), file("last", b"the end")).tar()
    stored = b"".join(gzip.compress(tar[at : at + 200_000], mtime=0) for at in range(0, len(tar), 200_000))
    reference = with_index(registry, tmp_path / "image", Written(stored, tar, {}, LAYER_TYPES["gzip"]), span=1 << 16)
    assert run(["verify", reference]) == 0
    assert "ok      layer 1 table of contents     as the tar" in capsys.readouterr().out


@pytest.mark.usefixtures("small_too")
def test_the_gate_does_not_believe_a_ztoc(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = zipped(layer(file("large", TEXT), file("last", b"the end")))
    reference = with_index(registry, tmp_path / "image", written, edit=first(size=10))
    assert run(["ci", reference, "--max-size", "100kB", "--no-cache"]) == 1
    capsys.readouterr()
    assert run(["ci", reference, "--max-size", "100kB", "--no-cache", "--trust-toc"]) == 0
    assert "Not verified: only the table of contents was fetched, so no digest of layer 1" in capsys.readouterr().out


@pytest.mark.usefixtures("small_too")
def test_contents_are_compared_by_their_sizes(registry: PretendedRegistry, tmp_path: Path) -> None:
    layers = [zipped(layer(file("text", TEXT, mtime=time))) for time in (1, 2)]
    analysis = analyze(read_image(open_image(with_index(registry, tmp_path / "image", *layers))))
    registry.asked.clear()
    assert [problem.text for problem in analysis.identity.problems] == [
        "contents of this layer are compared by their sizes alone, for only its table of contents was fetched; "
        "files of one size count as overwritten (--compare-contents fetches them)"
    ] * 2
    assert {cause.word for cause, size in analysis.waste.by_cause().items() if size} == {"overwritten"}
    assert not registry.asked


@pytest.mark.usefixtures("small_too")
def test_a_plain_layer_of_small_files_is_read_by_its_ztoc(registry: PretendedRegistry, tmp_path: Path) -> None:
    tar = small_files(2000, 3000).tar()
    written = Written(tar, tar, {}, LAYER_TYPES["none"])
    contents = read_image(open_image(with_index(registry, tmp_path / "image", written)))
    assert ways(contents) == {FetchWay.TABLE}
    stored = read_image(open_image(str(tmp_path / "image")))
    assert_same_but_ids(contents, stored)
    assert_same_contents(contents, stored)


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize(
    "edit",
    [
        lambda index: index.update(config=index["config"] | {"mediaType": "application/json"}),
        lambda index: index.update(subject=index["config"]),
        lambda index: index.update(layers=[]),
        lambda index: index.update(layers=[each | {"size": 1 << 40} for each in index["layers"]]),
        lambda index: index.update(layers=[each | {"digest": "sha256:" + "0" * 64} for each in index["layers"]]),
        lambda index: index.update(layers="none"),
    ],
)
def test_an_index_in_doubt_is_no_obstacle(
    registry: PretendedRegistry, tmp_path: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    written = zipped(EVERY_KIND)
    place = write_tables_layout(tmp_path / "image", written)
    add_index(place, "v2", {digest_of(written.stored): ztoc_of(written.stored, written.tar).pack()}, edit=edit)
    assert ways(read_image(open_image(served(registry, place)))) == {FetchWay.STREAM}


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize(
    "edit",
    [
        lambda index: index["layers"].append(
            index["layers"][0] | {"mediaType": "application/vnd.amazon.soci.prefetch.v1+json", "digest": digest_of(b"{}")}
        ),
        lambda index: index.update(blobs=index.pop("layers"), artifactType=index.pop("config")["mediaType"]),
    ],
    ids=["with a list of what to fetch first", "in its first form"],
)
def test_other_forms_of_an_index_are_read(
    registry: PretendedRegistry, tmp_path: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    written = zipped(EVERY_KIND)
    place = write_tables_layout(tmp_path / "image", written)
    add_index(place, "v2", {digest_of(written.stored): ztoc_of(written.stored, written.tar).pack()}, edit=edit)
    assert ways(read_image(open_image(served(registry, place)))) == {FetchWay.TABLE}


def pushed(host: str, place: Path, *, version: Version) -> str:
    """Push what is in a layout, and in the first version the tag that takes the place of the list of referrers."""
    import requests

    start = f"http://{host}/v2/team/app"
    for each in (place / "blobs/sha256").iterdir():
        location = requests.post(f"{start}/blobs/uploads/", timeout=60).headers["Location"]
        ending = f"{'&' if '?' in location else '?'}digest=sha256:{each.name}"
        requests.put(location + ending, data=each.read_bytes(), timeout=60).raise_for_status()

    def put(content: bytes, media_type: str, reference: str) -> None:
        answer = requests.put(f"{start}/manifests/{reference}", content, headers={"Content-Type": media_type}, timeout=60)
        answer.raise_for_status()

    index = json.loads((place / "index.json").read_bytes())
    manifest = "application/vnd.oci.image.manifest.v1+json"
    for each in (place / "blobs/sha256").iterdir():
        if b'"schemaVersion"' in each.read_bytes()[:100]:
            put(each.read_bytes(), manifest, f"sha256:{each.name}")
    raw = json.dumps(index | {"mediaType": "application/vnd.oci.image.index.v1+json"}).encode()
    put(raw, "application/vnd.oci.image.index.v1+json", "1")
    return f"docker://{host}/team/app:1"


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_real_registry_serves_both_versions(tmp_path: Path, version: Version) -> None:
    written = zipped(layer(file("text", TEXT), file("last", b"the end")))
    place = write_tables_layout(tmp_path / "image", written)
    digest = add_index(place, version, {digest_of(written.stored): ztoc_of(written.stored, written.tar).pack()})
    with real_registry() as host:
        reference = pushed(host, place, version=version)
        if version == "v1":
            tag_index(host, place, digest)
        contents = read_image(open_image(reference))
        assert ways(contents) == {FetchWay.TABLE}
        assert_same_contents(contents, read_image(open_image(str(place))))
        assert run(["verify", reference]) == 0


def tag_index(host: str, place: Path, digest: str) -> None:
    """Push the list of what refers to an image under the tag in its place (distribution-spec, "Referrers Tag Schema")."""
    import requests

    subject = json.loads((place / "index.json").read_bytes())["manifests"][0]["digest"]
    size = (place / "blobs" / digest.replace(":", "/")).stat().st_size
    kinds = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": size}
    listed = kinds | {"digest": digest, "artifactType": "application/vnd.amazon.soci.index.v1+json"}
    media_type = "application/vnd.oci.image.index.v1+json"
    raw = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": [listed]})
    url = f"http://{host}/v2/team/app/manifests/{subject.replace(':', '-')}"
    requests.put(url, raw, headers={"Content-Type": media_type}, timeout=60).raise_for_status()
