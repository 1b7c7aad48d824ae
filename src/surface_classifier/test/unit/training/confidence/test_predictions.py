# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Predictions as a value: what is read from them depends on their rows alone, not on the order or the classifier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_samples import learnable_dataset

from surface_classifier.data.dataset import Dataset
from surface_classifier.evaluation.baselines import fit_tree_shares
from surface_classifier.training.confidence.calibration import calibrate
from surface_classifier.training.confidence.conformal import conformal_sets
from surface_classifier.training.confidence.predictions import (
    UNKNOWN_RECORDING,
    Classifier,
    Predictions,
    StreamPredictions,
    join_predictions,
    logits_of_labels,
    logits_of_probabilities,
    places_in_recordings,
)
from surface_classifier.training.cross_fit import cross_fit, predict, predict_held_out_by
from surface_classifier.training.training_config import TrainingConfig

REQUIRES = ('torch',)


def drawn(seed: int, *, chose_epoch: bool = False, recordings: int = 12, windows: int = 10) -> Predictions:
    """Predictions of recordings in order, of three classes, right in most rows."""
    rng = np.random.default_rng(seed)
    recording = np.repeat(np.arange(recordings), windows)
    labels = recording % 3
    logits = rng.normal(size=(len(labels), 3)) + 1.5 * np.eye(3)[labels]
    return Predictions.of(logits, labels, recording, np.arange(len(labels)) * 500, chose_epoch=chose_epoch)


def test_places_follow_time_in_each_recording() -> None:
    recording = np.array([1, 0, 1, 0, 0, UNKNOWN_RECORDING, UNKNOWN_RECORDING])
    stamps_ns = np.array([30, 5, 10, 1, 9, 3, 4])
    np.testing.assert_array_equal(places_in_recordings(recording, stamps_ns), [1, 1, 0, 0, 2, 0, 0])
    assert len(places_in_recordings(recording[:0], stamps_ns[:0])) == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 10**6)), max_size=40, unique=True))
def test_places_of_a_recording_count_from_0_in_the_order_of_the_stamps(rows: list[tuple[int, int]]) -> None:
    recording, stamps_ns = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    places = places_in_recordings(recording, stamps_ns)
    for one in np.unique(recording):
        mine = recording == one
        np.testing.assert_array_equal(places[mine][np.argsort(stamps_ns[mine])], np.arange(mine.sum()))


def test_marked_rows_calibrate_only_where_there_are_no_others() -> None:
    marked, free = drawn(0, chose_epoch=True), drawn(1)
    assert calibrate(marked)['windows'] == len(marked)
    both = join_predictions([marked, free])
    np.testing.assert_array_equal(both.for_calibration().logits, free.logits)
    # The classifiers are numbered through, and one of them is left.
    assert both.classifiers == 2
    assert calibrate(both) == calibrate(free)
    assert conformal_sets(both, 1.3) == conformal_sets(free, 1.3)
    known = replace(both, new_recording=np.zeros(len(both), dtype=bool))
    assert calibrate(known) == {'method': 'none', 'temperature': 1.0}
    assert conformal_sets(known, 1.0) == {}


def test_one_classifier_is_drawn_towards_1_and_several_are_not() -> None:
    one, two = drawn(0), join_predictions([drawn(0), drawn(1)])
    calibration = calibrate(one)
    assert calibration['temperature'] == pytest.approx(calibration['fitted_temperature'] ** (12 / 20))
    assert calibrate(two)['temperature'] == calibrate(two)['fitted_temperature']


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(120)))
def test_the_order_of_the_rows_changes_nothing(order: list[int]) -> None:
    found = drawn(0)
    shuffled = found.rows(np.array(order))
    assert calibrate(shuffled)['temperature'] == pytest.approx(calibrate(found)['temperature'], abs=1e-4)
    assert conformal_sets(shuffled, 1.0) == conformal_sets(found, 1.0)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match='labels has 119 rows, windows has 120'):
        replace(drawn(0), labels=drawn(0).labels[1:])


def test_probabilities_and_labels_come_back_from_logits() -> None:
    given_shares = np.array([[0.2, 0.8, 0.0], [1.0, 0.0, 0.0]])
    logits = logits_of_probabilities(given_shares)
    assert np.isfinite(logits).all()
    found = Predictions.of(logits, np.array([1, 0]), np.array([0, 0]), np.array([0, 1]))
    np.testing.assert_allclose(found.probabilities(), given_shares, atol=1e-15)
    np.testing.assert_array_equal(logits_of_labels(np.array([2, 0, 1]), 3).argmax(axis=1), [2, 0, 1])


def test_predictions_come_back_from_json() -> None:
    stream = StreamPredictions(np.eye(3), np.arange(3), np.arange(3) * 7, (7, 14), 2)
    found = replace(join_predictions([drawn(0, chose_epoch=True), drawn(1)]), streams=(stream,))
    again = Predictions.from_json(json.loads(json.dumps(found.to_json())))
    assert again.to_json() == found.to_json()
    for name in ('logits', 'labels', 'classifier', 'new_recording', 'chose_epoch'):
        column = getattr(again, name)
        np.testing.assert_array_equal(column, getattr(found, name))
        assert column.dtype == getattr(found, name).dtype
    assert again.streams[0].changes_ns == stream.changes_ns


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp('sets') / 'set', recordings_per_class=4)


def test_cross_fitting_never_fits_on_the_recording_that_is_predicted(dataset: Dataset) -> None:
    fitted: list[np.ndarray] = []

    def fit(kept: np.ndarray) -> Classifier:
        fitted.append(np.unique(np.asarray(dataset.recording)[kept]))
        return lambda parts: np.full((len(parts[0]), 3), len(fitted), dtype=np.float64)

    recording = np.asarray(dataset.recording)
    divisions = [(np.flatnonzero(recording % 4 != part), np.flatnonzero(recording % 4 == part)) for part in range(4)]
    found = cross_fit(dataset, divisions, fit)
    assert found.classifiers == len(fitted) == 4
    for number, kept in enumerate(fitted):
        mine = found.classifier == number
        assert (found.logits[mine] == number + 1).all()
        assert not np.isin(found.recording[mine], kept).any()
    assert found.new_recording.all()
    np.testing.assert_array_equal(found.labels, np.asarray(dataset.labels)[found.windows])
    np.testing.assert_array_equal(found.stamps_ns, np.asarray(dataset.end_ns)[found.windows])
    assert len(cross_fit(dataset, [], fit)) == 0


def test_what_was_fitted_on_is_marked(dataset: Dataset) -> None:
    everything = np.arange(len(dataset))
    half = np.flatnonzero(np.asarray(dataset.recording) < 6)

    def flat(parts: Sequence[np.ndarray]) -> np.ndarray:
        return np.zeros((len(parts[0]), 3))

    found = predict(dataset, everything, flat, fitted=half)
    np.testing.assert_array_equal(found.new_recording, np.asarray(dataset.recording) >= 6)
    assert predict(dataset, everything, flat).new_recording.all()


def test_bare_windows_are_of_no_recording_and_calibrate_nothing(tmp_path: Path) -> None:
    bare = learnable_dataset(tmp_path / 'set', has_recordings=False)
    found = predict(bare, np.arange(len(bare)), lambda parts: np.zeros((len(parts[0]), 3)), streams=3)
    assert (found.recording == UNKNOWN_RECORDING).all()
    assert (found.order == 0).all()
    assert found.streams == ()
    assert len(found.for_calibration()) == 0


@pytest.mark.parametrize(
    ('changes', 'classifiers'),
    [({}, 1), ({'validation_fraction': 0.0, 'calibration_folds': 3}, 3), ({'validation_fraction': 0.0}, 0)],
)
def test_extra_trees_are_held_out_as_the_network_is(
    dataset: Dataset, changes: dict[str, float], classifiers: int
) -> None:
    labels = np.asarray(dataset.labels)

    def fit(windows: np.ndarray) -> Classifier:
        shares = fit_tree_shares(dataset.inputs(windows), labels[windows], 3, 0)
        return lambda parts: logits_of_probabilities(shares(parts))

    config = replace(TrainingConfig(), **changes)  # type: ignore[arg-type]
    found = predict_held_out_by(fit, dataset, np.arange(len(dataset)), config, 0, 3)
    assert found.classifiers == classifiers
    assert not found.chose_epoch.any()
    assert found.new_recording.all()
    assert len(found.streams) == 3 * classifiers
    assert len(found) == 0 or (found.predicted == found.labels).mean() > 0.6
