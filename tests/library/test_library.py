"""`import layerscope`: what a program gets is what the commands print, with the types that are promised."""

from __future__ import annotations

import copy
import io
import json
import pickle
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, asdict, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

import layerscope
from layerscope.library.facts import FileEntry, WastedContent
from support.commands import ran, written
from support.image_builder import Layer, directory, file, hardlink, image, layer, symlink, whiteout
from support.strategies import stacks

LAYERS = (
    layer(directory("etc"), file("etc/a", b"a" * 4000, mode=0o600), file("b\xff".encode("latin-1"), b"b" * 10), "deep/er/c"),
    layer(symlink("link", "etc/a"), file("etc/a2", b"a" * 4000), hardlink("again", "etc/a2"), whiteout("etc/a")),
    layer(file("deep/er/c", b"new")),
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return written(tmp_path / "image.tar", *LAYERS)


@pytest.fixture
def analyzed(place: Path) -> layerscope.AnalyzedImage:
    return layerscope.open(place, use_cache=False).analyze()


def rows(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Columns as a list of rows of Python's own types."""
    plain = {name: column.tolist() if isinstance(column, np.ndarray) else column for name, column in columns.items()}
    assert len({len(column) for column in plain.values()}) == 1
    return [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8").stdout


# What is imported


def test_importing_it_imports_nothing_else() -> None:
    loaded = "sorted(name for name in sys.modules if name.startswith('layerscope') or name == 'numpy')"
    assert python(f"import sys, layerscope; print({loaded})") == "['layerscope']\n"
    assert (
        "numpy"
        not in python("import layerscope; layerscope.NotFound; layerscope.open; import sys; print(*sys.modules)").split()
    )


@pytest.mark.slow
def test_every_public_name_is_there_and_no_other() -> None:
    assert [name for name in layerscope.__all__ if not hasattr(layerscope, name)] == []
    assert set(layerscope.__all__) <= set(dir(layerscope))
    with pytest.raises(AttributeError, match="no attribute 'analyze'"):
        layerscope.analyze  # noqa: B018
    assert python("from layerscope import *; print(open.__module__)") == "layerscope.library.opened\n"


def test_every_error_is_a_child_of_ours() -> None:
    public = [getattr(layerscope, name) for name in layerscope.__all__ if name[0].isupper()]
    errors = {each for each in public if issubclass(each, Exception)}
    assert len(errors) > 10
    assert {each for each in errors if not issubclass(each, layerscope.LayerscopeError)} == set()


@pytest.mark.slow
def test_a_program_that_uses_it_is_checked_by_its_types(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import layerscope\n"
        "image = layerscope.open('x', platform='linux/amd64').analyse()\n"
        "reveal_type(image.image.wasted_bytes)\n"
        "reveal_type(image.judge({}).rules[0].margin)\n"
        "image.read(1)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "program.py"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False).stdout
    assert 'Revealed type is "int"' in said.replace("builtins.", "")
    assert 'Revealed type is "float"' in said.replace("builtins.", "")
    assert ('program.py:5: error: Argument 1 to "read"' in said, "Found 1 error" in said) == (True, True), said


# Figures


def test_figures_are_those_of_the_json_report(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (document,) = ran(capsys, place, "--base", "1", "--json", "-").objects
    analyzed = layerscope.open(place, base=1, use_cache=False).analyze()
    found = asdict(analyzed.image)
    assert found == {name: document["image"][name] for name in found}
    assert [each.is_base for each in analyzed.layers] == [True, False, False]
    for summary, wanted in zip(analyzed.layers, document["layers"], strict=True):
        own = {name: value for name, value in asdict(summary).items() if name != "is_base"}
        assert own == {name: wanted[name] for name in own}
    assert {type(value) for value in (*found.values(), *asdict(analyzed.layers[0]).values())} <= {
        str,
        int,
        float,
        bool,
        type(None),
    }
    assert analyzed.problems == ()


def test_waste_is_that_of_the_json_report(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for base, own in ((None, []), (2, ["--base", "2"])):
        analyzed = layerscope.open(place, base=base, use_cache=False).analyze()
        items = ran(capsys, place, *own, "--json", "-").objects[0]["waste"]["items"]
        wanted = [{"path": each["path"], "wasted_bytes": each["bytes"]} | _rest(each) for each in items]
        assert rows(analyzed.waste()) == wanted
        assert [asdict(each) for each in analyzed.worst(99)] == wanted
        assert [asdict(each) for each in analyzed.worst(1)] == wanted[:1]
        assert [field.name for field in fields(WastedContent)] == list(analyzed.waste())
    assert len(wanted) > 0


def _rest(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("cause", "written_by", "buried_by", "is_base")}


@pytest.mark.parametrize("number", [1, 2, 3, None])
def test_entries_are_those_that_ls_lists(
    place: Path, analyzed: layerscope.AnalyzedImage, capsys: pytest.CaptureFixture[str], number: int | None
) -> None:
    listed = ran(capsys, "ls", place, *(["--layer", str(number)] if number else []), "--json").objects
    found = rows(analyzed.entries(layer=number))
    assert len(found) == len(listed) > 4
    for row, wanted in zip(found, listed, strict=True):
        assert row.pop("counted_bytes") in (0, row["content_bytes"])
        mode = -1 if wanted["mode"] is None else int(wanted["mode"], 8)
        numbers = {name: -1 if wanted[name] is None else wanted[name] for name in ("uid", "gid", "mtime", "layer")}
        texts = {name: wanted[name] for name in ("path", "type", "change", "linkname")}
        assert row == {**texts, **numbers, "mode": mode, "content_bytes": wanted["size"]}
        named = asdict(analyzed.entry(row["path"], layer=number)) if "\\x" not in row["path"] else {}
        known = {name: None if value == -1 else value for name, value in row.items() if name != "change"}
        assert named in ({}, known)


def test_counted_bytes_add_up_to_what_is_alive(analyzed: layerscope.AnalyzedImage) -> None:
    frame = pd.DataFrame(analyzed.entries())
    assert frame.counted_bytes.sum() == analyzed.image.live_bytes < frame.content_bytes.sum()
    assert pd.DataFrame(analyzed.waste()).wasted_bytes.sum() == analyzed.image.wasted_bytes
    assert str(frame.content_bytes.dtype) == "int64"


@given(layers=stacks)
def test_columns_of_any_image_add_up(layers: list[Layer]) -> None:
    blob = io.BytesIO(image(*layers))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", type("Stdin", (), {"buffer": blob}))
        analyzed = layerscope.open("-", use_cache=False).analyze()
    assert sum(each["counted_bytes"] for each in rows(analyzed.entries())) == analyzed.image.live_bytes
    assert sum(each["wasted_bytes"] for each in rows(analyzed.waste())) == analyzed.image.wasted_bytes
    assert sum(each.content_bytes for each in analyzed.layers) == analyzed.image.content_bytes


def test_a_directory_that_only_a_whiteout_implies_is_a_row(tmp_path: Path) -> None:
    analyzed = layerscope.open(written(tmp_path / "image.tar", layer("a/.wh.b")), use_cache=False).analyze()
    (row,) = rows(analyzed.entries())
    assert (row["path"], row["type"], row["mode"], row["layer"], row["content_bytes"]) == ("/a", "directory", -1, -1, 0)
    assert analyzed.entry("a").mode is None
    assert rows(analyzed.waste()) == []


def test_facts_are_frozen_and_can_be_kept(analyzed: layerscope.AnalyzedImage) -> None:
    for fact in (analyzed.image, analyzed.layers[0], analyzed.worst()[0], analyzed.entry("/etc"), analyzed.judge()):
        assert pickle.loads(pickle.dumps(fact)) == copy.deepcopy(fact) == fact
        assert json.loads(json.dumps(asdict(fact))) is not None
        with pytest.raises(FrozenInstanceError):
            setattr(fact, fields(fact)[0].name, 1)
    columns = analyzed.waste()
    size = columns["wasted_bytes"]
    assert isinstance(size, np.ndarray)
    size[:] = 0  # a caller's own copy
    assert analyzed.image.wasted_bytes > 0 < analyzed.worst()[0].wasted_bytes


# Files


def test_files_are_read_as_they_are_after_a_layer(analyzed: layerscope.AnalyzedImage) -> None:
    assert analyzed.read("deep/er/c") == b"new"
    assert analyzed.read("/deep/er/c", layer=2) == b"content of deep/er/c\n"
    assert analyzed.read("/again") == analyzed.read("/etc/a", layer=1) == b"a" * 4000
    assert analyzed.read(b"/b\xff") == b"b" * 10
    assert analyzed.entry(b"/b\xff").path == "/b\\xff"
    assert analyzed.entry("/deep").layer is None


@pytest.mark.parametrize(
    ("path", "number", "error", "words"),
    [
        ("/etc/a", None, "NotFound", "removed by layer 2"),
        ("/etc", None, "UsageError", "/etc is a directory; only files can be read"),
        ("/etc/a", 4, "UsageError", "layer 4: the image has layers 1 to 3"),
        ("/etc/a", 0, "UsageError", "layer 0: the image has layers 1 to 3"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(
    analyzed: layerscope.AnalyzedImage, path: str, number: int | None, error: str, words: str
) -> None:
    with pytest.raises(getattr(layerscope, error), match=words):
        analyzed.read(path, layer=number)


def test_many_threads_may_open_and_ask(place: Path, analyzed: layerscope.AnalyzedImage) -> None:
    def ask(number: int) -> tuple[object, ...]:
        one = analyzed if number % 2 else layerscope.open(place).analyze(will_read=number % 4 == 0)
        return (
            one.image,
            one.layers,
            one.read("/etc/a2"),
            one.read("/again"),
            str(one.entries()),
            one.judge({"max-size": "1GB"}),
        )

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(repr, pool.map(ask, range(32))))) == 1


# Opening


def test_an_opened_image_says_what_it_is_and_reads_nothing(place: Path) -> None:
    seen: list[str] = []
    opened = layerscope.open(str(place), use_cache=False, progress=lambda stage, _done, _total: seen.append(stage))
    assert (opened.reference, opened.platform, opened.layers) == (str(place), "linux/amd64", 3)
    assert repr(opened) == f"<OpenedImage '{place}' linux/amd64>"
    analyzed = opened.analyse(verify=False)
    assert repr(analyzed) == f"<AnalyzedImage '{place}' linux/amd64>"
    assert "merging layers" in seen


def test_what_cannot_be_opened_is_an_error_of_ours(tmp_path: Path, place: Path) -> None:
    with pytest.raises(layerscope.NotFound):
        layerscope.open(tmp_path / "missing.tar")
    (tmp_path / "text").write_text("no image")
    with pytest.raises(layerscope.NotAnImage):
        layerscope.open(tmp_path / "text")
    with pytest.raises(layerscope.NotFound):
        layerscope.open(place, platform="linux/s390x")
    with pytest.raises(layerscope.UsageError):
        layerscope.open(place, base=9).analyze()


# The gate


RULES: dict[str, Any] = {"max-size": "1kB", "max-layers": 9, "forbid": [{"path": "**/a*", "where": "anywhere"}]}


def test_a_judgment_is_that_of_ci(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('max-size = "1kB"\nmax-layers = 9\n[[forbid]]\npath = "**/a*"\nwhere = "anywhere"\n')
    done = ran(capsys, "ci", place, "--config", rules, "--json", "-")
    wanted = json.loads(done.out)
    analyzed = layerscope.open(place, use_cache=False).analyze()
    judgments = [analyzed.judge(RULES), analyzed.judge(rules), analyzed.judge(str(rules))]
    for judgment in judgments:
        assert (judgment.outcome, judgment.exit_code, judgment.has_passed) == (wanted["outcome"], done.code, False)
        assert judgment.exit_code == 1
        for rule, each in zip(judgment.rules, wanted["rules"], strict=True):
            own = asdict(rule)
            assert own == {name: each[name] for name in own}


def test_without_rules_the_defaults_apply_whatever_the_directory_and_the_environment_say(
    analyzed: layerscope.AnalyzedImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "layerscope.toml").write_text("max-layers = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAYERSCOPE_MAX_SIZE", "1")
    assert [rule.key for rule in analyzed.judge().rules] == ["min-efficiency", "max-wasted-percent"]
    assert [rule.key for rule in analyzed.judge("layerscope.toml").rules] == ["max-layers"]


def test_growth_is_judged_against_an_image_or_a_file(
    analyzed: layerscope.AnalyzedImage, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = layerscope.open(written(tmp_path / "old.tar", LAYERS[0]), use_cache=False).analyze()
    lock = tmp_path / "lock.json"
    assert ran(capsys, "baseline", tmp_path / "old.tar", "-o", lock).code == 0
    judgments = [analyzed.judge({"max-growth": "1kB"}, baseline=each) for each in (old, lock, str(lock))]
    judgments.append(analyzed.judge({"max-growth": "1kB", "baseline": str(lock)}))
    assert [(each.outcome, each.rules[0].measured) for each in judgments] == [("failed", 4003)] * 4
    assert analyzed.judge({"max-growth": "1kB"}).outcome == "unjudged"
    with pytest.raises(layerscope.BadSettings, match="not a file of `layerscope baseline`"):
        analyzed.judge({"max-growth": "1kB"}, baseline=place)
    with pytest.raises(layerscope.BadSettings, match="missing: cannot be read: No such file"):
        analyzed.judge({"max-growth": "1kB"}, baseline=tmp_path / "missing")


@pytest.mark.parametrize(
    ("rules", "words"), [({"max-sise": 1}, "did you mean `max-size`"), ({"max-size": "big"}, "not a size")]
)
def test_rules_that_cannot_be_read_are_refused(analyzed: layerscope.AnalyzedImage, rules: dict[str, Any], words: str) -> None:
    with pytest.raises(layerscope.BadSettings, match=words):
        analyzed.judge(rules)
    with pytest.raises(layerscope.BadSettings, match="no such file"):
        analyzed.judge("missing.toml")


def test_a_waiver_expires_by_the_day_that_is_given(analyzed: layerscope.AnalyzedImage) -> None:
    rules = RULES | {"waive": [{"rule": "max-size", "reason": "later", "until": date(2030, 1, 31)}]}
    outcome = {day: analyzed.judge(rules, today=date(2030, *day)).rules[0].outcome for day in ((1, 31), (2, 1))}
    assert outcome == {(1, 31): "waived", (2, 1): "failed"}


def test_what_is_damaged_or_no_image_is_not_judged(tmp_path: Path) -> None:
    good = image(*LAYERS)
    place = tmp_path / "cut.tar"
    place.write_bytes(good.replace(b"a" * 4000, b"x" * 4000, 1))
    judgment = layerscope.open(place, use_cache=False).analyze().judge({"max-size": "1GB"})
    assert (judgment.outcome, judgment.exit_code, judgment.has_passed) == ("unjudged", 2, False)
    assert judgment.doubts
    with tarfile.open(tmp_path / "rootfs.tar", "w") as tar:
        for name in ("bin", "etc", "usr"):
            tar.addfile(tarfile.TarInfo(f"{name}/x"))
    guessed = layerscope.open(tmp_path / "rootfs.tar", use_cache=False).analyze()
    with pytest.raises(layerscope.NotAnImage, match="write layer:"):
        guessed.judge()
    assert layerscope.open(f"layer:{tmp_path / 'rootfs.tar'}", use_cache=False).analyze().judge().has_passed


def test_an_entry_has_the_columns_names() -> None:
    assert [field.name for field in fields(FileEntry)] == [
        *("path", "type", "content_bytes", "mode", "uid", "gid", "mtime", "layer", "linkname")
    ]
