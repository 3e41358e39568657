"""Benchmarks of a fleet: made-up images on common bases, in a registry that is 5 ms away and as archives in a directory.

    python tests/bench_fleet.py [--images 1000] [--bases 50]      or: make bench

Each image has 10 layers of its base and 2 of its own. Times are of single runs; requests and bytes are counted by a proxy.
Every way to read has to give the same JSON.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import ENVIRONMENT, Cost, layerscope, run_once
from support.engines import free_port, registry
from support.fleet_files import lay_archives, lay_registry, made_fleet
from support.forwarding import Forwarder, forwarder

LATENCY = 0.005
BLOB = "/blobs/"


def bench_metadata(top: Path, host: str, directory: Path, count: int) -> None:
    with forwarder(f"http://{host}", latency=LATENCY) as between:
        place = f"registry:{between.host}"
        for what, cache in (("documents fetched", top / "cold"), ("documents in the cache", top / "cold")):
            between.passed.clear()
            cost = run_fleet(top, place, json_file=f"meta-{what[:9]}.json", cache=cache)
            requests = len(between.passed) / count
            say(
                f"metadata, registry {LATENCY * 1000:.0f} ms away, {what}",
                cost,
                f"{requests:.2f} requests an image, target 20 s",
            )
    say("metadata, a directory", run_fleet(top, str(directory), json_file="meta-directory.json"))


def bench_analysis(top: Path, host: str, directory: Path) -> None:
    place = f"registry:{host}"
    for workers in (1, 2):
        file = f"workers-{workers}.json"
        say(f"--analyze --workers {workers}, registry", run_fleet(top, place, "--workers", str(workers), json_file=file))
    say("--analyze, threads, registry", run_fleet(top, place, "--analyze", json_file="threads.json"))
    with cluster(top) as (address, workers_of_it):
        where = ("--scheduler", address, "--cache", str(top / "shared"))
        cost = run_fleet(top, place, *where, json_file="dask.json", kill=workers_of_it[0])
        say("--analyze, dask with 2 workers, one killed after a third", cost)
    say("--analyze, threads, a directory", run_fleet(top, str(directory), "--analyze", json_file="directory.json"))
    files = [(top / f"{name}.json").read_bytes() for name in ("workers-1", "workers-2", "threads", "dask")]
    print(f"{'the same JSON from processes, threads and dask':<60} {'yes' if len(set(files)) == 1 else 'NO'}")
    with forwarder(f"http://{host}") as between:
        run_fleet(top, f"registry:{between.host}", "--analyze", json_file="counted.json")
        say_bytes(between, json.loads((top / "counted.json").read_bytes()))


def say_bytes(between: Forwarder, document: dict[str, dict[str, int]]) -> None:
    blobs = Counter(each.path for each in between.passed if BLOB in each.path and each.method == "GET")
    fetched = sum(each.length for each in between.passed if BLOB in each.path and each.method == "GET")
    images, distinct = document["totals"]["images"], document["totals"]["unique_stored_bytes"]
    print(f"{'fetched by one --analyze':<60} {fetched / 1e6:.1f} MB of blobs; {distinct / 1e6:.1f} MB of layers, and configs")
    print(f"{'':<60} no blob more than {max(blobs.values())} times, {len(between.passed) / images:.2f} requests an image")


def run_fleet(
    top: Path, place: str, *options: str, json_file: str, cache: Path | None = None, kill: subprocess.Popen[bytes] | None = None
) -> Cost:
    """Run the command once with nothing in the cache, or with the cache in a directory; a worker is killed on the way."""
    analyzed = options if not options or "--analyze" in options else ("--analyze", *options)
    command = layerscope("fleet", place, *analyzed, "--json", str(top / json_file))
    with tempfile.TemporaryDirectory() as empty:
        environment = ENVIRONMENT | {"LAYERSCOPE_CACHE": str(cache or empty)}
        if kill is None:
            cost = run_once(command, environment)
        else:
            cost = run_and_kill(command, environment, kill, top / "shared/layers")
    assert cost.status == 0, f"{' '.join(command)} ended with {cost.status}"
    return cost


def run_and_kill(command: tuple[str, ...], environment: dict[str, str], worker: subprocess.Popen[bytes], done: Path) -> Cost:
    start = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(done.glob("*"))) < 100:
            time.sleep(0.01)
        worker.send_signal(signal.SIGKILL)
        status = process.wait()
    return Cost(time.perf_counter() - start, 0, status)


@contextmanager
def cluster(top: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler of dask and two workers; gives its address, and the workers' processes, which nobody restarts."""
    address = f"tcp://127.0.0.1:{free_port()}"
    dask = str(Path(sys.executable).with_name("dask"))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": top, "env": ENVIRONMENT}
    scheduler = ("scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard")
    worker = ("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
    started = [subprocess.Popen([dask, *arguments], **quiet) for arguments in (scheduler, worker, worker)]  # type: ignore[call-overload]
    try:
        time.sleep(5)
        yield address, started[1:]
    finally:
        for each in reversed(started):
            each.kill()
            each.wait()


def say(what: str, cost: Cost, more: str = "") -> None:
    print(f"{what:<60} {cost}  {more}".rstrip(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--bases", type=int, default=50)
    wanted, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        top = Path(directory)
        images = list(made_fleet(wanted.images, wanted.bases))
        lay_registry(top / "registry", images)
        lay_archives(top / "archives", images)
        distinct = {layer.digest for image in images for layer in image.layers}
        print(f"{len(images):,} images, {12 * len(images):,} layers, {len(distinct):,} distinct", flush=True)
        with registry(storage={"filesystem": {"rootdirectory": str(top / "registry")}}) as host:
            bench_metadata(top, host, top / "archives", len(images))
            bench_analysis(top, host, top / "archives")


if __name__ == "__main__":
    main()
