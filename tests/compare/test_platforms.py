"""Two platforms of one image: which paths are a pair, what only one of them has, what is much bigger on one."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.analysis import Analysis, analyze, read_image
from layerscope.compare.architecture_names import ArchitectureNames, NameRule
from layerscope.compare.comparison import Aspect, Comparison, compare
from layerscope.compare.platforms import much_bigger, one_sided
from layerscope.oci.platform import Platform
from layerscope.report.diff_text import diff_text
from layerscope.sources.open import open_image
from layerscope.tree.tree import Change
from layerscope.wording.style import Style
from support.commands import ran
from support.image_builder import Layer, directory, file, hardlink, layer, symlink
from support.sources_build import Layout, write_directory

AMD64, ARM64 = ({"os": "linux", "architecture": name} for name in ("amd64", "arm64"))


def two_platforms(place: Path, amd64: Layer, arm64: Layer, *, other: dict[str, str] = ARM64) -> str:
    """A layout with an image for each of two platforms, under one name."""
    layout = Layout()
    images = [layout.image(each.tar(), platform=platform) for each, platform in ((amd64, AMD64), (arm64, other))]
    return write_directory(place, layout.files(layout.index(*images)))


def analyzed(place: str, platform: str) -> Analysis:
    return analyze(read_image(open_image(place, platform=Platform.parse(platform))))


def analyzed_alone(place: Path, only: Layer) -> Analysis:
    layout = Layout()
    return analyze(read_image(open_image(write_directory(place, layout.files(layout.image(only.tar(), platform=AMD64))))))


def compared(tmp_path: Path, amd64: Layer, arm64: Layer) -> Comparison:
    place = two_platforms(tmp_path, amd64, arm64)
    return compare(analyzed(place, "linux/amd64"), analyzed(place, "linux/arm64"))


def rows(found: Comparison) -> dict[str, str]:
    return {found.path(row).decode(): Change(found.change[row]).name.lower() for row in range(len(found))}


# Names


@pytest.mark.parametrize(
    ("one", "other", "rule"),
    [
        ("x86_64-linux-gnu", "aarch64-linux-gnu", NameRule.TRIPLET),
        ("x86_64-linux-gnu-gcc-12", "aarch64-linux-gnu-gcc-12", NameRule.TRIPLET),
        ("x86_64-alpine-linux-musl", "aarch64-alpine-linux-musl", NameRule.TRIPLET),
        ("x86_64-redhat-linux", "aarch64-redhat-linux", NameRule.TRIPLET),
        ("_simd.cpython-311-x86_64-linux-gnu.so", "_simd.cpython-311-aarch64-linux-gnu.so", NameRule.TRIPLET),
        ("_sysconfigdata__x86_64-linux-gnu.py", "_sysconfigdata__aarch64-linux-gnu.py", NameRule.TRIPLET),
        ("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", NameRule.LOADER),
        ("ld-musl-x86_64.so.1", "ld-musl-aarch64.so.1", NameRule.ARCHITECTURE),
        ("linux-x64", "linux-arm64", NameRule.ARCHITECTURE),
        ("linux_amd64", "linux_arm64", NameRule.ARCHITECTURE),
        ("libc6:amd64.list", "libc6:arm64.list", NameRule.ARCHITECTURE),
        ("rollup-linux-x64-gnu", "rollup-linux-arm64-gnu", NameRule.ARCHITECTURE),
        ("a-manylinux_2_5_x86_64.manylinux1_x86_64.whl", "a-manylinux_2_17_aarch64.whl", NameRule.WHEEL),
        ("a-musllinux_1_1_x86_64.whl", "a-musllinux_1_2_aarch64.whl", NameRule.WHEEL),
        ("libgfortran-040039e1.so.5.0.0", "libgfortran-daac5196.so.5.0.0", NameRule.WHEEL),
        ("libopenblas64_p-r0-0cf96a72.3.23.dev.so", "libopenblas64_p-r0-17488984.3.23.dev.so", NameRule.WHEEL),
        ("lib64", "lib", NameRule.LIB64),
    ],
)
def test_names_of_two_architectures_are_the_same_without_it(one: str, other: str, rule: NameRule) -> None:
    amd64, arm64 = ArchitectureNames(Platform("linux", "amd64")), ArchitectureNames(Platform("linux", "arm64"))
    rest, rules = amd64.without(one.encode())
    assert arm64.without(other.encode())[0] == rest
    assert rules == rule


@pytest.mark.parametrize(
    ("platform", "triplet", "loader"),
    [
        ("arm/v7", "arm-linux-gnueabihf", "ld-linux-armhf.so.3"),
        ("arm/v5", "arm-linux-gnueabi", "ld-linux.so.3"),
        ("386", "i386-linux-gnu", "ld-linux.so.2"),
        ("ppc64le", "powerpc64le-linux-gnu", "ld64.so.2"),
        ("s390x", "s390x-linux-gnu", "ld64.so.1"),
        ("riscv64", "riscv64-linux-gnu", "ld-linux-riscv64-lp64d.so.1"),
        ("mips64le", "mips64el-linux-gnuabi64", "ld.so.1"),
        ("loong64", "loongarch64-linux-gnu", "ld-linux-loongarch-lp64d.so.1"),
    ],
)
def test_every_architecture_of_debian_has_its_names(platform: str, triplet: str, loader: str) -> None:
    names, amd64 = (ArchitectureNames(Platform.parse(f"linux/{each}")) for each in (platform, "amd64"))
    assert names.without(triplet.encode())[0] == amd64.without(b"x86_64-linux-gnu")[0]
    assert names.without(loader.encode())[0] == amd64.without(b"ld-linux-x86-64.so.2")[0]


@pytest.mark.parametrize(
    "name", ["max64", "x64dbg", "farm64", "charmap", "amd64x", "libfoo-1.2.so", "aarch64-linux-gnu", "arm64"]
)
def test_a_name_of_another_architecture_or_within_a_word_stays(name: str) -> None:
    assert ArchitectureNames(Platform("linux", "amd64")).without(name.encode()) == (name.encode(), NameRule(0))
    assert ArchitectureNames(Platform("wasi", "wasm")).without(name.encode())[0] == name.encode()


WORDS = [
    "x64",
    "x86_64",
    "amd64",
    "lib64",
    "-linux-gnu",
    "-",
    "_",
    ".so",
    "-0cf96a72",
    "manylinux2014_",
    "lib",
    "\n",
    "ld-linux-x86-64.so.2",
]


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=4).map(lambda parts: "".join(parts).encode()), max_size=6))
def test_many_names_are_changed_as_each_alone_is(names: list[bytes]) -> None:
    amd64 = ArchitectureNames(Platform("linux", "amd64"))
    each = {name: amd64.without(name) for name in names}
    assert amd64.changed(names) == {name: found for name, found in each.items() if found[1]}


@pytest.mark.slow
def test_a_long_name_takes_no_longer_than_it_should() -> None:
    amd64 = ArchitectureNames(Platform("linux", "amd64"))
    for piece in (b"x64", b"-0cf96a72.", b"manylinux_", b"manylinux_2_x86_64.", b"x86_64-a", b"_"):
        started = time.process_time()
        amd64.changed([piece * 20_000])
        assert time.process_time() - started < 2


# Pairs


def test_paths_are_paired_across_the_names_of_architectures(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        layer(
            file("usr/lib/x86_64-linux-gnu/libc.so.6", b"a" * 9), file("lib64/ld-linux-x86-64.so.2", b"a"), file("same", b"1")
        ),
        layer(
            file("usr/lib/aarch64-linux-gnu/libc.so.6", b"b" * 7), file("lib/ld-linux-aarch64.so.1", b"bb"), file("same", b"1")
        ),
    )
    assert found.is_of_platforms
    assert rows(found) == {"usr/lib/aarch64-linux-gnu/libc.so.6": "modified", "lib/ld-linux-aarch64.so.1": "modified"}
    assert found.mapped_paths == 4  # the two directories, too
    assert {found.old_path(row): NameRule(int(found.rules[row])) for row in range(len(found))} == {
        b"usr/lib/x86_64-linux-gnu/libc.so.6": NameRule.TRIPLET,
        b"lib64/ld-linux-x86-64.so.2": NameRule.LOADER | NameRule.LIB64,
    }


def test_equal_paths_are_a_pair_before_names_are_mapped(tmp_path: Path) -> None:
    prebuilds = [file(f"prebuilds/linux-{name}/node.node", name.encode()) for name in ("x64", "arm64")]
    assert rows(compared(tmp_path, layer(*prebuilds), layer(*prebuilds))) == {}


def test_of_several_that_are_the_same_without_the_architecture_none_is_paired(tmp_path: Path) -> None:
    found = compared(tmp_path, layer(file("a-x64", b"1"), file("a-amd64", b"22")), layer(file("a-arm64", b"333")))
    assert rows(found) == {"a-x64": "removed", "a-amd64": "removed", "a-arm64": "added"}


def test_a_link_to_the_same_place_of_another_architecture_does_not_differ(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        layer(symlink("cc", "x86_64-linux-gnu-gcc"), symlink("to", "/usr/lib64/a"), symlink("other", "x86_64-linux-gnu")),
        layer(symlink("cc", "aarch64-linux-gnu-gcc"), symlink("to", "/usr/lib/a"), symlink("other", "elsewhere")),
    )
    assert rows(found) == {"other": "modified"}
    assert Aspect(int(found.aspects[0])) == Aspect.TARGET


def test_two_images_of_one_platform_are_paired_by_equal_paths_alone(tmp_path: Path) -> None:
    one, other = (analyzed_alone(tmp_path / name, layer(name)) for name in ("x86_64-linux-gnu", "aarch64-linux-gnu"))
    found = compare(one, other)
    assert not found.is_of_platforms
    assert rows(found) == {"x86_64-linux-gnu": "removed", "aarch64-linux-gnu": "added"}


NAMES = st.sampled_from(["lib", "lib64", "a-x64", "a-arm64", "x86_64-linux-gnu", "aarch64-linux-gnu", "b"])
PATHS = st.sets(st.lists(NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8)


def model(old: set[str], new: set[str]) -> dict[str, str]:
    """The pairs of paths, new by old, one step after the other."""
    names = [ArchitectureNames(Platform("linux", name)) for name in ("amd64", "arm64")]
    pairs = {path: path for path in old & new}

    def rest(side: int, path: str, *, with_lib64: bool) -> bytes:
        parts = path.encode().split(b"/")
        return b"/".join(part if part == b"lib64" and not with_lib64 else names[side].without(part)[0] for part in parts)

    for with_lib64 in (False, True):
        keys: list[dict[bytes, list[str]]] = [{}, {}]
        for side, paths in enumerate((old - set(pairs), new - set(pairs.values()))):
            for path in paths:
                keys[side].setdefault(rest(side, path, with_lib64=with_lib64), []).append(path)
        for key, mine in keys[0].items():
            if len(mine) == len(keys[1].get(key, [])) == 1:
                pairs[mine[0]] = keys[1][key][0]
    return pairs


def with_parents(paths: set[str]) -> set[str]:
    return {"/".join(path.split("/")[:count]) for path in paths for count in range(1, path.count("/") + 2)}


@pytest.mark.slow
@given(PATHS, PATHS)
def test_pairs_are_those_of_a_model(tmp_path_factory: pytest.TempPathFactory, old: set[str], new: set[str]) -> None:
    stacks = [
        layer(*(directory(path, mode=mode) for path in sorted(with_parents(paths))))
        for paths, mode in ((old, 0o755), (new, 0o700))
    ]
    found = compared(tmp_path_factory.mktemp("two"), *stacks)
    pairs = {
        found.old_path(row).decode(): found.path(row).decode()
        for row in range(len(found))
        if found.change[row] == Change.MODIFIED
    }
    assert pairs == model(with_parents(old), with_parents(new))


# What is only on one, and what is much bigger on one


def test_directories_that_only_one_has_are_told_as_a_whole(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        layer(file("both", b"1"), file("d/a", b"12"), file("d/e/b", b"123"), hardlink("d/e/c", "d/e/b"), file("f", b"1")),
        layer(file("both", b"1"), file("g", b"1234")),
    )
    assert [(each.path, each.size, each.files) for each in one_sided(found, Change.REMOVED)] == [(b"d", 5, 3), (b"f", 1, 1)]
    assert [(each.path, each.is_directory) for each in one_sided(found, Change.ADDED)] == [(b"g", False)]


def test_a_file_is_much_bigger_by_half_and_by_100_kb(tmp_path: Path) -> None:
    sizes = {"half": (150_000, 300_000), "little": (10, 20), "a third": (300_000, 400_000), "smaller": (250_000, 1)}
    sides = (layer(*(file(name, bytes(both[side])) for name, both in sizes.items())) for side in (0, 1))
    found = compared(tmp_path, *sides)
    assert [found.path(row) for row in much_bigger(found, in_old=False)] == [b"half"]
    assert [found.path(row) for row in much_bigger(found, in_old=True)] == [b"smaller"]


def test_the_report_leads_with_what_only_one_has_and_what_is_much_bigger(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        layer(file("only", bytes(3000)), file("x86_64-linux-gnu/big", bytes(500_000)), file("a", b"1")),
        layer(file("aarch64-linux-gnu/big", bytes(100_000)), file("b/c\x1b[2J", b"12"), file("a", b"2")),
    )
    lines = diff_text(found, Style(100), limit=20).splitlines()
    assert lines[0].endswith("(linux/amd64) → " + lines[0].partition(" → ")[2])
    assert "files                3 → 3" in lines
    start = lines.index("Only on linux/amd64  (3.00 kB in 1 file)")
    assert lines[start:] == [
        "Only on linux/amd64  (3.00 kB in 1 file)",
        "    3.00 kB  /only",
        "",
        "Only on linux/arm64  (2 B in 1 file)",
        "        2 B  /b/ (1 file)",
        "",
        "Much bigger on linux/amd64",
        "    +400 kB   5.0 times  /x86_64-linux-gnu/big",
        "",
        "Paired under another name of the architecture: 2 paths (triplet).",
        "Of the paths that both have, there differ: 1 in size, 1 in content of equal size.",
    ]
    assert "  and 1 more (--limit N, --json)" not in lines
    assert "  and 1 more (--limit N, --json)" in diff_text(found, Style(80), limit=0).splitlines()
    assert diff_text(found, Style(80, is_ascii=True), limit=5).isascii()


def test_two_platforms_with_the_same_files_are_said_to_be(tmp_path: Path) -> None:
    text = diff_text(compared(tmp_path, layer("a"), layer("a")), Style(80), limit=20)
    assert "Both platforms have the same paths, and nothing differs in them." in text


# The command


def test_one_image_is_compared_with_itself_on_another_platform(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = two_platforms(tmp_path, layer(file("x86_64-linux-gnu/a", b"1")), layer(file("aarch64-linux-gnu/a", b"22")))
    found = json.loads(ran(capsys, "diff", place, "--platform", "linux/amd64,linux/arm64", "--json").out)
    assert [found[side]["platform"] for side in ("old", "new")] == ["linux/amd64", "linux/arm64"]
    (path,) = found["paths"]
    assert (path["path"], path["old_path"]) == ("/aarch64-linux-gnu/a", "/x86_64-linux-gnu/a")
    assert (path["paired_by"], path["differs"], found["mapped_paths"]) == (["triplet"], ["size"], 2)
    assert [each["difference"] for each in found["layers"]] == [None]
    assert "Paired under another name" in ran(capsys, "diff", place, place, "--platform", "linux/amd64,linux/arm64").out


def test_a_path_that_is_no_utf8_has_its_bytes_under_both_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = two_platforms(tmp_path, layer(file(b"x64-\xff", b"1")), layer(file(b"arm64-\xff", b"22")))
    (path,) = json.loads(ran(capsys, "diff", place, "--platform", "linux/amd64,linux/arm64", "--json").out)["paths"]
    assert {"path_base64", "old_path_base64"} <= path.keys()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("PLACE",), "name a second image, or two platforms of this one"),
        (("PLACE", "--platform", "linux/amd64"), "name a second image, or two platforms of this one"),
        (("PLACE", "PLACE", "--platform", "linux/amd64,linux/arm64,linux/386"), "--platform takes one platform, or two"),
        (("-", "--platform", "linux/amd64,linux/arm64"), "standard input can be read only once"),
        (("PLACE", "--platform", "linux/amd64,linux/386"), "holds no linux/386 image; it holds linux/amd64, linux/arm64"),
        (("PLACE", "--platform", "linux/amd64,"), "--platform takes one platform, or two"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    place = two_platforms(tmp_path, layer("a"), layer("a"))
    found = ran(capsys, "diff", *(place if each == "PLACE" else each for each in arguments))
    assert (found.code, found.out) == (2, "")
    assert sentence in found.err
