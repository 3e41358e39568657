"""Who reads makes no difference: threads, processes, a dask cluster, some of which die on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from layerscope.errors import UsageError
from layerscope.fleet.tasks import HowToRead, LayerTask, read_layer_task
from layerscope.fleet.workers import ProcessWorkers, Workers, threads
from layerscope.oci.platform import Platform
from support.commands import COMMAND, Ran, environment, ran
from support.engines import free_port, registry
from support.fleet_files import lay_archives, lay_registry, made_fleet
from support.forwarding import forwarder
from support.image_builder import image, layer
from support.pretend_registry import Answer, Asked

PATIENCE = 120
IMAGES = list(made_fleet(9, 3))


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("archives")
    lay_archives(top, IMAGES)
    return top


@pytest.fixture
def by_threads(archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> bytes:
    done = ran(capsys, "fleet", archives, "--analyze", "--json", tmp_path / "threads.json")
    assert done.code == 0
    return (tmp_path / "threads.json").read_bytes()


# Workers by themselves.


def double(number: int) -> int:
    return 2 * number


def die_of(deadly: int, number: int) -> int:
    if number == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def die_once(place: Path, number: int) -> int:
    """Kill the worker that is the first to come here."""
    try:
        place.mkdir()
    except FileExistsError:
        return 2 * number
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@pytest.mark.slow
def test_a_task_that_its_worker_dies_of_is_the_only_one_that_is_lost() -> None:
    with ProcessWorkers(2, []) as workers:
        found = dict(workers.results(partial(die_of, 7), range(20)))
    assert found == {number: None if number == 7 else 2 * number for number in range(20)}


@pytest.mark.slow
def test_tasks_of_a_worker_that_is_killed_are_done_by_another(tmp_path: Path) -> None:
    with ProcessWorkers(2, []) as workers:
        found = dict(workers.results(partial(die_once, tmp_path / "died"), range(20)))
    assert found == {number: 2 * number for number in range(20)}


@pytest.mark.parametrize("workers", [partial(threads, 3)])
def test_only_a_few_tasks_wait(workers: Callable[[], Workers]) -> None:
    begun: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(1000):
            begun.append(number)
            yield number

    with workers() as some:  # type: ignore[attr-defined]
        first = next(some.results(double, tasks()))
        assert first[1] == 2 * first[0]
        assert len(begun) < 30


# The command.


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_processes_give_the_same_json(
    workers: str, archives: Path, by_threads: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = ran(capsys, "fleet", archives, "--analyze", "--workers", workers, "--json", tmp_path / "found.json")
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "found.json").read_bytes() == by_threads


@contextmanager
def cluster(place: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler of dask and two workers; gives its address and all three processes, the scheduler's first."""
    address = f"tcp://127.0.0.1:{free_port()}"
    scheduler = ("scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard")
    worker = ("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(place / "dask"))
    started: list[subprocess.Popen[bytes]] = []
    try:
        for arguments in (scheduler, worker, worker):
            command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
            with (place / f"dask-{len(started)}.log").open("wb") as log:
                started.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment()))
        deadline = time.monotonic() + PATIENCE
        while (place / "dask-0.log").read_text().count("Register worker") < 2:
            assert time.monotonic() < deadline, (place / "dask-0.log").read_text()
            time.sleep(0.1)
        yield address, started
    finally:
        for each in started:
            each.kill()
            each.wait()


def begin(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [*COMMAND, "fleet", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **pipes, text=True, env=environment(), start_new_session=True)  # type: ignore[call-overload, no-any-return]


def wait_for_results(place: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and len(list(place.glob("layers/[!.]*"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.slow
def test_a_cluster_with_a_worker_killed_gives_the_same_json(archives: Path, by_threads: bytes, tmp_path: Path) -> None:
    with cluster(tmp_path) as (address, (_, worker, _)):
        options = ("--scheduler", address, "--cache", tmp_path / "shared", "--json", tmp_path / "found.json")
        with begin(archives, "--analyze", *options) as process:
            wait_for_results(tmp_path / "shared", 5, process)
            worker.kill()
            _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert (tmp_path / "found.json").read_bytes() == by_threads


@pytest.mark.slow
def test_what_a_lost_cluster_did_is_kept(
    archives: Path, by_threads: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path / "shared"
    with (
        cluster(tmp_path) as (address, (scheduler, *_)),
        begin(archives, "--analyze", "--scheduler", address, "--cache", shared, "--json", "-") as process,
    ):
        wait_for_results(shared, 5, process)
        scheduler.kill()
        out, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (2, "")
    assert "Traceback" not in errors
    assert f"{address} was lost" in errors
    done = ran(capsys, "fleet", archives, "--analyze", "--cache", shared, "--json", tmp_path / "found.json")
    assert (done.code, (tmp_path / "found.json").read_bytes()) == (0, by_threads)


def test_a_worker_of_another_version_is_a_sentence(archives: Path, tmp_path: Path) -> None:
    how = HowToRead(str(tmp_path), version="0.0.1")
    task = LayerTask(str(archives), Platform("linux", "amd64"), 1, "sha256:0", 1, how)
    with pytest.raises(UsageError, match=r"a worker has layerscope \d.* and not 0\.0\.1"):
        read_layer_task(task)


def test_a_scheduler_that_is_not_there_is_a_sentence(
    archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = ran(capsys, "fleet", archives, "--analyze", "--scheduler", "tcp://", "--cache", tmp_path)
    assert done.code == 2
    assert done.err.startswith("layerscope: --scheduler tcp://: ")


SAID = {
    signal.SIGINT: "layerscope: what was read is kept: the same command goes on from there\n\nlayerscope: interrupted\n",
    signal.SIGTERM: "layerscope: ended by SIGTERM\n",
    signal.SIGHUP: "layerscope: ended by SIGHUP\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["threads", "processes"])
def test_an_interrupted_run_leaves_no_process_and_goes_on_later(
    number: signal.Signals, workers: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_registry(tmp_path / "registry", IMAGES)
    shared, hold = tmp_path / "shared", threading.Event()
    with (
        registry(storage={"filesystem": {"rootdirectory": str(tmp_path / "registry")}}) as host,
        forwarder(f"http://{host}") as between,
    ):

        def slow(asked: Asked) -> Answer:
            if "/blobs/" in asked.path and len(list(shared.glob("layers/*"))) >= 5:
                hold.wait(PATIENCE)
                return Answer(503)
            return between.answer(asked)

        between.server.routes["/"] = slow
        place = f"registry:{between.host}"
        with begin(place, "--analyze", *workers, "--cache", shared, "--json", tmp_path / "no.json") as process:
            wait_for_results(shared, 5, process)
            children = children_of(process.pid)
            if number == signal.SIGTERM:
                process.send_signal(number)
            else:
                os.killpg(process.pid, number)  # as a terminal does, to all that run in it
            _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (128 + number, SAID[number])
        assert not (tmp_path / "no.json").exists()
        assert_all_end(children)
        hold.set()
        kept = len(list(shared.glob("tables/[!.]*")))
        with forwarder(f"http://{host}") as fresh:
            place = f"registry:{fresh.host}"
            done = ran(capsys, "fleet", place, "--analyze", "--cache", shared, "--json", tmp_path / "found.json")
            assert done.code == 0
            layers = {layer.digest for each in IMAGES for layer in each.layers}
            fetched = [each.path for each in fresh.passed if each.method == "GET" and each.path.rpartition("/")[2] in layers]
            assert len(fetched) == len(set(fetched)) == len(layers) - kept


def children_of(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(each) for each in found.stdout.split()]


def assert_all_end(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_worker_processes_do_not_outlive_a_killed_parent(archives: Path, tmp_path: Path) -> None:
    with begin(archives, "--analyze", "--workers", "2", "--cache", tmp_path / "shared", "--json", "-") as process:
        wait_for_results(tmp_path / "shared", 1, process)
        children = children_of(process.pid)
        process.kill()
        process.communicate(timeout=PATIENCE)
    assert_all_end(children)


@pytest.mark.slow
def test_all_processes_together_keep_to_the_limit_of_a_registry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay_registry(tmp_path / "registry", IMAGES)
    lock, now, most = threading.Lock(), 0, 0
    with (
        registry(storage={"filesystem": {"rootdirectory": str(tmp_path / "registry")}}) as host,
        forwarder(f"http://{host}") as between,
    ):

        def counted(asked: Asked) -> Answer:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.01)
            with lock:
                now -= 1
            return between.answer(asked)

        between.server.routes["/"] = counted
        done = ran(capsys, "fleet", f"registry:{between.host}", "--analyze", "--workers", "3", "--json", "-")
    assert (done.code, json.loads(done.out)["totals"]["images"]) == (0, 9)
    assert 1 < most <= 8


@pytest.mark.slow
def test_each_layer_is_fetched_once_and_nothing_that_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay_registry(tmp_path / "registry", IMAGES)
    layers = {layer.digest: len(layer.stored) for each in IMAGES for layer in each.layers}

    def run(place: str) -> Ran:
        return ran(capsys, "fleet", place, "--analyze", "--cache", tmp_path / "shared", "--json", "-")

    with (
        registry(storage={"filesystem": {"rootdirectory": str(tmp_path / "registry")}}) as host,
        forwarder(f"http://{host}") as between,
    ):
        first = run(f"registry:{between.host}")
        fetched = [each for each in between.passed if each.path.rpartition("/")[2] in layers and each.method == "GET"]
        assert sorted(each.path.rpartition("/")[2] for each in fetched) == sorted(layers)
        assert sum(each.length for each in fetched) == sum(layers.values())
        between.passed.clear()
        again = run(f"registry:{between.host}")
        assert [each for each in between.passed if "/blobs/" in each.path] == []
    assert (first.code, first.out) == (0, again.out)


@pytest.mark.parametrize("kind", ["garbage", "empty", "short", "directory"])
def test_results_that_cannot_be_used_are_made_again(
    kind: str, archives: Path, by_threads: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path / "shared"
    ran(capsys, "fleet", archives, "--analyze", "--cache", shared, "--json", "-")
    for path in [*shared.glob("*/*")][::3]:
        whole = path.read_bytes()
        path.unlink()
        if kind == "directory":
            path.mkdir()
        else:
            path.write_bytes({"garbage": b"\xff" * 5000, "empty": b"", "short": whole[: len(whole) // 2]}[kind])
    done = ran(capsys, "fleet", archives, "--analyze", "--cache", shared, "--json", tmp_path / "found.json")
    if kind == "directory":
        assert (done.code, "--cache" in done.out) == (2, True)
    else:
        assert (done.code, (tmp_path / "found.json").read_bytes()) == (0, by_threads)


@pytest.mark.parametrize("place", ["memory://fleet", "file://{}/results"])
def test_results_are_kept_where_fsspec_says(
    place: str, archives: Path, by_threads: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = place.format(tmp_path)
    for _ in range(2):
        done = ran(capsys, "fleet", archives, "--analyze", "--cache", where, "--json", tmp_path / "found.json")
        assert (done.code, (tmp_path / "found.json").read_bytes()) == (0, by_threads)


def test_what_a_dead_process_left_unfinished_goes(archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tables").mkdir()
    for name, age in ((".new-old", 7200), (".new-young", 60)):
        (tmp_path / "tables" / name).write_bytes(b"half")
        os.utime(tmp_path / "tables" / name, (time.time() - age,) * 2)
    ran(capsys, "fleet", archives, "--analyze", "--cache", tmp_path, "--json", "-")
    assert [path.name for path in tmp_path.glob("*/.*")] == [".new-young"]


# Lies and damage.


def test_a_layer_that_is_not_what_its_image_says_is_not_believed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    honest, liar = IMAGES[0], IMAGES[1]
    stolen = honest.layers[-1]
    lie = type(liar)("a-liar/app", "1", liar.config, (*liar.layers[:-1], type(stolen)(stolen.stored, liar.layers[-1].diff_id)))
    lay_archives(tmp_path, [honest, lie])
    done = ran(capsys, "fleet", tmp_path, "--analyze", "--json", "-")
    document = json.loads(done.out)
    assert (done.code, document["totals"]["failed"]) == (2, 1)
    bad, good = sorted(document["images"], key=lambda each: each["name"])
    assert (bad["name"], good["problem"], good["content_bytes"] > 0) == ("a-liar/app:1", None, True)
    assert "should be" in bad["problem"]


def test_a_damaged_image_is_a_line_and_all_others_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay_archives(tmp_path, IMAGES[:3])
    path = tmp_path / "z-cut.tar"
    path.write_bytes(image(layer("a"), tag="cut:1")[:2000])
    (tmp_path / "z-shorter.tar").write_bytes(image(layer("a"), tag="cut:1")[:300])
    inside = tmp_path / f"{IMAGES[0].repository}-{IMAGES[0].tag}.tar"
    content = bytearray(inside.read_bytes())
    at = content.index(IMAGES[0].layers[-1].stored) + 2000
    content[at : at + 100] = bytes(100)
    inside.write_bytes(content)
    done = ran(capsys, "fleet", tmp_path, "--analyze", "--json", "-")
    document = json.loads(done.out)
    assert done.code == 2
    assert [each["content_bytes"] is None for each in document["images"]] == [True, False, False]
    assert len(document["failed"]) == 2
    assert any(str(path) in each for each in document["failed"])
    assert [str(tmp_path / "z-shorter.tar") in each for each in document["skipped"]] == [True]
