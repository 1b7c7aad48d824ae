# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How good the resampled signal is: exact on the grid, flat in the band, closed above it, and never over a gap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from surface_classifier.signal.grid import Grid
from surface_classifier.signal.resampler import LinearResampler, LowPassResampler, Resampler
from surface_classifier.signal.sample_gate import OrderedSamples

BASE_NS = 1_700_000_000_000_000_000
MS = 1_000_000
RATE_HZ = 100.0

Stamps = NDArray[np.int64]
Values = NDArray[np.float64]


class Points:
    """Collects what a resampler gives out."""

    def __init__(self) -> None:
        self.first = 0
        self.rows: list[Values] = []

    def begin(self, index: int) -> None:
        self.first = index
        self.rows = []

    def append(self, values: Values) -> None:
        self.rows.append(np.array(values))

    def append_unmeasured(self, count: int) -> None:
        self.rows.append(np.full((count, self.rows[0].shape[1] if self.rows else 1), np.nan))

    @property
    def values(self) -> Values:
        return np.concatenate(self.rows)

    def times_s(self, rate_hz: float = RATE_HZ) -> Values:
        return (Grid(rate_hz).stamps_ns(self.first, len(self.values)) - BASE_NS) / 1e9


def low_pass(points: Points, input_rate_hz: float, gap_limit_ns: int = 25 * MS) -> Resampler:
    return LowPassResampler(Grid(RATE_HZ), gap_limit_ns, points, input_rate_hz)


def linear(points: Points, gap_limit_ns: int = 25 * MS) -> Resampler:
    return LinearResampler(Grid(RATE_HZ), gap_limit_ns, points)


def push(resampler: Resampler, stamps: Stamps, values: Values, follows: bool = True) -> None:
    resampler.push(OrderedSamples(stamps, values.reshape(len(stamps), -1), follows))


def tone(stamps: Stamps, frequency_hz: float) -> Values:
    """Cosine and sine of a tone at some stamps: shape (n, 2)."""
    phase = 2 * np.pi * frequency_hz * (stamps - BASE_NS) / 1e9
    return np.column_stack((np.cos(phase), np.sin(phase)))


def resampled_tone(
    input_rate_hz: float, frequency_hz: float, offset_ns: int = 0, jitter: float = 0.0
) -> tuple[Values, Values]:
    """A tone after decimation, and what it should be."""
    count = round(input_rate_hz * 1.5)
    exact = np.arange(count) * (1e9 / input_rate_hz)
    moved = np.random.default_rng(1).uniform(-jitter, jitter, count) * 1e9 / input_rate_hz
    stamps = BASE_NS + offset_ns + np.rint(exact + moved).astype(np.int64)
    points = Points()
    push(low_pass(points, input_rate_hz), stamps, tone(stamps, frequency_hz))
    return points.values, tone(Grid(RATE_HZ).stamps_ns(points.first, len(points.values)), frequency_hz)


# Every 7 ms of 1 kHz lies elsewhere between two grid points; 313 Hz is no multiple of the grid's rate.
INPUTS = [(1000.0, 0), (1000.0, 413_211), (313.0, 0), (200.0, 1_234_567), (997.0, 5)]


@pytest.mark.parametrize(('input_rate_hz', 'offset_ns'), INPUTS)
def test_the_band_passes_within_a_thousandth(input_rate_hz: float, offset_ns: int) -> None:
    for frequency_hz in np.linspace(0.0, 40.0, 41):
        values, expected = resampled_tone(input_rate_hz, frequency_hz, offset_ns)
        assert np.abs(values - expected).max() < 1e-3, frequency_hz


@pytest.mark.parametrize(('input_rate_hz', 'offset_ns'), INPUTS)
def test_all_above_the_new_nyquist_is_60_db_down(input_rate_hz: float, offset_ns: int) -> None:
    for frequency_hz in np.linspace(50.0, input_rate_hz - 50.0, 121):
        values, _ = resampled_tone(input_rate_hz, frequency_hz, offset_ns)
        assert 20 * np.log10(np.abs(values).max()) < -60, frequency_hz


def test_a_swept_sine_above_the_new_nyquist_is_60_db_down() -> None:
    times_s = np.arange(8000) / 1000
    stamps = BASE_NS + np.arange(8000) * MS
    sweep = np.sin(2 * np.pi * (55 * times_s + (490 - 55) / 8 * times_s**2 / 2))
    points = Points()
    push(low_pass(points, 1000.0), stamps, sweep)
    measured = points.values[5:-5]
    assert 20 * np.log10(np.sqrt(np.mean(measured**2)) / np.sqrt(0.5)) < -60
    naive = sweep[::10]
    assert 20 * np.log10(np.sqrt(np.mean(naive**2)) / np.sqrt(0.5)) > -6


def test_jittered_stamps_keep_the_band() -> None:
    for frequency_hz in (1.0, 5.0, 20.0):
        values, expected = resampled_tone(1000.0, frequency_hz, jitter=0.2)
        assert np.abs(values - expected).max() < 2e-3


def test_a_level_stays_what_it_is_whatever_the_jitter() -> None:
    stamps = BASE_NS + np.cumsum(np.random.default_rng(2).integers(200_000, 1_800_000, 2000))
    points = Points()
    push(low_pass(points, 1000.0), stamps, np.full(2000, 0.59))
    np.testing.assert_allclose(points.values, 0.59, rtol=1e-12)


def test_the_delay_of_the_low_pass_is_stated_and_below_half_a_second() -> None:
    points = Points()
    resampler = low_pass(points, 1000.0)
    assert resampler.reach_ns == 220 * MS
    for sample in range(1000):
        stamp = BASE_NS + sample * MS
        push(resampler, np.array([stamp]), np.array([1.0]))
        known = Grid(RATE_HZ).last_at_or_before(stamp - resampler.reach_ns)
        assert points.first + sum(len(rows) for rows in points.rows) == max(known + 1, points.first)


def test_a_step_is_not_shifted() -> None:
    stamps = BASE_NS + np.arange(3000) * MS
    points = Points()
    # Halfway between two grid points, where the rising output crosses one half on a straight line.
    step = np.sign(np.arange(3000) - 1495) / 2 + 0.5
    push(low_pass(points, 1000.0), stamps, step)
    crossing_s = np.interp(0.5, points.values[:, 0], points.times_s())
    assert abs(crossing_s - 1.495) < 1e-9


def test_a_bridged_interval_in_the_low_pass_is_a_straight_line() -> None:
    stamps = BASE_NS + np.arange(2000) * MS
    ramp = np.arange(2000) / 1000
    keep = np.ones(2000, dtype=bool)
    keep[1000:1020] = False
    points = Points()
    push(low_pass(points, 1000.0), stamps[keep], ramp[keep])
    np.testing.assert_allclose(points.values[:, 0], points.times_s(), atol=2e-5)


@pytest.mark.parametrize('follows', [True, False])
def test_the_low_pass_does_not_reach_over_a_gap(follows: bool) -> None:
    stamps = BASE_NS + np.arange(2000) * MS
    values = np.ones(2000)
    points = Points()
    resampler = low_pass(points, 1000.0)
    resume = 1026 if follows else 1010
    push(resampler, stamps[:1000], values[:1000])
    push(resampler, stamps[resume:], values[resume:], follows)
    measured = points.times_s()[~np.isnan(points.values[:, 0])]
    assert measured.tolist() == [
        n / 100
        for n in range(200)
        if 0.22 <= n / 100 <= 0.999 - 0.22 or resume / 1000 + 0.22 <= n / 100 <= 1.999 - 0.22
    ]
    assert resampler.gaps == 1


def test_samples_on_the_grid_pass_as_they_are() -> None:
    stamps = BASE_NS + np.arange(100) * 10 * MS
    values = np.random.default_rng(3).normal(size=(100, 2))
    points = Points()
    push(linear(points), stamps, values)
    assert np.array_equal(points.values, values)
    assert points.times_s()[0] == 0


@settings(deadline=None)
@given(st.lists(st.integers(1, 30 * MS), min_size=1, max_size=60), st.integers(0, 10 * MS))
def test_linear_points_agree_with_interpolation_and_skip_gaps(steps: list[int], offset: int) -> None:
    stamps = BASE_NS + offset + np.cumsum(np.array([0, *steps], dtype=np.int64))
    values = np.sin(np.arange(len(stamps)) * 1.7)
    points = Points()
    resampler = linear(points)
    push(resampler, stamps, values)
    assert resampler.gaps == sum(step > 25 * MS for step in steps)
    if not points.rows:
        return
    grid = Grid(RATE_HZ).stamps_ns(points.first, len(points.values))
    # No point is missing at either end.
    assert grid[0] - 10 * MS < stamps[0] <= grid[0]
    assert grid[-1] <= stamps[-1] < grid[-1] + 10 * MS
    expected = np.interp(grid - BASE_NS, stamps - BASE_NS, values)
    right = np.searchsorted(stamps, grid)
    in_gap = (grid != stamps[right]) & (stamps[right] - stamps[np.maximum(right - 1, 0)] > 25 * MS)
    assert np.array_equal(np.isnan(points.values[:, 0]), in_gap)
    np.testing.assert_allclose(points.values[~in_gap, 0], expected[~in_gap], atol=1e-9)
    exact = grid == stamps[right]
    assert np.array_equal(points.values[exact, 0], values[right[exact]])


def test_an_unmeasured_value_is_not_bridged_and_spoils_no_other_channel() -> None:
    stamps = BASE_NS + 3 * MS + np.arange(6) * 10 * MS
    values = np.column_stack((np.arange(6.0), np.arange(6.0)))
    values[2, 0] = np.nan
    points = Points()
    push(linear(points), stamps, values)
    assert np.isnan(points.values).tolist() == [
        [False, False],
        [True, False],
        [True, False],
        [False, False],
        [False, False],
    ]


def test_a_sample_on_a_grid_point_passes_as_it_is_whatever_lies_beside_it() -> None:
    # 200 Hz onto 100 Hz: every second sample lies on a point.
    stamps = BASE_NS + np.arange(400) * 5 * MS
    values = np.random.default_rng(4).normal(size=400)
    points = Points()
    push(linear(points), stamps, values)
    assert np.array_equal(points.values[:, 0], values[::2])
    values[1::4] = np.nan
    push(linear(points), stamps, values)
    assert np.array_equal(points.values[:, 0], values[::2])


def test_the_observed_rate_leaves_gaps_out() -> None:
    points = Points()
    resampler = linear(points)
    push(resampler, BASE_NS + np.arange(50) * 8 * MS, np.zeros(50))
    push(resampler, BASE_NS + 10_000 * MS + np.arange(50) * 8 * MS, np.zeros(50))
    assert resampler.observed_rate_hz == pytest.approx(125.0)


def test_the_observed_rate_of_samples_too_slow_for_the_gap_limit() -> None:
    resampler = linear(Points())
    assert np.isnan(resampler.observed_rate_hz)
    push(resampler, BASE_NS + np.arange(50) * 40 * MS, np.zeros(50))
    assert resampler.gaps == 49
    assert resampler.observed_rate_hz == pytest.approx(25.0)


def test_a_bridged_interval_of_hours_is_a_straight_line() -> None:
    points = Points()
    hours_ns = 40_000 * 10**9
    resampler = LowPassResampler(Grid(0.05), 2 * hours_ns, points, 10.0)
    stamps = np.array([BASE_NS, BASE_NS + hours_ns], dtype=np.int64)
    push(resampler, stamps, np.array([0.0, 1.0]))
    inner = ~np.isnan(points.values[:, 0])
    assert inner.sum() > 1900
    np.testing.assert_allclose(points.values[inner, 0], points.times_s(0.05)[inner] / 40_000, atol=1e-6)
