"""Which line of a Dockerfile made which layer: from histories as every builder writes them."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.advice.dockerfile.mapping import map_layers
from layerscope.advice.dockerfile.stages import parse_dockerfile
from support.dockerfiles import (
    BUILDERS,
    PROGRAMS,
    Builder,
    Json,
    Written,
    copy,
    dockerfile,
    history,
    image_of,
    mapped,
    run,
    run_words,
    setting,
)


def step(created_by: str, *, empty: bool = False) -> Json:
    return {"created_by": created_by, "empty_layer": empty}


def lines(path: Path, text: str, *steps: Json, base_layers: int | None = None) -> dict[int, int]:
    """The first line of each layer that is mapped."""
    return {layer: line.line for layer, line in mapped(path, steps, text, base_layers=base_layers).lines.items()}


def true_lines(base: Sequence[Json], own: Sequence[Json], places: Sequence[int]) -> dict[int, int]:
    """By counting: each instruction has one step, in order."""
    first = 1 + sum(not each["empty_layer"] for each in base)
    made = [place for each, place in zip(own, places, strict=True) if not each["empty_layer"]]
    return dict(enumerate(made, first))


@given(PROGRAMS, PROGRAMS, st.sampled_from(BUILDERS), st.sampled_from(BUILDERS))
def test_every_own_layer_has_its_line_and_no_layer_of_the_base(
    base: list[Written], own: list[Written], base_builder: Builder, builder: Builder
) -> None:
    below, steps, built = history(base_builder, base), history(builder, own), dockerfile(own)
    with tempfile.TemporaryDirectory() as directory:
        mapping = mapped(Path(directory), [*below, *steps], built.text)
    found = {layer: (line.line, line.end_line) for layer, line in mapping.lines.items()}
    places = {first: (first, last) for first, last in built.lines}
    truth = true_lines(below, steps, [first for first, _ in built.lines])
    assert found == {layer: places[line] for layer, line in truth.items()}


WORDS = ["apt-get", "install", "-y", "curl", "git", "make", "npm", "ci", "rm", "-rf", "/x", "chown", "app", "echo", "&&", "hi"]
SOURCES = ["a", "b", "app", "src/", "conf", "x.tar", "lib/"]


def any_instruction(chance: random.Random) -> Written:
    """Of a small vocabulary, so that much is alike."""
    kind = chance.random()
    if kind < 0.4:
        words = chance.choices(WORDS, k=chance.randint(1, 8))
        return run_words(*words) if chance.random() < 0.2 else run(" ".join(words))
    if kind < 0.65:
        sources = chance.sample(SOURCES, chance.randint(1, 2))
        return copy(*sources, chance.choice(["/app/", "/srv/a/", "/etc/", "/"]), keyword=chance.choice(["COPY", "ADD"]))
    settings = [("ENV", "A=b"), ("ARG", "V=1"), ("WORKDIR", "/app"), ("WORKDIR", "/srv"), ("USER", "app"), ("EXPOSE", "80")]
    return setting(*chance.choice(settings))


def edited(own: Sequence[Written], chance: random.Random) -> list[tuple[int | None, Written]]:
    """A Dockerfile after its image was built: an instruction added, dropped or replaced. With the old index of each."""
    new: list[tuple[int | None, Written]] = list(enumerate(own))
    place, edit = chance.randrange(len(own)), chance.choice(["add", "drop", "replace"])
    if edit != "add":
        del new[place]
    if edit != "drop":
        new.insert(place, (None, any_instruction(chance)))
    return new


@pytest.mark.slow
def test_of_a_dockerfile_that_was_edited_since_hardly_a_line_is_wrong(tmp_path: Path) -> None:
    chance, right, wrong, missed = random.Random(5), 0, 0, 0
    for _ in range(150):
        base, own = ([any_instruction(chance) for _ in range(chance.randint(2, 12))] for _ in "ab")
        below, steps = (history(chance.choice(BUILDERS), each) for each in (base, own))
        new = edited(own, chance)
        built = dockerfile([each for _, each in new])
        places = {old: first for (old, _), (first, _) in zip(new, built.lines, strict=True)}
        truth = true_lines(below, steps, [places.get(index, 0) for index in range(len(own))])
        found = lines(tmp_path, built.text, *below, *steps)
        right += sum(truth.get(layer) == line for layer, line in found.items())
        wrong += sum(truth.get(layer) != line for layer, line in found.items())
        missed += sum(line > 0 and layer not in found for layer, line in truth.items())
    assert right > 500
    assert wrong <= right / 200
    assert missed <= right / 25


def test_another_images_dockerfile_gives_no_lines(tmp_path: Path) -> None:
    steps = [step("RUN /bin/sh -c npm ci # buildkit"), step("WORKDIR /app"), step('CMD ["x"]', empty=True)]
    mapping = mapped(tmp_path, steps, 'FROM node\nCOPY . .\nWORKDIR /app\nRUN npm run build\nRUN true\nCMD ["x"]\n')
    assert (mapping.lines, mapping.is_recognized, mapping.base_layers) == ({}, False, None)


def test_layers_before_the_first_instruction_are_the_bases(tmp_path: Path) -> None:
    steps = [step("RUN /bin/sh -c a"), step("COPY x /x"), step("RUN /bin/sh -c make")]
    assert mapped(tmp_path, steps, "FROM base\nRUN make\n").base_layers == 2


def test_an_image_from_scratch_has_no_base(tmp_path: Path) -> None:
    assert mapped(tmp_path, [step("ADD base.tar / # buildkit")], "FROM scratch\nADD base.tar /\n").base_layers == 0


def test_a_layer_that_is_known_to_be_the_bases_has_no_line(tmp_path: Path) -> None:
    steps = [step("RUN /bin/sh -c make"), step("COPY a /a # buildkit"), step("COPY b /b # buildkit")]
    text = "FROM base\nRUN make\nCOPY a /a\nCOPY b /b\n"
    assert lines(tmp_path, text, *steps) == {1: 2, 2: 3, 3: 4}
    assert lines(tmp_path, text, *steps, base_layers=1) == {2: 3, 3: 4}


def test_a_stage_goes_through_the_stages_it_stands_on(tmp_path: Path) -> None:
    text = "FROM debian AS one\nRUN a\nFROM golang AS build\nRUN b\nFROM one\nCOPY --from=build /x /y\n"
    assert lines(tmp_path, text, step("/bin/sh -c a"), step("COPY /x /y # buildkit")) == {1: 2, 2: 6}


def test_the_stage_that_was_built_is_found(tmp_path: Path) -> None:
    text = (
        "FROM debian AS test\nCOPY t /t\nRUN test\nFROM debian AS app\nCOPY a /a\nRUN make\nFROM debian\nCOPY d /d\nRUN doc\n"
    )
    assert lines(tmp_path, text, step("COPY a /a # buildkit"), step("RUN /bin/sh -c make # buildkit")) == {1: 5, 2: 6}


@pytest.mark.parametrize(
    ("text", "created_by"),
    [
        ("RUN <<EOF\napt-get update\nmake\nEOF", "RUN /bin/sh -c apt-get update\nmake\n # buildkit"),
        ("RUN <<-E\n\ta\n\tb\n\tE", "RUN /bin/sh -c a\nb\n # buildkit"),
        ("RUN <<EOF\necho 1 > /1\necho 2\nEOF", "/bin/sh -c <<EOF\necho 1 > /1\necho 2"),
        ("RUN <<EOF\n#!/usr/bin/env python3\nprint()\nEOF", "RUN /bin/sh -c /dev/pipes/EOF # buildkit"),
        ("RUN cat <<A <<B > /x\n1\nA\n2\nB", "RUN /bin/sh -c cat <<A <<B > /x\n1\nA\n2\nB # buildkit"),
        ("RUN python3 <<EOF\nprint()\nEOF", "RUN python3 <<EOF"),
        ('COPY <<EOF <<"x y" /d/\n1\nEOF\n2\nx y', "COPY <<EOF <<x y /d/ # buildkit"),
        ("RUN --mount=type=cache,target=/c make", "RUN --mount=type=cache,target=/c make"),
        ("RUN --mount=type=cache,target=/c make", "RUN /bin/sh -c make # buildkit"),
        ("COPY --from=build --chmod=755 /a /b", "COPY --chmod=755 /a /b # buildkit"),
        ("COPY --from=build /a /b", "COPY --from=build /a /b"),
        ('COPY ["a b", "/c d"]', "COPY a b /c d # buildkit"),
        ("RUN make", "/bin/bash -o pipefail -c make"),
        ("RUN make", "|2 A=x y B= /bin/bash -euxo pipefail -c make"),
        ("RUN make", "RUN |1 A=b /bin/sh -c make # buildkit"),
        ("RUN dir", "cmd /S /C dir"),
        ("ADD https://example.org/a.tar /", "ADD https://example.org/a.tar / # buildkit"),
    ],
)
def test_an_instruction_is_known_in_the_builders_spelling(tmp_path: Path, text: str, created_by: str) -> None:
    assert lines(tmp_path, f"FROM base\n{text}\n", step(created_by)) == {1: 2}


@pytest.mark.parametrize(
    ("text", "created_by"),
    [
        ("RUN ls", "/bin/sh -c cd /x && ls"),
        ("RUN ls", "|1 A=b /bin/sh -c cd /x && ls"),
        ("RUN ls", "RUN ls -l"),
        ("COPY a /x", "ADD a /x # buildkit"),
        ("COPY a /x", "COPY a /y # buildkit"),
        ("COPY a b /x/", f"/bin/sh -c #(nop) COPY file:{'a' * 64} in /x/ "),
        ("COPY a /x/", f"/bin/sh -c #(nop) COPY multi:{'a' * 64} in /x/ "),
        ("COPY --chown=a x /x", f"/bin/sh -c #(nop) COPY --chown=bfile:{'a' * 64} in /x "),
        ("COPY $A $B", "COPY a /x # buildkit"),
        ("RUN make", ""),
    ],
)
def test_what_is_not_surely_the_same_has_no_line(tmp_path: Path, text: str, created_by: str) -> None:
    more = [step("RUN /bin/sh -c a"), step("RUN /bin/sh -c b"), step("RUN /bin/sh -c c")]
    assert 4 not in lines(tmp_path, f"FROM base\nRUN a\nRUN b\nRUN c\n{text}\n", *more, step(created_by))


def test_a_command_with_a_word_changed_keeps_its_line_less_surely(tmp_path: Path) -> None:
    old = "apt-get update && apt-get install -y curl git make gcc python3 nodejs"
    steps = [step(f"RUN /bin/sh -c {old} # buildkit"), step("COPY a /a # buildkit")]
    mapping = mapped(tmp_path, steps, f"FROM base\nRUN {old} npm\nCOPY a /a\n")
    assert [line.line for line in mapping.lines.values()] == [2, 3]
    assert 0.7 < mapping.lines[1].confidence < 0.85 < mapping.lines[2].confidence


@pytest.mark.parametrize(
    ("text", "created_by"),
    [
        ("ARG V=1\nENV D=/srv\nCOPY a-$V $D/x", "COPY a-1 /srv/x # buildkit"),
        ("ARG V=1\nCOPY a-release-$V.tar /opt/x", "COPY a-release-2.tar /opt/x # buildkit"),  # --build-arg V=2
        ("WORKDIR /app\nCOPY a .", "COPY a . # buildkit"),
        ("WORKDIR /app\nWORKDIR sub\nCOPY a x", "COPY a /app/sub/x # buildkit"),
        ("ENV D=/srv\nCOPY a ${D}/", f"/bin/sh -c #(nop) COPY file:{'a' * 64} in ${{D}}/ "),  # buildah
        ("COPY a $HOME_OF_BASE/x/y/z.conf", "COPY a /home/x/x/y/z.conf # buildkit"),
    ],
)
def test_variables_and_the_working_directory_are_followed(tmp_path: Path, text: str, created_by: str) -> None:
    assert lines(tmp_path, f"FROM base\n{text}\n", step(created_by))[1] == 1 + len(text.split("\n"))


def test_the_images_environment_tells_what_the_base_set(tmp_path: Path) -> None:
    image = image_of(tmp_path, [step("COPY a /h # buildkit")], ["H=/h"])
    assert map_layers(image, parse_dockerfile("FROM base\nCOPY a $H\n")).lines[1].confidence == 1


def test_a_shell_that_the_dockerfile_sets_is_taken_off(tmp_path: Path) -> None:
    text = 'FROM base\nSHELL ["my-shell", "--run it"]\nRUN make\n'
    steps = [step("SHELL [my-shell --run it]", empty=True), step("RUN my-shell --run it make # buildkit")]
    assert lines(tmp_path, text, *steps) == {1: 3}


def test_squashed_layers_have_no_line(tmp_path: Path) -> None:
    """As buildah's --layers=false leaves it: the steps but the last have no layer, though they wrote files."""
    text = "FROM base\nCOPY a /a\nRUN make\nRUN more\nCMD x\n"
    copied = f"/bin/sh -c #(nop) COPY file:{'a' * 64} in /a "
    steps = [step(copied, empty=True), step("/bin/sh -c make", empty=True), step("/bin/sh -c more", empty=True)]
    assert lines(tmp_path, text, *steps, step("/bin/sh -c #(nop) CMD x")) == {}
    assert lines(tmp_path, text, *steps[:2], step("/bin/sh -c more"), step("/bin/sh -c #(nop) CMD x", empty=True)) == {}


def test_only_dockers_own_builder_has_commands_without_a_layer(tmp_path: Path) -> None:
    text = "FROM base\nUSER x\nRUN true\nRUN make\n"
    steps = [step("/bin/sh -c true", empty=True), step("/bin/sh -c make")]
    assert lines(tmp_path, text, step("/bin/sh -c #(nop)  USER x", empty=True), *steps) == {1: 4}
    assert lines(tmp_path, text, step("/bin/sh -c #(nop) USER x", empty=True), *steps) == {}


def test_a_history_that_does_not_fit_the_layers_gives_no_lines(tmp_path: Path) -> None:
    image = image_of(tmp_path, [step("RUN /bin/sh -c a"), step("RUN /bin/sh -c b")], more_layers=1)
    assert map_layers(image, parse_dockerfile("FROM base\nRUN a\nRUN b\n")).lines == {}


def test_of_two_equal_instructions_of_which_one_is_gone_neither_is_named(tmp_path: Path) -> None:
    steps = [step("RUN /bin/sh -c make"), step("COPY a /a # buildkit"), step("COPY b /b # buildkit")]
    text = "FROM base\nRUN make\nRUN make\nCOPY a /a\nCOPY b /b\n"
    assert lines(tmp_path, text, *steps) == {2: 4, 3: 5}


@pytest.mark.slow
@pytest.mark.parametrize(
    "hostile", ["|1 " + "a=a=a= " * 30000, "a" * 300000, "COPY " + "--a=b " * 30000, "ADD " + "file:" * 50000]
)
def test_a_hostile_history_costs_little(tmp_path: Path, hostile: str) -> None:
    image = image_of(tmp_path, [step(hostile)] * 20)
    text = "FROM base\n" + "RUN make $A\nCOPY a $A$B$C/$D/x\n" * 10
    started = time.process_time()
    map_layers(image, parse_dockerfile(text))
    assert time.process_time() - started < 4
