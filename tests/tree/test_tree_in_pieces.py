"""Merging goes in pieces, between which another thread, such as the screen's, gets Python's lock."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from layerscope.layers.table import Entries, Kind, LayerStack, LayerTable, Strings
from layerscope.tree.merge import merge
from layerscope.tree.tree import Tree

ATTEMPTS = 5


def table(paths: list[bytes]) -> LayerTable:
    """Directories with these paths."""
    zeros = np.zeros(len(paths), np.int64)
    columns = dict.fromkeys(("uid", "gid", "size", "mtime", "content_offset"), zeros)
    kind, mode = np.full(len(paths), Kind.DIRECTORY, np.uint8), zeros.astype(np.uint16)
    links, ids = Strings.of([b""] * len(paths)), np.zeros((len(paths), 2), np.uint64)
    entries = replace(Entries.none(), paths=Strings.of(paths), kind=kind, mode=mode, links=links, content_id=ids, **columns)
    return LayerTable(entries)


def merged(*layers: list[bytes]) -> Tree:
    return merge(LayerStack.of(map(table, layers)))


def shuffled(count: int, among: int, seed: int) -> list[bytes]:
    names = random.Random(seed)
    return [b"d%d/%d" % (names.randrange(50), names.randrange(among)) for _ in range(count)]


def test_pieces_make_the_same_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [shuffled(count, 80, count) for count in (0, 1, 700, 150)]
    whole = merged(*layers)
    monkeypatch.setattr("layerscope.layers.table.PIECE", 7)
    monkeypatch.setattr("layerscope.tree.nodes.SAMPLES", 2)
    pieced = merged(*layers)
    assert pieced.nodes.paths.tolist() == whole.nodes.paths.tolist() == [b"", *sorted(whole.nodes.paths.tolist()[1:], key=_key)]
    for name in ("node", "layer", "until", "entry", "kind"):
        assert np.array_equal(getattr(pieced.versions, name), getattr(whole.versions, name)), name
    assert np.array_equal(pieced.entry_node, whole.entry_node)


def _key(path: bytes) -> bytes:
    return path.replace(b"/", b"\0")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="no clock of a thread's own")
def test_no_step_keeps_other_threads_waiting() -> None:
    layers = [shuffled(300_000, 1 << 30, 1)]
    shares = []
    for _ in range(ATTEMPTS):  # a busy machine keeps them waiting, too
        shares.append(_longest_share(layers))
        if shares[-1] < 0.1:
            return
    pytest.fail(f"of the processor time of merging, one step takes {min(shares):.0%}")


def _longest_share(layers: list[list[bytes]]) -> float:
    """The processor time that merging spends between two moments at which this thread runs: the most of it, as a share."""
    stack = LayerStack.of(map(table, layers))
    merging = threading.Thread(target=merge, args=(stack,))
    merging.start()
    clock = time.pthread_getcpuclockid(merging.ident or 0)
    spent = longest = 0.0
    while merging.is_alive():
        time.sleep(0.001)
        with suppress(OSError):  # it has just ended
            now = time.clock_gettime(clock)
            spent, longest = now, max(longest, now - spent)
    return longest / spent
