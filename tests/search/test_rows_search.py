"""What the filter finds, against each term tried on each node in plain Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from layerscope.layers.table import Kind
from layerscope.search import search as searching
from layerscope.search.find_nodes import find_nodes
from layerscope.search.names import NameIndex
from layerscope.search.query import parse
from layerscope.search.search import SearchHits, search
from layerscope.tree.nodes import Nodes
from layerscope.tree.tree import Change, Tree, View
from layerscope.waste.find import Waste
from support.image_builder import Layer, Member, directory, file, hardlink, layer, symlink, whiteout
from support.seen import Stacked, tree_of

NAMES = (b"a", b"ab", b"Ab", b"b.py", b"b.pyc", b"lib", b"lib-b.so.1", b"a b", b"\xff", "é".encode(), b"!x", b"[", b"aab\nb")
WORDS = ("a", "ab", "Ab", "bp", "lib", "so", "l.1", "ba", "/", "a/b", "lib/b", "ab/", "é", "'ab", "'A", "'a/", "'/a", "'/lib/b")
GLOBS = (
    "*",
    "*.py",
    "*.py*",
    "a?",
    "?",
    "[ab]*",
    "[!a]?*",
    "a*b",
    "*b*b*",
    "a/*",
    "*/b.py",
    "**/b.py",
    "a/**/b.py",
    "/a/*b",
    "lib/**",
)
REGEXES = (
    "/a/",
    "/a.*b$/",
    "/^.lib/",
    "/b.py.?$/",
    "/(a|b).$/",
    "/a/b/",
    "/[ab]{2}/",
    "/\\x61b/",
    "/\\./",
    "/a?b+c*/",
    "/(ab)?b/",
)
OTHERS = (
    ">0",
    ">=3",
    "<3",
    "<=0B",
    ">1k",
    "is:added",
    "is:modified",
    "is:changed",
    "is:removed",
    "is:wasted",
    "is:link",
    "is:dir",
)
LATE = ("is:file", "is:exec", "layer:1", "layer:2-3", "layer:9", "layer:2-99")
words = st.sampled_from(WORDS + GLOBS + REGEXES + OTHERS + LATE)
terms = st.tuples(st.sampled_from(("", "", "!")), words).map("".join)


@st.composite
def members(draw: st.DrawFn) -> Member:
    path = b"/".join(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)))
    sort = draw(st.integers(0, 9))
    if sort < 6:
        return file(path, b"x" * draw(st.integers(0, 4)), mode=draw(st.sampled_from((0o644, 0o755, 0o010))))
    others = (directory(path + b"/"), symlink(path, b"ab"), hardlink(path, draw(st.sampled_from(NAMES))), whiteout(path))
    return others[sort - 6]


stacks = st.lists(st.lists(members(), max_size=8).map(lambda drawn: Layer(tuple(drawn))), min_size=1, max_size=4)


def never() -> bool:
    return False


def index_of(nodes: Nodes) -> NameIndex:
    index = NameIndex.of(nodes, never)
    assert index is not None
    return index


def run(tree: Tree, text: str, view: View, waste: Waste | None = None) -> SearchHits:
    """The last of what a search gives."""
    query = parse(text)
    assert query.problem == ""
    *_, last = search(query, index_of(tree.nodes), view, waste, is_cancelled=never)
    assert last.is_complete
    return last


def paths_found(tree: Tree, text: str, view: View | None = None) -> list[str]:
    found = run(tree, text, view or tree.view(tree.layers))
    return [tree.nodes.paths[node].decode() for node in np.flatnonzero(found.mask).tolist()]


class Naive:
    """Each term on one node at a time."""

    def __init__(self, stacked: Stacked, view: View) -> None:
        self.tree, self.view, self.waste = stacked.tree, view, stacked.waste()

    def candidates(self) -> list[int]:
        layers = self.tree.versions.layer
        return [n for n in range(1, len(self.tree)) if any(layers[v] <= self.view.last for v in self.tree.versions_of(n))]

    def version(self, node: int) -> int:
        if self.view.change[node] == Change.REMOVED:
            return int(self.view.before[node])
        return max(v for v in self.tree.versions_of(node) if self.tree.versions.layer[v] <= self.view.last)

    def passes(self, node: int, term: str) -> bool:
        if term.startswith("!"):
            return not self.passes(node, term[1:])
        if term.startswith(("is:", "layer:")):
            word, _, value = term.partition(":")
            return self.touched(node, value) if word == "layer" else self.is_(node, value)
        return self.has_size(node, term) if term[0] in "<>" else self.has_text(node, term)

    def kind(self, node: int) -> Kind:
        return Kind(self.tree.versions.kind[self.version(node)])

    def is_(self, node: int, word: str) -> bool:
        if word in ("added", "modified", "changed"):
            return bool(self.view.change[node] == Change[word.replace("changed", "modified").upper()])
        if word == "removed":
            return self.view.change[node] == Change.REMOVED or not self.view.is_visible[node]
        entry = int(self.tree.versions.entry[self.version(node)])
        is_file = self.kind(node) in (Kind.FILE, Kind.HARDLINK)
        return {
            "wasted": node in self.waste.node.tolist(),
            "link": self.kind(node) in (Kind.SYMLINK, Kind.HARDLINK),
            "dir": self.kind(node) is Kind.DIRECTORY,
            "file": is_file,
            "exec": is_file and entry >= 0 and bool(self.tree.entries.mode[entry] & 0o111),
        }[word]

    def has_size(self, node: int, term: str) -> bool:
        entry = self.tree.versions.entry[self.version(node)]
        size = int(self.tree.content_size(np.array([entry]))[0])
        bounds = {">0": size > 0, ">=3": size >= 3, "<3": size < 3, "<=0B": size <= 0, ">1k": size > 1000}
        return self.kind(node) in (Kind.FILE, Kind.HARDLINK) and bounds[term]

    def touched(self, node: int, value: str) -> bool:
        first, _, last = value.partition("-")
        layers = range(int(first), min(int(last or first), self.tree.layers) + 1)
        versions = self.tree.versions
        return any(versions.layer[v] in layers or versions.until[v] in layers for v in self.tree.versions_of(node))

    def has_text(self, node: int, term: str) -> bool:
        if term in GLOBS or term in REGEXES:
            return node in find_nodes(self.tree.nodes, term).tolist()
        path, wanted = b"/" + self.tree.nodes.paths[node], term.removeprefix("'").encode()
        text = path if b"/" in wanted else self.tree.nodes.name(node)
        if not any(letter.isupper() for letter in term):
            text = text.lower()
        return wanted in text if term[0] == "'" else is_subsequence(term, text)


def is_subsequence(term: str, text: bytes) -> bool:
    return re.search(b".*".join(re.escape(letter.encode()) for letter in term), text, re.DOTALL) is not None


@pytest.mark.slow
@given(stacks, st.lists(terms, min_size=1, max_size=3), st.data())
def test_a_search_finds_what_passes_every_term(stack: list[Layer], asked: list[str], data: st.DataObject) -> None:
    stacked = Stacked.of(stack)
    last = data.draw(st.integers(1, stacked.tree.layers))
    naive = Naive(stacked, stacked.tree.view(data.draw(st.integers(1, last)), last))
    text = " ".join(asked)
    found = run(stacked.tree, text, naive.view, naive.waste)
    expected = [n for n in naive.candidates() if all(naive.passes(n, term) for term in asked if term not in ("/", "!/"))]
    assert np.flatnonzero(found.mask).tolist() == expected
    assert (found.best in expected) if expected else (found.best is None)


def found_by_find(tree: Tree, pattern: str) -> list[int]:
    """Without nodes that no container ever sees, for their own layer's tar buries them."""
    return [node for node in find_nodes(tree.nodes, pattern).tolist() if len(tree.versions_of(node))]


@given(stacks, st.text("abl.*?[]!/'é", min_size=1, max_size=6))
@example([layer("a/b")], "/**/b*")
def test_a_typed_glob_finds_what_find_does(stack: list[Layer], word: str) -> None:
    query = parse(word + "*")
    if word[0] in "!'/[" or query.problem or not query.conditions:
        return
    tree = tree_of(stack)
    found = run(tree, word + "*", tree.view(tree.layers))
    assert np.flatnonzero(found.mask).tolist() == found_by_find(tree, word + "*")


@pytest.mark.slow
@settings(max_examples=40)  # each starts processes
@given(stacks, st.text("ab.?*+()$^\\[]|lib/", min_size=1, max_size=8))
def test_a_typed_regex_finds_what_find_does(stack: list[Layer], source: str) -> None:
    query = parse(f"/{source}/")
    tree = tree_of(stack)
    if not query.problem and query.conditions:
        found = run(tree, f"/{source}/", tree.view(tree.layers))
        assert np.flatnonzero(found.mask).tolist() == found_by_find(tree, f"/{source}/")


@pytest.mark.parametrize("text", ["'a\\ b", '"\'a b"', '\'a" "b'])
def test_a_space_is_typed_with_a_backslash_or_quotes(text: str) -> None:
    assert paths_found(tree_of([layer("a b", "ab", "a/b")]), text) == ["a b"]


def test_an_upper_case_letter_makes_case_count() -> None:
    tree = tree_of([layer("README", "readme")])
    assert paths_found(tree, "rdm") == ["README", "readme"]
    assert paths_found(tree, "RDM") == ["README"]


def test_a_slash_searches_whole_paths() -> None:
    tree = tree_of([layer("usr/bin/env", "env", "bin")])
    assert paths_found(tree, "bin/env") == ["usr/bin/env"]
    assert paths_found(tree, "/usr/bi") == ["usr/bin", "usr/bin/env"]


def test_names_that_are_not_text_are_found_by_their_bytes() -> None:
    tree = tree_of([layer(b"caf\xe9", "other")])
    found = run(tree, "f\udce9", tree.view(1))
    assert np.flatnonzero(found.mask).tolist() == [1]


def test_files_of_earlier_layers_are_found_and_later_ones_are_not() -> None:
    tree = tree_of([layer("gone", "other"), layer(whiteout("gone")), layer("new"), layer("gone2")])
    assert paths_found(tree, "gone", tree.view(3)) == ["gone"]


def test_a_removed_file_has_the_size_it_had() -> None:
    tree = tree_of([layer(file("big", b"x" * 2000), "small"), layer(whiteout("big"))])
    assert paths_found(tree, ">1k", tree.view(2)) == ["big"]


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (("abx", "xab", "a-b", "ab"), "ab"),
        (("xab", "a-b", "abxx"), "abxx"),
        (("a-b", "xxab"), "xxab"),
        (("axxb", "axb", "xaxb"), "axb"),
        (("a/deep/ab", "z/ab"), "z/ab"),
    ],
)
def test_the_best_hit_is_exact_then_begins_then_holds_then_is_shortest(names: tuple[str, ...], best: str) -> None:
    tree = tree_of([layer(*names)])
    found = run(tree, "ab", tree.view(1))
    assert found.best is not None
    assert tree.nodes.paths[found.best].decode() == best


def test_what_is_found_early_is_given_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "FIRST_SECONDS", 0)
    monkeypatch.setattr(searching, "NEXT_SECONDS", 0)
    monkeypatch.setattr(searching, "_MOST_IN_BATCH", 2)
    tree = tree_of([layer("a1", "a2", "a3", "b", "a4")])
    found = list(search(parse("a"), index_of(tree.nodes), tree.view(1), None, is_cancelled=never))
    assert [int(each.mask.sum()) for each in found] == [2, 4, 4]
    assert [each.is_complete for each in found] == [False, False, True]


def after(calls: int) -> Callable[[], bool]:
    numbers = count()
    return lambda: next(numbers) >= calls


@pytest.mark.parametrize("text", ["a is:file", "a", "/a/"])
def test_a_cancelled_search_ends_without_a_last_word(text: str) -> None:
    tree = tree_of([layer("a")])
    for calls in (0, 1):
        found = list(search(parse(text), index_of(tree.nodes), tree.view(1), None, is_cancelled=after(calls)))
        assert not any(each.is_complete for each in found)


def test_a_cancelled_index_is_none() -> None:
    assert NameIndex.of(tree_of([layer("a")]).nodes, after(0)) is None
