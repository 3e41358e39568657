"""Fixes: what to change in a Dockerfile, and the bytes that it saves."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerscope.advice.advise import advise
from layerscope.advice.fixes.fix_context import TRIFLE_BYTES
from layerscope.advice.fixes.known_caches import CACHES
from support.fixing import KB, advice, analyzed, big, made, only, said
from support.image_builder import Layer, directory, file, hardlink, whiteout

BASE = made("RUN base", big("bin/sh"), big("usr/lib/base", mode=0o600))


def test_a_removal_in_the_next_run_says_to_join_the_two(tmp_path: Path) -> None:
    fix = only(advice(tmp_path, made("RUN get", big("x/a"), "x/b"), made("RUN rm -rf /x", whiteout("x"))))
    assert (fix.kind, fix.layers, fix.line) == ("join-runs", (2, 1), 3)
    assert fix.size == 200 * KB + len(b"content of x/b\n")
    assert fix.sentence[:-1] == (
        "line 3 `RUN rm -rf /x` removes what line 2 `RUN get` wrote: 200 kB stay in layer 1; join the two RUNs"
    )
    assert fix.paths == (b"x/a", b"x/b")


def test_a_removal_further_down_says_where_to_remove(tmp_path: Path) -> None:
    layers = (made("RUN get", big("a")), made("COPY b /b", "b"), made("RUN apt-get purge x", whiteout("a")))
    assert said(advice(tmp_path, *layers)).endswith("join the two RUNs")
    sentence = said(advice(tmp_path, *layers[:1], made("USER x", "u"), *layers[1:]))
    assert sentence.endswith("remove it in the RUN of line 2, or build in a separate stage and copy the result")


def test_of_what_several_runs_wrote_all_are_named(tmp_path: Path) -> None:
    layers = (made("RUN a", big("a")), made("RUN b", big("b", 300 * KB)), made("RUN rm /a /b", whiteout("a"), whiteout("b")))
    fix = only(advice(tmp_path, *layers))
    assert (fix.layers, fix.size) == ((3, 2, 1), 500 * KB)
    assert (
        "removes what lines 2 and 3 wrote: 500 kB stay in layers 1 and 2; join the RUNs of lines 2, 3 and 4"
        in fix.sentence[:-1]
    )


def test_without_a_dockerfile_layers_are_named(tmp_path: Path) -> None:
    layers = (made("RUN get", big("x/a")), made("RUN rm -rf /x", whiteout("x")))
    advised = advice(tmp_path, *layers, has_dockerfile=False)
    assert (advised.dockerfile, advised.lines, only(advised).line) == ("", {}, None)
    assert said(advised).startswith("layer 2 `RUN rm -rf /x` removes what layer 1 `RUN get` wrote: 200 kB stay in")


def test_a_copy_for_the_next_command_alone_becomes_a_mount(tmp_path: Path) -> None:
    layers = (made("COPY app.deb /tmp/", big("tmp/app.deb")), made("RUN dpkg -i && rm /tmp/app.deb", whiteout("tmp/app.deb")))
    fix = only(advice(tmp_path, *layers))
    assert (fix.kind, fix.size) == ("bind-mount", 200 * KB)
    assert fix.sentence[:-1].endswith("use `RUN --mount=type=bind` instead of the COPY")


@pytest.mark.parametrize(
    ("instruction", "remedy"),
    [
        ("COPY . /srv/", "leave them out of what is copied, in .dockerignore"),
        ("COPY --from=build /out/ /srv/", "copy only what is needed from that stage"),
        ("ADD base.tar.gz /srv/", "leave them out of the archive"),
    ],
)
def test_a_part_of_a_copy_that_is_removed_is_left_out(tmp_path: Path, instruction: str, remedy: str) -> None:
    layers = (made(instruction, big("srv/a"), big("srv/tests")), made("RUN rm -rf /srv/tests", whiteout("srv/tests")))
    fix = only(advice(tmp_path, *layers))
    assert (fix.kind, fix.size) == ("copy-less", 200 * KB)
    assert fix.sentence[:-1].endswith(remedy)


def test_a_chown_of_a_copy_says_to_copy_with_the_owner(tmp_path: Path) -> None:
    layers = (made("COPY a /app/", big("app/a")), made("RUN chown -R app:app /app", big("app/a", uid=7, gid=8)))
    fix = only(advice(tmp_path, *layers))
    assert (fix.kind, fix.layers, fix.line, fix.size) == ("copy-chown", (2, 1), 3, 200 * KB)
    assert fix.sentence[:-1] == (
        "line 3 `RUN chown -R app:app /app` copies 200 kB of layer 1, with another owner: use `COPY --chown=app:app` on line 2"
    )


def test_an_owner_that_the_command_does_not_spell_is_the_images(tmp_path: Path) -> None:
    layers = (made("COPY a /app/", big("app/a")), made("RUN ./fix.sh", big("app/a", uid=7, gid=8)))
    assert "use `COPY --chown=7:8` on line 2" in said(advice(tmp_path, *layers))


def test_a_chown_of_a_part_says_what_the_flag_would_change_as_well(tmp_path: Path) -> None:
    layers = (made("COPY . /app/", big("app/a"), big("app/b")), made("RUN chown 7 /app/a", big("app/a", uid=7)))
    assert said(advice(tmp_path, *layers)).endswith("on line 2, if that is right for everything copied there (400 kB)")


def test_a_chmod_of_a_copy_says_to_copy_with_the_mode(tmp_path: Path) -> None:
    layers = (made("ADD a /app/", big("app/a")), made("RUN chmod -R 0755 /app", big("app/a", mode=0o755)))
    fix = only(advice(tmp_path, *layers))
    assert fix.kind == "copy-chmod"
    assert fix.sentence[:-1].endswith("with another mode: use `ADD --chmod=0755` on line 2")


def test_a_chmod_of_what_a_run_wrote_belongs_into_that_run(tmp_path: Path) -> None:
    layers = (made("RUN make", big("a")), made("USER x", "b"), made("RUN chmod 700 /a", big("a", mode=0o700)))
    fix = only(advice(tmp_path, *layers, has_dockerfile=False))
    assert (fix.kind, fix.layers) == ("join-runs", (3, 1))
    assert fix.sentence[:-1].endswith("stores 200 kB of layer 1 again, with another mode: do it in the RUN of layer 1")


def test_a_chmod_that_changes_nothing_is_told_so(tmp_path: Path) -> None:
    layers = (made("COPY a /", big("a")), made("RUN chmod -R a+r /", big("a")))
    fix = only(advice(tmp_path, *layers, has_dockerfile=False))
    assert fix.kind == "rewritten"
    assert fix.sentence[:-1].endswith(
        "stores 200 kB of layer 1 again, and changes nothing about them: limit it to what needs it"
    )
    assert said(advice(tmp_path, *layers)).endswith("stores 200 kB again, and changes nothing about them: leave it out")


def test_what_is_moved_is_written_where_it_ends_up(tmp_path: Path) -> None:
    layers = (
        made("COPY a /tmp/", big("tmp/a", seed="m")),
        made("RUN b", big("tmp/b", 300 * KB, seed="n")),
        made("RUN mv", big("a", seed="m"), big("b", 300 * KB, seed="n"), whiteout("tmp")),
    )
    advised = advice(tmp_path, *layers)
    assert [(fix.kind, fix.size) for fix in advised.fixes] == [("join-runs", 300 * KB), ("copy-to-place", 200 * KB)]
    assert advised.fixes[1].sentence[:-1].endswith("layer 1 keeps 200 kB; copy them to where they end up")


def test_the_same_bytes_copied_again_are_written_once(tmp_path: Path) -> None:
    layers = (made("COPY a /x/", big("x/a")), made("COPY . /x/", big("x/a", mtime=5)))
    fix = only(advice(tmp_path, *layers))
    assert (fix.kind, fix.layers) == ("copied-twice", (2, 1))
    assert "copies 200 kB again that line 2 wrote already, byte for byte" in fix.sentence[:-1]


def test_what_a_run_replaces_of_a_copy_is_made_in_a_stage(tmp_path: Path) -> None:
    layers = (made("COPY a /a", big("a")), made("RUN strip /a", big("a", seed="s")))
    assert only(advice(tmp_path, *layers)).kind == "build-stage"


def test_a_path_twice_in_one_layer_is_told(tmp_path: Path) -> None:
    fix = only(advice(tmp_path, made("COPY a /a", big("a", seed="1"), big("a", 300 * KB, seed="2"))))
    assert (fix.kind, fix.layers, fix.size) == ("shadowed", (1,), 200 * KB)


def test_files_of_the_base_that_are_touched_are_told_apart(tmp_path: Path) -> None:
    layers = (
        BASE,
        made("RUN chmod -R a+r /usr", big("usr/lib/base", mode=0o644)),
        made("RUN rm /bin/sh", whiteout("bin/sh")),
    )
    advised = advice(tmp_path, *layers, base=1)
    assert {(fix.kind, fix.layers) for fix in advised.fixes} == {("rewritten-of-base", (2, 1)), ("removed-of-base", (3, 1))}


def test_an_upgrade_of_the_base_says_to_take_a_newer_one(tmp_path: Path) -> None:
    fix = only(advice(tmp_path, BASE, made("RUN apt-get update && apt-get upgrade -y", big("bin/sh", seed="n")), base=1))
    assert fix.kind == "newer-base"
    assert fix.sentence[:-1].endswith("replaces 200 kB of the base's files: start from a newer base instead of upgrading it")


@pytest.mark.parametrize("base_layers", [None, 2])
def test_the_bases_own_waste_is_in_no_fix(tmp_path: Path, base_layers: int | None) -> None:
    """Known from the Dockerfile, or said by the user."""
    layers = (made("RUN a", big("a"), big("var/cache/apk/x")), made("RUN rm /a", whiteout("a")), made("RUN b", "b"))
    assert advice(tmp_path, *layers, base=2, base_layers=base_layers, has_dockerfile=base_layers is None).fixes == ()


def test_a_package_managers_database_is_one_fix_of_its_own(tmp_path: Path) -> None:
    status = "var/lib/dpkg/status"
    layers = (made("RUN apt-get install a", big(status)), made("RUN apt-get install b", big(status, seed="b")))
    assert only(advice(tmp_path, *layers)).kind == "join-runs"
    fix = only(advice(tmp_path, layers[0], made("USER x", "u"), layers[1]))
    assert (fix.kind, fix.size) == ("package-database", 200 * KB)
    assert advice(tmp_path, made("ADD base.tar /", big(status)), layers[1]).fixes == ()


@pytest.mark.parametrize("path", sorted({*(path for cache in CACHES for path in cache.directories)}))
def test_a_cache_that_is_left_is_told_with_its_remedy(tmp_path: Path, path: bytes) -> None:
    name = path.decode().replace("*", "3.1")
    cache = next(cache for cache in CACHES if path in cache.directories)
    fix = only(advice(tmp_path, made("RUN install", big(f"{name}/x/a"), file(f"{name}/b", b"b"), big("usr/bin/x"))))
    assert (fix.kind, fix.layers, fix.line, fix.size) == (cache.kind, (1,), 2, 200 * KB + 1)
    remedy = cache.remedy.replace("{home}", "/root")
    if not cache.tools and name != "var/cache/apt":
        assert fix.has_edit
        assert fix.sentence.startswith(f"line 2 `RUN install` leaves 200 kB of {cache.name}: end it with `rm -rf /{name}")
    else:
        assert fix.sentence[:-1] == f"line 2 `RUN install` leaves 200 kB of {cache.name} in layer 1: {remedy}"


@pytest.mark.parametrize("home", ["root", "home/app", "var/lib/app"])
@pytest.mark.parametrize("path", sorted({*(path for cache in CACHES for path in cache.at_home if path.startswith(b"."))}))
def test_a_cache_is_found_in_every_home(tmp_path: Path, path: bytes, home: str) -> None:
    cache = next(cache for cache in CACHES if path in cache.at_home)
    fix = only(advice(tmp_path, made("RUN install", big(f"{home}/{path.decode()}/a")), has_dockerfile=False))
    assert (fix.kind, fix.size) == (cache.kind, 200 * KB)
    assert (
        fix.sentence[:-1]
        == f"layer 1 `RUN install` leaves 200 kB of {cache.name}: {cache.remedy.replace('{home}', '/' + home)}"
    )


def test_a_cache_that_is_removed_too_late_is_one_fix_with_what_is_left_of_it(tmp_path: Path) -> None:
    lists = "var/lib/apt/lists"
    layers = (
        made("RUN apt-get update", big(f"{lists}/a"), big("var/cache/apt/x", 300 * KB)),
        made("RUN rm -rf /var/lib/apt/lists/*", whiteout(f"{lists}/a")),
    )
    fix = only(advice(tmp_path, *layers, has_dockerfile=False))
    assert (fix.kind, fix.layers, fix.size) == ("apt-cache", (1, 2), 500 * KB)
    assert fix.sentence[:-1].endswith("(layer 2 removes 200 kB of it too late)")


def test_a_cache_in_what_is_copied_is_left_out_of_it(tmp_path: Path) -> None:
    fix = only(advice(tmp_path, made("COPY . /", big("root/.npm/_cacache/a"))))
    assert fix.sentence[:-1] == "line 2 `COPY . /` brings 200 kB of npm's cache in layer 1: leave them out of what is copied"


def test_a_cache_whose_files_are_linked_from_elsewhere_saves_nothing(tmp_path: Path) -> None:
    store = "root/.local/share/pnpm/store/a"
    layers = (made("RUN pnpm i", big(store), big("root/.cache/pnpm/b"), hardlink("app/node_modules/a", store)),)
    assert only(advice(tmp_path, *layers)).size == 200 * KB


def test_a_repositorys_history_in_a_copy_is_told(tmp_path: Path) -> None:
    fix = only(advice(tmp_path, made("COPY . /app/", big("app/.git/objects/1"), big("app/.github/x"), big("app/a.git/b"))))
    assert (fix.kind, fix.size) == ("dockerignore", 200 * KB)
    assert fix.sentence[:-1] == "line 2 `COPY . /app/` copies /app/.git, 200 kB: add `.git` to .dockerignore"


def test_copies_of_what_another_layer_holds_are_told(tmp_path: Path) -> None:
    layers = (made("COPY a /a/", big("a/1", seed="s")), made("RUN cp -r /a /b", big("b/1", seed="s"), big("b/2", seed="s")))
    fix = only(advice(tmp_path, *layers))
    assert (fix.kind, fix.layers, fix.size, fix.paths) == ("duplicate", (2, 1), 400 * KB, (b"b/1", b"b/2"))
    assert fix.sentence[:-1].endswith("writes 400 kB that layer 1 (line 2) has at other paths: make it a symlink")


def test_copies_that_a_chown_stored_again_are_those_of_the_layer_that_made_them(tmp_path: Path) -> None:
    twice = [big("a", seed="s"), big("b", seed="s")]
    layers = (made("COPY . /", *twice), made("RUN chown 5 /a /b", big("a", seed="s", uid=5), big("b", seed="s", uid=5)))
    advised = advice(tmp_path, *layers)
    assert {(fix.kind, fix.layers) for fix in advised.fixes} == {("copy-chown", (2, 1)), ("duplicate", (1,))}


def test_hard_links_are_no_copies(tmp_path: Path) -> None:
    assert advice(tmp_path, made("RUN a", big("a"), hardlink("b", "a"))).fixes == ()


def test_trifles_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fixes(size: int) -> int:
        layers = (made("RUN a", big("a", size)), made("RUN rm /a", whiteout("a")), made("COPY b /", big("b", 400 * KB)))
        return len(advice(tmp_path, *layers).fixes)

    assert (fixes(TRIFLE_BYTES - 1), fixes(TRIFLE_BYTES)) == (0, 1)
    monkeypatch.setattr("layerscope.advice.fixes.fix_context.TRIFLE_SHARE", 0.3)
    assert (fixes(171 * KB), fixes(172 * KB)) == (0, 1)


def test_names_and_instructions_are_printable(tmp_path: Path) -> None:
    layers = (made("RUN get", big("x\x1b[31m/a")), made("RUN rm `a` \x1b[31m\u202e", whiteout("x\x1b[31m")))
    sentence = said(advice(tmp_path, *layers, has_dockerfile=False))
    assert "`RUN rm 'a' \\x1b[31m\\u202e`" in sentence
    assert sentence.isprintable()


def test_a_dockerfile_of_another_image_is_told(tmp_path: Path) -> None:
    analysis = analyzed(tmp_path, made("RUN a", big("a")), made("RUN rm /a", whiteout("a")))
    (tmp_path / "Dockerfile").write_text("FROM x\nRUN make\nRUN more\n")
    advised = advise(analysis, tmp_path / "Dockerfile", root=tmp_path)
    assert (advised.lines, advised.dockerfile, len(advised.fixes)) == ({}, "Dockerfile", 1)
    assert advised.notes == ("The image's history does not match Dockerfile, so fixes name layers instead of lines.",)


def test_a_dockerfile_is_named_from_the_root_of_the_repository(tmp_path: Path) -> None:
    analysis = analyzed(tmp_path, made("RUN a", "a"))
    (tmp_path / "docker").mkdir()
    path = tmp_path / "docker" / "app.Dockerfile"
    path.write_text("FROM scratch\nRUN a\n")
    assert advise(analysis, path, root=tmp_path).dockerfile == "docker/app.Dockerfile"
    assert advise(analysis, path, root=tmp_path / "elsewhere").dockerfile == "app.Dockerfile"


def test_an_image_without_history_has_fixes_all_the_same(tmp_path: Path) -> None:
    layers = ((" ", made("", big("a"))[1]), (" ", made("", whiteout("a"))[1]))
    fix = only(advice(tmp_path, *layers, has_dockerfile=False))
    assert fix.sentence[:-1] == "layer 2 removes what layer 1 wrote: 200 kB stay in layer 1; leave them out there"


PLACES = ["a", "b", "x/a", "var/lib/dpkg/status", "var/cache/apk/a", "root/.npm/_cacache/a", "app/.git/a", "x"]
ITEMS = st.one_of(
    st.builds(
        big,
        st.sampled_from(PLACES[:-1]),
        st.sampled_from([120 * KB, 150 * KB]),
        seed=st.sampled_from("pq"),
        uid=st.integers(0, 1),
    ),
    st.builds(whiteout, st.sampled_from(PLACES)),
    st.builds(directory, st.sampled_from(["x", "app"])),
)
LAYERS = st.tuples(
    st.sampled_from(["RUN a", "RUN chown 1 /x", "COPY . /", "ADD a.tar /", "WORKDIR /x"]), st.lists(ITEMS, max_size=4)
)


@settings(max_examples=50)
@given(st.lists(LAYERS, min_size=1, max_size=5), st.sampled_from([None, 0, 1, 2]))
def test_no_byte_is_in_two_fixes(
    tmp_path_factory: pytest.TempPathFactory, layers: list[tuple[str, list[object]]], base_layers: int | None
) -> None:
    path = tmp_path_factory.mktemp("image")
    stack = [(instruction, Layer(tuple(items))) for instruction, items in layers]  # type: ignore[arg-type]
    analysis = analyzed(path, *stack, base_layers=min(base_layers or 0, len(stack)) if base_layers is not None else None)
    fixes = advise(analysis, None).fixes
    assert sum(fix.size for fix in fixes) <= analysis.waste.content_bytes
    gone = {"join-runs", "bind-mount", "copy-less", "copy-chown", "rewritten", "removed", "written-twice", "build-stage"}
    buried = sum(fix.size for fix in fixes if fix.kind in gone)
    assert buried <= analysis.own_and_base_waste[0]
    assert [fix.size for fix in fixes] == sorted((fix.size for fix in fixes), reverse=True)
