# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Deadlines learned from the intervals of messages: short where they are regular, never too short."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from current_driver.node.arrival_watch import ArrivalWatch


def first_report_s(watch: ArrivalWatch, arrivals_s: list[float]) -> float | None:
    """Return when a gap was first longer than the deadline; None when no gap was."""
    for before_s, now_s in itertools.pairwise(arrivals_s):
        watch.arrive(before_s)
        if watch.is_silent(now_s - 1e-9):
            return now_s
    watch.arrive(arrivals_s[-1])
    return None


@pytest.mark.parametrize(('rate_hz', 'deadline_s'), [(5.0, 0.6), (10.0, 0.3), (50.0, 0.25), (1000.0, 0.25), (0.5, 2.0)])
def test_a_regular_stream_has_a_deadline_of_three_periods(rate_hz: float, deadline_s: float) -> None:
    watch = ArrivalWatch(2.0)
    rng = np.random.default_rng(0)
    periods_s = 1 / rate_hz * rng.uniform(0.9, 1.1, max(500, round(3 * rate_hz)))
    assert first_report_s(watch, list(np.cumsum(periods_s))) is None or rate_hz == 0.5
    assert watch.deadline_s == pytest.approx(deadline_s, rel=0.1)


def test_before_anything_is_learned_the_limit_holds() -> None:
    watch = ArrivalWatch(2.0)
    assert (watch.has_begun, watch.age_s(5.0), watch.is_silent(5.0)) == (False, None, False)
    for number in range(5):
        watch.arrive(0.1 * number)
    assert watch.deadline_s == 2.0
    assert not watch.is_silent(2.3)
    assert watch.is_silent(2.5)
    assert watch.age_s(2.4) == pytest.approx(2.0)


@pytest.mark.parametrize('seed', range(5))
def test_an_irregular_stream_with_gaps_of_a_second_is_never_reported_in_30_minutes(seed: int) -> None:
    """9 to 17 messages a second, as a small robot sends them."""
    rng = np.random.default_rng(seed)
    periods_s = 1 / rng.uniform(9, 17, 30 * 60 * 13)
    periods_s[rng.integers(0, len(periods_s), 60)] = 1.0
    assert first_report_s(ArrivalWatch(2.0), list(np.cumsum(periods_s))) is None


def test_a_regular_stream_with_gaps_of_a_second_is_reported_at_most_once() -> None:
    rng = np.random.default_rng(1)
    periods_s = np.full(30 * 60 * 10, 0.1) * rng.uniform(0.95, 1.05, 18_000)
    periods_s[200::600] = 1.0
    stamps_s = list(np.cumsum(periods_s))
    watch = ArrivalWatch(2.0)
    assert first_report_s(watch, stamps_s) == pytest.approx(stamps_s[200])
    assert first_report_s(watch, stamps_s[200:]) is None


def test_an_outage_teaches_nothing() -> None:
    watch = ArrivalWatch(2.0)
    start_s = 0.0
    for _ in range(5):
        for number in range(50):
            watch.arrive(start_s + 0.1 * number)
        assert watch.deadline_s == pytest.approx(0.3)
        start_s += 4.9 + 1.5  # ended and started again


@pytest.mark.parametrize('options', [{'learns': False}, {'limit_s': 0.5}])
def test_a_limit_of_the_user_and_the_pace_of_flow_control_are_left_alone(options: dict[str, float]) -> None:
    watch = ArrivalWatch(**{'limit_s': 2.0, **options})  # type: ignore[arg-type]
    limit_s = watch.deadline_s
    for number in range(200):
        watch.arrive(0.01 * number)
    assert watch.deadline_s == limit_s
