"""`layerscope fleet`: many images at once, from engines, directories, registries, lists and clusters."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layerscope.cli.ci_many import listed_names, read_list
from layerscope.cli.options import (
    chosen_engine_options,
    complete_file,
    no_registry_option,
    open_cache,
    platform_option,
    registry_options,
    say_on_stderr,
    trust_toc_option,
)
from layerscope.cli.output import STDOUT, Progress, check_writable, is_stdout, output_style, write_bytes
from layerscope.cli.screen import can_show_screen

if TYPE_CHECKING:
    from layerscope.fleet.answers import FleetAnswers
    from layerscope.fleet.fleet import Fleet
    from layerscope.fleet.run import FleetResults
    from layerscope.fleet.summaries import ImageResult
    from layerscope.fleet.tasks import HowToRead
    from layerscope.progress import Progress as Watch
    from layerscope.sources.listing.find_fleet import FleetPlaces
    from layerscope.sources.listing.found import FoundImages
    from layerscope.sources.location import EngineOptions

MOST_JSON = 1 << 28
"""Bytes of a Kubernetes list; 10,000 pods take 100 MB."""
_FORMATS = ("json_file", "csv_file", "metrics_file", "html_file")


@click.command()
@click.argument("places", nargs=-1, metavar="[PLACE...]", shell_complete=complete_file)
@click.option(
    "--from",
    "listed",
    metavar="FILE",
    shell_complete=complete_file,
    help="Read further places from a list, one a line (`-`: standard input).",
)
@click.option(
    "--from-kubernetes",
    "cluster",
    metavar="FILE",
    shell_complete=complete_file,
    help="Read the images that `kubectl get pods -A -o json` lists (`-`: standard input).",
)
@click.option("--tags", metavar="newest:N|GLOB", help="Of each repository only the N newest tags, or those that match.")
@click.option("--since", metavar="AGE|DATE", help="Leave out images from before: 90d, 12h, 1y or 2026-01-31.")
@click.option("--analyze", "is_analyzed", is_flag=True, help="Read every distinct layer, for content and waste.")
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Read in N processes; default: threads of this one.")
@click.option("--scheduler", metavar="ADDRESS", help="Read on the workers of a dask cluster (tcp://HOST:8786).")
@click.option(
    "--cache",
    "place",
    metavar="DIR|URL",
    help="Keep results there and take those that are there; s3:// and the like by fsspec.",
)
@click.option("--resume", "is_resumed", is_flag=True, help="The same, in a place of this user's own.")
@click.option("--older-than", metavar="AGE|DATE", help="List images from before among what can be deleted.")
@click.option(
    "--keep-newest",
    "keep",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many builds of a repository are not superseded.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    shell_complete=complete_file,
    help="Show what changed since the run that wrote this --json FILE.",
)
@click.option("--json", "json_file", metavar="FILE", shell_complete=complete_file, help="Write JSON (`-`: standard output).")
@click.option("--jsonl", "is_jsonl", is_flag=True, help="Print a line of JSON for each image, as it ends.")
@click.option("--csv", "csv_file", metavar="FILE", shell_complete=complete_file, help="Write the images as CSV.")
@click.option("--metrics", "metrics_file", metavar="FILE", shell_complete=complete_file, help="Write OpenMetrics.")
@click.option("--html", "html_file", metavar="FILE", shell_complete=complete_file, help="Write a page.")
@click.option("--screen", "is_screen", is_flag=True, help="List the images on the screen instead.")
@trust_toc_option
@platform_option
@registry_options
@no_registry_option
def fleet(places: tuple[str, ...], **options: Any) -> int:
    """Show what many images share and waste, and what to mend or delete first.

    PLACE is an engine (`docker:`, `podman:`), a directory of archives and layouts, `registry:HOST`, `registry:HOST/PREFIX`,
    `registry:HOST/GLOB`, or an image. Default: the images of the engine. No layer is read without --analyze; `--platform all`
    takes every platform of a registry's images.

    \b
    Examples:
      layerscope fleet registry:registry.example/shop --tags newest:5
      layerscope fleet builds/ --analyze --html fleet.html
      kubectl get pods -A -o json | layerscope fleet --from-kubernetes -
      layerscope fleet registry:localhost:5000 --analyze --json - | jq .totals
    """
    from layerscope.fleet.answers import answer
    from layerscope.fleet.fleet import Fleet
    from layerscope.fleet.growth import read_baseline
    from layerscope.sources.listing.fleet_query import parse_moment

    now = time.time()
    _check(places, options)
    baseline = read_baseline(options["baseline"]) if options["baseline"] else None
    older_than = parse_moment(options["older_than"], now, option="--older-than") if options["older_than"] else None
    engine_options = chosen_engine_options()
    with Progress() as progress:
        found = _found(_places(places, options), options, engine_options, now, progress)
        if options["is_screen"]:
            return _show_screen(found, _read_once(places, options))
        whole = Fleet.of(found)
        _spare_the_images(whole, options)
        results = _analyzed(whole, options, engine_options, progress) if options["is_analyzed"] else None
        if engine_options.cache is not None:
            engine_options.cache.make_room()
    answers = answer(whole, results, older_than=older_than, keep=options["keep"], baseline=baseline)
    _write(answers, options)
    if not _is_text(options):
        for sentence in (*answers.failed, *whole.skipped):
            say_on_stderr(sentence)
    return 2 if answers.failed else 0


def _read_once(places: tuple[str, ...], options: dict[str, Any]) -> list[str]:
    """Return what may be standard input: the lists, and the places themselves."""
    return [each for each in (options["listed"], options["cluster"], *places) if each is not None]


def _check(places: tuple[str, ...], options: dict[str, Any]) -> None:
    """Refuse options that do not go together, and files that cannot be written, before the work. Raises UsageError."""
    from layerscope.errors import UsageError

    named = [options[each] for each in _FORMATS if options[each] is not None]
    if _read_once(places, options).count(STDOUT) > 1 or (STDOUT in places and options["is_analyzed"]):
        raise UsageError("standard input can be read only once: write what it has to a file, and name that")
    if options["is_screen"]:
        _check_screen(places, options, has_report=bool(named))
    if sum(map(is_stdout, named)) + options["is_jsonl"] > 1:
        raise UsageError("only one report can go to standard output")
    _check_reading(options)
    _check_files(named)


def _check_reading(options: dict[str, Any]) -> None:
    from layerscope.errors import UsageError

    for option in ("workers", "scheduler", "place", "is_resumed"):
        if options[option] and not options["is_analyzed"]:
            raise UsageError("--workers, --scheduler, --cache and --resume are about reading layers: add --analyze")
    if options["place"] == "":
        raise UsageError("--cache names no place")
    if options["workers"] and options["scheduler"]:
        raise UsageError("--workers is about this machine, and --scheduler about a cluster: give one of them")
    if options["scheduler"] and not (options["place"] or options["is_resumed"]):
        raise UsageError("--scheduler needs --cache, a place that all workers reach")


def _check_files(named: list[str]) -> None:
    from layerscope.errors import UsageError

    files = [os.path.realpath(name) for name in named if not is_stdout(name)]
    if len(set(files)) < len(files):
        raise UsageError("two reports would go to one file")
    for name in files:
        check_writable(name)


def _spare_the_images(whole: Fleet, options: dict[str, Any]) -> None:
    """Raise UsageError if a report would overwrite an image, before any layer is read."""
    from layerscope.errors import UsageError
    from layerscope.text import escape

    files = {os.path.realpath(image.facts.place) for image in whole.images if image.facts.place}
    for name in (options[each] for each in _FORMATS if options[each] is not None and not is_stdout(options[each])):
        if os.path.realpath(name) in files:
            raise UsageError(f"{escape(name)} is an image of the fleet, which a report would overwrite")


def _check_screen(places: tuple[str, ...], options: dict[str, Any], *, has_report: bool) -> None:
    from layerscope.errors import UsageError

    if has_report or options["is_jsonl"] or options["is_analyzed"] or options["baseline"]:
        raise UsageError("--screen lists the images and writes no report: leave out the options for reports, and --analyze")
    if not can_show_screen(*_read_once(places, options)):
        raise UsageError("--screen needs a terminal")


def _places(named: tuple[str, ...], options: dict[str, Any]) -> FleetPlaces:
    from layerscope.errors import UsageError
    from layerscope.sources.listing.find_fleet import FleetPlaces
    from layerscope.sources.listing.kubernetes import images_of_cluster

    listed = listed_names(options["listed"]) if options["listed"] else []
    running: Mapping[str, int] = {}
    if cluster := options["cluster"]:
        running = images_of_cluster(read_list(cluster, option="--from-kubernetes", most=MOST_JSON), what=cluster)
    places = FleetPlaces(named, listed, running)
    if places.is_engine and (options["listed"] or options["cluster"]):
        raise UsageError("the list names no image")
    return places


def _found(
    places: FleetPlaces, options: dict[str, Any], engine_options: EngineOptions, now: float, progress: Watch
) -> FoundImages:
    from layerscope.sources.listing.find_fleet import find_fleet
    from layerscope.sources.listing.fleet_query import FleetQuery
    from layerscope.sources.listing.found import FoundImages

    query = FleetQuery.parse(tags=options["tags"], since=options["since"], platform=options["platform"], now=now)
    return FoundImages.joined(find_fleet(places, query, options=engine_options, progress=progress))


def _analyzed(whole: Fleet, options: dict[str, Any], engine_options: EngineOptions, progress: Watch) -> FleetResults:
    from layerscope.fleet.bases import FleetBases
    from layerscope.fleet.run import analyze_fleet
    from layerscope.fleet.workers import workers_for
    from layerscope.progress import ignore
    from layerscope.report.fleet.fleet_json import image_line

    bases = FleetBases.of(whole)

    def tell(number: int, summary: ImageResult) -> None:
        sys.stdout.buffer.write(image_line(whole, bases, number, summary))
        sys.stdout.flush()

    with ExitStack() as stack:
        how = _how(stack.enter_context(_result_place(options)), options, engine_options)
        hosts = sorted({image.facts.place for image in whole.images if image.exact.startswith("docker://")})
        workers = stack.enter_context(
            workers_for(scheduler=options["scheduler"] or "", count=options["workers"] or 0, hosts=hosts)
        )
        try:
            return analyze_fleet(whole, workers, how, progress=progress, on_image=tell if options["is_jsonl"] else ignore)
        except KeyboardInterrupt:
            if options["place"] or options["is_resumed"]:
                say_on_stderr("what was read is kept: the same command goes on from there")
            raise


def _how(place: str, options: dict[str, Any], engine_options: EngineOptions) -> HowToRead:
    from uuid import uuid4

    from layerscope.fleet.tasks import HowToRead

    rate = engine_options.bytes_per_second
    return HowToRead(
        place,
        engine_options.insecure,
        max(rate // (options["workers"] or 1), 1) if rate else 0,
        bool(engine_options.trust_toc),
        open_cache() is not None,
        bool(options["scheduler"]),
        uuid4().hex,
    )


@contextmanager
def _result_place(options: dict[str, Any]) -> Iterator[str]:
    """Yield where results are kept: where the user said, in this user's own place, or only until the command ends."""
    import tempfile

    from platformdirs import user_cache_path

    from layerscope.fleet.store import is_address

    place: str | None = options["place"]
    if place is not None:
        yield place if is_address(place) else str(Path(place).absolute())
    elif options["is_resumed"]:
        yield str(user_cache_path("layerscope", appauthor=False) / "fleet")
    else:
        with tempfile.TemporaryDirectory(prefix="layerscope-fleet-") as directory:
            yield directory


def _is_text(options: dict[str, Any]) -> bool:
    """Tell whether standard output has the text, which lists what failed and what is no image."""
    return not options["is_jsonl"] and not any(is_stdout(options[each]) for each in _FORMATS)


def _write(answers: FleetAnswers, options: dict[str, Any]) -> None:
    from layerscope.report.fleet.fleet_csv import fleet_csv
    from layerscope.report.fleet.fleet_json import fleet_json, image_line
    from layerscope.report.fleet.fleet_metrics import fleet_metrics
    from layerscope.report.fleet.fleet_page import fleet_page
    from layerscope.report.fleet.fleet_text import fleet_text

    writers = {"json_file": fleet_json, "csv_file": fleet_csv, "metrics_file": fleet_metrics, "html_file": fleet_page}
    for option, encode in writers.items():
        if options[option] is not None:
            write_bytes(options[option], encode(answers))
    if options["is_jsonl"] and answers.results is None:
        for number in range(len(answers.fleet.images)):
            sys.stdout.buffer.write(image_line(answers.fleet, answers.bases, number, None))
    elif _is_text(options):
        sys.stdout.write(fleet_text(answers, output_style()))
    sys.stdout.flush()


def _show_screen(found: FoundImages, references: list[str]) -> int:
    from layerscope.cli.images import show_screen

    code = show_screen(found.merged().found, tuple(references))
    for sentence in (*found.problems, *found.skipped):
        say_on_stderr(sentence)
    return code or (2 if found.problems else 0)
