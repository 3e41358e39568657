"""`layerscope help`: the main help, that of a command, and the forms that IMAGE may take."""

from __future__ import annotations

import click

REPORT = "report"
"""The command that runs when the first argument is an image."""
LISTING = "list"
"""The command that lists a registry, whose name nobody has to type."""

HELP = """What is in this container image, and why is it so big?

\b
  layerscope IMAGE   explore it on the screen; `?` shows the keys;
                     without a terminal, or with --text, print a report

IMAGE is a file or directory (`docker save`, `podman save`, an OCI archive or layout), `-` for standard input, or the name
of an image in Docker, Podman or a registry. All forms: layerscope help references. All options: layerscope help IMAGE.

\b
Examples:
  layerscope myimage:latest
  docker save myimage:latest | layerscope -
  layerscope image.tar --base 3
  layerscope ls image.tar /etc --layer 2
  layerscope waste image.tar --by directory
  layerscope ci image.tar --max-size 500MB
"""
EXIT_CODES = (
    "Exit codes: 0 done, 1 a verification failed or a rule is broken, 2 could not do it (standard error says why), "
    "130 interrupted (143: by SIGTERM)."
)
GROUPS = {
    "Look": {
        "ls": "List the files that a container sees after a layer.",
        "find": "Find paths in all layers by glob or /regex/, removed ones too.",
        "cat": "Print a file as it is after a layer.",
        "extract": "Copy a file or directory out of an image.",
        "blame": "Show every version of a path and the instruction behind it.",
        "waste": "List wasted bytes by path, cause, layer or directory.",
        "images": "Show which images share layers and what each costs.",
        "fleet": "Show what thousands of images share, waste and could free.",
        "tags": "Show the size of a repository's tags over time.",
        "build": "Build with docker or podman, then explore the image.",
        "demo": "Explore a small built-in image.",
    },
    "Compare": {
        "diff": "Compare two images, or two platforms of one.",
        "watch": "Show the image again after every rebuild.",
    },
    "Make smaller": {
        "fix": "Edit the Dockerfile of an image so that it gets smaller.",
        "slim": "Write an image again without what no container sees.",
    },
    "Check": {
        "ci": "Check an image against rules: the gate for CI.",
        "baseline": "Record an image's sizes for later builds to be compared with.",
        "trend": "Show how images grew from run to run of `ci`.",
        "verify": "Check the digests, diff_ids and sizes of all blobs.",
        "registry": "List what a registry has, or check the way to it.",
    },
    "Set up": {
        "config": "Print where the config file is, and all defaults.",
        "cache": "Show or clear the cache of layers.",
        "completion": "Print the completion script for your shell.",
        "manual": "Write man pages, and completion scripts, into a directory.",
        "help": "Show the help of a command, or `help references`.",
        "version": "Print the version.",
    },
}
SUMMARIES = {name: summary for group in GROUPS.values() for name, summary in group.items()}

REFERENCES = """What IMAGE means: the first line that fits.

  docker:NAME, podman:NAME   an image of that engine
  container:NAME             a container of Docker or Podman: its image, and
                             one more layer with what it wrote; also as
                             docker:container:NAME, podman:container:NAME
  docker://NAME              an image in a registry, read there: no engine is
                             needed, and no layer is stored
  registry:NAME              the same, if NAME has a /, a . or a port, for
                             registry:2 is an image of that name
  containerd:NAME|DIGEST     an image in containerd's store (nerdctl, k3s, ctr);
                             CONTAINERD_NAMESPACE selects the namespace
  docker-archive:FILE[:REF]  an archive of `docker save` or `podman save`
  oci-archive:FILE[:REF]     an OCI archive
  oci:DIR[:REF], dir:DIR     an OCI layout; a directory written by skopeo
  layer:FILE, layer:-        any tar, as an image of one layer
  -                          an archive on standard input
  a path that exists         that file, or the directory with an image in it
  /..., ./..., ../..., ~...  a file, and an error if there is none
  NAME                       an image in Docker (DOCKER_HOST, contexts), else
                             in Podman (CONTAINER_HOST, its usual sockets);
                             if both have that name with different content,
                             write docker:NAME or podman:NAME; if there is no
                             engine or none has it, it is read in its
                             registry, and a line on standard error says so

Files may be compressed (gzip, zstd, xz, bzip2), and a tar or zip may hold the
image: artifact.zip, or artifact.zip:NAME if it holds several.

One of several images in a file is selected by tag, digest or position from 0:
FILE:TAG, FILE:DIGEST, FILE:@N; after `-`, too: -:TAG.

A root filesystem (`docker export`) or a single layer is shown as an image of
one layer. `layerscope ci` checks it only as layer:FILE.

NAME is NAME[:TAG], NAME@DIGEST, or the first digits of an image's ID. It is
read in place from the engine's storage if you have permission, otherwise
exported first. --pull pulls it first if the engine does not have it.

An engine that DOCKER_HOST, a Docker context or CONTAINER_HOST names has to
answer; no other place is asked instead. --no-registry, LAYERSCOPE_NO_REGISTRY=1
or `no_registry = true` in the config file forbids to read a plain NAME in a
registry. In registries, docker.io, library/ and latest are filled in as Docker
does. Mirrors, aliases and certificates are those of registries.conf, certs.d
and daemon.json; credentials those of `docker login`, `podman login`, and of
each cloud for its own registries. `layerscope registry check HOST` shows them.

--insecure HOST lets one registry answer without TLS or with any certificate (a
registry on this machine may answer without TLS anyway); LAYERSCOPE_INSECURE,
`insecure`. --limit-rate 5MB fetches 5 MB a second; LAYERSCOPE_LIMIT_RATE,
`limit_rate`.
"""


@click.command()
@click.argument("topic", metavar="[COMMAND|references]", required=False)
@click.pass_context
def help(ctx: click.Context, topic: str | None) -> None:  # noqa: A001 - it is called as the command is
    """Show the help of COMMAND, or with `references` the forms that IMAGE may take.

    \b
    Examples:
      layerscope help
      layerscope help diff
      layerscope help references
      layerscope help IMAGE
    """
    parent = ctx.parent
    assert parent is not None
    assert isinstance(parent.command, click.Group)
    if topic is None:
        click.echo(parent.get_help())
    elif topic == "references":
        click.echo(REFERENCES, nl=False)
    else:
        name = REPORT if topic.upper() == "IMAGE" else topic
        command = parent.command.get_command(parent, name)
        if command is None:
            raise _no_topic(topic)
        click.echo(command.get_help(click.Context(command, info_name=name, parent=parent)))


def _no_topic(topic: str) -> Exception:
    from layerscope.errors import UsageError
    from layerscope.text import escape, suggestion

    near = suggestion(topic, [*SUMMARIES, "references"])
    return UsageError(f"there is no help on {escape(topic)}{near}. Try: layerscope help")


@click.command()
def version() -> None:
    """Print the version.

    \b
    Example:
      layerscope version
    """
    from layerscope import __version__

    click.echo(f"layerscope {__version__}")
