# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation: the LSTM beside simple baselines on the same folds of recordings, or a finished model on unseen data.

Where the compiled kernel can train them, the networks of all folds and seeds train together, each on its own thread.
Else, and for the baselines, every fold and seed is a task with a process and one thread of its own. The result does not
depend on how many run at once. What comes out is kept as predictions by recording; scores are computed from them.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import multiprocessing.synchronize
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.executor import Executor
from surface_classifier.data.joined_streams import Stream
from surface_classifier.data.splits import Folds
from surface_classifier.evaluation.baselines import (
    Parts,
    Predictor,
    fit_majority,
    fit_nearest_mean,
    fit_tree_shares,
    fit_trees,
)
from surface_classifier.evaluation.comparison import by_group, compare, wholly_wrong
from surface_classifier.evaluation.fold_cache import FoldCache
from surface_classifier.evaluation.motion_scores import WindowMotion
from surface_classifier.evaluation.streams import StreamLabels, label_streams, score_labelled_streams
from surface_classifier.model.belief import BeliefSettings
from surface_classifier.model.contract import check_compatible
from surface_classifier.model.engine import DeviceName, EngineName, InferenceEngine, load_engine, softmax
from surface_classifier.training.confidence.calibration import reliability
from surface_classifier.training.confidence.fit_confidence import (
    answer_stream,
    class_prior,
    first_belief,
    fit_confidence,
    held_out_streams,
    tune_belief,
)
from surface_classifier.training.hold_out import hold_out, recipe_that_fits
from surface_classifier.training.loop import EpochResult, TrainingResult, train
from surface_classifier.training.metrics import confusion, per_class_scores, scores
from surface_classifier.training.prepared_windows import predict_logits, resident
from surface_classifier.training.together import TrainingRun, kernel_obstacle, train_together
from surface_classifier.training.training_config import TrainingConfig, recipe_advice

Ids = NDArray[np.int64]
CLASSIFIERS = ('lstm', 'trees', 'nearest_mean', 'majority')
# Those that give probabilities, whose labels can be filtered.
SEQUENCED = ('lstm', 'trees')
PREDICTION_BATCH = 256


@dataclass(frozen=True)
class Predictions:
    """What one classifier said about one test set.

    Attributes:
        fold: Number of the fold.
        seed: Seed of the training run.
        windows: Indices of the tested windows in the data set.
        predicted: Class ids, one for each window.
        probabilities: What it said of each class, calibrated, (windows, classes); None if it says none.
    """

    fold: int
    seed: int
    windows: Ids
    predicted: Ids
    probabilities: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class EvaluationResult:
    """All predictions of an evaluation and what is needed to read them.

    Attributes:
        classes: Class names; predictions and truth are indices into it.
        truth: True class of every window of the data set.
        recording_names: Name of the recording of every window, or of the fold where no recordings are known.
        recordings: Number of recordings tested; 0 where none are known.
        protocol: How training and test were divided, in words.
        seconds: How long it took [s].
        predictions: By classifier: `lstm`, `trees`, `nearest_mean`, `majority`; None where there was nothing to fit on.
        epochs: Learning curves of the LSTM: fold, seed and the fields of `EpochResult`.
        notes: What a reader of the scores should know.
        provenance: Digest of the data set, recipe, and what else the numbers hang on.
        streams: By classifier, scores of its filtered labels on joined streams; empty if that was not asked for.
        motion: How the robot moved in each window; None where nobody knows.
    """

    classes: tuple[str, ...]
    truth: Ids
    recording_names: Sequence[str]
    recordings: int
    protocol: str
    seconds: float
    predictions: Mapping[str, Sequence[Predictions] | None]
    epochs: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    streams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    motion: WindowMotion | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON types.

        `lstm`, `trees`, `nearest_mean` and `majority` hold `accuracy`, `balanced_accuracy` and `macro_f1` (means over
        `per_fold`, whose entries carry `fold` and `seed`), `per_class` and `confusion` (over all tested windows), and
        `predictions`: for each recording its `fold` and, window by window in time order and seed after seed, `truth`
        and `predicted` as indices into `classes`, with the `seed` of each. Where a classifier gives probabilities,
        `reliability` compares its confidence with its accuracy.

        `comparison` holds the accuracy of each over all windows and the LSTM's lead, with intervals from a paired
        bootstrap over recordings, a `sentence`, the recordings that are `wholly_wrong` and, where the motion is known,
        accuracy `by_motion` and `by_speed`.
        """
        models = {name: self._model(found) if found else None for name, found in self.predictions.items()}
        if models.get('lstm') is not None:
            models['lstm'] = {**models['lstm'], 'epochs': [dict(epoch) for epoch in self.epochs]}  # type: ignore[dict-item]
        return {
            **models,
            'comparison': self._comparison(),
            'streams': {name: dict(found) for name, found in self.streams.items()},
            'windows': len(self.truth),
            'recordings': self.recordings,
            'classes': list(self.classes),
            'protocol': self.protocol,
            'notes': list(self.notes),
            'provenance': dict(self.provenance),
            'seconds': self.seconds,
        }

    def _comparison(self) -> dict[str, Any]:
        right: dict[str, NDArray[np.float64]] = {}
        for name, runs in self.predictions.items():
            if runs:
                total, times = np.zeros(len(self.truth)), np.zeros(len(self.truth))
                for run in runs:
                    total[run.windows] += run.predicted == self.truth[run.windows]
                    times[run.windows] += 1
                right[name] = np.divide(total, times, out=np.full(len(total), np.nan), where=times > 0)
        tested = np.all([~np.isnan(values) for values in right.values()], axis=0)
        right = {name: values[tested] for name, values in right.items()}
        recording = [name for name, known in zip(self.recording_names, tested, strict=True) if known]
        found = compare(right, recording)
        found['wholly_wrong'] = {name: wholly_wrong(right[name], recording) for name in right if name in SEQUENCED}
        if self.motion is not None:
            for key, groups in (('by_motion', self.motion.motion), ('by_speed', self.motion.speed_bin)):
                found[key] = by_group(right, [name for name, known in zip(groups, tested, strict=True) if known])
        return found

    def _model(self, runs: Sequence[Predictions]) -> dict[str, Any]:
        per_fold = [
            {
                'fold': run.fold,
                'seed': run.seed,
                'windows': len(run.windows),
                **scores(self.truth[run.windows], run.predicted),
            }
            for run in runs
        ]
        truth = np.concatenate([self.truth[run.windows] for run in runs])
        predicted = np.concatenate([run.predicted for run in runs])
        by_recording: dict[str, dict[str, Any]] = {}
        for run in runs:
            for window, label in zip(run.windows.tolist(), run.predicted.tolist(), strict=True):
                entry = by_recording.setdefault(
                    self.recording_names[window], {'fold': run.fold, 'seed': [], 'truth': [], 'predicted': []}
                )
                entry['seed'].append(run.seed)
                entry['truth'].append(int(self.truth[window]))
                entry['predicted'].append(label)
        calibrated = [run.probabilities for run in runs if run.probabilities is not None]
        known = {'reliability': reliability(np.concatenate(calibrated), truth).to_dict()} if calibrated else {}
        return {
            **known,
            **{
                name: float(np.mean([fold[name] for fold in per_fold]))
                for name in ('accuracy', 'balanced_accuracy', 'macro_f1')
            },
            'per_fold': per_fold,
            'per_class': per_class_scores(truth, predicted, self.classes),
            'confusion': confusion(truth, predicted, len(self.classes)),
            'predictions': by_recording,
        }


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
class _Task:
    dataset: Path
    fold: int
    train: Ids
    test: Ids
    config: TrainingConfig
    seed: int
    classifiers: tuple[str, ...]
    streams: bool


def evaluate_folds(
    dataset: Dataset,
    folds: Folds,
    config: TrainingConfig,
    seeds: Sequence[int] = (0,),
    *,
    jobs: int | None = None,
    on_progress: Callable[[EvaluationProgress], None] | None = None,
    streams: bool = False,
    motion: WindowMotion | None = None,
    cache: FoldCache | None = None,
    executor: Executor | None = None,
) -> EvaluationResult:
    """Train and test the LSTM and the baselines on every fold.

    Args:
        dataset: Windows and labels.
        folds: The division into training and test.
        config: The LSTM's recipe.
        seeds: One run of the LSTM and the trees for each fold and seed; the other baselines have no chance in them.
        jobs: Threads and processes; None: as many as there are cores.
        on_progress: Called after every epoch and every task.
        streams: Also join the tested recordings of each fold into streams, and score the labels that the belief filter
            gives there, of LSTM and trees.
        motion: How the robot moved in each window, to score motions and speeds apart.
        cache: Where results of folds are kept and found again.
        executor: What trains and tests instead of threads and processes of this machine; it tells no epochs, and must
            find the data set under the same path. It trains with torch, whose weights differ from the kernel's in the
            last digits.

    Raises:
        SurfaceError: Training failed, as on infinite values.
    """
    begin = time.perf_counter()
    tasks, notes = _tasks(dataset, folds, config, seeds, streams)
    report = on_progress or (lambda _: None)

    def run(left: Sequence[_Task], keep: _Keep) -> list[_Outcome]:
        if executor is not None:
            return _run_elsewhere(left, executor, report, keep)
        return _run_here(dataset, left, jobs or os.cpu_count() or 1, report, keep)

    outcomes = _run_or_read(dataset, tasks, run, report, cache or FoldCache(None))
    predictions: dict[str, list[Predictions]] = {name: [] for name in CLASSIFIERS}
    epochs: list[dict[str, Any]] = []
    joined: dict[str, list[StreamLabels]] = {name: [] for name in SEQUENCED}
    for task, outcome in zip(tasks, outcomes, strict=True):
        for name, predicted in outcome.predicted.items():
            given = outcome.probabilities.get(name)
            predictions[name].append(Predictions(task.fold, task.seed, task.test, predicted, given))
        for name, labelled in outcome.streams.items():
            joined[name] += labelled
        epochs += [{'fold': task.fold, 'seed': task.seed, **epoch} for epoch in outcome.epochs]
    fold_of_window = np.zeros(len(dataset), dtype=np.int64)
    for fold in folds:
        fold_of_window[fold.test] = fold.index
    advice = recipe_advice(config, len(dataset), _count_recordings(dataset))
    balance = {'none': 'as they come', 'weights': 'class-weighted', 'sampling': 'class-balanced'}[config.class_balance]
    return EvaluationResult(
        classes=dataset.classes,
        truth=np.asarray(dataset.labels),
        recording_names=_recording_names(dataset, fold_of_window),
        recordings=_count_recordings(dataset),
        protocol=(
            f'{folds.protocol}; test windows in their natural mix, training windows {balance}; '
            f'seed{"s" if len(seeds) > 1 else ""} {", ".join(map(str, seeds))}'
        ),
        seconds=time.perf_counter() - begin,
        predictions=predictions,
        epochs=epochs,
        notes=[*folds.warnings, *notes, *([advice] if advice else [])],
        provenance={'dataset_digest': dataset.digest, 'training': config.to_dict()},
        streams={name: score_labelled_streams(labelled) for name, labelled in joined.items() if labelled},
        motion=motion,
    )


def evaluate_model(
    dataset: Dataset,
    model: Path | str,
    baseline_data: Dataset | None = None,
    *,
    engine: EngineName = 'auto',
    device: DeviceName = 'auto',
    on_progress: Callable[[int], object] | None = None,
) -> EvaluationResult:
    """Test a finished model on data it has not seen.

    Args:
        dataset: Windows and labels to test on.
        model: Folder of the model.
        baseline_data: Windows to fit the baselines on, such as those the model was trained on; None: no baselines.
        engine: As in `load_engine`.
        device: As in `load_engine`.
        on_progress: Called with the number of windows classified since the last call.

    Raises:
        SurfaceError: The model takes other windows, or the data holds a class the model does not know.
    """
    begin = time.perf_counter()
    loaded = load_engine(model, engine, device)
    contract = loaded.contract
    check_compatible(contract, dataset.config, f'data set {dataset.path}')
    truth = _renumbered(dataset, contract.classes, f'model {model}')
    everything = np.arange(len(dataset))
    predictions: dict[str, list[Predictions] | None] = dict.fromkeys(CLASSIFIERS)
    given = _predict_with_engine(loaded, dataset, on_progress)
    predictions['lstm'] = [Predictions(0, contract.seed, everything, given.argmax(axis=1), given)]
    notes = _seen_in_training(dataset, contract.training_data)
    protocol = f'trained model {model}, tested on every window of {dataset.path}'
    if baseline_data is not None:
        check_compatible(contract, baseline_data.config, f'data set {baseline_data.path}')
        labels = _renumbered(baseline_data, contract.classes, f'model {model}')
        for name in CLASSIFIERS[1:]:
            predictor = _fit_baseline(name, baseline_data.inputs(), labels, contract.seed)
            predictions[name] = [Predictions(0, contract.seed, everything, predictor(dataset.inputs()))]
        protocol += f'; baselines fitted on {baseline_data.path}'
        if baseline_data.digest == dataset.digest:
            notes.append('the baselines were fitted on the very windows they are tested on')
    return EvaluationResult(
        classes=contract.classes,
        truth=truth,
        recording_names=_recording_names(dataset, np.zeros(len(dataset), dtype=np.int64)),
        recordings=_count_recordings(dataset),
        protocol=protocol,
        seconds=time.perf_counter() - begin,
        predictions=predictions,
        notes=notes,
        provenance={
            'dataset_digest': dataset.digest,
            'model_digest': contract.weights_sha256,
            'engine': loaded.description,
            'baseline_data_digest': baseline_data.digest if baseline_data is not None else None,
        },
    )


def _tasks(
    dataset: Dataset, folds: Folds, config: TrainingConfig, seeds: Sequence[int], streams: bool
) -> tuple[list[_Task], list[str]]:
    """Return the tasks, the long ones first so that no process is left with one at the end, and what to note."""
    tasks: list[_Task] = []
    notes = []
    for seed in seeds:
        for fold in folds:
            recipe, why = recipe_that_fits(dataset, fold.train, config, seed)
            if why:
                notes.append(f'fold {fold.index}, seed {seed}: {why}')
            baselines = CLASSIFIERS[1:] if seed == seeds[0] else ('trees',)
            tasks += [
                _Task(dataset.path.resolve(), fold.index, fold.train, fold.test, recipe, seed, classifiers, streams)
                for classifiers in (('lstm',), baselines)
            ]
    return sorted(tasks, key=lambda task: task.classifiers != ('lstm',)), notes


@dataclass(frozen=True)
class _Outcome:
    """What one task gave, by classifier."""

    predicted: Mapping[str, Ids]
    probabilities: Mapping[str, NDArray[np.float64]]
    streams: Mapping[str, list[StreamLabels]]
    epochs: Sequence[Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {
            'predicted': {name: values.tolist() for name, values in self.predicted.items()},
            'probabilities': {name: values.tolist() for name, values in self.probabilities.items()},
            'streams': {name: [found.to_json() for found in labelled] for name, labelled in self.streams.items()},
            'epochs': [dict(epoch) for epoch in self.epochs],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> _Outcome:
        return cls(
            predicted={name: np.array(found, dtype=np.int64) for name, found in values['predicted'].items()},
            probabilities={name: np.array(found) for name, found in values['probabilities'].items()},
            streams={name: [StreamLabels.from_json(row) for row in rows] for name, rows in values['streams'].items()},
            epochs=values['epochs'],
        )


_Report = Callable[[EvaluationProgress], None]
_Keep = Callable[[int, _Outcome], None]


def _run_or_read(
    dataset: Dataset,
    tasks: Sequence[_Task],
    run: Callable[[Sequence[_Task], _Keep], list[_Outcome]],
    report: _Report,
    cache: FoldCache,
) -> list[_Outcome]:
    """Read what was kept of earlier runs, run the other tasks, keeping each as it is done; all in their order."""
    keys = [_cache_key(dataset, task) for task in tasks]
    found: dict[int, _Outcome] = {}
    for number, (task, key) in enumerate(zip(tasks, keys, strict=True)):
        kept = cache.load(key)
        if kept is not None:
            found[number] = _Outcome.from_json(kept)
            report(EvaluationProgress(task.fold, task.seed, task.classifiers, None))
    left = [number for number in range(len(tasks)) if number not in found]

    def keep(place: int, outcome: _Outcome) -> None:
        cache.save(keys[left[place]], outcome.to_json())

    outcomes = run([tasks[number] for number in left], keep) if left else []
    found.update(zip(left, outcomes, strict=True))
    return [found[number] for number in range(len(tasks))]


def _cache_key(dataset: Dataset, task: _Task) -> dict[str, Any]:
    return {
        'dataset': dataset.digest,
        'windows': hashlib.sha256(task.train.tobytes() + b'/' + task.test.tobytes()).hexdigest(),
        'training': task.config.to_dict(),
        'seed': task.seed,
        'classifiers': task.classifiers,
        'streams': task.streams,
    }


def _run_elsewhere(tasks: Sequence[_Task], executor: Executor, report: _Report, keep: _Keep) -> list[_Outcome]:
    """Have an executor run the tasks; return what each gave, in their order."""
    found: dict[int, _Outcome] = {}
    with closing(executor.map_completed(_run_quietly, tasks)) as results:
        for place, outcome in results:
            found[place] = outcome
            keep(place, outcome)
            report(EvaluationProgress(tasks[place].fold, tasks[place].seed, tasks[place].classifiers, None))
    return [found[place] for place in range(len(tasks))]


def _run_quietly(task: _Task) -> _Outcome:
    return _run_task(task, lambda _: None, lambda: False)


def _run_here(dataset: Dataset, tasks: Sequence[_Task], jobs: int, report: _Report, keep: _Keep) -> list[_Outcome]:
    """Run the tasks on this machine, those of networks first; return what each gave, in their order."""
    networks = [task for task in tasks if task.classifiers == ('lstm',)]
    if any(kernel_obstacle(task.config) for task in networks):
        return _run_tasks(tasks, jobs, report, keep)
    trained = _train_together(dataset, networks, jobs, report, keep)
    rest = _run_tasks(tasks[len(networks) :], jobs, report, lambda place, outcome: keep(len(networks) + place, outcome))
    return trained + rest


def _train_together(
    dataset: Dataset, tasks: Sequence[_Task], jobs: int, report: _Report, keep: _Keep
) -> list[_Outcome]:
    found: dict[int, _Outcome] = {}

    def on_epoch(number: int, epoch: EpochResult | None) -> None:
        report(EvaluationProgress(tasks[number].fold, tasks[number].seed, tasks[number].classifiers, epoch))

    def on_result(number: int, result: TrainingResult) -> None:
        found[number] = _network_outcome(dataset, tasks[number], result)
        keep(number, found[number])
        on_epoch(number, None)

    runs = [TrainingRun(dataset, task.config, task.seed, task.train) for task in tasks]
    train_together(runs, jobs=jobs, on_epoch=on_epoch, on_result=on_result)
    return [found[number] for number in range(len(tasks))]


def _run_task(task: _Task, report: _Report, cancelled: Callable[[], bool]) -> _Outcome:
    """Train and test what the task says."""
    dataset = Dataset.load(task.dataset)
    if task.classifiers == ('lstm',):
        result = train(
            dataset,
            task.config,
            task.seed,
            windows=task.train,
            on_epoch=lambda epoch: report(EvaluationProgress(task.fold, task.seed, task.classifiers, epoch)),
            cancelled=cancelled,
        )
        outcome = _network_outcome(dataset, task, result)
    else:
        outcome = _baseline_outcome(dataset, task)
    report(EvaluationProgress(task.fold, task.seed, task.classifiers, None))
    return outcome


def _network_outcome(dataset: Dataset, task: _Task, result: TrainingResult) -> _Outcome:
    confidence = fit_confidence(dataset, result, task.seed, novelty=False)
    logits = predict_logits(result.network, resident(dataset, task.test)).double().numpy()
    streams = []
    if task.streams and confidence.belief is not None:
        streams = label_streams(
            dataset,
            task.test,
            lambda stream: answer_stream(result, stream, confidence.temperature),
            confidence.belief,
        )
    return _Outcome(
        predicted={'lstm': logits.argmax(axis=1)},
        probabilities={'lstm': softmax(logits / confidence.temperature)},
        streams={'lstm': streams},
        epochs=[asdict(epoch) for epoch in result.epochs],
    )


def _baseline_outcome(dataset: Dataset, task: _Task) -> _Outcome:
    labels = np.asarray(dataset.labels)[task.train]
    training, tested = dataset.inputs(task.train), dataset.inputs(task.test)
    predicted: dict[str, Ids] = {}
    probabilities: dict[str, NDArray[np.float64]] = {}
    streams: dict[str, list[StreamLabels]] = {}
    for name in task.classifiers:
        if name == 'trees':
            shares = fit_tree_shares(training, labels, len(dataset.classes), task.seed)
            probabilities[name] = shares(tested)
            predicted[name] = probabilities[name].argmax(axis=1)
            if task.streams and dataset.has_recordings:
                belief = _belief_of_trees(dataset, task)
                streams[name] = label_streams(dataset, task.test, _answers_of(shares), belief)
        else:
            predicted[name] = _fit_baseline(name, training, labels, task.seed)(tested)
    return _Outcome(predicted, probabilities, streams, ())


def _answers_of(shares: Callable[[Parts], NDArray[np.float64]]) -> Callable[[Stream], NDArray[np.float64]]:
    return lambda stream: shares(stream.parts)


def _belief_of_trees(dataset: Dataset, task: _Task) -> BeliefSettings:
    """Return the filter of the trees, chosen as that of the network is: on the recordings held out from training."""
    prior = class_prior(np.asarray(dataset.labels)[task.train], len(dataset.classes), 'weights')
    belief = first_belief(dataset, task.train, prior)
    if task.config.validation_fraction == 0:
        return belief
    kept, held_out = hold_out(
        dataset, task.train, task.config.validation_fraction, task.seed, task.config.validation_split
    )
    shares = fit_tree_shares(dataset.inputs(kept), np.asarray(dataset.labels)[kept], len(dataset.classes), task.seed)
    streams = held_out_streams(dataset, held_out)
    return tune_belief(belief, streams, [shares(stream.parts) for stream in streams])


def _run_tasks(tasks: Sequence[_Task], jobs: int, report: _Report, keep: _Keep) -> list[_Outcome]:
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


def _run_task_in_worker(task: _Task) -> _Outcome:
    return _run_task(task, _worker['report'], _worker['cancelled'])


def _fit_baseline(name: str, parts: Parts, labels: Ids, seed: int) -> Predictor:
    if name == 'trees':
        return fit_trees(parts, labels, seed)
    return {'nearest_mean': fit_nearest_mean, 'majority': fit_majority}[name](parts, labels)


def _predict_with_engine(
    engine: InferenceEngine, dataset: Dataset, on_progress: Callable[[int], object] | None
) -> NDArray[np.float64]:
    predicted = []
    for start in range(0, len(dataset), PREDICTION_BATCH):
        batch = slice(start, start + PREDICTION_BATCH)
        predicted.append(engine.predict(dataset.inputs(batch)))
        if on_progress is not None:
            on_progress(len(predicted[-1]))
    return np.concatenate(predicted)


def _renumbered(dataset: Dataset, classes: tuple[str, ...], source: str) -> Ids:
    """Return the labels of a data set as indices into the classes of a model.

    Raises:
        SurfaceError: The data set has windows of a class that is not among them.
    """
    used = [dataset.classes[k] for k in np.unique(dataset.labels)]
    unknown = [name for name in used if name not in classes]
    if unknown:
        raise SurfaceError(
            f'data set {dataset.path} holds {", ".join(unknown)}, but {source} knows {", ".join(classes)} only; '
            'build the data set without it, or train a model with it'
        )
    table = np.array([classes.index(name) if name in classes else -1 for name in dataset.classes], dtype=np.int64)
    renumbered: Ids = table[np.asarray(dataset.labels)]
    return renumbered


def _recording_names(dataset: Dataset, fold_of_window: Ids) -> list[str]:
    if not dataset.has_recordings:
        return [f'fold {fold}' for fold in fold_of_window]
    names = dataset.recording_names
    return [names[k] for k in dataset.recording]


def _count_recordings(dataset: Dataset) -> int:
    return len(np.unique(dataset.recording)) if dataset.has_recordings else 0


def _seen_in_training(dataset: Dataset, training_data: Mapping[str, Any]) -> list[str]:
    """Say what of the data the model was trained on, as far as digest and names tell."""
    if dataset.digest == training_data['digest']:
        return ['the model was trained on this very data set: these scores say how well it remembers']
    known = {*training_data['recordings'], *training_data['held_out_recordings']}
    shared = sorted(known & {dataset.recording_names[k] for k in np.unique(dataset.recording)})
    if dataset.has_recordings and shared:
        return [f'{len(shared)} recordings have the names of recordings the model was trained on, such as {shared[0]}']
    return []
