"""Engines that misbehave: too old, silent, dead half-way, talking nonsense, or lying about what they have."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import unquote

import pytest

from layerscope.analysis import analyze, read_image
from layerscope.cache.cache import Cache
from layerscope.errors import LayerscopeError, NotFound
from layerscope.oci.platform import Platform
from layerscope.report.image_json import analysis_json
from layerscope.sources.engine import endpoints, http, receive
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.image import Image
from layerscope.sources.location import EngineOptions
from layerscope.sources.open import open_image
from support.commands import ran
from support.image_builder import digest, file, image, layer
from support.pretend_engine import Answer, Pretended, Write, cut, pretended_engine, sent
from support.sources_build import Layout, config, docker_layout, layer_tar, saved, tar

pytestmark = pytest.mark.slow

ARCHIVE = image(layer("a", file("b", b"b" * 100_000)), tag="app:1")
ARM = {"os": "linux", "architecture": "arm64"}
AMD64 = Platform("linux", "amd64")

Start = Callable[..., Pretended]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Start]:
    """Starts an engine, which DOCKER_HOST then names. There is no other."""
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/none")
    monkeypatch.chdir(tmp_path)
    with ExitStack() as running:

        def start_one(save: Answer, **settings: str) -> Pretended:
            directory = running.enter_context(tempfile.TemporaryDirectory(prefix="ls-", dir="/tmp"))
            engine = running.enter_context(pretended_engine(Path(directory), save, **settings))
            monkeypatch.setenv("DOCKER_HOST", engine.address)
            return engine

        yield start_one


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "layers")


def document(opened: Image) -> object:
    """The report on an image, without what was typed for it."""
    report = json.loads(analysis_json(analyze(read_image(opened))))
    del report["image"]["reference"]
    return report


def archived(path: Path, archive: bytes, platform: Platform | None = None) -> object:
    path.write_bytes(archive)
    return document(open_image(str(path), platform=platform))


# Failures


def test_an_engine_of_long_ago_is_a_sentence(start: Start) -> None:
    start(sent(ARCHIVE), version="1.18")
    with pytest.raises(NotFound, match=r"speaks version 1.18 of the API, older than 1.24; save the image instead: docker save"):
        open_image("app:1")


@pytest.mark.parametrize("version", ["", "newest", "1"])
def test_what_talks_nonsense_is_no_engine(start: Start, version: str) -> None:
    start(sent(ARCHIVE), version=version)
    with pytest.raises(NotFound, match=r"Docker \(unix://.*\) (cannot be reached|speaks version 1 of)"):
        open_image("app:1")


def test_an_engine_that_ends_an_export_early_is_a_sentence(start: Start) -> None:
    start(cut(ARCHIVE[:50_000]))
    with pytest.raises(EngineFailed, match=r"broke off after 50000 bytes of the image .*; check that it still runs"):
        open_image("app:1")


def test_an_archive_that_ends_early_is_a_sentence(start: Start) -> None:
    start(sent(ARCHIVE[:50_000]))
    with pytest.raises(EngineFailed, match=r"sent a broken archive \(it ends after 50000 bytes, inside a member\)"):
        open_image("app:1")


def test_an_error_in_the_middle_of_an_archive_is_the_engines_own(start: Start) -> None:
    start(sent(layer(file("a", b"a")).tar()[:1024], b'{"errorDetail":{},"error":"open /layer.tar: no such file"}'))
    with pytest.raises(EngineFailed, match=r"failed while it saved the image: open /layer.tar: no such file"):
        open_image("app:1")


@pytest.mark.parametrize("hangs_at", ["/version", "/json"])
def test_an_engine_that_does_not_answer_is_a_sentence(start: Start, monkeypatch: pytest.MonkeyPatch, hangs_at: str) -> None:
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.2)
    start(sent(ARCHIVE)).hangs_at = hangs_at
    with pytest.raises(NotFound, match=r"does not answer: see whether `docker version` does"):
        open_image("app:1")


def test_an_engine_that_hangs_in_an_export_is_a_sentence(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "SILENCE", 0.0)
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.2)

    def save(write: Write) -> None:
        write(ARCHIVE[:1000])
        engine.hangs_at = "/version"
        engine.silent.wait()

    engine = start(save)
    with pytest.raises(EngineFailed, match=r"does not answer: see whether `docker version` does"):
        open_image("app:1")


def test_an_engine_that_only_takes_its_time_is_waited_for(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "SILENCE", 0.0)

    def save(write: Write) -> None:
        while engine.asked.count("/v1.41/version") < 3:
            engine.silent.wait(0.01)
        sent(ARCHIVE)(write)

    engine = start(save)
    assert len(open_image("app:1").layers) == 1


def test_whoever_stops_waiting_hangs_up(start: Start) -> None:
    def save(write: Write) -> None:
        write(ARCHIVE[:1000])
        while not engine.silent.is_set():
            write(bytes(1 << 20))

    def stop(_stage: str, done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    engine = start(save)
    with pytest.raises(KeyboardInterrupt):
        open_image("app:1", progress=stop)
    assert engine.hung_up.wait(20)


def test_what_an_engine_says_is_escaped(start: Start) -> None:
    start(sent(ARCHIVE), tag="ap\x1b[2J:1")
    with pytest.raises(NotFound, match=r"did you mean `ap\\x1b\[2J:1`") as caught:
        open_image("ap:1")
    assert "\x1b" not in str(caught.value)


# Docker's containerd store, whose archives are layouts


def docker29(*, tags: list[str] | None) -> tuple[bytes, str]:
    """An archive as Docker 29 saves it, and the image's id, which is that of an index: gzip layers, an attestation, and
    another platform that was never pulled.
    """
    import gzip

    plain = layer_tar("a", "b")
    stored = gzip.compress(plain, mtime=0)
    layout = Layout()
    blob = layout.add(stored, "application/vnd.oci.image.layer.v1.tar+gzip")
    here = layout.image(settings=config(plain), changes={"layers": [blob]})
    absent = layout.image(layer_tar("never pulled"), platform=ARM)
    for each in json.loads(layout.blobs[absent["digest"]])["layers"]:
        del layout.blobs[each["digest"]]
    reference = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": here["digest"]}
    attestation = layout.image(b"{}" * 600, platform={"os": "unknown", "architecture": "unknown"}, names=reference)
    index = layout.index(here, absent, attestation, names={"io.containerd.image.name": "docker.io/library/app:1"})
    settings = "blobs/" + json.loads(layout.blobs[here["digest"]])["config"]["digest"].replace(":", "/")
    item = {"Config": settings, "RepoTags": tags, "Layers": ["blobs/" + blob["digest"].replace(":", "/")]}
    return tar(docker_layout(layout, index, items=[item])), index["digest"]


def test_an_image_in_dockers_containerd_store_is_its_archives(start: Start, tmp_path: Path, cache: Cache) -> None:
    archive, identity = docker29(tags=["app:1"])
    wanted = archived(tmp_path / "saved.tar", archive, AMD64)
    engine = start(sent(archive), version="1.52", image_id=identity)
    assert document(open_image("app:1", platform=AMD64, engine_options=EngineOptions(cache=cache))) == wanted
    assert engine.wanted[-1] == {"platform": ['{"os": "linux", "architecture": "amd64"}']}
    assert document(open_image("app:1", platform=AMD64, engine_options=EngineOptions(cache=cache))) == wanted
    assert engine.saves == 1


def test_a_platform_that_was_never_pulled_is_a_sentence(start: Start, cache: Cache) -> None:
    archive, identity = docker29(tags=["app:1"])
    start(sent(archive), version="1.52", image_id=identity)
    open_image("app:1", platform=AMD64, engine_options=EngineOptions(cache=cache))
    with pytest.raises(LayerscopeError, match=r"none of its 1 layers is there"):
        open_image("app:1", platform=Platform("linux", "arm64"), engine_options=EngineOptions(cache=cache))


def test_contents_of_a_gzip_layer_are_fetched_again(start: Start, cache: Cache) -> None:
    archive, identity = docker29(tags=["app:1"])
    engine = start(sent(archive), version="1.52", image_id=identity)
    for saves in (2, 3):
        contents = read_image(open_image("app:1", platform=AMD64, engine_options=EngineOptions(cache=cache)))
        entries, content = contents.stack.tables[0].entries, contents.layers[0]
        assert content is not None
        assert b"".join(content.pieces(1, int(entries.content_offset[1]), int(entries.size[1]))) == b"content of b\n"
        assert engine.saves == saves


# Liars: what an engine says of itself is not taken for the truth about another's


HONEST, HIDDEN = layer_tar("honest"), layer_tar("hidden")


def test_an_engine_that_lies_about_a_layer_spoils_no_other(start: Start, cache: Cache) -> None:
    lie = tar(saved(HIDDEN, settings=config(HONEST)))
    identity = digest(config(HONEST))
    liar = start(sent(lie), image_id=identity)
    for _ in range(2):
        shown = read_image(open_image("app:1", engine_options=EngineOptions(cache=cache)))
        assert shown.stack.entries.paths.tolist() == [b"hidden"]
    assert (liar.saves, cache.entries()) == (2, [])
    honest = start(sent(tar(saved(HONEST))), image_id=identity)
    for _ in range(2):
        shown = read_image(open_image("app:1", engine_options=EngineOptions(cache=cache)))
        assert shown.stack.entries.paths.tolist() == [b"honest"]
    assert (honest.saves, len(cache.entries())) == (1, 2)


def test_an_engine_that_lies_about_an_id_spoils_no_other(start: Start, cache: Cache) -> None:
    identity = digest(config(HONEST))
    start(sent(tar(saved(HIDDEN))), image_id=identity)
    open_image("app:1", engine_options=EngineOptions(cache=cache))
    assert [kept.is_image for kept in cache.entries()] == [False]
    start(sent(tar(saved(HONEST))), image_id=identity)
    shown = read_image(open_image("app:1", engine_options=EngineOptions(cache=cache)))
    assert shown.stack.entries.paths.tolist() == [b"honest"]


def test_contents_of_another_image_are_not_shown(start: Start) -> None:
    engine = start(sent(tar(saved(HONEST))), image_id=digest(config(HONEST)))
    contents = read_image(open_image("app:1"))
    engine.save = sent(tar(saved(HIDDEN)))
    assert contents.layers[0] is not None
    with pytest.raises(NotFound, match=r"app:1 has another layer 1 now than before; open it again"):
        contents.layers[0].pieces(0, 512, 5)


# Engines that are named


def test_an_engine_that_is_named_and_does_not_answer_is_an_error_though_another_has_the_image(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    podman = start(sent(ARCHIVE))
    monkeypatch.setenv("CONTAINER_HOST", podman.address)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nope")
    for command in (["ci"], ["verify"], []):
        done = ran(capsys, *command, "app:1")
        assert done.code == 2
        assert "nope) is not running there" in done.err
    assert podman.saves == 0
    assert ran(capsys, "ci", "podman:app:1", "--min-efficiency", "0").code == 0


def test_a_podman_that_is_named_and_absent_is_an_error_though_a_usual_docker_has_the_image(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docker = start(sent(ARCHIVE))
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setattr(endpoints, "DOCKER_SOCKET", str(docker.socket))
    done = ran(capsys, "ci", "app:1")
    assert (done.code, "there is no Podman at " in done.err) == (2, True)
    assert "docker:app:1 asks Docker alone" in done.err
    assert ran(capsys, "ci", "docker:app:1").code == 0


def test_a_named_engine_that_does_not_answer_is_an_error_for_a_container_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nope")
    done = ran(capsys, "ci", "container:web")
    assert (done.code, "nope) is not running there" in done.err) == (2, True)


ODD = [
    b"[]",
    b"1",
    b'"x"',
    b'{"Id":[],"RepoTags":7}',
    b'{"Id":"x","RootFS":[1]}',
    b'{"Id":"x","Size":[]}',
    b"[" * 100_000,
    b"{",
]


@pytest.mark.parametrize("answer", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("question", ["/version", "/info", "/images/app:1/json", "/images/json", "/containers/web/json"])
def test_an_answer_of_any_form_is_no_broken_rule(
    start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], question: str, answer: bytes
) -> None:
    engine = start(sent(ARCHIVE))
    usual = engine.answer
    monkeypatch.setattr(engine, "answer", lambda path: sent(answer) if unquote(path).endswith(question) else usual(path))
    for reference in ("app:1", "apq:1", "container:web"):
        assert ran(capsys, "ci", reference, "--min-efficiency", "0").code in (0, 2)
    assert ran(capsys, "images").code in (0, 2)
