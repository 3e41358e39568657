"""Which line made which layer, of images that real builders built from random Dockerfiles."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from layerscope.advice.dockerfile.mapping import map_layers
from layerscope.advice.dockerfile.stages import parse_dockerfile
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from support.dockerfiles import Built, Written, copy, dockerfile, run, run_words, setting
from support.engines import RunningEngine, docker_engine, podman_engine

BASE = "FROM scratch\nCOPY root /\nENV H=/home PATH=/bin\nRUN echo base > /base\nWORKDIR /app\n"
ROUNDS = 2
LENGTH = 10


@pytest.fixture(scope="module", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_BUILDKIT", "0")
        with docker_engine() if request.param == "docker" else podman_engine() as running:
            context = tmp_path_factory.mktemp("base")
            _write_shell(context / "root")
            _build(running, context, BASE, "base:1")
            yield running


def _write_shell(root: Path) -> None:
    """This machine's shell and the libraries it needs, so that RUN has something to run."""
    shell = shutil.which("sh")
    assert shell
    needed = subprocess.run(["ldd", shell], capture_output=True, text=True, check=True).stdout.split()
    for path in (shell, *(word for word in needed if word.startswith("/"))):
        place = root / ("bin/sh" if path == shell else path.lstrip("/"))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


def _build(engine: RunningEngine, context: Path, text: str, tag: str) -> None:
    (context / "Dockerfile").write_text(text)
    options = ["--network=host"] if engine.kind == "docker" else ["--network=host", "--isolation=chroot"]
    engine.run("build", *options, "-t", tag, context)


def _saved(engine: RunningEngine, tag: str, path: Path) -> Image:
    engine.run("save", "-o", path, tag)
    return open_image(str(path))


def _context(path: Path) -> Path:
    for name in ("a", "b", "conf", "d/x", "e/y/z"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    return path


def _instructions(chance: random.Random) -> list[Written]:
    """Much alike, with all that makes a history differ from its Dockerfile."""
    sources = [["a"], ["b"], ["conf"], ["d"], ["e"], ["a", "b"], ["conf", "a"]]
    targets = ["/x/", "./", "sub/", "$T/", "${H}/", "/x/$N/"]
    file = f"/f{chance.randrange(3)}"
    return [
        run(f"echo {chance.randrange(3)} > {file}"),
        run("true"),
        run("", f"RUN echo 1 > {file} && \\", "  # why", "", f"  echo 2 >> {file}"),
        run('echo "$N" > /n'),
        run_words("/bin/sh", "-c", f"echo words > {file}"),
        copy(*chance.choice(sources), chance.choice(targets)),
        copy(*chance.choice(sources), chance.choice(targets), owner=chance.choice(["1", "1:2"])),
        copy(*chance.choice(sources), chance.choice(targets), keyword="ADD"),
        setting("WORKDIR", chance.choice(["/x", "y", "$T", "/app"])),
        setting("ENV", f'T="/t" A="{chance.randrange(3)} x"'),
        setting("ARG", f"N={chance.randrange(3)}"),
        setting("LABEL", 'a="b c" d=$N'),
        setting("SHELL", '["/bin/sh", "-ec"]'),
        setting("CMD", "echo $N"),
        setting("EXPOSE", "80 443/udp"),
    ]


def _program(chance: random.Random) -> list[Written]:
    start = [setting("ARG", "N=1"), setting("ENV", "T=/t")]
    return [*start, *(chance.choice(_instructions(chance)) for _ in range(LENGTH - len(start)))]


def _true_lines(image: Image, below: Image, built: Built) -> dict[int, tuple[int, int]]:
    """By counting: both builders write one step for each instruction, on top of the base's."""
    own = image.steps[len(below.config.history) :]
    assert len(own) == len(built.lines)
    return {step.layer.number: place for step, place in zip(own, built.lines, strict=True) if step.layer}


def _mapped_lines(image: Image, text: str) -> dict[int, tuple[int, int]]:
    return {layer: (line.line, line.end_line) for layer, line in map_layers(image, parse_dockerfile(text)).lines.items()}


def test_every_layer_of_a_real_build_has_its_line_and_none_of_the_base(engine: RunningEngine, tmp_path: Path) -> None:
    below = _saved(engine, "base:1", tmp_path / "base.tar")
    chance = random.Random(engine.kind)
    for number in range(ROUNDS):
        built = dockerfile(_program(chance), base="base:1")
        _build(engine, _context(tmp_path), built.text, f"app:{number}")
        image = _saved(engine, f"app:{number}", tmp_path / f"{number}.tar")
        assert _mapped_lines(image, built.text) == _true_lines(image, below, built), built.text


def _stages(instructions: Sequence[Written]) -> str:
    """The instructions in a stage that another stands on, with one beside it."""
    text = dockerfile(instructions, base="base:1").text.replace("FROM base:1", "FROM base:1 AS below", 1)
    return f"{text}FROM base:1 AS beside\nRUN echo beside > /beside\nFROM below\nCOPY --from=beside /beside /z\n"


def test_stages_of_a_real_build_go_through_to_the_last(engine: RunningEngine, tmp_path: Path) -> None:
    text = _stages([run("echo one > /1"), copy("a", "/x/"), run("echo two > /2")])
    _build(engine, _context(tmp_path), text, "stages:1")
    image = _saved(engine, "stages:1", tmp_path / "image.tar")
    own = len(image.layers)
    assert _mapped_lines(image, text) == {own - 3: (2, 2), own - 2: (3, 3), own - 1: (4, 4), own: (8, 8)}


def test_a_real_build_from_scratch_has_no_base(engine: RunningEngine, tmp_path: Path) -> None:
    image = _saved(engine, "base:1", tmp_path / "base.tar")
    mapping = map_layers(image, parse_dockerfile(BASE))
    assert mapping.base_layers == 0
    assert [line.line for line in mapping.lines.values()] == [2, 4] + [5] * (len(image.layers) - 2)
