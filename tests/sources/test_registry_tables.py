"""Layers of a registry that are read by their table of contents, or by the headers of a plain tar, without being downloaded."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from layerscope.analysis import Contents, analyze, read_image
from layerscope.app.explorer.details_text import layer_details
from layerscope.cache.cache import Cache
from layerscope.cli.main import run
from layerscope.errors import CorruptLayer
from layerscope.layers.blob import Blob
from layerscope.layers.fetched import Fetched, FetchWay
from layerscope.layers.readers.toc.read import read_by_table
from layerscope.layers.readers.toc.table import table_of_contents
from layerscope.oci.digest import Digest
from layerscope.sources.image import Image
from layerscope.sources.location import EngineOptions
from layerscope.sources.open import open_image
from layerscope.wording.sentences import fetched_text
from sources.test_registry_open import BIG, report
from support.engines import registry as real_registry
from support.image_builder import (
    Layer,
    block,
    char,
    directory,
    fifo,
    file,
    hardlink,
    layer,
    opaque,
    symlink,
    whiteout,
    write_layout,
)
from support.pretend_registry import Answer, Asked, PretendedRegistry, Route, blob_route, pretended_registry, served
from support.registry_pushes import skopeo_copy
from support.toc_writer import Toc, Written, write_chunked, write_estargz, write_tables_layout

pytestmark = pytest.mark.slow

Writer = Callable[..., Written]
NOISE = random.Random(12)
EVERY_KIND = layer(
    directory("etc", mode=0o1750, uid=7, gid=8, mtime=1_600_000_000),
    file("etc/passwd", b"root", mode=0o4755, uid=1, gid=2, mtime=1_500_000_000),
    file("etc/empty"),
    file("big", NOISE.randbytes(200_000)),
    symlink("link", "../etc/passwd"),
    hardlink("hard", "etc/passwd"),
    char("null", device=(1, 3)),
    block("disk", device=(7, 9)),
    fifo("pipe"),
    file("späti", b"x" * 700),
    whiteout("gone"),
    opaque("etc"),
    directory("etc/sub"),
    file("last", b"the end"),
)


def small_files(count: int, size: int) -> Layer:
    """A layer of many directories and files that cannot be compressed."""
    members = [file(f"d{number % 97}/f{number}", NOISE.randbytes(size)) for number in range(count)]
    return layer(*(directory(f"d{number}") for number in range(97)), *members)


@pytest.fixture
def registry() -> Iterator[PretendedRegistry]:
    with pretended_registry() as pretended:
        yield pretended


@pytest.fixture
def small_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small layers are read like large ones."""
    for name in ("WORTH_A_TABLE", "WORTH_A_LOOK"):
        monkeypatch.setattr(f"layerscope.sources.registry.layer_parts.{name}", 0)


def ways(contents: Contents) -> set[FetchWay]:
    return {fetched.way for fetched in contents.fetched if fetched is not None}


def blob_bytes(registry: PretendedRegistry, image: Image) -> int:
    """Bytes of layers that were asked for by ranges; a whole blob counts as such."""
    sizes = {str(each.digest): each.reader.stored_bytes for each in image.layers}
    asked = [(each, each.path.rpartition("/")[2]) for each in registry.asked]
    return sum(each.range[1] - each.range[0] + 1 if each.range else sizes[name] for each, name in asked if name in sizes)


def bare(found: dict[str, Any]) -> dict[str, Any]:
    """A report without what says where the image is and how it was read."""
    for name in ("reference", "name"):
        del found["image"][name]
    for each in found["layers"]:
        for name in ("read_from", "fetched_bytes"):
            each.pop(name, None)
    return found


def laid_out(archive: Path, place: Path, *, is_annotated: bool) -> Path:
    """The layout in an archive; without the annotations of its layers, as after a push by a client that does not know them."""
    with tarfile.open(archive) as opened:
        opened.extractall(place, filter="data")
    index = json.loads((place / "index.json").read_bytes())
    if is_annotated:
        return place
    (described,) = index["manifests"]
    for _ in range(2):
        raw = (place / "blobs" / described["digest"].replace(":", "/")).read_bytes()
        document = json.loads(raw)
        if "layers" in document:
            break
        described = document["manifests"][0]
    for each in document["layers"]:
        each.pop("annotations", None)
    raw = json.dumps(document).encode()
    digest = Digest.of(raw)
    (place / "blobs" / digest.replace(":", "/")).write_bytes(raw)
    described |= {"digest": digest, "size": len(raw)}
    (place / "index.json").write_text(json.dumps(index | {"manifests": [described]}))
    return place


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize("name", ["buildkit-estargz", "oci-estargz", "skopeo-zstd-chunked"])
@pytest.mark.parametrize("is_annotated", [True, False], ids=["annotations", "footers"])
def test_tables_of_real_writers_say_what_the_tar_says(
    registry: PretendedRegistry, images: Path, tmp_path: Path, name: str, is_annotated: bool
) -> None:
    place = laid_out(images / f"{name}.tar", tmp_path, is_annotated=is_annotated)
    image = open_image(served(registry, place))
    assert ways(read_image(image)) == {FetchWay.TABLE}
    assert bare(report(image)) == bare(report(open_image(str(place))))


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize(
    "write",
    [
        write_estargz,
        partial(write_estargz, footer="old"),
        partial(write_estargz, chunk=1000),
        partial(write_estargz, is_inner=True),
        partial(write_estargz, is_behind=False),
        write_chunked,
        partial(write_chunked, footer="old"),
        partial(write_chunked, chunk=1000),
        partial(write_chunked, prefix="io.containers.zstd-chunked."),
    ],
    ids=["estargz", "legacy", "chunks", "inner", "in the tar", "chunked", "old footer", "small chunks", "nerdctl"],
)
@pytest.mark.parametrize("is_annotated", [True, False], ids=["annotations", "footers"])
def test_every_kind_of_entry_and_table_is_as_in_the_tar(
    registry: PretendedRegistry, tmp_path: Path, write: Writer, is_annotated: bool
) -> None:
    place = write_tables_layout(tmp_path / "image", write(EVERY_KIND), is_annotated=is_annotated)
    remote, stored = read_image(open_image(served(registry, place))), read_image(open_image(str(place)))
    assert ways(remote) == {FetchWay.TABLE}
    assert_same_but_ids(remote, stored)
    assert_same_contents(remote, stored)


def assert_same_but_ids(remote: Contents, stored: Contents) -> None:
    mine, theirs = remote.stack.tables[0], stored.stack.tables[0]
    for name in ("kind", "mode", "uid", "gid", "size", "mtime"):
        assert getattr(mine.entries, name).tolist() == getattr(theirs.entries, name).tolist(), name
    assert mine.entries.paths.tolist() == theirs.entries.paths.tolist()
    assert mine.entries.links.tolist() == theirs.entries.links.tolist()
    for name in ("whiteouts", "opaques", "whiteout_rows", "opaque_rows", "omitted", "problems", "xattrs", "devices"):
        assert getattr(mine, name) == getattr(theirs, name), name


def assert_same_contents(remote: Contents, stored: Contents) -> None:
    mine, theirs = remote.layers[0], stored.layers[0]
    assert mine is not None
    assert theirs is not None
    entries, others = remote.tree.entries, stored.tree.entries
    wanted = [(row, int(entries.content_offset[row]), int(entries.size[row])) for row in range(len(entries))]
    together = {row: b"".join(pieces) for row, pieces in mine.many(wanted)}
    for row, offset, size in wanted:
        there = b"".join(theirs.pieces(row, int(others.content_offset[row]), size))
        assert b"".join(mine.pieces(row, offset, size)) == there == together[row]


@pytest.mark.parametrize("write", [write_estargz, write_chunked])
@pytest.mark.parametrize("is_annotated", [True, False], ids=["annotations", "footers"])
def test_a_large_layer_costs_a_few_hundredths_of_its_bytes(
    registry: PretendedRegistry, tmp_path: Path, write: Writer, is_annotated: bool
) -> None:
    place = write_tables_layout(tmp_path / "image", write(small_files(2000, 6000)), is_annotated=is_annotated)
    image = open_image(served(registry, place))
    contents = read_image(image)
    assert ways(contents) == {FetchWay.TABLE}
    assert contents.fetched[0] is not None
    assert contents.fetched[0].bytes == blob_bytes(registry, image) < image.layers[0].reader.stored_bytes / 20
    assert len([each for each in registry.asked if each.range]) <= 2
    text = fetched_text(contents.fetched[0], image.layers[0].reader.stored_bytes)
    assert text.startswith("from the table of contents, ") and text.endswith(" MB fetched; not checked")
    assert text in [each.text for each in layer_details(image.layers[0], analyze(contents), (), None)]
    (layer_json,) = report(image)["layers"]
    assert layer_json["read_from"] == "table of contents"
    assert layer_json["fetched_bytes"] == contents.fetched[0].bytes


@pytest.mark.parametrize("write", [write_estargz, write_chunked])
def test_a_file_costs_no_more_than_its_member(registry: PretendedRegistry, tmp_path: Path, write: Writer) -> None:
    place = write_tables_layout(tmp_path / "image", write(small_files(500, 6000)))
    image = open_image(served(registry, place))
    contents = read_image(image)
    registry.asked.clear()
    entries, content = contents.tree.entries, contents.layers[0]
    assert content is not None
    row = entries.paths.tolist().index(b"d3/f3")
    assert len(b"".join(content.pieces(row, int(entries.content_offset[row]), 6000))) == 6000
    assert blob_bytes(registry, image) < 8000


def test_a_plain_layer_is_hopped_through(registry: PretendedRegistry, tmp_path: Path) -> None:
    content = NOISE.randbytes(2 << 20)
    large = layer(
        directory("a"), *(file(f"a/{number}", content[number:], mode=number) for number in range(8)), file("end", b"e")
    )
    place = write_layout(tmp_path / "image", large)
    image = open_image(served(registry, place))
    contents = read_image(image)
    assert ways(contents) == {FetchWay.HEADERS}
    assert blob_bytes(registry, image) < 1 << 20
    assert bare(report(image)) == bare(report(open_image(served(registry, place, "2"), engine_options=NEVER)))
    assert_same_contents(contents, read_image(open_image(str(place))))


def test_a_plain_layer_of_many_small_files_is_streamed(registry: PretendedRegistry, tmp_path: Path) -> None:
    image = open_image(served(registry, write_layout(tmp_path / "image", small_files(1000, 3000))))
    assert ways(read_image(image)) == {FetchWay.STREAM}


NEVER, ALWAYS = EngineOptions(trust_toc=False), EngineOptions(trust_toc=True)


def set_entry(**fields: Any) -> Callable[[Toc], None]:
    """An edit of the table's last file."""
    return lambda toc: toc["entries"][-1].update(fields)


def add_files(toc: Toc, *, count: int, size: int) -> None:
    """Add files that no layer has room for."""
    place = {"type": "reg", "size": size, "chunkSize": size, "offset": toc["entries"][-1]["offset"]}
    toc["entries"] += [{"name": f"huge{number}", **place} for number in range(count)]


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize("write", [write_estargz, write_chunked])
@pytest.mark.parametrize(
    "edit",
    [
        set_entry(size=-1),
        set_entry(size=1 << 70),
        set_entry(offset=1 << 40),
        set_entry(offset=0),
        set_entry(type="socket"),
        set_entry(type="chunk"),
        set_entry(type=None),
        set_entry(name="etc/passwd"),
        set_entry(name="a\0b"),
        set_entry(name="caf\ufffd"),
        set_entry(name=["a"]),
        set_entry(modtime="yesterday"),
        set_entry(modtime="2024-01-01T00:00:00"),
        set_entry(digest="sha256:" + "z" * 64),
        set_entry(chunkSize=3),
        set_entry(chunkOffset=3),
        set_entry(xattrs={"user.a": "no base64!"}),
        set_entry(xattrs={"user.a": "A" * (2 << 20)}),
        set_entry(nested=json.loads("[" * 500 + "]" * 500), name="etc/passwd"),
        lambda toc: toc.update(version=2),
        lambda toc: toc.update(entries=None),
        lambda toc: toc["entries"].append({}),
        lambda toc: toc["entries"].append({"name": "last", "type": "chunk", "chunkOffset": 100, "offset": 1}),
        lambda toc: add_files(toc, count=20, size=1 << 60),
        lambda toc: add_files(toc, count=20, size=1 << 40),
    ],
)
def test_a_table_in_doubt_is_not_believed(
    registry: PretendedRegistry, tmp_path: Path, write: Writer, edit: Callable[[Toc], None]
) -> None:
    place = write_tables_layout(tmp_path / "image", write(EVERY_KIND, edit=edit))
    image = open_image(served(registry, place))
    assert ways(read_image(image)) == {FetchWay.STREAM}
    assert bare(report(image)) == bare(report(open_image(str(place))))


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize("write", [write_estargz, write_chunked])
def test_a_table_with_another_checksum_is_not_believed(registry: PretendedRegistry, tmp_path: Path, write: Writer) -> None:
    written = write(EVERY_KIND)
    forged = {
        name: "sha256:" + "0" * 64 if value.startswith("sha256:") else value for name, value in written.annotations.items()
    }
    place = write_tables_layout(tmp_path / "image", replace(written, annotations=forged))
    assert ways(read_image(open_image(served(registry, place)))) == {FetchWay.STREAM}


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize(
    "position", ["0:1:1:1", "10:99999999999:5:1", "10:50:4294967296:1", "1:2:3:2", "::", "9" * 40 + ":1:1:1"]
)
def test_annotations_that_place_the_table_nowhere_are_not_followed(
    registry: PretendedRegistry, tmp_path: Path, position: str
) -> None:
    written = write_chunked(EVERY_KIND, footer="none")
    odd = written.annotations | {"io.github.containers.zstd-chunked.manifest-position": position}
    image = open_image(served(registry, write_tables_layout(tmp_path / "image", replace(written, annotations=odd))))
    assert ways(read_image(image)) == {FetchWay.STREAM}
    assert blob_bytes(registry, image) < 2 * len(written.stored)


@pytest.mark.usefixtures("small_too")
def test_a_file_that_is_not_what_the_table_says_is_an_error(registry: PretendedRegistry, tmp_path: Path) -> None:
    place = write_tables_layout(tmp_path / "image", write_estargz(EVERY_KIND, edit=set_entry(digest="sha256:" + "1" * 64)))
    contents = read_image(open_image(served(registry, place)))
    entries, content = contents.tree.entries, contents.layers[0]
    assert content is not None
    row = entries.paths.tolist().index(b"last")
    with pytest.raises(CorruptLayer, match="another than the layer's table of contents says"):
        list(content.pieces(row, int(entries.content_offset[row]), int(entries.size[row])))


@pytest.mark.usefixtures("small_too")
def test_contents_of_two_tables_are_compared_by_their_digests(registry: PretendedRegistry, tmp_path: Path) -> None:
    same, other = file("same", b"one"), file("other", b"abc")
    first, second = (
        write_estargz(layer(same, other)),
        write_chunked(layer(file("same", b"one", mtime=5), file("other", b"def"))),
    )
    place = write_tables_layout(tmp_path / "image", first, second)
    image = open_image(served(registry, place))
    analysis = analyze(read_image(image))
    assert ways(analysis.contents) == {FetchWay.TABLE}
    assert {cause.word for cause, size in analysis.waste.by_cause().items() if size} == {"metadata", "overwritten"}
    assert not analysis.identity.problems


def test_contents_of_a_table_and_a_stream_are_not_compared(
    registry: PretendedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerscope.sources.registry.layer_parts.WORTH_A_TABLE", 1000)
    first, second = write_estargz(layer(file("big", BIG))), write_estargz(layer(file("big", BIG, mtime=5)))
    short = replace(second, stored=gzip.compress(second.tar), annotations={})
    image = open_image(served(registry, write_tables_layout(tmp_path / "image", first, short)))
    analysis = analyze(read_image(image))
    registry.asked.clear()
    assert ways(analysis.contents) == {FetchWay.TABLE, FetchWay.STREAM}
    assert [problem.text for problem in analysis.identity.problems] == [
        "contents of this layer are compared by what its table of contents says of them, not with what other layers hold; "
        "files of one size count as overwritten (--compare-contents fetches them)"
    ]
    assert not registry.asked


def test_contents_of_tables_are_compared_with_each_other_beside_a_stream(
    registry: PretendedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerscope.sources.registry.layer_parts.WORTH_A_TABLE", 4000)
    noise = NOISE.randbytes(5000)
    first, second = write_estargz(layer(file("a", noise))), write_chunked(layer(file("b", noise)))
    small = write_estargz(layer(file("c", bytes(5000))))
    analysis = analyze(read_image(open_image(served(registry, write_tables_layout(tmp_path / "image", first, second, small)))))
    assert [fetched.way for fetched in analysis.contents.fetched if fetched] == [
        FetchWay.TABLE,
        FetchWay.TABLE,
        FetchWay.STREAM,
    ]
    (group,) = analysis.duplicates.groups
    assert group.size == 5000
    assert len(group.nodes) == 2


@pytest.mark.usefixtures("small_too")
def test_the_gate_does_not_believe_a_table(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = write_estargz(EVERY_KIND, edit=lambda toc: toc["entries"].__delitem__(slice(2, 4)))
    reference = served(registry, write_tables_layout(tmp_path / "image", small))
    rules = ["--max-size", "100kB", "--no-cache"]
    assert run(["ci", reference, *rules]) == 1
    assert run(["ci", reference, *rules, "--no-verify"]) == 1
    capsys.readouterr()
    assert run(["ci", reference, *rules, "--trust-toc"]) == 0
    assert "Not verified: only the table of contents was fetched, so no digest of layer 1" in capsys.readouterr().out


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize("write", [write_estargz, write_chunked])
def test_verify_names_a_table_that_lies(
    registry: PretendedRegistry, tmp_path: Path, write: Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = served(registry, write_tables_layout(tmp_path / "honest", write(EVERY_KIND)))
    assert run(["verify", honest]) == 0
    assert "ok      layer 1 table of contents     as the tar" in capsys.readouterr().out
    lying = served(registry, write_tables_layout(tmp_path / "lying", write(EVERY_KIND, edit=set_entry(mode=0o4777))), "2")
    assert run(["verify", lying]) == 1
    assert "last has another mode in the layer's tar" in capsys.readouterr().out
    odd = served(registry, write_tables_layout(tmp_path / "odd", write(EVERY_KIND, edit=set_entry(name="big"))), "3")
    assert run(["verify", odd]) == 1
    assert "its table of contents has two entries of one path" in capsys.readouterr().out


def warm(reference: str, cache: Cache, **how: Any) -> Contents:
    """What a command sees of an image, with this cache."""
    options = EngineOptions(cache=cache, trust_toc=how.pop("trust_toc", None))
    return read_image(open_image(reference, engine_options=options), cache=cache, **how)


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize("write", [write_estargz, write_chunked])
def test_what_a_table_said_is_cached_and_still_unchecked(registry: PretendedRegistry, tmp_path: Path, write: Writer) -> None:
    cache = Cache.open(tmp_path / "cache")
    place = write_tables_layout(tmp_path / "image", write(EVERY_KIND))
    reference = served(registry, place)
    cold = warm(reference, cache)
    registry.asked.clear()
    contents = warm(reference, cache)
    assert [each.path for each in registry.asked] == ["/v2/team/app/manifests/1"]
    assert contents.fetched == (Fetched(FetchWay.TABLE, 0, is_kept=True),)
    assert (
        fetched_text(contents.fetched[0], 5000)
        == "from the table of contents in the cache, 0 B of 5.00 kB fetched; not checked"
    )
    assert contents.unverified == (1,)
    assert_same_but_ids(contents, cold)
    assert contents.stack.tables[0].entries.content_id.tolist() == cold.stack.tables[0].entries.content_id.tolist()
    assert_same_contents(contents, read_image(open_image(str(place))))


def test_headers_of_a_plain_layer_are_cached(registry: PretendedRegistry, tmp_path: Path) -> None:
    cache = Cache.open(tmp_path / "cache")
    place = write_layout(tmp_path / "image", layer(*(file(f"{number}", NOISE.randbytes(1 << 20)) for number in range(4))))
    reference = served(registry, place)
    warm(reference, cache)
    registry.asked.clear()
    contents = warm(reference, cache)
    assert not registry.asked_for("/v2/team/app/blobs/")
    assert contents.fetched == (Fetched(FetchWay.HEADERS, 0, is_kept=True),)
    assert_same_contents(contents, read_image(open_image(str(place))))


@pytest.mark.usefixtures("small_too")
def test_a_cached_table_is_no_proof(registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = Cache.open()
    lying = write_estargz(EVERY_KIND, edit=lambda toc: toc["entries"].__delitem__(slice(2, 4)))
    reference = served(registry, write_tables_layout(tmp_path / "image", lying))
    for _ in range(2):
        assert run(["ls", reference]) == 0
    assert "big" not in capsys.readouterr().out
    assert run(["ci", reference, "--max-size", "100kB"]) == 1
    assert run(["verify", reference]) == 1
    assert "not in its table of contents" in capsys.readouterr().out
    assert ways(warm(reference, cache)) == {FetchWay.CACHE}  # the gate hashed all of it
    assert run(["ls", reference]) == 0
    assert "big" in capsys.readouterr().out


@pytest.mark.usefixtures("small_too")
def test_a_cached_table_is_not_used_to_prove(registry: PretendedRegistry, tmp_path: Path) -> None:
    cache = Cache.open(tmp_path / "cache")
    reference = served(registry, write_tables_layout(tmp_path / "image", write_estargz(EVERY_KIND)))
    warm(reference, cache)
    assert ways(warm(reference, cache, trust_toc=False)) == {FetchWay.STREAM}
    cache.clear()
    warm(reference, cache)
    assert ways(warm(reference, cache, verify=True)) == {FetchWay.STREAM}
    assert ways(warm(reference, cache)) == {FetchWay.CACHE}


@pytest.mark.usefixtures("small_too")
def test_what_one_repository_claims_stands_for_no_other(registry: PretendedRegistry, tmp_path: Path) -> None:
    cache = Cache.open(tmp_path / "cache")
    reference = served(registry, write_tables_layout(tmp_path / "image", write_estargz(EVERY_KIND)))
    for path, route in list(registry.routes.items()):
        registry.routes[path.replace("team/app", "team/other")] = route
    warm(reference, cache)
    other = warm(reference.replace("team/app", "team/other"), cache)
    assert [fetched and fetched.is_kept for fetched in other.fetched] == [False]


@pytest.mark.usefixtures("small_too")
def test_two_images_of_one_command_share_no_claims_of_two_repositories(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = write_estargz(EVERY_KIND)
    lying = served(registry, write_tables_layout(tmp_path / "image", write_estargz(EVERY_KIND, edit=set_entry(mode=0o777))))
    for path, route in list(registry.routes.items()):
        registry.routes[path.replace("team/app", "team/other")] = route
    registry.routes.update({path: route for path, route in registry.routes.items() if "team/app" in path})
    (digest,) = [str(each.digest) for each in open_image(lying).layers]
    size = open_image(lying).layers[0].reader.stored_bytes
    truth = honest.stored.ljust(size, b"\0") if len(honest.stored) <= size else honest.stored
    registry.routes[f"/v2/team/other/blobs/{digest}"] = blob_route(truth[-size:])
    assert run(["diff", lying, lying.replace("team/app", "team/other"), "--json", "--no-cache"]) == 0
    assert [each["path"] for each in json.loads(capsys.readouterr().out)["paths"]] == ["/last"]


@pytest.mark.usefixtures("small_too")
def test_a_registry_without_ranges_is_streamed(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, write_tables_layout(tmp_path / "image", write_estargz(EVERY_KIND)))
    for path, route in list(registry.routes.items()):
        if "/blobs/" in path:
            registry.routes[path] = lambda asked, route=route: route(replace(asked, headers={}))  # type: ignore[misc]
    assert ways(read_image(open_image(reference))) == {FetchWay.STREAM}


@pytest.mark.parametrize("write", [write_estargz, write_chunked])
def test_damaged_tables_are_read_or_refused_in_a_sentence(write: Writer) -> None:
    written = write(EVERY_KIND)
    noise = random.Random(5)
    start = written.stored.rfind(b"\x1f\x8b\x08\x00") if write is write_estargz else len(written.stored) - 900
    for _ in range(300):
        damaged = bytearray(written.stored)
        for _ in range(noise.choice((1, 1, 3))):
            damaged[noise.randrange(start, len(damaged))] = noise.randrange(256)
        with suppress(CorruptLayer):
            read_by_table(Blob.of_bytes(bytes(damaged)), {}, layer=1)


@pytest.mark.parametrize("change", [b"}", b"[", b'"', b"9", b"-", b"\\", b"\xff", b"null", b"{}"])
def test_odd_json_is_read_or_refused_in_a_sentence(change: bytes) -> None:
    raw = written_table(write_estargz(EVERY_KIND))
    for position in range(0, len(raw), 3):
        with suppress(CorruptLayer):
            table_of_contents(raw[:position] + change + raw[position + 1 :], layer=1, stop=1 << 30)


def written_table(written: Written) -> bytes:
    start = written.stored.rfind(b"\x1f\x8b\x08\x00")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(written.stored[start:-51]))) as member:
        opened = member.extractfile("stargz.index.json")
        assert opened is not None
        return opened.read()


@pytest.mark.parametrize(
    "entries",
    [
        b"0," * (1 << 20) + b"0",
        b"{}," * (5 << 20) + b"{}",
        b"[" * (1 << 20),
        b'{"name":"a","type":"dir","xattrs":{' + b'"a":"",' * (1 << 18) + b'"b":""}}',
    ],
    ids=["numbers", "objects", "nesting", "xattrs"],
)
def test_a_table_that_would_take_all_memory_is_not_believed(entries: bytes) -> None:
    with pytest.raises(CorruptLayer):
        table_of_contents(b'{"version":1,"entries":[' + entries + b"]}", layer=1, stop=1 << 30)


@pytest.mark.usefixtures("small_too")
def test_images_with_tables_of_two_kinds_are_compared(
    registry: PretendedRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = (layer(file("same", b"one"), file("other", content)) for content in (b"abc", b"def"))
    one = served(registry, write_tables_layout(tmp_path / "one", write_estargz(before)))
    two = served(registry, write_tables_layout(tmp_path / "two", write_chunked(after)), "2")
    assert run(["diff", one, two, "--json", "--no-cache"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["path"] for each in found["paths"]] == ["/other"]
    assert run(["cat", two, "/other"]) == 0
    assert capsys.readouterr().out == "def"
    assert run(["extract", two, "/", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/same").read_bytes() == b"one"


@pytest.mark.usefixtures("small_too")
@pytest.mark.parametrize("name", ["buildkit-estargz", "skopeo-zstd-chunked"])
def test_a_real_registry_gives_the_same_report(images: Path, name: str) -> None:
    archive = images / f"{name}.tar"
    with real_registry() as host:
        skopeo_copy(f"oci-archive:{archive}", f"docker://{host}/team/app:1")
        image = open_image(f"docker://{host}/team/app:1")
        assert ways(read_image(image)) == {FetchWay.TABLE}
        assert bare(report(image)) == bare(report(open_image(str(archive))))
        assert run(["verify", f"docker://{host}/team/app:1"]) == 0


@pytest.mark.usefixtures("small_too")
def test_ranges_that_break_off_are_no_reason_to_give_up(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, write_tables_layout(tmp_path / "image", write_estargz(EVERY_KIND)))
    for path, route in list(registry.routes.items()):
        if "/blobs/" in path:
            registry.routes[path] = lambda asked, route=route: (  # type: ignore[misc]
                replace(route(asked), cut_after=10) if asked.range else route(asked)
            )
    assert ways(read_image(open_image(reference))) == {FetchWay.STREAM}


@pytest.mark.usefixtures("small_too")
def test_a_part_that_breaks_off_goes_on_where_it_broke(registry: PretendedRegistry, tmp_path: Path) -> None:
    reference = served(registry, write_tables_layout(tmp_path / "image", write_estargz(EVERY_KIND)))
    broken: list[str] = []
    for path, route in list(registry.routes.items()):
        if "/blobs/" in path:

            def once(asked: Asked, route: Route = route) -> Answer:
                is_first = bool(asked.range) and not broken
                broken.extend([asked.path] * is_first)
                return replace(route(asked), cut_after=10) if is_first else route(asked)

            registry.routes[path] = once
    assert ways(read_image(open_image(reference))) == {FetchWay.TABLE}
    assert broken


def test_a_layer_without_a_table_costs_a_footer_more(registry: PretendedRegistry, tmp_path: Path) -> None:
    place = write_layout(tmp_path / "image", layer(file("noise", NOISE.randbytes(2 << 20))), compress="gzip")
    image = open_image(served(registry, place))
    assert ways(read_image(image)) == {FetchWay.STREAM}
    assert [last - first + 1 for first, last in (each.range for each in registry.asked if each.range)] == [72]
