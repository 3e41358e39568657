"""Who does the tasks of a fleet: threads of this process, processes of this machine, or dask's workers on any machine.

Each is a `concurrent.futures.Executor`, of which only a few tasks more than it can do at a time are waiting.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from layerscope.errors import LayerscopeError, UsageError
from layerscope.fleet.host_limits import semaphores, use_semaphores
from layerscope.sources.registry.traffic import AT_ONCE
from layerscope.text import escape
from layerscope.waiting import LOOK, next_of, result_of

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing.synchronize import BoundedSemaphore
    from sys import UnraisableHookArgs

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 3
"""Tasks that wait, for each that is being done."""
CONNECT_SECONDS = 20
ENDING_SECONDS = 5
"""How long a worker process may take to end before it is killed."""
ENDED = 128 + signal.SIGTERM
"""The exit code of a worker process that was told to end."""
_LOGGERS = ("asyncio", "distributed", "distributed.client", "distributed.core", "tornado", "tornado.application")


class WorkersLost(LayerscopeError):
    """The workers cannot be reached any more; what they did is kept."""


class Workers(Protocol):
    """Does tasks."""

    def results(self, call: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R | None]]:
        """Yield tasks with what `call(task)` returned, as they end; None for one whose worker died of it.

        Raises what `call` raises, WorkersLost.
        """


class ExecutorWorkers:
    """Workers behind any executor, which does `at_once` tasks at a time."""

    def __init__(self, executor: Executor, at_once: int) -> None:
        self._executor, self._at_once = executor, at_once

    def __enter__(self) -> ExecutorWorkers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._executor.shutdown(wait=kind is None, cancel_futures=True)

    def results(self, call: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R | None]]:
        left, waiting, ended = iter(tasks), dict[Future[R], T](), SimpleQueue[Future[R]]()
        while True:
            for task in islice(left, self._at_once * (1 + AHEAD) - len(waiting)):
                future = self._executor.submit(call, task)
                waiting[future] = task
                future.add_done_callback(ended.put)
            if not waiting:
                return
            future = next_of(ended)
            yield waiting.pop(future), self._result(future)

    def _result(self, future: Future[R]) -> R | None:
        return future.result()


def threads(count: int = 0) -> ExecutorWorkers:
    """Return workers that are threads of this process: reading releases Python's lock where it decompresses or waits.

    Where a registry is far away, more of them than there are cores can wait.
    """
    at_once = count or max(os.cpu_count() or 1, AT_ONCE)
    return ExecutorWorkers(ThreadPoolExecutor(at_once), at_once)


class ProcessWorkers:
    """Workers that are processes. One that dies takes no other task with it: what it may have died of is done again, alone."""

    def __init__(self, count: int, hosts: Sequence[str]) -> None:
        self._count, self._hosts = count, hosts
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> ProcessWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def results(self, call: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[T, R | None]]:
        left, waiting, suspects = iter(tasks), dict[Future[R], T](), deque[T]()
        ended = SimpleQueue[Future[R]]()
        while True:
            while suspects:
                yield self._alone(call, suspects.popleft())
            for task in islice(left, self._count * (1 + AHEAD) - len(waiting)):
                try:
                    future = self._started().submit(_do, call, task)
                except BrokenExecutor:
                    suspects.append(task)
                    break
                waiting[future] = task
                future.add_done_callback(ended.put)
            if not waiting and not suspects:
                return
            if not suspects and (future := next_of(ended)) in waiting:  # and not of a pool that broke
                task = waiting.pop(future)
                try:
                    result = future.result()
                except BrokenExecutor:
                    suspects.append(task)
                else:
                    yield task, result
            if suspects:
                suspects.extend(waiting.values())
                waiting.clear()
                self._end()

    def _alone(self, call: Callable[[T], R], task: T) -> tuple[T, R | None]:
        future = self._started().submit(_do, call, task)
        try:
            return task, result_of(future)
        except BrokenExecutor:
            self._end()
            return task, None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            from concurrent.futures import ProcessPoolExecutor
            from multiprocessing import get_context

            context = get_context("spawn")  # a fork would copy locks that other threads hold
            _start_tracker()
            limits = semaphores(context, self._hosts)
            self._pool = ProcessPoolExecutor(self._count, mp_context=context, initializer=_begin, initargs=(limits,))
        return self._pool

    def _end(self) -> None:
        if self._pool is None:
            return
        processes = list((self._pool._processes or {}).values())  # nothing else ends them at once
        manager: Any = self._pool._executor_manager_thread  # a thread; typeshed has another
        self._pool.shutdown(wait=False, cancel_futures=True)
        for _ in range(int(ENDING_SECONDS / LOOK)):
            for each in processes:
                each.terminate()  # again: one that comes just before a wait for a lock is not handled, see waiting.py
            for each in processes:
                each.join(LOOK)
            if not any(each.is_alive() for each in processes):
                break
        for each in processes:
            each.kill()
        if manager is not None:
            manager.join(ENDING_SECONDS)
        self._pool = manager = None
        # The pool's semaphores lie in cycles, and their tracker complains of each that the end of a process leaves.
        gc.collect()


def _start_tracker() -> None:
    """Start multiprocessing's tracker of semaphores so that a terminal that goes away does not end it before us."""
    from multiprocessing.resource_tracker import ensure_running

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])  # which a process that is started inherits
    try:
        ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _begin(limits: dict[str, BoundedSemaphore]) -> None:
    """Prepare a worker process: what a terminal sends is its parent's, which ends it, and it does not outlive that."""
    from multiprocessing import parent_process

    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _task.end)
    use_semaphores(limits)
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


class _Task:
    """The task that a worker process does, if any: only that is told to end, so that it leaves nothing half-written.

    The pool's own code must not be interrupted by an exception: a lock of a queue that one leaves held stops all workers.
    """

    runs = False
    ends = False

    def do(self, call: Callable[[T], R], task: T) -> R:
        try:
            self.runs = True
            return call(task)
        except SystemExit:
            os._exit(ENDED)
        finally:
            self.runs = False

    def end(self, _number: int, _frame: FrameType | None) -> None:
        if not self.runs:
            os._exit(ENDED)
        if not self.ends:
            self.ends = True
            sys.unraisablehook = self.dropped
            sys.exit(ENDED)

    def dropped(self, error: UnraisableHookArgs) -> None:
        """End at once if Python drops what ends the task; say nothing of an object that was half made when it came."""
        if isinstance(error.exc_value, SystemExit):
            os._exit(ENDED)


_task = _Task()


def _do(call: Callable[[T], R], task: T) -> R:
    return _task.do(call, task)


def _end_with(sentinel: int) -> None:
    from multiprocessing.connection import wait as wait_for

    wait_for([sentinel])
    os._exit(1)


class DaskWorkers(ExecutorWorkers):
    """Dask's workers, wherever its scheduler has them."""

    def __init__(self, address: str) -> None:
        try:
            import dask.config

            # Its own words, tracebacks among them, stand beside ours otherwise; it sets up its loggers when it is imported.
            dask.config.set(logging=dict.fromkeys(_LOGGERS, "critical"))
            from distributed import Client
        except ImportError as error:
            raise UsageError("--scheduler needs dask: pip install 'layerscope[fleet]'") from error
        self._address = escape(address)
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            found = self._client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise WorkersLost(f"--scheduler {self._address}: {escape(str(error))[:300]}") from error
        if not found:
            self._client.close()
            raise WorkersLost(f"--scheduler {self._address} has no workers: start some with dask worker {self._address}")
        super().__init__(self._client.get_executor(pure=False), sum(each.get("nthreads", 1) for each in found.values()))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._executor.shutdown(wait=kind is None)  # which cancels what is waiting, but has no option for that
        self._client.close(timeout=5)

    def _result(self, future: Future[R]) -> R | None:
        from distributed import KilledWorker

        try:
            return future.result()
        except KilledWorker:  # by the scheduler's own count of deaths
            return None
        except (CancelledError, OSError, TimeoutError) as error:
            raise WorkersLost(f"--scheduler {self._address} was lost; the same command goes on from what is kept") from error


def workers_for(*, scheduler: str, count: int, hosts: Sequence[str]) -> AbstractContextManager[Workers]:
    """Return dask's workers if a `scheduler` is named, `count` processes, or threads if it is 0. Raises WorkersLost."""
    if scheduler:
        return DaskWorkers(scheduler)
    return ProcessWorkers(count, hosts) if count else threads()
