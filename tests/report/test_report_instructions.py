"""The instruction of a layer, as its author wrote it, from what builders put into the history."""

from __future__ import annotations

import time

import pytest

from layerscope.wording.sentences import clean_instruction


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
        ("bazel build ...", "bazel build ..."),
        ("RUN echo \x1b[31m\u202e", "RUN echo \\x1b[31m\\u202e"),
    ],
)
def test_an_instruction_is_shown_without_the_noise_of_its_builder(created_by: str, shown: str) -> None:
    assert clean_instruction(created_by) == shown


@pytest.mark.parametrize("hostile", ["|1 " + "a=a=a= " * 30000, "|1 " + "=" * 90000, "ADD " + "--a " * 30000, " # " * 60000])
def test_a_hostile_history_costs_no_more_than_its_length(hostile: str) -> None:
    started = time.process_time()
    clean_instruction(hostile)
    assert time.process_time() - started < 2
