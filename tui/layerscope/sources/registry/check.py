"""What a user wants to know of a registry before anything is read there: credentials, trust, mirrors, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from layerscope.errors import LayerscopeError, NotFound
from layerscope.oci.reference import DEFAULT_DOMAIN
from layerscope.sources.location import EngineOptions
from layerscope.sources.registry.challenge import Challenge
from layerscope.sources.registry.clouds import cloud_findings
from layerscope.sources.registry.credentials import Credential, CredentialFinding, find_credential
from layerscope.sources.registry.endpoint import RegistryEndpoint
from layerscope.sources.registry.host_settings import HostSettings
from layerscope.sources.registry.registry_name import RegistryName
from layerscope.sources.registry.repository import pull_scope
from layerscope.sources.registry.traffic import Traffic
from layerscope.sources.registry.transport import Connection

LOW_LIMIT = 20
"""The user is told if fewer pulls than this are left of a rate limit."""
HUB_PREVIEW = "ratelimitpreview/test"
"""The repository by which Docker Hub tells what remains of the limit without counting (Docker Hub documentation, "Usage")."""


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """What one address of a registry answered. `findings` are all places searched for its credential, `sent` the one used.

    `status` is 0 and `problem` a sentence if it does not answer; `challenge` is how it asks for credentials. `remaining` is
    what is left of a rate limit, None if it says nothing. `proxy` has no password in it.
    """

    endpoint: RegistryEndpoint
    findings: list[CredentialFinding]
    sent: Credential
    base: str = ""
    proxy: str = ""
    status: int = 0
    challenge: Challenge | None = None
    remaining: int | None = None
    problem: str = ""

    @property
    def is_ok(self) -> bool:
        """Tell whether images can be read there: public ones at least."""
        return not self.problem


@dataclass(frozen=True, slots=True)
class RegistryCheck:
    """What applies to a registry, or to one repository of it. `blocked` says why nothing may be read there; empty: it may.

    `answers` are the mirrors' first, the registry's own last.
    """

    name: RegistryName
    answers: list[EndpointAnswer]
    blocked: str = ""

    @property
    def is_ok(self) -> bool:
        """Tell whether the registry itself can be used; mirrors need not answer."""
        return not self.blocked and self.answers[-1].is_ok


def check_registry(name: RegistryName, options: EngineOptions) -> RegistryCheck:
    """Ask a registry and its mirrors `GET /v2/`, with the credentials that would be used. Raises BadSettings."""
    try:
        endpoints = HostSettings.of_this_machine(options.insecure).endpoints(name)
    except NotFound as error:
        return RegistryCheck(name, [], blocked=str(error))
    return RegistryCheck(name, [_ask(name, endpoint) for endpoint in endpoints])


def _ask(name: RegistryName, endpoint: RegistryEndpoint) -> EndpointAnswer:
    host = endpoint.host if endpoint.is_mirror else name.host
    credential, findings = find_credential(host, endpoint.repository, cloud_findings)
    traffic = Traffic()
    connection = Connection(endpoint, lambda: credential, traffic)
    status, problem = 0, ""
    try:
        with connection.open(connection.url(""), what="its API (/v2/)") as response:
            status = response.status_code
            # A token for nobody in particular may open public images and not this.
            is_public = status == 401 and not credential.origin and _scheme(connection) == "bearer"
            if not response.ok and not is_public:
                problem = str(connection.failure(response, "its API (/v2/)"))
            elif response.ok and not _is_registry(response.headers.get("Docker-Distribution-Api-Version", ""), connection):
                problem = f"{connection.name} answers, but not as a registry does"
        remaining = _remaining(connection, host)
    except LayerscopeError as error:
        problem, remaining = str(error), None
    return EndpointAnswer(
        endpoint,
        findings,
        credential,
        base=connection.base if status else "",
        proxy=connection.proxy,
        status=status,
        challenge=connection.challenge,
        remaining=remaining,
        problem=problem,
    )


def _scheme(connection: Connection) -> str:
    return connection.challenge.scheme if connection.challenge else ""


def _is_registry(version: str, connection: Connection) -> bool:
    """Tell whether a registry answered `/v2/`: it sent a version header, which some leave out, or asked for credentials."""
    return bool(version) or connection.challenge is not None


def _remaining(connection: Connection, host: str) -> int | None:
    """Return how many pulls the rate limit leaves (None: not stated), which Docker Hub says only in answers about manifests."""
    if host == DEFAULT_DOMAIN and not connection.endpoint.is_mirror:
        repository = connection.endpoint.repository or HUB_PREVIEW
        url = connection.url(f"{repository}/manifests/latest")
        with connection.open(url, scope=pull_scope(repository), method="HEAD", what="rate limit"):
            pass
    return min(connection.traffic.remaining.values(), default=None)


def low_limits(traffic: Traffic) -> Iterator[str]:
    """Yield a sentence for each host at which few pulls are left."""
    for host, remaining in sorted(traffic.remaining.items()):
        if remaining < LOW_LIMIT:
            yield f"{host}: {remaining} pulls are left of its rate limit"
