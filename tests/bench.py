"""Benchmarks: whole processes, page cache warm, medians, side by side with dive and with inflating alone.

    python tests/bench.py [CORPUS]      or: make bench CORPUS=DIR

CORPUS holds node.tar, node-gz.tar, synth-1m.tar and, for the growth, synth-100k.tar (the same generator with 100,000); what is
missing is left out, as is the image demo/node:1 where no Docker has it (DOCKER_HOST). The two images of dive's best case are
built from /usr beside them, as are those whose every entry has a PAX header. Ratios matter, not digits.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

RUNS = 5
BEST_CASE_BYTES = 200_000_000
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTHONDONTWRITEBYTECODE")}


@dataclass(frozen=True)
class Cost:
    seconds: float
    peak_mb: float
    status: int = 0

    def __str__(self) -> str:
        return f"{self.seconds:6.2f} s  {self.peak_mb:6.0f} MB"


def measure(*command: str, runs: int = RUNS, **environment: str) -> Cost:
    """The median time of `runs` runs and the largest peak of resident memory."""
    costs = [run_once(command, ENVIRONMENT | environment) for _ in range(runs)]
    return Cost(statistics.median(cost.seconds for cost in costs), max(cost.peak_mb for cost in costs))


def run_once(command: tuple[str, ...], environment: dict[str, str]) -> Cost:
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return Cost(time.perf_counter() - start, usage.ru_maxrss / 1024, status)


def layerscope(*arguments: str) -> tuple[str, ...]:
    return (str(Path(sys.executable).with_name("layerscope")), *arguments)


def dive(image: Path) -> tuple[str, ...]:
    return (str(Path(sys.executable).with_name("dive")), "--source", "docker-archive", str(image))


def say(what: str, ours: Cost, limit: str, **peers: Cost) -> None:
    print(f"{what:<44} layerscope {ours}")
    for name, peer in peers.items():
        print(f"{'':<44} {name.replace('_', ' '):<10} {peer}   ratio {peer.seconds / ours.seconds:5.1f}")
    print(f"{'':<44} target: {limit}", flush=True)


def bench_against_dive(image: Path, limit: str, runs: int = RUNS) -> None:
    if image.exists():
        ours = measure(*layerscope(str(image), "--no-cache"))
        say(image.name, ours, limit, dive=measure(*dive(image), runs=runs, CI="true"))


def bench_pax(corpus: Path) -> None:
    """Layers whose every entry has a PAX header."""
    for is_compressed in (False, True):
        bench_against_dive(pax_case(corpus, is_compressed=is_compressed, has_whiteouts=False), "1.2 times faster")
        limit = f"{5 if is_compressed else 8} times faster"
        bench_against_dive(pax_case(corpus, is_compressed=is_compressed, has_whiteouts=True), limit, runs=3)
    million = built(corpus / "pax-1m.tar", "--pax-million")
    say(million.name, measure(*layerscope(str(million), "--no-cache"), runs=3), "under 8 s")


def bench_inflate(image: Path) -> None:
    if image.exists():
        alone = measure(sys.executable, __file__, "--inflate", str(image))
        ours = measure(*layerscope(str(image), "--no-cache"))
        ratio = ours.seconds / alone.seconds
        print(f"{image.name + ': inflating alone, two threads':<44}            {alone}   we take {ratio:4.2f}")
        print(f"{'':<44} target: at most 1.3", flush=True)


def bench_gate(image: Path, scratch: str) -> None:
    """The gate with every report at once, beside the plain report."""
    if image.exists():
        kinds = ("markdown", "junit", "sarif", "gitlab", "openmetrics", "html", "json")
        reports = [part for kind in kinds for part in ("--report", f"{kind}={scratch}/{kind}")]
        plain = measure(*layerscope(str(image), "--text"))
        gate = measure(*layerscope("ci", str(image), *reports))
        print(f"{image.name + ': the gate with all reports':<44} layerscope {gate}")
        print(f"{'':<44} report     {plain}   ratio {gate.seconds / plain.seconds:5.2f}")
        print(f"{'':<44} target: under 1.3", flush=True)


def bench_slim(corpus: Path) -> None:
    """Writing a smaller image and proving it, beside copying and hashing the original, and beside compressing what is left."""
    plain, packed = corpus / "node.tar", corpus / "node-gz.tar"
    # In a directory on the same disk: the system's own for temporary files may be memory.
    with tempfile.TemporaryDirectory(dir=corpus) as scratch:
        if plain.exists():
            ours = measure(*layerscope("slim", str(plain), "-o", f"{scratch}/plain", "--force", "--no-cache"))
            peer = measure("sh", "-c", f"cp '{plain}' {scratch}/copy && sha256sum {scratch}/copy")
            print(f"{'node.tar made smaller, and proved':<44} layerscope {ours}")
            print(f"{'':<44} cp and sha256sum {peer}   we take {ours.seconds / peer.seconds:4.2f}")
            print(f"{'':<44} target: at most 3", flush=True)
        if plain.exists() and packed.exists():
            ours = measure(*layerscope("slim", str(packed), "-o", f"{scratch}/packed", "--force", "--no-cache"))
            print(f"{'node-gz.tar made smaller, and proved':<44} layerscope {ours}", flush=True)
            if shutil.which("pigz"):
                peer = measure("pigz", "-p", "2", "-k", "-f", f"{scratch}/plain")
                print(f"{'':<44} pigz -p 2 of what is left {peer}   we take {ours.seconds / peer.seconds:4.2f}", flush=True)


def bench_engine(name: str) -> None:
    """An image in a running Docker (DOCKER_HOST): read where it lies, known from before, exported; beside the export alone."""
    if not shutil.which("docker") or run_once(("docker", "image", "inspect", name), ENVIRONMENT).status:
        return
    with tempfile.TemporaryDirectory() as cache:
        in_place = measure(*layerscope(name, "--text", "--no-cache"))
        measure(*layerscope(name, "--text"), runs=1, LAYERSCOPE_CACHE=cache)
        known = measure(*layerscope(name, "--text"), LAYERSCOPE_CACHE=cache)
    with tempfile.TemporaryDirectory() as cache:
        exported = measure(*layerscope(name, "--text"), runs=1, LAYERSCOPE_CACHE=cache, LAYERSCOPE_NO_STORAGE="1")
        known_too = measure(*layerscope(name, "--text"), LAYERSCOPE_CACHE=cache, LAYERSCOPE_NO_STORAGE="1")
    save = measure("sh", "-c", 'docker save "$1" > /dev/null', "sh", name, runs=1)
    say(f"{name}: in its engine's storage", in_place, "under 1.5 s", docker_save=save)
    say(f"{name}: the same, known", known, "under 0.7 s")
    say(f"{name}: exported by its engine", exported, "as long as the export", docker_save=save)
    say(f"{name}: exported before", known_too, "under 0.7 s")


def bench_growth(corpus: Path) -> None:
    small, large = corpus / "synth-100k.tar", corpus / "synth-1m.tar"
    if small.exists() and large.exists():
        few, many = (measure(*layerscope(str(image), "--no-cache")) for image in (small, large))
        print(f"{'synth-100k.tar':<44} layerscope {few}")
        print(f"{'synth-1m.tar':<44} layerscope {many}   {many.seconds / few.seconds:4.1f} times")
        print(f"{'':<44} target: at most 11 times, under 500 MB", flush=True)


def bench_view(image: Path) -> None:
    if image.exists():
        result = subprocess.run(
            [sys.executable, __file__, "--view", str(image)], capture_output=True, text=True, check=True, env=ENVIRONMENT
        )
        print(f"{'View(k), ' + image.name:<44} {result.stdout.strip()}\n{'':<44} target: under 50 ms", flush=True)


def views(image: str) -> None:
    from layerscope.analysis import read_image
    from layerscope.sources.open import open_image

    tree = read_image(open_image(image)).tree
    times = []
    for layer in [*range(1, tree.layers + 1)] * RUNS:
        start = time.perf_counter()
        view = tree.view(layer)
        assert view.change.any()
        assert view.subtree_bytes[0] > 0
        times.append(time.perf_counter() - start)
    print(f"{len(tree):,} nodes: {1000 * statistics.median(times):.0f} ms with subtree totals")


def inflate(image: str) -> None:
    """What any reader of gzip layers has to do at least: inflate every blob, on two threads."""
    from zlib_ng import zlib_ng

    def inflate_one(data: memoryview) -> None:
        state = zlib_ng.decompressobj(31)
        position = 0
        tail = b""
        while not state.eof:
            piece = tail or data[position : position + (128 << 10)]
            position += 0 if tail else len(piece)
            state.decompress(piece, 1 << 20)
            tail = state.unconsumed_tail

    with Path(image).open("rb") as file, tarfile.open(fileobj=file) as archive:
        import mmap

        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        blobs = [view[item.offset_data : item.offset_data + item.size] for item in archive if item.isfile()]
        layers = sorted((blob for blob in blobs if bytes(blob[:2]) == b"\x1f\x8b"), key=len, reverse=True)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(inflate_one, layers))


def best_case(corpus: Path, *, is_compressed: bool) -> Path:
    """dive's best case: 200 MB of /usr in two layers without whiteouts."""
    return built(corpus / f"usr-{'gz' if is_compressed else 'plain'}.tar", "--best-case")


def built(path: Path, mode: str) -> Path:
    if not path.exists():  # in a process of its own: ours would pass its peak of memory on to every program it starts
        subprocess.run([sys.executable, __file__, mode, str(path)], check=True)
    return path


def build_best_case(name: str) -> None:
    write_beside(Path(name), [layer_of(files, is_compressed=name.endswith("usr-gz.tar")) for files in two_halves()])


def write_beside(path: Path, layers: list[tuple[bytes, str]]) -> None:
    """Write an archive that is there whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        write_archive(Path(file.name), layers)
    Path(file.name).rename(path)


def two_halves() -> tuple[list[str], list[str]]:
    # A browser's one file would be most of it.
    chosen = some_of(usr_files("/usr/lib"), largest=BEST_CASE_BYTES // 4, total=BEST_CASE_BYTES)
    return chosen[::2], chosen[1::2]


def some_of(names: Iterator[str], *, largest: int, total: int) -> list[str]:
    chosen, size = [], 0
    for name in names:
        length = Path(name).stat().st_size
        if length < largest and size < total:
            chosen.append(name)
            size += length
    return chosen


def usr_files(top: str) -> Iterator[str]:
    for directory, names, files in os.walk(top):
        names.sort()
        yield from (
            path for name in sorted(files) if Path(path := f"{directory}/{name}").is_file() and not Path(path).is_symlink()
        )


def pax_case(corpus: Path, *, is_compressed: bool, has_whiteouts: bool) -> Path:
    """150 MB of small files of /usr, each with a PAX header for its time, as Python's tarfile writes it."""
    name = f"pax{'-whiteouts' if has_whiteouts else ''}-{'gz' if is_compressed else 'plain'}.tar"
    return built(corpus / name, "--pax-case")


def build_pax_case(name: str) -> None:
    """One layer, and for whiteouts another with 300 of them."""
    files = some_of(usr_files("/usr"), largest=100_000, total=150_000_000)
    layers = [layer_of(files, is_compressed=name.endswith("gz.tar"), has_fractions=True)]
    if "whiteouts" in name:
        hidden = files[:: max(len(files) // 300, 1)][:300]
        layers.append(whiteouts_of(hidden, is_compressed=name.endswith("gz.tar")))
    write_beside(Path(name), layers)


def build_pax_million(name: str) -> None:
    """A million entries, each with the same PAX header."""
    body = b"30 mtime=1700000000.123456789\n"
    header, entry = tarfile.TarInfo("././@PaxHeader"), tarfile.TarInfo("x")
    header.type, header.size, entry.size = tarfile.XHDTYPE, len(body), 200
    before = header.tobuf(tarfile.USTAR_FORMAT) + body.ljust(512, b"\0")
    plain = bytearray()
    for number in range(1_000_000):
        entry.name = f"d{number // 10_000:03}/e{number // 100 % 100:02}/file{number}"
        plain += before + entry.tobuf(tarfile.USTAR_FORMAT) + b"x" * 200 + bytes(312)
    plain += bytes(1024)
    write_beside(Path(name), [(bytes(plain), f"sha256:{hashlib.sha256(plain).hexdigest()}")])


def layer_of(files: list[str], *, is_compressed: bool, has_fractions: bool = False) -> tuple[bytes, str]:
    """A layer's stored bytes and its diff_id. A time with a fraction of a second needs a PAX header."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in files:
            member = archive.gettarinfo(name)
            member.mtime, member.type, member.linkname = int(member.mtime) + 0.25 * has_fractions, tarfile.REGTYPE, ""
            member.size = Path(name).stat().st_size
            with Path(name).open("rb") as content:
                archive.addfile(member, content)
    return stored(buffer.getvalue(), is_compressed=is_compressed)


def whiteouts_of(files: list[str], *, is_compressed: bool) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in files:
            directory, _, base = name.lstrip("/").rpartition("/")
            archive.addfile(tarfile.TarInfo(f"{directory}/.wh.{base}"))
    return stored(buffer.getvalue(), is_compressed=is_compressed)


def stored(plain: bytes, *, is_compressed: bool) -> tuple[bytes, str]:
    return (gzip.compress(plain, 6) if is_compressed else plain), f"sha256:{hashlib.sha256(plain).hexdigest()}"


def write_archive(path: Path, layers: list[tuple[bytes, str]]) -> None:
    config = json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
            "history": [{"created_by": f"COPY part{number} /"} for number in range(len(layers))],
        }
    ).encode()
    blobs = {f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}": blob for blob, _ in layers}
    name = f"blobs/sha256/{hashlib.sha256(config).hexdigest()}"
    manifest = json.dumps([{"Config": name, "RepoTags": ["usr:1"], "Layers": list(blobs)}]).encode()
    with tarfile.open(path, "w") as archive:
        for member, data in {**blobs, name: config, "manifest.json": manifest}.items():
            header = tarfile.TarInfo(member)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))


def main(corpus: Path) -> None:
    corpus.mkdir(parents=True, exist_ok=True)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, median of {RUNS}\n")
    say("--version", measure(*layerscope("--version")), "under 0.1 s")
    with tempfile.TemporaryDirectory() as scratch:
        run_once(layerscope("demo", "--save", f"{scratch}/demo.tar"), ENVIRONMENT)
        say("demo.tar, the fixed cost of a report", measure(*layerscope(f"{scratch}/demo.tar")), "under 0.2 s")
    if shutil.which("dive", path=str(Path(sys.executable).parent)):
        bench_against_dive(corpus / "node.tar", "15 times faster, peak memory below dive's")
        bench_against_dive(corpus / "node-gz.tar", "8 times faster")
        bench_against_dive(best_case(corpus, is_compressed=False), "faster than dive")
        bench_against_dive(best_case(corpus, is_compressed=True), "faster than dive")
        bench_pax(corpus)
    with tempfile.TemporaryDirectory() as scratch:
        bench_gate(corpus / "node.tar", scratch)
    bench_slim(corpus)
    bench_engine("demo/node:1")
    bench_inflate(corpus / "node-gz.tar")
    bench_growth(corpus)
    bench_view(corpus / "synth-1m.tar")


MODES: dict[str, Callable[[str], None]] = {
    "--view": views,
    "--inflate": inflate,
    "--best-case": build_best_case,
    "--pax-case": build_pax_case,
    "--pax-million": build_pax_million,
}

if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in MODES:
        MODES[sys.argv[1]](sys.argv[2])
    else:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()))
