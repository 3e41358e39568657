"""Globs and regular expressions: what they mean, and that no pattern takes long."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.limits import PATTERN_BYTES
from layerscope.search.find_nodes import find_nodes
from layerscope.search.globs import compile_glob
from layerscope.search.names import Batch
from support.bounded import limited
from support.commands import COMMAND, ran, written
from support.image_builder import Layer, layer
from support.seen import tree_of
from support.strategies import stacks

DEEP = "a" * 200
HARD = "*a" * 40 + "*b"


def regex_of(glob: bytes) -> bytes:
    """What a glob means, for Python's own matcher: the model of these tests."""
    fixed = {b"/**/": rb"/(?:.*/)?", b"*": rb"[^/]*", b"?": rb"[^/]"}
    found = b""
    for part in re.split(rb"(/\*\*/|\*+|\?|\[!?\]?[^\]/]*\])", glob):
        if part.startswith(b"[") and part.endswith(b"]") and len(part) > 2:
            body = part[1:-1].replace(b"\\", b"\\\\")
            found += b"(?!/)[" + (b"^" + body[1:] if body.startswith(b"!") else body) + b"]"
        else:
            found += fixed.get(part, b".*" if part.startswith(b"**") else re.escape(part))
    return found


def batch(*texts: bytes) -> Batch:
    ends = np.cumsum([len(text) for text in texts])
    return Batch(np.frombuffer(b"".join(texts), np.uint8), ends - [len(text) for text in texts], ends)


@given(st.text("ab*?/[]!-c\xe9", max_size=90), st.lists(st.text("ab/c-\xe9", max_size=70), min_size=1, max_size=5))
def test_a_glob_means_what_its_regular_expression_does(glob: str, names: list[str]) -> None:
    pattern, texts = glob.encode(), [name.encode() for name in names]
    try:
        warnings.simplefilter("ignore", FutureWarning)
        model, found = re.compile(regex_of(pattern), re.DOTALL), compile_glob(pattern, is_path=False)
    except (re.error, ValueError):
        return
    if glob.count("*") < 8:
        assert found.fits(batch(*texts)).tolist() == [model.fullmatch(text) is not None for text in texts]


@given(st.text("ab*?/", max_size=200), st.text("ab/", max_size=9))
def test_a_path_is_matched_with_a_slash_before_it(glob: str, name: str) -> None:
    pattern, text = f"/{glob}".encode(), name.encode()
    if glob.count("*") < 8:
        expected = re.fullmatch(regex_of(pattern), b"/" + text, re.DOTALL) is not None
        assert compile_glob(pattern, is_path=True).fits(batch(text)).tolist() == [expected]


@pytest.mark.slow
@settings(max_examples=300)
@given(st.sampled_from(["/**/", "**/", "", "/", "a/"]), st.text("ab*?/", min_size=1, max_size=6), stacks)
def test_find_finds_what_a_glob_means(start: str, end: str, layers: list[Layer]) -> None:
    nodes = tree_of(layers).nodes
    glob = start + end
    rooted = "/" + glob if "/" in glob and not glob.startswith("/") else glob
    model = re.compile(regex_of(rooted.encode()), re.DOTALL)
    texts = [b"/" + path if "/" in glob else nodes.name(node) for node, path in enumerate(nodes.paths.tolist())]
    if "//" not in glob and not (glob.startswith("/") and glob.endswith("/")):
        expected = [node for node in range(1, len(nodes)) if model.fullmatch(texts[node])]
        assert find_nodes(nodes, glob).tolist() == expected


@pytest.mark.slow
def test_a_glob_of_many_stars_takes_no_time(tmp_path: Path) -> None:
    image = written(tmp_path / "image.tar", layer(*(f"{DEEP}/{number}/{DEEP}" for number in range(2000))))
    for pattern in (HARD, f"/{HARD}", "/**/" + "*a*/**" * 20 + "/b", "**a" * 50 + "b"):
        done = limited([*COMMAND, "find", image, pattern], seconds=5)
        assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.slow
def test_a_rule_of_many_stars_takes_no_time(tmp_path: Path) -> None:
    image = written(tmp_path / "image.tar", layer(f"{DEEP}/{DEEP}", "b"))
    config = tmp_path / "layerscope.toml"
    config.write_text(f'[[forbid]]\npath = "{HARD}"\n[[budget]]\npath = "/**{HARD}"\nmax = "1kB"\n')
    done = limited([*COMMAND, "ci", image, "--forbid", f"**/{HARD}"], seconds=5, directory=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["/(a+)+$/", "/^.(a|aa)+$/", "/(?=(a+)+[b])[ac]/"])
def test_a_regular_expression_that_backtracks_is_stopped(tmp_path: Path, pattern: str) -> None:
    image = written(tmp_path / "image.tar", layer(DEEP + "c"))
    done = limited([*COMMAND, "find", image, pattern], seconds=30)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"the regular expression takes more than 5 s" in done.stderr


@pytest.mark.slow
def test_a_regular_expression_cannot_take_all_memory(tmp_path: Path) -> None:
    image = written(tmp_path / "image.tar", layer("b" * 200, "a"))
    done = limited([*COMMAND, "find", image, "/(?:(?:b{0,60000}){0,60000}){0,60000}c/"], seconds=30)
    assert done.returncode in (0, 2), done.stderr
    assert b"Traceback" not in done.stderr


def test_patterns_have_a_longest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = written(tmp_path / "image.tar", layer("a"))
    for pattern in ("a*" * PATTERN_BYTES, f"/{'a' * (PATTERN_BYTES + 1)}/"):
        done = ran(capsys, "find", image, pattern)
        assert done.code == 2
        assert "shorten it" in done.err


@settings(max_examples=30)  # each starts a process
@given(st.lists(st.text("ab\n/", min_size=1, max_size=5), max_size=6), st.sampled_from(["a$", "^/a", "b\\Z", "(?i)A", "a\\s"]))
def test_a_regular_expression_means_what_it_does_in_python(names: list[str], source: str) -> None:
    nodes = tree_of([layer(*names)]).nodes
    paths = [b"/" + path for path in nodes.paths.tolist()]
    expected = [node for node in range(1, len(nodes)) if re.search(source.encode(), paths[node], re.DOTALL)]
    assert find_nodes(nodes, f"/{source}/").tolist() == expected
