"""`layerscope registry check`: what applies to a registry, and what a real one answers. No secret is ever shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from support.commands import Ran, ran
from support.engines import free_port, registry
from support.image_builder import layer, write_layout
from support.pretend_registry import Answer, pretended_registry, served
from support.registry_pushes import WORD, own_certificate, with_passwords
from support.token_server import token_server

pytestmark = pytest.mark.usefixtures("own_home")


def log_in(directory: Path, host: str, word: str) -> None:
    auth = base64.b64encode(f"ann:{word}".encode()).decode()
    (directory / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Ran, dict[str, Any]]:
    """The text and the JSON of a check, in neither of which the password may stand."""
    text = ran(capsys, "registry", "check", *arguments)
    document = ran(capsys, "registry", "check", *arguments, "--json")
    for each in (text, document):
        assert WORD not in each.out + each.err
        assert base64.b64encode(f"ann:{WORD}".encode()).decode() not in each.out + each.err
    assert text.code == document.code
    found: dict[str, Any] = json.loads(document.out)
    assert found["ok"] == (text.code == 0)
    return text, found


def test_a_registry_for_everybody_is_ok_without_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    with registry() as host:
        text, found = checked(capsys, host)
    assert text.code == 0
    assert text.lines[-1].split() == ["answers", "200:", "ok"]
    assert "none: only public images can be read" in text.out
    (endpoint,) = found["endpoints"]
    assert (endpoint["address"], endpoint["status"], endpoint["asks_for"]) == (f"http://{host}", 200, None)


def test_the_file_of_the_credentials_is_named_and_whether_they_are_accepted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with with_passwords(tmp_path) as host:
        text, found = checked(capsys, host)
        assert (text.code, found["endpoints"][0]["asks_for"]["scheme"]) == (2, "basic")
        assert "without credentials" in text.out
        log_in(tmp_path, host, WORD)
        text, found = checked(capsys, f"{host}/team/app")
        assert (text.code, f"used: {tmp_path}/config.json has user ann for {host}" in text.out) == (0, True)
        assert found["endpoints"][0]["credentials_from"] == f"{tmp_path}/config.json, {host}"
        log_in(tmp_path, host, f"{WORD}-of-before")
        text, found = checked(capsys, host)
        assert (text.code, "as ann" in found["endpoints"][0]["problem"]) == (2, True)


def test_the_token_server_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with token_server(tmp_path, {"ann": WORD}) as server, registry(auth=server.registry_settings) as host:
        log_in(tmp_path, host, WORD)
        text, found = checked(capsys, host)
    assert text.code == 0
    assert found["endpoints"][0]["asks_for"]["realm"].startswith("http")
    assert "asks for     a token from http" in text.out


def test_a_helper_that_fails_is_named_and_is_no_obstacle(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    helper = tmp_path / "docker-credential-broken"
    helper.write_text(f"#!/bin/sh\necho {WORD} >&2\nexit 1\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "config.json").write_text('{"credsStore": "broken"}')
    with registry() as host:
        text, _ = checked(capsys, host)
    assert (text.code, "helper docker-credential-broken found nothing (exit 1)" in text.out) == (0, True)


def test_what_is_wrong_with_a_certificate_is_told_and_what_applies(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    own_certificate(tmp_path)
    with registry(http={"tls": {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}}) as host:
        text, _ = checked(capsys, host)
        assert (text.code, "FAILED" in text.out, f"--insecure {host}" in text.out) == (2, True, True)
        text, found = checked(capsys, host, "--insecure", host)
        assert (text.code, found["endpoints"][0]["is_insecure"]) == (0, True)
        kept = tmp_path / ".config/containers/certs.d" / host
        kept.mkdir(parents=True)
        (kept / "ca.crt").write_bytes((tmp_path / "cert.pem").read_bytes())
        text, found = checked(capsys, host)
        assert (text.code, str(kept / "ca.crt") in found["endpoints"][0]["authorities"]) == (0, True)
        assert f"address      https://{host}" in text.out


def test_mirrors_are_asked_too_and_need_not_answer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with registry() as host:
        mirror = f"127.0.0.1:{free_port()}"
        conf = f'[[registry]]\nlocation = "{host}"\n[[registry.mirror]]\nlocation = "{mirror}/copies"\n'
        (tmp_path / "registries.conf").write_text(conf)
        text, found = checked(capsys, host)
    assert text.code == 0
    assert [(each["is_mirror"], each["status"]) for each in found["endpoints"]] == [(True, None), (False, 200)]
    assert f"mirror       {mirror}" in text.out


def test_a_proxy_is_shown_without_its_password(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://ann:{WORD}@127.0.0.1:{(port := free_port())}")
    text, found = checked(capsys, "registry.example")
    assert (text.code, found["endpoints"][0]["proxy"]) == (2, f"http://127.0.0.1:{port}")
    assert "cannot be reached through the proxy of HTTPS_PROXY" in text.out


def test_what_to_do_with_a_registry_has_to_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = ran(capsys, "registry")
    assert (found.code, found.err) == (
        2,
        "layerscope: missing argument 'HOST[/PREFIX][:TAG]'. Try: layerscope registry --help\n",
    )


def test_a_blocked_registry_is_not_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "registries.conf").write_text('[[registry]]\nprefix = "blocked.example"\nblocked = true\n')
    text, found = checked(capsys, "blocked.example")
    assert (text.code, found["endpoints"], "registries.conf blocks blocked.example" in text.out) == (2, [], True)


def test_a_web_server_is_no_registry(capsys: pytest.CaptureFixture[str]) -> None:
    with pretended_registry() as pretended:
        pretended.routes["/v2/"] = lambda _asked: Answer(200, b"hello")
        assert checked(capsys, pretended.host)[0].code == 2
        pretended.routes["/v2/"] = lambda _asked: Answer(200, b"<html>", {"Content-Type": "text/html"})
        text, _ = checked(capsys, pretended.host)
        assert (text.code, "web page" in text.out) == (2, True)


@pytest.mark.parametrize("name", ["", "a b", "-", "\x1b[31m", "x" * 600])
def test_what_is_no_host_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str], name: str) -> None:
    found = ran(capsys, "registry", "check", "--", name)
    assert (found.code, found.out, len(found.err.splitlines()), "\x1b" in found.err) == (2, "", 1, False)


def test_few_pulls_left_are_told_when_an_image_is_opened(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    headers = {"ratelimit-remaining": "7;w=21600"}
    with pretended_registry() as pretended:
        reference = served(pretended, write_layout(tmp_path / "image", layer("a")))
        for path, route in list(pretended.routes.items()):
            if "/manifests/" in path:
                pretended.routes[path] = lambda asked, route=route: Answer(  # type: ignore[misc]
                    200, (found := route(asked)).body, found.headers | headers
                )
        shown = ran(capsys, "ls", reference)
    assert (shown.code, shown.err) == (0, f"layerscope: {pretended.host}: 7 pulls are left of its rate limit\n")
