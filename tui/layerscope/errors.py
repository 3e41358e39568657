"""The errors a user can meet. Each message is one sentence that can be acted on; `cli.main` prints it and exits."""

from __future__ import annotations

from collections.abc import Iterator

MAX_CAUSES = 20


class LayerscopeError(Exception):
    """Something could not be done. `exit_code` is the command's exit code (2: could not do it)."""

    exit_code = 2


class Cancelled(BaseException):
    """Ends work that nobody waits for any more, in whichever thread; no `except Exception` on the way catches it."""


class NotAnImage(LayerscopeError):
    """What was named is there, but it is no container image; the message says what it looks like instead."""


class NotFound(LayerscopeError):
    """No such file, image, tag, platform, layer or path; the message lists what there is."""


class AmbiguousImage(LayerscopeError):
    """The reference fits several images; the message lists them and says how to choose."""


class BadDocument(LayerscopeError):
    """A JSON document of an image (manifest, index, config) is not what the OCI specification says it is."""


class CorruptLayer(LayerscopeError):
    """A layer or the archive around it is truncated, damaged or absurd at the offset that the message names."""


class NotCompared(CorruptLayer):
    """Contents of a layer are far away, and were not fetched only to be compared with others."""


class UsageError(LayerscopeError):
    """The command's own arguments do not make sense together."""


class WouldOverwrite(LayerscopeError):
    """Extracting would replace something that is already there."""


class CannotWrite(LayerscopeError):
    """The place the user named cannot be written (full disk, no permission)."""


class BadSettings(LayerscopeError):
    """The user's config file cannot be read, or says what it cannot say; the message names the file and the key."""


class BadDockerfile(LayerscopeError):
    """A Dockerfile cannot be read, or is none; the message names the file and the line."""


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was made of: libraries wrap each other's as causes, reasons and arguments."""
    todo, seen = [error], 0
    while todo and seen < MAX_CAUSES:
        cause = todo.pop(0)
        seen += 1
        yield cause
        inner = [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
        todo += [each for each in inner if isinstance(each, BaseException)]
