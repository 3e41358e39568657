"""Benchmarks of reading a registry, distribution's docker-registry on this machine, beside reading the same blobs from a file.

    python tests/bench_registry.py [CORPUS]      or: make bench CORPUS=DIR
    python tests/bench_registry.py --requests HOST/NAME:TAG      what opening an image asks for, first and again

CORPUS holds node-gz.tar. With LAYERSCOPE_ENGINES (a script that lays a Debian with BuildKit and skopeo 1.18) node-estargz.tar
and node-zstd-chunked.tar are written from node.tar where they are missing. What is compared is run in turns, so that other work
on this machine slows all of it down; bytes and requests are counted by a proxy, in runs of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import ENVIRONMENT, RUNS, Cost, layerscope, measure, run_once
from support.engines import registry
from support.forwarding import Forwarder, forwarder
from support.huge_layer import huge_layer, serve_huge
from support.pretend_registry import pretended_registry
from support.registry_pushes import put_layout, skopeo_copy
from support.sources_build import Layout
from support.tagged_images import Built, put_image

TAGS, LATENCY = 100, 0.01
TABLES = {"estargz": "eStargz", "zstd-chunked": "zstd:chunked"}
WRITE_ESTARGZ = "type=oci,dest=/out/node-estargz.tar,compression=estargz,oci-mediatypes=true,force-compression=true"


def in_turns(*commands: tuple[str, ...]) -> list[Cost]:
    """The median time and the largest peak of each command, run one after the other, RUNS times."""
    rounds = [[run_once(command, ENVIRONMENT) for command in commands] for _ in range(RUNS)]
    return [
        Cost(statistics.median(each.seconds for each in costs), max(each.peak_mb for each in costs))
        for costs in zip(*rounds, strict=True)
    ]


def say_row(what: str, cost: Cost, more: str = "", target: str = "") -> None:
    print(f"{what:<60} {cost}  {more}".rstrip())
    if target:
        print(f"{'':<60} target: {target}", flush=True)


def report_of(reference: str, **environment: str) -> dict[str, object]:
    command = layerscope(reference, "--json", "-")
    done = subprocess.run(command, env=ENVIRONMENT | environment, capture_output=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@contextmanager
def counted(host: str) -> Iterator[Forwarder]:
    with forwarder(f"http://{host}") as between:
        yield between


def bench_streamed(host: str, corpus: Path) -> None:
    """The same blobs from a file and from a registry; and once more by the gate, which hashes the file's bytes, too."""
    local, remote = str(corpus / "node-gz.tar"), f"docker://{host}/node:gz"
    plain = layerscope(local, "--no-cache"), layerscope(remote, "--no-cache")
    gates = tuple(layerscope("ci", each, "--no-cache") for each in (local, remote))
    for what, (stored, passed) in (("the report", in_turns(*plain)), ("the gate, which hashes both", in_turns(*gates))):
        say_row(f"node-gz.tar, a file: {what}", stored)
        ratio = f"ratio {passed.seconds / stored.seconds:.2f}"
        say_row("the same streamed from a registry", passed, ratio, "at most 1.15 times the file")


def bench_table(host: str, name: str) -> None:
    reference = f"{host}/node:{name}"
    with counted(host) as between, tempfile.TemporaryDirectory() as cache:
        layers = report_of(f"docker://{between.host}/node:{name}", LAYERSCOPE_CACHE=cache)["layers"]
    assert isinstance(layers, list)
    share = between.total / sum(each["wire_bytes"] for each in layers)
    cost = measure(*layerscope(f"docker://{reference}", "--no-cache"))
    told = f"{between.total / 1e6:.1f} MB fetched, {share:.1%}, {len(between.passed)} requests"
    say_row(f"node as {TABLES[name]}, by its tables of contents", cost, told, "under 2 s, under 5% of the bytes")


def bench_known(host: str) -> None:
    command = layerscope(f"docker://{host}/node:gz")
    with tempfile.TemporaryDirectory() as cache, counted(host) as between:
        measure(*command, runs=1, LAYERSCOPE_CACHE=cache)
        report_of(f"docker://{between.host}/node:gz", LAYERSCOPE_CACHE=cache)
        asked, cost = len(between.passed), measure(*command, LAYERSCOPE_CACHE=cache)
    say_row("node, gzip, known from the cache", cost, f"{asked} requests", "2 requests, under 0.7 s")


def bench_small_file(host: str, corpus: Path) -> None:
    """One file from the middle of a large gzip layer, by the windows that reading the image left in the cache, and without."""
    remote, path = f"docker://{host}/node:gz", path_in_large_layer(str(corpus / "node-gz.tar"))
    for keep, what in (("1", "with kept windows"), ("0", "without")):
        with tempfile.TemporaryDirectory() as cache, counted(host) as between:
            again = f"docker://{between.host}/node:gz"
            for runs, command in (
                (1, layerscope(remote)),
                (1, layerscope("cat", again, path)),
                (RUNS, layerscope("cat", remote, path)),
            ):
                cost = measure(*command, runs=runs, LAYERSCOPE_CACHE=cache, LAYERSCOPE_KEEP_WINDOWS=keep)
        told, target = f"{between.total / 1e6:.1f} MB fetched", "under 0.5 s, under 20 MB" if keep == "1" else ""
        say_row(f"a small file of a gzip layer of 140 MB, {what}", cost, told, target)


def path_in_large_layer(image: str) -> str:
    """A file of 1 to 20 kB from the middle of the largest layer."""
    layers = report_of(image)["layers"]
    assert isinstance(layers, list)
    largest = max(layers, key=lambda each: each["wire_bytes"])["number"]
    command = layerscope("find", image, "*", "--json")
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        small = [
            found["path"]
            for found in map(json.loads, process.stdout)  # line by line: what this program takes, the next ones begin with
            if found["layer"] == largest and found["buried_by"] is None and 1000 < found["size"] < 20_000
        ]
    return str(small[len(small) // 2])


def bench_memory() -> None:
    with pretended_registry() as pretended:
        cost = measure(*layerscope(serve_huge(pretended, huge_layer(2 << 30)), "--no-cache"))
    say_row("a layer of 2 GB, streamed", cost, "", "under 200 MB")


def bench_tags(host: str) -> None:
    for number in range(TAGS):
        month, day = divmod(number, 28)
        created = f"2026-{month + 1:02}-{day + 1:02}T00:00:00Z"
        layout = Layout()
        described = put_image(layout, Built(f"1.{number}", f"base 20 own{number} 4", created))
        put_layout(host, "many", layout, described, f"1.{number}")
    with forwarder(f"http://{host}", latency=LATENCY) as between:
        command = layerscope("tags", f"{between.host}/many", "--all", "--text", "--no-cache")
        cost = measure(*command)
        between.passed.clear()
        run_once(command, ENVIRONMENT)
        asked = len(between.passed)
    say_row(f"{TAGS} tags, {1000 * LATENCY:.0f} ms each way", cost, f"{asked} requests", "under 3 s")


def show_requests(reference: str) -> None:
    """Print every request of opening an image of a registry without TLS, with an empty cache and with what that left there."""
    host, _, name = reference.partition("/")
    with tempfile.TemporaryDirectory() as cache, counted(host) as between:
        for what in ("cold", "warm"):
            between.passed.clear()
            report_of(f"docker://{between.host}/{name}", LAYERSCOPE_CACHE=cache)
            print(f"{what}: {len(between.passed)} requests, {between.total} bytes", *between.passed, sep="\n  ", flush=True)


def write_tables(corpus: Path) -> None:
    """Have BuildKit and skopeo 1.18 write node.tar with tables of contents, in the folder that LAYERSCOPE_ENGINES lays."""
    wanted = [name for name in TABLES if not (corpus / f"node-{name}.tar").exists()]
    engines = os.environ.get("LAYERSCOPE_ENGINES", "none")
    if not wanted or engines == "none" or not (corpus / "node.tar").exists():
        return
    root = Path(tempfile.mkdtemp(prefix="ls13-", dir="/var/tmp"))
    try:
        subprocess.run([engines, "up", root], check=True)
        write_in(root, engines, corpus)
        for name in wanted:
            shutil.move(root / f"out/node-{name}.tar", corpus)
    finally:  # by the script, which unmounts this machine's /dev first
        subprocess.run([engines, "clean", root], check=True)


def write_in(root: Path, engines: str, corpus: Path) -> None:
    inside: list[str | Path] = [engines, "run", root]
    docker = [*inside, "docker", "-H", "unix:///engine/s"]
    for name in ("out", "context"):
        (root / name).mkdir()
    shutil.copy(corpus / "node.tar", root / "node.tar")
    (root / "context/Dockerfile").write_text("FROM demo/node:1\n")
    compress = ["--dest-compress-format", "zstd:chunked", "docker-archive:/node.tar"]
    written = "oci-archive:/out/node-zstd-chunked.tar:demo/node:1"
    subprocess.run([*inside, "skopeo", "--insecure-policy", "copy", "-q", *compress, written], check=True)
    subprocess.run([*docker, "load", "-q", "-i", "/node.tar"], check=True)
    build = ["buildx", "build", "-q", "--network", "host", "--provenance=false", "--output", WRITE_ESTARGZ, "/context"]
    subprocess.run([*docker, *build], check=True)


def main(corpus: Path) -> None:
    missing = [program for program in ("docker-registry", "skopeo") if not shutil.which(program)]
    if missing:
        print(f"Left out: reading a registry, for {missing[0]} is not installed")
        return
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, median of {RUNS}, the registry on the same cores\n")
    bench_memory()  # first: a program begins with the peak of what starts it
    write_tables(corpus)
    with registry() as host:
        if (corpus / "node-gz.tar").exists():
            skopeo_copy(f"oci-archive:{corpus}/node-gz.tar", f"docker://{host}/node:gz")
            bench_streamed(host, corpus)
            bench_known(host)
            bench_small_file(host, corpus)
        for name, format_name in TABLES.items():
            if (corpus / f"node-{name}.tar").exists():
                skopeo_copy(f"oci-archive:{corpus}/node-{name}.tar", f"docker://{host}/node:{name}")
                bench_table(host, name)
            else:
                print(f"Left out: node as {format_name}, for LAYERSCOPE_ENGINES names no script of engines that write it")
        bench_tags(host)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--requests"]:
        show_requests(sys.argv[2])
    else:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()))
