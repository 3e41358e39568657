"""`layerscope watch`: each build of an archive or a tag, held against the one before."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from layerscope.app.app import LayerscopeApp
from layerscope.app.explorer.loader import ImageSource, Opener
from layerscope.app.terminal import Terminal
from layerscope.compare import builds
from layerscope.progress import Progress
from layerscope.settings import Settings
from layerscope.sources.base import Base
from layerscope.sources.fingerprint import fingerprint
from layerscope.sources.image import Image
from layerscope.sources.open import open_image
from support.commands import COMMAND, environment, ran
from support.engines import docker_engine
from support.image_builder import file, image, layer
from support.screens import stored


def rebuilt(path: Path) -> None:
    """Another build at the same place, put there whole."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(image(layer("base"), layer(file("big", b"1" * 5000))))
    fresh.replace(path)


@contextlib.contextmanager
def watching(reference: str | Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """The command, which would never end."""
    command = [*COMMAND, "watch", str(reference), "--text"]
    env = environment({**os.environ, **settings})
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.slow
def test_each_build_is_a_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(layer("base")))
    with watching(path) as process:
        first = line(process)
        rebuilt(path)
        said = line(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert first.endswith("0 B wasted, 100% efficient; waiting for the next build\n")
    assert "+5.00 kB on disk, +0 B wasted; 1 of 2 layers new; paths: 1 added, 0 modified, 0 removed" in said


def test_a_tag_of_an_engine_is_watched_through_a_real_build(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY one /file\n")
    (tmp_path / "one").write_bytes(b"1" * 4000)
    (tmp_path / "two").write_bytes(b"2" * 5000)
    with docker_engine() as engine:
        at_engine = {"DOCKER_HOST": engine.address, "DOCKER_BUILDKIT": "0"}
        build = ["docker", "build", "-q", "-t", "again:1", "."]

        def rebuild() -> None:
            subprocess.run(build, cwd=tmp_path, check=True, capture_output=True, env=environment(at_engine))

        rebuild()
        with watching("again:1", **at_engine) as process:
            assert "4.00 kB on disk, 0 B wasted, 100% efficient; waiting" in line(process)
            (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY one /file\nCOPY two /file\n")
            rebuild()
            assert "+5.00 kB on disk, +4.00 kB wasted; 1 of 2 layers new; paths: 0 added, 1 modified" in line(process)
            assert "efficiency 100% → 55.6%" in line(process)
            assert line(process).split() == ["~", "+1.00", "kB", "/file"]


def test_standard_input_cannot_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "watch", "-").err == (
        "layerscope: standard input cannot be watched; name a file, a directory or an image of an engine\n"
    )


def test_what_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    done = ran(capsys, "watch", tmp_path / "none.tar", "--text")
    assert (done.code, "there is no file or directory" in done.err) == (2, True)


def test_a_half_written_archive_leaves_the_build_before_on_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "INTERVAL", 0.01)
    path = tmp_path / "image.tar"
    path.write_bytes(image(layer("base")))
    new = image(layer("base"), layer(file("big", b"1" * 5000)))

    async def use() -> None:
        app = LayerscopeApp(
            ImageSource(watched(path), str(path), lambda: fingerprint(str(path))), settings=Settings(), terminal=Terminal()
        )
        async with app.run_test(size=(120, 40)) as pilot:

            async def until_seen(text: str) -> str:
                for _ in range(2000):
                    shown = "\n".join(strip.text for strip in app.screen._compositor.render_strips(app.screen.size))
                    if text in shown:
                        return shown
                    await pilot.pause(0.005)
                raise AssertionError(shown)

            await until_seen("100% efficient")
            path.write_bytes(new[:6000])
            shown = await until_seen("the new build cannot be read: ")
            assert "Layer 1 of 1" in shown
            path.write_bytes(new)
            shown = await until_seen("Compared with the previous build")
            assert "+5.00 kB on disk" in shown
            assert "cannot be read" not in shown
            app.stop()

    asyncio.run(use())


def watched(path: Path) -> Opener:
    def opener(progress: Progress) -> tuple[Image, Base]:
        return open_image(str(path), progress=progress, may_change=True), Base()

    return opener


def test_the_screen_shows_the_new_build_and_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(layer("base")))

    async def use() -> None:
        app = LayerscopeApp(
            ImageSource(stored(path), str(path), lambda: fingerprint(str(path))), settings=Settings(), terminal=Terminal()
        )
        async with app.run_test(size=(120, 40)) as pilot:
            assert app.explorer is not None
            while app.explorer.analysis is None:
                await pilot.pause(0.01)
            await pilot.press("tab", "down")
            rebuilt(path)
            for _ in range(200):
                await pilot.pause(0.05)
                if app.explorer.analysis.tree.layers == 2:
                    break
            await pilot.pause()
            text = "\n".join(strip.text for strip in app.screen._compositor.render_strips(app.screen.size))
            app.stop()
            assert "Compared with the previous build" in text
            assert "+5.00 kB on disk" in text

    asyncio.run(use())
