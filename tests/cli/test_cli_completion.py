"""The completion scripts: shells read them, and they complete our commands and options."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import requires
from layerscope.cli.help import REPORT
from layerscope.cli.main import COMMANDS
from support.commands import environment, ran

SHELLS = ["bash", "zsh", "fish"]


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_a_script_for_each_shell(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    done = ran(capsys, "completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"_LAYERSCOPE_COMPLETE={shell}_complete" in done.out


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_can_read_its_script(tmp_path: Path, capsys: pytest.CaptureFixture[str], shell: str) -> None:
    if shutil.which(shell) is None:
        requires(shell)
    script = tmp_path / "script"
    script.write_text(ran(capsys, "completion", shell).out)
    subprocess.run([shell, "-n", script], check=True)


def completed(*words: str) -> list[str]:
    """What bash would be offered for the last of `words`."""
    line = {"COMP_WORDS": " ".join(["layerscope", *words]), "COMP_CWORD": str(len(words))}
    env = environment({"_LAYERSCOPE_COMPLETE": "bash_complete", **line})
    code = "import sys; sys.argv[0] = 'layerscope'; from layerscope.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands_are_completed() -> None:
    assert completed("") == [name for name in COMMANDS if name != REPORT]
    assert completed("bl") == ["blame"]


def test_options_of_commands_are_completed() -> None:
    assert completed("ls", "--la") == ["--layer"]
    assert completed("waste", "image.tar", "--by", "") == ["path", "cause", "layer", "directory"]


def test_options_of_the_report_are_completed() -> None:
    assert "--json" in completed("image.tar", "--")


@pytest.mark.slow
@pytest.mark.parametrize("words", [("ls",), ("ci",), ("diff", "a.tar"), ("report", "x.tar", "--base"), ()])
def test_a_file_behind_a_prefix_is_completed(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "image.tar").touch()
    (tmp_path / "images").mkdir()
    (tmp_path / "im\x1b[31m").touch()
    start = f"{tmp_path}/im"
    assert offered("bash", *words, "layer", ":", start) == [f"file,layer:{start}"]
    assert offered("bash", *words, start) == [f"file,{start}"]
    if words[:1] != ("report",):  # a command without a name
        for prefix in ("layer:", "dir:", "docker-archive:"):
            found = offered("zsh", *words, f"{prefix}{start}")
            assert found == ["plain", f"{prefix}{start}age.tar", "_", "plain", f"{prefix}{start}ages/", "_"]


def test_a_path_inside_an_image_is_no_part_of_its_name() -> None:
    assert offered("bash", "ls", "layer", ":", "image.tar", "--la") == ["plain,--layer"]


@pytest.mark.parametrize("command", [("ls",), ()])
def test_the_prefixes_of_registries_and_the_hosts_that_one_is_logged_in_to_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    hub, odd = "https://index.docker.io/v1/", "e\x1b[31m"
    (tmp_path / "config.json").write_text(json.dumps({"auths": {hub: {}, odd: {}}, "credHelpers": {"ghcr.io/owner": "x"}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # Where a command may stand, the one that is called `registry` comes first.
    assert offered("zsh", *command, "regi")[1] == ("registry:" if command else "registry")
    assert offered("bash", *command, "doc") == ["plain,docker://"]
    assert offered("zsh", *command, "docker://g") == ["plain", "docker://ghcr.io/", "_"]
    assert offered("zsh", *command, "registry:") == ["plain", "registry:docker.io/", "_", "plain", "registry:ghcr.io/", "_"]
    assert offered("bash", *command, "docker", ":", "//g") == ["plain,//ghcr.io/"]
    assert offered("bash", "registry", "g") == offered("bash", "registry", "check", "g") == ["plain,ghcr.io/"]
    assert offered("bash", "registry", "ch") == ["plain,check"]


def offered(shell: str, *words: str) -> list[str]:
    """What a shell is told for the last of `words`, which bash splits at colons."""
    line = {"COMP_WORDS": " ".join(["layerscope", *words]), "COMP_CWORD": str(len(words))}
    env = environment({"_LAYERSCOPE_COMPLETE": f"{shell}_complete", **line})
    code = "import sys; sys.argv[0] = 'layerscope'; from layerscope.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_bash_completes_with_the_script(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    requires("bash")
    program = tmp_path / "layerscope"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m layerscope "$@"\n')
    program.chmod(0o755)
    script = ran(capsys, "completion", "bash").out
    script += 'COMP_WORDS=(layerscope bl); COMP_CWORD=1\n_layerscope_completion layerscope\necho "${COMPREPLY[@]}"\n'
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=environment(path))
    assert done.stdout.split() == ["blame"]
