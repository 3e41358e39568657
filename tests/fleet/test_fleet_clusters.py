"""Lists for `layerscope fleet`: of names, one a line, and of a cluster's objects, as kubectl prints them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerscope.errors import BadDocument
from layerscope.sources.listing.kubernetes import images_of_cluster
from support.commands import process, ran, written
from support.fleets import document, fleet_json, names
from support.image_builder import file, layer
from support.registry_contents import Contents

DIGEST = f"sha256:{'a' * 64}"


def pod(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "Pod", "spec": {"containers": list(containers)}, **more}


def found(*items: object) -> dict[str, int]:
    return dict(images_of_cluster(json.dumps({"kind": "List", "items": items}).encode(), what="list"))


def test_all_kinds_of_containers_of_a_pod_are_counted_by_what_runs() -> None:
    spec = {
        "initContainers": [{"name": "init", "image": "init:1"}],
        "containers": [{"name": "app", "image": "shop/app"}, {"name": "side", "image": "side:2"}],
        "ephemeralContainers": [{"name": "debug", "image": "busybox:1"}],
    }
    status = {
        "initContainerStatuses": [{"name": "init", "imageID": f"docker-pullable://init@{DIGEST}"}],
        "containerStatuses": [
            {"name": "app", "imageID": f"registry.example.com/mirror/shop/app@{DIGEST}", "image": DIGEST},
            {"name": "side", "imageID": f"docker://{DIGEST}"},
        ],
        "ephemeralContainerStatuses": [{"name": "debug", "imageID": ""}],
    }
    expected = {f"init:1@{DIGEST}": 1, f"shop/app:latest@{DIGEST}": 1, "side:2": 1, "busybox:1": 1}
    assert found({"kind": "Pod", "spec": spec, "status": status}) == expected
    assert found(*[{"kind": "Pod", "spec": spec, "status": status}] * 3) == dict.fromkeys(expected, 3)


def test_templates_of_pods_are_found_in_whatever_makes_them() -> None:
    template = {"template": pod({"name": "a", "image": "app:1"})}
    deployment, job = {"kind": "Deployment", "spec": template}, {"kind": "Job", "spec": template}
    cron = {"kind": "CronJob", "spec": {"jobTemplate": {"spec": template}}}
    assert found(deployment, job, cron) == {"app:1": 3}
    assert found({"kind": "List", "items": [cron]}, {"kind": "Service", "spec": {"ports": []}}) == {"app:1": 1}
    for single in (deployment, cron, pod({"image": "app:1"})):
        assert images_of_cluster(json.dumps(single).encode(), what="list") == {"app:1": 1}


@pytest.mark.parametrize("raw", [b"", b"no json", b"[]", b"7", b"{}", b'{"items": 7}', b"\xff", b"[" * 100_000])
def test_what_is_no_list_of_a_cluster_is_refused(raw: bytes) -> None:
    with pytest.raises(BadDocument, match="kubectl get pods"):
        images_of_cluster(raw, what="list")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1 << 70) | st.text(max_size=5) | st.sampled_from(["app:1", f"app@{DIGEST}"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["items", "spec", "template", "containers", "status", "containerStatuses", "name", "image", "imageID", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(st.lists(JSON, max_size=3))
def test_hostile_json_makes_names_or_nothing(items: list[Any]) -> None:
    assert all(isinstance(name, str) and name and count > 0 for name, count in found(*items).items())


# The command.


def test_an_empty_list_and_two_lists_on_standard_input_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none").write_text("# nothing\n\n")
    (tmp_path / "pods").write_text('{"items": []}')
    for arguments, problem in (
        (["--from", f"{tmp_path}/none"], "the list names no image"),
        (["--from-kubernetes", f"{tmp_path}/pods"], "the list names no image"),
        (["--from", "-", "--from-kubernetes", "-"], "standard input can be read only once"),
        (["-", "--from", "-"], "standard input can be read only once"),
        (["-", "--analyze"], "standard input can be read only once"),
    ):
        done = ran(capsys, "fleet", *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert done.err.startswith(f"layerscope: {problem}")


@pytest.mark.slow
def test_a_list_names_places_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "builds").mkdir()
    written(tmp_path / "builds/a.tar", layer("a"), tag="a:1")
    written(tmp_path / "b.tar", layer("b"), tag="b:1")
    lines = f"# of today\n{tmp_path}/builds\n\n  {tmp_path}/b.tar \n{tmp_path}/none.tar\n"
    done = process("fleet", "--from", "-", "--json", "-", stdin=lines.encode())
    assert done.returncode == 2
    listed = json.loads(done.stdout)
    assert names(listed) == ["a:1", "b:1"]
    assert len(listed["failed"]) == 1
    assert done.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_what_runs_in_a_cluster_is_looked_up_and_never_listed_as_deletable(
    contents: Contents, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"{contents.host}/team/app"
    old = {"name": "a", "image": f"{name}:1.9"}
    status = {"containerStatuses": [{"name": "a", "imageID": f"{name}@{contents.digest('old')}"}]}
    bad = pod({"image": "Not A Name\x1b[31m"}, {"image": f"{contents.host}/team/app:gone"})
    listed = {"items": [pod(old, status=status), pod(old, status=status), pod({"image": f"{name}:latest"}), bad]}
    pods = tmp_path / "pods.json"
    pods.write_text(json.dumps(listed))
    arguments = ["--from-kubernetes", str(pods), "--platform", "linux/amd64"]
    told = fleet_json(capsys, *arguments, code=2)
    assert [(each["name"], each["uses"]) for each in told["images"]] == [(f"{name}:1.9", 2), (f"{name}:latest", 1)]
    assert (len(told["failed"]), "\x1b" in str(told["failed"])) == (2, False)
    assert told["reclaimable"]["images"] == 0
    whole = fleet_json(capsys, f"registry:{contents.host}/team/app", *arguments, code=2)
    assert {each["name"]: each["uses"] for each in whole["images"]} == {f"{name}:1.10": 1, f"{name}:1.9": 2}
    assert whole["reclaimable"]["images"] == 0
    alone = fleet_json(capsys, f"registry:{contents.host}/team/app", "--platform", "linux/amd64")
    assert alone["reclaimable"]["images"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["linux/arm64", "all"])
def test_every_platform_of_what_runs_is_in_use(
    platform: str, contents: Contents, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pods = tmp_path / "pods.json"
    pods.write_text(json.dumps({"items": [pod({"image": f"{contents.host}/team/app@{contents.digest('index')}"})]}))
    arguments = [f"registry:{contents.host}/team/app", "--from-kubernetes", str(pods), "--platform", platform]
    told = fleet_json(capsys, *arguments)
    used = {each["platform"]: each["uses"] for each in told["images"] if f"{contents.host}/team/app:1.10" in each["names"]}
    assert used == ({"linux/amd64": 1, "linux/arm64": 1} if platform == "all" else {platform: 1})
    deletable = {each["name"] for reason in told["reclaimable"]["reasons"] for each in reason["images"]}
    assert all("1.10" not in name and "latest" not in name for name in deletable)


def test_the_baseline_tells_what_changed_what_is_new_and_what_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builds = tmp_path / "builds"
    builds.mkdir()
    for name, size in (("same", 1000), ("larger", 1000), ("gone", 2000)):
        written(builds / f"{name}.tar", layer(file("a", name.encode() * size)), tag=f"{name}:1")
    assert ran(capsys, "fleet", builds, "--json", tmp_path / "before").code == 0
    (builds / "gone.tar").unlink()
    written(builds / "larger.tar", layer(file("a", b"other" * 9000)), tag="larger:1")
    written(builds / "new.tar", layer(file("a", b"new")), tag="new:1")
    growth = fleet_json(capsys, builds, "--baseline", tmp_path / "before")["growth"]
    changes = {each["name"]: (each["old_stored_bytes"], each["stored_bytes"]) for each in growth["changes"]}
    assert list(changes) == ["larger:1", "new:1", "gone:1"] or list(changes) == ["larger:1", "gone:1", "new:1"]
    assert changes["new:1"][0] is None is changes["gone:1"][1]
    assert growth["images"] == 0
    assert growth["stored_bytes"] == sum((new or 0) - (old or 0) for old, new in changes.values())
    text = ran(capsys, "fleet", builds, "--baseline", tmp_path / "before").out
    assert "new:1 (new)" in text
    assert "gone:1 (gone)" in text
    assert fleet_json(capsys, builds, "--baseline", tmp_path / "before")["growth"]["wasted_bytes"] is None


@pytest.mark.slow
def test_platforms_of_a_name_change_each_for_itself(
    contents: Contents, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, before = f"registry:{contents.host}/team/app", tmp_path / "before"
    assert ran(capsys, "fleet", place, "--platform", "linux/amd64", "--json", before).code == 0
    growth = fleet_json(capsys, place, "--platform", "all", "--baseline", before)["growth"]
    changed = {f"{contents.host}/team/app:{tag} linux/arm64" for tag in ("1.10", "latest")}
    assert {each["name"] for each in growth["changes"]} == changed
    assert document(ran(capsys, "fleet", place, "--platform", "all", "--baseline", before, "--json", "-"))["growth"] == growth
