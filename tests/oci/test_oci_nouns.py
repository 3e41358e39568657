"""Digests, platforms and references."""

from __future__ import annotations

import hashlib

import pytest

from layerscope.errors import BadDocument, UsageError
from layerscope.oci.digest import Digest, chain_ids
from layerscope.oci.platform import Platform, host_platform
from layerscope.oci.reference import best_match, familiar, near_matches, normalize

EMPTY = "sha256:" + hashlib.sha256(b"").hexdigest()


def test_a_digest_knows_its_parts() -> None:
    digest = Digest.parse(EMPTY)
    assert (digest.algorithm, digest.short, len(digest.encoded)) == ("sha256", "e3b0c44298fc", 64)
    assert digest == Digest.of(b"")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:abc",
        EMPTY.upper(),
        EMPTY + "0",
        EMPTY + "\n",
        "sha512:" + "0" * 64,
        "../x:../../etc",
        "a/b:c",
        "sha256:../" + "0" * 61,
        "x:" + "y" * 2000,
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(BadDocument, match="not a digest"):
        Digest.parse(text)


def test_a_digest_of_an_unregistered_algorithm_is_taken_as_it_is() -> None:
    digest = Digest.parse("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8")
    assert digest.matches(b"") is None


def test_a_digest_says_whether_content_matches() -> None:
    assert Digest.parse(EMPTY).matches(b"") is True
    assert Digest.parse(EMPTY).matches(b"x") is False
    assert Digest.parse("sha512:" + hashlib.sha512(b"x").hexdigest()).matches(b"x") is True


def test_a_chain_id_names_a_layer_and_all_below_it() -> None:
    first, second, third = (Digest.of(bytes([number])) for number in range(3))
    two = "sha256:" + hashlib.sha256(f"{first} {second}".encode()).hexdigest()
    three = "sha256:" + hashlib.sha256(f"{two} {third}".encode()).hexdigest()
    assert chain_ids([first, second, third]) == [first, two, three]
    assert chain_ids([]) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/x86_64", "linux/amd64"),
        ("Linux/ARM64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm/v7", "linux/arm"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm"),
        ("linux/i686", "linux/386"),
        ("windows/amd64", "windows/amd64"),
        ("Windows(10.0.17763)/x86_64", "windows(10.0.17763)/amd64"),
    ],
)
def test_a_platform_is_read_in_any_spelling(text: str, shown: str) -> None:
    assert str(Platform.parse(text)) == shown


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/\x1b[31m", "linux arm64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="os/architecture") as caught:
        Platform.parse(text)
    assert "\x1b" not in str(caught.value)


def test_a_variant_that_is_implied_matches() -> None:
    assert Platform("linux", "arm64", "v8").matches(Platform("linux", "arm64"))
    assert Platform("linux", "amd64").matches(Platform("linux", "amd64", "v1"))
    assert not Platform("linux", "arm", "v6").matches(Platform("linux", "arm"))
    assert Platform("linux", "arm", "v6").is_kin_of(Platform("linux", "arm", "v7"))
    assert not Platform("linux", "amd64").is_kin_of(Platform("windows", "amd64"))


def test_a_platform_without_words_is_shown_as_unknown() -> None:
    assert str(Platform("linux", "")) == "linux/unknown"
    assert Platform("unknown", "unknown").is_unknown


def test_the_host_runs_linux_containers() -> None:
    assert host_platform().os == "linux"


@pytest.mark.parametrize(
    "name",
    [
        "alpine",
        "alpine:latest",
        "library/alpine",
        "docker.io/alpine",
        "docker.io/library/alpine:latest",
        "index.docker.io/alpine",
    ],
)
def test_every_spelling_of_a_name_is_the_same(name: str) -> None:
    assert normalize(name) == "docker.io/library/alpine:latest"


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("me/app", "docker.io/me/app:latest"),
        ("localhost/app:1", "localhost/app:1"),
        ("host:5000/app", "host:5000/app:latest"),
        ("quay.io/a/b/c:2", "quay.io/a/b/c:2"),
        (f"app:1@{EMPTY}", f"docker.io/library/app@{EMPTY}"),
    ],
)
def test_a_name_keeps_its_registry(name: str, full: str) -> None:
    assert normalize(name) == full


def test_a_familiar_name_is_short() -> None:
    assert familiar("docker.io/library/alpine:3") == "alpine:3"
    assert familiar("docker.io/me/app:3") == "me/app:3"
    assert familiar("quay.io/me/app:3") == "quay.io/me/app:3"


@pytest.mark.parametrize(
    ("wanted", "names", "found"),
    [
        ("app", {"app:latest", "app:1"}, {"app:latest"}),
        ("app:1", {"docker.io/library/app:1", "quay.io/app:1"}, {"docker.io/library/app:1"}),
        ("app:1", {"localhost/app:1"}, {"localhost/app:1"}),
        ("app", {"localhost/app:latest"}, {"localhost/app:latest"}),
        ("1", {"app:1", "app:2"}, {"app:1"}),
        ("1", {"app:1", "other:1"}, {"app:1", "other:1"}),
        ("v1", {"v1", "v2"}, {"v1"}),
        ("latest", {"latest", "x:latest"}, {"latest"}),
        ("ap", {"app:latest", "lap:latest"}, set()),
        ("app@sha256:12", {"localhost/app@sha256:12", "app:latest"}, {"localhost/app@sha256:12"}),
    ],
)
def test_a_tag_is_found_by_the_strictest_reading(wanted: str, names: set[str], found: set[str]) -> None:
    assert best_match(wanted, names) == found


def test_a_tag_alone_is_no_name_where_only_names_count() -> None:
    assert best_match("1", {"app:1"}, is_tag_enough=False) == set()
    assert best_match("1", {"localhost/1:latest"}, is_tag_enough=False) == {"localhost/1:latest"}


def test_a_mistyped_tag_has_near_ones() -> None:
    assert near_matches("v9", ["v1", "b1", "other"])[0] == "v1"
    assert near_matches("ngimx", ["nginx:latest", "redis:7"]) == ["nginx:latest"]
