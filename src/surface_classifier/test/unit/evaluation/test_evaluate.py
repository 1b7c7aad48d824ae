# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation: every score can be computed again from the predictions, and no recording is on both sides."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_samples import seal
from model_samples import CLASSES, MOTOR_CONFIG, learnable_dataset, quick_recipe, save_random_model
from sklearn.metrics import f1_score, recall_score

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.executor import make_executor
from surface_classifier.data.splits import join_folds, stratified_folds
from surface_classifier.evaluation import fold_runs
from surface_classifier.evaluation.evaluate import EvaluationProgress, evaluate_folds, evaluate_model
from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.training import loop, parallel_training
from surface_classifier.training.loop import TrainingCancelledError
from surface_classifier.training.train_model import train_model

REQUIRES = ('torch',)

QUICK = quick_recipe(8, class_balance='weights')
MODELS = ('lstm', 'trees', 'nearest_mean', 'majority')


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp('sets') / 'set')


@pytest.fixture(scope='module')
def summary(dataset: Dataset) -> dict[str, Any]:
    result = evaluate_folds(dataset, stratified_folds(dataset, 2), QUICK, (0, 1), jobs=1)
    found: dict[str, Any] = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    return found


def test_the_result_says_what_was_evaluated(summary: dict[str, Any]) -> None:
    assert (summary['windows'], summary['recordings'], summary['classes']) == (240, 12, list(CLASSES))
    assert 'leave-recordings-out' in summary['protocol']
    assert 'seeds 0, 1' in summary['protocol']
    assert summary['seconds'] > 0


@pytest.mark.parametrize('name', MODELS)
def test_scores_follow_from_the_predictions(summary: dict[str, Any], dataset: Dataset, name: str) -> None:
    model = summary[name]
    assert model['predictions'].keys() == set(dataset.recording_names)
    runs: dict[tuple[int, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for recording, entry in model['predictions'].items():
        assert {CLASSES[label] for label in entry['truth']} == {recording.partition('/')[0]}
        for seed, truth, predicted in zip(entry['seed'], entry['truth'], entry['predicted'], strict=True):
            runs[entry['fold'], seed][0].append(truth)
            runs[entry['fold'], seed][1].append(predicted)
    assert len(runs) == len(model['per_fold']) == (4 if name in ('lstm', 'trees') else 2)
    for fold in model['per_fold']:
        truth, predicted = runs[fold['fold'], fold['seed']]
        assert fold['windows'] == len(truth)
        assert fold['accuracy'] == pytest.approx(np.mean(np.equal(truth, predicted)))
        assert fold['balanced_accuracy'] == pytest.approx(recall_score(truth, predicted, average='macro'))
        assert fold['macro_f1'] == pytest.approx(f1_score(truth, predicted, average='macro'))
    for score in ('accuracy', 'balanced_accuracy', 'macro_f1'):
        assert model[score] == pytest.approx(np.mean([fold[score] for fold in model['per_fold']]))
    assert np.sum(model['confusion']) == sum(len(truth) for truth, _ in runs.values())


def test_the_classifiers_are_distinguished(summary: dict[str, Any]) -> None:
    assert summary['lstm']['accuracy'] > 0.75
    assert summary['trees']['accuracy'] > 0.75
    assert summary['majority']['balanced_accuracy'] == pytest.approx(1 / 3)


def test_learning_curves_are_kept_for_every_run(summary: dict[str, Any]) -> None:
    curves = {(epoch['fold'], epoch['seed']) for epoch in summary['lstm']['epochs']}
    assert curves == {(0, 0), (1, 0), (0, 1), (1, 1)}
    assert {'loss', 'validation_loss', 'validation_accuracy'} <= summary['lstm']['epochs'][0].keys()


def test_training_never_sees_the_tested_recordings(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[set[int]] = []
    fit = loop.train

    def train(*args: Any, windows: np.ndarray, **settings: Any) -> Any:
        trained.append(set(dataset.recording[windows].tolist()))
        return fit(*args, windows=windows, **settings)

    for module in (fold_runs, parallel_training):
        monkeypatch.setattr(module, 'train', train)
    result = evaluate_folds(dataset, stratified_folds(dataset, 3), replace(QUICK, epochs=1), jobs=1)
    runs = result.predictions['lstm']
    assert runs is not None
    assert len(runs) == len(trained) == 3
    for run, seen in zip(runs, trained, strict=True):
        assert not seen & set(dataset.recording[run.predictions.windows].tolist())
        assert run.predictions.new_recording.all()


def test_without_the_kernel_runs_are_processes_and_score_the_same(
    summary: dict[str, Any], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold_runs, 'kernel_obstacle', lambda _: 'a test')
    reports: list[EvaluationProgress] = []
    again = evaluate_folds(dataset, stratified_folds(dataset, 2), QUICK, (0, 1), jobs=2, on_progress=reports.append)
    found = again.to_dict()
    for name in MODELS[1:]:
        assert found[name] == summary[name]
    # The last digits of the weights differ, which may change a window between two classes.
    assert found['lstm']['accuracy'] == pytest.approx(summary['lstm']['accuracy'], abs=0.01)
    assert sum(progress.epoch is None for progress in reports) == 8
    assert sum(progress.epoch is not None for progress in reports) == len(summary['lstm']['epochs'])


def test_an_executor_gives_the_same(dataset: Dataset) -> None:
    folds, config = stratified_folds(dataset, 2), replace(QUICK, epochs=2)
    here = evaluate_folds(dataset, folds, config, jobs=1).to_dict()
    reports: list[EvaluationProgress] = []
    with make_executor('local', 1) as executor:
        there = evaluate_folds(dataset, folds, config, executor=executor, on_progress=reports.append).to_dict()
    for classifier in MODELS:
        # Without the kernel, the last digits of the weights differ, which may change a window between two classes.
        assert there[classifier]['accuracy'] == pytest.approx(here[classifier]['accuracy'], abs=0.01)
        assert there[classifier]['predictions'].keys() == here[classifier]['predictions'].keys()
    assert [step.epoch for step in reports] == [None] * 4


def test_shuffled_labels_score_at_chance(tmp_path: Path) -> None:
    shuffled = learnable_dataset(tmp_path / 'set', shuffle_labels=True, windows=40)
    result = evaluate_folds(shuffled, stratified_folds(shuffled, 2), QUICK, jobs=1).to_dict()
    for name in MODELS:
        assert abs(result[name]['balanced_accuracy'] - 1 / 3) < 0.12


def test_too_few_recordings_to_hold_out_are_noted(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path / 'set', recordings_per_class=2)
    result = evaluate_folds(dataset, stratified_folds(dataset, 2), replace(QUICK, patience=1), jobs=1)
    assert len(result.notes) == 2
    assert 'fold 0, seed 0: trained for all epochs' in result.notes[0]
    assert "'gravel' has one recording only" in result.notes[0]
    assert len(result.epochs) == 2 * QUICK.epochs


def test_a_failing_fold_ends_the_evaluation_with_its_sentence(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path / 'set')
    values = np.load(dataset.path / 'part_motor.npy', mmap_mode='r+')
    values[:, 0, 0] = np.inf
    values.flush()
    seal(dataset.path)
    with pytest.raises(SurfaceError, match='infinite values'):
        evaluate_folds(dataset, stratified_folds(dataset, 2), QUICK, jobs=2)


def test_bare_windows_are_evaluated_by_window_and_the_protocol_says_so(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path / 'set', has_recordings=False)
    result = evaluate_folds(dataset, stratified_folds(dataset, 2), replace(QUICK, epochs=1), jobs=1).to_dict()
    assert 'windows shuffled, no recordings known' in result['protocol']
    assert result['recordings'] == 0
    assert result['lstm']['predictions'].keys() == {'fold 0', 'fold 1'}


def test_several_divisions_of_bare_windows_are_refused(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path / 'set', has_recordings=False)
    folds = join_folds([stratified_folds(dataset, 2, seed) for seed in (0, 1)])
    with pytest.raises(SurfaceError, match=r'set: no recordings are known, .* give one --repetition'):
        evaluate_folds(dataset, folds, QUICK, jobs=1)


def test_a_cancelled_fold_trains_no_further_networks_for_its_calibration(dataset: Dataset) -> None:
    config = replace(QUICK, epochs=1, validation_fraction=0.0, calibration_folds=2)
    fold = next(iter(stratified_folds(dataset, 2)))
    task = fold_runs.FoldTask(dataset.path, 0, fold.train, fold.test, config, 0, ('lstm',), streams=False)
    trained: list[EvaluationProgress] = []
    with pytest.raises(TrainingCancelledError, match='cancelled while calibrating'):
        fold_runs._run_task(task, trained.append, lambda: bool(trained))
    assert [progress.epoch.epoch for progress in trained if progress.epoch is not None] == [1]


@pytest.fixture(scope='module')
def model(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('models') / 'model'
    train_model(dataset, path, QUICK)
    return path


def test_a_finished_model_is_tested_on_unseen_data(model: Path, dataset: Dataset, tmp_path: Path) -> None:
    unseen = learnable_dataset(tmp_path / 'unseen', seed=1, windows=10)
    unseen = Dataset.save(
        tmp_path / 'renamed',
        config=unseen.config,
        classes=('snow', 'gravel', 'ice'),  # another order than the model's
        parts=unseen.parts,
        labels=(unseen.labels + 1) % 3,
        start_ns=unseen.start_ns,
        end_ns=unseen.end_ns,
        recording=unseen.recording,
        recordings=[replace(info, name=f'new/{index}') for index, info in enumerate(unseen.recordings)],
    )
    alone = evaluate_model(unseen, model).to_dict()
    assert alone['classes'] == list(CLASSES)
    assert alone['lstm']['accuracy'] > 0.75
    assert (alone['trees'], alone['nearest_mean'], alone['majority']) == (None, None, None)
    assert alone['notes'] == []
    beside = evaluate_model(unseen, model, dataset).to_dict()
    assert beside['lstm']['per_fold'] == alone['lstm']['per_fold']
    assert beside['trees']['accuracy'] > 0.75
    torch_engine = evaluate_model(unseen, model, engine='torch', device='cpu').to_dict()
    assert torch_engine['lstm']['predictions'] == alone['lstm']['predictions']


def test_data_the_model_has_seen_is_reported(model: Path, dataset: Dataset, tmp_path: Path) -> None:
    assert 'remembers' in evaluate_model(dataset, model).notes[0]
    assert 'very windows' in evaluate_model(dataset, model, dataset).notes[1]
    other = learnable_dataset(tmp_path / 'set', seed=1)
    assert 'have the names of recordings' in evaluate_model(other, model).notes[0]


def test_data_the_model_was_not_made_for_is_refused(model: Path, tmp_path: Path) -> None:
    other_rate: WindowConfig = replace(MOTOR_CONFIG, parts=(replace(MOTOR_CONFIG.parts[0], sample_rate_hz=20.0),))
    faster = learnable_dataset(tmp_path / 'faster', config=other_rate)
    with pytest.raises(SurfaceError, match=r'at 20 Hz, but the model takes 12 samples of motor .* at 10 Hz'):
        evaluate_model(faster, model)
    save_random_model(tmp_path / 'model')
    dataset = learnable_dataset(tmp_path / 'set')
    stranger = Dataset.save(
        tmp_path / 'stranger',
        config=dataset.config,
        classes=('gravel', 'ice', 'mud'),
        parts=dataset.parts,
        labels=dataset.labels,
        start_ns=dataset.start_ns,
        end_ns=dataset.end_ns,
        recording=dataset.recording,
        recordings=dataset.recordings,
    )
    with pytest.raises(SurfaceError, match=r'holds mud, but model .* knows gravel, ice, snow only'):
        evaluate_model(stranger, tmp_path / 'model')
