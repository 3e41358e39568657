"""The markers `engine`, `terminal`, `screen` and `property`, set by what a test, its fixtures and helpers use."""

from __future__ import annotations

import dis
import inspect
from functools import cache
from types import CodeType, FunctionType, ModuleType

import pytest

ENGINE_MODULES = {"support.kept_images", "support.newest"}
"""Modules in which everything needs an engine, and whose fixtures get others by computed names."""
ENGINE_PROGRAMS = {"containerd", "docker", "docker-registry", "dockerd", "podman", "skopeo", "umoci"}
TERMINAL_PROGRAMS = {"tmux"}
PILOTS = {"explored", "piloted", "run_test"}
"""What runs the app, in this process and without a terminal."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set the markers before `-m` selects by them."""
    for item in items:
        if isinstance(item, pytest.Function):
            for marker in sorted(_markers_of(item)):
                item.add_marker(marker)


def _markers_of(item: pytest.Function) -> set[str]:
    test = item.obj
    found = set()
    if getattr(test, "is_hypothesis_test", False):
        found.add("property")
        test = test.hypothesis.inner_test
    for function in (test, *_fixtures_of(item)):
        found |= _markers_reached(inspect.unwrap(getattr(function, "__func__", function)))
    return found


def _fixtures_of(item: pytest.Function) -> list[object]:
    """The functions of a test's fixtures, and of those that its parameters name: a fixture may get them by that name."""
    params = item.callspec.params.values() if hasattr(item, "callspec") else ()
    names = [*item.fixturenames, *(param for param in params if isinstance(param, str))]
    manager = item.session._fixturemanager  # pytest tells them by no public name before the test runs
    return [definitions[-1].func for name in names if (definitions := manager.getfixturedefs(name, item))]


@cache
def _markers_reached(start: object) -> frozenset[str]:
    """The markers of all that a function may call, directly or through functions of the tests."""
    found: set[str] = set()
    seen: set[object] = set()
    ahead = [start]
    while ahead:
        function = ahead.pop()
        if isinstance(function, FunctionType) and function not in seen and not function.__module__.startswith("layerscope"):
            seen.add(function)
            markers, called = _looked_into(function)
            found |= markers
            ahead += called
    return frozenset(found)


@cache
def _looked_into(function: FunctionType) -> tuple[set[str], list[object]]:
    """The markers that a function's own code deserves, and the global functions it names."""
    names, constants = _names_and_constants(function.__code__)
    known = {name: function.__globals__[name] for name in names if name in function.__globals__}
    markers = set()
    needed = constants if "requires" in known else set()
    if function.__module__ in ENGINE_MODULES or needed & ENGINE_PROGRAMS:
        markers.add("engine")
    if names & PILOTS:
        markers.add("screen")
    if needed & TERMINAL_PROGRAMS or any(isinstance(used, ModuleType) and used.__name__ == "pty" for used in known.values()):
        markers.add("terminal")
    return markers, [inspect.unwrap(used) for used in known.values() if isinstance(used, FunctionType)]


def _names_and_constants(code: CodeType) -> tuple[set[str], set[object]]:
    """The global names that a function and those inside it load, and the texts they hold."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_ATTR", "LOAD_METHOD")}
    constants: set[object] = {constant for constant in code.co_consts if isinstance(constant, str)}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            inner_names, inner_constants = _names_and_constants(inner)
            names |= inner_names
            constants |= inner_constants
    return names, constants
