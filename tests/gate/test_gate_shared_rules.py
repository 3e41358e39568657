"""Rules that a file takes over from another (`extends`), and those of them that it may not loosen (`locked`)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from layerscope.errors import BadSettings
from layerscope.gate.config import GateConfig
from layerscope.gate.config_sources import Flags, read_config
from layerscope.report.verdict.config_text import config_text

ORGANIZATION = """\
locked = ["max-size", "min-efficiency", "max-growth"]
max-size = "600MB"
min-efficiency = 0.4
max-layers = 40
max-growth = "5MB or 2%"

[[forbid]]
path = "**/.env"
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "rules.toml").write_text(ORGANIZATION)
    return tmp_path


@pytest.fixture
def address(here: Path) -> Iterator[str]:
    """The address of the organization's directory on a real server."""

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's name
            pass

    with HTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(here / "org"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def read(here: Path, text: str, **flags: str) -> GateConfig:
    (here / "layerscope.toml").write_text(text)
    limits = {name.replace("_", "-"): value for name, value in flags.items()}
    return read_config(Flags(limits=limits), directory=here, environment={})


def sha256(here: Path) -> str:
    return f"#sha256:{hashlib.sha256((here / 'org' / 'rules.toml').read_bytes()).hexdigest()}"


def test_a_file_takes_over_rules_and_its_own_win(here: Path) -> None:
    config = read(here, 'extends = "org/rules.toml"\nmax-layers = 80\nmax-size = "8MB"\n', min_efficiency="90%")
    assert {key: config.limit(key) for key in ("max-layers", "max-size", "min-efficiency")} == {
        "max-layers": 80,
        "max-size": 8_000_000,
        "min-efficiency": 0.9,
    }
    assert [rule.about for rule in config.rows("forbid")] == ["**/.env"]


@pytest.mark.parametrize(
    "loose",
    [
        'max-size = "601MB"',
        'max-size = "off"',
        'max-size = { limit = "600MB", severity = "warn" }',
        "min-efficiency = 0.39",
        'max-growth = "6MB"',
        'max-growth = "1MB or 3%"',
    ],
)
def test_what_is_locked_is_not_loosened(loose: str, here: Path) -> None:
    with pytest.raises(BadSettings, match=r"layerscope\.toml\) is looser than .*, which .*rules\.toml locks"):
        read(here, f'extends = "org/rules.toml"\n{loose}\n')


def test_flags_do_not_loosen_it_either_and_the_sentence_says_what_does(here: Path) -> None:
    with pytest.raises(BadSettings, match=r"`max-size`: 900MB \(--max-size\) .* 600MB, .* a \[\[waive\]\] with a reason"):
        read(here, 'extends = "org/rules.toml"\n', max_size="900MB")


def test_the_rules_in_force_say_what_is_locked_and_by_whom(here: Path) -> None:
    told = config_text(read(here, 'extends = "org/rules.toml"\nmax-size = "8MB"\n')).splitlines()
    assert told[0] == 'locked = ["max-size", "min-efficiency", "max-growth"]'
    assert next(line for line in told if line.startswith("max-size")).endswith(
        ", locked by " + str(here / "org" / "rules.toml")
    )
    assert next(line for line in told if line.startswith("max-growth")).endswith("rules.toml, locked")


def test_an_address_needs_the_digest_of_what_is_there(here: Path, address: str) -> None:
    assert read(here, f'extends = "{address}/rules.toml{sha256(here)}"\n').limit("max-layers") == 40
    with pytest.raises(BadSettings, match="end it with its digest"):
        read(here, f'extends = "{address}/rules.toml"\n')
    with pytest.raises(BadSettings, match=r"rules\.toml: its digest is sha256:"):
        read(here, f'extends = "{address}/rules.toml#sha256:{"0" * 64}"\n')
    with pytest.raises(BadSettings, match=r"none\.toml: the answer is 404"):
        read(here, f'extends = "{address}/none.toml{sha256(here)}"\n')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('extends = "none.toml"', "none.toml: there is no such file"),
        ('extends = "layerscope.toml"', "layerscope.toml: extends itself"),
        ("extends = 3", "`extends`: must be a file name"),
        ('locked = ["max-size"]', "`locked`: `max-size` has no limit in this file"),
        ('locked = "max-size"', "`locked`: must be true, or a list"),
        ('extends = "http://127.0.0.1:1/x#sha256:' + "0" * 64 + '"', "http://127.0.0.1:1/x: cannot be fetched"),
    ],
)
def test_mistakes_are_told(text: str, problem: str, here: Path) -> None:
    with pytest.raises(BadSettings) as raised:
        read(here, text)
    assert problem in str(raised.value)
