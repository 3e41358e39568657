"""Real registries on this machine (distribution's docker-registry): plain, with passwords, with tokens, over TLS."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import requires
from layerscope.errors import BadDocument
from layerscope.oci.digest import Digest
from layerscope.oci.documents import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Config, Index, Manifest, decode
from layerscope.sources.registry.credentials import ANONYMOUS, Credential, find_credential
from layerscope.sources.registry.failures import AccessDenied, NoSuchImage, RegistryFailed
from layerscope.sources.registry.host_settings import HostSettings
from layerscope.sources.registry.registry_listing import referrers, repository_pages, tag_pages
from layerscope.sources.registry.registry_name import parse_image_name
from layerscope.sources.registry.repository import Repository
from layerscope.sources.registry.traffic import Traffic
from layerscope.sources.registry.transport import Connection
from support.engines import podman_engine, registry
from support.image_builder import file, image, layer
from support.registry_pushes import WORD, own_certificate, put_layout, skopeo_copy, with_passwords
from support.sources_build import Layout, dump, layer_tar, tar
from support.token_server import TokenServer, token_server

ANN = Credential("ann", WORD, origin="a test")
STACK = (layer(file("big", bytes(range(256)) * 4000)), layer(file("small", b"small")))
ARM = {"os": "linux", "architecture": "arm64"}


def pushed(host: str, directory: Path, *names: str, who: Credential | None = None) -> None:
    """Push a small image to a registry under each name."""
    archive = directory / "image.tar"
    archive.write_bytes(image(*STACK, tag="app:1"))
    for name in names:
        skopeo_copy(f"docker-archive:{archive}", f"docker://{host}/{name}", who=who)


def pushed_index(host: str, name: str, directory: Path) -> None:
    """Push an index of two platforms."""
    layout = Layout()
    here, there = layout.image(layer_tar("here")), layout.image(layer_tar("there"), platform=ARM)
    archive = directory / "index.tar"
    archive.write_bytes(tar(layout.files(layout.index(here, there, names={"org.opencontainers.image.ref.name": "1"}))))
    skopeo_copy("--all", f"oci-archive:{archive}:1", f"docker://{host}/{name}")


def opened(
    text: str, who: Credential = ANONYMOUS, *, settings: HostSettings | None = None, traffic: Traffic | None = None
) -> Repository:
    """The repository that a name means, as a command opens it."""
    name = parse_image_name(text)
    shared = traffic or Traffic()
    endpoints = (settings or HostSettings(root=Path("/nonexistent"))).endpoints(name)
    return Repository(name, [Connection(each, lambda: who, shared) for each in endpoints])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("plain")
    with registry() as host:
        pushed(host, directory, "team/app:1", "team/app:2", "other:1", "a/b/c/d:x")
        pushed_index(host, "team/many:1", directory)
        yield host


@pytest.fixture(scope="module")
def passwords(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("passwords")
    with with_passwords(directory) as host:
        pushed(host, directory, "team/app:1", who=ANN)
        yield host


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, TokenServer]]:
    directory = tmp_path_factory.mktemp("tokens")
    with (
        token_server(directory, {"ann": WORD}) as server,
        registry(auth=server.registry_settings) as host,
    ):
        pushed(host, directory, "team/app:1", "public/app:1", who=ANN)
        server.server.asked.clear()
        yield host, server


def layers_of(repository: Repository, reference: str) -> Manifest:
    return decode(repository.document(reference).raw, Manifest, what="the manifest")


# Reading


def test_a_tag_and_its_digest_are_the_same_manifest(plain: str) -> None:
    repository = opened(f"{plain}/team/app:1")
    digest = repository.resolve("1")
    by_tag = repository.document("1")
    assert digest == by_tag.digest == Digest.of(by_tag.raw)
    assert by_tag.media_type in (DOCKER_MANIFEST, OCI_MANIFEST)
    by_digest = opened(f"{plain}/team/app@{digest}").document(str(digest))
    assert (by_digest.raw, by_digest.digest) == (by_tag.raw, digest)


def test_config_and_layers_are_read_whole_and_in_parts(plain: str) -> None:
    traffic = Traffic()
    repository = opened(f"{plain}/team/app:1", traffic=traffic)
    manifest = layers_of(repository, "1")
    raw = repository.blob(manifest.config.digest, manifest.config.size)
    assert len(decode(raw, Config, what="the config").rootfs.diff_ids) == len(STACK)
    first = manifest.layers[0]
    whole = b"".join(repository.stream(first.digest, first.size))
    assert (len(whole), Digest.of(whole)) == (first.size, first.digest)
    for start, size in ((0, 1), (0, first.size), (first.size - 1, 1), (first.size // 2, 17)):
        before = traffic.fetched[str(first.digest)]
        assert repository.read_range(first.digest, start, size) == whole[start : start + size]
        assert traffic.fetched[str(first.digest)] - before == size


def test_an_index_names_its_platforms(plain: str) -> None:
    repository = opened(f"{plain}/team/many:1")
    document = repository.document("1")
    assert document.media_type == OCI_INDEX
    listed = decode(document.raw, Index, what="the index").manifests
    assert [each.platform.architecture for each in listed if each.platform] == ["amd64", "arm64"]
    for each in listed:
        assert repository.document(str(each.digest)).digest == each.digest


def test_what_is_not_there_is_named(plain: str) -> None:
    with pytest.raises(NoSuchImage, match=rf"{plain} has no manifest {plain}/team/app:9: manifest unknown"):
        opened(f"{plain}/team/app:9").document("9")
    with pytest.raises(NoSuchImage, match=rf"has no manifest {plain}/team/app:9"):
        opened(f"{plain}/team/app:9").resolve("9")
    with pytest.raises(NoSuchImage, match="has no manifest"):
        opened(f"{plain}/nothing/here:1").document("1")
    absent = Digest.of(b"absent")
    with pytest.raises(NoSuchImage, match=f"has no blob {absent.short}: blob unknown"):
        b"".join(opened(f"{plain}/team/app:1").stream(absent, 10))
    with pytest.raises(NoSuchImage, match=f"has no blob {absent.short}"):
        opened(f"{plain}/team/app:1").read_range(absent, 0, 10)


def test_one_opening_is_few_requests(plain: str) -> None:
    traffic = Traffic()
    repository = opened(f"{plain}/team/app:1", traffic=traffic)
    assert repository.resolve("1") is not None
    manifests = [each for each in traffic.requests if "/manifests/" in each]
    assert manifests == [f"HEAD http://{plain}/v2/team/app/manifests/1"]
    assert len(traffic.requests) <= 3, "https is tried first on this machine"


# Lists


def test_all_repositories_and_tags_are_listed(plain: str) -> None:
    repository = opened(f"{plain}/team/app:1")
    names = [name for page in repository_pages(repository.connection) for name in page]
    assert names == ["a/b/c/d", "other", "team/app", "team/many"]
    assert sorted(tag for page in tag_pages(repository) for tag in page) == ["1", "2"]
    with pytest.raises(NoSuchImage, match="has no list of tags of nothing: repository name not known"):
        list(tag_pages(opened(f"{plain}/nothing:1")))


def test_a_catalog_with_small_pages_is_followed_to_its_end(tmp_path: Path) -> None:
    with registry(catalog={"maxentries": 2}) as host:
        pushed(host, tmp_path, *(f"r{number}:1" for number in range(5)))
        pages = list(repository_pages(opened(f"{host}/r0:1").connection))
    assert [name for page in pages for name in page] == [f"r{number}" for number in range(5)]


def test_referrers_are_found_by_their_tag_where_the_registry_has_no_list(plain: str) -> None:
    repository = opened(f"{plain}/team/app:1")
    subject = repository.document("1").digest
    assert referrers(repository, subject) == []
    layout = Layout()
    signature = layout.image(b"a signature", changes={"artifactType": "application/vnd.example.signature"})
    entry = signature | {"artifactType": "application/vnd.example.signature"}
    put_layout(plain, "team/app", layout, layout.index(entry), f"{subject.algorithm}-{subject.encoded}")
    [found] = referrers(repository, subject)
    assert (found.digest, found.artifact_type) == (signature["digest"], "application/vnd.example.signature")


# Passwords


def test_a_password_opens_what_nobody_else_sees(passwords: str) -> None:
    assert layers_of(opened(f"{passwords}/team/app:1", ANN), "1").layers
    with pytest.raises(AccessDenied, match=rf"{passwords} refuses manifest .* without credentials \(401.*docker login"):
        opened(f"{passwords}/team/app:1").document("1")
    wrong = Credential("ann", "another-password", origin="a test")
    for read in (Repository.document, Repository.resolve):
        with pytest.raises(AccessDenied, match=r"as ann \(from a test\)") as caught:
            read(opened(f"{passwords}/team/app:1", wrong), "1")
        assert wrong.secret not in f"{caught.value!r} {caught.value.__cause__!r}"
        assert wrong.basic not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_what_podman_and_skopeo_log_in_with_is_found(passwords: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requires("podman")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    login = ["podman", "login", "--tls-verify=false", "-u", "ann", "--password-stdin"]
    subprocess.run([*login, f"{passwords}/team"], input=WORD.encode(), capture_output=True, check=True)
    who, findings = find_credential(passwords, "team/app", lambda _host: iter(()))
    assert (who.user, who.secret) == ("ann", WORD)
    assert WORD not in " ".join(f"{each.place} {each.outcome}" for each in findings)
    assert layers_of(opened(f"{passwords}/team/app:1", who), "1").layers
    assert find_credential(passwords, "others/app", lambda _host: iter(()))[0] == ANONYMOUS


# Tokens


def test_a_token_is_got_once_for_everything_that_is_read(tokens: tuple[str, TokenServer]) -> None:
    host, server = tokens
    server.server.asked.clear()
    repository = opened(f"{host}/team/app:1", ANN)
    for each in layers_of(repository, "1").layers:
        assert Digest.of(b"".join(repository.stream(each.digest, each.size))) == each.digest
    assert list(tag_pages(repository)) == [("1",)]
    [asked] = server.server.asked
    assert "scope=repository%3Ateam%2Fapp%3Apull&" in f"{asked.path}&"


def test_nobody_in_particular_reads_what_is_public(tokens: tuple[str, TokenServer]) -> None:
    host, _ = tokens
    assert layers_of(opened(f"{host}/public/app:1"), "1").layers
    with pytest.raises(AccessDenied, match=r"without credentials \(401: authentication required\); log in with"):
        opened(f"{host}/team/app:1").document("1")


def test_an_identity_token_is_exchanged(tokens: tuple[str, TokenServer]) -> None:
    host, server = tokens
    server.identities["an-identity-token"] = "ann"
    who = Credential("<token>", identity_token="an-identity-token", origin="a test")
    assert layers_of(opened(f"{host}/team/app:1", who), "1").layers
    stale = Credential("<token>", identity_token="a-stale-identity", origin="a test")
    with pytest.raises(AccessDenied, match="refuses a token") as caught:
        opened(f"{host}/team/app:1", stale).document("1")
    assert "a-stale-identity" not in str(caught.value)


def test_a_wrong_password_is_refused_by_the_token_server(tokens: tuple[str, TokenServer]) -> None:
    host, server = tokens
    with pytest.raises(AccessDenied, match=rf"refuses a token from {server.server.host} as ann") as caught:
        opened(f"{host}/team/app:1", Credential("ann", "another-password", origin="a test")).document("1")
    assert "another-password" not in str(caught.value)


def test_a_token_that_runs_out_while_a_blob_is_read_is_renewed(tokens: tuple[str, TokenServer]) -> None:
    host, server = tokens
    repository = opened(f"{host}/team/app:1", ANN)
    [first, *_] = layers_of(repository, "1").layers
    asked = len(server.server.asked)
    connection = repository.connection
    scope = "repository:team/app:pull"
    value, _ = connection._authorization._headers[scope]
    connection._authorization._headers[scope] = (value[:-8] + "AAAAAAAA", float("inf"))
    assert len(repository.read_range(first.digest, 0, 100)) == 100
    assert len(server.server.asked) == asked + 1


def test_the_catalog_asks_for_its_own_scope(tokens: tuple[str, TokenServer]) -> None:
    host, _ = tokens
    pages = repository_pages(opened(f"{host}/team/app:1", ANN).connection)
    assert [name for page in pages for name in page] == ["public/app", "team/app"]
    with pytest.raises(AccessDenied, match="refuses list of repositories without credentials"):
        list(repository_pages(opened(f"{host}/team/app:1").connection))


# TLS


@contextmanager
def with_tls(directory: Path) -> Iterator[str]:
    own_certificate(directory)
    with registry(http={"tls": {"certificate": str(directory / "cert.pem"), "key": str(directory / "key.pem")}}) as host:
        pushed(host, directory, "team/app:1")
        yield host


def test_an_authority_of_certs_d_is_trusted_and_no_other(tmp_path: Path) -> None:
    with with_tls(tmp_path) as host:
        with pytest.raises(RegistryFailed, match=rf"certificate that this machine does not trust.*--insecure {host}"):
            opened(f"{host}/team/app:1").document("1")
        kept = tmp_path / "etc/docker/certs.d" / host
        kept.mkdir(parents=True)
        (kept / "ca.crt").write_bytes((tmp_path / "cert.pem").read_bytes())
        repository = opened(f"{host}/team/app:1", settings=HostSettings(root=tmp_path))
        assert layers_of(repository, "1").layers
        assert repository.connection.base == f"https://{host}"
        insecure = HostSettings(root=Path("/nonexistent"), insecure=frozenset({host}))
        assert layers_of(opened(f"{host}/team/app:1", settings=insecure), "1").layers


def test_a_client_certificate_of_certs_d_is_shown_to_a_registry_that_wants_one(tmp_path: Path) -> None:
    own_certificate(tmp_path)
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    settings = {"certificate": str(certificate), "key": str(key), "clientcas": [str(certificate)]}
    with registry(http={"tls": settings}) as host:
        kept = tmp_path / "etc/docker/certs.d" / host
        kept.mkdir(parents=True)
        (kept / "ca.crt").write_bytes(certificate.read_bytes())
        with pytest.raises(RegistryFailed, match=r"wants a certificate of this client.*client\.cert"):
            opened(f"{host}/app:1", settings=HostSettings(root=tmp_path)).document("1")
        (kept / "client.cert").write_bytes(certificate.read_bytes())
        (kept / "client.key").write_bytes(key.read_bytes())
        with pytest.raises(NoSuchImage, match="has no manifest"):
            opened(f"{host}/app:1", settings=HostSettings(root=tmp_path)).document("1")


# Mirrors


def test_a_mirror_is_asked_first_and_the_registry_where_the_mirror_does_not_answer(plain: str, tmp_path: Path) -> None:
    with registry(proxy={"remoteurl": f"http://{plain}"}) as mirror:
        (tmp_path / "etc/containers").mkdir(parents=True)
        lines = [f'[[registry]]\nlocation = "{plain}"', f'[[registry.mirror]]\nlocation = "{mirror}"\ninsecure = true']
        (tmp_path / "etc/containers/registries.conf").write_text("\n".join(lines))
        traffic = Traffic()
        repository = opened(f"{plain}/team/app:1", settings=HostSettings(root=tmp_path), traffic=traffic)
        wanted = opened(f"{plain}/team/app:1").document("1")
        assert repository.document("1") == wanted
        assert repository.endpoint.host == mirror
        [first, *_] = layers_of(repository, "1").layers
        assert Digest.of(b"".join(repository.stream(first.digest, first.size))) == first.digest
        assert not any(plain in each for each in traffic.requests)
    repository = opened(f"{plain}/team/app:1", settings=HostSettings(root=tmp_path))
    assert repository.document("1") == wanted
    assert repository.endpoint.host == plain


# What other tools pushed, and what was spoiled in the store


def test_what_podman_pushed_is_read(plain: str, tmp_path: Path) -> None:
    with podman_engine() as podman:
        podman.load(image(*STACK, tag="app:1"))
        podman.run("push", "--tls-verify=false", "localhost/app:1", f"docker://{plain}/by/podman:1")
    repository = opened(f"{plain}/by/podman:1")
    manifest = layers_of(repository, "1")
    assert len(manifest.layers) == len(STACK)
    for each in manifest.layers:
        assert Digest.of(b"".join(repository.stream(each.digest, each.size))) == each.digest


def test_a_blob_that_was_spoiled_in_the_store_is_told(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with registry(storage={"filesystem": {"rootdirectory": str(store)}}) as host:
        pushed(host, tmp_path, "app:1")
        repository = opened(f"{host}/app:1")
        config = layers_of(repository, "1").config
        kept = store / "docker/registry/v2/blobs/sha256" / config.digest.encoded[:2] / config.digest.encoded / "data"
        kept.write_bytes(dump({"spoiled": "x" * (config.size - 16)}).ljust(config.size)[: config.size])
        with pytest.raises(BadDocument, match="has another digest"):
            repository.blob(config.digest, config.size)
        assert json.loads(kept.read_bytes())
