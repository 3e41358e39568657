"""Answers to a registry's challenges: a password (Basic), or a token from the registry's token server (Bearer).

distribution `docs/spec/auth/token.md`, `oauth.md`. A credential is sent only to the registry it was found for and to the token
server that this registry names; `guards` checks both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import urlencode, urlunsplit

from layerscope.sources.registry.challenge import Challenge, best_challenge
from layerscope.sources.registry.credentials import ANONYMOUS, Credential
from layerscope.sources.registry.failures import HiddenSecrets, RegistryFailed
from layerscope.sources.registry.guards import split_address
from layerscope.text import escape

USUAL_SECONDS = 60.0
"""Seconds that a token is valid if its answer does not say."""
RENEW_EARLY = 0.8
"""The fraction of its lifetime after which a token is no longer used."""
LONGEST_SECONDS = 7 * 86_400
"""Seconds after which a token is asked for again, whatever its answer says."""
CLIENT = "layerscope"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to a token server: a GET with `headers`, or a POST of `form` if there is one."""

    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    form: dict[str, str] = field(default_factory=dict, repr=False)


class Authorization:
    """The `Authorization` headers for one endpoint, by scope. Safe to use from several threads."""

    def __init__(
        self,
        find_credential: Callable[[], Credential],
        fetch: Callable[[TokenRequest], dict[str, Any]],
        hidden: HiddenSecrets,
    ) -> None:
        self._find, self._fetch, self._hidden = find_credential, fetch, hidden
        self._credential: Credential | None = None
        self._headers: dict[str, tuple[str, float]] = {}
        self._challenges: dict[str, Challenge] = {}
        self._lock = Lock()

    @property
    def credential(self) -> Credential:
        """Return the user's credential; ANONYMOUS until the registry first asks for one, because helpers are slow."""
        return self._credential or ANONYMOUS

    @property
    def challenge(self) -> Challenge | None:
        """Return how the registry asked for credentials first; None if it did not."""
        return next(iter(self._challenges.values()), None)

    def header(self, scope: str) -> str:
        """Return the header for the next request of this scope; empty if none was needed yet, or if the token has expired."""
        with self._lock:
            value, until = self._headers.get(scope, ("", 0.0))
            if value and time.monotonic() >= until and scope in self._challenges:
                value = self._renewed(self._challenges[scope], scope)
            return value

    def answer(self, header: str, scope: str, *, refused: str) -> str:
        """Return the `Authorization` header that answers a `WWW-Authenticate` header; empty if there is no answer, or if it
        was refused already.
        """
        challenge = best_challenge(header)
        if challenge is None:
            return ""
        with self._lock:
            value, _ = self._headers.get(scope, ("", 0.0))
            if value and value != refused:  # another thread was asked the same, and got it
                return value
            value = self._renewed(challenge, scope)
            return "" if value == refused else value

    def _renewed(self, challenge: Challenge, scope: str) -> str:
        if self._credential is None:
            self._credential = self._find()
            self._hidden.add(*self._credential.secrets)
        who = self._credential
        self._challenges[scope] = challenge
        if challenge.scheme == "basic":
            value, until = f"Basic {who.basic}" if who.secret else "", float("inf")
        else:
            value, until = self._bearer(challenge, scope, who)
        self._headers[scope] = (value, until)
        return value

    def _bearer(self, challenge: Challenge, scope: str, who: Credential) -> tuple[str, float]:
        answer = self._fetch(token_request(challenge, scope or challenge.scope, who))
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise RegistryFailed(f"the token server {escape(split_address(challenge.realm).netloc)} answers without a token")
        self._hidden.add(token)
        stated = answer.get("expires_in")
        seconds = float(min(stated, LONGEST_SECONDS)) if isinstance(stated, int | float) and stated > 0 else USUAL_SECONDS
        return f"Bearer {token}", time.monotonic() + seconds * RENEW_EARLY


def token_request(challenge: Challenge, scope: str, who: Credential) -> TokenRequest:
    """Build a token request: an identity token is POSTed, a password sent as Basic, and nothing sent without a credential.

    Several scopes stand in `scope` with spaces between, in a query each for itself.
    """
    if who.identity_token:
        form = {"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": who.identity_token}
        form |= {"service": challenge.service, "scope": scope}
        return TokenRequest(challenge.realm, form={name: value for name, value in form.items() if value})
    parts = split_address(challenge.realm)
    scopes = [("scope", each) for each in scope.split()]
    query = urlencode([*([("service", challenge.service)] if challenge.service else ()), *scopes])
    url = urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, query)))))
    return TokenRequest(url, {"Authorization": f"Basic {who.basic}"} if who.secret else {})
