"""`layerscope watch`: each build of an archive, held against the one before."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

from build import file, image, layer
from commands import COMMAND
from layerscope.app.app import LayerscopeApp
from layerscope.app.terminal import Terminal
from layerscope.settings.settings import Settings
from layerscope.sources.fingerprint import fingerprint
from screens import stored


def rebuilt(path: Path) -> None:
    """Another build at the same place, put there whole."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(image(layer("base"), layer(file("big", b"1" * 5000))))
    fresh.replace(path)


def test_each_build_is_a_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(layer("base")))
    command = [*COMMAND, "watch", str(path), "--text"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as watching:
        assert watching.stdout is not None
        try:
            first = watching.stdout.readline()
            rebuilt(path)
            said = watching.stdout.readline()
        finally:
            watching.kill()
    assert first.endswith("0 B wasted, 100% efficient; waiting for the next build\n")
    assert "+5.00 kB on disk, +0 B wasted; 1 of 2 layers new; paths: 1 added, 0 modified, 0 removed" in said


def test_the_screen_shows_the_new_build_and_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(layer("base")))

    async def use() -> None:
        app = LayerscopeApp(
            stored(path), str(path), settings=Settings(), terminal=Terminal(), fingerprint=lambda: fingerprint(str(path))
        )
        async with app.run_test(size=(120, 40)) as pilot:
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
            assert "Against the build before" in text
            assert "+5.00 kB on disk" in text

    asyncio.run(use())
