"""What registries and the way to them fail with -> sentences with the way out. No sentence holds a secret."""

from __future__ import annotations

from layerscope.errors import LayerscopeError
from layerscope.text import escape

LONGEST_REASON = 300


class RegistryFailed(LayerscopeError):
    """A registry cannot be asked, or it failed half-way; the message names it and says what else to do."""


class AccessDenied(RegistryFailed):
    """The registry wants credentials, or others; the message says which were sent and how to log in."""


class NoSuchImage(RegistryFailed):
    """The registry has no such repository, tag or blob, or shows it to nobody without credentials."""


class RequestRefused(RegistryFailed):
    """The registry answers with another status than success, denial or absence."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class HiddenSecrets:
    """Hides secrets in texts that are shown: error messages of libraries quote URLs and headers."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, *secrets: str) -> None:
        """Never show these again. Short ones are left out: they would hide ordinary words."""
        self._secrets |= {secret for secret in secrets if len(secret) >= 6}

    def hide(self, text: str) -> str:
        """`text`, escaped, on one line and bounded, with stars where a secret stood."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return escape(" ".join(text.split())[:LONGEST_REASON])
