"""`layerscope fix`: its patch, its list, its JSON, and what it writes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from conftest import requires
from support.commands import ran
from support.image_builder import Layer, directory, file, layer, whiteout
from support.sources_build import config, saved, write_tar

MB = 1_000_000
STEPS: tuple[tuple[str, Layer | None], ...] = (
    ("COPY . /app/", layer(directory("app"), file("app/a", b"a" * MB), file("app/.git/x", b"g" * MB))),
    ("RUN head -c 9 /dev/zero > /b", layer(file("b", b"b" * MB))),
    ("LABEL a=b", None),
    ("RUN rm /b", layer(whiteout("b"))),
    ("USER app", None),
)
AFTER = "FROM scratch\nCOPY . /app/\nRUN head -c 9 /dev/zero > /b \\\n && rm /b\nLABEL a=b\nUSER app\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The context, in which the command runs."""
    place = tmp_path / "context"
    (place / ".git").mkdir(parents=True)
    (place / ".git" / "x").write_text("")
    (place / "a").write_text("")
    (place / "Dockerfile").write_text("\n".join(["FROM scratch", *(line for line, _ in STEPS)]) + "\n")
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def image(tmp_path: Path) -> str:
    tars = [each.tar() for _, each in STEPS if each is not None]
    made = [line for line, each in STEPS if each is not None]
    history = [
        {"created_by": f"RUN /bin/sh -c {line[4:]} # buildkit" if line[0] == "R" else f"{line} # buildkit"} for line in made
    ]
    return write_tar(tmp_path / "image.tar", saved(*tars, settings=config(*tars, history=history)))


def test_the_patch_is_what_git_applies(here: Path, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    requires("git")
    done = ran(capsys, "fix", image)
    assert done.code == 0
    assert done.lines[0] == "# 2.00 MB saved by 2 of 2 fixes that are edited below"
    environment = dict(os.environ, GIT_CEILING_DIRECTORIES=str(here.parent))
    subprocess.run(["git", "apply", "-"], input=done.out.encode(), cwd=here, check=True, env=environment)
    assert (here / "Dockerfile").read_text() == AFTER
    assert (here / ".dockerignore").read_text() == ".git\n"


def test_files_are_edited_in_place(here: Path, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "Dockerfile").chmod(0o640)
    (here / ".dockerignore").write_text("x")
    done = ran(capsys, "fix", image, "--write")
    assert (done.code, done.out, done.err) == (0, "", "wrote Dockerfile\nwrote .dockerignore\n")
    assert (here / "Dockerfile").read_text() == AFTER
    assert (here / "Dockerfile").stat().st_mode & 0o777 == 0o640
    assert (here / ".dockerignore").read_text() == "x\n.git\n"


def test_json_has_every_fix_with_its_edit(here: Path, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(ran(capsys, "fix", image, "--json").out)
    assert (found["schema"], found["saves_bytes"]) == ("layerscope.fixes/1", 2 * MB)
    assert set(found) == {"schema", "saves_bytes", "fixes"}
    keys = {"id", "saves_bytes", "line", "layers", "paths", "why", "edit", "by_hand"}
    assert [set(each) for each in found["fixes"]] == [keys, keys]
    assert [(each["id"], each["saves_bytes"], each["line"]) for each in found["fixes"]] == [
        ("dockerignore-2", MB, 2),
        ("join-runs-5", MB, 5),
    ]
    assert found["fixes"][0]["paths"] == ["/app/.git", "/app/.git/x"]
    assert found["fixes"][1]["edit"].startswith("--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1,6 +1,6 @@ join-runs-5 saves 1.00 MB")
    assert all(each["by_hand"] is None for each in found["fixes"])


def test_one_fix_alone_is_made_with_what_it_needs(here: Path, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(ran(capsys, "fix", image, "--only", "dockerignore-2", "--json").out)["saves_bytes"] == MB
    ran(capsys, "fix", image, "--only", "join-runs-5", "--write")
    assert (here / "Dockerfile").read_text() == AFTER
    assert not (here / ".dockerignore").exists()


def test_a_list_has_a_line_a_fix(here: Path, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ran(capsys, "fix", image, "--list").lines
    assert [line.split()[:3] for line in lines] == [["dockerignore-2", "1.00", "MB"], ["join-runs-5", "1.00", "MB"]]


def test_a_name_that_no_fix_has_is_told(here: Path, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "fix", image, "--only", "join-runs-6")
    assert done.code == 2
    assert done.err == "layerscope: there is no fix join-runs-6; did you mean `join-runs-5`?\n"


def test_a_dockerfile_is_asked_for(tmp_path: Path, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = ran(capsys, "fix", image, "--context", tmp_path)
    assert done.code == 2
    assert "has no Dockerfile; name it with --dockerfile FILE" in done.err


def test_nothing_to_change_is_said_and_is_no_failure(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tar = layer("a").tar()
    settings = config(tar, history=[{"created_by": "COPY a /a # buildkit"}])
    place = write_tar(tmp_path / "small.tar", saved(tar, settings=settings))
    (here / "Dockerfile").write_text("FROM scratch\nCOPY a /a\n")
    done = ran(capsys, "fix", place)
    assert (done.code, done.out) == (0, "# Nothing to change.\n")


def test_an_image_of_another_program_has_no_advice(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tars = [layer(file("a", b"a" * MB)).tar(), layer(whiteout("a")).tar()]
    settings = config(*tars, history=[{"created_by": "jib-maven-plugin:3.4.0"}] * 2)
    place = write_tar(tmp_path / "jib.tar", saved(*tars, settings=settings))
    done = ran(capsys, "fix", place)
    assert done.out == "# Jib made this image, not a Dockerfile: no fixes are known for it.\n"


def test_what_another_program_put_on_a_dockerfiles_base_has_no_advice(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tars = [layer(file("a", b"a" * MB)).tar(), layer(whiteout("a")).tar(), layer(file("app", b"a")).tar()]
    made = ["RUN /bin/sh -c a # buildkit", "RUN /bin/sh -c b # buildkit", "jib-maven-plugin:3.4.0"]
    settings = config(*tars, history=[{"created_by": each} for each in made])
    done = ran(capsys, "fix", write_tar(tmp_path / "jib.tar", saved(*tars, settings=settings)))
    assert done.out == "# Jib made this image, not a Dockerfile: no fixes are known for it.\n"


@pytest.mark.parametrize("last", ['CMD ["a"]', "RUN rm /b"])
def test_a_single_snapshot_of_kaniko_has_no_lines(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], last: str
) -> None:
    tars = [layer(file("b", b"b" * MB)).tar(), layer(whiteout("b"), file("root/.cache/pip/a", b"a" * MB)).tar()]
    settings = config(*tars, history=[{"created_by": "a base"}, {"created_by": last, "author": "kaniko"}])
    done = ran(capsys, "fix", write_tar(tmp_path / "kaniko.tar", saved(*tars, settings=settings)))
    assert done.out == (
        "# Kaniko took a single snapshot of all steps, so it is not known which line wrote what: "
        "build without `--single-snapshot` to have fixes.\n"
    )


def test_kanikos_snapshots_of_each_step_have_lines(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "Dockerfile").write_text("FROM scratch\nRUN make /b\nRUN rm /b\n")
    tars = [layer(file("b", b"b" * MB)).tar(), layer(whiteout("b")).tar()]
    settings = config(*tars, history=[{"created_by": f"RUN {each} /b", "author": "kaniko"} for each in ("make", "rm")])
    done = ran(capsys, "fix", write_tar(tmp_path / "kaniko.tar", saved(*tars, settings=settings)), "--list")
    assert "line 3" in done.out
