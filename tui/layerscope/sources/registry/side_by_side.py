"""Many small requests side by side, their answers in order, for lists of any length."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from layerscope.errors import LayerscopeError
from layerscope.sources.registry.traffic import AT_ONCE, Traffic
from layerscope.waiting import result_of

T = TypeVar("T")
R = TypeVar("R")
_AHEAD = 4 * AT_ONCE
"""Items that are started before the result of the first of them is returned."""


def side_by_side(call: Callable[[T], R], items: Iterable[T], traffic: Traffic) -> Iterator[R]:
    """Yield `call(item)` for each item, in order; several run in threads meanwhile. `items` may still be arriving.

    Raises what `call` and `items` raise. If the caller is interrupted, `traffic` is cancelled, so that no thread goes on.
    """
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for item in items:
            waiting.append(pool.submit(call, item))
            if len(waiting) == _AHEAD:
                yield result_of(waiting.popleft())
        while waiting:
            yield result_of(waiting.popleft())
    except (GeneratorExit, LayerscopeError):  # the caller has seen enough, or a list broke off: other requests may go on
        raise
    except BaseException:
        traffic.cancel()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
