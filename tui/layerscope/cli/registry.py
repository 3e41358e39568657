"""`layerscope registry check`: which settings of this machine apply to a registry, and what the registry answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from layerscope.cli.options import chosen_engine_options, registry_options
from layerscope.cli.output import Progress

if TYPE_CHECKING:
    from layerscope.sources.registry.check import EndpointAnswer, RegistryCheck

WIDTH = 13


@click.group(no_args_is_help=False)
def registry() -> None:
    """Look at a registry.

    \b
    Examples:
      layerscope registry check ghcr.io
      layerscope registry check registry.example.com/team/app --json
    """


@registry.command(short_help="Show what applies to a registry, and what it answers.")
@click.argument("name", metavar="HOST[/REPOSITORY]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object.")
@registry_options
def check(name: str, *, as_json: bool) -> int:
    """Show which credentials, certificates and mirrors apply to a registry, and what it answers. No secret is shown.

    Exit code 0: images can be read there, public ones at least. 2: it does not answer, is blocked, or refuses the
    credentials.

    \b
    Examples:
      layerscope registry check ghcr.io
      layerscope registry check registry.example.com:5000/team/app
      layerscope registry check docker.io --json | jq '.endpoints[-1].pulls_remaining'
    """
    from layerscope.sources.registry.check import check_registry
    from layerscope.sources.registry.registry_name import parse_host

    options = chosen_engine_options()
    with Progress() as progress:
        wanted = parse_host(name)
        progress(f"asking {wanted.host}", 0, 0)
        found = check_registry(wanted, options)
    click.echo(json.dumps(_facts(found)) if as_json else "\n".join(_lines(found)))
    return 0 if found.is_ok else 2


def _lines(found: RegistryCheck) -> Iterator[str]:
    from layerscope.text import escape

    yield _line("registry", escape(f"{found.name.host}/{found.name.repository}".rstrip("/")))
    if found.blocked:
        yield _line("blocked", found.blocked)
    for answer in found.answers:
        endpoint = answer.endpoint
        yield _line("mirror" if endpoint.is_mirror else "address", escape(answer.base or str(endpoint)))
        if endpoint.is_insecure:
            yield _line("insecure", "may answer without TLS, or with any certificate")
        for label, paths in _certificates(answer).items():
            for path in paths:
                yield _line(label, escape(path))
        if answer.proxy:
            yield _line("proxy", escape(answer.proxy))
        for finding in answer.findings:
            mark = "used: " if finding.credential is not None else ""
            yield _line("credentials", f"{mark}{finding.place} {finding.outcome}")
        if not answer.sent.origin:
            yield _line("credentials", "none: only public images can be read")
        yield from _answer_lines(answer)


def _answer_lines(answer: EndpointAnswer) -> Iterator[str]:
    from layerscope.sources.registry.check import LOW_LIMIT
    from layerscope.text import escape

    if answer.challenge is not None:
        realm = f" from {escape(answer.challenge.realm)}" if answer.challenge.realm else ""
        wanted = f"a token{realm}" if answer.challenge.scheme == "bearer" else "a user and a password"
        yield _line("asks for", wanted)
    if answer.remaining is not None and answer.remaining < LOW_LIMIT:
        yield _line("rate limit", f"{answer.remaining} pulls are left")
    if answer.problem:
        yield _line("FAILED", answer.problem)
    elif answer.status == 401:
        yield _line("answers", "401: it wants credentials, except perhaps for public images")
    else:
        yield _line("answers", f"{answer.status}: ok")


def _line(label: str, text: str) -> str:
    return f"{label:<{WIDTH}}{text}"


def _certificates(answer: EndpointAnswer) -> dict[str, list[str]]:
    """Return the certificate files in use besides the system's: of authorities to trust, and those that this client shows."""
    stated = [f"{name}={value}" for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if (value := os.environ.get(name))]
    endpoint = answer.endpoint
    return {
        "authority": [*stated, *(str(path) for path in endpoint.authorities)],
        "certificate": [str(certificate) for certificate, _ in endpoint.client_certificates],
    }


def _facts(found: RegistryCheck) -> dict[str, Any]:
    return {
        "host": found.name.host,
        "repository": found.name.repository,
        "ok": found.is_ok,
        "blocked_because": found.blocked,
        "endpoints": [_answer_facts(answer) for answer in found.answers],
    }


def _answer_facts(answer: EndpointAnswer) -> dict[str, Any]:
    endpoint, challenge, certificates = answer.endpoint, answer.challenge, _certificates(answer)
    return {
        "address": answer.base or str(endpoint),
        "is_mirror": endpoint.is_mirror,
        "is_insecure": endpoint.is_insecure,
        "authorities": certificates["authority"],
        "client_certificates": certificates["certificate"],
        "proxy": answer.proxy,
        "user": answer.sent.user,
        "credentials_from": answer.sent.origin,
        "searched": [{"place": each.place, "outcome": each.outcome} for each in answer.findings],
        "asks_for": {"scheme": challenge.scheme, "realm": challenge.realm, "service": challenge.service} if challenge else None,
        "status": answer.status,
        "pulls_remaining": answer.remaining,
        "problem": answer.problem,
    }
