"""What looks like a secret is masked wherever an instruction is shown; what merely sounds like one stays."""

from __future__ import annotations

import time

import pytest

from layerscope.masking import masked, masked_document, without_build_arguments

AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "a1B2" * 9
BLOCK = "-----BEGIN {0}PRIVATE KEY-----\\nMIIEow\\n-----END {0}PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("NPM_TOKEN=abc npm ci", "NPM_TOKEN=*** npm ci"),
        ("RUN PASSWORD='a b' make && DB_PASS=\"c\" x", "RUN PASSWORD=*** make && DB_PASS=*** x"),
        ('RUN TOKEN="open', "RUN TOKEN=***"),
        ("ENV API_KEY sesame open", "ENV API_KEY ***"),
        ("RUN docker build --build-arg MY_SECRET=x .", "RUN docker build --build-arg MY_SECRET=*** ."),
        ("RUN deploy --token abc --user me", "RUN deploy --token *** --user me"),
        ("RUN echo //npm.example/:_authToken=abc > .npmrc", "RUN echo //npm.example/:_authToken=*** > .npmrc"),
        ("RUN git clone https://me:pw@git.example/x", "RUN git clone https://me:***@git.example/x"),
        (f"RUN git clone https://{GITHUB}@git.example/x", "RUN git clone https://***@git.example/x"),
        (f"RUN x {AWS} {GITHUB}", "RUN x *** ***"),
        ("RUN aws_secret_access_key = wJalr/K7MDENG", "RUN aws_secret_access_key = ***"),
        ("RUN curl -H 'Authorization: Bearer abcdefgh123'", "RUN curl -H 'Authorization: Bearer ***'"),
        ("RUN curl -fsS -u me:pw https://x", "RUN curl -fsS -u me:*** https://x"),
        ("RUN echo 'root:pw' | chpasswd", "RUN echo 'root:***' | chpasswd"),
        ("RUN docker login -u me -p pw", "RUN docker login -u me -p ***"),
        (
            f"RUN echo '{BLOCK.format('RSA ')}' > k",
            "RUN echo '-----BEGIN RSA PRIVATE KEY----- *** -----END RSA PRIVATE KEY-----' > k",
        ),
        ("RUN echo -----BEGIN PRIVATE KEY-----MIIE", "RUN echo -----BEGIN PRIVATE KEY----- ***"),
        ("RUN x FILE=a:TOKEN=b", "RUN x FILE=a:TOKEN=***"),
    ],
)
def test_a_secret_is_masked(text: str, shown: str) -> None:
    assert masked(text).rstrip() == shown
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "RUN --mount=type=secret,id=npm TOKEN=$NPM_TOKEN npm ci",
        "ENV POSTGRES_PASSWORD_FILE=/run/secrets/db",
        "ENV GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568 PATH=/usr/bin",
        "RUN sed -i s,a,b, /etc/passwd && chown -R me:me /x",
        "COPY --from=build /tokenizer /x",
        "RUN pip install basicauth tokenizers==1.2 --no-cache-dir",
        "ADD https://example.org:8080/a@1.2.tgz /",
        "RUN useradd -u 1000 -p x me && ssh git@example.org",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    ("created_by", "left"),
    [
        ("RUN |1 A=b /bin/sh -c make # buildkit", "RUN /bin/sh -c make # buildkit"),
        ("|2 A=b c B=\nd /bin/bash -o pipefail -c make", "/bin/bash -o pipefail -c make"),
        ("RUN |1 A=b c /usr/local/bin/ash -ec make", "RUN /usr/local/bin/ash -ec make"),
        ("|1 A=b powershell -Command make", "powershell -Command make"),
        ("|2 A=b B=c make all", "make all"),
        ("|0 /bin/sh -c make", "/bin/sh -c make"),
        ("RUN a |1 b", "RUN a |1 b"),
    ],
)
def test_build_arguments_are_left_out(created_by: str, left: str) -> None:
    assert without_build_arguments(created_by) == left


def test_a_document_is_masked_by_names_and_by_texts() -> None:
    document = {
        "config": {"Env": ["A=b", "DB_PASSWORD=a b c"], "Labels": {"token": "x", "": 1}},
        "history": [{"created_by": f"|1 A=b /bin/sh -c echo {AWS}"}],
    }
    assert masked_document(document) == {
        "config": {"Env": ["A=b", "DB_PASSWORD=***"], "Labels": {"token": "***", "": 1}},
        "history": [{"created_by": "/bin/sh -c echo ***"}],
    }


HOSTILE = ["a='" * 60000, 'a="' * 60000, "://a:" * 40000, "curl -u " * 30000, "login -p " * 30000, "echo a:" * 40000]
HOSTILE += ["--a " * 50000, "-----BEGIN PRIVATE KEY-----" * 9000, "|9 " + "a=" * 90000, "token" * 50000, "bearer " * 40000]


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_costs_no_more_than_its_length(text: str) -> None:
    started = time.process_time()
    masked(without_build_arguments(text))
    assert time.process_time() - started < 4
