"""The errors that users may see. Each message is one sentence that says what to do; `cli.main` prints it and exits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

MAX_CAUSES = 20
IsCancelled = Callable[[], bool]


class LayerscopeError(Exception):
    """Something could not be done. `exit_code` is the command's exit code (2: could not do it)."""

    exit_code = 2


class Cancelled(BaseException):
    """Raised in any thread to end work whose result is no longer needed; no `except Exception` on the way catches it."""


class NotAnImage(LayerscopeError):
    """The named file exists, but it is not a container image; the message says what it looks like instead."""


class NotFound(LayerscopeError):
    """There is no such file, image, tag, platform, layer or path; the message lists what there is."""


class AmbiguousImage(LayerscopeError):
    """The reference matches several images; the message lists them and says how to choose."""


class BadDocument(LayerscopeError):
    """A JSON document of an image (manifest, index, config) does not follow the OCI specification."""


class CorruptLayer(LayerscopeError):
    """A layer or the archive around it is truncated, damaged or absurd at the offset that the message names."""


class FileChanged(LayerscopeError):
    """A file was changed by another program after it was opened: what was read of it no longer holds.

    `what_happened` says so, without what to do about it, which is not the same on the screen and in a command.
    """

    def __init__(self, place: str) -> None:
        self.what_happened = f"{place} has changed since it was opened"
        super().__init__(f"{self.what_happened}; open it again")


class NotCompared(CorruptLayer):
    """Comparing contents of a layer would need bytes in a registry, which are not fetched for a comparison alone."""


class UsageError(LayerscopeError):
    """The command's arguments are invalid or do not go together."""


class WouldOverwrite(LayerscopeError):
    """Extracting would replace something that already exists."""


class CannotWrite(LayerscopeError):
    """The place that the user named cannot be written (full disk, no permission)."""


class CannotSlim(LayerscopeError):
    """A smaller image cannot be made, or cannot be proved to hold the same files; nothing was written."""


class OverBudget(LayerscopeError):
    """The image cannot be made as small as the user asked; nothing was written."""

    exit_code = 1


class BadSettings(LayerscopeError):
    """The user's config file cannot be read or has an invalid value; the message names the file and the key."""


class BadDockerfile(LayerscopeError):
    """A Dockerfile cannot be read or is not one; the message names the file and the line."""


def never_cancelled() -> bool:
    """Return False: the default for `is_cancelled`."""
    return False


def stop_if(is_cancelled: IsCancelled) -> None:
    """Raise Cancelled when the work is no longer wanted."""
    if is_cancelled():
        raise Cancelled


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those inside it: libraries wrap each other's errors as causes, reasons and arguments."""
    todo, seen = [error], 0
    while todo and seen < MAX_CAUSES:
        cause = todo.pop(0)
        seen += 1
        yield cause
        inner = [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
        todo += [each for each in inner if isinstance(each, BaseException)]
