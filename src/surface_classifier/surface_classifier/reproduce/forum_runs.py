# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The forum question, run again on simulated currents: its set-ups and every claim; the page is in `forum_page.py`.

Every run is kept as one JSON file as soon as it is finished, so that a command that was stopped goes on where it was.
Each run has a process and one thread of its own; the results do not depend on how many run at once.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import multiprocessing.synchronize
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from current_driver.files.documents import read_json
from current_driver.files.result_files import write_result
from surface_classifier.diagnosis.hand_features import hand_features
from surface_classifier.reproduce.forum_claims import (
    Arm,
    ClaimResult,
    Network,
    Run,
    answers,
    arm_seconds,
    forum_arms,
    forum_claims,
    judge_claims,
)
from surface_classifier.reproduce.forum_task import ForumTask, Generator, forum_task, two_class_toy
from surface_classifier.training.training_config import TrainingConfig

FRESH_WINDOWS = 600
_FRESH_SEED = 1_000_000  # added to a run's seed: recordings that no run is trained on
_FRESH_RECORDINGS = 8  # of each surface
_REPORTS = 50  # how often a run says how far it is
_COMPILED_FROM_S = 5.0  # shorter runs are left to torch, which has nothing to compile


@dataclass(frozen=True)
class ForumSettings:
    """What is run.

    Attributes:
        generator: How the currents of the six surfaces are simulated, see `forum_task`.
        seeds: How many seeds, from 0; a verdict needs four or more.
        epochs: Of the question's set-ups.
        network: Which networks run through the whole grid, see `forum_arms`.
        windows: Training windows.
        samples: Length of a window [samples].
    """

    generator: Generator = 'texture'
    seeds: int = 5
    epochs: int = 1500
    network: Network = 'simple'
    windows: int = 98
    samples: int = 100


@dataclass(frozen=True)
class ForumResult:
    """All runs that are there, and what they say.

    Attributes:
        settings: What was asked for.
        arms: The set-ups, by name.
        runs: The finished runs, by arm and seed.
        claims: What each claim came to.
    """

    settings: ForumSettings
    arms: Mapping[str, Arm]
    runs: Mapping[tuple[str, int], Run]
    claims: tuple[ClaimResult, ...]

    @property
    def planned(self) -> int:
        """Number of runs that the settings ask for."""
        return len(self.arms) * self.settings.seeds

    def of(self, arm: str) -> list[Run]:
        """The finished runs of an arm, by seed."""
        return [self.runs[arm, seed] for seed in range(self.settings.seeds) if (arm, seed) in self.runs]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types: settings, answers, claims, and for each arm its recipe and the measures of its runs."""
        return {
            'settings': asdict(self.settings),
            'answers': answers(self.claims),
            'claims': [claim.to_dict() for claim in self.claims],
            'arms': {
                name: {
                    'title': arm.title,
                    'task': arm.task,
                    'flipped_share': arm.flipped_share,
                    'config': arm.config.to_dict() if arm.config is not None else None,
                    'runs': [run.measures() for run in self.of(name)],
                }
                for name, arm in self.arms.items()
            },
            'runs': len(self.runs),
            'planned_runs': self.planned,
            'seconds': sum(run.seconds for run in self.runs.values()),
        }


@dataclass(frozen=True)
class _Task:
    arm: Arm
    seed: int
    settings: ForumSettings
    file: Path

    @property
    def seconds(self) -> float:
        return arm_seconds(self.arm, self.settings.windows)


_Report = Callable[[float], object]


def reproduce_fluctuating_loss(
    folder: str | os.PathLike[str],
    settings: ForumSettings,
    *,
    jobs: int = 1,
    on_progress: Callable[[float], object] | None = None,
    only_finished: bool = False,
) -> ForumResult:
    """Run what is not there yet, and judge the claims.

    Args:
        folder: Where the runs are kept, in `runs/`; made if it is not there.
        settings: What to run.
        jobs: Processes.
        on_progress: Called as runs proceed with the work done since the last call; in the seconds that
            `missing_seconds` counts in.
        only_finished: Run nothing: judge the runs that are there.

    Raises:
        SurfaceError: A run cannot be read or written, or diverged.
    """
    tasks = _tasks(folder, settings)
    runs = {(task.arm.name, task.seed): _read_run(task) for task in tasks if task.file.exists()}
    missing = [task for task in tasks if not task.file.exists()]
    if missing and not only_finished:
        runs_folder = missing[0].file.parent
        try:
            runs_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SurfaceError(f'{runs_folder}: cannot be made ({error.strerror}); choose another folder') from error
        for run in _run_tasks(missing, min(jobs, len(missing)), on_progress or (lambda _: None)):
            runs[run.arm, run.seed] = run
    arms = {task.arm.name: task.arm for task in tasks}
    claims = judge_claims(forum_claims(settings.network), runs, range(settings.seeds))
    return ForumResult(settings, arms, runs, tuple(claims))


def missing_seconds(folder: str | os.PathLike[str], settings: ForumSettings) -> float:
    """Estimate how long one core needs for the missing runs [s]; arguments as for `reproduce_fluctuating_loss`."""
    return sum(task.seconds for task in _tasks(folder, settings) if not task.file.exists())


def _tasks(folder: str | os.PathLike[str], settings: ForumSettings) -> list[_Task]:
    """All runs: the quick arms first, all seeds of one before the next, so that an early stop leaves whole arms."""
    return [
        _Task(arm, seed, settings, Path(folder) / 'runs' / _file_name(arm, seed, settings))
        for arm in forum_arms(settings.epochs, settings.network).values()
        for seed in range(settings.seeds)
    ]


def _identity(arm: Arm, seed: int, settings: ForumSettings) -> dict[str, Any]:
    """All that a run's numbers hang on."""
    return {
        'arm': arm.name,
        'seed': seed,
        'generator': settings.generator,
        'windows': settings.windows,
        'samples': settings.samples,
        'fresh_windows': FRESH_WINDOWS,
        'task': arm.task,
        'flipped_share': arm.flipped_share,
        'config': arm.config.to_dict() if arm.config is not None else None,
    }


def _file_name(arm: Arm, seed: int, settings: ForumSettings) -> str:
    text = json.dumps(_identity(arm, seed, settings), sort_keys=True)
    return f'{arm.name}_seed-{seed}_{hashlib.sha256(text.encode()).hexdigest()[:10]}.json'


def _read_run(task: _Task) -> Run:
    try:
        values = read_json(task.file, 'delete it, and it is run again', not_finite=True)['run']
        return Run(**{**values, 'losses': tuple(values['losses']), 'accuracies': tuple(values['accuracies'])})
    except (ValueError, TypeError, KeyError) as error:
        raise SurfaceError(f'{task.file}: is not a finished run ({error}); delete it, and it is run again') from error


def _write_run(task: _Task, run: Run) -> None:
    text = json.dumps({'what': _identity(task.arm, task.seed, task.settings), 'run': asdict(run)})
    write_result(task.file, text + '\n', 'run')  # whole: a run that was cut short never looks finished


def _run_task(task: _Task, report: _Report, cancelled: Callable[[], bool]) -> Run:
    """Train one arm with one seed, and keep the run."""
    begin = time.perf_counter()
    known, fresh = _tasks_of(task)
    labels = _with_wrong_labels(known, task.arm.flipped_share, task.seed)
    if task.arm.config is None:
        losses, accuracies, held_out = _discriminant(known, fresh)
        report(task.seconds)
    else:
        labelled = replace(known, labels=labels)
        losses, accuracies, held_out = _train(task, task.arm.config, labelled, fresh, report, cancelled)
    run = Run(
        arm=task.arm.name,
        seed=task.seed,
        losses=losses,
        accuracies=accuracies,
        held_out_accuracy=held_out,
        chance=float(np.bincount(labels).max() / len(labels)),
        windows=len(labels),
        seconds=time.perf_counter() - begin,
    )
    _write_run(task, run)
    return run


def _tasks_of(task: _Task) -> tuple[ForumTask, ForumTask]:
    """The windows to train on, and fresh ones of other recordings."""
    seed, settings = task.seed, task.settings
    if task.arm.task == 'toy':
        return (
            two_class_toy(seed, settings.windows, settings.samples),
            two_class_toy(_FRESH_SEED + seed, FRESH_WINDOWS, settings.samples, _FRESH_RECORDINGS),
        )
    return (
        forum_task(settings.generator, seed, settings.windows, settings.samples),
        forum_task(settings.generator, _FRESH_SEED + seed, FRESH_WINDOWS, settings.samples, _FRESH_RECORDINGS),
    )


def _with_wrong_labels(task: ForumTask, share: float, seed: int) -> NDArray[np.int64]:
    """The labels, a share of them moved to another class."""
    rng = np.random.default_rng([seed, 5])
    labels = task.labels.copy()
    wrong = rng.choice(len(labels), round(share * len(labels)), replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, len(task.classes), len(wrong))) % len(task.classes)
    return labels


_Measured = tuple[tuple[float, ...], tuple[float, ...], float]


def _discriminant(known: ForumTask, fresh: ForumTask) -> _Measured:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    fitted = LinearDiscriminantAnalysis().fit(hand_features(known.windows), known.labels)
    right, fresh_right = (float(fitted.score(hand_features(task.windows), task.labels)) for task in (known, fresh))
    return (), (right,), fresh_right


def _train(
    task: _Task,
    config: TrainingConfig,
    known: ForumTask,
    fresh: ForumTask,
    report: _Report,
    cancelled: Callable[[], bool],
) -> _Measured:
    import torch

    from surface_classifier.training.loop import EngineKind, EpochResult, train
    from surface_classifier.training.parallel_training import kernel_obstacle
    from surface_classifier.training.prepared_windows import predict_logits

    epoch_s = task.seconds / config.epochs
    every = max(1, config.epochs // _REPORTS)
    accuracies: list[float] = []
    engine: EngineKind = 'torch' if task.seconds < _COMPILED_FROM_S or kernel_obstacle(config) else 'kernel'

    def show(epoch: EpochResult) -> None:
        assert epoch.training_accuracy is not None  # it was asked for
        accuracies.append(epoch.training_accuracy)
        if epoch.epoch % every == 0:
            report(every * epoch_s)

    with tempfile.TemporaryDirectory() as folder:
        dataset = known.save(Path(folder) / 'task')
        try:
            result = train(
                dataset,
                config,
                task.seed,
                on_epoch=show,
                cancelled=cancelled,
                measure_training=True,
                engine=engine,
            )
        except SurfaceError as error:
            raise SurfaceError(f'{task.arm.title}, seed {task.seed}: {error}') from error
    report(len(result.epochs) % every * epoch_s)
    logits = predict_logits(result.network, [torch.from_numpy(fresh.windows.astype(np.float32))])
    right = float(np.mean(logits.argmax(dim=1).numpy() == fresh.labels))
    losses = tuple(epoch.loss for epoch in result.epochs)
    return losses, tuple(accuracies), right


def _run_tasks(tasks: Sequence[_Task], jobs: int, report: _Report) -> Iterator[Run]:
    """Run the tasks in this process (one job) or in `jobs` child processes, and yield each run as it is finished."""
    if jobs == 1:
        for task in tasks:
            yield _run_task(task, report, lambda: False)
        return
    with _workers(jobs, report) as pool:
        for future in as_completed([pool.submit(_run_task_in_worker, task) for task in tasks]):
            yield future.result()


@contextmanager
def _workers(jobs: int, report: _Report) -> Iterator[ProcessPoolExecutor]:
    # Fresh processes: a fork of a process in which torch has run threads may hang.
    context = multiprocessing.get_context('spawn')
    messages: multiprocessing.SimpleQueue[float | None] = context.SimpleQueue()
    cancel = context.Event()
    listener = threading.Thread(target=_forward, args=(messages, report), name='progress of the runs')
    listener.start()
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(messages, cancel))
    try:
        yield pool
    finally:
        cancel.set()
        pool.shutdown(wait=True, cancel_futures=True)
        messages.put(None)
        listener.join()


def _forward(messages: multiprocessing.SimpleQueue[float | None], report: _Report) -> None:
    while (done := messages.get()) is not None:
        report(done)


_worker: dict[str, Any] = {}


def _start_worker(messages: Any, cancel: multiprocessing.synchronize.Event) -> None:
    """Keep the worker's ends of the queue and the event; Ctrl-C is the parent's to handle, which then cancels."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker.update(report=messages.put, cancelled=cancel.is_set)


def _run_task_in_worker(task: _Task) -> Run:
    return _run_task(task, _worker['report'], _worker['cancelled'])
