"""A token server for real registries (distribution `docs/spec/auth/token.md`, `oauth.md`): signs with openssl, keeps a list."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from conftest import requires
from support.pretend_registry import Answer, Asked, PretendedRegistry, pretended_registry

SERVICE, ISSUER = "a-test-registry", "a-test-issuer"


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@dataclass
class TokenServer:
    """Gives tokens to those in `users`, and to nobody in particular for reading below `public/`; `readers` may only read.

    `identities` are identity tokens with the user each stands for; `seconds` is how long a token holds.
    """

    directory: Path
    server: PretendedRegistry
    users: dict[str, str]
    identities: dict[str, str] = field(default_factory=dict)
    seconds: int = 300
    readers: frozenset[str] = frozenset()

    @property
    def realm(self) -> str:
        return f"http://{self.server.host}/token"

    @property
    def registry_settings(self) -> dict[str, Any]:
        """The `auth` section of the registry's configuration."""
        bundle = str(self.directory / "cert.pem")
        return {"token": {"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle}}

    def answer(self, asked: Asked) -> Answer:
        fields = parse_qs(asked.body.decode() if asked.method == "POST" else urlsplit(asked.path).query)
        user = self._user(asked, fields)
        if user is None:
            return Answer(401, b'{"details": "incorrect username or password"}', {"Content-Type": "application/json"})
        may = {"pull"} if user in self.readers else {"pull", "push"}
        access = [_granted(scope, user, may) for scope in fields.get("scope", [])]
        body = {"access_token" if asked.method == "POST" else "token": self._token(user, [each for each in access if each])}
        return Answer(200, json.dumps(body | {"expires_in": self.seconds}).encode(), {"Content-Type": "application/json"})

    def _user(self, asked: Asked, fields: dict[str, list[str]]) -> str | None:
        """Who asks; empty for nobody in particular, None for somebody who is not whom he says."""
        if "refresh_token" in fields:
            return self.identities.get(fields["refresh_token"][0])
        sent = asked.headers.get("authorization", "")
        if not sent:
            return ""
        user, _, word = base64.b64decode(sent.removeprefix("Basic ")).decode().partition(":")
        return user if self.users.get(user) == word else None

    def _token(self, user: str, access: list[dict[str, Any]]) -> str:
        now = int(time.time())
        certificate = "".join((self.directory / "cert.pem").read_text().splitlines()[1:-1])
        header = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
        times = {"nbf": now - 30, "iat": now, "exp": now + self.seconds}
        claims = {"iss": ISSUER, "sub": user, "aud": SERVICE, "jti": str(time.monotonic_ns()), "access": access} | times
        signed = f"{_base64url(json.dumps(header).encode())}.{_base64url(json.dumps(claims).encode())}"
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.directory / "key.pem")]
        return f"{signed}.{_base64url(subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout)}"


def _granted(scope: str, user: str, may: set[str]) -> dict[str, Any] | None:
    """What of a scope (`repository:NAME:pull,push`) somebody may do."""
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    wanted = [each for each in actions.split(",") if each in may or kind != "repository"]
    if not user:
        wanted = [each for each in wanted if each == "pull" and name.startswith("public/")]
    return {"type": kind, "name": name, "actions": wanted} if wanted else None


@contextmanager
def token_server(directory: Path, users: dict[str, str]) -> Iterator[TokenServer]:
    """Serve until the context ends; the key and certificate lie in `directory`."""
    requires("openssl")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]
    command += ["-subj", "/CN=tokens", "-days", "1"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    with pretended_registry() as server:
        tokens = TokenServer(directory, server, users)
        server.routes["/token"] = tokens.answer
        yield tokens
