# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Where independent tasks run: in this process, in processes of this machine, or on a Ray cluster.

An executor maps a function over items and gives each result as soon as it is there, so that its user need not
know where the work is done. Only a few tasks more than can run at once are handed out, so that neither a million items
nor their results pile up in memory.

Tasks end early when the iterator over the results is closed, which also happens when its consumer fails: those that
have not begun never do, those that run learn it from `check_cancelled` (local) or from Ray.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.synchronize
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Literal, Protocol, TypeVar

from current_driver.errors import SurfaceError
from surface_classifier.data.ray_executor import RayExecutor

ExecutorName = Literal['local', 'ray']
EXECUTORS: tuple[ExecutorName, ...] = ('local', 'ray')

# Tasks handed out beyond those that can run at once, for each job: enough that no worker waits for its next one.
_QUEUED_PER_JOB = 1

_Item = TypeVar('_Item')
_Result = TypeVar('_Result')


class CancelledTaskError(Exception):
    """The results are no longer wanted."""


class Executor(Protocol):
    """Runs tasks; a context manager that lets go of its workers at the end.

    Attributes:
        jobs: How many tasks run at once.
    """

    jobs: int

    def map_completed(
        self, function: Callable[[_Item], _Result], items: Sequence[_Item]
    ) -> Generator[tuple[int, _Result], None, None]:
        """Call a function with every item; give the number of an item and its result, in the order of completion.

        Args:
            function: A function of a module, or a `functools.partial` of one: it is sent to other processes.
            items: What it is called with; sent there too.

        Raises:
            Exception: What a task raised; the other tasks are cancelled.
        """

    def __enter__(self) -> Executor:
        """Return the executor."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what still runs, and let go of the workers."""


def make_executor(name: ExecutorName = 'local', jobs: int | None = None, memory: int = 0) -> Executor:
    """Make an executor.

    Args:
        name: `local`: this machine; `ray`: the Ray cluster that RAY_ADDRESS names, otherwise a Ray of its own on this
            machine.
        jobs: How many tasks run at once; None: as many as there are cores, those of the whole cluster for Ray.
        memory: Memory that Ray reserves for a task [byte]; 0: none.

    Raises:
        SurfaceError: Ray is asked for and not installed, or its cluster cannot be reached.
    """
    return RayExecutor(jobs, memory) if name == 'ray' else LocalExecutor(jobs)


class LocalExecutor:
    """This machine: one job works in the calling process, more in processes of their own."""

    def __init__(self, jobs: int | None = None) -> None:
        """Start nothing yet."""
        self.jobs = jobs or os.cpu_count() or 1

    def map_completed(
        self, function: Callable[[_Item], _Result], items: Sequence[_Item]
    ) -> Generator[tuple[int, _Result], None, None]:
        """See `Executor`."""
        workers = min(self.jobs, len(items))
        if workers <= 1:
            yield from ((index, function(item)) for index, item in enumerate(items))
            return
        # Fresh processes: a fork of a process in which a library has run threads may hang.
        context = multiprocessing.get_context('spawn')
        cancel = context.Event()
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(cancel,))
        waiting: dict[Future[Any], int] = {}
        rest = iter(enumerate(items))
        try:
            while True:
                while len(waiting) < workers * (1 + _QUEUED_PER_JOB) and (entry := next(rest, None)) is not None:
                    waiting[pool.submit(function, entry[1])] = entry[0]
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), future.result()
        except BrokenProcessPool as error:
            raise SurfaceError(
                f'one of {workers} worker processes was ended from outside, perhaps for want of memory; try fewer with '
                '--jobs'
            ) from error
        finally:
            cancel.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: the processes end with the iterator over their results."""


def check_cancelled() -> None:
    """Called by a long task now and then: end it when its result is no longer wanted.

    Raises:
        CancelledTaskError: It is not.
    """
    if _cancel is not None and _cancel.is_set():
        raise CancelledTaskError


_cancel: multiprocessing.synchronize.Event | None = None


def _start_worker(cancel: multiprocessing.synchronize.Event) -> None:
    """Keep the event; Ctrl-C is the parent's to handle, which then cancels; end when the parent is killed."""
    global _cancel  # noqa: PLW0603 - one for each worker process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _cancel = cancel
    threading.Thread(target=_end_with_parent, name='watch parent', daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        with contextlib.suppress(OSError):
            parent.join()
        os._exit(1)
