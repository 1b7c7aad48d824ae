# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Surfaces and motions left out of training, scores by motion, streams and kept folds of an evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_samples import CLASSES, MOTOR_CONFIG, learnable_dataset, quick_recipe, with_motion

from current_driver.errors import SurfaceError
from surface_classifier.cli.main import EXIT_BAD_INPUT, main
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.splits import stratified_folds
from surface_classifier.evaluation import fold_runs
from surface_classifier.evaluation.evaluate import evaluate_folds
from surface_classifier.evaluation.fold_cache import FoldCache
from surface_classifier.evaluation.leave_out import evaluate_left_out, left_out_classes, left_out_motions
from surface_classifier.evaluation.motion_scores import speed_bin, window_motion
from surface_classifier.training import loop, parallel_training

REQUIRES = ('torch',)

QUICK = quick_recipe(6)
# Windows of 12 samples at 10 Hz that follow each other without a gap or an overlap.
TOUCHING = replace(MOTOR_CONFIG, stride_samples=12)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp('sets')
    source = learnable_dataset(folder / 'source', config=TOUCHING)
    place = np.arange(len(source)) % 20
    start_ns = 1_000_000_000_000 * (1 + np.asarray(source.recording)) + place * 1_200_000_000
    return Dataset.save(
        folder / 'set',
        config=TOUCHING,
        classes=source.classes,
        parts=source.parts,
        labels=source.labels,
        start_ns=start_ns,
        end_ns=start_ns + 1_100_000_000,
        recording=source.recording,
        recordings=source.recordings,
    )


def test_motions_are_reported_from_wheel_speeds(dataset: Dataset, tmp_path: Path) -> None:
    left = np.full(len(dataset), 0.2)
    right = left.copy()
    left[:60], right[:60] = 0.0, 0.0
    left[60:120], right[60:120] = -0.2, 0.4
    left[120], right[120] = np.nan, np.nan
    motion = window_motion(with_motion(dataset, tmp_path / 'set', left, right))
    assert motion.motion[0] == 'still'
    assert motion.motion[60] == 'turning'
    assert motion.motion[200] == 'straight'
    assert motion.motion[120] == motion.speed_bin[120] == ''
    assert motion.speed_bin[200] == '0.15 to 0.30 m/s'
    assert motion.speed_bin[60] == '0.05 to 0.15 m/s'
    assert speed_bin(7.0) == '0.45 to more m/s'
    groups = left_out_motions(motion)
    assert {'still', 'turning', 'straight'} <= groups.keys()
    assert 'varying' not in groups
    with pytest.raises(SurfaceError, match=r"speeds of part 'motion' are in rad/s"):
        window_motion(with_motion(dataset, tmp_path / 'wheels', left, right, unit='rad/s'))
    with pytest.raises(SurfaceError, match=r'no part of its windows measures how the robot moved'):
        window_motion(dataset)


def test_each_class_is_left_out_of_training_and_reported(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[set[int]] = []
    fit = loop.train

    def train(found: Dataset, *args: Any, windows: np.ndarray, **settings: Any) -> Any:
        trained.append(set(np.asarray(found.labels)[windows].tolist()))
        return fit(found, *args, windows=windows, **settings)

    monkeypatch.setattr(parallel_training, 'train', train)
    result = evaluate_left_out(
        dataset, stratified_folds(dataset, 2), replace(QUICK, epochs=2), left_out_classes(dataset), jobs=1
    )
    assert sorted(map(sorted, trained)) == [[0, 1], [0, 1], [0, 2], [0, 2], [1, 2], [1, 2]]
    json.dumps(result, allow_nan=True)
    assert result['groups'].keys() == set(CLASSES)
    for row in result['groups'].values():
        assert row['windows'] == 80
        assert row['accuracy'] == 0.0  # nothing can be called what was never learnt
    # The outer surfaces are unlike the rest; the one between them may be taken for either.
    assert result['groups']['snow']['auroc'] > 0.9
    assert result['overall']['auroc'] == pytest.approx(np.mean([row['auroc'] for row in result['groups'].values()]))


def test_folds_that_were_kept_are_read_and_others_run(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds = stratified_folds(dataset, 2)
    cache = FoldCache(tmp_path / 'cache')
    arguments = (dataset, folds, replace(QUICK, epochs=2))
    first = evaluate_folds(*arguments, jobs=1, streams=True, cache=cache)
    kept = sorted((tmp_path / 'cache').iterdir())
    assert len(kept) == 4  # of two folds the network and the baselines
    runs: list[str] = []

    def counted(name: str, function: Any) -> Any:
        def call(*args: Any, **settings: Any) -> Any:
            runs.append(name)
            return function(*args, **settings)

        return call

    monkeypatch.setattr(fold_runs, '_network_outcome', counted('network', fold_runs._network_outcome))
    monkeypatch.setattr(fold_runs, '_baseline_outcome', counted('baselines', fold_runs._baseline_outcome))
    again = evaluate_folds(*arguments, jobs=1, streams=True, cache=cache)
    assert runs == []
    left, right = first.to_dict(), again.to_dict()
    left.pop('seconds'), right.pop('seconds')
    assert json.dumps(right) == json.dumps(left)
    kept[0].unlink()
    kept[1].write_text('{', encoding='utf-8')  # damaged
    evaluate_folds(*arguments, jobs=1, streams=True, cache=cache)
    assert len(runs) == 2
    evaluate_folds(dataset, folds, replace(QUICK, epochs=3), jobs=1, streams=True, cache=cache)
    assert len(runs) == 6


def test_too_few_recordings_for_early_stopping_are_no_reason_not_to_leave_classes_out(tmp_path: Path) -> None:
    # With two recordings of each surface, one is tested and the other is all there is to train on.
    few = learnable_dataset(tmp_path / 'set', recordings_per_class=2)
    found = evaluate_left_out(few, stratified_folds(few, 2), replace(QUICK, epochs=2), left_out_classes(few), jobs=1)
    assert found['groups'].keys() == set(CLASSES)
    assert len(found['notes']) == 2 * len(CLASSES)
    assert all('trained for all epochs' in note for note in found['notes'])


def test_the_command_shows_streams_motions_intervals_and_calibration(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speed = np.where(np.arange(len(dataset)) % 2, 0.2, 0.5)
    moving = with_motion(dataset, tmp_path / 'moving', speed, speed)
    (tmp_path / 'recipe.yaml').write_text('network: {hidden_sizes: [8]}\nepochs: 4\n', encoding='utf-8')
    options = ['--config', str(tmp_path / 'recipe.yaml'), '--folds', '2', '--jobs', '1']
    results = ['--json', str(tmp_path / 'scores.json'), '--report', str(tmp_path / 'report.html')]
    assert main(['evaluate', str(moving.path), '--streams', *options, *results]) == 0
    found = json.loads((tmp_path / 'scores.json').read_text(encoding='utf-8'))
    assert found['lstm']['reliability']['expected_calibration_error'] >= 0.0
    assert found['comparison']['by_speed'].keys() == {'0.15 to 0.30 m/s', '0.45 to more m/s'}
    assert found['comparison']['by_motion']['straight']['windows'] == len(dataset)
    assert found['streams']['trees']['filtered']['accuracy'] > 0.5
    text = capsys.readouterr().out
    assert 'false changes' in text
    assert 'paired over recordings' in text
    page = (tmp_path / 'report.html').read_text(encoding='utf-8')
    assert 'Reliability: LSTM' in page
    assert 'Where it is right' in page
    assert all(f'by {kind}' in page for kind in ('motion', 'speed', 'time on a surface'))
    assert '0.15 to 0.30 m/s' in page
    assert 'Expected calibration error' in page
    results = ['--json', str(tmp_path / 'left_out.json')]
    assert main(['leave-out', str(moving.path), '--by', 'motion', *options, *results]) == 0
    text = capsys.readouterr().out
    assert 'mean AUROC' in text
    assert 'groups of fewer than 50 windows are not left out' in text
    left_out = json.loads((tmp_path / 'left_out.json').read_text(encoding='utf-8'))
    # Half of the windows were driven at another speed, which only the motion can show.
    assert left_out['overall']['incorrect_flagged'] == 1.0
    assert left_out['overall']['flagged_by_motion'] == 1.0
    assert main(['leave-out', str(dataset.path), '--by', 'motion']) == EXIT_BAD_INPUT
    assert 'no part of its windows measures how the robot moved' in capsys.readouterr().err


def test_nothing_to_leave_out_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    steady = np.full(len(dataset), 0.2)
    driven = with_motion(dataset, tmp_path / 'set', steady, steady)
    groups = left_out_motions(window_motion(driven))
    assert groups == {}  # one speed alone: nothing else would be left to train on
    with pytest.raises(SurfaceError, match=r'set: no group of windows can be left out; .* record more'):
        evaluate_left_out(driven, stratified_folds(driven, 2), QUICK, groups)
