"""Sound images with a few bytes changed: what passes the gate passes `verify`, and nothing ends in anything but 0, 1 or 2."""

from __future__ import annotations

import gzip
import io
import random
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache, partial
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.cli.main import APOLOGY, run
from layerscope.sources.demo import write_demo
from support.image_builder import Compress, file, image, layer, squeeze
from support.sources_build import Layout, docker_layout, layer_tar, tar

Mutation = Callable[[bytes], bytes]
LAYERS = (
    layer(file("etc/os-release", b"NAME=x\n" * 90), "bin/sh", file("usr/noise", random.Random(1).randbytes(2000))),
    layer(".wh.bin", file("usr/more", b"0123456789" * 300)),
)


@cache
def demo() -> bytes:
    written = io.BytesIO()
    write_demo(written)
    return written.getvalue()


def built(form: Literal["docker", "oci"], compress: Compress) -> bytes:
    return image(*LAYERS, compress=compress, fmt=form)


def both() -> bytes:
    """As Docker 25 writes it: `index.json` and `manifest.json` beside each other."""
    layout = Layout()
    entry = layout.image(layer_tar("a", "b"), layer_tar("c"), names={"io.containerd.image.name": "docker.io/library/app:1"})
    blobs = ["blobs/" + name.replace(":", "/") for name in layout.blobs]
    # The layout keeps the config first, then the layers and the manifest.
    return tar(docker_layout(layout, entry, items=[{"Config": blobs[0], "RepoTags": ["app:1"], "Layers": blobs[1:-1]}]))


BASES: dict[str, Callable[[], bytes]] = {
    "docker": partial(built, "docker", "none"),
    "docker, gzip": partial(built, "docker", "gzip"),
    "docker, zstd": partial(built, "docker", "zstd"),
    "layout": partial(built, "oci", "none"),
    "layout, gzip": partial(built, "oci", "gzip"),
    "layout, zstd": partial(built, "oci", "zstd"),
    "both": both,
    "gzip around it": lambda: gzip.compress(built("docker", "none"), mtime=0),
    "zstd around it": lambda: squeeze(built("oci", "gzip"), "zstd"),
}


def _put(at: int, new: bytes, length: int, raw: bytes) -> bytes:
    at %= len(raw)
    return raw[:at] + new + raw[at + length :]


def _flip(at: int, bit: int, raw: bytes) -> bytes:
    at %= len(raw)
    return raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]


def _in_text(at: int, new: bytes, raw: bytes) -> bytes:
    """Change a byte of a document: where there is a colon or a comma, there is one."""
    places = [place for place, byte in enumerate(raw) if byte in b':,"'] or [0]
    return _put(places[at % len(places)] + 1, new, len(new), raw)


def _move_block(source: int, target: int, raw: bytes) -> bytes:
    blocks = [raw[start : start + 512] for start in range(0, len(raw), 512)]
    blocks.insert(target % len(blocks), blocks.pop(source % len(blocks)))
    return b"".join(blocks)


def _again(start: int, length: int, raw: bytes) -> bytes:
    start = start % len(raw) // 512 * 512
    return raw[: start + 512 * length] + raw[start:]


PLACE = st.integers(0, 1 << 24)
SIGNS = [b"0", b"-", b'"', b"}", b"[", b"x", b"\0", b"null", b" "]
MUTATIONS: st.SearchStrategy[list[Mutation]] = st.lists(
    st.one_of(
        st.builds(partial, st.just(_flip), PLACE, st.integers(0, 7)),
        st.builds(partial, st.just(_put), PLACE, st.binary(max_size=6), st.integers(0, 6)),
        st.builds(partial, st.just(_put), PLACE, st.just(b""), st.sampled_from([1, 512, 1 << 30])),
        st.builds(
            partial, st.just(_in_text), PLACE, st.sampled_from([b"0", b"-", b'"', b"}", b"[", b"x", b"\0", b"null", b" "])
        ),
        st.builds(partial, st.just(_move_block), PLACE, PLACE),
        st.builds(partial, st.just(_again), PLACE, st.integers(1, 4)),
    ),
    min_size=1,
    max_size=3,
)


def exit_code(*arguments: str) -> int:
    """The exit code of a command, whatever it prints; that it is one of ours, and no mistake of ours."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(list(arguments))
    assert code in (0, 1, 2)
    assert APOLOGY not in err.getvalue()
    assert "Traceback" not in err.getvalue()
    return code


def hold(raw: bytes) -> None:
    """What the gate judges, `verify` passes; what the gate does not pass for doubt says so in the report, too."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "image.tar"
        path.write_bytes(raw)
        judged = exit_code("ci", str(path), "--min-efficiency", "0")
        verified = exit_code("verify", str(path))
        assert judged in (0, 2)
        assert judged == 2 or verified == 0, (judged, verified)
        if verified == 0:
            assert exit_code(str(path), "--text") in (0, 2)


@pytest.mark.parametrize("base", BASES.values(), ids=BASES.keys())
def test_a_sound_image_passes(base: Callable[[], bytes]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "image.tar"
        path.write_bytes(base())
        assert [exit_code(each, str(path)) for each in ("ci", "verify")] == [0, 0]


@given(base=st.sampled_from([each() for each in BASES.values()]), mutations=MUTATIONS)
def test_no_mutated_image_passes_the_gate_and_fails_the_verification(base: bytes, mutations: list[Mutation]) -> None:
    for mutate in mutations:
        base = mutate(base) or b"\0"
    hold(base)


@settings(max_examples=settings().max_examples // 6)  # the demo is 40 times as large
@given(at=PLACE, bit=st.integers(0, 7))
def test_no_bit_of_the_demo_passes_the_gate_and_fails_the_verification(at: int, bit: int) -> None:
    hold(_flip(at * 37, bit, demo()))
