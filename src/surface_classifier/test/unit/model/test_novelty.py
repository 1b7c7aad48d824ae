# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The test for windows unlike the training data: scikit-learn's forest, false alarms as stated, faults detected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_samples import TWO_PART_CONFIG, learnable_dataset
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score

from surface_classifier.data.dataset import Dataset
from surface_classifier.data.splits import held_out_parts
from surface_classifier.model.novelty import NANOSECONDS, NoveltyAverage, NoveltyTest, distribution_features
from surface_classifier.training.confidence.novelty_fit import average_scores, fit_novelty, forest_of

REQUIRES = ('torch',)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return learnable_dataset(tmp_path_factory.mktemp('sets') / 'set', recordings_per_class=6)


def fitted(dataset: Dataset, windows: np.ndarray) -> NoveltyTest:
    return fit_novelty(dataset, windows, held_out_parts(dataset, windows, 2, 0))


@pytest.fixture(scope='module')
def whole_test(dataset: Dataset) -> NoveltyTest:
    return fitted(dataset, np.arange(len(dataset)))


def test_the_forest_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 5)).astype(np.float32)
    labels = rng.integers(0, 3, 300)
    classifier = ExtraTreesClassifier(7, min_samples_leaf=2, random_state=0).fit(values, labels)
    tested = np.concatenate([values, rng.normal(size=(200, 5)).astype(np.float32)])
    np.testing.assert_allclose(forest_of(classifier).class_shares(tested), classifier.predict_proba(tested), atol=1e-6)


def test_features_follow_the_scale_of_the_channels_and_bear_gaps() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(5.0, 1.0, size=(20, 12, 2))
    found = distribution_features([values], np.ones(2))
    np.testing.assert_allclose(distribution_features([1.6 * values], np.full(2, 1.6)), found, atol=1e-9)
    values[0, :4, 0] = np.nan
    values[1, :, 1] = np.nan
    assert np.isfinite(distribution_features([values], np.ones(2))).all()


def test_a_surface_that_was_left_out_is_flagged(dataset: Dataset) -> None:
    labels, everything = np.asarray(dataset.labels), np.arange(len(dataset))
    test_recordings = np.asarray(dataset.recording) % 6 == 0
    train = everything[~test_recordings & (labels != 2)]
    found = fitted(dataset, train)
    tested = everything[test_recordings]
    scores = found.score([np.asarray(dataset.parts['motor'])[tested]])
    assert roc_auc_score(labels[tested] == 2, scores) > 0.95
    averaged = average_scores(dataset, tested, scores, float(found.memory_s[0]))
    novelty = np.array([found.novelty(value) for value in averaged])
    assert (novelty[labels[tested] == 2] > 1.0).mean() > 0.8
    assert (novelty > 0.0).all()


def test_as_many_held_out_windows_are_above_the_threshold_as_stated(dataset: Dataset) -> None:
    windows = np.arange(len(dataset))
    parts = held_out_parts(dataset, windows, 2, 0)
    found = fit_novelty(dataset, windows, parts, false_alarms=0.3)
    # Scored by tests that were fitted without them, with what is usual as the whole test has it.
    flagged = []
    for kept, held in parts:
        apart = replace(fit_novelty(dataset, kept, []), usual=found.usual, threshold=found.threshold)
        scores = apart.score([np.asarray(dataset.parts['motor'])[held]])
        flagged.append(average_scores(dataset, held, scores, float(found.memory_s[0])) > found.threshold[0])
    assert np.concatenate(flagged).mean() == pytest.approx(0.3, abs=0.02)


def test_the_test_comes_back_from_its_file(dataset: Dataset, whole_test: NoveltyTest) -> None:
    found = whole_test
    again = NoveltyTest.from_bytes(found.to_bytes())
    values = [np.asarray(dataset.parts['motor'])[:30]]
    np.testing.assert_array_equal(again.score(values), found.score(values))
    assert again.to_bytes() == found.to_bytes()


def test_dead_railed_and_doubled_channels_and_a_standing_robot_are_flagged(
    dataset: Dataset, whole_test: NoveltyTest
) -> None:
    found = whole_test
    window = np.array(dataset.parts['motor'][0])
    assert found.fault([window]) is None
    dead, railed, doubled, still = window.copy(), window.copy(), window.copy(), np.zeros_like(window)
    dead[:, 1] = 0.0
    railed[:] = 30.0
    doubled[:, 1] = doubled[:, 0]
    assert [found.fault([values]) for values in (dead, railed, doubled)] == ['bad_sensor'] * 3
    assert found.fault([still]) == 'standing_still'
    assert not any(found.fault([np.asarray(row)]) for row in dataset.parts['motor'])


def test_windows_of_two_parts_are_tested(tmp_path: Path) -> None:
    dataset = learnable_dataset(tmp_path / 'set', config=TWO_PART_CONFIG)
    found = fitted(dataset, np.arange(len(dataset)))
    parts = [np.asarray(dataset.parts[part.name])[:5] for part in dataset.config.parts]
    assert found.score(parts).shape == (5,)
    far = [part + 40.0 for part in parts]
    assert (found.score(far) > found.score(parts) + 3.0).all()


def test_a_bump_does_not_make_all_that_follows_unknown(dataset: Dataset, whole_test: NoveltyTest) -> None:
    usual = np.asarray(dataset.parts['motor'])[:1]
    average = NoveltyAverage(float(whole_test.memory_s[0]))
    found = []
    for number in range(20):
        values = usual + (100.0 if number < 2 else 0.0)
        found.append(whole_test.novelty(average.add(float(whole_test.score([values])[0]), number * NANOSECONDS // 2)))
    assert found[1] > 1.0
    assert found[-1] < 1.0


def test_the_average_fades_and_restarts_after_a_gap() -> None:
    average = NoveltyAverage(10.0)
    assert average.add(4.0, 0) == 4.0
    faded = np.exp(-0.5)
    assert average.add(0.0, 5 * NANOSECONDS) == pytest.approx(4.0 * faded / (1.0 + faded))
    assert average.add(2.0, 16 * NANOSECONDS) == 2.0
    assert average.add(1.0, 3 * NANOSECONDS) == 1.0
    average.reset()
    assert average.add(7.0, 4 * NANOSECONDS) == 7.0
