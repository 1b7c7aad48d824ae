# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Train several networks in parallel, such as folds or seeds: each on a thread of its own, with the compiled kernel.

The kernel (`lstm_kernel`) releases Python's lock while it trains, so that as many networks train at once as there are
cores. The results are those of `train` for each run alone: the same batches, first weights and dropout masks, and
weights that differ in the last digits only. A run that the kernel cannot train goes to torch, one after another.
"""

from __future__ import annotations

import functools
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from surface_classifier.data.dataset import Dataset
from surface_classifier.training.loop import EpochResult, Indices, TrainingCancelledError, TrainingResult, train
from surface_classifier.training.torch_state import one_thread
from surface_classifier.training.training_config import TrainingConfig

# Of wider layers the weights leave the cache between time steps: at 256 units an epoch of the kernel takes 0.75 of the
# time of torch's, at 512 units 1.09 (LSTM of one layer, batches of 64, AVX-512, 1 MiB of L2 cache).
LARGEST_UNITS = 256
_POLL_S = 0.05


@dataclass(frozen=True)
class TrainingRun:
    """One run, as `train` takes it.

    Attributes:
        dataset: Windows and labels.
        config: The recipe.
        seed: Seed of the held-out recordings, the first weights and the order of the windows.
        windows: Indices of the windows to use; all when None.
    """

    dataset: Dataset
    config: TrainingConfig
    seed: int
    windows: Indices | None = None


def train_in_parallel(
    runs: Sequence[TrainingRun],
    *,
    jobs: int | None = None,
    on_epoch: Callable[[int, EpochResult], None] | None = None,
    on_result: Callable[[int, TrainingResult], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    measure_training: bool = False,
) -> list[TrainingResult]:
    """Train several networks.

    Args:
        runs: The runs; their data sets and recipes may differ.
        jobs: Threads; None: as many as there are cores.
        on_epoch: Called after every epoch, with the number of the run in `runs`; in the caller's thread, as the others.
        on_result: Called when a run is done, with its number.
        cancelled: Asked often; training stops when it says so.
        measure_training: Also classify the training windows after every epoch.

    Returns:
        What `train` gives for each run.

    Raises:
        SurfaceError: As `train`; the other runs are stopped.
        TrainingCancelledError: `cancelled` said so.
    """
    by_kernel = [number for number, run in enumerate(runs) if kernel_obstacle(run.config) is None]
    results: dict[int, TrainingResult] = {}

    def tell_epoch(number: int, epoch: EpochResult) -> None:
        if on_epoch is not None:
            on_epoch(number, epoch)

    def tell_result(number: int, result: TrainingResult) -> None:
        results[number] = result
        if on_result is not None:
            on_result(number, result)

    if by_kernel:
        threads = min(jobs or _cores(), len(by_kernel))
        _train_in_threads(runs, by_kernel, threads, tell_epoch, tell_result, cancelled, measure_training)
    for number, run in enumerate(runs):
        if number not in results:
            result = train(
                run.dataset,
                run.config,
                run.seed,
                windows=run.windows,
                on_epoch=functools.partial(tell_epoch, number),
                cancelled=cancelled,
                measure_training=measure_training,
            )
            tell_result(number, result)
    return [results[number] for number in range(len(runs))]


def kernel_obstacle(config: TrainingConfig) -> str | None:
    """Say why the kernel does not train a network; None if it does."""
    if config.network.members:
        return 'the network is an ensemble'
    if config.network.batch_norm:
        return 'the network has batch normalisation'
    if config.network.head_sizes:
        return 'the head has hidden layers'
    if config.mixup_alpha > 0.0:
        return 'windows are mixed'
    if max(config.network.hidden_sizes) > LARGEST_UNITS:
        return f'torch is as fast with more than {LARGEST_UNITS} units'
    return _numba_problem()


def _train_in_threads(
    runs: Sequence[TrainingRun],
    numbers: Sequence[int],
    threads: int,
    on_epoch: Callable[[int, EpochResult], None],
    on_result: Callable[[int, TrainingResult], None],
    cancelled: Callable[[], bool] | None,
    measure_training: bool,
) -> None:
    """Train some runs in threads, and call back in this one."""
    reports: queue.SimpleQueue[tuple[int, EpochResult] | tuple[int, Future[TrainingResult]]] = queue.SimpleQueue()
    stop = threading.Event()

    def train_one(number: int) -> TrainingResult:
        run = runs[number]
        # torch keeps the number of threads for each thread.
        with one_thread():
            return train(
                run.dataset,
                run.config,
                run.seed,
                windows=run.windows,
                on_epoch=lambda epoch: reports.put((number, epoch)),
                cancelled=stop.is_set,
                measure_training=measure_training,
                engine='kernel',
            )

    with one_thread(), ThreadPoolExecutor(threads, thread_name_prefix='training') as pool:
        try:
            for number in numbers:
                future = pool.submit(train_one, number)
                future.add_done_callback(functools.partial(lambda number, done: reports.put((number, done)), number))
            left = len(numbers)
            while left:
                if cancelled is not None and cancelled():
                    raise TrainingCancelledError(f'cancelled with {left} of {len(numbers)} networks in training')
                try:
                    number, found = reports.get(timeout=_POLL_S)
                except queue.Empty:
                    continue
                if isinstance(found, EpochResult):
                    on_epoch(number, found)
                else:
                    on_result(number, found.result())
                    left -= 1
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


@functools.cache
def _numba_problem() -> str | None:
    """Say why Numba cannot be used, and log it once; None if it can."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        problem = f'Numba cannot be imported ({error})'
        logging.getLogger(__name__).warning('%s: torch trains the networks, which takes longer', problem)
        return problem
    return None
