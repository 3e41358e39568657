"""Commands on images of a real registry (distribution's docker-registry): plain names, prefixes, options, settings."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import pytest

from conftest import requires
from layerscope.sources.engine import endpoints
from layerscope.units import size_text
from support.commands import COMMAND, Ran, environment, ran
from support.engines import free_port, registry
from support.image_builder import file, image, layer, whiteout, write_layout
from support.pretend_registry import Answer, Asked, pretended_registry, served
from support.registry_pushes import own_certificate, skopeo_copy
from support.terminals import is_running, tmux, until

pytestmark = pytest.mark.slow

BASE = (layer("etc/passwd", file("big", bytes(range(256)) * 4096)), layer("gone"))
STACK = (*BASE, layer(whiteout("gone"), file("small", b"small")))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with team/app:1 and its base, team/base:1; the archives lie beside each other in /archives."""
    directory = tmp_path_factory.mktemp("registry")
    with registry() as host:
        for name, stack in {"base": BASE, "app": STACK}.items():
            (directory / f"{name}.tar").write_bytes(image(*stack, tag=f"team/{name}:1"))
            skopeo_copy(f"docker-archive:{directory / name}.tar", f"docker://{host}/team/{name}:1")
        yield host


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine is there, and what none has may be read in a registry."""
    for name in ("DOCKER_HOST", "CONTAINER_HOST", "DOCKER_CONTEXT", "LAYERSCOPE_NO_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAYERSCOPE_NO_STORAGE", "1")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(endpoints, "DOCKER_SOCKET", f"{tmp_path}/none")
    monkeypatch.setattr(endpoints, "PODMAN_SOCKET", f"{tmp_path}/none")


def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    monkeypatch.setenv("LAYERSCOPE_CONFIG", str(tmp_path / "config.toml"))


# Every command


def test_every_command_reads_an_image_of_a_registry(host: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    name = f"docker://{host}/team/app:1"

    def done(*arguments: str) -> Ran:
        found = ran(capsys, *arguments)
        assert (found.code, found.err) == (0, ""), arguments
        return found

    assert "small" in done("ls", name).out
    assert done("cat", name, "/small").out == "small"
    assert done("find", name, "sm*", "--json").objects[0]["path"] == "/small"
    assert "layer 2" in done("blame", name, "/gone").out
    assert done("waste", name).out
    assert done(f"registry:{host}/team/app:1", "--text").lines[0].startswith(f"{host}/team/app:1 ")
    assert json.loads(done(name, "--json", "-").out)["image"]["reference"] == name
    assert done("ci", name, "--max-size", "5MB").out
    assert done("verify", name).lines[0].startswith("ok ")
    assert "/small" in done("diff", f"docker://{host}/team/base:1", name).out
    assert json.loads(done("images", name, "--json").out)["images"][0]["tags"] == [f"{host}/team/app:1"]
    assert "base" in done(name, "--text", "--base", f"docker://{host}/team/base:1").out


def test_an_extracted_file_is_that_of_the_registry(host: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert ran(capsys, "extract", f"docker://{host}/team/app:1", "/small", str(tmp_path / "out")).code == 0
    assert (tmp_path / "out").read_bytes() == b"small"


def test_a_baseline_of_a_registry_is_kept_for_the_next_image(
    host: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kept = tmp_path / "baseline.json"
    assert ran(capsys, "baseline", f"docker://{host}/team/base:1", "-o", kept).code == 0
    found = ran(capsys, "ci", f"docker://{host}/team/app:1", "--baseline", kept, "--max-growth", "1B")
    assert (found.code, "max-growth" in found.out) == (1, True)


def test_the_screen_shows_an_image_of_a_registry_and_says_so_when_it_is_closed(host: str, tmp_path: Path) -> None:
    settings = {"LAYERSCOPE_NO_REGISTRY": "0", "LAYERSCOPE_CACHE": str(tmp_path / "cache")}
    with tmux(tmp_path, size=(120, 40), settings=settings) as terminal:
        terminal.run_layerscope(f"{host}/team/app:1")
        terminal.wait("small")
        assert "no engine has" not in terminal.shown
        terminal.press("q")
        terminal.wait(f"no engine has {host}/team/app:1")


def test_the_report_and_json_say_what_was_fetched_in_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write_layout(tmp_path / "image", layer(file("big", bytes(40 << 20))))
    with pretended_registry() as registry:
        reference = served(registry, place)
        text, document = ran(capsys, reference, "--text", "--no-cache"), ran(capsys, reference, "--json", "-", "--no-cache")
    fetched = json.loads(document.out)["image"]["fetched_bytes"]
    read = json.loads(document.out)["layers"][0]["fetched_bytes"]
    assert read < fetched < read + 3000  # the manifest and the config
    said = f"From the registry: {size_text(fetched)} of 42.0 MB fetched; 1 of 1 layer not checked."
    assert said in " ".join(text.out.split())
    assert "a registry would store less" not in text.out
    assert "a registry would store less" in ran(capsys, place, "--text").out
    assert "fetched" not in ran(capsys, place, "--text").out


# Plain names


@pytest.mark.parametrize("command", [("ls",), ("images", "--text"), ("cat",), ("waste",)])
def test_a_name_that_no_engine_has_is_read_in_its_registry_and_one_line_says_so(
    host: str, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    rest = ("/small",) if command == ("cat",) else ()
    found = ran(capsys, *command, f"{host}/team/app:1", *rest)
    place = f"{host}/team/app:1"
    said = f"layerscope: no engine has {place}; reading it in its registry (--no-registry prevents this)\n"
    assert (found.code, found.err) == (0, said)


def test_one_line_says_so_for_both_platforms_of_an_image(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = f"{host}/team/app:1"
    done = ran(capsys, "diff", place, place)
    assert (done.code, done.err.count("no engine has")) == (0, 1)


def test_the_report_names_the_registry_where_the_image_was_read(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(ran(capsys, f"{host}/team/app:1", "--json", "-").out)
    assert document["image"]["reference"] == f"docker://{host}/team/app:1"


def test_no_registry_is_asked_where_that_is_turned_off(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = f"{host}/team/app:1"
    refused = ran(capsys, "ls", name, "--no-registry")
    assert (refused.code, refused.out) == (2, "")
    assert "there is no Docker at" in refused.err
    configured(monkeypatch, tmp_path, "no_registry = true\n")
    assert ran(capsys, "ls", name).code == 2
    assert ran(capsys, "images", name, "--text").code == 2
    monkeypatch.setenv("LAYERSCOPE_NO_REGISTRY", "0")
    assert ran(capsys, "ls", name).code == 0
    monkeypatch.setenv("LAYERSCOPE_NO_REGISTRY", "1")
    assert ran(capsys, "ls", name).code == 2
    assert ran(capsys, "ls", f"docker://{name}").code == 0


@pytest.mark.parametrize("variable", ["DOCKER_HOST", "CONTAINER_HOST"])
def test_a_named_engine_that_does_not_answer_is_an_error_and_no_registry_is_asked(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, f"tcp://127.0.0.1:{free_port()}")
    found = ran(capsys, "ls", f"{host}/team/app:1")
    assert (found.code, "in its registry (--no-registry" in found.err) == (2, False)


def test_a_docker_context_whose_engine_does_not_answer_is_an_error(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
    found = ran(capsys, "ls", f"{host}/team/app:1")
    assert (found.code, "reading" in found.err) == (2, False)


def test_a_usual_engine_that_does_not_answer_may_have_the_image_so_no_registry_is_asked(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "docker.sock").write_bytes(b"")
    found = ran(capsys, "ls", f"{host}/team/app:1")
    assert (found.code, "reading" in found.err) == (2, False)
    assert f"to read it in its registry: docker://{host}/team/app:1" in found.err


def test_a_file_named_like_the_image_is_read_first(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / host / "team" / "app:1"
    place.parent.mkdir(parents=True)
    place.write_bytes(image(layer("of-the-file"), tag="x:1"))
    found = ran(capsys, "ls", f"{host}/team/app:1")
    assert ("of-the-file" in found.out, found.err) == (True, "")


def test_an_image_that_is_nowhere_is_told_with_what_the_registry_said(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(capsys, "ls", f"{host}/team/none:1")
    assert found.code == 2
    assert re.search(r"there is no Docker at .*; and in its registry: 127.0.0.1:\d+ has no manifest", found.err)


def test_a_registry_in_the_place_of_an_image_is_told_how_to_be_listed(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "registries.conf").write_text(f'[[registry]]\nprefix = "docker.io"\nlocation = "{host}"\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
    found = ran(capsys, "ls", host)
    assert (found.code, f"has no manifest docker.io/library/{host}" in found.err) == (2, True)
    assert found.err.endswith(f". If it is a registry: layerscope registry {host}\n")


@pytest.mark.parametrize("name", ["app.tar", "0123456789ab", "sha256:" + "ab" * 32, "docker:nothing", "container:nothing"])
def test_ids_mistyped_files_and_names_of_one_engine_are_in_no_registry(capsys: pytest.CaptureFixture[str], name: str) -> None:
    found = ran(capsys, "ls", name)
    assert (found.code, "reading" in found.err) == (2, False)


# Options


def test_a_registry_with_a_certificate_of_its_own_is_read_where_it_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own_certificate(tmp_path)
    (tmp_path / "app.tar").write_bytes(image(*STACK, tag="app:1"))
    with registry(http={"tls": {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}}) as host:
        skopeo_copy(f"docker-archive:{tmp_path}/app.tar", f"docker://{host}/app:1")
        name = f"docker://{host}/app:1"
        refused = ran(capsys, "ls", name)
        assert (refused.code, f"--insecure {host}" in refused.err) == (2, True)
        assert ran(capsys, "ls", name, "--insecure", "other.example").code == 2
        for spelled in (host, f"https://{host}", "127.0.0.1"):
            assert ran(capsys, "ls", name, "--insecure", "other.example", "--insecure", spelled).code == 0
        configured(monkeypatch, tmp_path, f'insecure = ["other.example", "{host}"]\n')
        assert ran(capsys, "ls", name).code == 0
        monkeypatch.delenv("LAYERSCOPE_CONFIG")
        monkeypatch.setenv("LAYERSCOPE_INSECURE", f"other.example, {host}")
        assert ran(capsys, "ls", name).code == 0


def test_a_limited_rate_slows_the_reading_down(
    host: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = f"docker://{host}/team/app:1"
    size = json.loads(ran(capsys, name, "--json", "-").out)["image"]["wire_bytes"]
    started = time.monotonic()
    assert ran(capsys, "ls", name, "--no-cache", "--limit-rate", str(size // 2)).code == 0
    assert time.monotonic() - started > 1
    configured(monkeypatch, tmp_path, f'limit_rate = "{size // 2}"\n')
    started = time.monotonic()
    assert ran(capsys, "ls", name, "--no-cache").code == 0
    assert time.monotonic() - started > 1


@pytest.mark.parametrize("value", ["fast", "0"])
def test_a_rate_that_is_none_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
) -> None:
    found = ran(capsys, "ls", "docker://127.0.0.1:1/a:1", "--limit-rate", value)
    assert (found.code, f"--limit-rate {value}: give a size above 0, such as 5MB" in found.err) == (2, True)
    monkeypatch.setenv("LAYERSCOPE_LIMIT_RATE", value)
    assert f"LAYERSCOPE_LIMIT_RATE {value}: give a size" in ran(capsys, "ls", "docker://127.0.0.1:1/a:1").err
    monkeypatch.delenv("LAYERSCOPE_LIMIT_RATE")
    configured(monkeypatch, tmp_path, f'limit_rate = "{value}"\n')
    assert f'`limit_rate = "{value}"`: must be a size above 0' in ran(capsys, "ls", "docker://127.0.0.1:1/a:1").err


def test_an_image_of_a_registry_cannot_be_watched(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(capsys, "watch", f"docker://{host}/team/app:1", "--text")
    assert (found.code, "cannot be watched" in found.err) == (2, True)
    assert ran(capsys, "watch", f"{host}/team/app:1", "--text").code == 2


# Ctrl-C


@pytest.mark.parametrize("stall_after", [0, 100_000], ids=["before the answer", "within the body"])
@pytest.mark.parametrize("command", [("ls",), ("verify",), ("ci",)])
def test_ctrl_c_ends_the_reading_of_a_registry_that_stalls_at_once(
    tmp_path: Path, command: tuple[str, ...], stall_after: int
) -> None:
    place = write_layout(tmp_path / "image", *(layer(file(f"big{n}", random.Random(n).randbytes(900_000))) for n in range(3)))
    with pretended_registry() as registry:
        reference = served(registry, place)
        for path, route in list(registry.routes.items()):
            if "/blobs/" in path and len(route(Asked("GET", path, {})).body) > 500_000:
                registry.routes[path] = lambda asked, route=route: replace(route(asked), stall_after=stall_after)  # type: ignore[misc]
        process = subprocess.Popen([*COMMAND, *command, reference], stdout=PIPE, stderr=PIPE, text=True, env=environment({}))
        while len([each for each in registry.asked if "/blobs/" in each.path]) < 3:
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err.strip()) == (130, "", "layerscope: interrupted")
        assert time.monotonic() - started < 1


@contextmanager
def no_answer(backlog: int) -> Iterator[str]:
    """A host that never answers: with a full backlog (0) not even to a connection, else not to a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(backlog)
        place = listening.getsockname()
        waiting = [socket.socket() for _ in range(0 if backlog else 4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(place)
        yield f"{place[0]}:{place[1]}"
        for each in waiting:
            each.close()


def interrupted_within(process: subprocess.Popen[str]) -> float:
    """The seconds after Ctrl-C in which a command ends as it should."""
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err.strip()) == (130, "", "layerscope: interrupted")
    return time.monotonic() - started


@pytest.mark.parametrize("backlog", [0, 50], ids=["connecting", "before the handshake"])
@pytest.mark.parametrize("command", ["ls", "verify"])
def test_ctrl_c_ends_the_connecting_to_a_store_of_blobs_that_does_not_answer_at_once(
    tmp_path: Path, command: str, backlog: int
) -> None:
    place = write_layout(tmp_path / "image", *(layer(file(f"big{n}", random.Random(n).randbytes(900_000))) for n in range(3)))
    with pretended_registry() as registry, no_answer(backlog) as elsewhere:
        reference = served(registry, place)
        for path, route in list(registry.routes.items()):
            if "/blobs/" in path and len(route(Asked("GET", path, {})).body) > 500_000:
                registry.routes[path] = lambda _asked: Answer(307, b"", {"Location": f"https://{elsewhere}/blob"})
        process = subprocess.Popen([*COMMAND, command, reference], stdout=PIPE, stderr=PIPE, text=True, env=environment({}))
        until(lambda: any("/blobs/" in each.path for each in registry.asked[-2:]), lambda: str(registry.asked))
        time.sleep(0.5)
        assert interrupted_within(process) < 0.5


@pytest.mark.parametrize("backlog", [0, 50], ids=["connecting", "before the handshake"])
def test_ctrl_c_ends_the_connecting_to_a_registry_that_does_not_answer_at_once(backlog: int) -> None:
    with no_answer(backlog) as host:
        command = [*COMMAND, "ls", f"docker://{host}/app:1"]
        process = subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, env=environment({}))
        time.sleep(1.5)
        assert interrupted_within(process) < 0.5


def test_ctrl_c_ends_the_search_for_a_host_name_that_no_server_answers_at_once(tmp_path: Path) -> None:
    requires("unshare")
    address = f"127.9.{random.randrange(256)}.{random.randrange(1, 255)}"  # not that of another run of this test
    (tmp_path / "resolv.conf").write_text(f"nameserver {address}\n")
    mount = f"mount --bind {tmp_path}/resolv.conf /etc/resolv.conf"
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("only root mounts, and not everywhere")
    command = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *COMMAND, "ls", "docker://registry.invalid/app:1"]
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind((address, 53))
        process = subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, env=environment({}))
        silent.settimeout(20)
        silent.recv(512)
        assert interrupted_within(process) < 0.5


@pytest.mark.parametrize("backlog", [0, 50], ids=["connecting", "before the answer"])
def test_the_screen_ends_at_once_while_a_registry_does_not_answer(tmp_path: Path, backlog: int) -> None:
    with no_answer(backlog) as host, tmux(tmp_path, size=(80, 24)) as terminal:
        terminal.run_layerscope(f"docker://{host}/team/app:1")
        terminal.wait(f"asking {host}")
        child = terminal.child()
        terminal.press("q")
        until(lambda: not is_running(child), lambda: terminal.shown, seconds=1.5)
