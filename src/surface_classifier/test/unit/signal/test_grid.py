# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The even grid is exact: its stamps, and the points next to a stamp, are those of rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surface_classifier.signal.grid import Grid

RATES_HZ = st.sampled_from([6.5, 1.0, 50.0, 100.0, 1000.0, 30.0, 100 / 3, 59.94, 0.25, 44100.0, 999.999, 1e6])
INDICES = st.integers(-(10**11), 2 * 10**12)
STAMPS_NS = st.integers(-(10**18), 4 * 10**18)


def exact_stamp_ns(rate: Fraction, index: int) -> int:
    return math.floor(Fraction(index) * 1_000_000_000 / rate + Fraction(1, 2))


@settings(deadline=None)
@given(RATES_HZ, INDICES)
def test_a_stamp_is_the_rational_number_rounded(rate_hz: float, index: int) -> None:
    grid = Grid(rate_hz)
    assert grid.stamp_ns(index) == exact_stamp_ns(grid.rate, index)


@settings(deadline=None)
@given(RATES_HZ, STAMPS_NS)
def test_the_points_around_a_stamp(rate_hz: float, stamp_ns: int) -> None:
    grid = Grid(rate_hz)
    after, before = grid.first_at_or_after(stamp_ns), grid.last_at_or_before(stamp_ns)
    assert grid.stamp_ns(after - 1) < stamp_ns <= grid.stamp_ns(after)
    assert grid.stamp_ns(before) <= stamp_ns < grid.stamp_ns(before + 1)


@settings(deadline=None)
@given(RATES_HZ, st.integers(0, 3 * 10**9), st.integers(0, 60))
def test_many_stamps_equal_single_ones(rate_hz: float, seconds: int, count: int) -> None:
    grid = Grid(rate_hz)
    first = math.floor(seconds * grid.rate)
    assert grid.stamps_ns(first, count).tolist() == [grid.stamp_ns(first + step) for step in range(count)]


def test_thirteen_points_of_6_5_hz_take_two_seconds_at_any_time() -> None:
    grid = Grid(6.5)
    base_s = 1_000_000_000 + 86_400 * 70
    first = grid.first_at_or_after(base_s * 1_000_000_000)
    assert grid.stamp_ns(first) == base_s * 1_000_000_000
    assert grid.stamp_ns(first + 13) == (base_s + 2) * 1_000_000_000
    assert grid.stamp_ns(first + 1) == base_s * 1_000_000_000 + 153_846_154
    assert [first % hop for hop in (5, 8, 13)] == [0, 0, 0]


@pytest.mark.parametrize('rate_hz', [0.0, -1.0, math.nan, math.inf, 1e-9, 2e6])
def test_a_rate_out_of_range_is_refused(rate_hz: float) -> None:
    with pytest.raises(ValueError, match='Hz'):
        Grid(rate_hz)
