# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the trainings and tests of an evaluation: on threads, in processes or by an executor.

Where the compiled kernel can train them, the networks of all folds and seeds train together, each on its own thread.
Else, and for the baselines, every fold and seed is a task with a process and one thread of its own. The result does not
depend on how many run at once.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import multiprocessing.synchronize
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surface_classifier.data.dataset import Dataset
from surface_classifier.data.executor import Executor
from surface_classifier.data.joined_streams import ORDERS
from surface_classifier.data.splits import Folds
from surface_classifier.evaluation.baselines import fit_baseline, fit_tree_shares, label_classifier
from surface_classifier.evaluation.evaluation_result import CLASSIFIERS, FoldPredictions
from surface_classifier.evaluation.fold_cache import FoldCache
from surface_classifier.training.confidence.belief_fit import tune_belief
from surface_classifier.training.confidence.fit_confidence import fit_confidence
from surface_classifier.training.confidence.predictions import Classifier, Predictions, logits_of_probabilities
from surface_classifier.training.cross_fit import (
    belief_of_labels,
    network_classifier,
    predict,
    predict_held_out,
    predict_held_out_by,
    streams_for_calibration,
)
from surface_classifier.training.hold_out import recipe_that_fits
from surface_classifier.training.loop import EpochResult, TrainingResult, train
from surface_classifier.training.parallel_training import TrainingRun, kernel_obstacle, train_in_parallel
from surface_classifier.training.torch_state import one_thread
from surface_classifier.training.training_config import TrainingConfig

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class EvaluationProgress:
    """One step of an evaluation: an epoch of an LSTM, or a task that is done.

    Attributes:
        fold: Number of the fold.
        seed: Seed of the run.
        classifiers: What the task trains: `('lstm',)` or the baselines.
        epoch: The epoch that ended; None when the task is done.
    """

    fold: int
    seed: int
    classifiers: tuple[str, ...]
    epoch: EpochResult | None


@dataclass(frozen=True)
class FoldTask:
    """What to train on one part of a data set, and to test on another.

    Attributes:
        dataset: Folder of the data set.
        fold: Number of the fold.
        train: Indices of the windows to train on.
        test: Indices of the windows to test on.
        config: The LSTM's recipe.
        seed: Seed of the run.
        classifiers: `('lstm',)`, or the baselines.
        streams: Whether to predict joined streams, too.
    """

    dataset: Path
    fold: int
    train: Ids
    test: Ids
    config: TrainingConfig
    seed: int
    classifiers: tuple[str, ...]
    streams: bool


def fold_tasks(
    dataset: Dataset, folds: Folds, config: TrainingConfig, seeds: Sequence[int], streams: bool
) -> tuple[list[FoldTask], list[str]]:
    """Return the tasks, the long ones first so that no process is left with one at the end, and what to note."""
    tasks: list[FoldTask] = []
    notes = []
    for seed in seeds:
        for fold in folds:
            recipe, why = recipe_that_fits(dataset, fold.train, config, seed)
            if why:
                notes.append(f'fold {fold.index}, seed {seed}: {why}')
            baselines = CLASSIFIERS[1:] if seed == seeds[0] else ('trees',)
            tasks += [
                FoldTask(dataset.path.resolve(), fold.index, fold.train, fold.test, recipe, seed, classifiers, streams)
                for classifiers in (('lstm',), baselines)
            ]
    return sorted(tasks, key=lambda task: task.classifiers != ('lstm',)), notes


@dataclass(frozen=True)
class FoldOutcome:
    """What one task gave.

    Attributes:
        runs: Predictions of the tested windows by each of the task's classifiers.
        epochs: Fields of `EpochResult` for each epoch of the LSTM.
    """

    runs: Mapping[str, FoldPredictions]
    epochs: Sequence[Mapping[str, Any]] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        runs = {name: found.to_json() for name, found in self.runs.items()}
        return {'runs': runs, 'epochs': [dict(epoch) for epoch in self.epochs]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FoldOutcome:
        """Return the outcome that `to_json` gave."""
        runs = {name: FoldPredictions.from_json(found) for name, found in values['runs'].items()}
        return cls(runs, values['epochs'])


_Report = Callable[[EvaluationProgress], None]
_Keep = Callable[[int, FoldOutcome], None]


def run_tasks(
    dataset: Dataset,
    tasks: Sequence[FoldTask],
    *,
    jobs: int,
    report: _Report,
    cache: FoldCache,
    executor: Executor | None = None,
) -> list[FoldOutcome]:
    """Read what was kept of earlier runs, run the other tasks, keeping each as it is done; all in their order.

    Args:
        dataset: The tasks' data set.
        tasks: What to run.
        jobs: Threads and processes.
        report: Called after every epoch and every task.
        cache: Where outcomes are kept and found again.
        executor: What runs them instead of threads and processes of this machine.
    """
    keys = [_cache_key(dataset, task) for task in tasks]
    found: dict[int, FoldOutcome] = {}
    for number, (task, key) in enumerate(zip(tasks, keys, strict=True)):
        kept = cache.load(key)
        if kept is not None:
            found[number] = FoldOutcome.from_json(kept)
            report(EvaluationProgress(task.fold, task.seed, task.classifiers, None))
    numbers = [number for number in range(len(tasks)) if number not in found]
    left = [tasks[number] for number in numbers]

    def keep(place: int, outcome: FoldOutcome) -> None:
        cache.save(keys[numbers[place]], outcome.to_json())

    if left:
        if executor is not None:
            outcomes = _run_elsewhere(left, executor, report, keep)
        else:
            outcomes = _run_here(dataset, left, jobs, report, keep)
        found.update(zip(numbers, outcomes, strict=True))
    return [found[number] for number in range(len(tasks))]


def _cache_key(dataset: Dataset, task: FoldTask) -> dict[str, Any]:
    return {
        'dataset': dataset.digest,
        'windows': hashlib.sha256(task.train.tobytes() + b'/' + task.test.tobytes()).hexdigest(),
        'training': task.config.to_dict(),
        'seed': task.seed,
        'classifiers': task.classifiers,
        'streams': task.streams,
    }


def _run_elsewhere(tasks: Sequence[FoldTask], executor: Executor, report: _Report, keep: _Keep) -> list[FoldOutcome]:
    """Have an executor run the tasks; return what each gave, in their order."""
    found: dict[int, FoldOutcome] = {}
    with closing(executor.map_completed(_run_quietly, tasks)) as results:
        for place, outcome in results:
            found[place] = outcome
            keep(place, outcome)
            report(EvaluationProgress(tasks[place].fold, tasks[place].seed, tasks[place].classifiers, None))
    return [found[place] for place in range(len(tasks))]


def _run_quietly(task: FoldTask) -> FoldOutcome:
    return _run_task(task, lambda _: None, lambda: False)


def _run_here(
    dataset: Dataset, tasks: Sequence[FoldTask], jobs: int, report: _Report, keep: _Keep
) -> list[FoldOutcome]:
    """Run the tasks on this machine, those of networks first; return what each gave, in their order."""
    networks = [task for task in tasks if task.classifiers == ('lstm',)]
    if any(kernel_obstacle(task.config) for task in networks):
        return _run_tasks(tasks, jobs, report, keep)
    trained = _train_in_parallel(dataset, networks, jobs, report, keep)
    rest = _run_tasks(tasks[len(networks) :], jobs, report, lambda place, outcome: keep(len(networks) + place, outcome))
    return trained + rest


def _train_in_parallel(
    dataset: Dataset, tasks: Sequence[FoldTask], jobs: int, report: _Report, keep: _Keep
) -> list[FoldOutcome]:
    found: dict[int, FoldOutcome] = {}

    def on_epoch(number: int, epoch: EpochResult | None) -> None:
        report(EvaluationProgress(tasks[number].fold, tasks[number].seed, tasks[number].classifiers, epoch))

    def on_result(number: int, result: TrainingResult) -> None:
        found[number] = _network_outcome(dataset, tasks[number], result, lambda: False)
        keep(number, found[number])
        on_epoch(number, None)

    runs = [TrainingRun(dataset, task.config, task.seed, task.train) for task in tasks]
    train_in_parallel(runs, jobs=jobs, on_epoch=on_epoch, on_result=on_result)
    return [found[number] for number in range(len(tasks))]


def _run_task(task: FoldTask, report: _Report, cancelled: Callable[[], bool]) -> FoldOutcome:
    """Train and test what the task says."""
    dataset = Dataset.load(task.dataset)
    # One thread and the engine of `_train_in_parallel`, so that a score does not depend on where it was computed.
    with one_thread():
        if task.classifiers == ('lstm',):
            result = train(
                dataset,
                task.config,
                task.seed,
                windows=task.train,
                on_epoch=lambda epoch: report(EvaluationProgress(task.fold, task.seed, task.classifiers, epoch)),
                cancelled=cancelled,
                engine='torch' if kernel_obstacle(task.config) else 'kernel',
            )
            outcome = _network_outcome(dataset, task, result, cancelled)
        else:
            outcome = _baseline_outcome(dataset, task)
    report(EvaluationProgress(task.fold, task.seed, task.classifiers, None))
    return outcome


def _network_outcome(
    dataset: Dataset, task: FoldTask, result: TrainingResult, cancelled: Callable[[], bool]
) -> FoldOutcome:
    belief = None
    if task.streams:
        belief = belief_of_labels(dataset, result.windows, result.train_windows, result.config.class_balance)
    streams = streams_for_calibration(dataset) if task.streams else 0
    held_out = predict_held_out(dataset, result, task.seed, streams=streams, cancelled=cancelled)
    confidence = fit_confidence(held_out, belief)
    tested = _predict_test(dataset, task, network_classifier(result.network))
    run = FoldPredictions(task.fold, task.seed, tested, confidence.temperature, confidence.belief)
    return FoldOutcome({'lstm': run}, [asdict(epoch) for epoch in result.epochs])


def _baseline_outcome(dataset: Dataset, task: FoldTask) -> FoldOutcome:
    labels, classes = np.asarray(dataset.labels), len(dataset.classes)

    def fit_trees(windows: Ids) -> Classifier:
        shares = fit_tree_shares(dataset.inputs(windows), labels[windows], classes, task.seed)
        return lambda parts: logits_of_probabilities(shares(parts))

    runs = {}
    for name in task.classifiers:
        if name == 'trees':
            belief = belief_of_labels(dataset, task.train, task.train, 'weights') if task.streams else None
            if belief is not None:
                streams = streams_for_calibration(dataset)
                held_out = predict_held_out_by(fit_trees, dataset, task.train, task.config, task.seed, streams)
                belief = tune_belief(belief, held_out.streams)
            runs[name] = FoldPredictions(
                task.fold, task.seed, _predict_test(dataset, task, fit_trees(task.train)), 1.0, belief
            )
        else:
            label = fit_baseline(name, dataset.inputs(task.train), labels[task.train], task.seed)
            tested = predict(dataset, task.test, label_classifier(label, classes), fitted=task.train)
            runs[name] = FoldPredictions(task.fold, task.seed, tested)
    return FoldOutcome(runs)


def _predict_test(dataset: Dataset, task: FoldTask, classify: Classifier) -> Predictions:
    return predict(dataset, task.test, classify, fitted=task.train, streams=ORDERS if task.streams else 0)


def _run_tasks(tasks: Sequence[FoldTask], jobs: int, report: _Report, keep: _Keep) -> list[FoldOutcome]:
    """Run the tasks in this process (one job) or in `jobs` child processes; return what each gave, in their order."""
    jobs = min(jobs, len(tasks))
    if jobs <= 1:
        outcomes = []
        for place, task in enumerate(tasks):
            outcomes.append(_run_task(task, report, lambda: False))
            keep(place, outcomes[-1])
        return outcomes
    # Fresh processes: a fork of a process in which torch has run threads may hang.
    context = multiprocessing.get_context('spawn')
    messages: multiprocessing.SimpleQueue[EvaluationProgress | None] = context.SimpleQueue()
    cancel = context.Event()
    listener = threading.Thread(target=_forward, args=(messages, report), name='evaluation progress')
    listener.start()
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(messages, cancel))
    try:
        futures = [pool.submit(_run_task_in_worker, task) for task in tasks]
        for future in as_completed(futures):
            keep(futures.index(future), future.result())  # the first task that fails ends the evaluation
        return [future.result() for future in futures]
    finally:
        cancel.set()
        pool.shutdown(wait=True, cancel_futures=True)
        messages.put(None)
        listener.join()


def _forward(messages: multiprocessing.SimpleQueue[EvaluationProgress | None], report: _Report) -> None:
    while (message := messages.get()) is not None:
        report(message)


_worker: dict[str, Any] = {}


def _start_worker(messages: Any, cancel: multiprocessing.synchronize.Event) -> None:
    """Keep the worker's ends of the queue and the event; Ctrl-C is the parent's to handle, which then cancels."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker.update(report=messages.put, cancelled=cancel.is_set)


def _run_task_in_worker(task: FoldTask) -> FoldOutcome:
    return _run_task(task, _worker['report'], _worker['cancelled'])
