"""The ratchet: a baseline in a file, and what growth beyond it gives."""

from __future__ import annotations

import io
import json

import pytest

from layerscope.analysis import analyze, read_image
from layerscope.errors import BadSettings
from layerscope.gate.baseline import MOST_NEAR, SCHEMA, baseline_of, baseline_text, is_baseline, read_baseline
from layerscope.gate.growth import grown_layers
from layerscope.gate.subject import Subject
from layerscope.gate.verdict import Outcome
from layerscope.sources.open import open_image
from support.gating import baseline, judged, result
from support.image_builder import Layer, directory, file, layer, whiteout
from support.sources_build import config as sources_config
from support.sources_build import saved, tar

OLD = (layer(file("usr/lib/a", bytes(1000)), file("etc/b", bytes(200))),)


def grown(size: int) -> tuple[Layer, ...]:
    return (*OLD, layer(file("usr/lib/c", bytes(size))))


# The file


def test_a_baseline_is_the_same_when_it_is_read() -> None:
    found = baseline(*OLD, layer(whiteout("etc/b"), file("d/\udcff\u001b", bytes(7))), base=1, named=("/srv",))
    text = baseline_text(found)
    assert read_baseline(text.encode()) == found
    assert is_baseline(text.encode()[:8])
    assert json.loads(text)["schema"] == SCHEMA


def test_a_baseline_has_one_layer_and_one_directory_a_line() -> None:
    lines = [line.strip().rstrip(",") for line in baseline_text(baseline(*OLD)).splitlines()]
    assert '"/": {"content_bytes": 1200, "wasted_bytes": 0}' in lines
    assert '"/usr/lib": {"content_bytes": 1000, "wasted_bytes": 0}' in lines
    assert sum("diff_id" in line for line in lines) == 1
    assert all(line.isprintable() for line in lines)


def test_the_same_image_gives_the_same_bytes() -> None:
    assert baseline_text(baseline(*OLD)) == baseline_text(baseline(*OLD))


def with_argument(commit: str) -> str:
    """The lock of an image that was built with `--build-arg COMMIT=...`, by its two kinds of builders."""
    tars = [layer(file("a", bytes(9))).tar(), layer(file("b", bytes(9))).tar()]
    history = [
        {"created_by": f"|2 COMMIT={commit} WHO=you and me /bin/sh -c make"},
        {"created_by": f"RUN |1 COMMIT={commit} /bin/bash -o pipefail -c make NPM_TOKEN={commit} # buildkit"},
    ]
    archive = tar(saved(*tars, settings=sources_config(*tars, history=history)))
    analysis = analyze(read_image(open_image("-", stdin=io.BytesIO(archive))))
    return baseline_text(baseline_of(Subject(analysis)))


def test_a_build_argument_or_secret_never_reaches_the_file_and_another_commit_changes_nothing() -> None:
    assert with_argument("0a1b2c3") == with_argument("fedcba9876543210")
    assert "0a1b2c3" not in with_argument("0a1b2c3")
    assert "/bin/sh -c make" in with_argument("0a1b2c3")


def test_a_baseline_of_before_is_still_compared_by_instruction() -> None:
    text = baseline_text(baseline(*OLD)).replace('"step 1"', '"|1 COMMIT=abc /bin/sh -c make"')
    tars = [layer(file("usr/lib/a", bytes(1500)), file("etc/b", bytes(200))).tar()]
    history = [{"created_by": "|1 COMMIT=def /bin/sh -c make"}]
    archive = tar(saved(*tars, settings=sources_config(*tars, history=history)))
    analysis = analyze(read_image(open_image("-", stdin=io.BytesIO(archive))))
    (finding,) = grown_layers(read_baseline(text.encode()), baseline_of(Subject(analysis)))
    assert finding.note == "1.20 kB before"


def test_a_change_in_one_directory_changes_few_lines() -> None:
    many = layer(*(file(f"{top}/{name}/f", bytes(10)) for top in "abcdefgh" for name in "abcdefgh"))
    old, new = (baseline_text(baseline(*layers)).splitlines() for layers in ((many,), (many, layer(file("a/a/x", bytes(5))))))
    assert len(old) > 70
    assert len(set(new) - set(old)) <= 7


def test_a_baseline_holds_deep_directories_only_if_they_are_big_or_named() -> None:
    layers = (layer(file("a/b/c/big", bytes(5000)), file("a/b/d/small", bytes(10))),)
    assert list(baseline(*layers).directories) == ["/", "/a", "/a/b", "/a/b/c"]
    named = baseline(*layers, named=("/a/b/d", "/nowhere")).directories
    assert (named["/a/b/d"].content_bytes, named["/nowhere"].content_bytes) == (10, 0)


def test_an_image_of_very_many_directories_still_gives_a_small_file() -> None:
    found = baseline(layer(*(directory(f"{number}") for number in range(MOST_NEAR + 1))))
    assert (found.depth, list(found.directories)) == (0, ["/"])


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"{}", "missing required field `schema`"),
        (b"{", "not a baseline written by `layerscope baseline`"),
        (b'{"schema": "\xff"}', "not a baseline"),
        (b'{"schema":' + b"[" * 100_000, "not a baseline"),
    ],
)
def test_what_is_no_baseline_is_refused(raw: bytes, words: str) -> None:
    with pytest.raises(BadSettings, match=words):
        read_baseline(raw)


@pytest.mark.parametrize("old", ['"content_bytes": 1200, "wire', '"content_bytes": 1000'])
def test_a_size_that_is_absurd_is_refused(old: str) -> None:
    text = baseline_text(baseline(*OLD))
    assert old in text
    for size in ("-1", "1.5", "NaN", "1e999", str(1 << 63), '"1"', "null"):
        with pytest.raises(BadSettings):
            read_baseline(text.replace(old, old.replace("1200", size).replace("1000", size), 1).encode())


def test_another_schema_is_refused() -> None:
    text = baseline_text(baseline(*OLD)).replace(SCHEMA, "layerscope.baseline/2")
    with pytest.raises(BadSettings, match=r"its schema is `layerscope\.baseline/2`"):
        read_baseline(text.encode())


# Growth


@pytest.mark.parametrize(("size", "code"), [(99, 0), (100, 0), (101, 1)])
def test_an_image_may_grow_up_to_its_limit(size: int, code: int) -> None:
    verdict = judged("max-growth = 100", *grown(size), baseline=baseline(*OLD))
    assert (result(verdict).measured, result(verdict).limit, verdict.exit_code) == (size, 100, code)


@pytest.mark.parametrize(("size", "code"), [(119, 0), (120, 0), (121, 1)])
def test_a_share_of_growth_is_of_what_there_was(size: int, code: int) -> None:
    assert judged('max-growth = "10%"', *grown(size), baseline=baseline(*OLD)).exit_code == code


@pytest.mark.parametrize(("limit", "code"), [("100 or 10%", 0), ("120 or 1%", 0), ("119 or 9%", 1)])
def test_the_greater_of_bytes_and_share_holds(limit: str, code: int) -> None:
    assert judged(f'max-growth = "{limit}"', *grown(120), baseline=baseline(*OLD)).exit_code == code


def test_an_image_that_shrank_passes() -> None:
    verdict = judged("max-growth = 0\nmax-waste-growth = 0", *OLD, baseline=baseline(*grown(500)))
    assert verdict.exit_code == 0
    assert verdict.results[0].measured == -500


@pytest.mark.parametrize(("size", "code"), [(99, 0), (100, 0), (101, 1)])
def test_own_layers_may_grow_up_to_their_limit_whatever_the_base_does(size: int, code: int) -> None:
    old = (layer(file("base", bytes(10))), layer(file("own", bytes(50))))
    new = (layer(file("base", bytes(10_000))), layer(file("own", bytes(50 + size))))
    assert judged("max-own-growth = 100", *new, base=1, baseline=baseline(*old, base=1)).exit_code == code


@pytest.mark.parametrize(("size", "code"), [(99, 0), (100, 0), (101, 1)])
def test_waste_may_grow_up_to_its_limit(size: int, code: int) -> None:
    new = (*OLD, layer(file("x", bytes(size))), layer(whiteout("x")))
    assert judged("max-waste-growth = 100", *new, baseline=baseline(*OLD)).exit_code == code


@pytest.mark.parametrize(("size", "code"), [(99, 0), (100, 0), (101, 1)])
@pytest.mark.parametrize("path", ["/usr/lib", "usr/lib/", "/usr"])
def test_a_directory_may_grow_up_to_its_limit(size: int, code: int, path: str) -> None:
    text = f'[[directory-growth]]\npath = "{path}"\nmax = 100'
    verdict = judged(text, *grown(size), layer(file("elsewhere", bytes(9999))), baseline=baseline(*OLD))
    assert (result(verdict).measured, verdict.exit_code) == (size, code)


def test_a_directory_that_is_new_grew_by_all_it_holds() -> None:
    text = '[[directory-growth]]\npath = "/srv/app"\nmax = 6'
    verdict = judged(text, *OLD, layer(file("srv/app/x", bytes(7))), baseline=baseline(*OLD))
    assert (result(verdict).measured, verdict.exit_code) == (7, 1)


def test_a_deep_directory_that_the_baseline_does_not_hold_is_a_doubt() -> None:
    text = '[[directory-growth]]\npath = "/a/b/c"\nmax = 1'
    layers = (layer(file("a/b/c/x", bytes(7)), file("a/b/big", bytes(9000))),)
    verdict = judged(text, *layers, baseline=baseline(*layers))
    assert (result(verdict).outcome, verdict.exit_code) == (Outcome.UNJUDGED, 2)
    assert "the baseline lacks this directory" in verdict.doubts[0]
    assert judged(text, *layers, baseline=baseline(*layers, named=("/a/b/c",))).exit_code == 0


def test_growth_without_a_baseline_is_a_doubt() -> None:
    verdict = judged("max-growth = 1", *OLD)
    assert (verdict.results, verdict.exit_code) == ((), 2)
    assert "no baseline is given" in verdict.doubts[0]


def test_own_growth_with_the_base_known_on_one_side_only_is_a_doubt() -> None:
    verdict = judged("max-own-growth = 9999", *OLD, base=1, baseline=baseline(*OLD))
    assert verdict.exit_code == 2
    assert "known on one side only" in verdict.doubts[0]


def test_waste_with_the_base_known_on_one_side_only_is_compared_whole() -> None:
    layers = (layer(file("a", bytes(9))), layer(whiteout("a")), layer("b"))
    assert judged("max-waste-growth = 0", *layers, base=2, baseline=baseline(*layers)).exit_code == 0


def test_the_layers_and_directories_that_grew_are_told() -> None:
    verdict = judged("max-growth = 0", *grown(300), layer(file("etc/b", bytes(250))), baseline=baseline(*OLD))
    told = [(finding.path, finding.layer, finding.size, finding.note) for finding in result(verdict).findings]
    assert told == [
        (None, 2, 300, "a new layer"),
        (None, 3, 250, "a new layer"),
        (b"usr/lib", None, 300, "1.00 kB before"),
        (b"etc", None, 50, "200 B before"),
    ]


def test_a_layer_of_the_same_instruction_is_told_with_what_it_was() -> None:
    new = (layer(file("usr/lib/a", bytes(1500)), file("etc/b", bytes(200))),)
    finding = result(judged("max-growth = 0", *new, baseline=baseline(*OLD))).findings[0]
    assert (finding.layer, finding.size, finding.note) == (1, 500, "1.20 kB before")


def test_what_grew_inside_a_named_directory_is_told() -> None:
    old = (layer(file("srv/a/x", bytes(10)), file("srv/b/x", bytes(10)), file("etc/x", bytes(10))),)
    new = (layer(file("srv/a/x", bytes(100)), file("srv/b/x", bytes(50)), file("etc/x", bytes(999))),)
    verdict = judged('[[directory-growth]]\npath = "/srv"\nmax = 0', *new, baseline=baseline(*old))
    assert [(finding.path, finding.size) for finding in result(verdict).findings] == [(b"srv/a", 90), (b"srv/b", 40)]


def test_growth_can_be_waived_for_a_while() -> None:
    text = 'max-growth = 0\n[[waive]]\nrule = "max-growth"\nreason = "new runtime"\nuntil = 2026-12-31'
    assert result(judged(text, *grown(99), baseline=baseline(*OLD))).outcome is Outcome.WAIVED


def test_a_directory_may_be_named_in_any_spelling_and_in_any_letters() -> None:
    layers = (layer(file("a/b/ü\u202e/x", bytes(10)), file("a/b/big", bytes(9000))),)
    text = '[[directory-growth]]\npath = "a//b/./ü\\u202e/"\nmax = 0'
    before = baseline(*layers, named=("/a/b/ü\u202e",))
    assert judged(text, *layers, baseline=read_baseline(baseline_text(before).encode())).exit_code == 0
    bigger = (*layers, layer(file("a/b/ü\u202e/y", bytes(1))))
    assert result(judged(text, *bigger, baseline=before)).measured == 1
