"""One limit of requests at a time to each registry, for all workers of a fleet together."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from layerscope.sources.registry.traffic import AT_ONCE, Traffic

if TYPE_CHECKING:
    from multiprocessing.context import SpawnContext
    from multiprocessing.synchronize import BoundedSemaphore

LEASE = "layerscope requests to "
"""What the names of dask's semaphores begin with."""


def semaphores(context: SpawnContext, hosts: Iterable[str]) -> dict[str, BoundedSemaphore]:
    """Return a semaphore for each host, which the processes of one pool share."""
    return {host: context.BoundedSemaphore(AT_ONCE) for host in hosts}


def limit_by_semaphores(found: dict[str, BoundedSemaphore]) -> None:
    """Have every request of this process wait for its host's semaphore; other hosts (redirects of blobs) have no limit."""

    def limit(host: str) -> AbstractContextManager[Any]:
        return found.get(host, nullcontext())

    Traffic.shared_limit = staticmethod(limit)  # type: ignore[method-assign]


def limit_by_dask() -> None:
    """Have every request of this worker wait for a lease from dask's scheduler."""
    Traffic.shared_limit = staticmethod(_lease)  # type: ignore[method-assign]


@lru_cache(maxsize=256)
def _lease(host: str) -> AbstractContextManager[Any]:
    from distributed import Semaphore

    found: AbstractContextManager[Any] = Semaphore(max_leases=AT_ONCE, name=f"{LEASE}{host}")  # type: ignore[no-untyped-call]
    return found
