"""JSON documents: what real tools write is read, all else is refused in a sentence."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import BadDocument
from layerscope.oci.ambiguity import ambiguities
from layerscope.oci.documents import MAX_DOCUMENT, ArchiveManifest, Config, Descriptor, Index, LegacyImage, Manifest, decode
from support.image_builder import digest

DIGEST = digest(b"x")
DOCUMENTS: list[type[Any]] = [Config, Index, Manifest, Descriptor, LegacyImage, tuple[ArchiveManifest, ...]]


def decoded(document: object, wanted: type[Any]) -> Any:
    return decode(json.dumps(document).encode(), wanted, what="it")


def test_null_means_missing_at_every_depth() -> None:
    config = decoded(
        {"config": {"Cmd": None, "Env": None, "Labels": None}, "rootfs": {"diff_ids": None}, "history": None}, Config
    )
    assert (config.config.cmd, config.config.env, config.config.labels) == ((), (), {})
    assert config.rootfs.diff_ids == config.history == ()
    assert decoded({"config": None, "rootfs": None}, Config) == Config()
    assert decoded({"schemaVersion": 2, "manifests": None}, Index).manifests == ()
    assert decoded([{"Config": "c", "RepoTags": None, "Layers": None}], tuple[ArchiveManifest, ...])[0].repo_tags == ()


def test_fields_that_nobody_knows_are_ignored() -> None:
    assert decoded({"os": "linux", "container": "abc", "docker_version": "17", "x": {"y": [1]}}, Config).os == "linux"


def test_a_config_has_what_a_container_is_started_with() -> None:
    run = {
        "User": "app",
        "Env": ["A=1"],
        "Entrypoint": ["/init"],
        "Cmd": ["x"],
        "WorkingDir": "/srv",
        "Labels": {"a": "b"},
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
    }
    step = {"created": "2024", "created_by": "RUN x", "comment": "c", "empty_layer": True}
    config = decoded({"config": run, "rootfs": {"diff_ids": [DIGEST]}, "history": [step]}, Config)
    assert config.config.working_dir == "/srv"
    assert list(config.config.exposed_ports) == ["80/tcp"]
    assert config.rootfs.diff_ids == (DIGEST,)
    assert config.rootfs.diff_ids[0].algorithm == "sha256"
    assert config.history[0].empty_layer
    assert str(config.platform) == "linux/unknown"


def test_a_descriptor_may_embed_its_content() -> None:
    descriptor = decoded({"digest": DIGEST, "data": base64.b64encode(b"x").decode()}, Descriptor)
    assert descriptor.data == b"x"
    assert descriptor.size == -1


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\x00\x01", "is not JSON"),
        (b'{"os":"\xff"}', "is not JSON"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b"[" * 200_000, "too deeply"),
        (b'{"config":' * 200_000, "too deeply"),
        (b" " * (MAX_DOCUMENT + 1), "longer than 8 MiB"),
        (b"null", "Expected `object`"),
        (b"[]", "Expected `object`"),
        (b'"config"', "Expected `object`"),
        (b'{"os":1}', r"Expected `str`, got `int` - at `\$.os`"),
        (b'{"rootfs":{"diff_ids":["sha256:zz"]}}', r"not a digest such as .* - at `\$.rootfs.diff_ids\[0\]`"),
        (b'{"rootfs":{"diff_ids":[7]}}', "Expected `str`, got `int`"),
        (b'{"history":[null]}', "Expected `object`"),
        (b'{"history":{}}', "Expected `array`"),
    ],
)
def test_a_config_of_another_shape_is_refused_by_name(raw: bytes, reason: str) -> None:
    with pytest.raises(BadDocument, match=f"^image.tar: its config .*{reason}"):
        decode(raw, Config, what="image.tar: its config")


@pytest.mark.parametrize(
    "raw", [b"null", b"{}", b"[null]", b"[{}]", b'[{"Config":[]}]', b'[{"Config":"c","Layers":"l"}]', b"[[]]"]
)
def test_a_manifest_of_docker_save_of_another_shape_is_refused(raw: bytes) -> None:
    with pytest.raises(BadDocument):
        decode(raw, tuple[ArchiveManifest, ...], what="manifest.json")


def test_text_of_a_document_cannot_act_on_a_terminal_through_a_message() -> None:
    with pytest.raises(BadDocument) as caught:
        decoded({"rootfs": {"diff_ids": ["\x1b[31m\u202e"]}}, Config)
    assert "\\x1b[31m\\u202e" in str(caught.value)


FIELDS = st.sampled_from(
    [
        "config",
        "Config",
        "layers",
        "Layers",
        "RepoTags",
        "manifests",
        "digest",
        "size",
        "platform",
        "rootfs",
        "diff_ids",
        "data",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(DIGEST),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | FIELDS, inner),
    max_leaves=20,
)


@pytest.mark.slow
@given(JSON, st.sampled_from(DOCUMENTS))
def test_any_json_is_read_or_refused(value: object, wanted: type[Any]) -> None:
    try:
        decode(json.dumps(value).encode(), wanted, what="it")
    except BadDocument as error:
        assert str(error).startswith("it ")


@given(st.binary(max_size=200), st.sampled_from(DOCUMENTS))
def test_any_bytes_are_read_or_refused(raw: bytes, wanted: type[Any]) -> None:
    try:
        decode(raw, wanted, what="it")
    except BadDocument as error:
        assert str(error).startswith("it ")


@pytest.mark.parametrize("depth", [50, 400, 900, 990, 1100])
def test_a_document_of_any_depth_that_can_be_read_can_be_compared(depth: int) -> None:
    raw = b'{"x":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    with suppress(BadDocument):
        decode(raw, Config, what="the config")
    assert ambiguities(raw, Config) in ([], ["is nested so deeply that programs may read it differently"])


def test_a_number_of_many_digits_is_no_trouble() -> None:
    assert ambiguities(b'{"x":' + b"1" * 10_000 + b"}", Config) == []
