"""What all tests share: how hypothesis runs, and what happens to tests of real components where there are none."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

# Textual reads this when it is imported.
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
# Podman 5 asks for more open files and processes than a machine may allow, and warns of cgroups v1 wherever it finds them.
os.environ.setdefault("CONTAINERS_CONF_OVERRIDE", str(Path(__file__).with_name("containers.conf")))
os.environ.setdefault("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")

# A CI may start its jobs as nohup does: what tests start would ignore Ctrl-C and the end of a terminal, too.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", parent=settings.get_profile("ci"), max_examples=20)
settings.register_profile("few", parent=settings.get_profile("ci"), max_examples=10)
settings.register_profile("dev", parent=settings.get_profile("ci"), derandomize=False)
settings.register_profile("long", parent=settings.get_profile("dev"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or changes what the user's own runs remember or are set to, nor what another test's do."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    # An image that no engine has is not looked for at Docker Hub.
    monkeypatch.setenv("LAYERSCOPE_NO_REGISTRY", "1")
    # In CI the report would be the gate.
    for name in (
        "CI",
        "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY",
        "LAYERSCOPE_CONFIG",
        "LAYERSCOPE_NO_CACHE",
        "LAYERSCOPE_CACHE_SIZE",
        "LAYERSCOPE_INSECURE",
        "LAYERSCOPE_LIMIT_RATE",
        "LAYERSCOPE_KEEP_WINDOWS",
    ):
        monkeypatch.delenv(name, raising=False)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name long content by its size: random bytes and times in it would give each worker another name for one test."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > 20 else None


def requires(program: str) -> None:
    """Skip the running test where `program` is missing; fail instead where LAYERSCOPE_REQUIRE_COMPONENTS=1 is set."""
    if shutil.which(program) is None:
        do_without(f"{program} is not installed")


def do_without(reason: str) -> NoReturn:
    """Skip the running test, or fail it, as `requires` does."""
    if os.environ.get("LAYERSCOPE_REQUIRE_COMPONENTS") == "1":
        pytest.fail(f"{reason}, and LAYERSCOPE_REQUIRE_COMPONENTS=1")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def images() -> Path:
    """The directory of sample images that LAYERSCOPE_IMAGES names; 'none' says that there are knowingly none."""
    named = os.environ.get("LAYERSCOPE_IMAGES", "")
    if named == "none":
        pytest.skip("LAYERSCOPE_IMAGES=none")
    if not named:
        do_without("LAYERSCOPE_IMAGES names no directory")
    assert Path(named).is_dir(), f"LAYERSCOPE_IMAGES={named} is not a directory"
    return Path(named)


pytest_plugins = [
    *("support.amazon", "support.commands", "support.kept_images", "support.markers", "support.newest", "support.program"),
    "support.registry_contents",
]
