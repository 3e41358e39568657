"""The smaller image in a real registry: what is sent for it, what is not, and what is never lost there."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import parse_qs, urlsplit

import pytest

from layerscope.oci.documents import DOCKER_MANIFEST, OCI_MANIFEST
from layerscope.sources.registry.credentials import Credential
from support.commands import COMMAND, environment, ran
from support.engines import registry
from support.forwarding import Forwarder, forwarder
from support.image_builder import MANIFEST_TYPE, file, image, layer, whiteout, write_layout
from support.pretend_registry import Answer, Asked
from support.registry_pushes import WORD, put_layout, skopeo_copy
from support.sources_build import Layout, layer_tar
from support.token_server import token_server

LAYERS = (layer(file("a", b"1" * 5000), "b"), layer(file("a", b"2"), file("c", b"3" * 4000)), layer(whiteout("c")))
ARM = {"os": "linux", "architecture": "arm64"}


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    with registry() as host:
        yield host


@pytest.fixture
def proxy(plain: str) -> Iterator[Forwarder]:
    with forwarder(f"http://{plain}") as found:
        yield found


def pushed(host: str, place: Path, name: str, who: Credential | None = None) -> str:
    """Push the image of LAYERS with skopeo, and return what layerscope calls it."""
    layout = write_layout(place / "layout", *LAYERS, compress="gzip")
    skopeo_copy(f"oci:{layout}:latest", f"docker://{host}/{name}", who=who)
    return f"docker://{host}/{name}"


def writing(proxy: Forwarder) -> list[str]:
    """Every writing request so far, but the upload that is begun and given up to see whether one may push."""
    found = [each for each in proxy.passed if each.method not in ("GET", "HEAD")]
    proxy.passed.clear()
    given_up = next((index for index, each in enumerate(found) if each.method == "DELETE"), -1)
    assert given_up in (-1, 1)
    return [
        f"{each.method} {each.path.partition('?')[0].partition('uploads')[0]} {each.status}" for each in found[given_up + 1 :]
    ]


@pytest.mark.slow
def test_only_what_is_new_is_sent_and_tools_pull_the_same_files(
    plain: str, proxy: Forwarder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original, target = pushed(proxy.host, tmp_path, "team/app:1"), f"{proxy.host}/other/app:slim"
    writing(proxy)
    assert "send layers 1 and 2, ≈ " in ran(capsys, "slim", original, "--push", target, "--dry-run").out
    assert writing(proxy) == [], "a dry run only asks"

    done = json.loads(ran(capsys, "slim", original, "--push", target, "--json").out)["pushed"]
    assert [each["way"] for each in done["blobs"]] == ["sent", "sent", "mounted", "sent"]
    assert [each["mounted_from"] for each in done["blobs"]] == [None, None, "team/app", None]
    assert (done["media_type"], done["there_bytes"]) == (MANIFEST_TYPE, 0)
    *blobs, last = writing(proxy)
    assert sorted(blobs) == [
        "POST /v2/other/app/blobs/ 201",
        *["POST /v2/other/app/blobs/ 202"] * 3,
        *["PUT /v2/other/app/blobs/ 201"] * 3,
    ]
    assert last == "PUT /v2/other/app/manifests/slim 201"

    again = ran(capsys, "slim", original, "--push", target)
    assert "sent no layer; layers 1 to 3, " in again.out
    assert again.lines[-1] == f"Digest: {done['digest']}"
    assert writing(proxy) == ["PUT /v2/other/app/manifests/slim 201"]

    source = ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", f"docker://{plain}/other/app:slim"]
    subprocess.run([*source, f"oci:{tmp_path}/back:1"], check=True)
    assert ran(capsys, "ls", f"{tmp_path}/back").out == ran(capsys, "ls", f"{tmp_path}/layout").out
    assert (
        "A container sees the same files in both" in ran(capsys, "diff", f"{tmp_path}/layout", f"{tmp_path}/back", "--text").out
    )


def test_layers_of_an_archive_are_compressed_and_out_is_what_was_pushed(
    plain: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "image.tar", tmp_path / "slim.tar"
    path.write_bytes(image(*LAYERS))
    done = ran(capsys, "slim", path, "--push", f"{plain}/from/archive", "-o", out)
    assert "1 layer as before but compressed" in done.out
    with tarfile.open(out) as archive:
        blobs = [each for each in archive.getmembers() if each.name.startswith("blobs/")]
        heads = [(archive.extractfile(each) or io.BytesIO()).read(2) for each in blobs]
    assert sorted(heads) == [b"\x1f\x8b"] * 3 + [b'{"'] * 2
    assert "sent layers 1 to 3, " in done.out
    digest = done.lines[-1].removeprefix("Digest: ")
    found = json.loads(ran(capsys, f"docker://{plain}/from/archive@{digest}", "--json", "-").out)
    assert found["image"]["id"] == json.loads(ran(capsys, out, "--json", "-").out)["image"]["id"]
    assert ran(capsys, "verify", f"docker://{plain}/from/archive:latest").code == 0


@pytest.mark.slow
def test_the_manifest_is_of_the_originals_kind_unless_that_has_no_such_layers(
    plain: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Docker's own kind has no zstd: podman and skopeo refuse it."""
    layout, target = write_layout(tmp_path / "layout", *LAYERS, compress="gzip"), f"{plain}/kinds/app"
    skopeo_copy("--format=v2s2", f"oci:{layout}:latest", f"docker://{target}:1")
    for options, kind in (((), DOCKER_MANIFEST), (("--compression", "zstd"), OCI_MANIFEST)):
        done = ran(capsys, "slim", f"docker://{target}:1", "--push", f"{target}:2", "--json", *options)
        assert json.loads(done.out)["pushed"]["media_type"] == kind
        subprocess.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{target}:2"], check=True, capture_output=True)
        assert ran(capsys, "verify", f"docker://{target}:2").code == 0


@pytest.mark.slow
def test_merged_layers_are_pushed_as_one(proxy: Forwarder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original, target = pushed(proxy.host, tmp_path, "merged/app:1"), f"{proxy.host}/merged/app:2"
    for options in (("--dry-run",), ()):
        done = ran(capsys, "slim", original, "--merge", "1..2", "--push", target, "--json", *options)
        blobs = json.loads(done.out)["pushed"]["blobs"]
        assert [(each["number"], each["way"]) for each in blobs if each["number"]] == [(2, "sent"), (3, "there")]
    fetched = Counter(each.path for each in proxy.passed if each.method == "GET" and "/blobs/" in each.path)
    assert max(fetched.values()) == 2, "each layer to read it, if it is not known, and to write it"
    assert ran(capsys, "ls", f"docker://{target}").out == ran(capsys, "ls", original).out


def test_where_nothing_is_saved_nothing_is_pushed_unless_always(
    proxy: Forwarder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(image(layer("a")))
    assert ran(capsys, "slim", path, "--push", f"{proxy.host}/nothing/saved").code == 0
    assert proxy.passed == []
    assert ran(capsys, "slim", path, "--push", f"{proxy.host}/nothing/saved", "--always").code == 0
    assert writing(proxy)[-1] == "PUT /v2/nothing/saved/manifests/latest 201"


@pytest.mark.slow
def test_the_image_itself_and_other_platforms_are_not_lost_unasked(
    proxy: Forwarder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = pushed(proxy.host, tmp_path, "kept/app:1")
    layout = Layout()
    index = layout.index(layout.image(layer_tar("here")), layout.image(layer_tar("there"), platform=ARM))
    put_layout(proxy.host, "kept/app", layout, index, "many")
    writing(proxy)
    archive = tmp_path / "named.tar"
    archive.write_bytes(image(*LAYERS, tag=f"{proxy.host}/kept/app:1"))
    before = json.loads(ran(capsys, "slim", original, "--json").out)["id"]
    for reference, tag, words in (
        (original, "1", "would replace the image itself by the smaller one; name another tag, or give --force"),
        (f"{tmp_path}/layout", "1", "is the image itself; push to another tag, or give --force"),
        (str(archive), "1", "is the image itself; push to another tag, or give --force"),
        (original, "many", "is an index of 2 images (linux/amd64, linux/arm64), and this one alone would take its place"),
    ):
        refused = ran(capsys, "slim", reference, "--push", f"{proxy.host}/kept/app:{tag}")
        assert (refused.code, writing(proxy)) == (2, [])
        assert words in refused.err
    assert ran(capsys, "slim", original, "--push", f"{proxy.host}/kept/app:1", "--force").code == 0
    assert json.loads(ran(capsys, original, "--json", "-").out)["image"]["id"] != before


@pytest.mark.slow
def test_who_may_only_read_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with token_server(tmp_path, {"ann": WORD}) as server, registry(auth=server.registry_settings) as host:
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"username": "ann", "password": WORD}}}))
        original = pushed(host, tmp_path, "team/app:1", who=Credential("ann", WORD))
        server.readers = frozenset({"ann"})
        refused = ran(capsys, "slim", original, "--push", f"{host}/other/app")
        assert refused.code == 2
        assert f"{host} refuses a push to other/app as ann (from " in refused.err
        assert refused.err.endswith(f"podman login {host}, as somebody who may push there\n")

        server.readers = frozenset()
        server.server.asked.clear()
        done = ran(capsys, "slim", original, "--push", f"{host}/other/app", "--json")
        assert json.loads(done.out)["pushed"]["blobs"][2]["mounted_from"] == "team/app"
        scopes = [parse_qs(urlsplit(each.path).query)["scope"] for each in server.server.asked]
        assert ["repository:other/app:pull,push", "repository:team/app:pull"] in scopes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "left"),
    [("refused", "is as it was"), ("interrupted", "is as it was"), ("tagging", "may be this image now, or as it was")],
)
def test_a_push_that_ends_early_says_what_becomes_of_the_tag(end: str, left: str, proxy: Forwarder, tmp_path: Path) -> None:
    path, has_begun = tmp_path / "image.tar", Event()
    path.write_bytes(image(*LAYERS))

    def broken(asked: Asked) -> Answer:
        if asked.method == "PUT" and (("/manifests/" in asked.path) if end == "tagging" else len(asked.body) < 200):
            has_begun.set()
            return Answer(400, b"{}") if end == "refused" else Answer(stall_after=0)
        return proxy.answer(asked)

    proxy.server.routes["/"] = broken
    command = [*COMMAND, "slim", str(path), "--push", f"{proxy.host}/{end}/app:1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment({"TMPDIR": str(tmp_path)})
    ) as child:
        if end != "refused":
            assert has_begun.wait(60)
            child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert child.returncode == (2 if end == "refused" else 130)
    assert f"{proxy.host}/{end}/app:1 {left}" in errors
    assert not any("/manifests/" in each for each in writing(proxy))
    assert [each.name for each in tmp_path.iterdir() if each.name != "cache"] == ["image.tar"]
