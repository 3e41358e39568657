"""The way to an engine: sockets, TCP, TLS and proxies, and what an engine at the other end may not do to us."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import IncompleteRead
from pathlib import Path
from threading import Thread, Timer

import pytest

from conftest import requires
from layerscope.errors import LayerscopeError
from layerscope.limits import ENGINE_ANSWER
from layerscope.sources.engine import http
from layerscope.sources.engine.address import EngineAddress, credentials_header
from layerscope.sources.engine.client import Engine
from layerscope.sources.engine.endpoints import Endpoint
from layerscope.sources.engine.failures import EngineFailed
from layerscope.sources.engine.http import EngineTransport
from layerscope.sources.location import EngineKind
from support.commands import ran
from support.pretend_engine import Write, pretended_engine, sent
from support.pretend_registry import Answer, pretended_registry

VERSION = json.dumps({"ApiVersion": "1.41"}).encode()
DOCKER = Endpoint(EngineKind.DOCKER)
Talk = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "DOCKER_CONTEXT",
        "DOCKER_TLS_VERIFY",
        "DOCKER_CERT_PATH",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/none")


@contextmanager
def server(talk: Talk) -> Iterator[Path]:
    """A socket at which `talk` has each connection to itself."""
    with tempfile.TemporaryDirectory(prefix="ls-", dir="/tmp") as top, closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(f"{top}/s")
        listener.listen()

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        talk(connection)
                    except OSError:
                        continue

        thread = Thread(target=accept)
        thread.start()
        try:
            yield Path(top, "s")
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def answered(body: bytes, *, length: int | None = None, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


def test_an_answer_without_end_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent_bytes = 0

    def endless(write: Write) -> None:
        nonlocal sent_bytes
        while sent_bytes < 4 * ENGINE_ANSWER:
            write(b" " * (1 << 20))
            sent_bytes += 1 << 20

    with tempfile.TemporaryDirectory(prefix="ls-", dir="/tmp") as top, pretended_engine(Path(top), sent(b"")) as engine:
        usual = engine.answer
        monkeypatch.setattr(engine, "answer", lambda path: endless if path.endswith("/images/json") else usual(path))
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        done = ran(capsys, "images", "docker:")
        done = done if done.code == 2 else ran(capsys, "images")
        assert (done.code, "its answer is longer than" in done.err) == (2, True)
        assert engine.hung_up.wait(10)


def test_a_redirect_is_a_refusal_and_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended_registry() as engine, pretended_registry() as elsewhere:
        engine.routes["/version"] = lambda _: Answer(307, b"", {"Location": f"http://{elsewhere.host}/version"})
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{engine.host}")
        with pytest.raises(EngineFailed, match=r"refused \(307\)"):
            Engine.connect(DOCKER)
        assert not elsewhere.asked


def test_a_named_pipe_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "npipe:////./pipe/docker_engine")
    with pytest.raises(EngineFailed, match=r"is a named pipe, which only Windows has: set DOCKER_HOST to a socket"):
        Engine.connect(DOCKER)


@pytest.mark.parametrize("address", ["fd://", "tcp://", "tcp://host", "nonsense://x", "tcp://host:99999", "unix://"])
def test_an_address_that_leads_nowhere_is_a_sentence(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    monkeypatch.setattr("docker.constants.DEFAULT_UNIX_SOCKET", "http+unix:///nonexistent/docker.sock")
    monkeypatch.setattr("docker.utils.utils.DEFAULT_UNIX_SOCKET", "http+unix:///nonexistent/docker.sock")
    with pytest.raises(EngineFailed, match="Docker"):
        Engine.connect(DOCKER)


def test_a_context_that_cannot_be_understood_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from hashlib import sha256

    directory = tmp_path / "docker/contexts/meta" / sha256(b"mine").hexdigest()
    directory.mkdir(parents=True)
    (directory / "meta.json").write_text("{")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "mine")
    with pytest.raises(EngineFailed, match="Docker"):
        Engine.connect(DOCKER)


def test_tcp_is_asked_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended_registry() as proxy:
        proxy.routes["http://engine.example:2375/version"] = lambda _: Answer(200, VERSION)
        monkeypatch.setenv("DOCKER_HOST", "tcp://engine.example:2375")
        monkeypatch.setenv("HTTP_PROXY", f"http://ann:w%20rd@{proxy.host}")
        with Engine.connect(DOCKER) as engine:
            assert engine.version == "docker 1.41"
        [asked] = proxy.asked
        assert (asked.headers["host"], asked.headers["proxy-authorization"]) == ("engine.example:2375", "Basic YW5uOncgcmQ=")


def test_what_no_proxy_names_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended_registry() as engine:
        engine.routes["/version"] = lambda _: Answer(200, VERSION)
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{engine.host}")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
        Engine.connect(DOCKER).close()


def test_tls_goes_through_a_tunnel_and_no_header_for_the_proxy_reaches_the_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    requires("openssl")
    script = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=engine.example -days 1 "
    script += (
        "-addext subjectAltName=DNS:engine.example -addext keyUsage=critical,keyCertSign,digitalSignature && cp cert.pem ca.pem"
    )
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    seen: list[bytes] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def tunnel() -> None:
            connection, _ = listener.accept()
            with connection:
                seen.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                with context.wrap_socket(connection, server_side=True) as secret:
                    seen.append(secret.recv(4096))
                    secret.sendall(answered(VERSION))

        thread = Thread(target=tunnel)
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", "tcp://engine.example:2376")
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
        monkeypatch.setenv("HTTPS_PROXY", f"http://ann:word@127.0.0.1:{listener.getsockname()[1]}")
        Engine.connect(DOCKER).close()
        thread.join()
    assert seen[0].startswith(b"CONNECT engine.example:2376 ")
    assert b"Proxy-Authorization: Basic" in seen[0]
    assert seen[1].startswith(b"GET /version ")
    assert b"Proxy-Authorization" not in seen[1]


def test_a_proxy_of_another_kind_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://engine.example:2375")
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(EngineFailed, match="a proxy of the kind socks5"):
        Engine.connect(DOCKER)


def test_a_connection_that_the_engine_let_go_of_is_opened_again() -> None:
    talks = 0

    def once(connection: socket.socket) -> None:
        nonlocal talks
        talks += 1
        connection.recv(4096)
        connection.sendall(answered(b"1"))

    with server(once) as path:
        transport = EngineTransport(EngineAddress(socket=path))
        assert [transport.answer("/x") for _ in range(3)] == [(200, b"1")] * 3
        transport.close()
    assert talks == 3


def test_one_connection_serves_many_questions() -> None:
    talks = 0

    def many(connection: socket.socket) -> None:
        nonlocal talks
        talks += 1
        while connection.recv(4096):
            connection.sendall(answered(b"1"))

    with server(many) as path:
        transport = EngineTransport(EngineAddress(socket=path))
        for _ in range(5):
            transport.answer("/x")
        transport.close()
    assert talks == 1


@pytest.mark.parametrize("start", [b"Content-Length: 9\r\n\r\n123", b"Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n"])
def test_an_answer_that_ends_early_is_told(start: bytes) -> None:
    def cut(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + start)

    with server(cut) as path:
        transport = EngineTransport(EngineAddress(socket=path))
        with pytest.raises(IncompleteRead):
            transport.answer("/x")
        with transport.start("GET", "/x") as response:
            assert response.some(99) == b"123"
            with pytest.raises(IncompleteRead):
                response.some(99)


def test_pieces_come_as_they_arrive_and_a_shutdown_wakes_who_waits_for_more() -> None:
    def slow(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answered(b"abc", length=1 << 30))
        connection.recv(4096)

    with server(slow) as path, EngineTransport(EngineAddress(socket=path)).start("GET", "/x") as response:
        assert response.some(1 << 20) == b"abc"
        Timer(0.2, response.shutdown).start()
        started = time.monotonic()
        with pytest.raises(IncompleteRead):
            response.some(1 << 20)
        assert time.monotonic() - started < 5


def test_a_short_answer_has_to_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.1)

    def silent(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.recv(4096)

    with server(silent) as path, pytest.raises(TimeoutError):
        EngineTransport(EngineAddress(socket=path)).answer("/x")


@pytest.mark.parametrize("name", ["a b", "a\r\nX: y", "../x", "a?b#c", "\udcff", "ä"])
def test_a_name_of_any_form_is_one_part_of_the_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as running:
        top = running.enter_context(tempfile.TemporaryDirectory(prefix="ls-", dir="/tmp"))
        pretended = running.enter_context(pretended_engine(Path(top), sent(b"")))
        monkeypatch.setenv("DOCKER_HOST", pretended.address)
        engine = running.enter_context(Engine.connect(DOCKER))
        assert engine.inspect(name) is None
        assert len(pretended.asked) == 2
        assert pretended.wanted == [{}, {}]


@pytest.mark.parametrize(
    "stored",
    [
        b"{",
        b"[]",
        b'{"auths": {"r.example": {"auth": "%%%"}}}',
        b'{"credsStore": "nobody-has-this"}',
        b'{"auths": {"r.example": 1}}',
    ],
)
def test_credentials_that_cannot_be_read_are_none(tmp_path: Path, stored: bytes) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_bytes(stored)
    assert credentials_header("r.example/app") == {}


def test_credentials_go_along_with_a_pull(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_bytes(b'{"auths": {"r.example": {"auth": "YW5uOndvcmQ="}}}')
    header = credentials_header("r.example/app")["X-Registry-Auth"]
    import base64

    assert json.loads(base64.urlsafe_b64decode(header))["username"] == "ann"


def test_a_socket_is_asked_without_importing_docker(tmp_path: Path) -> None:
    import sys

    code = "import sys; from layerscope.sources.engine.client import Engine\n"
    code += "from layerscope.sources.engine.endpoints import Endpoint\n"
    code += "from layerscope.sources.location import EngineKind\n"
    code += "Engine.connect(Endpoint(EngineKind.DOCKER, sys.argv[1])).names()\n"
    code += "sys.exit(any(name.partition('.')[0] in ('docker', 'requests', 'urllib3') for name in sys.modules))"
    with tempfile.TemporaryDirectory(prefix="ls-", dir="/tmp") as top, pretended_engine(Path(top), sent(b"")) as engine:
        assert subprocess.run([sys.executable, "-c", code, engine.address], check=False).returncode == 0


def test_ssh_without_a_host_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    requires("ssh")
    monkeypatch.setenv("DOCKER_HOST", "ssh://")
    with pytest.raises(LayerscopeError, match="ssh://USER@HOST"):
        Engine.connect(DOCKER)
