"""What reading a registry takes: memory, measured in a process of its own, and bytes, counted on the way."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from layerscope.analysis import read_image
from layerscope.cache.cache import Cache
from layerscope.layers.fetched import FetchWay
from layerscope.sources.location import EngineOptions
from layerscope.sources.open import open_image
from sources.test_registry_tables import ways
from support.engines import registry
from support.forwarding import forwarder
from support.huge_layer import huge_layer, serve_huge
from support.image_builder import directory, file, layer
from support.pretend_registry import pretended_registry
from support.registry_pushes import skopeo_copy
from support.toc_writer import write_estargz, write_tables_layout

pytestmark = pytest.mark.slow

GIGABYTES = 2
MOST_MEMORY = 200 << 20


MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, check=True)
sys.stdout.buffer.write(b"%d\\n%s" % (resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10, done.stdout))
"""
"""Prints the most memory that a program had, in bytes, and then its output. A program begins with the peak of what starts it,
which the tests' own would be.
"""


def test_a_streamed_layer_of_two_gigabytes_takes_little_memory() -> None:
    huge = huge_layer(GIGABYTES << 30)
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "layerscope"]
    with pretended_registry() as pretended:
        reference = serve_huge(pretended, huge)
        done = subprocess.run([*command, reference, "--json", "-", "--no-cache"], capture_output=True, check=True)
    peak, _, report = done.stdout.partition(b"\n")
    [told] = json.loads(report)["layers"]
    assert (told["read_from"], told["fetched_bytes"], told["wire_bytes"]) == ("stream", huge.size, huge.size)
    assert int(peak) < MOST_MEMORY


def test_an_image_with_tables_costs_a_part_of_its_bytes_and_the_second_time_one_question(tmp_path: Path) -> None:
    noise = random.Random(7)
    members = [file(f"d/{number}", noise.randbytes(40_000)) for number in range(100)]
    layout = write_tables_layout(tmp_path / "image", write_estargz(layer(directory("d"), *members)))
    with registry() as host, forwarder(f"http://{host}") as between:
        skopeo_copy(f"oci:{layout}", f"docker://{host}/app:1")
        options = EngineOptions(cache=Cache.open(tmp_path / "cache"))
        [found] = (image := open_image(f"docker://{between.host}/app:1", engine_options=options)).layers
        assert ways(read_image(image, cache=options.cache)) == {FetchWay.TABLE}
        cold = list(between.passed)
        between.passed.clear()
        read_image(open_image(f"docker://{between.host}/app:1", engine_options=options), cache=options.cache)
    whole = found.reader.stored_bytes
    assert [each.method for each in cold] == ["HEAD", "GET", "GET", "GET"], "the tag, its manifest, its config and the table"
    assert [each.range is not None for each in cold] == [False, False, False, True]
    assert sum(each.length for each in cold) < whole / 20
    assert [(each.method, each.path, each.length) for each in between.passed] == [("HEAD", "/v2/app/manifests/1", 0)]
