"""Prove that every fix keeps its word: build, apply it, build again, compare. `make prove`, or `python -m prove --help`.

    make prove                 all cases, with every builder that can be started here
    make prove RANDOM=200      and random Dockerfiles: 200 on the first builder, a tenth of them on each other one

LAYERSCOPE_DOCKERFILES names a directory with more cases (the one beside LAYERSCOPE_IMAGES otherwise), LAYERSCOPE_ENGINES the
script that starts a Docker with BuildKit. Needs root, git, and Debian's mmdebstrap for the base image, or BASE_TAR names that.
Exit 1: a fix is wrong. Exit 2: no builder can be started.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from prove.builders import NAMES, BuilderMissing, command, started
from prove.cases import Case, our_cases, prepare, shared_cases, tricky_cases
from prove.grammar import write_random
from prove.proof import Prover, Row
from prove.small_base import write_small_base
from prove.smaller import smaller

RED, PLAIN = "\033[31m", "\033[0m"
TIDY_EVERY = 10
"""After so many cases what removed images leave behind is given back."""


def main() -> int:
    arguments = _arguments()
    # What has been started is ended then, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    place = Path(tempfile.mkdtemp(prefix="prove-", dir=arguments.directory))
    kept = Path(arguments.keep) if arguments.keep else Path(tempfile.mkdtemp(prefix="prove-failed-"))
    try:
        rows, left_out = _everything(arguments, place, kept)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    for each in left_out:
        print(f"left out: {each}", file=sys.stderr)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    failed = [row for row in rows if row.problems]
    _say_what_failed(failed, kept)
    if not rows or (left_out and os.environ.get("LAYERSCOPE_REQUIRE_COMPONENTS") == "1"):
        return 2
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m prove", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--builder", action="append", choices=NAMES, help="only this builder (again for more)")
    parser.add_argument("--case", action="append", help="only this case (again for more)")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="N random Dockerfiles on the first builder")
    parser.add_argument("--others", type=int, metavar="N", help="so many on each other builder (default: a tenth)")
    parser.add_argument("--only-random", action="store_true", help="no case but the random ones")
    parser.add_argument("--seed", type=int, help="the first random seed (default: by chance; it is printed)")
    parser.add_argument("--each", action="store_true", help="prove each fix alone, too")
    parser.add_argument(
        "--json", action="store_true", help="print an array of rows on standard output, the table on standard error"
    )
    parser.add_argument("--small", action="store_true", help="on a base of this machine's own programs: no network, no apt")
    parser.add_argument("--keep", metavar="DIR", help="where failing cases are kept (default: a new directory)")
    parser.add_argument("--directory", default="/var/tmp", metavar="DIR", help="where builders keep what they build")
    return parser.parse_args()


def _everything(arguments: argparse.Namespace, place: Path, kept: Path) -> tuple[list[Row], list[str]]:
    cases = [] if arguments.only_random else _written(place)
    if arguments.case:
        cases = [case for case in cases if case.name in arguments.case]
    if arguments.small:
        cases = [case for case in cases if "apt-get" not in case.text]
    seed = random.SystemRandom().randrange(1_000_000) if arguments.seed is None else arguments.seed
    count, tar = arguments.random, _base_tar(place, small=arguments.small)
    rows: list[Row] = []
    left_out: list[str] = []
    _head(arguments)
    for name in arguments.builder or NAMES:
        try:
            with started(name, place) as builder:
                prepare(builder, tar)
                randoms = [write_random(place / "random", seed + number) for number in range(count)]
                rows += _rows(arguments, Prover(builder, kept), cases, randoms)
        except BuilderMissing as missing:
            left_out.append(f"{name}: {missing}")
            continue
        count = arguments.others if arguments.others is not None else arguments.random // 10
    return rows, left_out


def _written(place: Path) -> list[Case]:
    return [*shared_cases(place / "shared"), *our_cases(place / "ours"), *tricky_cases(place / "tricky")]


def _rows(arguments: argparse.Namespace, prover: Prover, cases: Sequence[Case], randoms: Sequence[Case]) -> Iterator[Row]:
    name = prover.builder.name
    for number, case in enumerate([*(case for case in cases if not case.builders or name in case.builders), *randoms], 1):
        start = time.monotonic()
        found = prover.prove(case, each=arguments.each)
        for row in found:
            _line(arguments, row, time.monotonic() - start)
        if case in randoms and any(row.problems for row in found):
            smallest = smaller(case, prover, found[0].problems)
            _say(arguments, f"    smallest that fails, kept in {prover.kept}:\n{_indented(smallest.text)}")
        yield from found
        if number % TIDY_EVERY == 0:
            prover.builder.tidy()


def _base_tar(place: Path, *, small: bool) -> Path:
    """A small Debian 12: the one that BASE_TAR names, or one made now; with `small`, less than that."""
    made = place / "base.tar"
    if small:
        write_small_base(place / "base", made)
        return made
    named = Path(os.environ.get("BASE_TAR", "/tmp/base-debian.tar"))
    if named.is_file():
        return named
    command("mmdebstrap", "--quiet", "--variant=minbase", "bookworm", made)
    return made


def _head(arguments: argparse.Namespace) -> None:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    _say(arguments, f"layerscope at {commit or 'no commit'}")
    words = ("case", "builder", "fixes", "claimed", "saved", "files equal", "second run")
    _say(arguments, "{:<34} {:<14} {:>5} {:>13} {:>13} {:<11} {}".format(*words))


def _line(arguments: argparse.Namespace, row: Row, seconds: float) -> None:
    name = row.case + (f" {row.only}" if row.only else "")
    equal = {None: "-", True: "yes", False: "NO"}[row.files_equal]
    again = f"{row.again} more" if row.again else "nothing"
    line = f"{name:<34} {row.builder:<14} {row.offered:>5} {row.claimed:>13,} {row.saved:>13,} {equal:<11} {again:<10}"
    line = f"{line} {seconds:5.1f} s"
    if row.problems:
        line = f"{RED}{line}{PLAIN}\n" + _indented("\n".join(row.problems))
    _say(arguments, line)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _say(arguments: argparse.Namespace, text: str) -> None:
    print(text, file=sys.stderr if arguments.json else sys.stdout, flush=True)


def _say_what_failed(failed: Sequence[Row], kept: Path) -> None:
    if failed:
        print(f"{len(failed)} rows are wrong; what they were made of is kept in {kept}", file=sys.stderr)
    elif kept.is_dir() and not any(kept.iterdir()):
        kept.rmdir()


if __name__ == "__main__":
    sys.exit(main())
