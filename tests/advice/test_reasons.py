"""What has to be changed by hand says why no edit does it: which line minds, and what about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerscope.advice.advice import Fix
from layerscope.advice.advise import advise
from support.fixing import analyzed, big, made
from support.image_builder import Layer, directory, file, whiteout

Step = tuple[str, Layer]
REMOVES = made("RUN rm /a", whiteout("a"))


def by_hand(path: Path, *steps: Step | str) -> Fix:
    """The only fix of an image of these steps (a string is an instruction without a layer), which has no edit."""
    layers = [(step[0].replace("\\\n", ""), step[1]) for step in steps if not isinstance(step, str)]
    analysis = analyzed(path, *layers)
    lines = ["FROM scratch", *(step if isinstance(step, str) else step[0] for step in steps)]
    (path / "Dockerfile").write_text("\n".join(lines) + "\n")
    (fix,) = advise(analysis, path / "Dockerfile", root=path).fixes
    assert not fix.has_edit
    return fix


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (['RUN ["get"]', REMOVES], "Line 2 is a list of words (exec form), which a shell may read otherwise."),
        (["RUN get # why", REMOVES], "Line 2 has a comment behind its commands, so its commands cannot be told apart."),
        (["RUN case x in x) get;; esac", REMOVES], "Line 2 has a `case`, so its commands cannot be told apart."),
        (["RUN get & wait", REMOVES], "Line 2 has a job in the background, so its commands cannot be told apart."),
        (["RUN <<EOF\n#!/bin/python\nget\nEOF", REMOVES], "Line 2 is a script with an interpreter of its own."),
        (["RUN <<A cat\nget\nA", REMOVES], "Line 2 gives a here-document to a command."),
        (["RUN exec get", REMOVES], "`exec` in line 2 would end the later commands, too."),
        (["RUN set -f; get", REMOVES], "Line 2 changes the shell, in which line 3 would run, too."),
        (["RUN get", "USER app", REMOVES], "Lines 2 and 4 run as different users."),
        (["RUN --network=none get", REMOVES], "Lines 2 and 3 have different flags."),
        (
            ["RUN get", "ENV PATH=/x", REMOVES],
            "Line 3 `ENV PATH=/x` between them may change what the later RUN does.",
        ),
        (["RUN get", made("COPY b /b", big("b")), made("RUN make && rm /a", whiteout("a"))], "MAY READ"),
    ],
)
def test_runs_that_stay_apart_say_why(tmp_path: Path, steps: list[Step | str], expected: str) -> None:
    steps[0] = made(str(steps[0]), big("a"))
    shown = expected if expected != "MAY READ" else "Line 4 `RUN make && rm /a` may read what line 3 `COPY b /b` brings."
    assert by_hand(tmp_path, *steps).by_hand == shown


def test_a_base_is_not_edited(tmp_path: Path) -> None:
    analysis = analyzed(tmp_path, made("RUN base", big("a")), REMOVES, base_layers=1)
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN rm /a\n")
    (fix,) = advise(analysis, tmp_path / "Dockerfile", root=tmp_path).fixes
    assert fix.by_hand == "No edit of this Dockerfile changes the layers of its base."


def test_without_a_dockerfile_no_line_is_edited(tmp_path: Path) -> None:
    (fix,) = advise(analyzed(tmp_path, made("RUN get", big("a")), REMOVES), None).fixes
    assert fix.by_hand == "No Dockerfile was given."


def test_what_is_copied_for_a_program_says_which(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    steps = (made("COPY a /a", big("a")), made("RUN make", file("b", b"b")), REMOVES)
    assert by_hand(tmp_path, *steps).by_hand == "Line 3 `RUN make` may read it before."


def test_an_address_says_whether_a_run_could_fetch_it(tmp_path: Path) -> None:
    steps = [made("ADD https://x.example/a /a", big("a")), REMOVES]
    assert by_hand(tmp_path, *steps).by_hand == (
        "Line 2 fetches from an address, and the image has no curl or wget with which a RUN could."
    )
    curl = made("RUN get", directory("usr/bin"), file("usr/bin/curl", b"x"))
    assert by_hand(tmp_path, curl, *steps).by_hand == (
        "Line 3 fetches from an address, and whether /usr/bin/curl fetches the same in a RUN is not known."
    )


def test_what_the_context_does_not_have_is_not_edited(tmp_path: Path) -> None:
    steps = (made("COPY a /a", big("a")), made("RUN cp /a /b && rm /a", file("b", b"b"), whiteout("a")))
    assert by_hand(tmp_path, *steps).by_hand == "What line 2 copies is not found in the context."
