"""`layerscope tags`: the size of a repository's image over time, and which layers grew from tag to tag."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from layerscope.cli.completion import complete_image
from layerscope.cli.options import chosen_engine_options, open_image, platform_option, registry_options
from layerscope.cli.output import Progress, is_stdout, output_style, write_bytes
from layerscope.cli.report import text_option
from layerscope.cli.screen import can_show_screen, run_screen, said_afterwards, tune_textual
from layerscope.errors import UsageError

if TYPE_CHECKING:
    from layerscope.progress import Progress as Watch
    from layerscope.report.tag_sizes import TagReport
    from layerscope.sources.image import Image
    from layerscope.sources.registry.find_tags import FoundTags

USUAL_LAST = 30


@click.command()
@click.argument("repository", metavar="REPOSITORY", shell_complete=complete_image)
@click.option(
    "--last", type=click.IntRange(min=1), metavar="N", default=USUAL_LAST, show_default=True, help="Read the newest N tags."
)
@click.option("--all", "is_all", is_flag=True, help="Read all tags.")
@click.option("--layers", "has_layers", is_flag=True, help="Read manifests even where the registry itself lists sizes.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON, one object per tag.")
@click.option("--html", "html_file", metavar="FILE", help="Write a page with a chart; `-`: to standard output.")
@text_option
@platform_option
@registry_options
def tags(repository: str, platform: str | None, html_file: str | None, *, is_json: bool, is_text: bool, **query: Any) -> int:
    """Show the size of a repository's tags over time: own and base part, and which layers grew.

    REPOSITORY is HOST/NAME in a registry. Manifests and configs are read, no layers; where the registry lists sizes, not
    even manifests.

    \b
    Examples:
      layerscope tags ghcr.io/team/app
      layerscope tags registry.example.com/team/app --last 100 --html sizes.html
      layerscope tags docker.io/library/redis --json | jq -r 'select(.grown_bytes > 1e7) | .tag'
    """
    from layerscope.oci.platform import Platform
    from layerscope.sources.registry.find_tags import TagQuery, find_tags

    if is_json and is_stdout(html_file):
        raise UsageError("--json and --html - would both write to standard output; name a file for the page")
    last = 0 if query["is_all"] else query["last"]
    wanted = TagQuery(Platform.parse(platform) if platform else None, last, has_layers=query["has_layers"])
    with Progress() as progress:
        found = find_tags(repository, wanted, options=chosen_engine_options(), progress=progress)
    code = 0
    if not (is_json or is_text or html_file is not None) and can_show_screen(repository):
        code = _show_screen(found, platform)
    else:
        _write(_report(found), is_json=is_json, html_file=html_file)
    for sentence in found.unread.values():
        click.echo(f"layerscope: {sentence}", err=True)
    return code or (2 if found.unread else 0)


def _report(found: FoundTags) -> TagReport:
    from layerscope.families.tag_series import TagSeries
    from layerscope.report.tag_sizes import TagReport

    return TagReport(found.name, TagSeries.of(found.sized), tuple(found.notes))


def _write(report: TagReport, *, is_json: bool, html_file: str | None) -> None:
    from layerscope.report.tag_json import tag_line
    from layerscope.report.tag_sizes import tags_text

    if html_file is not None:
        from layerscope.report.tag_page import tag_page

        write_bytes(html_file, tag_page(report))
    if is_json:
        for number in range(len(report.series.tags)):
            sys.stdout.buffer.write(tag_line(report.series, number))
    elif html_file is None:
        sys.stdout.write(tags_text(report, output_style()))
    sys.stdout.flush()


def _show_screen(found: FoundTags, platform: str | None) -> int:
    tune_textual()
    from layerscope.app.tags.tags_screen import TagList

    with said_afterwards() as say:
        options = chosen_engine_options(say=say)

        def opened(reference: str, progress: Watch) -> Image:
            return open_image(reference, platform, progress, engine_options=options)

        return run_screen(TagList(_report(found), opened, found.reference))
