"""Requests to one endpoint of a registry: authorized, retried, and redirected only to addresses that `guards` allows.

requests is imported late: it takes 60 ms.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from layerscope import __version__
from layerscope.errors import causes_of
from layerscope.oci.reference import DEFAULT_DOMAIN
from layerscope.sources.registry.authorization import Authorization, TokenRequest
from layerscope.sources.registry.challenge import Challenge
from layerscope.sources.registry.credentials import Credential
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.failures import (
    AccessDenied,
    HiddenSecrets,
    LineBroke,
    NoSuchImage,
    RegistryFailed,
    RequestRefused,
)
from layerscope.sources.registry.guards import Guard, is_same_host, named_address, split_address
from layerscope.sources.registry.registry_name import HUB_HOST
from layerscope.sources.registry.traffic import Traffic, retry_after
from layerscope.text import escape

if TYPE_CHECKING:
    from requests import Response, Session

CONNECT_SECONDS, READ_SECONDS = 10.0, 45.0
STORE_SECONDS = 600.0
"""Seconds until a registry has stored what it got: some copy a blob of gigabytes before they answer."""
MOST_REDIRECTS, MOST_TRIES = 5, 5
MOST_DIGITS = 20
LONGEST_ANSWER = 64 << 10
"""Bytes of a token server's answer, and of an error's, that are read (distribution writes a few thousand)."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
REDIRECTS_OF_UPLOADS = frozenset({307, 308})
"""Those after which a request is sent again as it was, body and all (RFC 9110 15.4)."""
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
WEB_PAGE = "text/html"
CERTIFICATE_CLUES = ("CERTIFICATE", "certificate")
CLIENT_CLUES = ("ALERT_BAD_CERTIFICATE", "CERTIFICATE_REQUIRED", "ALERT_UNKNOWN_CA", "ALERT_CERTIFICATE_UNKNOWN")
"""Alerts of TLS that a server sends about the client's certificate, in OpenSSL's words."""


Body = Mapping[str, str] | bytes | Iterable[bytes] | None
"""Of a request: a form, bytes, or the pieces of a blob, which know their length."""


class Connection:
    """Sends requests to one endpoint of a registry; may be used by several threads."""

    def __init__(self, endpoint: RegistryEndpoint, find_credential: Callable[[], Credential], traffic: Traffic) -> None:
        self.endpoint, self.traffic = endpoint, traffic
        self.hidden = HiddenSecrets()
        self._guard = Guard(endpoint)
        self._authorization = Authorization(find_credential, self._token, self.hidden)
        self._session: Session | None = None
        self._base = ""
        self._lock = Lock()
        self._redirected: dict[str, str] = {}
        """Signed addresses of blobs, by URL, until they expire: they save a request for each range."""

    def for_repository(self, endpoint: RegistryEndpoint) -> Connection:
        """Return a connection to another repository at the same address; both share sessions, credentials and signed
        addresses.
        """
        if self._session is None:
            self._opened_session()
        assert self.base
        twin = copy(self)
        twin.endpoint = endpoint
        return twin

    @property
    def base(self) -> str:
        """Return `https://HOST[/PREFIX]`, with the scheme that answered."""
        with self._lock:
            if not self._base:
                self._base = self._find_base()
            return self._base

    @property
    def credential(self) -> Credential:
        """Return the user's credential for this endpoint; ANONYMOUS if it was not looked up yet."""
        return self._authorization.credential

    @property
    def challenge(self) -> Challenge | None:
        """Return how the registry asked for credentials; None if it did not."""
        return self._authorization.challenge

    @property
    def proxy(self) -> str:
        """Return the proxy for this endpoint, without a user and a password; empty if there is none."""
        from requests.utils import get_environ_proxies, select_proxy

        url = self._base or f"{self.endpoint.schemes[0]}://{self.endpoint.host}"
        stated = select_proxy(url, get_environ_proxies(url)) or ""
        scheme, separator, rest = stated.rpartition("://")
        return f"{scheme}{separator}{rest.rpartition('@')[2]}"

    def url(self, path: str) -> str:
        """Return the URL of a path below `/v2/`."""
        return f"{self.base}/v2/{path}"

    @contextmanager
    def open(
        self, url: str, *, scope: str = "", headers: Mapping[str, str] | None = None, method: str = "GET", what: str = ""
    ) -> Iterator[Response]:
        """Send a request to this endpoint and yield the answer, after challenges, redirects and retries; any status is an
        answer.

        The body is read later and is not decompressed. `scope` is the token's (`repository:NAME:pull`), `what` names the object
        for people. Raises RegistryFailed and AccessDenied.
        """
        asked = url
        with ExitStack() as stack:
            response = self._by_known_redirect(stack, method, url, dict(headers or {}))
            if response is None:  # an unsuccessful answer counts as false
                response = self._answered(stack, method, url, scope, dict(headers or {}))
            for _ in range(MOST_REDIRECTS):
                if response.status_code not in REDIRECTS:
                    break
                url = named_address(url, response.headers.get("Location", ""))
                self._guard.check(url, "store of blobs")
                # A signed address of another host refuses a second authorization, and no credential is that host's to see.
                if is_same_host(urlsplit(url), self.endpoint.host):
                    response = self._answered(stack, method, url, scope, dict(headers or {}))
                else:
                    response = self._sent(stack, method, url, dict(headers or {}))
                    self._redirected[asked] = url
            else:
                raise RegistryFailed(f"{self.name} sends requests for {what} from place to place endlessly")
            if WEB_PAGE in response.headers.get("Content-Type", "") and response.ok:
                raise RegistryFailed(
                    f"{self.name} answers with a web page instead of {what}; is there a login page of the network before it?"
                )
            yield response

    @contextmanager
    def send(
        self, method: str, url: str, *, scope: str, body: Body = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[Response]:
        """Send a request that changes something, and yield the answer, after challenges and redirects; any status is one.

        Another host than this endpoint's, in `url` or in a redirect, gets no credentials. Pieces of a blob are sent once: how
        much of them arrived is not known, so that whoever sends them has to begin anew. Raises LineBroke, RegistryFailed.
        """
        with ExitStack() as stack:
            for _ in range(MOST_REDIRECTS):
                self._guard.check(url, "place for uploads")
                if is_same_host(urlsplit(url), self.endpoint.host):
                    response = self._answered(stack, method, url, scope, dict(headers or {}), body)
                else:
                    response = self._sent(stack, method, url, dict(headers or {}), body)
                if response.status_code not in REDIRECTS_OF_UPLOADS:
                    break
                url = named_address(url, response.headers.get("Location", ""))
            else:
                raise RegistryFailed(f"{self.name} sends uploads from place to place endlessly")
            yield response

    @property
    def name(self) -> str:
        """Return what messages call this endpoint."""
        return escape(str(self.endpoint))

    def failure(self, response: Response, what: str) -> RegistryFailed:
        """Return the error for an unsuccessful answer, with the registry's own words."""
        words, status = self._words(response), response.status_code
        told = f": {words}" if words else ""
        known = DEFAULT_DOMAIN if self.endpoint.host == HUB_HOST else self.name
        log_in = f"log in with: docker login {known}, or podman login {known}"
        if status in (401, 403):
            who = self._authorization.credential
            sent = f"as {escape(who.user)} (from {who.origin})" if who.origin else "without credentials"
            return AccessDenied(f"{self.name} refuses {what} {sent} ({status}{told}); {log_in}")
        if status == 404:
            return NoSuchImage(f"{self.name} has no {what}{told}")
        if status == 429:
            return RequestRefused(f"{self.name} refuses {what}: too many requests ({status}{told}); wait, or {log_in}", status)
        return RequestRefused(f"{self.name} refuses {what} ({status}{told})", status)

    def _by_known_redirect(self, stack: ExitStack, method: str, url: str, headers: dict[str, str]) -> Response | None:
        """Ask the signed address that this URL led to before; None if there is none, or if it no longer works."""
        signed = self._redirected.get(url)
        if signed is None:
            return None
        response = self._sent(stack, method, signed, headers)
        if response.ok or response.status_code == 416:
            return response
        self._redirected.pop(url, None)
        return None

    def _answered(
        self, stack: ExitStack, method: str, url: str, scope: str, headers: dict[str, str], body: Body = None
    ) -> Response:
        """Send one authorized request without following redirects; a challenge is answered once."""
        sent = self._authorization.header(scope)
        response = self._sent(stack, method, url, headers | ({"Authorization": sent} if sent else {}), body)
        if response.status_code != 401:
            return response
        renewed = self._authorization.answer(response.headers.get("WWW-Authenticate", ""), scope, refused=sent)
        if not renewed:
            return response
        return self._sent(stack, method, url, headers | {"Authorization": renewed}, body)

    def _sent(self, stack: ExitStack, method: str, url: str, headers: dict[str, str], body: Body = None) -> Response:
        """Send one request, retrying while the host is busy or the line breaks, unless `body` is pieces of a blob; leaving
        `stack` closes the response.
        """
        host = urlsplit(url).netloc
        is_once = body is not None and not isinstance(body, Mapping | bytes)
        for attempt in range(MOST_TRIES):
            is_last = is_once or attempt == MOST_TRIES - 1
            try:
                with self.traffic.slot(host):
                    response = self._request(method, url, headers, body)
            except OSError as error:  # requests' errors are OSErrors
                if is_last or not _is_passing(error):
                    raise self._unreachable(error, host) from error
                self.traffic.postpone(host, retry_after(None, attempt))
                continue
            if response.status_code in BUSY and (is_once or not is_last):
                self.traffic.postpone(host, retry_after(response.headers.get("Retry-After"), attempt))
            if response.status_code in BUSY and not is_last:
                response.close()
                continue
            self._note_limit(host, response)
            if method == "HEAD" or _is_short_redirect(response):
                with suppress(OSError):  # it says nothing, but only its end frees the line for the next request
                    read_body(response, LONGEST_ANSWER)
            opened: Response = stack.enter_context(self.traffic.watched(response))
            return opened
        raise AssertionError("the last try returns or raises")

    def _request(self, method: str, url: str, headers: dict[str, str], body: Body = None) -> Response:
        from requests.exceptions import InvalidURL
        from requests.utils import get_environ_proxies
        from urllib3.exceptions import LocationParseError

        session: Session = self._session or self._opened_session()
        parts = urlsplit(url)
        self.traffic.requests.append(f"{method} {parts.scheme}://{parts.netloc}{parts.path} {headers.get('Range', '')}".strip())
        try:
            response: Response = session.request(
                method,
                url,
                headers={"User-Agent": f"layerscope/{__version__}", "Accept-Encoding": "identity"} | headers,
                data=body or None,
                stream=True,
                allow_redirects=False,
                timeout=(CONNECT_SECONDS, STORE_SECONDS if method in ("PUT", "PATCH") else READ_SECONDS),
                proxies=get_environ_proxies(url),
            )
        except LocationParseError as error:  # which requests lets through, of a name that cannot be resolved
            raise InvalidURL(str(error)) from error
        return response

    def _opened_session(self) -> Session:
        """Return a session that takes only proxies from the environment, nothing from `.netrc`."""
        import requests
        from requests.adapters import HTTPAdapter

        context = tls_context(self.endpoint)
        pools = _watched_pools(self.traffic)

        class Adapter(HTTPAdapter):
            def init_poolmanager(self, *args: Any, **named: Any) -> None:
                super().init_poolmanager(*args, ssl_context=context, **named)
                self.poolmanager.pool_classes_by_scheme = pools

            def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
                manager = super().proxy_manager_for(proxy, ssl_context=context, **named)
                manager.pool_classes_by_scheme = pools
                return manager

        class Unfollowing(requests.Session):
            def get_redirect_target(self, resp: Response) -> None:
                """Return None: to prepare for a redirect, requests would read all of its body, unpacked."""

        session = Unfollowing()
        session.trust_env = False
        session.verify = not self.endpoint.is_insecure
        if self.endpoint.is_insecure:  # the user named it: no warning with each request
            import urllib3

            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        adapter = Adapter(pool_connections=16, pool_maxsize=16)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        self._session = session
        return session

    def _find_base(self) -> str:
        """Return the URL before `/v2/`, with the first scheme that answers.

        An insecure registry, or one on this machine, may speak https or plain http.
        """
        *others, last = self.endpoint.schemes
        for scheme in others:
            base = f"{scheme}://{self.endpoint.host}{self.endpoint.prefix}"
            try:
                with self.traffic.slot(self.endpoint.host):
                    self._request("GET", f"{base}/v2/", {}).close()
            except OSError as error:
                if not any(clue in _all_words(error) for clue in CERTIFICATE_CLUES):
                    continue
            return base  # the first request says what is wrong with a certificate
        self._guard.is_plain_http = last == "http"
        return f"{last}://{self.endpoint.host}{self.endpoint.prefix}"

    def _token(self, request: TokenRequest) -> dict[str, Any]:
        """Request a token. Redirects of the token server get no credentials, and are checked like its own address."""
        url, headers = request.url, request.headers
        with ExitStack() as stack:
            for _ in range(MOST_REDIRECTS):
                self._guard.check(url, "token server")
                response = self._sent(stack, "POST" if request.form else "GET", url, headers, request.form)
                if response.status_code not in REDIRECTS or request.form:
                    break
                target = named_address(url, response.headers.get("Location", ""))
                url, headers = target, headers if is_same_host(split_address(target), urlsplit(url).netloc) else {}
            if not response.ok:
                raise self.failure(response, f"a token from {escape(urlsplit(url).netloc)}")
            return _small_object(response, f"the token server {escape(urlsplit(url).netloc)}")

    def _note_limit(self, host: str, response: Response) -> None:
        """Note what is left of a host's rate limit, as Docker Hub states it: `ratelimit-remaining: 76;w=21600`."""
        stated = stated_number(response.headers.get("ratelimit-remaining", "").partition(";")[0].strip())
        if stated is not None:
            self.traffic.remaining[host] = stated

    def _words(self, response: Response) -> str:
        """Return the messages of an error's body (distribution-spec, "Error Codes"), or its first words."""
        try:
            body = read_body(response, LONGEST_ANSWER)
        except OSError:
            return ""
        try:
            errors = json.loads(body)["errors"]
            text = "; ".join(str(each.get("message") or each.get("code")) for each in errors[:3])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            is_text = response.headers.get("Content-Type", "").startswith("text/plain")
            text = body[:200].decode("utf-8", "replace") if is_text else ""
        return self.hidden.hide(text)

    def _unreachable(self, error: OSError, host: str) -> RegistryFailed:
        """Return the error for an unreachable host with the innermost reason only, because libraries quote URLs."""
        kind = LineBroke if _is_passing(error) else RegistryFailed
        return kind(f"{escape(host)} {_reason(error, self.endpoint)} ({self.hidden.hide(_innermost(error))})")


def _watched_pools(traffic: Traffic) -> dict[str, Any]:
    """Return urllib3's pools, whose connections `traffic` ends, also while a name is resolved or before there is an answer."""
    from http.client import HTTPResponse

    from urllib3 import connection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class BoundedResponse(HTTPResponse):
        def _read_next_chunk_size(self) -> int:
            size: int = super()._read_next_chunk_size()  # type: ignore[misc]
            if size < 0:  # Python would read all that comes, for -1
                raise ValueError
            return size

    # Error messages quote the names of these classes.
    class HTTPConnection(connection.HTTPConnection):
        response_class = BoundedResponse

        def connect(self) -> None:
            traffic.outwait(super().connect)
            traffic.watch_socket(self.sock)

    class HTTPSConnection(connection.HTTPSConnection):
        response_class = BoundedResponse

        def connect(self) -> None:
            traffic.outwait(super().connect)
            traffic.watch_socket(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = HTTPConnection

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = HTTPSConnection

    return {"http": PlainPool, "https": EncryptedPool}


def read_body(response: Response, size: int) -> bytes:
    """Read at most `size` bytes of a body, as they were sent; fewer only at its end. Raises OSError where the line breaks."""
    from urllib3.exceptions import HTTPError

    try:
        content: bytes = response.raw.read(size, decode_content=False)
    except HTTPError as error:
        raise ConnectionResetError(str(error)) from error
    return content


def stated_number(text: str) -> int | None:
    """Return the number in a header; None where there is none, or one of more digits than any length has."""
    return int(text) if text.isdecimal() and len(text) < MOST_DIGITS else None


def tls_context(endpoint: RegistryEndpoint) -> ssl.SSLContext:
    """Return a TLS context that trusts the system's authorities (SSL_CERT_FILE and SSL_CERT_DIR replace them), those of
    certs.d, and, if `truststore` is installed, the operating system's own store.

    Endpoints that trust the same share one: reading the system's authorities takes 30 ms.
    """
    stated = tuple(map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))
    return _tls_context(replace(endpoint, host="", repository="", prefix=""), stated)


@lru_cache(maxsize=16)
def _tls_context(endpoint: RegistryEndpoint, _stated: tuple[str | None, ...]) -> ssl.SSLContext:
    context = _system_context()
    for path in endpoint.authorities:
        with suppress(OSError, ssl.SSLError):
            context.load_verify_locations(path)
    for certificate, key in endpoint.client_certificates:
        with suppress(OSError, ssl.SSLError):
            context.load_cert_chain(certificate, key)
    if endpoint.is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _system_context() -> ssl.SSLContext:
    if not os.environ.get("SSL_CERT_FILE"):
        with suppress(ImportError):
            own_store: ssl.SSLContext = import_module("truststore").SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            return own_store
    return ssl.create_default_context()


def _small_object(response: Response, what: str) -> dict[str, Any]:
    """Decode a JSON object of at most 64 KiB."""
    body = read_body(response, LONGEST_ANSWER + 1)
    if len(body) > LONGEST_ANSWER:
        raise RegistryFailed(f"{what} answers with more than {LONGEST_ANSWER >> 10} KiB, too much for a token")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RegistryFailed(f"{what} answers with something that is not JSON") from error
    if not isinstance(found, dict):
        raise RegistryFailed(f"{what} answers with something that is not a JSON object")
    return found


def _is_short_redirect(response: Response) -> bool:
    length = stated_number(response.headers.get("Content-Length", ""))
    return response.status_code in REDIRECTS and length is not None and length <= LONGEST_ANSWER


def _is_passing(error: OSError) -> bool:
    """Tell whether trying again may help: not after a wrong certificate or host name."""
    words = _all_words(error)
    return not any(
        clue in words
        for clue in ("SSLError", "CERTIFICATE", "NameResolutionError", "Connection refused", "ProxyError", "InvalidURL")
    )


def _reason(error: OSError, endpoint: RegistryEndpoint) -> str:
    words, host = _all_words(error), escape(endpoint.host)
    vouch = f"put its authority into /etc/docker/certs.d/{host}/ca.crt or set SSL_CERT_FILE, or name it: --insecure {host}"
    own = f"put client.cert and client.key into /etc/docker/certs.d/{host}"
    reasons = (
        (CLIENT_CLUES, f"wants a certificate of this client, or another one: {own}"),
        (CERTIFICATE_CLUES, f"has a certificate that this machine does not trust: {vouch}"),
        (("WRONG_VERSION_NUMBER", "RECORD_LAYER"), f"does not speak TLS; if that is meant to be so: --insecure {host}"),
        (("SSL",), "cannot be reached over TLS"),
        (("ProxyError",), "cannot be reached through the proxy of HTTPS_PROXY or HTTP_PROXY"),
        (("NameResolutionError", "Name or service", "gaierror"), "is an unknown host"),
        (("timed out", "Timeout"), "does not answer"),
        (("refused",), "is reachable, but nothing listens on that port"),
    )
    return next((sentence for clues, sentence in reasons if any(clue in words for clue in clues)), "cannot be talked to")


def _all_words(error: BaseException) -> str:
    return " ".join(f"{type(each).__name__} {each}" for each in causes_of(error))


def _innermost(error: BaseException) -> str:
    last = [*causes_of(error)][-1]
    words = str(last).partition("(Caused by")[0]
    return type(last).__name__ if "://" in words or not words else words
