# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The two measures of a curve's fluctuation, and the epoch at which a score is reached."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from surface_classifier.diagnosis.fluctuation import (
    MEDIAN_EPOCHS,
    detrended_log_std,
    epochs_to,
    rising_share,
    running_median,
)

LOSSES = arrays(np.float64, st.integers(3, 120), elements=st.floats(1e-4, 1e3))


def test_rising_share_counts_the_rises() -> None:
    assert rising_share([3.0, 2.0, 2.5, 2.5, 1.0]) == 0.25
    assert rising_share([1.0, 2.0]) == 1.0
    assert math.isnan(rising_share([1.0]))


@given(LOSSES)
def test_a_falling_loss_does_not_fluctuate(losses: np.ndarray) -> None:
    falling = np.sort(losses)[::-1]
    assert rising_share(falling) == 0.0
    assert detrended_log_std(falling) == 0.0


@given(LOSSES)
def test_rises_and_falls_of_a_reversed_curve_change_places(losses: np.ndarray) -> None:
    level = float(np.mean(np.diff(losses) == 0))
    assert rising_share(losses) + rising_share(losses[::-1]) + level == pytest.approx(1.0)


@given(LOSSES, st.floats(0.1, 10.0))
def test_the_size_of_the_wobble_does_not_depend_on_the_unit_of_the_loss(losses: np.ndarray, factor: float) -> None:
    assert detrended_log_std(losses * factor) == pytest.approx(detrended_log_std(losses), rel=1e-6, abs=1e-9)


def test_the_wobble_of_a_noisy_trend_is_its_noise() -> None:
    epochs = np.arange(3000)
    noise = np.random.default_rng(0).normal(0.0, 0.05, len(epochs))
    losses = np.exp(-epochs / 1000 + noise)
    assert detrended_log_std(losses) == pytest.approx(0.05, rel=0.1)
    assert rising_share(losses) == pytest.approx(0.5, abs=0.05)


def test_a_loss_of_zero_is_taken_for_the_smallest_that_float32_holds() -> None:
    assert detrended_log_std([1e-7, 0.0, 1e-7, 0.0]) == 0.0
    assert math.isnan(detrended_log_std([1.0, 0.5]))


@given(LOSSES)
def test_the_running_median_is_the_median_of_each_neighbourhood(values: np.ndarray) -> None:
    medians = running_median(values, MEDIAN_EPOCHS)
    for place, median in enumerate(medians):
        reach = min(MEDIAN_EPOCHS // 2, place, len(values) - 1 - place)
        assert median == np.median(values[place - reach : place + reach + 1])


def test_the_running_median_takes_odd_widths_and_short_curves() -> None:
    assert running_median(np.array([]), 3).tolist() == []
    assert running_median(np.array([2.0]), 21).tolist() == [2.0]
    with pytest.raises(ValueError, match='odd number, not 20'):
        running_median(np.ones(30), 20)


def test_epochs_to_counts_from_one() -> None:
    assert epochs_to([0.5, 1.0, 0.9, 1.0]) == 2
    assert epochs_to([0.5, 0.9], 0.5) == 1
    assert epochs_to([0.5, 0.9]) is None
    assert epochs_to([]) is None


@pytest.mark.parametrize('losses', [[1.0, math.nan], [1.0, -0.1], [math.inf, 1.0], [[1.0], [2.0]]])
def test_what_is_no_row_of_losses_is_refused(losses: list[float]) -> None:
    with pytest.raises(ValueError, match='needed'):
        rising_share(losses)
    with pytest.raises(ValueError, match='needed'):
        detrended_log_std(losses)
