"""Names in registries, what this machine's configuration makes of them, and where credentials are found."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from layerscope.errors import BadSettings, LayerscopeError, NotFound
from layerscope.sources.registry.challenge import Challenge, best_challenge, parse_challenges
from layerscope.sources.registry.clouds import cloud_findings, ecr_host, is_azure, is_google
from layerscope.sources.registry.credentials import Credential, CredentialFinding, find_credential
from layerscope.sources.registry.host_settings import HostSettings
from layerscope.sources.registry.registry_name import RegistryName, parse_image_name, parse_repository_name

DIGEST = "sha256:" + "5" * 64


@pytest.mark.parametrize(
    ("typed", "full"),
    [
        ("alpine", "docker.io/library/alpine:latest"),
        ("alpine:3", "docker.io/library/alpine:3"),
        ("owner/app", "docker.io/owner/app:latest"),
        ("index.docker.io/owner/app", "docker.io/owner/app:latest"),
        ("docker.io/alpine", "docker.io/library/alpine:latest"),
        ("ghcr.io/team/app:1.4", "ghcr.io/team/app:1.4"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/a/b/c:x", "localhost:5000/a/b/c:x"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        (f"ghcr.io/team/app@{DIGEST}", f"ghcr.io/team/app@{DIGEST}"),
        (f"ghcr.io/team/app:1@{DIGEST}", f"ghcr.io/team/app@{DIGEST}"),
    ],
)
def test_names_are_filled_in_as_docker_does(typed: str, full: str) -> None:
    assert str(parse_image_name(typed)) == full


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "UPPER/app",
        "ghcr.io/",
        "ghcr.io/a//b",
        "a:b:c",
        "ghcr.io/app@sha256:12",
        "ghcr.io/a b",
        "-x.io/a",
        "a" * 600,
        "ghcr.io/../x",
    ],
)
def test_what_is_no_name_is_refused_in_a_sentence(typed: str) -> None:
    with pytest.raises(LayerscopeError):
        parse_image_name(typed)


def test_a_repository_needs_no_tag() -> None:
    assert parse_repository_name("ghcr.io/team/app") == RegistryName("ghcr.io", "team/app")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostSettings:
    monkeypatch.delenv("CONTAINERS_REGISTRIES_CONF", raising=False)
    (tmp_path / "root").mkdir()
    (tmp_path / "home").mkdir()
    return HostSettings(tmp_path / "root", tmp_path / "home")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def hosts(settings: HostSettings, typed: str) -> list[tuple[str, str]]:
    return [(str(each), each.repository) for each in settings.endpoints(parse_image_name(typed))]


def test_without_configuration_the_registry_itself_is_asked(settings: HostSettings) -> None:
    assert hosts(settings, "alpine") == [("registry-1.docker.io", "library/alpine")]
    assert hosts(settings, "ghcr.io/a/b") == [("ghcr.io", "a/b")]
    [endpoint] = settings.endpoints(parse_image_name("ghcr.io/a/b"))
    assert endpoint.schemes == ("https",)
    [own] = settings.endpoints(parse_image_name("127.0.0.1:5000/a"))
    assert own.schemes == ("https", "http")


def test_mirrors_of_registries_conf_come_first_with_the_prefix_replaced(settings: HostSettings) -> None:
    text = """
    [[registry]]
    prefix = "ghcr.io/team"
    location = "inner.example/ghcr/team"
    [[registry.mirror]]
    location = "mirror.example:5000/x"
    insecure = true
    [[registry]]
    prefix = "ghcr.io"
    blocked = true
    """
    write(settings.root / "etc/containers/registries.conf", text)
    assert hosts(settings, "ghcr.io/team/app:1") == [("mirror.example:5000", "x/app"), ("inner.example", "ghcr/team/app")]
    mirror, own = settings.endpoints(parse_image_name("ghcr.io/team/app:1"))
    assert (mirror.is_mirror, mirror.is_insecure, mirror.schemes) == (True, True, ("https", "http"))
    assert (own.is_mirror, own.is_insecure) == (False, False)
    pushed_to = settings.own_endpoint(parse_image_name("ghcr.io/team/app:1"))
    assert (pushed_to.host, pushed_to.repository) == ("ghcr.io", "team/app")
    with pytest.raises(NotFound, match="blocks"):
        settings.endpoints(parse_image_name("ghcr.io/other/app:1"))


def test_mirrors_for_digests_only_are_not_asked_for_tags(settings: HostSettings) -> None:
    text = """
    [[registry]]
    location = "ghcr.io"
    [[registry.mirror]]
    location = "mirror.example"
    pull-from-mirror = "digest-only"
    """
    write(settings.root / "etc/containers/registries.conf", text)
    assert hosts(settings, "ghcr.io/app:1") == [("ghcr.io", "app")]
    assert hosts(settings, f"ghcr.io/app@{DIGEST}") == [("mirror.example", "app"), ("ghcr.io", "app")]


def test_short_names_follow_aliases_and_the_list_to_search(settings: HostSettings) -> None:
    assert settings.home is not None
    write(settings.root / "etc/containers/registries.conf", 'unqualified-search-registries = ["a.example", "docker.io"]')
    write(settings.root / "etc/containers/registries.conf.d/000.conf", '[aliases]\n"busy" = "quay.io/x/busy"')
    assert [str(name) for name in settings.full_names(parse_image_name("app:1"))] == [
        "a.example/app:1",
        "docker.io/library/app:1",
    ]
    assert [str(name) for name in settings.full_names(parse_image_name("busy"))] == ["quay.io/x/busy:latest"]
    assert [str(name) for name in settings.full_names(parse_image_name("ghcr.io/app"))] == ["ghcr.io/app:latest"]


def test_docker_s_mirrors_stand_for_docker_hub_only(settings: HostSettings) -> None:
    document = {"registry-mirrors": ["http://mirror.example:5000"], "insecure-registries": ["10.0.0.0/8", "old.example:5000"]}
    write(settings.root / "etc/docker/daemon.json", json.dumps(document))
    assert hosts(settings, "alpine") == [("mirror.example:5000", "library/alpine"), ("registry-1.docker.io", "library/alpine")]
    assert hosts(settings, "ghcr.io/a") == [("ghcr.io", "a")]
    assert settings.endpoints(parse_image_name("alpine"))[0].schemes == ("http",)
    assert settings.endpoints(parse_image_name("10.1.2.3:5000/a"))[0].is_insecure
    assert settings.endpoints(parse_image_name("old.example:5000/a"))[0].is_insecure
    assert not settings.endpoints(parse_image_name("11.1.2.3:5000/a"))[0].is_insecure


def test_containerd_s_hosts_are_mirrors_with_a_namespace(settings: HostSettings) -> None:
    text = """
    server = "https://real.example"
    [host."https://mirror.example/v2"]
      capabilities = ["pull", "resolve"]
      ca = "/ca.crt"
      client = [["/a.cert", "/a.key"]]
    [host."https://push.example"]
      capabilities = ["push"]
    """
    write(settings.root / "etc/containerd/certs.d/ghcr.io/hosts.toml", text)
    mirror, own = settings.endpoints(parse_image_name("ghcr.io/a"))
    assert (mirror.host, mirror.namespace, mirror.authorities) == ("mirror.example", "ghcr.io", (Path("/ca.crt"),))
    assert mirror.client_certificates == ((Path("/a.cert"), Path("/a.key")),)
    assert own.host == "real.example"


def test_certificates_are_found_by_host_and_port(settings: HostSettings) -> None:
    for name in ("ca.crt", "me.cert", "me.key"):
        write(settings.root / "etc/docker/certs.d/reg.example:5000" / name, "")
    [endpoint] = settings.endpoints(parse_image_name("reg.example:5000/a"))
    directory = settings.root / "etc/docker/certs.d/reg.example:5000"
    assert endpoint.authorities == (directory / "ca.crt",)
    assert endpoint.client_certificates == ((directory / "me.cert", directory / "me.key"),)


@pytest.mark.parametrize("text", ["unqualified-search-registries = 1", "[[registry]", "a = " + "[" * 3000])
def test_configuration_that_cannot_be_understood_is_named(text: str, settings: HostSettings) -> None:
    write(settings.root / "etc/containers/registries.conf", text)
    with pytest.raises(BadSettings, match=r"registries\.conf"):
        settings.endpoints(parse_image_name("ghcr.io/a"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGISTRY_AUTH_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def no_cloud(_host: str) -> Iterator[CredentialFinding]:
    yield from ()


def found(host: str, repository: str = "team/app") -> Credential:
    return find_credential(host, repository, no_cloud)[0]


def auth(user: str, secret: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{secret}".encode()).decode()}


def program(path: Path, script: str) -> None:
    write(path, f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_docker_s_file_comes_before_podman_s(home: Path) -> None:
    write(home / "docker/config.json", json.dumps({"auths": {"reg.example": auth("docker", "d:w")}}))
    write(
        home / "run/containers/auth.json",
        json.dumps({"auths": {"reg.example": auth("podman", "p"), "b.example": auth("b", "b")}}),
    )
    assert (found("reg.example").user, found("reg.example").secret) == ("docker", "d:w")
    assert found("b.example").user == "b"
    assert found("none.example").user == ""


def test_the_longest_key_of_a_path_wins(home: Path) -> None:
    auths = {"reg.example": auth("host", "1"), "reg.example/team": auth("team", "2"), "reg.example/team/app": auth("app", "3")}
    write(home / "run/containers/auth.json", json.dumps({"auths": auths}))
    assert found("reg.example", "team/app").user == "app"
    assert found("reg.example", "team/other").user == "team"
    assert found("reg.example", "elsewhere").user == "host"


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "https://registry-1.docker.io/v2/"]
)
def test_docker_hub_s_key_has_many_spellings(key: str, home: Path) -> None:
    write(home / "docker/config.json", json.dumps({"auths": {key: auth("hub", "w")}}))
    assert found("docker.io", "library/alpine").user == "hub"


def test_an_identity_token_is_one(home: Path) -> None:
    write(home / "docker/config.json", json.dumps({"auths": {"reg.example": {"identitytoken": "token-of-mine"}}}))
    assert found("reg.example").identity_token == "token-of-mine"


def test_helpers_are_asked_and_those_that_fail_end_nothing(home: Path) -> None:
    program(home / "bin/docker-credential-good", 'read host; echo "{\\"Username\\":\\"of $host\\",\\"Secret\\":\\"s\\"}"')
    program(home / "bin/docker-credential-bad", "echo a-secret >&2; exit 1")
    document = {
        "credHelpers": {"good.example": "good", "bad.example": "bad", "gone.example": "gone", "evil.example": "../../bin/sh"},
        "auths": {"bad.example": auth("fallback", "w"), "gone.example": {}},
    }
    write(home / "docker/config.json", json.dumps(document))
    assert found("good.example").user == "of good.example"
    assert found("bad.example").user == "fallback"
    assert found("gone.example").user == ""
    _, findings = find_credential("evil.example", "a", no_cloud)
    assert any("is not run" in each.outcome for each in findings)
    assert not any("a-secret" in each.outcome for each in find_credential("bad.example", "a", no_cloud)[1])


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"auths": 3}', '{"auths": {"reg.example": {"auth": "%%%"}}}', '{"auths": {"reg.example": null}}']
)
def test_a_file_that_makes_no_sense_leaves_the_user_anonymous(text: str, home: Path) -> None:
    write(home / "docker/config.json", text)
    assert found("reg.example").user == ""


def test_secrets_are_not_in_what_is_printed_of_a_credential() -> None:
    assert "hidden" not in repr(Credential("ann", "hidden-word", "hidden-token"))


def test_the_clouds_hosts_are_told_apart() -> None:
    private = ecr_host("123456789012.dkr.ecr.eu-west-1.amazonaws.com")
    assert private is not None
    assert (private.account, private.region) == ("123456789012", "eu-west-1")
    assert ecr_host("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com") is not None
    assert ecr_host("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn") is not None
    new = ecr_host("123456789012.dkr-ecr.eu-west-1.on.aws")
    assert new is not None
    assert new.region == "eu-west-1"
    assert ecr_host("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example") is None
    assert is_google("eu.gcr.io")
    assert is_google("europe-west1-docker.pkg.dev")
    assert not is_google("gcr.io.evil.example")
    assert is_azure("team.azurecr.io")
    assert not is_azure("azurecr.io.evil.example")


def test_no_cloud_is_asked_for_another_host(home: Path) -> None:
    program(home / "bin/aws", "echo asked > $HOME/asked; echo word")
    assert list(cloud_findings("reg.example")) == []
    assert not (home / "asked").exists()


def test_amazon_s_command_gives_a_password(home: Path) -> None:
    program(home / "bin/aws", 'echo "$@" > $HOME/asked; echo the-password')
    who, _ = find_credential("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "app", cloud_findings)
    assert (who.user, who.secret) == ("AWS", "the-password")
    assert (home / "asked").read_text() == "ecr get-login-password --region eu-west-1\n"


def test_google_s_key_file_is_sent_as_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / "key.json", '{"type": "service_account", "private_key": "x"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "key.json"))
    who, _ = find_credential("eu.gcr.io", "app", cloud_findings)
    assert who.user == "_json_key"
    assert json.loads(who.secret)["private_key"] == "x"


def test_google_s_command_gives_an_access_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    program(home / "bin/gcloud", 'echo "$@" > $HOME/asked; echo the-token')
    who, _ = find_credential("europe-west1-docker.pkg.dev", "team/app", cloud_findings)
    assert (who.user, who.secret) == ("oauth2accesstoken", "the-token")
    assert (home / "asked").read_text() == "auth print-access-token\n"


def test_azure_s_command_gives_a_refresh_token(home: Path) -> None:
    program(home / "bin/az", "echo the-refresh-token")
    who, _ = find_credential("team.azurecr.io", "app", cloud_findings)
    assert (who.user, who.secret) == ("00000000-0000-0000-0000-000000000000", "the-refresh-token")


def test_what_a_cloud_s_package_logs_is_not_printed(home: Path) -> None:
    log = "import logging; logging.getLogger(__name__).warning('tried this and that')"
    write(home / "packages/azure/__init__.py", "")
    write(home / "packages/azure/identity.py", f"def DefaultAzureCredential():\n    {log}\n    raise OSError\n")
    ask = (
        "from layerscope.sources.registry.clouds import cloud_findings as ask; print(list(ask('team.azurecr.io'))[-1].outcome)"
    )
    env = {**os.environ, "PYTHONPATH": str(home / "packages")}
    done = subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("found no credentials (OSError)\n", "")


def test_challenges_are_taken_apart() -> None:
    header = 'Basic realm="a, b", Bearer realm="https://t/\\"x",service="s,t",scope="repository:a/b:pull,push"'
    assert parse_challenges(header) == [
        Challenge("basic", "a, b"),
        Challenge("bearer", 'https://t/"x', "s,t", "repository:a/b:pull,push"),
    ]
    assert best_challenge(header) == Challenge("bearer", 'https://t/"x', "s,t", "repository:a/b:pull,push")
    assert best_challenge("Negotiate") is None
    assert best_challenge("") is None
