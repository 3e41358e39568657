"""`layerscope registry`: what a registry has; `check`: which settings of this machine apply to it, and what it answers."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from layerscope.cli.completion import complete_host
from layerscope.cli.help import LISTING
from layerscope.cli.options import chosen_engine_options, open_image, platform_option, registry_options
from layerscope.cli.output import Progress, output_style
from layerscope.cli.screen import can_show_screen, run_screen, said_afterwards, tune_textual

if TYPE_CHECKING:
    from layerscope.oci.platform import Platform
    from layerscope.progress import Progress as Watch
    from layerscope.sources.base import Base
    from layerscope.sources.image import Image
    from layerscope.sources.registry.browse import RegistryPlace
    from layerscope.sources.registry.check import EndpointAnswer, RegistryCheck
    from layerscope.sources.registry.registry_name import RegistryName
    from layerscope.sources.registry.survey import ListedRepository, SurveyDepth

WIDTH = 13
NEWEST = 100
"""Tags of one repository that are read unless all are asked for."""


class Registries(click.Group):
    """The group `registry`: a first word that is no command of it is the registry to list."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the listing in front of arguments that do not start with a command."""
        is_completion = ctx.resilient_parsing and not args
        if not is_completion and (not args or args[0] not in ("--help", "-h", *self.commands)):
            args = [LISTING, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names of the commands without the listing, which is called without a name."""
        return [name for name in super().list_commands(ctx) if name != LISTING]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands and the registries that the user has logged in to."""
        return [*super().shell_complete(ctx, incomplete), *complete_host(ctx, None, incomplete)]


class _NamelessListing(click.Command):
    """The command that runs if the first argument is a registry."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the usage as it is typed: without the command's name."""
        formatter.write_usage("layerscope registry", " ".join(self.collect_usage_pieces(ctx)))


@click.group(cls=Registries, no_args_is_help=False, subcommand_metavar="HOST[/PREFIX] | COMMAND ...")
def registry() -> None:
    """List what a registry has: repositories, tags, platforms. On a terminal this opens a screen.

    A first word that is no command is a registry; all options: layerscope registry HOST --help.

    \b
    Examples:
      layerscope registry registry.example.com
      layerscope registry ghcr.io/owner/app
      layerscope registry check ghcr.io
    """


@registry.command(LISTING, cls=_NamelessListing, hidden=True)
@click.argument("place", metavar="HOST[/PREFIX][:TAG]", shell_complete=complete_host)
@click.option("--tags", "has_facts", is_flag=True, help="Read what every tag leads to: its size, age and platforms.")
@click.option("--referrers", "has_attached", is_flag=True, help="List signatures, attestations and the like of each tag, too.")
@click.option("--all", "is_all", is_flag=True, help=f"Read all tags of a repository, not only the newest {NEWEST}.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per repository.")
@click.option("--text", "is_text", is_flag=True, help="Print the tree instead of opening the screen.")
@platform_option
@registry_options
def listing(place: str, *, platform: str | None, as_json: bool, is_text: bool, **flags: bool) -> int:
    """List what a registry has at HOST: its repositories, with their tags.

    PREFIX is the beginning of names of repositories. If it names one repository, the newest tags of it are listed with size,
    age, digest and platforms; with a / at its end, only what lies below it. With :TAG or @DIGEST, that image is listed with
    all its platforms and what is attached to it: signatures, attestations, bills of materials. Sizes are of the layers as they
    are stored, for this machine's platform. No layer is read.

    \b
    Examples:
      layerscope registry registry.example.com
      layerscope registry ghcr.io/owner/app --text
      layerscope registry registry.example.com/team/ --tags --json | jq -r '.tags[] | [.tag, .wire_bytes] | @tsv'
    """
    from layerscope.oci.platform import Platform
    from layerscope.sources.registry.browse import parse_place
    from layerscope.sources.registry.survey import SurveyDepth

    where = parse_place(place)
    wanted = Platform.parse(platform) if platform else None
    has_facts = True if flags["has_facts"] or flags["has_attached"] else None
    if not as_json and not is_text and not has_facts and can_show_screen():
        return _show_screen(where, wanted)
    depth = SurveyDepth(has_facts, flags["has_attached"] or None, 0 if flags["is_all"] else NEWEST, wanted)
    return _print_all(where, depth, as_json=as_json)


def _show_screen(place: RegistryPlace, platform: Platform | None) -> int:
    tune_textual()
    from layerscope.app.registry.registry_loader import RegistryLoader
    from layerscope.app.registry.registry_screen import RegistryList
    from layerscope.sources.base import find_base
    from layerscope.sources.registry.browse import Browser
    from layerscope.sources.registry.check import low_limits
    from layerscope.sources.registry.open import open_registry_image

    with said_afterwards() as say:
        options = chosen_engine_options(say=say)

        def opened(name: RegistryName, progress: Watch) -> tuple[Image, Base]:
            image = open_registry_image(name, reference="", platform=platform, options=options, progress=progress)
            like = str(image.platform)
            return image, find_base(
                image, None, open_base=lambda base: open_image(base, like, progress, engine_options=options)
            )

        loader = RegistryLoader(Browser(place.host, options), place, platform, options.cache)
        try:
            return run_screen(RegistryList(loader, opened))
        finally:
            for sentence in low_limits(loader.browser.traffic):
                say(sentence)


def _print_all(place: RegistryPlace, depth: SurveyDepth, *, as_json: bool) -> int:
    """Print what there is at a place as it arrives. Returns 2 if something could not be read."""
    from layerscope.sources.registry.browse import Browser
    from layerscope.sources.registry.check import low_limits
    from layerscope.sources.registry.survey import survey

    options = chosen_engine_options()
    browser = Browser(place.host, options)
    has_figures, problems = bool(depth.has_facts or place.reference), 0
    try:
        with Progress() as progress:
            progress(f"asking {place.host}", 0, 0)
            for number, each in enumerate(survey(browser, place, depth, options.cache), 1):
                _print(each, as_json=as_json, has_figures=has_figures or each.detailed > 0, is_first=number == 1)
                progress(f"{number:,} repositories", 0, 0)
                for problem in each.problems:
                    problems += 1
                    click.echo(f"layerscope: {problem}", err=True)
    except BaseException:
        browser.traffic.cancel()  # no thread may wait for an answer that nobody wants any more
        raise
    for sentence in low_limits(browser.traffic):
        options.say(sentence)
    return 2 if problems else 0


def _print(listed: ListedRepository, *, as_json: bool, has_figures: bool, is_first: bool) -> None:
    from layerscope.report.registry_tree import repository_json, repository_lines, tree_heads

    if as_json:
        sys.stdout.buffer.write(repository_json(listed))
    else:
        style = output_style()
        if is_first and has_figures:
            click.echo(tree_heads(style))
        for line in repository_lines(listed, style, now=time.time(), has_figures=has_figures):
            click.echo(line)
    sys.stdout.flush()


@registry.command(short_help="Show what applies to a registry, and what it answers.")
@click.argument("name", metavar="HOST[/REPOSITORY]", shell_complete=complete_host)
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
    from layerscope.report.encode import json_line
    from layerscope.sources.registry.check import check_registry
    from layerscope.sources.registry.registry_name import parse_host

    options = chosen_engine_options()
    with Progress() as progress:
        wanted = parse_host(name)
        progress(f"asking {wanted.host}", 0, 0)
        found = check_registry(wanted, options)
    click.echo(json_line(_facts(found)).decode() if as_json else "\n".join(_lines(found)) + "\n", nl=False)
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
        "repository": found.name.repository or None,
        "ok": found.is_ok,
        "blocked_because": found.blocked or None,
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
        "proxy": answer.proxy or None,
        "user": answer.sent.user or None,
        "credentials_from": answer.sent.origin or None,
        "searched": [{"place": each.place, "outcome": each.outcome} for each in answer.findings],
        "asks_for": {"scheme": challenge.scheme, "realm": challenge.realm, "service": challenge.service} if challenge else None,
        "status": answer.status or None,
        "pulls_remaining": answer.remaining,
        "problem": answer.problem or None,
    }
