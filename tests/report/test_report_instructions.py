"""The instruction of a layer, as its author wrote it, from what builders put into the history."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from layerscope.oci.documents import HistoryStep
from layerscope.sources.demo import open_demo
from layerscope.sources.image import WrittenInstruction
from layerscope.wording.sentences import clean_instruction, instruction_lines, layer_text, step_text


@pytest.mark.parametrize(
    ("created_by", "shown"),
    [
        ("", ""),
        ("/bin/sh -c apt-get update", "RUN apt-get update"),
        ("RUN /bin/sh -c apt-get update # buildkit", "RUN apt-get update"),
        ("/bin/bash -o pipefail -c a | b", "RUN a | b"),
        ("RUN /bin/sh -eux -c a", "RUN /bin/sh -eux -c a"),
        ("RUN |1 A=b /bin/sh -c make # buildkit", "RUN make"),
        ("|2 A=b c B= /bin/sh -c make", "RUN make"),
        ("|0 /bin/sh -c make", "RUN make"),
        ("RUN |1 A=/bin/sh -c no /bin/sh -c yes", "RUN yes"),
        ('/bin/sh -c #(nop)  CMD ["sh"]', 'CMD ["sh"]'),
        ("/bin/sh -c #(nop) ADD file:1d2563921a2b3c4d in / ", "ADD 1d256392 /"),
        ("/bin/sh -c #(nop) COPY --chown=1 multi:1d2563921a2b3c4d in /x", "COPY 1d256392 /x"),
        ("COPY app.py /app/ # buildkit", "COPY app.py /app/"),
        ("RUN set -e;\n\tmake   all", "RUN set -e; make all"),
        ("RUN a \\\n    && b \\ \r\n c", "RUN a && b c"),
        ("bazel build ...", "bazel build ..."),
        ("RUN echo \x1b[31m\u202e", "RUN echo \\x1b[31m\\u202e"),
    ],
)
def test_an_instruction_is_shown_without_the_noise_of_its_builder(created_by: str, shown: str) -> None:
    assert clean_instruction(created_by) == shown


@pytest.mark.parametrize(
    "hostile",
    ["|1 " + "a=a=a= " * 30000, "|1 " + "=" * 90000, "ADD " + "--a " * 30000, " # " * 60000, '"\\' * 60000, "  \\" * 60000],
)
def test_a_hostile_history_costs_no_more_than_its_length(hostile: str) -> None:
    started = time.process_time()
    clean_instruction(hostile)
    instruction_lines(HistoryStep(created_by=hostile))
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("created_by", "lines"),
    [
        ("", []),
        ("RUN /bin/sh -c make # buildkit", ["RUN make"]),
        ("RUN /bin/sh -c a     && b     && c # buildkit", ["RUN a \\", "    && b \\", "    && c"]),
        ("/bin/sh -c set -eux; \tmake; \t\tmake install", ["RUN set -eux; \\", "    make; \\", "        make install"]),
        ("RUN a \\\n    && b", ["RUN a \\", "    && b"]),
        ("RUN /bin/sh -c cat <<E\n  one\n\x1b\nE # buildkit", ["RUN cat <<E", "  one", "\\x1b", "E"]),
        ('RUN echo \'a    b\' "c  \\"  d"  e', ['RUN echo \'a    b\' "c  \\"  d" \\', " e"]),
        ("RUN login --password    hunter22    && a", ["RUN login --password *** && a"]),
    ],
)
def test_an_instruction_has_the_lines_in_which_it_was_written(created_by: str, lines: list[str]) -> None:
    assert instruction_lines(HistoryStep(created_by=created_by)) == lines


def test_a_layers_instruction_is_that_of_the_dockerfile_with_its_secrets_masked_and_on_one_printable_line() -> None:
    first = open_demo().layers[0]
    assert layer_text(first) == step_text(first.history)
    written = WrittenInstruction(3, 4, "RUN NPM_TOKEN=a1b2c3d4e5f6a7b8c9d0 make \x1b[31m")
    said = layer_text(replace(first, written=written))
    assert "a1b2c3d4e5f6" not in said
    assert said.startswith("RUN NPM_TOKEN=")
    assert said.endswith("make \\x1b[31m")
