"""Packages that a container does not need: found by what dpkg, apk and npm say of them, told with a sketch of two stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from layerscope.advice.advice import Advice, Fix
from layerscope.advice.fixes.package_list import APK, DPKG, needed_by, read_packages
from support.commands import ran
from support.fixing import KB, advice, big, made
from support.image_builder import Member, file


def package(name: str, size: int = 0, depends: str = "", recommends: str = "") -> str:
    lines = [f"Package: {name}", "Status: install ok installed", f"Installed-Size: {size}", "Description: x", " Depends: more"]
    return "\n".join([*lines, *([f"Depends: {depends}"] * bool(depends)), *([f"Recommends: {recommends}"] * bool(recommends))])


BASE = package("libc6", 9000)
CURL = package("curl", 300, "libcurl4 (>= 7.1)")
LIBCURL = package("libcurl4", 400, "libc6:any", "ca-certificates")
CERTIFICATES = package("ca-certificates", 2000, "openssl | other")
OPENSSL = package("openssl", 3000, "libc6")
GCC = package("gcc-12", 40_000, "cpp-12, gcc-12-base, libc6 (>= 2)", "libc6-dev")
CPP = package("cpp-12", 20_000, "libc6")
GCC_BASE = package("gcc-12-base", 100)
HEADERS = package("libc6-dev", 8000, "libc6")


def status(*packages: str) -> Member:
    return file(DPKG.decode(), "\n\n".join(packages).encode())


def of_kind(advised: Advice, kind: str) -> Fix:
    (fix,) = [fix for fix in advised.fixes if fix.kind == kind]
    return fix


def test_a_list_of_dpkg_is_read() -> None:
    found = read_packages(
        DPKG, "\n\n".join([CURL, LIBCURL, package("gone").replace("ok installed", "ok config-files")]).encode()
    )
    assert set(found) == {"curl", "libcurl4"}
    assert found["curl"].size == 300 * 1024
    assert found["libcurl4"].depends == (("libc6",),)
    assert found["libcurl4"].recommends == (("ca-certificates",),)


def test_a_list_of_apk_is_read() -> None:
    text = (
        "C:Q1\nP:gcc\nV:13\nI:157000000\nD:so:libisl.so.23 !old binutils=2.4\n\nP:isl26\nI:2000000\np:so:libisl.so.23=23.0\n\n"
    )
    found = read_packages(APK, text.encode())
    assert found["gcc"].size == 157_000_000
    assert needed_by(found, ["gcc"]) == {"gcc", "isl26"}


@pytest.mark.parametrize(
    "content", [b"", b"\xff\x00", b"Package: x", b"Package: x\nStatus: a installed\nInstalled-Size: \xc2\xb2"]
)
def test_an_odd_list_has_no_sizes(content: bytes) -> None:
    assert sum(each.size for each in read_packages(DPKG, content).values()) == 0


def test_what_is_only_recommended_is_told_with_its_bytes_and_names(tmp_path: Path) -> None:
    install = "RUN apt-get update && apt-get install -y curl"
    fix = of_kind(
        advice(
            tmp_path,
            made("ADD base.tar /", status(BASE)),
            made(install, status(BASE, CURL, LIBCURL, CERTIFICATES, OPENSSL)),
            base=1,
        ),
        "recommended-packages",
    )
    assert (fix.size, fix.line, fix.has_edit) == (5000 * 1024, 2, False)
    assert fix.sentence == (
        f"line 2 `{install}` installs 5.12 MB of 2 packages (openssl, ca-certificates) only because others recommend them: add "
        "`--no-install-recommends`, and name those that are used, `ca-certificates` for one, without which no certificate is "
        "trusted."
    )


@pytest.mark.parametrize(
    ("install", "later"),
    [
        ("RUN apt-get install -y --no-install-recommends curl", "RUN x"),
        ("RUN apt-get install -y curl ca-certificates", "RUN x"),
        ("RUN apt-get install -y curl", "RUN apt-get install -y ca-certificates"),
        ("RUN apt-get install -y $PACKAGES", "RUN x"),
    ],
)
def test_what_is_named_or_needed_is_not_told(tmp_path: Path, install: str, later: str) -> None:
    after = status(BASE, CURL, LIBCURL, CERTIFICATES, OPENSSL)
    advised = advice(tmp_path, made("ADD base.tar /", status(BASE)), made(install, after), made(later, "x"), base=1)
    assert [fix.kind for fix in advised.fixes if fix.kind == "recommended-packages"] == []


def test_what_builds_is_told_with_a_sketch_of_two_stages(tmp_path: Path) -> None:
    install = "RUN apt-get install -y gcc-12 libcurl4"
    fix = of_kind(
        advice(
            tmp_path,
            made("ADD base.tar /", status(BASE, GCC_BASE)),
            made(install, status(BASE, GCC, CPP, GCC_BASE, HEADERS, LIBCURL)),
            made("COPY hello.c /src/", big("src/hello.c")),
            made("RUN gcc-12 -o /usr/local/bin/hello /src/hello.c", "usr/local/bin/hello", "tmp/x"),
            made("RUN useradd app", "etc/passwd"),
            base=1,
        ),
        "build-tools",
    )
    assert (fix.size, fix.line, fix.has_edit) == (68_000 * 1024, 2, False)
    assert fix.sentence.startswith(f"line 2 `{install}` leaves 69.6 MB of 3 packages (gcc-12, cpp-12, libc6-dev), with which")
    assert fix.by_hand.split("\n") == [
        "What a later RUN builds, and what that needs when it runs, the author knows. As a start:",
        "FROM debian AS build",
        install,
        "COPY hello.c /src/",
        "RUN gcc-12 -o /usr/local/bin/hello /src/hello.c",
        "FROM debian",
        "RUN apt-get install -y libcurl4",
        "COPY --from=build /src/hello.c /src/hello.c",
        "COPY --from=build /usr/local/bin/hello /usr/local/bin/hello",
        "RUN useradd app",
    ]


def test_a_patch_has_the_sketch_as_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = (
        made("RUN apt-get install -y gcc-12", status(GCC, CPP)),
        made("RUN gcc-12 -o /usr/local/bin/hello /src/hello.c", "usr/local/bin/hello"),
    )
    advice(tmp_path, *steps)
    lines = ran(capsys, "fix", "image.tar").out.splitlines()
    assert lines[1:3] == ["#     FROM scratch AS build", "#     RUN apt-get install -y gcc-12"]


def test_what_the_base_has_for_building_is_the_bases(tmp_path: Path) -> None:
    base = made("ADD base.tar /", status(BASE, GCC, CPP, GCC_BASE))
    assert advice(tmp_path, base, made("RUN x", status(BASE, GCC, CPP, GCC_BASE, CURL)), base=1).fixes == ()


def test_what_a_compiler_shares_with_a_program_stays(tmp_path: Path) -> None:
    program = package("program", 10, "cpp-12")
    advised = advice(tmp_path, made("RUN apt-get install gcc-12 program", status(GCC, CPP, program)))
    assert of_kind(advised, "build-tools").size == 40_000 * 1024


def test_packages_for_developers_are_told(tmp_path: Path) -> None:
    lock = {"packages": {"node_modules/react": {}, "node_modules/jest": {"dev": True}, "node_modules/@types/x": {"dev": True}}}
    items = [big(f"app/node_modules/{name}/index.js") for name in ("react", "jest", "@types/x")]
    record = file("app/node_modules/.package-lock.json", json.dumps(lock).encode())
    fix = of_kind(advice(tmp_path, made("RUN npm ci", *items, record), made("CMD x", "y")), "dev-dependencies")
    assert (fix.size, fix.layers, fix.line) == (400 * KB, (1,), 2)
    assert "leaves 400 kB of packages for developers in /app: end the RUN that last uses them with" in fix.sentence


@pytest.mark.parametrize("record", [b"[]", b"{", b'{"packages": {"node_modules/a": 1}}', b'{"packages": []}'])
def test_an_odd_record_of_npm_tells_nothing(tmp_path: Path, record: bytes) -> None:
    items = [big("app/node_modules/a/x"), file("app/node_modules/.package-lock.json", record)]
    assert advice(tmp_path, made("RUN npm ci", *items)).fixes == ()
