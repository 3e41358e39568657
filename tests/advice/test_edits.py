"""Edits: what each fix changes in a Dockerfile, and that all of them together are reached."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from layerscope.advice.advice import Advice
from layerscope.advice.advise import advise
from layerscope.advice.dockerfile.mapping import map_layers
from layerscope.advice.dockerfile.stages import parse_dockerfile
from layerscope.advice.fixes.find_fixes import edited_fixes, places_of
from layerscope.advice.fixes.workshop import Workshop
from support.fixing import KB, analyzed, big, made
from support.image_builder import Layer, Member, directory, file, hardlink, layer, symlink, whiteout

Step = tuple[str, Layer]
PASSWD = file("etc/passwd", b"root:x:0:0::/root:/bin/sh\n")
WITH_APP = file("etc/passwd", b"root:x:0:0::/root:/bin/sh\napp:x:7:7::/home/app:/bin/sh\n")
GROUPS = file("etc/group", b"root:x:0:\napp:x:7:\n")
BASE = ("RUN base", made("", PASSWD, file("usr/sbin/useradd", b"x"))[1])


def edited(path: Path, *steps: Step | str, base: int = 0, context: dict[str, str] | None = None) -> tuple[Advice, list[str]]:
    """The advice on an image of these steps (a string is an instruction without a layer), and the file's lines after it."""
    layers = [(step[0].replace("\\\n", ""), step[1]) for step in steps if not isinstance(step, str)]
    analysis = analyzed(path, *layers)
    lines = [step if isinstance(step, str) else step[0] for step in steps[base:]]
    (path / "Dockerfile").write_text("\n".join(["FROM debian" if base else "FROM scratch", *lines]) + "\n")
    for name, text in (context or {}).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    advised = advise(analysis, path / "Dockerfile", root=path)
    assert advised.plan is not None
    files = {each.path: each.after for each in advised.plan.changed()}
    if ".dockerignore" in files:
        return advised, files[".dockerignore"].splitlines()
    return advised, files.get("Dockerfile", "").splitlines()[1:]


def runs(path: Path, first: str, second: str) -> list[str]:
    """What becomes of two RUNs of which the second removes what the first wrote."""
    return edited(path, made(first, big("a")), made(second, whiteout("a")))[1]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("RUN get", "RUN rm /a", ["RUN get \\", " && rm /a"]),
        ("RUN get; more", "RUN rm /a", ["RUN get; more \\", " && rm /a"]),
        ("RUN get || more", "RUN rm /a", ["RUN get || more \\", " && rm /a"]),
        ("RUN cd /x && get", "RUN rm /a", ["RUN ( cd /x && get ) \\", " && rm /a"]),
        ("RUN get", "RUN rm /a; other", ["RUN get \\", " && { rm /a; other; }"]),
        ("RUN get", "RUN rm /a || true", ["RUN get \\", " && { rm /a || true; }"]),
        ("RUN set -ex; get; more", "RUN rm /a", ["RUN set -ex; get; more \\", " && rm /a"]),
        ("RUN for i in 1 2; do get $i; done", "RUN rm /a", ["RUN for i in 1 2; do get $i; done \\", " && rm /a"]),
        ("RUN for i in 1 2; do get $i; done", "RUN rm /a$i", ["RUN ( for i in 1 2; do get $i; done ) \\", " && rm /a$i"]),
        ("RUN get && \\\n    more", "RUN rm /a", ["RUN get && \\", "    more \\", " && rm /a"]),
        ("RUN get \\\n    && more", "RUN rm /a", ["RUN get \\", "    && more \\", "    && rm /a"]),
    ],
)
def test_two_runs_become_one_that_fails_when_either_did(tmp_path: Path, first: str, second: str, expected: list[str]) -> None:
    assert runs(tmp_path, first, second) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("RUN get # why", "RUN rm /a"),
        ("RUN get &", "RUN rm /a"),
        ("RUN exec get", "RUN rm /a"),
        ("RUN set -eu; get", "RUN rm $A; other"),
        ("RUN set -f; get", "RUN rm /a"),
        ("RUN get", "RUN set -e; rm /a; other"),
        ("RUN --network=none get", "RUN rm /a"),
        ("RUN get > /dev/shm/b", "RUN rm /a; more /dev/shm/b"),
    ],
)
def test_runs_that_would_change_each_other_are_left_alone(tmp_path: Path, first: str, second: str) -> None:
    assert runs(tmp_path, first, second) == []


SCRIPT = "RUN <<EOF\n{}\nEOF"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (SCRIPT.format("get\nmore # why"), "RUN rm /a", ["RUN <<EOF", "get", "more && # why", "rm /a", "EOF"]),
        ("RUN get && \\\n  more", SCRIPT.format("rm /a"), ["RUN <<EOF", "get && \\", "  more &&", "rm /a", "EOF"]),
        (SCRIPT.format("get"), SCRIPT.format("# b\nrm /a\ndo"), ["RUN <<EOF", "get &&", "{", "# b", "rm /a", "do", "}", "EOF"]),
        (SCRIPT.format("cd /x\nget"), "RUN rm /a", ["RUN <<EOF", "(", "cd /x", "get", ") &&", "rm /a", "EOF"]),
        (
            SCRIPT.format("set -eux\nget"),
            SCRIPT.format("set -eux\nrm /a\nmore"),
            ["RUN <<EOF", "set -eux", "get", "set -eux", "rm /a", "more", "EOF"],
        ),
        ("RUN set -ex; get", "RUN set -ex; rm /a; more", ["RUN set -ex; get; \\", " set -ex; rm /a; more"]),
        ("RUN set -euo pipefail; get", "RUN rm /a", ["RUN set -euo pipefail; get \\", " && rm /a"]),
    ],
)
def test_a_here_document_takes_in_the_other_run(tmp_path: Path, first: str, second: str, expected: list[str]) -> None:
    assert runs(tmp_path, first, second) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SCRIPT.format("#!/bin/python\nget"), "RUN rm /a"),
        (SCRIPT.format("set -e\nget"), SCRIPT.format("rm /a\nmore")),
        (SCRIPT.format("set -e\nget && more"), SCRIPT.format("set -e\nrm /a\nmore")),
        (SCRIPT.format("set -e\nget"), SCRIPT.format("set -e\nrm /a\nmore").replace("EOF", "EOT").replace("more", "EOF")),
        ("RUN get \\\n# why\n  && more", SCRIPT.format("rm /a")),
        ("RUN set -eo pipefail; get", "RUN rm /a && yes | head"),
        ("RUN set -e; get && more", "RUN set -e; rm /a; more"),
    ],
)
def test_scripts_that_would_change_each_other_are_left_alone(tmp_path: Path, first: str, second: str) -> None:
    assert runs(tmp_path, first, second) == []


SHELL = made("RUN base", file("bin/sh", b"x", mode=0o755))


def test_a_list_of_words_becomes_a_command_where_there_is_a_shell(tmp_path: Path) -> None:
    steps = (made('RUN ["mkdir", "/d x"]', big("d x/a")), made('RUN ["rm", "/d x/a"]', whiteout("d x/a")))
    _, lines = edited(tmp_path, SHELL, *steps, base=1)
    assert lines == ["RUN mkdir '/d x' \\", " && rm '/d x/a'"]


def test_a_list_of_words_stays_one_without_a_shell(tmp_path: Path) -> None:
    steps = (made('RUN ["mkdir", "/d"]', big("d/a")), made('RUN ["rm", "/d/a"]', whiteout("d/a")))
    assert edited(tmp_path, *steps)[1] == []


@pytest.mark.parametrize("between", ["USER x", "VOLUME /x", 'SHELL ["/bin/bash", "-c"]', "ENV PATH=/x", "WORKDIR /x"])
def test_a_run_does_not_pass_what_changes_it(tmp_path: Path, between: str) -> None:
    assert edited(tmp_path, made("RUN get", big("a")), between, made("RUN rm a", whiteout("a")))[1] == []


@pytest.mark.parametrize("between", ["LABEL a=b", "ENV A=b", "CMD x", "# why", "", "ARG N=1"])
def test_a_run_passes_what_it_does_not_notice(tmp_path: Path, between: str) -> None:
    _, lines = edited(tmp_path, made("RUN get", big("a")), between, made("RUN rm /a", whiteout("a")))
    rest = [between] if between and not between.startswith("#") else []
    assert lines == ["RUN get \\", *([between] if between.startswith("#") else []), " && rm /a", *rest]


def test_a_copy_between_stays_below_where_it_does_not_mind(tmp_path: Path) -> None:
    steps = (made("RUN get", big("x/a")), made("COPY b /b", big("b")), made("RUN rm -r /x", whiteout("x")))
    assert edited(tmp_path, *steps)[1] == ["RUN get \\", " && rm -r /x", "COPY b /b"]


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("unzip /x.zip && rm /x.zip", "unzip"),
        ("tar -xf /x.tar.xz && rm -f /x.zip", "xz"),
        ("for i in a; do rm /x.zip; done", "rm"),
    ],
)
def test_a_command_stays_below_what_installs_its_program(tmp_path: Path, command: str, program: str) -> None:
    steps = (
        made("RUN get", big("x.zip"), directory("usr/bin"), symlink("bin", "usr/bin")),
        made("RUN apt-get install it", big(f"usr/bin/{program}")),
        made(f"RUN {command}", whiteout("x.zip")),
    )
    assert edited(tmp_path, *steps)[1] == ["RUN get \\", " && apt-get install it \\", f" && {command}"]
    other = made("RUN apt-get install it", big("usr/bin/other"))
    assert edited(tmp_path, steps[0], other, steps[2])[1] == ["RUN get \\", f" && {command}", "RUN apt-get install it"]


def test_a_copy_that_a_later_run_reads_goes_above(tmp_path: Path) -> None:
    steps = (
        made("RUN apt-get install a", big("usr/bin/a")),
        made("COPY b /b", big("b")),
        made("RUN make /b", big("c")),
        made("RUN apt-get purge a", whiteout("usr/bin/a")),
    )
    _, lines = edited(tmp_path, *steps)
    assert lines == ["COPY b /b", "RUN apt-get install a \\", " && make /b \\", " && apt-get purge a"]


def test_a_copy_that_an_unknown_command_may_read_stays(tmp_path: Path) -> None:
    steps = (made("RUN get", big("a")), made("COPY b /b", big("b")), made("RUN make", big("c"), whiteout("a")))
    assert edited(tmp_path, *steps)[1] == []


def test_a_chown_of_a_copy_becomes_its_flag_below_the_user(tmp_path: Path) -> None:
    steps = (
        BASE,
        made("COPY . /app/", directory("app"), big("app/a"), big("app/b")),
        made(
            "RUN useradd app && chown -R app:app /app",
            WITH_APP,
            GROUPS,
            directory("app", uid=7, gid=7),
            *_owned("app/a", "app/b"),
        ),
    )
    advised, lines = edited(tmp_path, *steps, base=1)
    assert lines == ["RUN useradd app", "COPY --chown=app:app . /app/", "RUN chown app:app /app"]
    assert [(fix.id, fix.size) for fix in advised.fixes] == [("copy-chown-3", 400 * KB)]


def test_a_user_is_made_above_a_run_in_which_an_engine_made_files_to_mount_on(tmp_path: Path) -> None:
    """Podman leaves the /etc/hosts that it mounts in the first RUN's layer."""
    chowned = (directory("app", uid=7, gid=7), *_owned("app/a"))
    steps = (
        BASE,
        made("RUN make", directory("app"), big("app/a"), file("etc/hosts", b"")),
        made("RUN useradd app", WITH_APP, GROUPS),
        made("RUN chown -R app:app /app", *chowned),
    )
    assert edited(tmp_path, *steps, base=1)[1] == ["RUN useradd app", "RUN make \\", " && chown -R app:app /app"]


def test_directories_that_podman_leaves_to_the_copy_to_make_keep_their_owner(tmp_path: Path) -> None:
    """Podman's WORKDIR makes none: COPY --chown would make /srv, too, which is root's."""
    steps = (
        "WORKDIR /srv/app",
        made("COPY . .", directory("srv"), directory("srv/app"), big("srv/app/a")),
        made("RUN chown -R 7:7 /srv/app", directory("srv/app", uid=7, gid=7), *_owned("srv/app/a")),
    )
    assert edited(tmp_path, *steps)[1] == []


def test_a_chown_of_what_a_run_wrote_goes_into_that_run(tmp_path: Path) -> None:
    steps = (
        made("RUN mkdir /x && make", directory("x"), big("x/a")),
        made("RUN chown -R 7:7 /x", directory("x", uid=7, gid=7), *_owned("x/a")),
    )
    assert edited(tmp_path, *steps)[1] == ["RUN mkdir /x && make \\", " && chown -R 7:7 /x"]


def test_a_mode_of_a_file_below_what_gets_an_owner_is_set_too(tmp_path: Path) -> None:
    steps = (
        made("RUN get", directory("t"), directory("t/bin"), big("t/bin/a"), big("t/b")),
        made(
            "RUN chmod +x /t/bin/* && chmod 700 /t/bin && chown -R 7:7 /t",
            directory("t", uid=7, gid=7),
            directory("t/bin", mode=0o700, uid=7, gid=7),
            big("t/bin/a", mode=0o755, uid=7, gid=7),
            big("t/b", uid=7, gid=7),
        ),
    )
    assert edited(tmp_path, *steps)[1] == ["RUN get \\", " && chmod +x /t/bin/a && chmod 700 /t/bin && chown -R 7:7 /t"]


def test_a_user_that_cannot_be_made_earlier_leaves_the_chown(tmp_path: Path) -> None:
    """The home is the directory that the COPY fills: made before, it would get files of its own."""
    steps = (
        BASE,
        made("COPY . /app/", directory("app"), big("app/a")),
        made(
            "RUN useradd -d /app app && chown -R app:app /app",
            WITH_APP,
            GROUPS,
            directory("app", uid=7, gid=7),
            *_owned("app/a"),
        ),
    )
    assert edited(tmp_path, *steps, base=1)[1] == []


def test_a_mode_is_copied_by_buildkit_alone(tmp_path: Path) -> None:
    steps = (made("COPY a /a", big("a")), made("RUN chmod 755 /a", big("a", mode=0o755)))
    assert edited(tmp_path, *steps)[1] == ["COPY --chmod=0755 a /a"]


def test_what_a_run_removes_of_a_copy_is_ignored(tmp_path: Path) -> None:
    steps = (
        made("COPY . /app/", directory("app"), big("app/a"), big("app/tests/x"), big("app/tests/y")),
        made("RUN rm -rf /app/tests", whiteout("app/tests")),
    )
    advised, lines = edited(tmp_path, *steps, context={"a": "", "tests/x": ""})
    assert lines == ["tests"]
    assert [(fix.kind, fix.size) for fix in advised.fixes] == [("dockerignore", 400 * KB)]
    assert b"app/tests" in advised.fixes[0].paths


def test_what_a_run_uses_before_it_removes_it_is_copied(tmp_path: Path) -> None:
    steps = (
        made("COPY . /app/", directory("app"), big("app/a"), big("app/tests/x")),
        made("RUN make && rm -rf /app/tests", whiteout("app/tests")),
    )
    assert edited(tmp_path, *steps, context={"a": "", "tests/x": ""})[1] == []


def test_all_edits_together_save_the_sum(tmp_path: Path) -> None:
    """`.git` is stored twice, by COPY and by chown; the fixes take it once each."""
    steps = (
        made("COPY . /app/", directory("app"), big("app/a"), big("app/.git/x")),
        made("RUN chown -R 7:7 /app", directory("app", uid=7, gid=7), *_owned("app/a", "app/.git/x")),
    )
    advised, _ = edited(tmp_path, *steps, context={"a": "", ".git/x": ""})
    assert {fix.kind: fix.size for fix in advised.fixes} == {"dockerignore": 400 * KB, "copy-chown": 200 * KB}
    assert advised.edited_bytes == 600 * KB


@pytest.mark.parametrize(
    "then",
    [
        made("RUN apt-get install -y x", big("usr/bin/x")),
        made("RUN ./install.sh", big("usr/bin/x")),
    ],
)
def test_lists_that_a_later_run_needs_go_when_it_has_used_them(tmp_path: Path, then: Step) -> None:
    """The two RUNs become one, and its end removes the lists."""
    lists = made("RUN apt-get update", big("var/lib/apt/lists/x"))
    assert edited(tmp_path, lists, then)[1] == [
        "RUN apt-get update \\",
        f" && {then[0][4:]} \\",
        " && rm -rf /var/lib/apt/lists/*",
    ]
    assert edited(tmp_path, lists, "USER x", then)[1] == []


def test_the_lock_that_cleaning_makes_goes_with_the_lists(tmp_path: Path) -> None:
    install = "RUN apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists/*"
    steps = made(install, directory("var/lib/apt/lists"), big("var/cache/apt/archives/a.deb")), "USER x"
    assert edited(tmp_path, *steps)[1][:2] == [f"{install} \\", " && apt-get clean && rm -rf /var/lib/apt/lists/*"]


def test_lists_that_each_run_fetches_are_removed_in_each(tmp_path: Path) -> None:
    one, two = "RUN apt-get update && apt-get install a", "RUN apt-get update && apt-get install b"
    steps = (made(one, big("var/lib/apt/lists/x")), "USER x", "USER root", made(two, big("var/lib/apt/lists/y")))
    _, lines = edited(tmp_path, *steps)
    clean = " && rm -rf /var/lib/apt/lists/*"
    assert lines == [f"{one} \\", clean, "USER x", "USER root", f"{two} \\", clean]


@pytest.mark.parametrize(
    "later", ["RUN pip install --no-index x", "RUN cp -r /root/.cache/pip /x", "CMD cat /root/.cache/pip/a"]
)
def test_a_cache_that_is_used_later_stays(tmp_path: Path, later: str) -> None:
    steps = (made("RUN pip install a", big("root/.cache/pip/a")), made(later, "x") if later.startswith("RUN") else later)
    assert edited(tmp_path, *steps)[1] == []


MODULES = made("RUN go mod download", big("go/pkg/mod/a"))
BUILD = made("RUN CGO_ENABLED=0 go build -o /bin/app .", big("root/.cache/go-build/a"), "bin/app")


@pytest.mark.parametrize("later", ["RUN rm -rf /go/src", "CMD /bin/app --go", "COPY go.mod /go.mod"])
def test_a_compilers_cache_goes_after_its_last_use(tmp_path: Path, later: str) -> None:
    _, lines = edited(tmp_path, BUILD, made(later, "x") if not later.startswith("CMD") else later)
    assert lines == [f"{BUILD[0]} \\", " && rm -rf /root/.cache/go-build", later]


@pytest.mark.parametrize(
    "later", ["RUN go test ./...", "RUN sh -c 'go vet'", "RUN ./build.sh", "RUN make", "CMD go run .", "CMD ['go']"]
)
def test_a_compilers_cache_that_is_used_later_stays(tmp_path: Path, later: str) -> None:
    assert edited(tmp_path, BUILD, made(later, "x") if later.startswith("RUN") else later)[1] == []


def test_a_cache_that_a_run_fills_for_later_ones_is_told_with_the_one_that_needs_it(tmp_path: Path) -> None:
    advised, lines = edited(tmp_path, MODULES, made("COPY . .", "x"), BUILD)
    assert lines == [MODULES[0], "COPY . .", f"{BUILD[0]} \\", " && rm -rf /root/.cache/go-build"]
    (fix,) = [fix for fix in advised.fixes if not fix.has_edit]
    assert fix.by_hand == "Line 4 works from it, and cannot be joined with the RUN that fills it."


def test_a_cache_goes_beside_another_of_the_same_home(tmp_path: Path) -> None:
    install = made("RUN pip install a", big("root/.cache/pip/a"))
    _, lines = edited(tmp_path, BUILD, install)
    assert lines == [
        f"{BUILD[0]} \\",
        " && rm -rf /root/.cache/go-build",
        "RUN pip install a \\",
        " && rm -rf /root/.cache/pip",
    ]


def test_a_cache_that_nothing_was_built_from_stays(tmp_path: Path) -> None:
    assert edited(tmp_path, MODULES)[1] == []


def test_a_cache_that_only_root_could_remove_stays(tmp_path: Path) -> None:
    assert edited(tmp_path, "USER app", made("RUN go build .", big("go/pkg/mod/a")))[1] == []


def test_packages_that_plug_and_play_reads_in_their_cache_stay(tmp_path: Path) -> None:
    install = made("RUN yarn install", big("root/.yarn/berry/cache/a.zip"))
    assert edited(tmp_path, install)[1] == [f"{install[0]} \\", " && rm -rf /root/.yarn/berry/cache"]
    assert edited(tmp_path, made("RUN yarn install", big("root/.yarn/berry/cache/a.zip"), "app/.pnp.cjs"))[1] == []


def test_an_index_that_a_later_run_installs_by_stays(tmp_path: Path) -> None:
    update = made("RUN apk update", big("var/cache/apk/APKINDEX.tar.gz"))
    assert edited(tmp_path, update, made("RUN apk add git", "git"))[1] == []
    later = "RUN apk add --no-cache git"
    assert edited(tmp_path, update, made(later, "git"))[1] == ["RUN apk update \\", " && rm -rf /var/cache/apk/*", later]


def test_a_cache_that_a_joined_run_uses_stays(tmp_path: Path) -> None:
    steps = (
        made("RUN pip install a", big("root/.cache/pip/a")),
        made("RUN touch /z", big("x")),
        made("RUN cp -r /root/.cache/pip /y && rm /x", whiteout("x")),
    )
    assert edited(tmp_path, *steps)[1] == ["RUN pip install a", "RUN touch /z \\", " && cp -r /root/.cache/pip /y && rm /x"]


def test_a_core_dump_is_removed_where_it_is_written(tmp_path: Path) -> None:
    steps = (made("RUN crash;", big("core.123"), big("app/core.py"), big("tmp/x/y")), made("RUN rm -f /z", "z"))
    assert edited(tmp_path, *steps)[1][:2] == ["RUN crash \\", " && rm -rf /core.123 /tmp/x"]
    assert edited(tmp_path, steps[0], made("RUN analyze", "z"))[1] == []
    script = made("COPY run.sh /run.sh", file("run.sh", b"cat /tmp/x/*"))
    assert edited(tmp_path, steps[0], script, 'ENTRYPOINT ["sh", "/run.sh"]')[1] == []


def test_a_temporary_directory_goes_as_a_whole_if_one_run_made_it(tmp_path: Path) -> None:
    tmp = directory("tmp", mode=0o1777)
    first = made("RUN build", tmp, *(big(f"tmp/b/{number}", 50 * KB) for number in range(8)), big("tmp/c/x"))
    assert edited(tmp_path, first)[1] == ["RUN build \\", " && rm -rf /tmp/b /tmp/c"]
    later = made("RUN touch /tmp/c/y", "tmp/c/y")
    assert edited(tmp_path, first, later)[1][:2] == [
        "RUN build \\",
        " && rm -rf /tmp/b /tmp/c/x",
    ]


def test_logs_and_core_dumps_of_the_context_are_ignored(tmp_path: Path) -> None:
    names = ("logs/app.log", "core.77", "sub/npm-debug.log", "notes.log")
    steps = (made("COPY . /app", *(big(f"app/{name}") for name in names)),)
    assert edited(tmp_path, *steps, context=dict.fromkeys(names, "x"))[1] == ["core.77", "logs/app.log", "sub/npm-debug.log"]


def test_a_file_reached_through_a_symlink_is_read_there(tmp_path: Path) -> None:
    steps = (
        made("RUN mkdir /real && ln -s /real /link && head -c 9 /dev/zero > /real/x", symlink("link", "real"), big("real/x")),
        made("RUN cp /link/x /kept", big("kept", seed="real/x")),
        made("RUN rm /link/x", whiteout("real/x")),
    )
    _, lines = edited(tmp_path, *steps)
    assert lines[1:] == [" && cp /link/x /kept \\", " && rm /link/x"]


def test_a_change_of_one_of_two_hard_links_keeps_its_layer(tmp_path: Path) -> None:
    steps = (
        made("RUN a", big("h/a"), hardlink("h/b", "h/a")),
        made("RUN chmod 600 /h/a", big("h/a", mode=0o600), whiteout("h/b")),
    )
    assert edited(tmp_path, *steps)[1] == []


def test_a_link_that_buildkit_stores_as_a_file_keeps_its_layer(tmp_path: Path) -> None:
    steps = (
        made("RUN make", big("h/a")),
        made("RUN ln /h/a /h/b", big("h/b", seed="h/a")),
        made("RUN chmod 600 /h/a; echo >> /h/b", big("h/a", mode=0o600), big("h/b", 200 * KB + 1)),
    )
    assert edited(tmp_path, *steps)[1] == []


def test_a_user_whose_number_changes_is_not_named_earlier(tmp_path: Path) -> None:
    other = file("etc/passwd", b"app:x:9:9::/home/app:/bin/sh\n")
    steps = (
        BASE,
        made("RUN useradd app", WITH_APP, GROUPS),
        made("COPY a /app/", directory("app"), big("app/a")),
        made("RUN edit /etc/passwd", other),
        made("RUN chown -R app /app", directory("app", uid=9), big("app/a", uid=9)),
    )
    assert edited(tmp_path, *steps, base=1)[1] == []


def test_what_is_copied_twice_is_copied_once(tmp_path: Path) -> None:
    steps = (
        made("COPY . /app/", directory("app"), directory("app/src"), big("app/src/a"), big("app/b")),
        made("COPY src/ /app/src/", directory("app"), directory("app/src"), big("app/src/a", mtime=9)),
    )
    advised, lines = edited(tmp_path, *steps, context={"src/a": "", "b": ""})
    assert lines == ["COPY . /app/"]
    assert [(fix.kind, fix.size) for fix in advised.fixes] == [("copied-twice", 200 * KB)]


def test_the_same_bytes_from_elsewhere_are_copied(tmp_path: Path) -> None:
    """They may differ the next time."""
    steps = (
        made("COPY . /app/", directory("app"), big("app/a")),
        made("COPY other /app/a", directory("app"), big("app/a", mtime=9)),
    )
    assert edited(tmp_path, *steps, context={"a": "", "other": ""})[1] == []


def test_of_a_stage_only_what_stays_is_copied(tmp_path: Path) -> None:
    steps = (
        BASE,
        made("RUN mkdir /o", directory("o")),
        made("COPY --from=alpine /out/ /o", directory("o"), big("o/a"), big("o/b"), big("o/c")),
        made("RUN rm /o/b && echo x > /d", whiteout("o/b"), file("d", b"x")),
    )
    _, lines = edited(tmp_path, *steps, base=1)
    assert lines == ["RUN mkdir /o", "COPY --from=alpine /out/a /out/c /o/", "RUN echo x > /d"]


def test_a_directory_that_a_copy_names_is_not_ignored_as_a_whole(tmp_path: Path) -> None:
    steps = (made("ADD lib /app/", directory("app"), big("app/b")), made("RUN rm -f /app/b", whiteout("app/b")))
    assert edited(tmp_path, *steps, context={"lib/b": ""})[1] == []


def test_what_one_run_uses_and_removes_is_mounted_by_buildkit(tmp_path: Path) -> None:
    steps = (
        made("RUN mkdir /t", directory("t")),
        made("COPY wheels /t/wheels", directory("t"), directory("t/wheels"), big("t/wheels/a")),
        made("RUN pip install /t/wheels/a && rm -rf /t/wheels /z", whiteout("t/wheels"), "usr/a"),
    )
    assert edited(tmp_path, *steps, context={"wheels/a": ""})[1] == [
        "RUN mkdir /t",
        "RUN --mount=type=bind,source=wheels,target=/t/wheels,rw pip install /t/wheels/a && rm -rf /z",
    ]
    linking = made("RUN ln /t/wheels/a /usr/a && rm -rf /t/wheels", whiteout("t/wheels"), "usr/a")
    assert edited(tmp_path, *steps[:2], linking, context={"wheels/a": ""})[1] == []
    between = made("RUN cp -r /t /y", big("y/wheels/a", seed="t/wheels/a"))
    assert edited(tmp_path, *steps[:2], between, steps[2], context={"wheels/a": ""})[1] == []


def test_of_several_places_those_are_copied_with_their_owner_that_can_be(tmp_path: Path) -> None:
    """The base's file in /var/log has to be stored again."""
    steps = (
        made("RUN base", directory("var"), directory("var/log"), big("var/log/a"))[:2],
        made("COPY x /app/", directory("app"), big("app/a")),
        made(
            "RUN chown -R 7:7 /app /var/log",
            directory("app", uid=7, gid=7),
            directory("var/log", uid=7, gid=7),
            *_owned("app/a", "var/log/a"),
        ),
    )
    _, lines = edited(tmp_path, *steps, base=1)
    assert lines == ["COPY --chown=7:7 x /app/", "RUN chown -R 7:7 /var/log && chown 7:7 /app"]


def test_a_file_that_is_moved_elsewhere_keeps_its_owner(tmp_path: Path) -> None:
    steps = (
        made("COPY . /app/", directory("app"), big("app/a"), big("app/b")),
        made("RUN mv /app/b /c", big("c", seed="app/b"), whiteout("app/b")),
        made("RUN chown -R 7:7 /app", directory("app", uid=7, gid=7), *_owned("app/a")),
    )
    assert edited(tmp_path, *steps)[1] == []


@pytest.mark.parametrize(
    "between", ["find / -user root", "ls -l /app > /b", "stat /app/a", "cp -a /app/b /c", "test -w /app/a"]
)
def test_a_copy_whose_owner_is_asked_for_keeps_it(tmp_path: Path, between: str) -> None:
    steps = (
        made("COPY . /app/", directory("app"), big("app/a")),
        made(f"RUN {between}", "b"),
        made("RUN chown -R 7:7 /app", directory("app", uid=7, gid=7), *_owned("app/a")),
    )
    assert edited(tmp_path, *steps)[1] == []
    other = made(f"RUN {'find / -name x' if 'find' in between else between.replace('/app', '/etc')}", "b")
    assert edited(tmp_path, steps[0], other, steps[2])[1] != []


@pytest.mark.parametrize("asking", ["awk 1 /etc/passwd", "id app || touch /b", "getent passwd", "sh /b.sh"])
def test_a_user_is_not_made_above_what_asks_for_users(tmp_path: Path, asking: str) -> None:
    steps = (
        (BASE[0], made("", PASSWD, file("usr/sbin/useradd", b"x"), file("b.sh", b"id app\n"))[1]),
        made("COPY . /app/", directory("app"), big("app/a")),
        made(f"RUN {asking}", "b"),
        made("RUN useradd app", WITH_APP, GROUPS),
        made("RUN chown -R app:app /app", directory("app", uid=7, gid=7), *_owned("app/a")),
    )
    assert edited(tmp_path, *steps, base=1)[1] == []
    other = made("RUN build", "b")
    assert edited(tmp_path, *steps[:2], other, *steps[3:], base=1)[1][0] == "RUN useradd app"


def test_a_linked_copy_names_its_owner_by_numbers(tmp_path: Path) -> None:
    steps = (
        (BASE[0], made("", WITH_APP, GROUPS)[1]),
        made("COPY --link x /app/", directory("app"), big("app/a")),
        made("RUN chown -R app:app /app", directory("app", uid=7, gid=7), *_owned("app/a")),
    )
    assert edited(tmp_path, *steps, base=1)[1][0] == "COPY --chown=7:7 --link x /app/"


@pytest.mark.parametrize(
    "needing",
    ["cd tests && touch /b", "ls > /b", "ls | wc -l > /b", "touch tests/b", "chmod +x test*", "for i in a; do cd tests; done"],
)
def test_what_a_command_names_or_lists_before_it_is_removed_is_copied(tmp_path: Path, needing: str) -> None:
    steps = (
        "WORKDIR /app",
        made("COPY . .", directory("app"), big("app/a"), big("app/tests/x")),
        made(f"RUN {needing}", "b"),
        made("RUN rm -rf tests", whiteout("app/tests")),
    )
    files = {"a": "", "tests/x": ""}
    assert edited(tmp_path, *steps, context=files)[1] == []
    for harmless in ("RUN ls -l", "RUN chmod +x *", "RUN cd /app && touch b"):
        assert edited(tmp_path, *steps[:2], made(harmless, "b"), steps[3], context=files)[1] == ["tests"]


@pytest.mark.parametrize(("source", "ignored"), [("/src", []), ("/src/.git/x", []), ("$A", []), ("/src/dist", [".git"])])
def test_what_another_stage_hands_on_is_not_ignored(tmp_path: Path, source: str, ignored: list[str]) -> None:
    (tmp_path / "Dockerfile").write_text(
        f"FROM base AS build\nWORKDIR /src\nCOPY . .\nFROM build AS more\n"
        f"FROM scratch\nCOPY --from=more {source} /b\nCOPY . /app/\n"
    )
    for name in ("a", ".git/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    steps = (
        made(f"COPY --from=more {source} /b", big("b")),
        made("COPY . /app/", directory("app"), big("app/a"), big("app/.git/x")),
    )
    advised = advise(analyzed(tmp_path, *steps), tmp_path / "Dockerfile", root=tmp_path)
    assert advised.plan is not None
    lines = [each.after.splitlines() for each in advised.plan.changed() if each.path == ".dockerignore"]
    assert lines == ([ignored] if ignored else [])


def test_an_exception_above_does_not_bring_back_what_is_ignored(tmp_path: Path) -> None:
    steps = (
        made("COPY . /app/", directory("app"), big("app/a"), big("app/tests/x")),
        made("RUN rm -rf /app/tests", whiteout("app/tests")),
    )
    files = {"a": "", "tests/x": "", ".dockerignore": "*\n!a\n!tests/x\n"}
    assert edited(tmp_path, *steps, context=files)[1] == ["*", "!a", "!tests/x", "tests", "tests/**"]


def _owned(*names: str) -> list[Member]:
    return [big(name, uid=7, gid=7) for name in names]


PLACES = ["a", "b", "x/a", "x/b", "root/.cache/pip/a", "var/lib/apt/lists/a", "tmp/a", "app/.git/a"]
ITEMS = st.one_of(
    st.builds(
        big,
        st.sampled_from(PLACES),
        st.sampled_from([120 * KB, 150 * KB]),
        seed=st.sampled_from("pq"),
        uid=st.integers(0, 1),
        mode=st.sampled_from([0o644, 0o600]),
    ),
    st.builds(whiteout, st.sampled_from([*PLACES, "x", "app"])),
    st.builds(directory, st.sampled_from(["x", "app", "tmp"]), uid=st.integers(0, 1)),
)
INSTRUCTIONS = [
    "RUN rm -rf /x",
    "RUN chown -R 1 /x /app",
    "RUN chmod -R 600 /x; true",
    "RUN make",
    "RUN cp /a /b && rm /a;",
    "RUN apt-get update && apt-get install x",
    "COPY x /x/",
    "COPY . /",
    "ADD a.tar /",
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(INSTRUCTIONS), st.lists(ITEMS, min_size=1, max_size=4)),
        st.sampled_from(["ENV A=b", "USER root", "LABEL a=b", "# a comment", ""]),
    ),
    min_size=2,
    max_size=7,
)


@settings(max_examples=60)
@given(STEPS)
def test_the_sum_of_all_fixes_is_what_the_edited_image_stores_less(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, list[Member]] | str]
) -> None:
    path = tmp_path_factory.mktemp("image")
    steps = [step if isinstance(step, str) else (step[0], Layer(tuple(step[1]))) for step in drawn]
    assume(any(not isinstance(step, str) for step in steps))
    analysis = analyzed(path, *(step for step in steps if not isinstance(step, str)))
    text = "\n".join(["FROM scratch", *(step if isinstance(step, str) else step[0] for step in steps)]) + "\n"
    (path / "Dockerfile").write_text(text)
    parsed = parse_dockerfile(text)
    workshop = Workshop.of(analysis, text, parsed, map_layers(analysis.image, parsed))
    assume(workshop is not None)
    assert workshop is not None
    before = workshop.draft.stored.total
    fixes, plan = edited_fixes(workshop, places_of(path / "Dockerfile", path))
    assert before == analysis.waste.content_bytes
    assert sum(fix.size for fix in fixes) == before - workshop.draft.stored.total
    assert plan.program.text() == text
    for name in plan.steps:
        for each in plan.changed([name]):
            assert each.path == ".dockerignore" or parse_dockerfile(each.after)
    after = next((each.after for each in plan.changed() if each.path == "Dockerfile"), text)
    kept = [line for line in text.splitlines() if line.split(" ")[0] in ("ENV", "USER", "LABEL", "#")]
    assert [line for line in after.splitlines() if line in kept] == kept


def test_what_a_run_moves_is_copied_to_where_it_ends_up(tmp_path: Path) -> None:
    steps = (
        made("COPY a /tmp/a", directory("tmp"), big("tmp/a")),
        made("RUN mkdir -p /opt && mv /tmp/a /opt/b", directory("opt"), big("opt/b", seed="tmp/a"), whiteout("tmp/a")),
    )
    _, lines = edited(tmp_path, made("RUN base", directory("tmp")), *steps, base=1, context={"a": "a"})
    assert lines == ["COPY a /opt/b", "RUN mkdir -p /opt"]


@pytest.mark.parametrize(
    "command",
    [
        "mkdir /opt && mv /tmp/a /opt/b",
        "mkdir -p /opt && cp /tmp/a /c && mv /tmp/a /opt/b",
        "mkdir -p /opt && make && mv /tmp/a /opt/b",
        "mkdir -p /opt; mv /tmp/a /opt/b || true",
        "mkdir -p /opt && cd /tmp && mv a /opt/b",
    ],
)
def test_what_is_used_before_it_is_moved_is_copied_there(tmp_path: Path, command: str) -> None:
    steps = (
        made("COPY a /tmp/a", directory("tmp"), big("tmp/a")),
        made(f"RUN {command}", directory("opt"), big("opt/b", seed="tmp/a"), whiteout("tmp/a")),
    )
    assert edited(tmp_path, made("RUN base", directory("tmp")), *steps, base=1, context={"a": "a"})[1] == []


@pytest.mark.parametrize(("uid", "is_added"), [(7, True), (8, False)])
def test_an_archive_is_added_that_was_unpacked_as_its_headers_say(tmp_path: Path, uid: int, *, is_added: bool) -> None:
    archive = layer(big("x", uid=7)).tar()
    steps = (
        made("COPY t.tar /t.tar", file("t.tar", archive)),
        made("RUN mkdir -p /opt && tar -xf /t.tar -C /opt", directory("opt"), big("opt/x", seed="x", uid=uid)),
        made("RUN rm /t.tar", whiteout("t.tar")),
    )
    (tmp_path / "t.tar").write_bytes(archive)
    _, lines = edited(tmp_path, *steps)
    assert lines == (["ADD t.tar /opt/", "RUN mkdir -p /opt"] if is_added else [])


@pytest.mark.parametrize(
    ("copy", "change", "expected"),
    [
        ("COPY a b /app/", "chown -R app:app /app", ["COPY --chown=app:app a b /app/", "RUN chown app:app /app"]),
        ("COPY * /app/", "chown -R 7:7 /app", ["COPY --chown=7:7 * /app/", "RUN chown 7:7 /app"]),
        (
            "COPY . /app",
            "chown -R app /app && chgrp -R app /app",
            ["COPY --chown=app:app . /app", "RUN chown app /app && chgrp app /app"],
        ),
        ("COPY . /app", "chown -hR app: /app/", ["COPY --chown=app:app . /app", "RUN chown -h app: /app"]),
        ("COPY . /app", "chown --recursive app:app /app/*", []),
        ('COPY [".", "/app"]', "chown -R app:app /app", ['COPY --chown=app:app [".", "/app"]', "RUN chown app:app /app"]),
        ("ADD . /app", "chown -R app:app /app", []),
        ("COPY . /app", "find /app -exec chown app:app {} +", []),
        ("COPY . /app", "chown -R $USER /app", []),
    ],
)
def test_everyday_ways_to_say_who_owns_what_is_copied(tmp_path: Path, copy: str, change: str, expected: list[str]) -> None:
    top = () if "*" in change else (directory("app", uid=7, gid=7),)
    steps = (
        ("RUN base", made("", WITH_APP, GROUPS)[1]),
        made(copy, directory("app"), big("app/a"), big("app/b")),
        made(f"RUN {change}", *top, *_owned("app/a", "app/b")),
    )
    assert edited(tmp_path, *steps, base=1)[1] == expected
