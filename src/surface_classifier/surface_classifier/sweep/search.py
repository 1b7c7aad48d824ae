# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A sweep: Optuna searches a recipe's batch size and what goes with it, on folds of recordings, resumable, by many.

Every trial trains on the same folds, which hold whole recordings, with the same seed; its score is the mean balanced
accuracy over them. Recordings that no trial sees are kept back: on those the best recipe is tested beside the one that
the sweep began with, for the best of many scores is always a little too good.

Trials live in a database. Every worker, on whichever machine, adds trials until there are as many as asked for. A
worker writes a heartbeat into the database; when it falls silent, another one runs its trial again.
"""

from __future__ import annotations

import functools
import logging
import math
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from current_driver.errors import SurfaceError
from current_driver.files.result_files import write_result
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.ray_executor import RayExecutor, current_node_id
from surface_classifier.data.splits import Fold, Folds, grouped_holdout, stratified_folds
from surface_classifier.evaluation.baselines import fit_trees
from surface_classifier.sweep.sweep_space import FULL, Space, parameter_name
from surface_classifier.sweep.sweep_storage import GRACE_HEARTBEATS, open_storage, shown_address
from surface_classifier.training.hold_out import hold_out
from surface_classifier.training.loop import EngineKind, TrainingCancelledError, train
from surface_classifier.training.metrics import scores
from surface_classifier.training.parallel_training import kernel_obstacle
from surface_classifier.training.prepared_windows import predict_logits, resident
from surface_classifier.training.training_config import TrainingConfig

Indices = NDArray[np.int64]
Budget = Literal['epochs', 'steps']

HOLDOUT_SEEDS = (0, 1, 2)
# The median of fewer trials says little; and the first fold alone must not end a trial.
PRUNE_AFTER_TRIALS = 5
PRUNE_AFTER_FOLDS = 2
# Share of the trials whose parameters are held against those of all. In 45 simulated searches of 30 to 100 noisy trials
# the two of six parameters that mattered were both on top in 53 % with the better half, in 31 % with the best five.
GOOD_SHARE = 0.5
MOST_FOLDS = 5
RETRIES = 1  # of a trial whose worker was lost; one more, and the trial itself may be what kills them
POLL_S = 0.5
STOP_S = 20.0  # for a worker to stop after it was asked to
DIVERGENCE = 'training diverged'  # what `train` says of a loss that is not finite
_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)
_SETTINGS = 'settings'
_WORKER = 'worker'
_NODE = 'node'
_DIVERGED = 'diverged'


@dataclass(frozen=True)
class SweepSettings:
    """What makes two workers parts of one sweep: trials are comparable only if all of this is the same.

    Attributes:
        config: The recipe that is searched around.
        space: What is searched.
        folds: Number of folds; None: `MOST_FOLDS`, or fewer so that each tests every class.
        holdout: Share of the windows whose recordings no trial sees; 0: none, and no held-out score.
        budget: What every trial gets as much of as the recipe: `epochs` (passes over the data) or `steps`.
        seed: Seed of the held-out recordings, the folds, the training runs and the search.
    """

    config: TrainingConfig
    space: Space
    folds: int | None = None
    holdout: float = 0.2
    budget: Budget = 'epochs'
    seed: int = 0

    def to_json(self, dataset: Dataset) -> dict[str, Any]:
        """Return the settings and the data as JSON types, to be compared with those a study was begun with."""
        return {
            'dataset': dataset.digest,
            'config': self.config.to_dict(),
            'space': self.space.to_json(),
            'folds': self.folds,
            'holdout': self.holdout,
            'budget': self.budget,
            'seed': self.seed,
        }


@dataclass(frozen=True)
class SweepProgress:
    """How far a study is.

    Attributes:
        finished: Trials that are complete or pruned.
        best: Best score so far [1]; None before there is one.
        scoring: The search is done, and its best recipe is being tested on the held-out recordings.
        waiting: Trials that are all that is left to wait for, and which workers of another command run, in words.
    """

    finished: int
    best: float | None
    scoring: bool = False
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True)
class SweepResult:
    """What a sweep found.

    Attributes:
        study: Name of the study.
        storage: Address of its database, without the password.
        protocol: How a trial is scored, in words.
        budget: What every trial got, in words.
        trials: Of each trial `number`, `value` (mean balanced accuracy over all folds [1], None if it did not come to
            all of them), `estimate` (the same, put at what its folds let expect, for a pruned trial), `folds` (balanced
            accuracy of each), `params` (values of the recipe's keys; a full batch as the windows of a fold), `state`
            (Optuna's) and `seconds`.
        importances: Share of each searched key in what separates good trials from the rest; they add up to 1.
        best: `number`, `value` and `params` of the best trial.
        config: The best recipe.
        holdout: Balanced accuracy of `best`, of `recipe` (the one the sweep began with) and of `trees`, in the `search`
            and on the recordings `held_out` from it, there one for each of `seeds` (trees: one) [1]; None where none
            were held out.
        space: What was searched.
        notes: What a reader of the scores should know.
        seconds: How long this run took, not those before it [s].
    """

    study: str
    storage: str
    protocol: str
    budget: str
    trials: Sequence[Mapping[str, Any]]
    importances: Mapping[str, float]
    best: Mapping[str, Any]
    config: TrainingConfig
    holdout: Mapping[str, Any] | None
    space: Mapping[str, Any]
    notes: Sequence[str]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON types."""
        return {
            'study': self.study,
            'storage': self.storage,
            'protocol': self.protocol,
            'budget': self.budget,
            'trials': [dict(trial) for trial in self.trials],
            'importances': dict(self.importances),
            'best': dict(self.best),
            'config': self.config.to_dict(),
            'holdout': self.holdout,
            'space': dict(self.space),
            'notes': list(self.notes),
            'seconds': self.seconds,
        }


@dataclass(frozen=True)
class SweepData:
    """How a sweep divides a data set; the same for the same data set and settings, on every machine.

    Attributes:
        folds: Training and test windows of each fold, all of them indices into the data set.
        searched: Windows of the recordings that the sweep may see.
        held_out: Windows of the recordings that it does not see.
        windows: Training windows of the smallest fold: the full batch of the search.
        notes: What a reader of the scores should know.
    """

    folds: Folds
    searched: Indices
    held_out: Indices
    windows: int
    notes: tuple[str, ...]


def run_sweep(
    dataset: Dataset,
    settings: SweepSettings,
    study: str,
    storage: str,
    trials: int,
    *,
    workers: int = 1,
    executor: RayExecutor | None = None,
    timeout_s: float | None = None,
    heartbeat_s: int = 10,
    on_progress: Callable[[SweepProgress], object] | None = None,
    on_message: Callable[[str], object] | None = None,
) -> SweepResult:
    """Add trials to a study until it has as many as asked for, and score the best of them on unseen recordings.

    Args:
        dataset: Windows and labels.
        settings: Recipe, space, folds, budget and seed.
        study: Name of the study in the database; it goes on where it stopped if it is there.
        storage: Address of the database, such as `sqlite:///sweep.db` or `postgresql://user@host/database`.
        trials: How many trials the study is to have, complete and pruned ones together.
        workers: Processes that run trials, one thread each.
        executor: The cluster that runs the workers; None: this machine.
        timeout_s: No trial begins after this time [s]; None: no limit.
        heartbeat_s: Interval of the signs of life; a trial without one for six of them is run again [s].
        on_progress: Called when something has changed.
        on_message: Called with what Optuna reports as an error.

    Raises:
        SurfaceError: The database cannot be used, the study was begun with other settings, the data set is too small,
            no trial is complete, or every worker was lost.
    """
    begin = time.perf_counter()
    data = divide(dataset, settings)
    deadline = math.inf if timeout_s is None else time.time() + timeout_s
    job = _Job(dataset.path, settings, study, storage, trials, deadline, heartbeat_s)
    report = on_progress or (lambda _: None)
    message = on_message or (lambda _: None)
    with _quiet_optuna(message):
        opened = _open_study(job, dataset, data)
        report(_progress(opened))
        lost = 0
        if executor is not None:
            _check_shared(storage, executor.hosts())
            lost = _run_on_cluster(opened, job, executor, workers, report, message)
        elif workers == 1:
            _work(opened, job, dataset, data, report, lambda: False)
        else:
            lost = _run_workers(opened, job, workers, report, message)
        return _result(opened, job, dataset, data, workers, lost, report, begin)


def write_recipe(path: Path, config: TrainingConfig, comment: str) -> None:
    """Write a recipe that `surface train --config` takes.

    Args:
        path: The YAML file; one that is there is replaced.
        config: The recipe.
        comment: One line for its head.
    """
    import yaml

    write_result(path, f'# {comment}\n{yaml.safe_dump(config.to_dict(), sort_keys=False)}', 'recipe')


def divide(dataset: Dataset, settings: SweepSettings) -> SweepData:
    """Divide a data set into recordings that the sweep does not see, and folds of the rest.

    Raises:
        SurfaceError: A class has too few recordings.
    """
    searched, held_out = np.arange(len(dataset), dtype=np.int64), np.zeros(0, dtype=np.int64)
    if settings.holdout > 0:
        searched, held_out = grouped_holdout(dataset, settings.holdout, settings.seed)
        missing = np.setdiff1d(dataset.labels, dataset.labels[held_out])
        if missing.size:
            raise SurfaceError(
                f'{dataset.path}: class {dataset.classes[missing[0]]!r} has too few recordings to keep one out of '
                'the sweep; record it once more, or give --holdout 0 and go without a score on unseen recordings'
            )
    # The folds divide recordings by their windows, so the division needs no values: only labels and recordings.
    rest = replace(dataset, labels=dataset.labels[searched], recording=dataset.recording[searched])
    division = stratified_folds(rest, settings.folds or _fold_count(rest), settings.seed)
    folds = replace(
        division,
        folds=tuple(replace(fold, train=searched[fold.train], test=searched[fold.test]) for fold in division),
    )
    notes = [*folds.warnings]
    if not dataset.has_recordings:
        notes.append(
            'the data set has no recording ids, so it is divided by window; windows of one drive may be on both sides, '
            'and the scores are too good'
        )
    # Training windows of each fold, those held out for early stopping left out.
    fitted = [_fitted_windows(dataset, settings.config, fold.train, settings.seed) for fold in folds]
    if any(found is None for found in fitted):
        notes.append(
            'in folds where a class has too few recordings to train on, none is held out for early stopping, and '
            'training runs for all epochs'
        )
    windows = min(len(fold.train if found is None else found) for fold, found in zip(folds, fitted, strict=True))
    return SweepData(folds, searched, held_out, windows, tuple(notes))


def _fold_count(dataset: Dataset) -> int:
    """As many folds as every class has recordings (windows, where none are known), at most `MOST_FOLDS`."""
    units = np.asarray(dataset.recording) if dataset.has_recordings else np.arange(len(dataset))
    pairs = np.unique(np.stack([np.asarray(dataset.labels), units]), axis=1)
    return max(2, min(MOST_FOLDS, int(np.unique(pairs[0], return_counts=True)[1].min())))


def _fitted_windows(dataset: Dataset, config: TrainingConfig, windows: Indices, seed: int) -> Indices | None:
    """Windows without those that training holds out for early stopping; None where it can hold out none."""
    if config.validation_fraction == 0:
        return windows
    try:
        return hold_out(dataset, windows, config.validation_fraction, seed, config.validation_split)[0]
    except SurfaceError:
        return None


@dataclass(frozen=True)
class _Job:
    """What a worker process is given."""

    dataset: Path
    settings: SweepSettings
    study: str
    storage: str
    trials: int
    deadline: float
    heartbeat_s: int
    node: str = ''


class _SurplusError(Exception):
    """Another worker has begun the last trial that was asked for."""


def _open_study(job: _Job, dataset: Dataset, data: SweepData) -> optuna.Study:
    """Open or begin the study.

    Raises:
        SurfaceError: It was begun with other settings.
    """
    study = optuna.create_study(
        storage=open_storage(job.storage, job.heartbeat_s, RETRIES),
        study_name=job.study,
        direction='maximize',
        pruner=optuna.pruners.MedianPruner(PRUNE_AFTER_TRIALS, PRUNE_AFTER_FOLDS - 1),
        load_if_exists=True,
    )
    wanted = job.settings.to_json(dataset)
    found = study.user_attrs.get(_SETTINGS)
    if found is None:
        if study.trials:
            raise SurfaceError(
                f'study {job.study!r} in {shown_address(job.storage)} was not begun by surface sweep; give another '
                '--study'
            )
        study.set_user_attr(_SETTINGS, wanted)
        # The search begins with the recipe itself, so that the best trial is at least as good as its nearest point.
        point = job.settings.space.nearest(job.settings.config, data.windows)
        if point is not None:
            study.enqueue_trial(point, skip_if_exists=True)
        return study
    different = [name for name in wanted if found.get(name) != wanted[name]]
    if different:
        name = different[0]
        raise SurfaceError(
            f'study {job.study!r} in {shown_address(job.storage)} was begun with another {name} '
            f'({_difference(found.get(name), wanted[name])}), so its trials cannot be compared with new ones; give '
            'another --study, or the settings it was begun with'
        )
    return study


def _difference(found: Any, wanted: Any) -> str:
    """Say where two settings differ, down to the key."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        key = next(key for key in sorted({*found, *wanted}) if found.get(key) != wanted.get(key))
        return f'{key}: {_difference(found.get(key), wanted.get(key))}'
    return f'{found!r}, now {wanted!r}'


def _progress(
    study: optuna.Study, trials: int = 0, is_ours: Callable[[FrozenTrial], bool] = lambda _: True
) -> SweepProgress:
    """Return how far the study is; with `trials` wanted, also what it waits for once none of ours is left to run."""
    found = study.get_trials(deepcopy=False)
    counted = [trial for trial in found if trial.state in _COUNTED]
    complete = [trial.value for trial in counted if trial.state == TrialState.COMPLETE and trial.value is not None]
    running = [trial for trial in found if trial.state == TrialState.RUNNING]
    waiting: tuple[str, ...] = ()
    if len(counted) < trials <= len(counted) + len(running) and not any(is_ours(trial) for trial in running):
        waiting = tuple(f'trial {trial.number} ({trial.user_attrs.get(_WORKER, "starting")})' for trial in running)
    return SweepProgress(len(counted), max(complete, default=None), waiting=waiting)


def _take_over(study: optuna.Study, is_lost: Callable[[FrozenTrial], bool]) -> None:
    """Queue the trials of lost workers again, without waiting until their heartbeats are overdue."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if is_lost(trial):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)(study, trial)


def _work(
    study: optuna.Study,
    job: _Job,
    dataset: Dataset,
    data: SweepData,
    report: Callable[[SweepProgress], object],
    cancelled: Callable[[], bool],
) -> None:
    """Run trials until the study has as many as asked for; wait for those that others run, and take over lost ones."""
    first_seen: dict[int, float] = {}
    while time.time() < job.deadline and not cancelled():
        trials = study.get_trials(deepcopy=False)
        finished = sum(trial.state in _COUNTED for trial in trials)
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        if finished >= job.trials:
            return
        if finished + len(running) < job.trials:
            _run_trial(study, job, dataset, data, cancelled)
            report(_progress(study))
            continue
        report(_progress(study, job.trials, lambda _: False))
        optuna.storages.fail_stale_trials(study)
        _fail_unborn(study, running, first_seen, GRACE_HEARTBEATS * job.heartbeat_s)
        time.sleep(POLL_S)


def _run_trial(
    study: optuna.Study, job: _Job, dataset: Dataset, data: SweepData, cancelled: Callable[[], bool]
) -> None:
    taken_over = False

    def score(trial: Trial) -> float:
        nonlocal taken_over
        try:
            return _score_trial(trial, job, dataset, data, cancelled)
        except optuna.exceptions.UpdateFinishedTrialError:
            taken_over = True
            raise

    try:
        study.optimize(score, n_trials=1, catch=(_SurplusError,))
    except ValueError:
        # Others took this worker for lost, as after the machine slept, and run its trial again.
        if not taken_over:
            raise


def _fail_unborn(
    study: optuna.Study, running: Sequence[FrozenTrial], first_seen: dict[int, float], after_s: float
) -> None:
    """Fail trials whose worker was lost before its first heartbeat, so that none can grow stale."""
    now = time.monotonic()
    for trial in running:
        if _WORKER not in trial.user_attrs and now - first_seen.setdefault(trial.number, now) > after_s:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _score_trial(trial: Trial, job: _Job, dataset: Dataset, data: SweepData, cancelled: Callable[[], bool]) -> float:
    """Draw a recipe, train it fold by fold, and return the mean balanced accuracy."""
    settings, study = job.settings, trial.study
    earlier = study.get_trials(deepcopy=False, states=(*_COUNTED, TrialState.RUNNING))
    if sum(other.number < trial.number for other in earlier) >= job.trials:
        raise _SurplusError
    trial.set_user_attr(_WORKER, _worker_name(os.getpid()))
    trial.set_user_attr(_NODE, job.node)
    # Seeded by the trial's number: workers draw different points, and one worker draws the same ones in every run.
    seed = int(np.random.SeedSequence((settings.seed, trial.number)).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    drawn = {name: _suggest(trial, name, at) for name, at in settings.space.distributions(data.windows).items()}
    config = _config(settings, data, drawn)
    try:
        found: list[float] = []
        for fold in data.folds:
            score, diverged = _score_fold(dataset, fold, config, settings.seed, cancelled)
            if diverged:
                trial.set_user_attr(_DIVERGED, diverged)
            found.append(score)
            trial.set_user_attr('folds', found)
            trial.report(float(np.mean(found)), len(found) - 1)
            if len(found) < len(data.folds) and trial.should_prune():
                raise optuna.TrialPruned
    except (KeyboardInterrupt, TrainingCancelledError):
        # The next run shall go on with it.
        study.enqueue_trial(trial.params)
        raise
    return float(np.mean(found))


def _ran_in(process: int, trial: FrozenTrial) -> bool:
    return trial.user_attrs.get(_WORKER) == _worker_name(process)


def _worker_name(process: int) -> str:
    return f'{socket.gethostname()}, process {process}'


def _suggest(trial: Trial, name: str, at: optuna.distributions.BaseDistribution) -> Any:
    if isinstance(at, optuna.distributions.CategoricalDistribution):
        return trial.suggest_categorical(name, at.choices)
    if isinstance(at, optuna.distributions.IntDistribution):
        return trial.suggest_int(name, at.low, at.high, log=at.log)
    assert isinstance(at, optuna.distributions.FloatDistribution)
    return trial.suggest_float(name, at.low, at.high, log=at.log)


def _config(settings: SweepSettings, data: SweepData, drawn: Mapping[str, Any]) -> TrainingConfig:
    """Return the recipe with the drawn values and as many epochs as the budget gives it."""
    values = settings.space.values(drawn, settings.config, data.windows)
    config = settings.space.apply(settings.config, values)
    if settings.budget == 'epochs':
        return config
    wanted, own = (_steps_per_epoch(recipe, data.windows) for recipe in (settings.config, config))
    share = wanted / own
    return replace(
        config,
        epochs=max(1, round(config.epochs * share)),
        patience=max(1, round(config.patience * share)),
    )


def _steps_per_epoch(config: TrainingConfig, windows: int) -> int:
    return math.ceil(windows / int(config.resolved(windows).batch_size))


def _score_fold(
    dataset: Dataset, fold: Fold, config: TrainingConfig, seed: int, cancelled: Callable[[], bool]
) -> tuple[float, str]:
    """Train and test on a fold; return the balanced accuracy, and what was said if the training diverged."""
    if _fitted_windows(dataset, config, fold.train, seed) is None:
        config = replace(config, validation_fraction=0.0)
    engine: EngineKind = 'torch' if kernel_obstacle(config) else 'kernel'
    try:
        network = train(dataset, config, seed, windows=fold.train, cancelled=cancelled, engine=engine).network
    except SurfaceError as error:
        if DIVERGENCE not in str(error):
            raise
        # What cannot be trained informs the search as much as a guess.
        return 1 / len(dataset.classes), str(error)
    predicted = predict_logits(network, resident(dataset, fold.test)).argmax(dim=1).numpy()
    return scores(np.asarray(dataset.labels)[fold.test], predicted)['balanced_accuracy'], ''


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    messages: Connection


def _run_workers(
    study: optuna.Study,
    job: _Job,
    count: int,
    report: Callable[[SweepProgress], object],
    message: Callable[[str], object],
) -> int:
    """Run workers in processes of their own, and report the progress of the study.

    Returns:
        How many of them were lost; the others did their work.

    Raises:
        SurfaceError: A worker met an error, or all were lost.
    """
    # Fresh processes: a fork of a process in which torch has run threads may hang. A pipe for each, for a lock they
    # shared would be lost with a worker that is killed while it holds it.
    context = multiprocessing.get_context('spawn')
    workers = []
    for _ in range(count):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_run_worker, args=(job, theirs))
        process.start()
        theirs.close()
        workers.append(_Worker(process, ours))
    last = _progress(study)
    running = list(workers)

    def is_ours(trial: FrozenTrial) -> bool:
        return trial.user_attrs.get(_WORKER) in {_worker_name(worker.process.pid or 0) for worker in running}

    try:
        while running:
            ready = wait([worker.messages for worker in running], POLL_S)
            for worker in [worker for worker in running if worker.messages in ready]:
                try:
                    kind, text = worker.messages.recv()
                except EOFError:
                    running.remove(worker)
                    _take_over(study, functools.partial(_ran_in, worker.process.pid or 0))
                    continue
                if kind == 'error':
                    running.remove(worker)  # it is on its way out
                    raise SurfaceError(text)
                message(text)
            now = _progress(study, job.trials, is_ours)
            if now != last:
                last = now
                report(now)
    except BaseException:
        for worker in running:
            worker.process.terminate()
        raise
    finally:
        for worker in workers:
            worker.process.join(STOP_S)
            worker.process.kill()  # if it does not listen; its trial is taken up again
            worker.process.join()
    exit_codes = [worker.process.exitcode for worker in workers]
    lost = sum(code != 0 for code in exit_codes)
    if lost == count:
        raise SurfaceError(
            f'every worker was lost (exit status {exit_codes[0]}) before study {job.study!r} had {job.trials} trials; '
            f'is there memory enough for --workers {count}? run the command again to go on'
        )
    return lost


def _run_worker(job: _Job, messages: Connection) -> None:
    """Be a worker process: say what goes wrong, and stop when the parent says so or is gone."""
    # A flag, as an exception that a signal raises somewhere in compiled code may be swallowed there.
    told_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle, which then terminates
    parent = multiprocessing.parent_process()
    assert parent is not None

    def cancelled() -> bool:
        return told_to_stop.is_set() or not parent.is_alive()

    try:
        with _quiet_optuna(lambda text: messages.send(('message', text))):
            dataset = Dataset.load(job.dataset)
            data = divide(dataset, job.settings)
            study = _open_study(job, dataset, data)
            _work(study, job, dataset, data, lambda _: None, cancelled)
    except SurfaceError as error:
        messages.send(('error', str(error)))
    except TrainingCancelledError:
        sys.exit(1)


def _check_shared(storage: str, hosts: set[str]) -> None:
    """Refuse a database that the nodes of a cluster cannot share.

    Raises:
        SurfaceError: It is a file, and the cluster has several machines.
    """
    if len(hosts) > 1 and storage.startswith('sqlite'):
        raise SurfaceError(
            f'--storage {shown_address(storage)}: the {len(hosts)} machines of the cluster cannot share an SQLite '
            'file; give a database server, such as --storage postgresql://USER:PASSWORD@HOST/DATABASE'
        )


def _run_on_cluster(
    study: optuna.Study,
    job: _Job,
    executor: RayExecutor,
    count: int,
    report: Callable[[SweepProgress], object],
    message: Callable[[str], object],
) -> int:
    """Run workers as tasks of a cluster, and report the progress of the study.

    Returns:
        0: a lost worker starts again.

    Raises:
        SurfaceError: A worker met an error, or was lost again and again.
    """
    done = threading.Event()

    def is_lost(trial: FrozenTrial) -> bool:
        return bool(trial.user_attrs.get(_NODE)) and trial.user_attrs[_NODE] not in executor.node_ids()

    def watch() -> None:
        last = None
        while not done.wait(POLL_S):
            _take_over(study, is_lost)
            now = _progress(study, job.trials, lambda trial: bool(trial.user_attrs.get(_NODE)))
            if now != last:
                last = now
                report(now)

    watcher = threading.Thread(target=watch, name='sweep progress')
    watcher.start()
    try:
        with closing(executor.map_completed(_work_on_node, [job] * count)) as results:
            for _, messages in results:
                for text in messages:
                    message(text)
    finally:
        done.set()
        watcher.join()
    report(_progress(study))
    return 0


def _work_on_node(job: _Job) -> list[str]:
    """Be a worker on a node of a cluster; return what Optuna reported as errors."""
    messages: list[str] = []
    with _quiet_optuna(messages.append):
        dataset = Dataset.load(job.dataset)
        data = divide(dataset, job.settings)
        study = _open_study(job, dataset, data)
        _work(study, replace(job, node=current_node_id()), dataset, data, lambda _: None, lambda: False)
    return messages


class _Messages(logging.Handler):
    """Hands on what is said, as text."""

    def __init__(self, receive: Callable[[str], object]) -> None:
        super().__init__()
        self._receive = receive

    def emit(self, record: logging.LogRecord) -> None:
        self._receive(f'optuna: {record.getMessage()}')


@contextmanager
def _quiet_optuna(receive: Callable[[str], object]) -> Iterator[None]:
    """Hand Optuna's errors to the caller; that a trial ended, or was ended, the caller knows."""
    logger = logging.getLogger('optuna')
    handler = _Messages(receive)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.disable_default_handler()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            # That an interface is new is for us to know; the versions are pinned.
            warnings.simplefilter('ignore', optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        logger.removeHandler(handler)
        optuna.logging.set_verbosity(verbosity)
        optuna.logging.enable_default_handler()


def _result(
    study: optuna.Study,
    job: _Job,
    dataset: Dataset,
    data: SweepData,
    workers: int,
    lost: int,
    report: Callable[[SweepProgress], object],
    begin: float,
) -> SweepResult:
    """Find the best trial, say what mattered, and score the best recipe beside the one the sweep began with."""
    settings = job.settings
    # Without a worker's name, a trial was taken back before it began.
    trials = [trial for trial in study.get_trials(deepcopy=False) if _WORKER in trial.user_attrs]
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise SurfaceError(
            f'study {job.study!r} has no complete trial yet; run the command again to go on, with more time if '
            '--timeout-s was given'
        )
    if all(_DIVERGED in trial.user_attrs for trial in complete):
        raise SurfaceError(
            f'training diverged in every trial of study {job.study!r}: {complete[0].user_attrs[_DIVERGED]}'
        )
    best = max(complete, key=lambda trial: (trial.value or 0.0, -trial.number))
    config = _config(settings, data, best.params)
    estimates = {trial.number: _estimate(trial, complete) for trial in trials if trial.state in _COUNTED}
    notes = [*data.notes]
    if lost:
        notes.append(f'{lost} of {workers} workers were lost; the others ran their trials')
    if sum(trial.state in _COUNTED for trial in trials) < job.trials:
        notes.append(f'the study has fewer than the {job.trials} trials asked for; run the command again to go on')
    holdout = None
    if settings.holdout > 0:
        report(replace(_progress(study), scoring=True))
        holdout = _score_holdout(study, best, config, settings, dataset, data)
    unit = 'whole recordings' if dataset.has_recordings else 'one by one'
    kept_out = f'{len(data.held_out)} of {len(dataset)} windows, {unit},' if len(data.held_out) else 'nothing'
    shared = settings.config.epochs if settings.budget == 'epochs' else None
    steps = settings.config.epochs * _steps_per_epoch(settings.config, data.windows)
    return SweepResult(
        study=job.study,
        storage=shown_address(job.storage),
        protocol=f'mean balanced accuracy; {data.folds.protocol}; {kept_out} kept out of the search',
        budget=(
            f'{shared} epochs at most in every trial: a smaller batch makes more steps of them, which favours it'
            if shared
            else f'{steps} steps at most in every trial: a larger batch sees more windows in them, which favours it'
        ),
        trials=[_trial_row(trial, settings, data, estimates) for trial in trials],
        importances=_importances(trials, estimates, settings.space),
        best={'number': best.number, 'value': best.value, 'params': _shown_params(best, settings, data)},
        config=config,
        holdout=holdout,
        space=settings.space.to_json(),
        notes=notes,
        seconds=time.perf_counter() - begin,
    )


def _trial_row(
    trial: FrozenTrial, settings: SweepSettings, data: SweepData, estimates: Mapping[int, float]
) -> dict[str, Any]:
    return {
        'number': trial.number,
        'value': trial.value if trial.state == TrialState.COMPLETE else None,
        'estimate': estimates.get(trial.number),
        'folds': trial.user_attrs.get('folds', []),
        'params': _shown_params(trial, settings, data),
        'state': trial.state.name,
        'seconds': trial.duration.total_seconds() if trial.duration is not None else None,
    }


def _shown_params(trial: FrozenTrial, settings: SweepSettings, data: SweepData) -> dict[str, Any]:
    """Values of the recipe's keys; empty for a trial that was lost while it drew them."""
    if trial.params.keys() != trial.distributions.keys() or len(trial.params) < len(settings.space.dimensions):
        return {}
    values = settings.space.values(trial.params, settings.config, data.windows)
    return {key: data.windows if key == 'batch_size' and value == FULL else value for key, value in values.items()}


def _estimate(trial: FrozenTrial, complete: Sequence[FrozenTrial]) -> float:
    """Score of a trial over all folds, [1]; of a pruned one what its folds let expect.

    Folds differ in difficulty, so the mean over the first few does not compare with a mean over all: what complete
    trials have on all folds over what they have on the same first few is added.
    """
    found = trial.user_attrs['folds']
    table = np.array([other.user_attrs['folds'] for other in complete])
    return float(np.mean(found) + table.mean() - table[:, : len(found)].mean())


def _importances(trials: Sequence[FrozenTrial], estimates: Mapping[int, float], space: Space) -> dict[str, float]:
    """Share of each key in what separates good trials from the rest, by PED-ANOVA; empty where all trials are alike.

    Watanabe et al., PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces, IJCAI 2023.
    Pruned trials count, with their estimates: among those that were left to end, what got the others pruned would look
    unimportant.
    """
    counted = [trial for trial in trials if trial.number in estimates]
    if len(counted) < 2 or len(set(estimates.values())) == 1:
        return {}
    study = optuna.create_study(direction='maximize')
    for trial in counted:
        study.add_trial(
            create_trial(params=trial.params, distributions=trial.distributions, value=estimates[trial.number])
        )
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)  # that few trials make a rough estimate
        found = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator(target_quantile=GOOD_SHARE)
        )
    return {key: float(found[parameter_name(key, dimension)]) for key, dimension in space.dimensions.items()}


def _score_holdout(
    study: optuna.Study,
    best: FrozenTrial,
    config: TrainingConfig,
    settings: SweepSettings,
    dataset: Dataset,
    data: SweepData,
) -> dict[str, Any]:
    """Balanced accuracy of the best recipe, of the first one and of trees, in the search and on unseen recordings.

    The study keeps them, so that a run which finds its trials done need not train again.
    """
    kept = study.user_attrs.get('holdout')
    if kept is not None and kept['number'] == best.number:
        return {key: value for key, value in kept.items() if key != 'number'}
    recordings = np.unique(np.asarray(dataset.recording)[data.held_out]) if dataset.has_recordings else ()
    names = tuple(dataset.recording_names[k] for k in recordings)
    unseen = Fold(0, data.searched, data.held_out, names)

    def score(recipe: TrainingConfig, folds: Iterable[Fold], seeds: Iterable[int]) -> list[float]:
        return [_score_fold(dataset, fold, recipe, seed, lambda: False)[0] for fold in folds for seed in seeds]

    found = {
        'recordings': list(names),
        'windows': len(data.held_out),
        'seeds': list(HOLDOUT_SEEDS),
        'best': {'search': best.value, 'held_out': score(config, [unseen], HOLDOUT_SEEDS)},
        'recipe': {
            'search': float(np.mean(score(settings.config, data.folds, [settings.seed]))),
            'held_out': score(settings.config, [unseen], HOLDOUT_SEEDS),
        },
        'trees': {
            'search': float(np.mean([_score_trees(dataset, fold, settings.seed) for fold in data.folds])),
            'held_out': [_score_trees(dataset, unseen, settings.seed)],
        },
    }
    study.set_user_attr('holdout', {'number': best.number, **found})
    return found


def _score_trees(dataset: Dataset, fold: Fold, seed: int) -> float:
    labels = np.asarray(dataset.labels)
    predict = fit_trees(dataset.inputs(fold.train), labels[fold.train], seed)
    return scores(labels[fold.test], predict(dataset.inputs(fold.test)))['balanced_accuracy']
