"""Images with a history, for tests of advice: each layer with the instruction that made it."""

from __future__ import annotations

from pathlib import Path

from layerscope.advice.advice import Advice, Fix
from layerscope.advice.advise import advise
from layerscope.analysis import Analysis, analyze, read_image
from layerscope.sources.open import open_image
from support.dockerfiles import Json
from support.image_builder import Layer, Member, file, layer
from support.sources_build import config, saved, write_tar

KB = 1000
MADE = {"RUN": "RUN /bin/sh -c {} # buildkit", "COPY": "COPY {} # buildkit", "ADD": "ADD {} # buildkit"}


def made(instruction: str, *items: str | Member) -> tuple[str, Layer]:
    """A layer and the instruction that made it, as a Dockerfile has it."""
    return instruction, layer(*items)


def big(
    name: str, size: int = 200 * KB, *, seed: str = "", mode: int = 0o644, uid: int = 0, gid: int = 0, mtime: int = 0
) -> Member:
    """A file of `size` bytes that no other has, but one of the same name (or `seed`)."""
    word = (seed or name).encode() + b"\n"
    return file(name, (word * (size // len(word) + 1))[:size], mode=mode, uid=uid, gid=gid, mtime=mtime)


def analyzed(path: Path, *layers: tuple[str, Layer], base_layers: int | None = None) -> Analysis:
    tars = [each.tar() for _, each in layers]
    steps: list[Json] = [{"created_by": _created_by(instruction)} for instruction, _ in layers]
    settings = config(*tars, history=steps)
    image = open_image(write_tar(path / "image.tar", saved(*tars, settings=settings)))
    return analyze(read_image(image), base_layers=base_layers)


def _created_by(instruction: str) -> str:
    keyword, _, rest = instruction.partition(" ")
    while rest.startswith("--") and keyword != "RUN" and "--chown" not in rest.partition(" ")[0]:
        rest = rest.partition(" ")[2]
    return MADE.get(keyword, keyword + " {}").format(rest)


def advice(
    path: Path, *layers: tuple[str, Layer], base: int = 0, has_dockerfile: bool = True, base_layers: int | None = None
) -> Advice:
    """Advice on an image of which the first `base` layers are not in the Dockerfile that is given."""
    analysis = analyzed(path, *layers, base_layers=base_layers)
    if not has_dockerfile:
        return advise(analysis, None)
    text = "\n".join(["FROM debian" if base else "FROM scratch", *(instruction for instruction, _ in layers[base:])])
    (path / "Dockerfile").write_text(text + "\n")
    return advise(analysis, path / "Dockerfile", root=path)


def only(advised: Advice) -> Fix:
    (fix,) = advised.fixes
    return fix


def said(advised: Advice) -> str:
    """The only fix's sentence, without its full stop."""
    sentence = only(advised).sentence
    assert sentence.endswith(".")
    return sentence[:-1]
