"""Dockerfiles whose history is known: each instruction as it is written, and as each builder puts it into the history.

The spellings are those of real builds (Docker 20.10, podman 4.3) and of BuildKit's source; none comes from what is tested.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hypothesis import strategies as st

from layerscope.advice.dockerfile.mapping import Mapping, map_layers
from layerscope.advice.dockerfile.stages import parse_dockerfile
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from support.image_builder import file, layer
from support.sources_build import config, saved, write_tar

Builder = Literal["docker", "buildkit", "buildah"]
BUILDERS: tuple[Builder, ...] = ("docker", "buildkit", "buildah")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """An instruction: its `lines` in a Dockerfile, and what it is `made` of."""

    lines: tuple[str, ...]
    keyword: str
    text: str = ""
    words: tuple[str, ...] = ()
    owner: str = ""
    value: str = field(default="")

    def step(self, builder: Builder, arguments: Sequence[str]) -> Json:
        """What the builder adds to the history; `arguments` are the `NAME=value` build arguments so far."""
        made = {"RUN": self._run, "COPY": self._copy, "ADD": self._copy}.get(self.keyword, self._set)(builder, arguments)
        return {"created_by": made, "empty_layer": not self.has_layer(builder)}

    def has_layer(self, builder: Builder) -> bool:
        return self.keyword in ("RUN", "COPY", "ADD") or (self.keyword == "WORKDIR" and builder == "buildkit")

    def _run(self, builder: Builder, arguments: Sequence[str]) -> str:
        prefix = f"|{len(arguments)} {' '.join(arguments)} " if arguments else ""
        if self.words:
            return {
                "docker": prefix + " ".join(self.words),
                "buildkit": f"RUN {prefix}{' '.join(self.words)} # buildkit",
                "buildah": f"{prefix}/bin/sh -c {json.dumps(self.words)}",
            }[builder]
        command = f"{prefix}/bin/sh -c {self.text}"
        return f"RUN {command} # buildkit" if builder == "buildkit" else command

    def _copy(self, builder: Builder, arguments: Sequence[str]) -> str:
        *sources, target = self.words
        if builder == "buildkit":
            flags = f" --chown={self.owner}" if self.owner else ""
            return f"{self.keyword}{flags} {' '.join(sources)} {target} # buildkit"
        kind = "multi" if len(sources) > 1 else "dir" if sources[0].endswith("/") else "file"
        digest = hashlib.sha256(" ".join(sources).encode()).hexdigest()
        owner = f"--chown={self.owner}" if self.owner and builder == "docker" else ""
        return f"/bin/sh -c #(nop) {self.keyword} {owner}{kind}:{digest} in {target} "

    def _set(self, builder: Builder, arguments: Sequence[str]) -> str:
        if self.keyword == "WORKDIR" and builder == "docker":
            return f"/bin/sh -c #(nop) {self.keyword} {self.value}"
        nop = {"docker": "/bin/sh -c #(nop)  ", "buildah": "/bin/sh -c #(nop) ", "buildkit": ""}[builder]
        return f"{nop}{self.keyword} {self.text if builder == 'buildah' else self.value}"


def run(text: str, *lines: str) -> Written:
    """A RUN of a shell command; `lines` where it is not written on one line."""
    return Written(lines or (f"RUN {text}",), "RUN", text)


def run_words(*words: str) -> Written:
    return Written((f"RUN {json.dumps(words)}",), "RUN", words=words)


def copy(*words: str, owner: str = "", keyword: str = "COPY") -> Written:
    flag = f"--chown={owner} " if owner else ""
    return Written((f"{keyword} {flag}{' '.join(words)}",), keyword, words=words, owner=owner)


def setting(keyword: str, text: str, value: str = "") -> Written:
    """An instruction that sets something: as it is written, and its value where Docker and BuildKit show another text."""
    return Written((f"{keyword} {text}",), keyword, text, value=value or text)


@dataclass(frozen=True, slots=True)
class Built:
    """A Dockerfile's text and, for each of its instructions, the first and last line."""

    text: str
    lines: tuple[tuple[int, int], ...]


def dockerfile(instructions: Sequence[Written], base: str = "debian:12") -> Built:
    text, lines = [f"FROM {base}"], []
    for each in instructions:
        lines.append((len(text) + 1, len(text) + len(each.lines)))
        text += each.lines
    return Built("\n".join(text) + "\n", tuple(lines))


def history(builder: Builder, instructions: Sequence[Written]) -> list[Json]:
    """The steps that a build of these adds."""
    arguments: list[str] = []
    steps = []
    for each in instructions:
        if each.keyword == "ARG":
            arguments.append(each.value)
        steps.append(each.step(builder, arguments))
    return steps


def image_of(path: Path, steps: Sequence[Json], environment: Sequence[str] = (), *, more_layers: int = 0) -> Image:
    """An image with this history; its layers hold a small file each, `more_layers` of them have no step."""
    count = more_layers + sum(not step.get("empty_layer", False) for step in steps)
    layers = [layer(file(f"f{number}", b"x")).tar() for number in range(count)]
    settings = config(*layers, history=list(steps), config={"Env": list(environment)})
    return open_image(write_tar(path / "image.tar", saved(*layers, settings=settings)))


def mapped(path: Path, steps: Sequence[Json], text: str, *, base_layers: int | None = None) -> Mapping:
    """Where a Dockerfile's text says that the layers come from."""
    return map_layers(image_of(path, steps), parse_dockerfile(text), base_layers=base_layers)


NAMES = st.sampled_from(["a", "b", "app", "src/", "conf", "x.tar", "lib/"])
TARGETS = st.sampled_from(["/app/", "/srv/a", "/etc/conf", "/opt/x/", "/", "/usr/local/bin/"])
OWNERS = st.sampled_from(["", "", "", "app", "1000:1000"])
COMMANDS = st.sampled_from(
    [
        "apt-get update",
        "apt-get update && apt-get install -y curl",
        "apt-get update && apt-get install -y git",
        "rm -rf /var/lib/apt/lists/*",
        "true",
        "make",
        "make all",
        "cd /app && make",
        "npm ci",
        'echo "$PATH" > /x',
        "useradd app && chown -R app /app",
    ]
)


@st.composite
def commands(draw: st.DrawFn) -> Written:
    command = draw(COMMANDS)
    shape = draw(st.sampled_from(["plain", "plain", "broken", "words", "mount"]))
    if shape == "words":
        return run_words(*command.split())
    if shape == "mount":
        return run(command, f"RUN --mount=type=cache,target=/c {command}")
    if shape == "broken" and " " in command:
        first, rest = command.split(" ", 1)
        return run(f"{first}     {rest}", f"RUN {first} \\", "  # why", "", f"    {rest}")
    return run(command)


@st.composite
def copies(draw: st.DrawFn) -> Written:
    sources = draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))
    target = draw(TARGETS)
    keyword = draw(st.sampled_from(["COPY", "COPY", "ADD"]))
    return copy(*sources, target if len(sources) == 1 else target.rstrip("/") + "/", owner=draw(OWNERS), keyword=keyword)


SETTINGS = st.sampled_from(
    [
        setting("ENV", 'A="b c" D=e', "A=b c D=e"),
        setting("ENV", "A=b"),
        setting("ARG", "VERSION=1.2"),
        setting("WORKDIR", "/app"),
        setting("WORKDIR", "/srv"),
        setting("LABEL", 'a="b"', "a=b"),
        setting("USER", "app"),
        setting("EXPOSE", "80"),
        setting("CMD", '["a", "b"]', '["a" "b"]'),
    ]
)
INSTRUCTIONS = st.one_of(commands(), copies(), SETTINGS)
PROGRAMS = st.lists(INSTRUCTIONS, min_size=1, max_size=10)
