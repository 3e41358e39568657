"""One limit of requests at a time to each registry, for all workers of a fleet together."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from layerscope.sources.registry.traffic import AT_ONCE

if TYPE_CHECKING:
    from multiprocessing.context import SpawnContext
    from multiprocessing.synchronize import BoundedSemaphore

LEASE = "layerscope requests to "
"""What the names of dask's semaphores begin with."""
_of_this_process: dict[str, BoundedSemaphore] = {}


def semaphores(context: SpawnContext, hosts: Iterable[str]) -> dict[str, BoundedSemaphore]:
    """Return a semaphore for each host, which the processes of one pool share."""
    return {host: context.BoundedSemaphore(AT_ONCE) for host in hosts}


def use_semaphores(found: dict[str, BoundedSemaphore]) -> None:
    """Note the semaphores for this process, for `semaphore_of`."""
    _of_this_process.update(found)


def semaphore_of(host: str) -> AbstractContextManager[Any]:
    """Return a host's semaphore; for one that is not known in advance (redirects of blobs) each process has its own limit."""
    return _of_this_process.get(host, nullcontext())


@lru_cache(maxsize=256)
def lease_of(host: str) -> AbstractContextManager[Any]:
    """Return a lease of dask's scheduler, of which there are as many for a host as requests may run at a time."""
    from distributed import Semaphore

    found: AbstractContextManager[Any] = Semaphore(max_leases=AT_ONCE, name=f"{LEASE}{host}")
    return found
