"""Small inputs that ask for much: each gets a bounded share of memory and time, told by the system and not by a clock."""

from __future__ import annotations

import io
import json
import tarfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from layerscope import limits
from layerscope.advice.dockerfile.stages import UNKNOWN, expand
from support.bounded import limited
from support.commands import COMMAND, ran, written
from support.image_builder import layer
from support.sources_build import layer_tar, saved, write_tar

SECURITY = Path(__file__).parents[1] / "SECURITY.md"


def pax(count: int, headers: dict[str, str], size: int = 0) -> bytes:
    """A tar of `count` files of zeros, each with the same extended header."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(count):
            member = tarfile.TarInfo(f"f{number}")
            member.pax_headers = headers
            member.size = size
            tar.addfile(member, io.BytesIO(bytes(size)))
    return out.getvalue()


@pytest.mark.slow
def test_sparse_maps_that_are_repeated_do_not_take_all_memory(tmp_path: Path) -> None:
    runs = ",".join(f"{2 * number},1" for number in range(20_000))
    body = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": "90000", "GNU.sparse.map": runs}
    image = write_tar(tmp_path / "a.tar", saved(pax(60, body | {"GNU.sparse.numblocks": "20000"}, 20_000)))
    done = limited([*COMMAND, "ci", image], seconds=30, megabytes=900)
    assert (done.returncode, b"sparse maps need more than 64 MiB" in done.stdout + done.stderr) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "said"), [(10_000, b"xattrs of more than"), (2_000, b"its xattrs need more than 64 MiB")])
def test_empty_xattrs_by_the_thousand_do_not_take_all_memory(tmp_path: Path, count: int, said: bytes) -> None:
    xattrs = {f"SCHILY.xattr.user.{number}": "v" for number in range(count)}
    image = write_tar(tmp_path / "a.tar", saved(pax(1000 if count < 5000 else 20, xattrs)))
    done = limited([*COMMAND, "ci", image], seconds=60, megabytes=1200)
    assert (done.returncode, said in done.stdout + done.stderr) == (2, True), done.stderr


def test_variables_that_double_are_not_known() -> None:
    variables = {"A0": "x" * 20}
    for number in range(24):
        variables[f"A{number + 1}"] = expand(f"$A{number}$A{number}", variables)
    assert variables["A7"] == "x" * 20 * 2**7
    assert UNKNOWN in variables["A24"]
    assert max(map(len, variables.values())) <= limits.EXPANDED + 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["layerscope.toml", "pyproject.toml"])
def test_a_key_of_very_many_dots_is_refused_before_it_is_parsed(tmp_path: Path, name: str) -> None:
    image = written(tmp_path / "image.tar", layer("a"))
    (tmp_path / name).write_text("a." * 40_000 + "a=1\n")
    done = limited([*COMMAND, "ci", image], seconds=10, megabytes=700, directory=tmp_path)
    assert (done.returncode, b"nested too deeply" in done.stderr) == (2, True), done.stderr


@pytest.mark.slow
def test_dots_in_strings_and_comments_nest_nothing(tmp_path: Path) -> None:
    image = written(tmp_path / "image.tar", layer("a"))
    dots = "." * 200
    (tmp_path / "layerscope.toml").write_text(f'# {dots}\n[[forbid]]\npath = "/x{dots}"\n')
    assert limited([*COMMAND, "ci", image], seconds=10, directory=tmp_path).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "[" + "{}," * 2_000_000 + "{}]"], ids=["arrays", "objects", "many"]
)
def test_a_document_of_many_or_deep_values_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    done = limited([*COMMAND, tmp_path], seconds=10, megabytes=700)
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


def test_more_layers_than_any_engine_stacks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = written(tmp_path / "image.tar", *[layer("a")] * (limits.LAYERS + 1))
    done = ran(capsys, image)
    assert (done.code, "more than 1000 are absurd" in done.err) == (2, True)


@pytest.mark.slow
def test_ten_thousand_names_of_one_image_take_time_by_their_number(tmp_path: Path) -> None:
    image = saved(layer_tar("a"))
    stated = image["manifest.json"]
    assert isinstance(stated, bytes)
    [row] = json.loads(stated)
    image["manifest.json"] = json.dumps([row | {"RepoTags": [f"app:{number}"]} for number in range(10_000)]).encode()
    done = limited([*COMMAND, "ci", f"{write_tar(tmp_path / 'a.tar', image)}:app:77"], seconds=12, megabytes=700)
    assert done.returncode == 0, done.stderr


class Endless(BaseHTTPRequestHandler):
    """An engine whose JSON never ends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            self.wfile.write(b'{"ApiVersion": "1.41", "x": "')
            while True:
                self.wfile.write(b"y" * (1 << 20))
        except OSError:
            pass

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


@pytest.mark.slow
def test_an_engine_whose_answer_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), Endless) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        done = limited([*COMMAND, "ci", "docker:app:1"], seconds=20, megabytes=900)
        server.shutdown()
    assert (done.returncode, b"longer than" in done.stderr) == (2, True), done.stderr


def test_security_states_the_limits_there_are() -> None:
    text = SECURITY.read_text()
    for stated in (
        f"{limits.PATTERN_BYTES:,} bytes",
        f"{limits.REGEX_SECONDS} s of processor time and {limits.REGEX_MEMORY >> 30} GiB",
        f"{limits.LAYERS:,} layers",
        f"{limits.DOCUMENT_VALUES:,} values",
        f"{limits.CONFIGS_BYTES >> 20} MiB for all configs",
        f"{limits.TOML_DOTS} dots",
        f"{limits.TOML_DEPTH} open brackets",
        f"{limits.ENGINE_ANSWER >> 20} MiB for an engine's JSON",
        f"{limits.EXPANDED:,} characters",
        f"{limits.RARE_BYTES >> 20} MiB for sparse maps",
    ):
        assert stated in text, stated
