"""Error sentences for engines that fail or cannot be reached, each with what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from layerscope.errors import LayerscopeError, causes_of
from layerscope.sources.engine.endpoints import Endpoint
from layerscope.sources.location import EngineKind
from layerscope.text import escape

LONGEST_REASON = 300
ODD_ANSWERS = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError)
"""Exceptions from decoding an answer that does not follow the API."""


class EngineFailed(LayerscopeError):
    """An engine cannot be reached, or failed halfway; the message names it and says what else to do."""


def failure_of(endpoint: Endpoint, error: BaseException) -> EngineFailed:
    """Return the error for an engine that cannot be reached."""
    return EngineFailed(f"{escape(str(endpoint))} {_reason(endpoint, error)}")


@contextmanager
def taking_apart(endpoint: Endpoint) -> Iterator[None]:
    """Raise EngineFailed for an answer that does not follow the API, as a context manager around its decoding."""
    try:
        yield
    except ODD_ANSWERS as error:
        raise failure_of(endpoint, error) from error


def too_old(endpoint: Endpoint, stated: str, oldest: str) -> EngineFailed:
    """Return the error for an engine that is too old."""
    save = f"save the image instead: {endpoint.kind} save IMAGE | {_PIPE}"
    return EngineFailed(f"{escape(str(endpoint))} speaks version {escape(stated)} of the API, older than {oldest}; {save}")


def refused(endpoint: Endpoint, status: int, words: str) -> EngineFailed:
    """Return the error for an unsuccessful answer, with the engine's own words."""
    way_out = "; set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH" if "HTTPS server" in words else ""
    return EngineFailed(f"{escape(str(endpoint))} refused ({status}): {escape(words[:500].strip())}{way_out}")


def _reason(endpoint: Endpoint, error: BaseException) -> str:
    kind, causes = endpoint.kind, list(causes_of(error))
    number = next(filter(None, map(_number, causes)), None)
    if number in (errno.EACCES, errno.EPERM):
        return f"may not be used by this user (permission denied): {_permission(kind)}"
    if number in (errno.ENOENT, errno.ECONNREFUSED):
        return f"is not running there: {_start(kind)}"
    words = " ".join(f"{type(cause).__name__} {cause}" for cause in causes)
    return next(sentence for clues, sentence in _by_words(endpoint, _last(error)) if any(clue in words for clue in clues))


def _number(error: BaseException) -> int | None:
    """Return an error's errno; None for TLS errors, which have numbers of their own."""
    import ssl

    return error.errno if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None


def _by_words(endpoint: Endpoint, last: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return pairs of words that occur in errors and the sentence that these suggest, the most certain first."""
    kind = endpoint.kind
    try_it = f"ssh HOST {kind} version" if endpoint.address.startswith("ssh://") else f"{kind} version"
    way = " over ssh" if endpoint.address.startswith("ssh://") else ""
    save = f"save the image instead: {kind} save IMAGE | {_PIPE}"
    return (
        (("client version",), f"speaks another version of the API ({last}); {save}"),
        (("SSL", "TLS"), f"cannot be reached over TLS ({last}); check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"),
        (("Timeout", "timed out"), f"does not answer: see whether `{try_it}` does"),
        (("",), f"cannot be reached{way} ({last}): see whether `{try_it}` works"),
    )


def _last(error: BaseException) -> str:
    """Return the message of an error's innermost cause, escaped and on one line."""
    reason = " ".join(str([*causes_of(error)][-1] or error).split()) or type(error).__name__
    return escape(reason[:LONGEST_REASON])


def _permission(kind: EngineKind) -> str:
    if kind is EngineKind.DOCKER:
        return f"join the group `docker`, or use sudo; or: sudo docker save IMAGE | {_PIPE}"
    return f"use your own (systemctl --user start podman.socket), or sudo; or: podman save IMAGE | {_PIPE}"


def _start(kind: EngineKind) -> str:
    if kind is EngineKind.DOCKER:
        return "start it, or set DOCKER_HOST or `docker context use` to where it runs"
    return f"start its API (systemctl --user start podman.socket), or: podman save IMAGE | {_PIPE}"


_PIPE = "layerscope -"
