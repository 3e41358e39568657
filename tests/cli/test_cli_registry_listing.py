"""`layerscope registry HOST[/PREFIX]`: what a real registry (distribution's docker-registry) has, as text and as JSON."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from layerscope.cli.main import COMMANDS
from layerscope.units import size_text
from support.commands import COMMAND, Ran, environment, ran
from support.pretend_registry import Answer, Route, pretended_registry
from support.registry_contents import ARM, LOWER, NEW, NEW_DATE, OLD, REPOSITORIES, Contents
from support.registry_pushes import with_passwords

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_home")]


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The repositories of `--json`, by name without the host."""
    done = ran(capsys, "registry", *arguments, "--json")
    assert (done.code, done.err) == (0, "")
    return {each["repository"].partition("/")[2]: each["tags"] for each in done.objects}


def names(tags: list[dict[str, Any]]) -> list[str]:
    return [each["tag"] for each in tags]


def words(done: Ran) -> list[list[str]]:
    return [line.split() for line in done.lines]


def test_a_registry_lists_its_repositories_with_their_tags(capsys: pytest.CaptureFixture[str], contents: Contents) -> None:
    done = ran(capsys, "registry", contents.host)
    assert (done.code, done.err) == (0, "")
    start = f"{contents.host}/"
    assert done.lines == [
        f"{start}charts/app  1 tag: 0.1.0",
        f"{start}team/app  3 tags: latest, 1.10, 1.9",
        f"{start}team/web  1 tag: 1",
        f"{start}web  1 tag: 1",
    ]


def test_json_has_a_line_for_each_repository(capsys: pytest.CaptureFixture[str], contents: Contents) -> None:
    found = listed(capsys, contents.host)
    assert tuple(found) == REPOSITORIES
    assert names(found["team/app"]) == ["latest", "1.10", "1.9"]
    assert {each["digest"] for each in found["team/app"]} == {None}


@pytest.mark.parametrize(
    ("prefix", "wanted"),
    [
        ("team", ["team/app", "team/web"]),
        ("team/", ["team/app", "team/web"]),
        ("team/w", ["team/web"]),
        ("te", ["team/app", "team/web"]),
        ("web", ["web"]),
    ],
)
def test_a_prefix_begins_names_or_is_one(
    capsys: pytest.CaptureFixture[str], contents: Contents, prefix: str, wanted: list[str]
) -> None:
    assert list(listed(capsys, f"{contents.host}/{prefix}")) == wanted


def test_a_repository_is_listed_with_what_its_tags_lead_to(capsys: pytest.CaptureFixture[str], contents: Contents) -> None:
    latest, _, old = listed(capsys, f"{contents.host}/team/app", "--platform", "linux/amd64")["team/app"]
    assert (latest["digest"], latest["created"]) == (contents.digest("index"), NEW_DATE)
    assert latest["wire_bytes"] == len(LOWER) + len(NEW)
    assert [(each["platform"], each["digest"], each["wire_bytes"]) for each in latest["platforms"]] == [
        ("linux/amd64", contents.digest("new"), len(LOWER) + len(NEW)),
        ("linux/arm64", contents.digest("arm"), None),
    ]
    assert (old["tag"], old["wire_bytes"], len(old["platforms"])) == ("1.9", len(LOWER) + len(OLD), 1)


def test_the_text_is_a_tree_of_tags_and_platforms(capsys: pytest.CaptureFixture[str], contents: Contents) -> None:
    done = ran(capsys, "registry", f"{contents.host}/team/app", "--platform", "linux/amd64")
    index, new, arm, old = (contents.digest(each).partition(":")[2][:12] for each in ("index", "new", "arm", "old"))
    told = words(done)
    assert told[0] == ["size", "age", "digest", "name"]
    assert told[1] == [f"{contents.host}/team/app", "3", "tags"]
    assert told[2][:2] == size_text(len(LOWER) + len(NEW)).split()
    assert told[2][-4:] == [index, "latest", "2", "platforms"]
    assert told[3][-2:] == [new, "linux/amd64"]
    assert told[4] == [arm, "linux/arm64"]
    assert told[-1][-3:] == [old, "1.9", "linux/amd64"]
    assert all(len(line) <= 80 for line in done.lines)


def test_one_image_is_listed_with_all_platforms_and_what_is_attached(
    capsys: pytest.CaptureFixture[str], contents: Contents
) -> None:
    for reference in ("team/app:1.10", f"team/app@{contents.digest('index')}"):
        (found,) = listed(capsys, f"{contents.host}/{reference}")["team/app"]
        assert [each["wire_bytes"] for each in found["platforms"]] == [len(LOWER) + len(NEW), len(LOWER) + len(ARM)]
        told = {(each["kind"], each["by"], each["subject"]) for each in found["referrers"]}
        index, new = contents.digest("index"), contents.digest("new")
        assert told == {("signature", "tag", index), ("bill of materials", "index", new), ("provenance", "index", new)}
    done = ran(capsys, "registry", f"{contents.host}/team/app:1.10")
    assert [line[-1] for line in words(done) if "signature" in line] == ["signature"]


def test_an_image_without_anything_attached_has_an_empty_list(capsys: pytest.CaptureFixture[str], contents: Contents) -> None:
    assert listed(capsys, f"{contents.host}/web:1")["web"][0]["referrers"] == []


def test_all_repositories_can_be_listed_with_sizes_and_referrers(
    capsys: pytest.CaptureFixture[str], contents: Contents
) -> None:
    found = listed(capsys, contents.host, "--tags")
    assert found["charts/app"][0]["artifact"] == "a Helm chart"
    assert all(each["digest"] and each["referrers"] is None for tags in found.values() for each in tags)
    attached = listed(capsys, f"{contents.host}/te", "--referrers")
    assert [len(each["referrers"]) for each in attached["team/app"]] == [3, 3, 0]


def test_only_the_newest_tags_are_read_unless_all_are_asked_for(
    capsys: pytest.CaptureFixture[str], contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerscope.cli.registry.NEWEST", 2)
    place = f"{contents.host}/team/app"
    assert [each["wire_bytes"] is None for each in listed(capsys, place)["team/app"]] == [False, False, True]
    assert ran(capsys, "registry", place).lines[-1].strip() == "and 1 more tag (--all shows them all)"
    assert None not in [each["wire_bytes"] for each in listed(capsys, place, "--all")["team/app"]]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("{host}/nothing", "lists no repository that begins with nothing"),
        ("{host}/team/app:9", "has no manifest"),
        ("{host}/Team", "'Team' begins no name of a repository"),
        ("{host}/team:a b", "begins no name of a repository"),
        ("{host}/team@sha256:12", "is not a digest"),
        ("not a host", "is not a valid name of a registry"),
        ("docker.io", "does not list all its repositories: name a namespace of it, such as docker.io/library"),
        ("quay.io", "name a namespace of it, such as quay.io/"),
    ],
)
def test_what_cannot_be_listed_is_a_sentence(
    capsys: pytest.CaptureFixture[str], contents: Contents, place: str, sentence: str
) -> None:
    done = ran(capsys, "registry", place.format(host=contents.host))
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


def test_a_registry_without_a_catalog_says_what_to_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pretended_registry() as pretended:
        done = ran(capsys, "registry", pretended.host)
        assert done.code == 2
        assert f"name one to see its tags: layerscope registry {pretended.host}/NAME" in done.err
        pretended.routes["/v2/owner/app/tags/list"] = lambda _: Answer(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
        done = ran(capsys, "registry", f"{pretended.host}/owner/app")
        assert "refuses list of tags of owner/app without credentials" in done.err
        pretended.routes["/v2/_catalog"] = lambda _: Answer(200, b'{"repositories": []}')
        assert "lists no repositories: it is empty" in ran(capsys, "registry", pretended.host).err


def test_a_repository_that_cannot_be_listed_is_told_and_the_others_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pretended_registry() as pretended:
        pretended.routes["/v2/_catalog"] = lambda _: Answer(200, b'{"repositories": ["a", "b", "a", "../c", "B"]}')
        pretended.routes["/v2/b/tags/list"] = lambda _: Answer(200, b'{"tags": ["1", "\\u001b[2J"]}')
        done = ran(capsys, "registry", pretended.host)
        as_json = ran(capsys, "registry", pretended.host, "--json")
    assert done.code == as_json.code == 2
    assert [line.partition("/")[2].split()[0] for line in done.lines] == ["a", "b"]
    assert "has no list of tags of a" in done.err
    assert "\x1b" not in done.out + as_json.out
    assert [each["tags"] is None for each in as_json.objects] == [True, False]


def test_a_registry_that_wants_credentials_says_how_to_log_in(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with with_passwords(tmp_path) as host:
        done = ran(capsys, "registry", host)
    assert done.code == 2
    assert f"docker login {host}" in done.err


def test_commands_of_the_group_are_no_registries(capsys: pytest.CaptureFixture[str]) -> None:
    assert "registry" in COMMANDS
    assert "check" in ran(capsys, "registry", "--help").out
    assert "HOST[/PREFIX]" in ran(capsys, "registry", "example.com", "--help").out


STALLS = ["/v2/_catalog?n=1000", "/v2/_catalog?last=1", "/v2/team/app/tags/list", "/v2/team/app/manifests/1"]


def stalling(stall: str) -> dict[str, Route]:
    """What a registry answers that never answers one of its questions."""

    def answer(path: str, body: bytes, headers: dict[str, str] | None = None) -> Route:
        return lambda _: Answer(200, body, headers or {}, stall_after=0 if path == stall else -1)

    link = {"Link": '</v2/_catalog?last=1>; rel="next"'}
    bodies = dict(zip(STALLS, (b'{"repositories": ["team/app"]}', b"{}", b'{"tags": ["1"]}', b"{}"), strict=True))
    return {path: answer(path, body, link if path == STALLS[0] else None) for path, body in bodies.items()}


@pytest.mark.parametrize("stall", STALLS)
def test_ctrl_c_ends_the_listing_of_a_registry_that_stalls_at_once(stall: str) -> None:
    with pretended_registry() as pretended:
        pretended.routes |= stalling(stall)
        command = [*COMMAND, "registry", pretended.host, "--tags", "--text"]
        process = subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, env=environment({}))
        while not pretended.asked_for(stall):
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err.strip()) == (130, "layerscope: interrupted")
        assert time.monotonic() - started < 3


def test_a_reader_that_leaves_ends_the_listing() -> None:
    with pretended_registry() as pretended:
        pretended.routes |= stalling(STALLS[1])
        pretended.routes[STALLS[0]] = lambda _: Answer(
            200, json.dumps({"repositories": [f"r{n}" for n in range(20_000)]}).encode()
        )
        command = [*COMMAND, "registry", pretended.host]
        with subprocess.Popen(command, stdout=PIPE, stderr=subprocess.DEVNULL, text=True, env=environment({})) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(timeout=30) == 141
