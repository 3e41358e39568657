"""Error sentences for registries that fail or cannot be reached, each with what to do. They contain no secrets."""

from __future__ import annotations

from layerscope.errors import LayerscopeError
from layerscope.text import escape

LONGEST_REASON = 300


class RegistryFailed(LayerscopeError):
    """A registry cannot be reached, or failed halfway; the message names it and says what else to do."""


class LineBroke(RegistryFailed):
    """The line to a registry broke in the middle of a request; the same again may do."""


class AccessDenied(RegistryFailed):
    """The registry requires credentials, or other ones; the message says which were sent and how to log in."""


class NoSuchImage(RegistryFailed):
    """The registry has no such repository, tag or blob, or hides it from users without credentials."""


class RequestRefused(RegistryFailed):
    """The registry answers with another status than success, denial or absence."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class HiddenSecrets:
    """Masks secrets in texts that are shown: error messages of libraries quote URLs and headers."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, *secrets: str) -> None:
        """Mask `secrets` from now on. Short ones are left out: they would mask ordinary words."""
        self._secrets |= {secret for secret in secrets if len(secret) >= 6}

    def hide(self, text: str) -> str:
        """Return `text` escaped, on one line and bounded, with stars in place of secrets."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return escape(" ".join(text.split())[:LONGEST_REASON])
