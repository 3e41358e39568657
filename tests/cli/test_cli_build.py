"""`layerscope build`: real builds on private engines, then what was built."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import requires
from support.commands import COMMAND, environment, process, ran
from support.engines import RunningEngine, _directory, _require_root, docker_engine, podman_engine

DOCKERFILE = b"FROM scratch\nCOPY big /file\nCOPY small /file\n"
PODMAN = ("--engine", "podman")


@pytest.fixture(scope="module")
def docker() -> Iterator[RunningEngine]:
    with docker_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def podman() -> Iterator[RunningEngine]:
    with podman_engine() as engine:
        yield engine


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """What is built."""
    directory = tmp_path / "a context"
    directory.mkdir()
    (directory / "Dockerfile").write_bytes(DOCKERFILE)
    (directory / "big").write_bytes(b"1" * 5000)
    (directory / "small").write_bytes(b"2" * 10)
    return directory


def on_docker(engine: RunningEngine) -> dict[str, str]:
    return {"DOCKER_HOST": engine.address, "DOCKER_BUILDKIT": "0"}


def on_podman(engine: RunningEngine) -> dict[str, str]:
    """With CONTAINER_HOST the client has the service build."""
    return {"CONTAINER_HOST": engine.address}


def built(*arguments: str | Path, settings: dict[str, str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run it in a process of its own, whose output it shares with the engine's command."""
    env = environment(settings)
    return subprocess.run([*COMMAND, "build", *arguments], input=stdin, capture_output=True, check=False, env=env)


def test_what_docker_built_is_reported_after_its_own_output(docker: RunningEngine, place: Path) -> None:
    done = built("-t", "own:1", place, settings=on_docker(docker))
    out = done.stdout.decode()
    assert (done.returncode, "Step 3/3 : COPY small /file" in out) == (0, True)
    assert out.index("Successfully tagged own:1") < out.index("own:1 · linux/")
    assert "5.00 kB  overwritten    1 → 2" in out


def test_what_podman_built_is_reported_after_its_own_output(podman: RunningEngine, place: Path) -> None:
    done = built(*PODMAN, "-t", "own:1", place, settings=on_podman(podman))
    out = done.stdout.decode()
    assert (done.returncode, "STEP 3/3: COPY small /file" in out + done.stderr.decode()) == (0, True)
    assert "localhost/own:1 · linux/" in out
    assert "5.00 kB  overwritten    1 → 2" in out


def test_an_image_of_podmans_without_a_tag_is_found_by_its_id(podman: RunningEngine, place: Path) -> None:
    done = built(*PODMAN, "-q", place, settings=on_podman(podman))
    assert (done.returncode, b"5.00 kB  overwritten    1" in done.stdout) == (0, True), done.stderr


def test_what_podman_built_is_found_in_its_storage_where_it_has_no_service(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requires("podman")
    _require_root()
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    with _directory() as top:
        settings = f'[storage]\ndriver = "vfs"\ngraphroot = "{top}/data"\nrunroot = "{top}/run"\n'
        (top / "storage.conf").write_text(settings)
        at_storage = {"CONTAINERS_STORAGE_CONF": str(top / "storage.conf"), "XDG_RUNTIME_DIR": str(tmp_path)}
        done = built(*PODMAN, "-t", "own:1", place, settings=at_storage)
    assert (done.returncode, b"5.00 kB  overwritten    1" in done.stdout) == (0, True), done.stderr


def test_an_image_without_a_tag_is_found_by_its_id(docker: RunningEngine, place: Path) -> None:
    done = built("-q", place, settings=on_docker(docker))
    identity = done.stdout.decode().splitlines()[0]
    assert identity.startswith("sha256:")
    assert identity[7:19] in done.stdout.decode().splitlines()[1]


@pytest.mark.parametrize("form", [("--iidfile=own id",), ("--iidfile", "own id"), ("--iidfile=no", "--iidfile=own id")])
def test_a_file_for_the_id_that_the_user_names_is_written_by_the_engine(
    docker: RunningEngine, place: Path, form: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    done = built("-q", *form, ".", settings=on_docker(docker))
    assert done.returncode == 0, done.stderr
    assert (place / "own id").read_text().strip() == done.stdout.decode().splitlines()[0]
    assert not (place / "no").exists()


def test_what_only_looks_like_a_file_for_the_id_is_none(docker: RunningEngine, place: Path) -> None:
    done = built("--label", "--iidfile=x", "-t--odd:1", place, settings=on_docker(docker))
    assert (done.returncode, b"invalid argument" in done.stderr) == (125, True)
    done = built("--label", "--iidfile=x", place, settings=on_docker(docker))
    assert (done.returncode, b"5.00 kB  overwritten" in done.stdout) == (0, True)


def test_a_tag_that_means_another_image_by_then_is_not_taken_for_it(docker: RunningEngine, place: Path) -> None:
    """The last -t of these is an argument of --label, and names an image that is there."""
    first = built("-q", "-t", "old:1", place, settings=on_docker(docker)).stdout.split()[0]
    (place / "small").write_bytes(b"3" * 20)
    done = built("--label", "-t", "--label", "old:1", "-q", place, settings=on_docker(docker))
    assert done.stdout.split()[0] != first
    assert b"20 B" in done.stdout


def test_the_context_may_come_through_a_pipe(docker: RunningEngine, place: Path) -> None:
    tar = subprocess.run(["tar", "-c", "-C", place, "."], capture_output=True, check=True).stdout
    done = built("-", settings=on_docker(docker), stdin=tar)
    assert (done.returncode, b"5.00 kB  overwritten" in done.stdout) == (0, True)


def test_the_exit_code_of_a_build_that_fails_is_passed_on_and_nothing_is_shown(docker: RunningEngine, place: Path) -> None:
    (place / "Dockerfile").write_bytes(b"FROM scratch\nCOPY missing /\n")
    done = built(place, settings=on_docker(docker))
    assert (done.returncode, b"COPY failed" in done.stderr, b"layerscope:" in done.stderr) == (1, True, False)


@pytest.mark.parametrize("asked", ["CI", "--ci", "--ci --engine=docker"])
def test_in_ci_what_was_built_is_judged(docker: RunningEngine, place: Path, asked: str) -> None:
    settings = on_docker(docker) | ({"CI": "true"} if asked == "CI" else {})
    own = asked.split() if asked != "CI" else []
    done = built(*own, "-t", "own:ci", place, settings={**settings, "LAYERSCOPE_MAX_SIZE": "5kB"})
    assert (done.returncode, re.search(rb"FAILED  max-size +5.01 kB +max 5.00 kB", done.stdout) is not None) == (1, True), (
        done.stdout + done.stderr
    )
    assert done.stdout.index(b"Successfully tagged own:ci") < done.stdout.index(b"FAILED")
    done = built(*own, "-t", "own:ci", place, settings={**settings, "LAYERSCOPE_MAX_SIZE": "6kB"})
    assert (done.returncode, b"PASSED: 1 rule" in done.stdout) == (0, True)


def test_in_ci_what_podman_built_is_judged(podman: RunningEngine, place: Path) -> None:
    done = built("--ci", *PODMAN, "-q", place, settings={**on_podman(podman), "LAYERSCOPE_MAX_LAYERS": "1"})
    assert (done.returncode, b"FAILED  max-layers" in done.stdout) == (1, True), done.stdout + done.stderr


def test_in_ci_a_build_that_fails_and_what_cannot_be_judged_are_no_broken_rule(docker: RunningEngine, place: Path) -> None:
    done = built("--ci", place, settings={**on_docker(docker), "LAYERSCOPE_MAX_SIZE": "much"})
    assert (done.returncode, b"LAYERSCOPE_MAX_SIZE" in done.stderr, b"Step 1" in done.stdout) == (2, True, False)
    (place / "Dockerfile").write_bytes(b"FROM scratch\nCOPY missing /\n")
    done = built(place, settings={**on_docker(docker), "CI": "true"})
    assert (done.returncode, b"COPY failed" in done.stderr, b"PASSED" in done.stdout) == (1, True, False)


@pytest.mark.parametrize("value", ["", "false", "0"])
def test_outside_of_ci_what_was_built_is_reported_on(docker: RunningEngine, place: Path, value: str) -> None:
    done = built("-t", "own:1", place, settings={**on_docker(docker), "CI": value, "LAYERSCOPE_MAX_SIZE": "1"})
    assert (done.returncode, b"Waste by cause" in done.stdout) == (0, True)


def test_any_exit_code_and_signal_of_the_engines_command_counts(tmp_path: Path) -> None:
    for script, code in (("exit 17", 17), ("kill -9 $$", 137)):
        (tmp_path / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "docker").chmod(0o755)
        assert built(".", settings={"PATH": f"{tmp_path}:/bin"}).returncode == code


def test_arguments_reach_the_engine_as_they_were_typed(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 3\n')
    (tmp_path / "docker").chmod(0o755)
    typed = ["-t", "a b", "--", "--no-cache", "-", "--engine", "podman", "--ci", "--json", "", "-f=x"]
    for own in ([], ["--ci"], ["--engine", "docker", "--ci"]):
        done = built(*own, *typed, settings={"PATH": f"{tmp_path}:/bin"})
        said = done.stdout.decode().splitlines()
        assert (said[0], said[1].startswith("--iidfile="), said[2:]) == ("build", True, typed)


def test_what_the_user_asks_the_engine_for_help_is_the_engines(tmp_path: Path) -> None:
    requires("docker")
    done = built(".", "--help", settings={})
    assert (done.returncode, b"--build-arg" in done.stdout, b"layerscope" in done.stderr) == (0, True, False)
    assert b"--engine [docker|podman]" in built("--help", settings={}).stdout


def test_a_build_is_ended_when_layerscope_is(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\ntrap 'exit 9' TERM\necho started\nwhile :; do sleep 0.05; done\n")
    (tmp_path / "docker").chmod(0o755)
    env = environment({"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    with subprocess.Popen([*COMMAND, "build", "."], stdout=subprocess.PIPE, env=env) as building:
        assert building.stdout is not None
        assert building.stdout.readline() == b"started\n"
        building.send_signal(signal.SIGTERM)
        assert building.wait(10) == 9


def test_a_build_without_an_image_in_the_engine_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    done = built("--push", ".", settings={"PATH": f"{tmp_path}:/bin"})
    assert (done.returncode, b"layerscope: the build left no image in the engine" in done.stderr) == (2, True)


def test_an_image_that_the_engine_does_not_have_is_a_sentence(docker: RunningEngine, tmp_path: Path) -> None:
    script = '#!/bin/sh\nfor each; do case $each in --iidfile=*) printf sha256:%064d 7 > "${each#*=}";; esac; done\n'
    (tmp_path / "docker").write_text(script)
    (tmp_path / "docker").chmod(0o755)
    done = built(".", settings={**on_docker(docker), "PATH": f"{tmp_path}:/bin"})
    assert (done.returncode, b"the build may have left its image elsewhere" in done.stderr) == (2, True)


def test_without_an_engine_to_build_with_there_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = process("build", ".", settings={"PATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (2, b"layerscope: neither docker nor podman is installed\n")
    done = process("build", "--engine=podman", ".", settings={"PATH": str(tmp_path)})
    assert done.stderr == b"layerscope: podman is not installed\n"
    assert "invalid value for '--engine'" in ran(capsys, "build", "--engine", "kaniko", ".").err
    assert "requires an argument" in ran(capsys, "build", "--engine").err
