# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What training chooses for trustworthy answers, what the model keeps of it, and what labels come out of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_samples import CLASSES, learnable_dataset, quick_recipe, save_random_model

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset, RecordingInfo
from surface_classifier.data.splits import held_out_parts
from surface_classifier.model.belief import filter_sequence
from surface_classifier.model.classify import label_windows
from surface_classifier.model.contract import load_contract
from surface_classifier.model.engine import load_engine
from surface_classifier.model.label import Reason
from surface_classifier.model.labeller import Labeller
from surface_classifier.training.confidence.belief_fit import PRIOR_DWELL_S, class_prior, tune_belief
from surface_classifier.training.confidence.fit_confidence import fit_confidence
from surface_classifier.training.confidence.predictions import StreamPredictions, logits_of_probabilities
from surface_classifier.training.cross_fit import belief_of_labels, predict_held_out, streams_for_calibration
from surface_classifier.training.loop import TrainingCancelledError, train
from surface_classifier.training.train_model import train_model

REQUIRES = ('torch',)

QUICK = quick_recipe(8, validation_fraction=0.3)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp('sets') / 'set', recordings_per_class=6)


@pytest.fixture(scope='module')
def model(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('models') / 'model'
    train_model(dataset, path, QUICK)
    return path


def test_the_contract_keeps_what_was_chosen(model: Path) -> None:
    contract = load_contract(model)
    assert contract.calibration['method'].startswith('temperature on held-out recordings')
    assert contract.calibration['recordings'] >= 3
    fitted = contract.calibration['fitted_temperature']
    assert min(1.0, fitted) <= contract.temperature <= max(1.0, fitted)
    belief = contract.belief_settings
    assert belief is not None
    assert belief.dwell_s == PRIOR_DWELL_S  # each recording has one surface and says nothing of it
    assert belief.class_prior == pytest.approx((1 / 3,) * 3)
    assert contract.novelty_sha256
    assert 0.5 in contract.conformal['levels']
    assert 0.98 not in contract.conformal['levels']  # a few recordings state no such level
    with pytest.raises(
        SurfaceError, match=r'no set of possible surfaces at level 0\.98; the nearest is 0\.85, of 0\.5'
    ):
        contract.possible_threshold(0.98)


def test_a_recipe_that_holds_nothing_out_is_judged_by_further_networks(dataset: Dataset) -> None:
    config = replace(QUICK, validation_fraction=0.0, calibration_folds=3)
    windows = np.flatnonzero(np.asarray(dataset.recording) % 6 < 5)
    result = train(dataset, config, 0, windows=windows)
    folds: list[int] = []
    held_out = predict_held_out(dataset, result, on_fold=folds.append)
    assert folds == [1, 1, 1]
    assert held_out.new_recording.all()
    assert not held_out.chose_epoch.any()
    np.testing.assert_array_equal(np.sort(held_out.windows), windows)
    confidence = fit_confidence(held_out, None)
    assert confidence.calibration['method'] == (
        'mean confidence as accuracy on held-out recordings of 3 further networks'
    )
    assert confidence.calibration['windows'] == len(windows)
    assert confidence.calibration['recordings'] == len(np.unique(np.asarray(dataset.recording)[windows]))
    assert confidence.conformal['levels']
    again = fit_confidence(predict_held_out(dataset, result), None)
    assert again == confidence
    without = replace(result, config=replace(result.config, calibration_folds=0))
    unjudged = fit_confidence(predict_held_out(dataset, without), None)
    assert unjudged.temperature == 1.0
    assert unjudged.conformal == {}
    with pytest.raises(TrainingCancelledError):
        predict_held_out(dataset, result, cancelled=lambda: True)


def test_rows_that_chose_the_epoch_calibrate_only_where_there_are_no_others(dataset: Dataset) -> None:
    config = replace(QUICK, epochs=3)
    result = train(dataset, config, 0)
    streams = streams_for_calibration(dataset)
    alone = predict_held_out(dataset, result, streams=streams)
    assert alone.chose_epoch.all()
    assert len(alone.for_calibration()) == len(alone) == len(result.validation_windows)
    assert len(alone.streams) == streams == 3
    both = predict_held_out(
        dataset, replace(result, config=replace(result.config, calibration_folds=2)), streams=streams
    )
    rows = both.for_calibration()
    assert both.chose_epoch.sum() == len(result.validation_windows)
    assert not rows.chose_epoch.any()
    np.testing.assert_array_equal(np.sort(rows.windows), np.arange(len(dataset)))
    # Every stream is of recordings that chose no epoch.
    assert len(both.streams) == 2 * streams
    belief = belief_of_labels(dataset, result.windows, result.train_windows, 'weights')
    assert fit_confidence(both, belief).calibration['method'].endswith('of 2 further networks')


def test_windows_that_are_held_out_one_by_one_calibrate_nothing(dataset: Dataset) -> None:
    result = train(dataset, replace(QUICK, epochs=2, validation_split='window'), 0)
    held_out = predict_held_out(dataset, result, streams=3)
    assert len(held_out) == len(result.validation_windows)
    assert not held_out.new_recording.any()
    assert held_out.streams == ()
    confidence = fit_confidence(held_out, None)
    assert confidence.calibration == {'method': 'none', 'temperature': 1.0}
    assert confidence.conformal == {}


def test_labels_follow_the_filter_and_name_what_is_possible(model: Path, dataset: Dataset) -> None:
    engine = load_engine(model)
    labeller = Labeller(engine, possible_level=0.5)
    labels = list(
        label_windows(labeller, dataset.parts, dataset.start_ns, dataset.end_ns, np.asarray(dataset.recording))
    )
    settings = engine.contract.belief_settings
    assert settings is not None
    threshold = engine.contract.possible_threshold(0.5)
    for recording in range(0, len(dataset.recordings), 4):
        mine = [label for label, of in zip(labels, dataset.recording, strict=True) if of == recording]
        if not all(label.known for label in mine):
            continue
        raw = [label.raw_probabilities for label in mine]
        believed, held = filter_sequence(settings, raw, [label.stamp_ns for label in mine])
        np.testing.assert_allclose([label.probabilities for label in mine], believed, atol=1e-12)
        assert [label.surface for label in mine] == [CLASSES[k] for k in held]
        assert all(label.confidence == label.probabilities[label.surface_id - 1] for label in mine)
        for label in mine:
            expected = {k + 1 for k in range(3) if label.raw_probabilities[k] >= threshold}
            assert set(label.possible_ids) == expected | {int(label.raw_probabilities.argmax()) + 1}
            assert label.possible_level == 0.5
    known = np.mean([label.known for label in labels])
    assert known > 0.9
    assert {label.reason for label in labels} <= {Reason.NONE, Reason.UNSEEN_SURFACE}
    assert all((label.novelty > 1.0) == (not label.known) for label in labels)


def test_a_window_unlike_all_training_is_unknown_and_changes_no_belief(model: Path, dataset: Dataset) -> None:
    labeller = Labeller(load_engine(model))
    count = 24
    values = np.array(dataset.parts['motor'][:count])
    values[6:] = 60.0 + 9.0 * np.random.default_rng(0).normal(size=values[6:].shape)
    labels = list(label_windows(labeller, {'motor': values}, dataset.start_ns[:count], dataset.end_ns[:count]))
    # The score is averaged over the last seconds, in which no single window counts for much.
    first = next(k for k, label in enumerate(labels) if not label.known)
    assert 6 <= first <= 18
    assert [label.reason for label in labels[first:]] == [Reason.UNSEEN_SURFACE] * (count - first)
    assert {label.surface for label in labels[first:]} == {'unknown'}
    # Only time passes in what is believed.
    before, after = labels[first - 1].probabilities, labels[-1].probabilities
    likeliest = int(np.argmax(before))
    assert after[likeliest] < before[likeliest]
    assert int(np.argmax(after)) == likeliest


def test_a_dead_channel_and_a_standing_robot_have_their_reasons(model: Path, dataset: Dataset) -> None:
    labeller = Labeller(load_engine(model))
    values = np.array(dataset.parts['motor'][:2])
    values[0, :, 1] = 0.0
    values[1] = 0.0
    labels = list(label_windows(labeller, {'motor': values}, dataset.start_ns[:2], dataset.end_ns[:2]))
    assert [label.reason for label in labels] == [Reason.BAD_SENSOR, Reason.STANDING_STILL]
    assert not any(label.known for label in labels)
    assert all(math.isnan(label.novelty) for label in labels)


def test_reset_forgets_what_was_believed(model: Path, dataset: Dataset) -> None:
    labeller = Labeller(load_engine(model))
    chosen = slice(0, 5)
    arguments = ({'motor': dataset.parts['motor'][chosen]}, dataset.start_ns[chosen], dataset.end_ns[chosen])
    first = [label.probabilities for label in label_windows(labeller, *arguments)]
    labeller.reset()
    np.testing.assert_array_equal([label.probabilities for label in label_windows(labeller, *arguments)], first)


def test_a_changed_novelty_file_is_refused(model: Path, tmp_path: Path) -> None:
    import shutil

    damaged = tmp_path / 'model'
    shutil.copytree(model, damaged)
    file = damaged / 'novelty.safetensors'
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(SurfaceError, match='does not belong to its contract'):
        load_engine(damaged)


def test_a_model_without_any_of_it_labels_each_window_by_itself(tmp_path: Path) -> None:
    save_random_model(tmp_path / 'model')
    contract = load_contract(tmp_path / 'model')
    assert contract.belief_settings is None
    with pytest.raises(SurfaceError, match='trained without held-out recordings'):
        Labeller(load_engine(tmp_path / 'model'), possible_level=0.9)


def test_the_dwell_is_learnt_from_recordings_that_change_surface(tmp_path: Path) -> None:
    source = learnable_dataset(tmp_path / 'source', recordings_per_class=2, windows=60)
    labels = np.repeat(np.arange(36) % 3, 10)  # a change every 10 s
    changing = Dataset.save(
        tmp_path / 'changing',
        config=source.config,
        classes=source.classes,
        parts=source.parts,
        labels=labels,
        start_ns=source.start_ns,
        end_ns=source.end_ns,
        recording=np.repeat(np.arange(2), 180),
        recordings=[RecordingInfo('a', 180.0), RecordingInfo('b', 180.0)],
    )
    belief = belief_of_labels(changing, np.arange(360), np.arange(360), 'weights')
    assert belief is not None
    assert belief.dwell_s == pytest.approx((2 * 20.0 + 2 * 180.0) / (2 + 2 * 17), rel=0.01)


def test_a_window_counts_for_as_much_as_labels_need_to_follow_the_surface(dataset: Dataset) -> None:
    rng = np.random.default_rng(0)
    windows = np.arange(len(dataset))
    start = belief_of_labels(dataset, windows, windows, 'weights')
    assert start is not None

    def chosen(stay: int, wrong: float) -> float:
        """The weight where the surface lasts for so many windows, of which a share is wrong."""
        truth = np.repeat(rng.integers(0, 3, 1200 // stay), stay)
        shown = np.where(rng.random(1200) < wrong, (truth + 1) % 3, truth)
        answers = np.full((1200, 3), 0.15)
        answers[np.arange(1200), shown] = 0.7
        stamps = np.arange(1, 1201) * 500_000_000
        stream = StreamPredictions(logits_of_probabilities(answers), truth, stamps, (1,), 0)
        return tune_belief(start, [stream]).evidence_weight

    hasty, steady = chosen(4, 0.0), chosen(60, 0.35)
    assert steady < hasty <= 1.0
    assert tune_belief(start, []) == start
    without_a_change = StreamPredictions(np.zeros((9, 3)), np.zeros(9, dtype=np.int64), np.arange(9), (), 0)
    assert tune_belief(start, [without_a_change]) == start


def test_the_prior_of_the_answers_follows_the_balance_of_training() -> None:
    labels = np.repeat([0, 1], [30, 10])
    assert class_prior(labels, 2, 'weights') == (0.5, 0.5)
    assert class_prior(labels, 2, 'none')[0] == pytest.approx(31 / 42)


def test_parts_that_are_held_out_keep_recordings_whole_and_every_class_in_training(dataset: Dataset) -> None:
    windows = np.flatnonzero(np.asarray(dataset.recording) != 3)
    parts = held_out_parts(dataset, windows, 4, 0)
    held = np.concatenate([found for _, found in parts])
    np.testing.assert_array_equal(np.sort(held), windows)
    for kept, found in parts:
        assert not set(dataset.recording[kept]) & set(dataset.recording[found])
        assert set(dataset.labels[kept]) == {0, 1, 2}
    # Of class 0 one recording is left: it can be held out of nothing.
    few = np.flatnonzero(~np.isin(dataset.recording, [1, 2, 3, 4, 5]))
    for kept, _ in held_out_parts(dataset, few, 3, 0):
        assert (np.asarray(dataset.recording)[kept] == 0).any()
