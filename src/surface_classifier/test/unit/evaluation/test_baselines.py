# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Baselines and the level features they stand on."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from surface_classifier.evaluation.baselines import fit_majority, fit_nearest_mean, fit_trees
from surface_classifier.model.level_features import LevelFeatures
from surface_classifier.training.metrics import confusion, per_class_scores, scores


def windows(count: int, samples: int = 32, channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(5.0, 2.0, (count, samples, channels))


def test_two_motors_give_ninety_nine_numbers() -> None:
    values = windows(20)
    assert LevelFeatures.fit([values]).transform([values]).shape == (20, 99)


@pytest.mark.parametrize('channels', [1, 3, 4, 6])
def test_any_number_of_channels_and_parts_gives_finite_features(channels: int) -> None:
    parts = [windows(8, channels=channels), windows(8, samples=50, channels=1)]
    found = LevelFeatures.fit(parts).transform(parts)
    assert np.isfinite(found).all()
    assert len(np.unique(found, axis=0)) == 8


def test_features_hold_what_they_say() -> None:
    train = np.round(windows(50), 1)
    train[:, :20, 0] = 0.5  # an idle level of the left motor
    values = np.round(windows(3, seed=1), 1)
    values[0, :8, 0] = 0.5
    found = LevelFeatures.fit([train]).transform([values])
    left, right = values[..., 0], values[..., 1]
    quantiles = found[:, :54].reshape(3, 9, 6)
    for index, series in enumerate(
        [left, right, left + right, left - right, np.maximum(left, right), np.minimum(left, right)]
    ):
        np.testing.assert_allclose(quantiles[:, 4, index], np.median(series, axis=1))
        np.testing.assert_allclose(quantiles[:, 0, index], series.min(axis=1))
        np.testing.assert_allclose(quantiles[:, 8, index], series.max(axis=1))
    above = found[:, 54:86].reshape(3, 2, 16)
    assert (np.diff(above, axis=2) <= 0).all()
    assert found[0, 86] == pytest.approx(np.mean(left[0] == 0.5))
    np.testing.assert_allclose(found[:, 90], left.std(axis=1))
    np.testing.assert_allclose(found[:, 94], np.abs(np.diff(left, axis=1)).mean(axis=1))
    np.testing.assert_allclose(found[:, 98], [np.corrcoef(a, b)[0, 1] for a, b in zip(left, right, strict=True)])


def test_levels_come_from_the_training_windows_alone() -> None:
    features = LevelFeatures.fit([windows(50)])
    alone = features.transform([windows(5, seed=1)])
    among = features.transform([np.concatenate([windows(5, seed=1), 1000.0 + windows(50, seed=2)])])
    np.testing.assert_array_equal(alone, among[:5])


def test_unmeasured_values_leave_the_rest_as_it_is() -> None:
    values = windows(10)
    features = LevelFeatures.fit([values])
    holed = values.copy()
    holed[0, 3:5, 1] = np.nan
    holed[1] = np.nan
    found, whole = features.transform([holed]), features.transform([values])
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[2:], whole[2:])
    np.testing.assert_allclose(found[0, 0::6][:9], whole[0, 0::6][:9])
    np.testing.assert_allclose(found[0, 1 + 4 * 6], np.nanmedian(holed[0, :, 1]))


def test_trees_see_levels_and_no_order() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 150)
    rising = np.sort(windows(300), axis=1)
    order = np.where(labels[:, None, None] == 0, rising, rising[:, ::-1])
    test = np.sort(windows(300, seed=1), axis=1)
    test = np.where(labels[:, None, None] == 0, test, test[:, ::-1])
    # The one feature that depends on the order at all, the mean step, is the same for rising and falling.
    assert abs(np.mean(fit_trees([order], labels)([test]) == labels) - 0.5) < 0.1
    spread = windows(300) * (1.0 + labels[:, None, None])
    shuffled = rng.permuted(windows(300, seed=1) * (1.0 + labels[:, None, None]), axis=1)
    assert np.mean(fit_trees([spread], labels)([shuffled]) == labels) > 0.9


def test_trees_are_repeatable() -> None:
    labels = np.arange(90) % 3
    first = fit_trees([windows(90)], labels, seed=4)([windows(50, seed=1)])
    np.testing.assert_array_equal(first, fit_trees([windows(90)], labels, seed=4)([windows(50, seed=1)]))


def test_the_nearest_mean_sees_levels_and_no_spread() -> None:
    labels = np.repeat([0, 1], 100)
    levels = windows(200) + 3.0 * labels[:, None, None]
    assert np.mean(fit_nearest_mean([levels], labels)([levels]) == labels) > 0.95
    spread = (windows(200) - 5.0) * (1.0 + 3.0 * labels[:, None, None])
    test = (windows(200, seed=1) - 5.0) * (1.0 + 3.0 * labels[:, None, None])
    assert abs(np.mean(fit_nearest_mean([spread], labels)([test]) == labels) - 0.5) < 0.15


def test_the_majority_is_the_commonest_training_class() -> None:
    predict = fit_majority([windows(5)], np.array([2, 0, 2, 1, 2]))
    np.testing.assert_array_equal(predict([windows(3)]), [2, 2, 2])


def test_scores_by_hand() -> None:
    truth, predicted = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    found = scores(truth, predicted)
    assert found['accuracy'] == pytest.approx(4 / 6)
    assert found['balanced_accuracy'] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found['macro_f1'] == pytest.approx((2 * 3 / (4 + 4) + 2 * 1 / (2 + 2)) / 2)
    assert confusion(truth, predicted, 3) == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]
    by_class = per_class_scores(truth, predicted, ('ice', 'snow', 'grass'))
    assert by_class['ice'] == {'precision': 0.75, 'recall': 0.75, 'f1': 0.75, 'windows': 4}
    assert by_class['grass']['windows'] == 0


def test_a_class_that_is_not_tested_does_not_lower_balanced_accuracy() -> None:
    truth = np.array([0, 0, 1, 1])
    predicted = np.array([0, 2, 1, 1])
    assert scores(truth, predicted)['balanced_accuracy'] == pytest.approx(0.75)
    seen = truth[:3]
    assert scores(seen, seen)['balanced_accuracy'] == balanced_accuracy_score(seen, seen)
