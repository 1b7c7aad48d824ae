# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation: the LSTM beside simple baselines on the same folds of recordings, or a finished model on unseen data.

What comes out is kept as predictions by recording; scores are computed from them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.executor import Executor
from surface_classifier.data.splits import Folds
from surface_classifier.evaluation.baselines import Parts, fit_baseline, label_classifier
from surface_classifier.evaluation.evaluation_result import (
    CLASSIFIERS,
    SEQUENCED,
    EvaluationResult,
    FoldPredictions,
)
from surface_classifier.evaluation.fold_cache import FoldCache
from surface_classifier.evaluation.fold_runs import EvaluationProgress, fold_tasks, run_tasks
from surface_classifier.evaluation.motion_scores import WindowMotion
from surface_classifier.evaluation.streams import label_streams, score_labelled_streams
from surface_classifier.model.contract import check_compatible
from surface_classifier.model.engine import DeviceName, EngineName, InferenceEngine, load_engine
from surface_classifier.training.confidence.predictions import Classifier, logits_of_probabilities
from surface_classifier.training.cross_fit import predict
from surface_classifier.training.training_config import TrainingConfig, recipe_advice

__all__ = ['EvaluationProgress', 'EvaluationResult', 'evaluate_folds', 'evaluate_model']

Ids = NDArray[np.int64]
PREDICTION_BATCH = 256


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
        executor: What trains and tests instead of threads and processes of this machine; it reports no epochs, and must
            find the data set under the same path. It trains with torch, whose weights differ from the kernel's in the
            last digits.

    Raises:
        SurfaceError: Training failed, as on infinite values, or windows without known recordings are tested more than
            once.
    """
    tested = np.concatenate([fold.test for fold in folds])
    if not dataset.has_recordings and len(np.unique(tested)) < len(tested):
        raise SurfaceError(
            f'{dataset.path}: no recordings are known, so the scores of several divisions cannot be taken together by '
            'recording; give one --repetition'
        )
    begin = time.perf_counter()
    tasks, notes = fold_tasks(dataset, folds, config, seeds, streams)
    outcomes = run_tasks(
        dataset,
        tasks,
        jobs=jobs or os.cpu_count() or 1,
        report=on_progress or (lambda _: None),
        cache=cache or FoldCache(None),
        executor=executor,
    )
    predictions: dict[str, list[FoldPredictions]] = {name: [] for name in CLASSIFIERS}
    epochs: list[dict[str, Any]] = []
    for task, outcome in zip(tasks, outcomes, strict=True):
        for name, run in outcome.runs.items():
            predictions[name].append(run)
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
        streams=_stream_scores(predictions),
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
    predictions: dict[str, list[FoldPredictions] | None] = dict.fromkeys(CLASSIFIERS)

    def run(classify: Classifier, temperature: float | None) -> list[FoldPredictions]:
        found = predict(dataset, everything, classify)
        return [FoldPredictions(0, contract.seed, replace(found, labels=truth), temperature)]

    predictions['lstm'] = run(_engine_classifier(loaded, on_progress), 1.0)
    notes = _seen_in_training(dataset, contract.training_data)
    protocol = f'trained model {model}, tested on every window of {dataset.path}'
    if baseline_data is not None:
        check_compatible(contract, baseline_data.config, f'data set {baseline_data.path}')
        labels = _renumbered(baseline_data, contract.classes, f'model {model}')
        for name in CLASSIFIERS[1:]:
            label = fit_baseline(name, baseline_data.inputs(), labels, contract.seed)
            predictions[name] = run(label_classifier(label, len(contract.classes)), None)
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


def _stream_scores(predictions: Mapping[str, Sequence[FoldPredictions]]) -> dict[str, dict[str, Any]]:
    """Score the labels that each classifier's filter gives on streams, if there are streams."""
    found = {}
    for name in SEQUENCED:
        labelled = [
            stream
            for run in predictions[name]
            if run.belief is not None and run.temperature is not None
            for stream in label_streams(run.predictions.streams, run.temperature, run.belief)
        ]
        if labelled:
            found[name] = score_labelled_streams(labelled)
    return found


def _engine_classifier(engine: InferenceEngine, on_progress: Callable[[int], object] | None) -> Classifier:
    """Return an engine as a classifier; its probabilities are calibrated already."""

    def classify(parts: Parts) -> NDArray[np.float64]:
        predicted = []
        for start in range(0, len(parts[0]), PREDICTION_BATCH):
            predicted.append(engine.predict([part[start : start + PREDICTION_BATCH] for part in parts]))
            if on_progress is not None:
                on_progress(len(predicted[-1]))
        return logits_of_probabilities(np.concatenate(predicted))

    return classify


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
    """Say what of the data the model was trained on, as far as digest and names show."""
    if dataset.digest == training_data['digest']:
        return ['the model was trained on this very data set: these scores say how well it remembers']
    known = {*training_data['recordings'], *training_data['held_out_recordings']}
    shared = sorted(known & {dataset.recording_names[k] for k in np.unique(dataset.recording)})
    if dataset.has_recordings and shared:
        return [f'{len(shared)} recordings have the names of recordings the model was trained on, such as {shared[0]}']
    return []
