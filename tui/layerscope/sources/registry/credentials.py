"""The user's credentials for a registry: from Docker's and Podman's files and the helpers they name, then from clouds.

Docker's file is read here and not through docker.auth, which has traps: a helper that is missing or fails raises even where the
image is public, keys of its answers differ in case, and paths in keys, as podman writes them, are cut off. So helpers are asked
one at a time with a fallback, and path-scoped keys are looked up here.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layerscope.oci.reference import DEFAULT_DOMAIN
from layerscope.text import escape

HUB_KEY = "https://index.docker.io/v1/"
"""The key under which Docker Hub's credentials are stored."""
TOKEN_USER = "<token>"  # noqa: S105 - the name under which helpers give an identity token
LONGEST_FILE = 4 << 20
HELPER_SECONDS = 60
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
_SCHEME = re.compile(r"^https?://")


@dataclass(frozen=True, slots=True)
class Credential:
    """A user and a secret, or an identity token (OAuth2 refresh token); `origin` says where it was found, for people."""

    user: str = ""
    secret: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    origin: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return all spellings of the secret that must never be shown."""
        return (self.secret, self.identity_token, self.basic)

    @property
    def basic(self) -> str:
        """Return user and secret in base64, which follow `Basic ` in an `Authorization` header (RFC 7617)."""
        return base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()


ANONYMOUS = Credential()


@dataclass(frozen=True, slots=True)
class CredentialFinding:
    """The result of looking in one place: the credential, if there was one, and a sentence for `registry check` without
    secrets.
    """

    place: str
    outcome: str
    credential: Credential | None = None


CloudLookup = Callable[[str], Iterator[CredentialFinding]]
"""Yields what each source of credentials of a host's cloud provider gives; nothing for a host of no cloud."""


def find_credential(host: str, repository: str, clouds: CloudLookup) -> tuple[Credential, list[CredentialFinding]]:
    """Return the first credential for a repository, and the findings of every place searched until then."""
    findings = []
    for finding in _looked_up(host, repository, clouds):
        findings.append(finding)
        if finding.credential is not None:
            return finding.credential, findings
    return ANONYMOUS, findings


def _looked_up(host: str, repository: str, clouds: CloudLookup) -> Iterator[CredentialFinding]:
    for path in credential_files():
        yield from _in_file(path, host, repository)
    yield from clouds(host)


def credential_files() -> list[Path]:
    """List Docker's file of credentials, then Podman's in their order (containers-auth.json(5)), including missing ones."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home raises where there is none
    docker = Path(os.environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    files = [docker]
    if own := os.environ.get("REGISTRY_AUTH_FILE"):
        files.append(Path(own))
    files.append(Path(runtime or f"/run/containers/{os.getuid()}") / ("containers/auth.json" if runtime else "auth.json"))
    files.append(Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json")
    return list(dict.fromkeys(files))


def known_hosts() -> list[str]:
    """List the hosts that the user has logged in to or has a helper for, for completion. Asks no helper."""
    found = dict.fromkeys("docker.io" if key == HUB_KEY else _SCHEME.sub("", key).partition("/")[0] for key in _stored_keys())
    return [host for host in found if host.isprintable() and not any(map(str.isspace, host))]


def parts_with_own_credentials(host: str) -> list[str]:
    """List the beginnings of repositories' names, such as `team`, for which credentials of their own are stored."""
    keys = (_SCHEME.sub("", key).rstrip("/").partition("/") for key in _stored_keys() if key != HUB_KEY)
    return [path for known, _, path in keys if known.lower() == host.lower() and path]


def _stored_keys() -> Iterator[str]:
    """Yield what credentials and helpers are stored under, in all files that can be read."""
    for path in credential_files():
        with suppress(OSError, ValueError, RecursionError), path.open("rb") as file:
            document = _table(json.loads(file.read(LONGEST_FILE)))
            yield from [*_table(document.get("auths")), *_table(document.get("credHelpers"))]


def _in_file(path: Path, host: str, repository: str) -> Iterator[CredentialFinding]:
    """Yield the findings of one file of credentials: its helper for this host, its own entry, then its helper for all hosts."""
    place = escape(str(path))
    try:
        with path.open("rb") as file:
            document = _table(json.loads(file.read(LONGEST_FILE)))
    except FileNotFoundError:
        yield CredentialFinding(place, "is not there")
        return
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or "it is not JSON"
        yield CredentialFinding(place, f"cannot be read: {reason}")
        return
    auths = _table(document.get("auths"))
    helpers = _table(document.get("credHelpers"))
    for key in _keys(host, repository):
        if isinstance(helper := _entry(helpers, key), str):
            yield ask_helper(helper, key, f"{place}, helper docker-credential-{escape(helper)}")
        if isinstance(entry := _entry(auths, key), dict) and entry:
            yield _from_entry(entry, key, place)
    if isinstance(store := document.get("credsStore"), str) and store:
        key = HUB_KEY if host == DEFAULT_DOMAIN else host
        yield ask_helper(store, key, f"{place}, helper docker-credential-{escape(store)}")
    yield CredentialFinding(place, f"has nothing for {escape(host)}")


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _keys(host: str, repository: str) -> list[str]:
    """Return the keys that may hold a repository's credential, longest first: `host/org/repo`, `host/org`, `host`."""
    parts = repository.split("/") if repository else []
    keys = ["/".join((host, *parts[:length])) for length in range(len(parts), 0, -1)]
    return [*keys, *((HUB_KEY, "docker.io", "index.docker.io", "registry-1.docker.io") if host == DEFAULT_DOMAIN else (host,))]


def _entry(table: dict[str, Any], key: str) -> Any:
    """Return the value of a key in any spelling: with a scheme, and a path of `/v1` or `/v2` behind the host."""
    if key in table:
        return table[key]
    plain = {re.sub(r"/v[12]/?$", "", _SCHEME.sub("", each)).rstrip("/"): value for each, value in reversed(table.items())}
    return plain.get(re.sub(r"/v[12]/?$", "", _SCHEME.sub("", key)).rstrip("/"))


def _from_entry(entry: dict[str, Any], key: str, place: str) -> CredentialFinding:
    """Read a credential from a file's entry: `auth` (base64 of user and secret), the two apart, or an identity token."""
    origin = f"{place}, {escape(key)}"
    token = entry.get("identitytoken") or entry.get("registrytoken")
    if isinstance(token, str) and token:
        return CredentialFinding(
            place, f"has a token for {escape(key)}", Credential(TOKEN_USER, identity_token=token, origin=origin)
        )
    user, secret = entry.get("username"), entry.get("password")
    if isinstance(auth := entry.get("auth"), str) and auth:
        try:
            user, _, secret = base64.b64decode(auth, validate=False).decode().rstrip("\0").partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return CredentialFinding(place, f"has something for {escape(key)} that is not base64 of a user and a password")
    if not (isinstance(user, str) and isinstance(secret, str) and user):
        return CredentialFinding(place, f"names {escape(key)} without a user and a password")
    return CredentialFinding(place, f"has user {escape(user)} for {escape(key)}", _credential(user, secret, origin))


def _credential(user: str, secret: str, origin: str) -> Credential:
    if user == TOKEN_USER:
        return Credential(user, identity_token=secret, origin=origin)
    return Credential(user, secret, origin=origin)


def ask_helper(helper: str, key: str, shown: str) -> CredentialFinding:
    """Run `docker-credential-HELPER get` (docker/docker-credential-helpers); if it fails, the search continues."""
    if not _HELPER_NAME.fullmatch(helper):
        return CredentialFinding(shown, "is not the name of a program and is not run")
    answer = run_program(f"docker-credential-{helper}", "get", given=key)
    if isinstance(answer, str):
        return CredentialFinding(shown, answer)
    try:
        found = {str(name).lower(): value for name, value in json.loads(answer).items()}
        user, secret = found["username"], found["secret"]
    except (ValueError, KeyError, AttributeError, RecursionError):
        return CredentialFinding(shown, "answers with something that is not a credential")
    if not (isinstance(user, str) and isinstance(secret, str) and (user or secret)):
        return CredentialFinding(shown, f"has nothing for {escape(key)}")
    return CredentialFinding(shown, f"has user {escape(user)} for {escape(key)}", _credential(user, secret, shown))


def run_program(*command: str, given: str = "") -> bytes | str:
    """Run a program and return its standard output, or a sentence (str) if it is missing or fails.

    Its standard error is not shown, because helpers quote secrets there.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the user's own configuration or cloud tool names it
            command, input=given.encode(), capture_output=True, timeout=HELPER_SECONDS, check=False
        )
    except FileNotFoundError:
        return "is not installed"
    except OSError as error:
        return f"cannot be run: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"did not answer within {HELPER_SECONDS} seconds"
    return done.stdout if done.returncode == 0 else f"found nothing (exit {done.returncode})"
