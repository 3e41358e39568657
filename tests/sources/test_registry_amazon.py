"""Amazon as moto stands in for it: passwords from ECR's API, and blobs that a registry keeps in S3 and redirects to."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from layerscope.cli.main import run
from layerscope.oci.digest import Digest
from layerscope.sources.open import open_image
from layerscope.sources.registry.clouds import cloud_findings, ecr_host
from layerscope.sources.registry.credentials import find_credential
from layerscope.sources.registry.failures import AccessDenied, RegistryFailed
from layerscope.sources.registry.stated_tags import ecr_tags
from layerscope.sources.registry.traffic import Traffic
from sources.test_registry_open import report
from sources.test_registry_servers import ANN, layers_of, opened
from sources.test_registry_tables import bare
from support.amazon import ObjectStore, object_store
from support.image_builder import file, layer, write_layout
from support.registry_pushes import ECR_WORD, WORD, skopeo_copy, with_passwords

pytestmark = pytest.mark.slow

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
CONTENT = bytes(range(256)) * 4000
STACK = (layer(file("big", CONTENT)), layer(file("small", b"small")))


@pytest.fixture(autouse=True)
def no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No account of Amazon's or of a registry's, and none of Amazon's programs."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with the variables of an account; none of them says where Amazon is."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-test-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-test-secret")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_layout(tmp_path_factory.mktemp("amazon") / "image", *STACK, compress="gzip")


@pytest.fixture(scope="module")
def stored(amazon: str, layout: Path) -> Iterator[tuple[str, ObjectStore]]:
    """A registry with passwords that has team/app:1 in S3."""
    with object_store(amazon) as store, with_passwords(layout.parent, storage=store.registry_settings) as host:
        skopeo_copy(f"oci:{layout}", f"docker://{host}/team/app:1", who=ANN)
        yield host, store


@pytest.fixture
def logged_in(stored: tuple[str, ObjectStore], tmp_path: Path) -> tuple[str, ObjectStore]:
    """The same, and ann's password for it in Docker's file; the store's list is empty."""
    host, store = stored
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(json.dumps({"auths": {host: {"username": "ann", "password": WORD}}}))
    store.server.asked.clear()
    return stored


# Passwords of ECR


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR"])
def test_ecr_gives_a_password_through_boto3(amazon: str, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, amazon)
    who, findings = find_credential(ECR, "team/app", cloud_findings)
    assert (who.user, who.secret, who.origin) == ("AWS", ECR_WORD, "boto3")
    assert not any(ECR_WORD in f"{each}" for each in findings)


@pytest.mark.usefixtures("account")
def test_what_ecr_gave_opens_an_image(
    amazon: str, layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
    with with_passwords(tmp_path) as host:
        skopeo_copy(f"oci:{layout}", f"docker://{host}/team/app:1", who=ANN)
        (tmp_path / "registries.conf").write_text(f'[[registry]]\nprefix = "{ECR}"\nlocation = "{host}"\n')
        with pytest.raises(AccessDenied, match="refuses manifest"):
            open_image(f"docker://{ECR}/team/app:1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", amazon)
        assert run(["cat", f"docker://{ECR}/team/app:1", "/small"]) == 0
    assert capsys.readouterr().out == "small"


# Sizes of ECR


@pytest.fixture
def described(amazon: str, layout: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An image of two tags in ECR's API; its manifest, and its size as ECR counts it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", amazon)
    client: Any = import_module("boto3").client("ecr", region_name="eu-west-1")
    index = json.loads((layout / "index.json").read_bytes())
    raw = (layout / "blobs" / index["manifests"][0]["digest"].replace(":", "/")).read_text()
    if client.describe_repositories()["repositories"]:
        client.delete_repository(repositoryName="team/app", force=True)
    client.create_repository(repositoryName="team/app")
    for tag in ("1", "2"):
        client.put_image(repositoryName="team/app", imageManifest=raw, imageTag=tag)
    [one, *_] = client.describe_images(repositoryName="team/app")["imageDetails"]
    return {"digest": one["imageDigest"], "size": one["imageSizeInBytes"]}


@pytest.mark.usefixtures("account")
def test_ecr_tells_the_sizes_of_tags(described: dict[str, Any]) -> None:
    host = ecr_host(ECR)
    assert host is not None
    [page] = ecr_tags(host, "team/app")
    assert sorted(each.tag for each in page) == ["1", "2"]
    for each in page:
        assert (str(each.digest), each.pushed[:2]) == (described["digest"], "20")
        assert each.chosen is not None
        assert each.chosen.stated_bytes == described["size"]


@pytest.mark.usefixtures("account")
def test_without_boto3_the_aws_command_lists_images(
    described: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    program = tmp_path / "bin/aws"
    program.parent.mkdir()
    image = {"imageDigest": described["digest"], "imageTags": ["1"], "imageSizeInBytes": 5, "imagePushedAt": 1.7e9}
    program.write_text(f"#!/bin/sh\necho \"$*\" >{tmp_path}/asked\ncat <<'END'\n{json.dumps({'imageDetails': [image]})}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    host = ecr_host(ECR)
    assert host is not None
    [[only]] = ecr_tags(host, "team/app")
    assert (only.tag, only.pushed, only.chosen and only.chosen.stated_bytes) == ("1", "2023-11-14T22:13:20Z", 5)
    asked = "ecr describe-images --region eu-west-1 --registry-id 123456789012 --repository-name team/app --output json"
    assert (tmp_path / "asked").read_text().strip() == asked


@pytest.mark.usefixtures("account")
def test_what_ecr_does_not_list_is_listed_by_the_registry(amazon: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", amazon)
    host = ecr_host(ECR)
    assert host is not None
    with pytest.raises(RegistryFailed, match="boto3 cannot list images: RepositoryNotFoundException"):
        list(ecr_tags(host, "team/none"))


# Blobs in S3


def test_blobs_in_s3_give_the_same_report_and_nobody_s_password_gets_there(
    logged_in: tuple[str, ObjectStore], layout: Path
) -> None:
    host, store = logged_in
    assert bare(report(open_image(f"docker://{host}/team/app:1"))) == bare(report(open_image(str(layout))))
    assert len(store.signed) >= len(STACK)
    assert not any("authorization" in each.headers for each in store.signed)


def test_commands_read_files_and_verify_blobs_in_s3(
    logged_in: tuple[str, ObjectStore], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    host, store = logged_in
    assert run(["cat", f"docker://{host}/team/app:1", "/big"]) == 0
    assert capsysbinary.readouterr().out == CONTENT
    assert run(["verify", f"docker://{host}/team/app:1"]) == 0
    assert any(each.range for each in store.signed), "a file is fetched by ranges"
    assert not any("authorization" in each.headers for each in store.signed)


def test_s3_refuses_a_second_authorization(logged_in: tuple[str, ObjectStore]) -> None:
    """What the others rely on: the stand-in refuses what S3 refuses."""
    import requests

    host, store = logged_in
    repository = opened(f"{host}/team/app:1", ANN)
    [first, *_] = layers_of(repository, "1").layers
    repository.read_range(first.digest, 0, 1)
    address = f"http://{store.server.host}{store.signed[-1].path}"
    assert requests.get(address, timeout=60).status_code == 200
    refused = requests.get(address, headers={"Authorization": "Bearer x"}, timeout=60)
    assert (refused.status_code, "Only one auth mechanism allowed" in refused.text) == (400, True)


def test_a_signed_address_of_s3_that_ran_out_is_asked_for_again(logged_in: tuple[str, ObjectStore]) -> None:
    host, store = logged_in
    traffic = Traffic()
    repository = opened(f"{host}/team/app:1", ANN, traffic=traffic)
    [first, *_] = layers_of(repository, "1").layers
    parts = [repository.read_range(first.digest, 0, 100), repository.read_range(first.digest, 100, 100)]
    asked = f"GET http://{host}/v2/team/app/blobs/{first.digest}"
    assert sum(each.startswith(asked) for each in traffic.requests) == 1, "one signed address serves both"
    store.expire()
    parts.append(repository.read_range(first.digest, 200, first.size - 200))
    assert Digest.of(b"".join(parts)) == first.digest
    assert sum(each.startswith(asked) for each in traffic.requests) == 2
    assert store.signed[-1].path not in store.expired


def test_what_is_in_s3_is_not_sent_there_again(logged_in: tuple[str, ObjectStore], capsys: pytest.CaptureFixture[str]) -> None:
    """A registry answers even what is there with a signed address."""
    host, store = logged_in
    ways = []
    for _ in range(2):
        assert run(["slim", f"docker://{host}/team/app:1", "--push", f"{host}/slim/app:1", "--always", "--json"]) == 0
        ways.append([each["way"] for each in json.loads(capsys.readouterr().out)["pushed"]["blobs"]])
    assert ways == [["mounted", "mounted", "sent"], ["there", "there", "there"]]
    assert {"HEAD"} <= {each.method for each in store.signed}
