"""What reading a registry takes: memory, measured in a process of its own, and bytes, counted on the way."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from support.huge_layer import huge_layer, serve_huge
from support.pretend_registry import pretended_registry

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


@pytest.mark.slow
def test_a_streamed_layer_of_two_gigabytes_takes_little_memory() -> None:
    layer = huge_layer(GIGABYTES << 30)
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "layerscope"]
    with pretended_registry() as registry:
        reference = serve_huge(registry, layer)
        done = subprocess.run([*command, reference, "--json", "-", "--no-cache"], capture_output=True, check=True)
    peak, _, report = done.stdout.partition(b"\n")
    [told] = json.loads(report)["layers"]
    assert (told["read_from"], told["fetched_bytes"], told["wire_bytes"]) == ("stream", layer.size, layer.size)
    assert int(peak) < MOST_MEMORY
