"""What a path means inside an image: its symlinks stay inside, and a missing one is explained."""

from __future__ import annotations

import pytest

from layerscope.errors import NotFound
from layerscope.tree.lookup import content_entry, noun_of, resolve
from layerscope.tree.tree import View
from support.image_builder import Layer, char, directory, fifo, file, hardlink, layer, symlink
from support.seen import tree_of


def view_of(*layers: Layer, after: int | None = None) -> View:
    return tree_of(layers).view(after or len(layers))


def found(view: View, path: bytes, *, follow_last: bool = True) -> bytes:
    return view.tree.nodes.paths[resolve(view, path, follow_last=follow_last)]


def complaint(view: View, path: bytes) -> str:
    with pytest.raises(NotFound) as error:
        resolve(view, path, follow_last=True)
    return str(error.value)


LINKED = layer(
    "usr/bin/sh",
    "etc/passwd",
    symlink("bin", "usr/bin"),
    symlink("absolute", "/usr/bin"),
    symlink("out", "../../../../etc"),
    symlink("usr/bin/users", "../../out/passwd"),
    symlink("chain", "bin/users"),
)


@pytest.mark.parametrize(
    "path", [b"etc/passwd", b"/etc/passwd", b"//etc/./passwd", b"/../../etc/passwd", b"/usr/../etc/passwd"]
)
def test_a_path_may_be_spelled_in_many_ways(path: bytes) -> None:
    assert found(view_of(LINKED), path) == b"etc/passwd"


@pytest.mark.parametrize("path", [b"", b"/", b"..", b"/.", b"usr/..", b"/usr/../../.."])
def test_nothing_is_above_the_root(path: bytes) -> None:
    assert found(view_of(LINKED), path) == b""


@pytest.mark.parametrize("path", [b"bin/sh", b"absolute/sh"])
def test_symlinks_on_the_way_are_followed(path: bytes) -> None:
    assert found(view_of(LINKED), path, follow_last=False) == b"usr/bin/sh"


def test_a_target_never_leaves_the_root() -> None:
    assert found(view_of(LINKED), b"/out/passwd") == b"etc/passwd"


def test_a_last_symlink_is_followed_only_when_it_is_to_be() -> None:
    view = view_of(LINKED)
    assert found(view, b"chain") == b"etc/passwd"
    assert found(view, b"chain", follow_last=False) == b"chain"


def test_a_slash_at_the_end_has_a_symlink_followed() -> None:
    assert found(view_of(LINKED), b"bin/", follow_last=False) == b"usr/bin"


def test_dots_after_a_symlink_start_where_it_leads() -> None:
    assert found(view_of(LINKED), b"bin/..") == b"usr"


def test_a_symlink_is_followed_as_it_stands_after_the_layer_in_view() -> None:
    layers = layer("a/x", "b/x", symlink("link", "a")), layer(symlink("link", "b"))
    assert found(view_of(*layers, after=1), b"link/x") == b"a/x"
    assert found(view_of(*layers, after=2), b"link/x") == b"b/x"


def test_a_hard_link_to_a_symlink_is_followed_too() -> None:
    view = view_of(layer("a/x", symlink("link", "a"), hardlink("other", "link")))
    assert found(view, b"other/x") == b"a/x"


@pytest.mark.parametrize(
    "links",
    [
        [symlink("a", "a")],
        [symlink("a", "b"), symlink("b", "/a")],
        [symlink("a", "a/a")],
        [symlink("a", "./././a/.")],
    ],
)
def test_symlinks_that_go_round_in_circles_are_not_found(links: list[object]) -> None:
    assert "40 symlinks" in complaint(view_of(layer(*links)), b"/a/x")  # type: ignore[arg-type]


def test_forty_symlinks_are_followed() -> None:
    links = [symlink(f"l{number}", f"l{number + 1}") for number in range(40)]
    assert found(view_of(layer(*links, "l40")), b"l0") == b"l40"


def test_an_image_without_layers_has_a_root() -> None:
    assert found(tree_of([]).view(1), b"/") == b""


# What is said of a path that is not there


def test_the_missing_component_is_named() -> None:
    assert complaint(view_of(LINKED), b"/bin/nope/x") == "/bin/nope/x is not in the image: /usr/bin has no nope"


def test_a_path_below_a_file_says_so() -> None:
    assert (
        complaint(view_of(LINKED), b"/etc/passwd/x") == "/etc/passwd/x does not exist: /etc/passwd is a file, not a directory"
    )
    assert "is a file" in complaint(view_of(LINKED), b"/etc/passwd/")


def test_near_names_are_offered() -> None:
    view = view_of(layer("etc/hosts", "etc/hostname", "etc/passwd", "etc/hosta/x", "etc/hostb", "hosts"))
    assert complaint(view, b"/etc/host").endswith("; did you mean `/etc/hosts` or `/etc/hostb` or `/etc/hosta`?")
    assert complaint(view, b"/ETC/hosts").endswith("; did you mean `/etc`?")


def test_a_removed_path_names_the_layer_that_removed_it() -> None:
    view = view_of(layer("a/x"), layer("b"), layer(".wh.a"), layer("c"))
    assert complaint(view, b"/a") == "/a is not in the image; it was removed by layer 3"
    assert complaint(view, b"/a/x") == "/a/x is not in the image: / has no a; it was removed by layer 3"


def test_a_path_of_a_later_layer_names_that_layer() -> None:
    view = view_of(layer("a"), layer("b"), layer("c"), after=1)
    assert complaint(view, b"/c") == "/c is not in the image after layer 1; it is first added by layer 3"


def test_a_path_that_comes_and_goes_is_said_to_be_removed() -> None:
    view = view_of(layer("a"), layer(".wh.a"), layer("a"), after=2)
    assert complaint(view, b"/a").endswith("it was removed by layer 2")


def test_control_characters_of_names_are_escaped() -> None:
    view = view_of(layer("d/\x1b[31mred"))
    said = complaint(view, b"/d/\x1b[31mreb\xff")
    assert "\x1b" not in said
    assert said == "/d/\\x1b[31mreb\\xff is not in the image; did you mean `/d/\\x1b[31mred`?"


def test_a_very_deep_path_is_found_soon() -> None:
    deep = "/".join(["d"] * 2000)
    assert found(view_of(layer(deep)), deep.encode()) == deep.encode()


# What a node is


def test_a_node_shows_the_content_of_the_entry_that_brought_it() -> None:
    view = view_of(layer("a"), layer(hardlink("b", "a")), layer(hardlink("c", "b")))
    nodes = [resolve(view, path, follow_last=True) for path in (b"a", b"b", b"c")]
    assert [content_entry(view, node) for node in nodes] == [0, 0, 0]


@pytest.mark.parametrize(
    ("item", "noun"),
    [
        (directory("x"), "a directory"),
        (symlink("x", "nowhere"), "a symlink"),
        (fifo("x"), "a fifo"),
        (char("x"), "a character device"),
        (hardlink("x", "nowhere"), "a broken hard link"),
    ],
)
def test_what_is_no_file_shows_no_content(item: object, noun: str) -> None:
    view = view_of(layer(item, file("other")))  # type: ignore[arg-type]
    node = resolve(view, b"x", follow_last=False)
    assert content_entry(view, node) is None
    assert noun_of(view, node) == noun
