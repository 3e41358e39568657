"""Dockerfiles, taken apart as builders do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.advice.dockerfile.instructions import Instruction
from layerscope.advice.dockerfile.stages import (
    MAX_BYTES,
    UNKNOWN,
    Dockerfile,
    expand,
    find_dockerfile,
    parse_dockerfile,
    read_dockerfile,
)
from layerscope.errors import BadDockerfile


def instructions(text: str) -> tuple[Instruction, ...]:
    """Of the last stage, which the text is below `FROM scratch`."""
    return parse_dockerfile("FROM scratch\n" + text).stages[-1].instructions


def only(text: str) -> Instruction:
    (instruction,) = instructions(text)
    return instruction


def test_an_instruction_has_its_lines_and_its_text_on_one_line() -> None:
    run = only("\n\nrun a &&  \\\n  b\n")
    assert (run.keyword, run.line, run.end_line, run.text) == ("RUN", 4, 5, "run a && b")


def test_comments_and_blank_lines_inside_a_continuation_do_not_end_it() -> None:
    run, cmd = instructions("RUN a && \\\n# one \\\n\n   # two\n b\nCMD c")
    assert (run.arguments.split(), run.line, run.end_line, cmd.line) == (["a", "&&", "b"], 2, 6, 7)


def test_blanks_may_follow_a_continuation_mark() -> None:
    assert only("RUN a \\  \t\n b").arguments.split() == ["a", "b"]


def test_two_escape_characters_at_the_end_continue_nothing() -> None:
    assert [each.arguments for each in instructions("RUN a \\\\\nRUN b")] == ["a \\\\", "b"]


def test_the_last_line_may_end_with_a_continuation_mark() -> None:
    run = only("RUN a \\\n\n# end\n")
    assert (run.arguments, run.end_line) == ("a", 2)


def test_the_escape_directive_changes_the_continuation_mark() -> None:
    text = "# syntax=docker/dockerfile:1\n# escape=`\nFROM scratch\nRUN dir c:\\\nRUN a `\n b\n"
    first, second = parse_dockerfile(text).stages[0].instructions
    assert (first.arguments, second.arguments.split()) == ("dir c:\\", ["a", "b"])


@pytest.mark.parametrize("before", ["# a comment\n", "\n", "ARG A\n"])
def test_a_directive_is_a_comment_behind_anything_else(before: str) -> None:
    text = before + "# escape=`\nFROM scratch\nRUN a \\\n b\n"
    assert parse_dockerfile(text).stages[0].instructions[0].arguments.split() == ["a", "b"]


def test_windows_line_ends_and_a_byte_order_mark_are_taken_in() -> None:
    (run,) = parse_dockerfile("\ufeffFROM scratch\r\nRUN a \\\r\n  b\r\n").stages[0].instructions
    assert (run.arguments.split(), run.line, run.end_line) == (["a", "b"], 2, 3)


def test_a_heredoc_takes_lines_as_they_are() -> None:
    run, cmd = instructions("RUN <<EOF\n# not a comment\na \\\n\nEOF\nCMD x")
    assert (run.heredocs[0].body, run.end_line, cmd.line) == ("# not a comment\na \\\n\n", 6, 7)


def test_several_heredocs_follow_one_another() -> None:
    copy = only("COPY <<one.txt <<'two' /d/\n1\none.txt\n2\ntwo\n")
    assert [(each.name, each.body) for each in copy.heredocs] == [("one.txt", "1\n"), ("two", "2\n")]


def test_a_heredoc_with_a_dash_loses_leading_tabs() -> None:
    assert only('RUN cat 3<<-"E"\n\t\ta\n\t b\n\tE\n').heredocs[0].body == "a\n b\n"


@pytest.mark.parametrize("text", ['RUN echo "<<EOF"', "RUN cat <<< EOF", "RUN cat << EOF", "RUN a<<EOF", "LABEL a=<<EOF"])
def test_what_only_looks_like_a_heredoc_is_none(text: str) -> None:
    assert only(text + "\n").heredocs == ()


def test_a_heredoc_may_stand_behind_onbuild() -> None:
    assert only("ONBUILD RUN <<E\nx\nE\n").heredocs[0].body == "x\n"


def test_flags_are_told_from_arguments() -> None:
    copy = only('COPY --link --from=build --chown="a b:c" --chmod=755 x y /z/')
    assert copy.flags == (("link", ""), ("from", "build"), ("chown", "a b:c"), ("chmod", "755"))
    assert (copy.sources, copy.destination) == (("x", "y"), "/z/")


def test_a_command_with_dashes_has_no_flags_behind_its_first_word() -> None:
    run = only("RUN --mount=type=cache,target=/x --network=none ls --all")
    assert ([name for name, _ in run.flags], run.arguments) == (["mount", "network"], "ls --all")


def test_the_json_form_and_the_shell_form_are_told_apart() -> None:
    run, shell, odd = instructions('RUN ["a", "b c"]\nRUN [ -f /x ] && y\nCMD [\'a\']')
    assert (run.is_json, run.words) == (True, ("a", "b c"))
    assert (shell.is_json, shell.words[:2], odd.is_json) == (False, ("[", "-f"), False)


def test_quotes_keep_words_together() -> None:
    assert only(r"""COPY "a b" 'c d' e\ f /x""").words == ("a b", "c d", "e f", "/x")


def test_stages_have_names_and_stand_on_one_another() -> None:
    dockerfile = parse_dockerfile(
        "FROM debian AS one\nRUN a\nFROM one as Two\nRUN b\nFROM alpine\nRUN c\nFROM --platform=linux/amd64 two\nRUN d\n"
    )
    assert [stage.name for stage in dockerfile.stages] == ["one", "Two", "", ""]
    assert [stage.line for stage in dockerfile.chain(3)] == [1, 3, 7]
    assert [stage.line for stage in dockerfile.chain(2)] == [5]


def test_a_stage_named_like_its_base_stands_on_the_image() -> None:
    dockerfile = parse_dockerfile("FROM debian AS debian\nRUN a\n")
    assert len(dockerfile.chain(0)) == 1


def test_arguments_before_the_first_from_are_replaced_in_it() -> None:
    dockerfile = parse_dockerfile("ARG V=12 W\nARG IMAGE=debian:${V}-slim\nFROM ${IMAGE}\nFROM x:$W\n")
    assert [stage.base for stage in dockerfile.stages] == ["debian:12-slim", f"x:{UNKNOWN}"]


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$A/${B}", "a/"),
        ("${A:-x} ${B:-x} ${B-x} ${A:+x} ${B:+x}", "a x  x "),
        ("\\$A", "\\$A"),
        ("$C ${C:-x} ${A#x}", f"{UNKNOWN} {UNKNOWN} {UNKNOWN}"),
        ("$1 $ a", "$1 $ a"),
        ("${B:-${A}} ${A:-${C}} ${C:-${A}}", f"a a {UNKNOWN}"),
    ],
)
def test_variables_are_replaced_as_far_as_they_are_known(text: str, expanded: str) -> None:
    assert expand(text, {"A": "a", "B": ""}) == expanded


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no FROM"),
        ("# only a comment\n", "no FROM"),
        ("RUN a\nFROM x\n", "line 1: RUN before the first FROM"),
        ("FROM x\nRUM a\n", "line 2: RUM is not a Dockerfile instruction"),
        ("FROM x\n\x1b[31m a\n", r"line 2: \x1b[31m is not a Dockerfile instruction"),
        ("FROM x\nRUN\n", "line 2: RUN needs an argument"),
        ("FROM x\nCOPY a\n", "line 2: COPY needs a source"),
        ("FROM x\nCOPY --from=y a\n", "line 2: COPY needs a source"),
        ("FROM a b\n", "line 1: write FROM IMAGE"),
        ("FROM a IS b\n", "line 1: write FROM IMAGE"),
        ("FROM x\nRUN <<EOF\na\n", "line 2: the here-document EOF has no end"),
        ("# escape=x\nFROM x\n", "`escape`"),
        ("# escape=\\\n# escape=`\nFROM x\n", "line 2: the directive `escape`"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(text: str, says: str) -> None:
    with pytest.raises(BadDockerfile) as error:
        parse_dockerfile(text, name="my/Dockerfile")
    assert says in str(error.value)
    assert str(error.value).startswith("my/Dockerfile")


@given(st.text(st.sampled_from(list("FROM RUN<<E\\`#\n\r\t\"'[]-=$ax")) | st.characters(), max_size=200))
def test_any_text_is_a_dockerfile_or_refused_in_a_sentence(text: str) -> None:
    try:
        dockerfile = parse_dockerfile("FROM scratch\n" + text)
    except BadDockerfile as error:
        assert "\n" not in str(error)
        return
    lines = text.count("\n") + 2
    assert all(1 < each.line <= each.end_line <= lines for stage in dockerfile.stages for each in stage.instructions)


def test_a_dockerfile_is_found_before_a_containerfile(tmp_path: Path) -> None:
    assert find_dockerfile(tmp_path) is None
    (tmp_path / "Containerfile").write_text("FROM x")
    assert find_dockerfile(tmp_path) == tmp_path / "Containerfile"
    (tmp_path / "Dockerfile").write_text("FROM x")
    assert find_dockerfile(tmp_path) == tmp_path / "Dockerfile"


def read(path: Path) -> Dockerfile:
    return read_dockerfile(path, name="Dockerfile")


def test_a_file_that_is_no_dockerfile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_bytes(b"FROM x\nRUN \xff\n")
    with pytest.raises(BadDockerfile, match=r"^Dockerfile, line 2: not UTF-8$"):
        read(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(BadDockerfile, match="longer than 1024 KiB"):
        read(path)
    with pytest.raises(BadDockerfile, match=r"^Dockerfile: Is a directory"):
        read(tmp_path)
    with pytest.raises(BadDockerfile, match=r"^Dockerfile: No such file"):
        read(tmp_path / "absent")
