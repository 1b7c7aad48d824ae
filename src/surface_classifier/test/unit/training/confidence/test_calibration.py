# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Temperature, reliability and conformal sets do what they state on answers whose truth is drawn from them."""

from __future__ import annotations

import numpy as np
import pytest

from surface_classifier.evaluation.comparison import bootstrap_mean, by_group, compare, zero_accuracy_recordings
from surface_classifier.model.engine import softmax
from surface_classifier.training.confidence.calibration import (
    LARGEST_LOG_SHARPENING,
    LARGEST_LOG_TEMPERATURE,
    fit_temperature,
    match_confidence,
    reliability,
)
from surface_classifier.training.confidence.conformal import conformal_thresholds


def set_coverage(
    probabilities: np.ndarray, truth: np.ndarray, recording: np.ndarray, threshold: float
) -> tuple[float, float]:
    """Return how often the true class is in the set, on average over recordings, and the mean size of the sets.

    The likeliest class is always in the set, as in a label.
    """
    inside = probabilities >= np.minimum(threshold, probabilities.max(axis=1, keepdims=True))
    right = inside[np.arange(len(truth)), truth]
    by_recording = [right[recording == k].mean() for k in np.unique(recording)]
    return float(np.mean(by_recording)), float(inside.sum(axis=1).mean())


def drawn(seed: int, windows: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and truth drawn from their softmax: perfectly calibrated."""
    rng = np.random.default_rng(seed)
    logits = 2.0 * rng.normal(size=(windows, 4))
    truth = (rng.random((windows, 1)) > softmax(logits).cumsum(axis=1)).sum(axis=1)
    return logits, np.minimum(truth, 3)


@pytest.mark.parametrize('factor', [0.5, 1.0, 3.0])
def test_the_temperature_takes_back_what_logits_were_multiplied_by(factor: float) -> None:
    logits, truth = drawn(0)
    found = fit_temperature(logits * factor, truth)
    assert found == pytest.approx(factor, rel=0.1)
    before = reliability(softmax(logits * factor), truth).error
    after = reliability(softmax(logits * factor / found), truth).error
    assert after < 0.02
    if factor != 1.0:
        assert before > 3 * after


@pytest.mark.parametrize('factor', [0.5, 1.0, 3.0])
def test_mean_confidence_comes_to_the_accuracy(factor: float) -> None:
    logits, truth = drawn(0)
    found = match_confidence(logits * factor, truth)
    assert found == pytest.approx(factor, rel=0.1)
    confidence = softmax(logits * factor / found).max(axis=1)
    assert confidence.mean() == pytest.approx((logits.argmax(axis=1) == truth).mean(), abs=1e-6)


def test_a_strange_recording_does_not_make_all_others_modest() -> None:
    logits, truth = drawn(0)
    logits[:300] = 8.0 * np.eye(4)[(truth[:300] + 1) % 4]
    assert match_confidence(logits, truth) < fit_temperature(logits, truth)


def test_confidence_that_cannot_be_matched_ends_at_a_bound() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 3.0]])
    assert match_confidence(logits, np.array([0, 1])) == pytest.approx(np.exp(-LARGEST_LOG_SHARPENING))
    assert match_confidence(logits, np.array([1, 0])) == pytest.approx(np.exp(LARGEST_LOG_TEMPERATURE))


def test_reliability_of_a_sure_and_wrong_classifier_is_one() -> None:
    probabilities = np.eye(3)[[0, 0, 1, 2]]
    found = reliability(probabilities, np.array([1, 1, 2, 0]))
    assert found.error == 1.0
    assert found.to_dict()['bins'] == [{'confidence': 1.0, 'accuracy': 0.0, 'windows': 4}]


def test_conformal_sets_cover_new_recordings_as_stated() -> None:
    """Recordings differ in how hard they are; coverage is on average over recordings."""
    rng = np.random.default_rng(0)

    def recordings(count: int, first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = []
        for number in range(count):
            length = int(rng.integers(5, 200))
            truth = rng.integers(0, 4, length)
            logits = rng.normal(size=(length, 4)) + rng.uniform(-1.0, 4.0) * np.eye(4)[truth]
            found.append((softmax(logits), truth, np.full(length, first + number)))
        return tuple(np.concatenate(values) for values in zip(*found, strict=True))  # type: ignore[return-value]

    thresholds = conformal_thresholds(*recordings(300, 0), levels=(0.7, 0.9))
    tested = recordings(300, 1000)
    sizes = []
    for level, threshold in thresholds.items():
        share, size = set_coverage(*tested, threshold)
        assert abs(share - level) < 0.04
        sizes.append(size)
    assert sizes[0] < sizes[1] < 4.0


def test_too_few_recordings_state_no_high_level() -> None:
    logits, truth = drawn(1, 60)
    thresholds = conformal_thresholds(softmax(logits), truth, np.repeat(np.arange(3), 20), levels=(0.5, 0.9))
    assert thresholds[0.5] > 0.0
    assert thresholds[0.9] == 0.0


def test_the_interval_is_over_recordings_not_windows() -> None:
    rng = np.random.default_rng(0)
    recording = [str(k) for k in np.repeat(np.arange(20), 50)]
    values = np.repeat((rng.random(20) < 0.7).astype(float), 50)  # a recording has an accuracy of 100 % or 0 %
    found = bootstrap_mean(values, recording)
    assert found.low < found.value < found.high
    assert found.high - found.low > 0.25
    alone = bootstrap_mean(values, [str(k) for k in range(1000)])
    assert alone.high - alone.low < 0.1


def test_the_comparison_is_paired_and_says_who_is_better() -> None:
    rng = np.random.default_rng(1)
    recording = [str(k) for k in np.repeat(np.arange(30), 20)]
    hard = np.repeat(rng.random(30) < 0.5, 20)
    trees = np.where(hard, rng.random(600) < 0.2, True).astype(float)
    lstm = np.where(hard, rng.random(600) < 0.6, True).astype(float)
    found = compare({'lstm': lstm, 'trees': trees}, recording)
    assert found['lead']['trees']['low'] > 0.0
    assert 'is better than the trees' in found['sentence']
    # Unpaired, the intervals overlap.
    assert found['accuracy']['lstm']['low'] < found['accuracy']['trees']['high']
    assert 'worse' in compare({'lstm': trees, 'trees': lstm}, recording)['sentence']
    assert 'not better' in compare({'lstm': lstm, 'trees': lstm}, recording)['sentence']


def test_recordings_without_a_right_window_and_groups_are_named() -> None:
    right = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    assert zero_accuracy_recordings(right, ['a', 'a', 'b', 'b', 'c', 'c']) == ['a']
    groups = by_group({'lstm': right}, ['fast', 'slow', 'slow', '', 'slow', 'fast'])
    assert groups == {'fast': {'windows': 2, 'lstm': 0.5}, 'slow': {'windows': 3, 'lstm': pytest.approx(2 / 3)}}
