"""The proof of one Dockerfile's fixes with one builder: apply them, build again, and hold the two images side by side."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prove.builders import Builder, StepFailed, command
from prove.cases import Case
from prove.filesystems import Difference, Seen, blurred, content_bytes, differences, seen_in
from prove.warm import run_layerscope

TOLERATED_SHARE = 0.01
TOLERATED_BYTES = 20_000
SHOWN = 8
"""How many differing paths a problem names."""

Fix = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a case's fixes, or of one of them (`only`). It stands if there is no problem."""

    case: str
    builder: str
    only: str = ""
    offered: int = 0
    by_hand: int = 0
    claimed: int = 0
    saved: int = 0
    again: int = 0
    files_equal: bool | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """A built image as others than layerscope read it."""

    archive: Path
    content: int
    files: Mapping[str, Seen]


@dataclass
class Prover:
    """Proves cases with one builder, in a workspace of its own that `close` empties."""

    builder: Builder
    kept: Path
    fix: Sequence[str] = ()
    """The program that finds fixes in place of `layerscope fix`."""
    known_layers: dict[str, int] = field(default_factory=dict)

    def prove(self, case: Case, *, each: bool = False) -> list[Row]:
        """Prove all fixes of a case together and, with `each`, every one alone. A failing case is kept."""
        place = self.builder.workspace / case.name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            rows = _Proof(case, self, place).rows(each=each)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return rows

    def keep(self, place: Path, row: Row) -> None:
        """Copy what a failed proof was made of: context, edits, and what is wrong."""
        out = self.kept / f"{row.case}-{row.builder}{f'-{row.only}' if row.only else ''}"
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(place, out, symlinks=True, ignore=shutil.ignore_patterns("before.tar", "after.tar", "again.tar"))
        (out / "problems.txt").write_text("\n".join(row.problems) + "\n", "utf-8")


class _Proof:
    def __init__(self, case: Case, prover: Prover, place: Path) -> None:
        self._case = case
        self._prover = prover
        self._builder = prover.builder
        self._place = place
        self._before = place / "before"
        self._tags: list[str] = []
        self._all: list[Fix] = []
        shutil.copytree(case.directory, self._before, symlinks=True)

    def rows(self, *, each: bool) -> list[Row]:
        try:
            try:
                image = self._built(self._before, "before")
            except StepFailed as failed:
                return [self._failed(f"the original does not build: {failed}")]
            if not self._case.is_repeatable:
                again = self._built(self._before, "again", cached=False)
                image = Image(image.archive, image.content, _without_chance(image.files, again.files))
            rows = [self._row(image, "")]
            if each and rows[0].offered > 1:
                self._all = [fix for fix in self._fixes(image, self._before)["fixes"] if fix["edit"]]
                rows += [self._row(image, fix["id"]) for fix in self._all]
            return rows
        finally:
            if self._tags:
                self._builder.forget(*self._tags)

    def _failed(self, problem: str, **facts: Any) -> Row:
        row = Row(self._case.name, self._builder.name, problems=(problem,), **facts)
        self._prover.keep(self._place, row)
        return row

    def _built(self, context: Path, name: str, *, cached: bool = True) -> Image:
        tag = f"prove-{self._case.name}:{name}"
        self._builder.build(context, context / self._case.dockerfile, tag, cached=cached)
        self._tags.append(tag)
        archive, exported = self._place / f"{name}.tar", self._place / f"{name}-files.tar"
        archive.unlink(missing_ok=True)  # podman adds to an archive that is there
        self._builder.save(tag, archive)
        self._builder.export(tag, exported)
        files = seen_in(exported)
        exported.unlink()
        return Image(archive, content_bytes(archive, self._prover.known_layers), files)

    def _layerscope(self, image: Image, context: Path, *options: str) -> bytes:
        words = [str(image.archive), "--dockerfile", self._case.dockerfile, "--context", ".", *options]
        hidden = ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "CI_PROJECT_DIR")
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        environment |= {"LAYERSCOPE_CACHE": str(self._builder.workspace / "cache"), "LAYERSCOPE_NO_REGISTRY": "1"}
        if program := self._prover.fix:
            done = subprocess.run(
                [*program, *words], cwd=context, env=environment, capture_output=True, check=False, timeout=300
            )
        else:
            done = run_layerscope(["fix", *words], context, environment)
        if done.returncode or b"Traceback" in done.stderr:
            raise StepFailed(f"layerscope fix {' '.join(options)}: exit {done.returncode}\n{done.stderr.decode()[-1500:]}")
        return done.stdout

    def _fixes(self, image: Image, context: Path, *options: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._layerscope(image, context, "--json", *options))
        return told

    def _row(self, before: Image, only: str) -> Row:
        try:
            row = self._proven(before, only)
        except (StepFailed, ValueError, KeyError) as failed:
            row = Row(self._case.name, self._builder.name, only, problems=(f"{type(failed).__name__}: {failed}",))
        if row.problems:
            self._prover.keep(self._place, row)
        return row

    def _proven(self, before: Image, only: str) -> Row:
        chosen = ("--only", only) if only else ()
        told = self._fixes(before, self._before, *chosen)
        fixes = [fix for fix in told["fixes"] if fix["edit"]]
        facts: dict[str, Any] = {"only": only, "offered": len(fixes), "by_hand": len(told["fixes"]) - len(fixes)}
        problems = list(malformed(told))
        (self._place / "fixes.json").write_text(json.dumps(told, indent=1), "utf-8")
        facts["claimed"] = told["saves_bytes"]
        if not only and self._builder.keeps_layers and facts["claimed"] < self._case.least:
            problems.append(f"claims {facts['claimed']:,} bytes, and {self._case.least:,} can be saved")
        if not fixes:
            return Row(self._case.name, self._builder.name, **facts, problems=tuple(problems))
        changed, wrong = self._changed(before, fixes, chosen)
        problems += wrong
        try:
            after = self._built(changed, "after")
        except StepFailed as failed:
            return Row(self._case.name, self._builder.name, **facts, problems=(*problems, f"the build fails: {failed}"))
        names = {Path(name).name for name in self._case.edited}
        found = [each for each in differences(before.files, after.files) if Path(each.path).name not in names]
        unlike = [each for each in found if not is_announced(each, fixes, after.files)]
        problems += _named("files differ", unlike)
        facts |= {"saved": before.content - after.content, "files_equal": not unlike}
        if not is_close(facts["claimed"], facts["saved"]):
            problems.append(f"claimed {facts['claimed']:,} bytes, saved {facts['saved']:,}")
        again = self._fixes(after, changed)
        done = {fix["id"] for fix in fixes}
        repeated = offered_again(fixes, again["fixes"], [fix for fix in self._all if fix["id"] not in done])
        problems += [f"offered again: {each}" for each in repeated]
        facts["again"] = sum(bool(fix["edit"]) for fix in again["fixes"])
        (self._place / "fixes-again.json").write_text(json.dumps(again, indent=1), "utf-8")
        return Row(self._case.name, self._builder.name, **facts, problems=tuple(problems))

    def _changed(self, before: Image, fixes: Sequence[Fix], chosen: Sequence[str]) -> tuple[Path, list[str]]:
        """Copy the context and apply the patch; the edits one by one and `--write` have to lead to the same."""
        patch = self._layerscope(before, self._before, *chosen)
        (self._place / "patch").write_bytes(patch)
        changed = self._copied("after")
        apply(patch, changed)
        problems = []
        stepwise = self._copied("stepwise")
        try:
            for fix in fixes:
                apply(fix["edit"].encode(), stepwise)
            if self._edited(stepwise) != self._edited(changed):
                problems.append("the edits one by one lead elsewhere than the patch")
        except StepFailed as failed:
            problems.append(f"the edits do not apply one by one: {failed}")
        written = self._copied("written")
        self._layerscope(before, written, "--write", *chosen)
        if self._edited(written) != self._edited(changed):
            problems.append("--write leads elsewhere than the patch")
        shutil.rmtree(stepwise)
        shutil.rmtree(written)
        return changed, problems

    def _edited(self, context: Path) -> dict[str, bytes]:
        return {name: (context / name).read_bytes() for name in self._case.edited if (context / name).is_file()}

    def _copied(self, name: str) -> Path:
        place = self._place / name
        shutil.rmtree(place, ignore_errors=True)
        return shutil.copytree(self._before, place, symlinks=True)


def apply(patch: bytes, context: Path) -> None:
    """Have git apply a patch to a directory that is no repository. Raises StepFailed."""
    command("git", "-C", context, "apply", "--verbose", "-", stdin=patch, GIT_CEILING_DIRECTORIES=str(context.parent))


def _without_chance(files: Mapping[str, Seen], again: Mapping[str, Seen]) -> dict[str, Seen]:
    return {path: seen for path, seen in blurred(files, again).items() if path in again}


def is_close(claimed: int, saved: int) -> bool:
    return abs(claimed - saved) <= max(TOLERATED_BYTES, TOLERATED_SHARE * max(abs(saved), abs(claimed)))


def malformed(told: Mapping[str, Any]) -> list[str]:
    """What the object of `fix --json` lacks of its schema."""
    problems = [] if told.get("schema") == "layerscope.fixes/1" else [f"the schema is {told.get('schema')}"]
    for fix in told["fixes"]:
        missing = {"id", "saves_bytes", "line", "layers", "paths", "why", "edit", "by_hand"} - fix.keys()
        if missing:
            problems.append(f"{fix.get('id')} lacks {', '.join(sorted(missing))}")
        elif (fix["edit"] is None) != (fix["by_hand"] is not None):
            problems.append(f"{fix['id']} has an edit and must be made by hand, or neither")
        problems += [f"{fix.get('id')}: {path} is not absolute" for path in fix.get("paths", ()) if not path.startswith("/")]
    total = sum(fix["saves_bytes"] for fix in told["fixes"] if fix["edit"])
    if told["saves_bytes"] != total:
        problems.append(f"saves_bytes is {told['saves_bytes']:,}, and the edits' add up to {total:,}")
    if len({fix["id"] for fix in told["fixes"]}) != len(told["fixes"]):
        problems.append("an id stands twice")
    return problems


def is_announced(difference: Difference, fixes: Sequence[Fix], after: Mapping[str, Seen]) -> bool:
    """Tell whether a difference is what a fix says.

    A path that it names may go, or become a symlink to the same content. What it keeps out of the context may show what was
    below; nothing else may change.
    """
    path = difference.path
    naming = [fix for fix in fixes if covers(fix["paths"], path)]
    if not naming or difference.before is None:
        return False
    if difference.after is None or any(ignores(fix) for fix in naming):
        return True
    return difference.after.kind == "symlink" and _same_content(difference.before, resolved(path, after))


def ignores(fix: Fix) -> bool:
    """Tell whether a fix edits a .dockerignore."""
    return any(line.startswith("+++ ") and line.strip().endswith(".dockerignore") for line in fix["edit"].splitlines())


def covers(paths: Iterable[str], path: str) -> bool:
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in paths)


def resolved(path: str, files: Mapping[str, Seen]) -> Seen | None:
    """What a symlink leads to, through at most 8."""
    for _ in range(8):
        seen = files.get(path)
        if seen is None or seen.kind != "symlink" or seen.target is None:
            return seen
        path = os.path.normpath(os.path.join(os.path.dirname(path), seen.target))  # noqa: PTH118, PTH120 - not this system's
    return None


def _same_content(before: Seen, after: Seen | None) -> bool:
    return after is not None and not {"kind", "mode", "owner", "content", "size"} & set(before.unlike(after))


def _named(what: str, unlike: Sequence[Difference]) -> list[str]:
    more = f" and {len(unlike) - SHOWN} more" if len(unlike) > SHOWN else ""
    return [f"{what}: {'; '.join(str(each) for each in unlike[:SHOWN])}{more}"] if unlike else []


def offered_again(fixes: Sequence[Fix], again: Sequence[Fix], left: Sequence[Fix] = ()) -> list[str]:
    """The fixes with an edit that a second run offers, and that the first had: of the same id, or of the same paths.

    Those that are `left` because only some were applied are offered again by right, with other lines in their ids.
    """
    known = {fix["id"] for fix in fixes} if not left else set()
    paths = {_paths(fix) for fix in fixes} - {_paths(fix) for fix in left}
    return [fix["id"] for fix in again if fix["edit"] and (fix["id"] in known or _paths(fix) in paths)]


def _paths(fix: Fix) -> tuple[str, ...]:
    return tuple(sorted(fix["paths"]))
