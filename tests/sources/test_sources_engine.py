"""Images in real engines, Docker and Podman, each private to these tests and filled by `load`."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import requires
from layerscope.analysis import read_image
from layerscope.cache.cache import Cache
from layerscope.errors import AmbiguousImage, LayerscopeError, NotFound
from layerscope.sources.engine import endpoints
from layerscope.sources.engine.client import Engine
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.location import EngineOptions
from layerscope.sources.open import open_image
from support.commands import COMMAND, environment, ran, without_estimates
from support.engines import RunningEngine, docker_engine, free_port, podman_engine, registry
from support.image_builder import Layer, directory, file, hardlink, image, layer, opaque, symlink, whiteout

BASE = layer(
    directory("a"), file("a/b", b"x" * 5000), hardlink("a/c", "a/b"), symlink("l", "a/b"), directory("d"), file("d/old", b"old")
)
STACK: tuple[Layer, ...] = (
    BASE,
    layer(whiteout("l"), directory("d"), opaque("d"), file("d/new", b"new" * 3000)),
    layer(file("\xe9".encode("latin-1"), b"a name that is not UTF-8"), file("long/" * 30 + "name", b"")),
    layer(file("twice", b"the same layer twice, which docker saves as a link")),
    layer(file("twice", b"the same layer twice, which docker saves as a link")),
    layer(),
)


@pytest.fixture(scope="module")
def docker() -> Iterator[RunningEngine]:
    with docker_engine() as engine:
        engine.load(image(*STACK, tag="app:1"))
        engine.load(image(*STACK[:2], tag="app:latest", compress="gzip"))
        engine.load(image(layer("only-docker"), tag="both:1"))
        yield engine


@pytest.fixture(scope="module")
def podman() -> Iterator[RunningEngine]:
    with podman_engine() as engine:
        engine.load(image(*STACK, tag="app:1"))
        engine.load(image(*STACK[:2], tag="app:latest", compress="gzip"))
        engine.load(image(layer("only-podman"), tag="both:1"))
        yield engine


@pytest.fixture(params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> RunningEngine:
    running: RunningEngine = request.getfixturevalue(request.param)
    return running


@pytest.fixture(autouse=True)
def no_engine_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/none")
    # These tests are about exports: test_sources_storage.py is about what is read in place.
    monkeypatch.setenv("LAYERSCOPE_NO_STORAGE", "1")
    monkeypatch.chdir(tmp_path)


def ask(monkeypatch: pytest.MonkeyPatch, *engines: RunningEngine) -> None:
    """Name these engines and no other: one that is named has to answer."""
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.delenv(name)
    for engine in engines:
        monkeypatch.setenv("DOCKER_HOST" if engine.kind == "docker" else "CONTAINER_HOST", engine.address)


def report(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    done = ran(capsys, *arguments, "--json", "-")
    assert (done.code, done.err) == (0, "")
    document = without_estimates(json.loads(done.out))
    del document["image"]["reference"]
    return document


def no_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on an export is a failure."""

    def refuse(*_arguments: object) -> None:
        raise AssertionError("the engine was asked for an export")

    monkeypatch.setattr(Engine, "save", refuse)


@pytest.mark.parametrize("name", ["app:1", "app", "{kind}:app:1"])
def test_an_engines_image_gives_the_report_of_its_archive(
    engine: RunningEngine,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ask(monkeypatch, engine)
    tag = name.removeprefix("{kind}:")
    (tmp_path / "saved.tar").write_bytes(engine.run("save", tag if ":" in tag else f"{tag}:latest"))
    of_archive = report(capsys, tmp_path / "saved.tar")
    assert report(capsys, name.format(kind=engine.kind), "--no-cache") == of_archive
    assert not (tmp_path / "cache").exists()
    assert report(capsys, name.format(kind=engine.kind)) == of_archive
    no_exports(monkeypatch)
    assert report(capsys, name.format(kind=engine.kind)) == of_archive


def test_an_image_is_found_by_the_first_digits_of_its_id(engine: RunningEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, engine)
    identity = open_image("app:1").config_digest
    assert open_image(identity.encoded[:9]).config_digest == identity
    assert open_image(str(identity)).config_digest == identity


def test_a_content_is_fetched_again_when_it_is_asked_for(engine: RunningEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, engine)
    contents = read_image(open_image("app:1"))
    entries = contents.stack.tables[1].entries
    row = entries.paths.tolist().index(b"d/new")
    content = contents.layers[1]
    assert content is not None
    stretch = (row, int(entries.content_offset[row]), int(entries.size[row]))
    assert b"".join(content.pieces(*stretch)) == b"new" * 3000
    assert [b"".join(pieces) for _, pieces in content.many([stretch])] == [b"new" * 3000]
    assert content.digest(*stretch) == entries.content_id[row].astype(">u8").tobytes()


def test_commands_that_read_contents_need_one_export(
    engine: RunningEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ask(monkeypatch, engine)
    assert ran(capsys, "verify", "app:1").code == 0
    assert ran(capsys, "extract", "app:1", "/d", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "new").read_bytes() == b"new" * 3000


def test_what_is_kept_is_the_archive(
    engine: RunningEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(monkeypatch, engine)
    of_engine = report(capsys, "app:1", "--keep", tmp_path)
    assert report(capsys, tmp_path / "app_1.tar") == of_engine
    assert [path.name for path in tmp_path.iterdir() if "app" in path.name] == ["app_1.tar"]
    again = ran(capsys, "app:1", "--keep", tmp_path)
    assert (again.code, "already exists" in again.err) == (2, True)
    assert ran(capsys, "verify", "app", "--keep", tmp_path).code == 0


def test_an_archive_cannot_be_kept_where_there_is_no_directory(
    docker: RunningEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(monkeypatch, docker)
    done = ran(capsys, "app:1", "--keep", "nowhere")
    assert (done.code, "nowhere/app_1.tar cannot be written: No such file" in done.err) == (2, True)


def test_a_name_that_is_not_there_is_answered_with_near_ones(engine: RunningEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, engine)
    with pytest.raises(NotFound, match=r"there is no file or directory ap:1, and .* has no image ap:1.*; did you mean .*app:1"):
        open_image("ap:1")
    with pytest.raises(NotFound, match=r"has no image nothing:like-it; to have \w+ pull it, add --pull"):
        open_image(f"{engine.kind}:nothing:like-it")


def test_two_engines_with_different_images_of_a_name_are_a_question(
    docker: RunningEngine, podman: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(monkeypatch, docker, podman)
    with pytest.raises(AmbiguousImage, match=r"choose one: docker:both:1 or podman:both:1"):
        open_image("both:1")
    names = [open_image(f"{kind}:both:1").name for kind in ("docker", "podman")]
    assert names == ["both:1", "localhost/both:1"]
    assert open_image("app:1").name == "app:1"


def test_podman_is_asked_where_there_is_no_docker(podman: RunningEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, podman)
    assert open_image("both:1").name == "localhost/both:1"


def test_a_file_comes_before_an_image(docker: RunningEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, docker)
    (tmp_path / "app").write_bytes(image(layer("of-the-file"), tag="app:1"))
    assert len(open_image("app:1").layers) == 1
    assert len(open_image("docker:app:1").layers) == len(STACK)


def test_a_directory_that_is_no_image_is_passed_over(
    docker: RunningEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(monkeypatch, docker)
    (tmp_path / "app").mkdir()
    assert len(open_image("app:1").layers) == len(STACK)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(NotFound, match=r"the directory nothing is not an image.* has no image nothing:1"):
        open_image("nothing:1")


def test_an_engine_that_is_killed_during_a_save_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with docker_engine() as victim:
        victim.load(image(layer(file("big", os.urandom(48 << 20))), tag="big:1"))
        ask(monkeypatch, victim)
        # A fast machine sends all of it before progress is told for the first time.
        monkeypatch.setattr("layerscope.sources.engine.receive.LOOK_UP", 0.001)

        def kill(_stage: str, done: int, _total: int) -> None:
            if done:
                victim.process.kill()
                victim.process.wait()

        with pytest.raises(EngineFailed, match=r"Docker \(unix://.*\) broke off after \d+ bytes of the image"):
            open_image("big:1", progress=kill, engine_options=EngineOptions(keep=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_is_killed_before_it_sends_anything_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker 20.10 writes the image to its own disk first."""
    with docker_engine() as victim:
        victim.load(image(layer(file("big", os.urandom(48 << 20))), tag="big:1"))
        ask(monkeypatch, victim)

        def kill(stage: str, done: int, _total: int) -> None:
            if stage.startswith("Docker prepares") and not done:
                victim.process.kill()

        with pytest.raises(EngineFailed, match=r"broke off before the first byte of the image"):
            open_image("big:1", progress=kill)


def test_an_engine_behind_ssh_is_asked_through_the_ssh_command(
    docker: RunningEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is replaced by one that goes to this machine: docker's own end of the line is the real one."""
    script = f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexec docker -H {docker.address} system dial-stdio\n'
    (tmp_path / "ssh").write_text(script)
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("DOCKER_HOST", "ssh://somebody@build.example:2222")
    assert len(open_image("app:1").layers) == len(STACK)
    wanted = "-l somebody -p 2222 -- build.example docker system dial-stdio"
    assert set((tmp_path / "calls").read_text().splitlines()) == {wanted}


def test_a_context_says_where_docker_is(docker: RunningEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("HOME", str(tmp_path))
    create = ["docker", "context", "create", "mine", "--docker", f"host={docker.address}"]
    subprocess.run(create, check=True, capture_output=True)
    subprocess.run(["docker", "context", "use", "mine"], check=True, capture_output=True)
    assert len(open_image("docker:app:1").layers) == len(STACK)
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    with pytest.raises(NotFound, match=r"Docker has no context other"):
        open_image("docker:app:1")


def test_the_usual_sockets_are_tried_where_nothing_names_another(
    docker: RunningEngine, podman: RunningEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(endpoints, "DOCKER_SOCKET", f"{tmp_path}/none")
    monkeypatch.setattr(endpoints, "PODMAN_SOCKET", f"{tmp_path}/none")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(NotFound, match=r"there is no Docker at .*/docker.sock and no Podman at .*set DOCKER_HOST"):
        open_image("both:1")
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "podman.sock").symlink_to(podman.socket)
    assert open_image("both:1").name == "localhost/both:1"
    (tmp_path / "docker.sock").symlink_to(docker.socket)
    assert open_image("docker:both:1").name == "both:1"


@contextmanager
def docker_with_tls(directory: Path) -> Iterator[str]:
    """A dockerd that wants certificates, those in `directory`; gives its address."""
    requires("openssl")
    # Python 3.13 takes no authority that does not say what its key is for.
    script = r"""
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -subj /CN=ca -days 1 \
          -addext keyUsage=critical,keyCertSign,cRLSign
        for name in server client; do
          openssl req -newkey rsa:2048 -nodes -keyout $name-key.pem -out $name.csr -subj /CN=localhost
          printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth' > $name.ext
          openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out $name.pem -days 1 -extfile $name.ext
        done
        mv client.pem cert.pem && mv client-key.pem key.pem
    """
    subprocess.run(["sh", "-ec", script], cwd=directory, check=True, capture_output=True)
    host = f"tcp://127.0.0.1:{free_port()}"
    files = (f"--tlscacert={directory}/ca.pem", f"--tlscert={directory}/server.pem", f"--tlskey={directory}/server-key.pem")
    with docker_engine("-H", host, "--tlsverify", *files) as engine:
        engine.load(image(*STACK, tag="app:1"))
        yield host


def test_docker_is_asked_over_tls_as_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with docker_with_tls(tmp_path) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with pytest.raises(NotFound, match=r"HTTP request to an HTTPS server.; set DOCKER_TLS_VERIFY=1 and"):
            open_image("docker:app:1")
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
        contents = read_image(open_image("docker:app:1"))
        assert len(contents.image.layers) == len(STACK)
        (tmp_path / "ca.pem").write_bytes((tmp_path / "cert.pem").read_bytes())
        with pytest.raises(NotFound, match=r"cannot be reached over TLS .*; check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"):
            open_image("docker:app:1")


def test_a_user_without_permission_is_told_the_way_out(
    docker: RunningEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ask(monkeypatch, docker)
    open_image("app:1")  # all modules are loaded now, as this user
    os.seteuid(65534)
    try:
        with pytest.raises(NotFound, match=r"permission denied.: join the group `docker`, or use sudo"):
            open_image("docker:app:1")
    finally:
        os.seteuid(0)


def test_the_engine_pulls_what_is_not_there(docker: RunningEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(monkeypatch, docker)
    with registry() as host:
        name = f"{host}/pulled:1"
        docker.run("tag", "app:1", name)
        docker.run("push", name)
        docker.run("rmi", name)
        with pytest.raises(NotFound, match=r"--pull"):
            open_image(name)
        stages: list[str] = []
        pulled = open_image(name, engine_options=EngineOptions(pull=True), progress=lambda stage, *_: stages.append(stage))
        assert (pulled.name, len(pulled.layers)) == (name, len(STACK))
        assert any(stage.startswith(f"Docker pulls {name}") for stage in stages)
        with pytest.raises(EngineFailed, match=f"{host}/absent:1 cannot be pulled: Docker .*not found"):
            open_image(f"{host}/absent:1", engine_options=EngineOptions(pull=True))


def test_an_interrupted_command_leaves_at_once_and_keeps_nothing(docker: RunningEngine, tmp_path: Path) -> None:
    docker.load(image(layer(file("big", os.urandom(48 << 20))), tag="slow:1"))
    code = "import os, signal, sys; from layerscope.sources.engine import received; from layerscope.cli.main import run\n"
    code += "real = received.read_passing\n"
    code += "def read_passing(stream, **given):\n    os.kill(os.getpid(), signal.SIGINT)\n    return real(stream, **given)\n"
    code += "received.read_passing = read_passing\nsys.exit(run(['slow:1', '--text', '--keep', sys.argv[1]]))"
    environment = os.environ | {"DOCKER_HOST": docker.address}
    done = subprocess.run([sys.executable, "-c", code, tmp_path], env=environment, capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stderr.strip()) == (130, b"layerscope: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_no_engine_at_all_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(LayerscopeError, match=r"is not running there"):
        open_image("docker:app:1")


# The cache


def test_another_tag_of_a_known_image_needs_no_export(
    engine: RunningEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ask(monkeypatch, engine)
    engine_options = EngineOptions(cache=Cache.open(tmp_path / "layers"))
    first = open_image("app:1", engine_options=engine_options)
    engine.run("tag", "app:1", "localhost/again:2")
    no_exports(monkeypatch)
    assert open_image("app:1", engine_options=engine_options).name == first.name
    again = open_image("again:2" if engine.kind == "podman" else "localhost/again:2", engine_options=engine_options)
    assert (again.name, again.config_digest) == ("localhost/again:2", first.config_digest)


def test_contents_of_a_known_image_are_its_own_though_its_tag_is_anothers_by_now(
    engine: RunningEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ask(monkeypatch, engine)
    engine.run("tag", "app:1", "moving:1")
    engine_options = EngineOptions(cache=Cache.open(tmp_path / "layers"))
    for _ in range(2):
        contents = read_image(open_image("moving:1", engine_options=engine_options))
    engine.run("tag", "both:1", "moving:1")
    entries = contents.stack.tables[1].entries
    row = entries.paths.tolist().index(b"d/new")
    content = contents.layers[1]
    assert content is not None
    assert b"".join(content.pieces(row, int(entries.content_offset[row]), int(entries.size[row]))) == b"new" * 3000


def test_a_cache_that_is_damaged_anywhere_costs_an_export_and_nothing_else(
    docker: RunningEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ask(monkeypatch, docker)
    wanted = report(capsys, "app:1")
    chance = random.Random(1)
    for _ in range(12):
        victim = chance.choice(sorted((tmp_path / "cache").iterdir()))
        stored = bytearray(victim.read_bytes())
        stored[chance.randrange(len(stored))] ^= 1 << chance.randrange(8)
        victim.write_bytes(stored[: chance.randrange(len(stored))] if chance.random() < 0.3 else stored)
        assert report(capsys, "app:1") == wanted


def test_several_at_once_share_a_cache(docker: RunningEngine, tmp_path: Path) -> None:
    settings = environment({"DOCKER_HOST": docker.address, "LAYERSCOPE_CACHE": str(tmp_path / "layers")})
    command = [*COMMAND, "app:1", "--json", "-"]
    for _ in range(2):
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=settings, text=True) for _ in range(3)]
        printed = {each.communicate()[0] for each in running}
        assert [each.returncode for each in running] == [0, 0, 0]
        assert len(printed) == 1
    assert not [path for path in (tmp_path / "layers").iterdir() if path.name.startswith(".")]


def test_a_cache_without_room_changes_nothing(docker: RunningEngine, tmp_path: Path) -> None:
    settings = environment({"DOCKER_HOST": docker.address, "LAYERSCOPE_CACHE": str(tmp_path / "layers")})
    without = subprocess.run([*COMMAND, "app:1", "--no-cache"], env=settings, capture_output=True, check=True)
    small = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *COMMAND, "app:1"]
    full = subprocess.run(small, env=settings | {"PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, check=True)
    assert (full.stdout, full.stderr) == (without.stdout, b"")
