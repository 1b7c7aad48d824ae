# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of a backlog are distinguished from those that come at their pace, whatever the pace."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surface_classifier.model.backlog_gate import BacklogGate

NANOSECONDS = 1_000_000_000
STRIDE_S = 0.5


def late_windows(arrivals: list[tuple[float, float]]) -> list[int]:
    """Return the places of the windows that are late, of (stamp [s], arrival [s])."""
    gate = BacklogGate()
    found = [
        place for place, (stamp_s, now_s) in enumerate(arrivals) if gate.is_late(round(stamp_s * NANOSECONDS), now_s)
    ]
    assert gate.refused == len(found)
    return found


def stream(count: int, stamp_s: float = 1e6, now_s: float = 50.0, pace: float = 1.0) -> list[tuple[float, float]]:
    return [(stamp_s + STRIDE_S * place, now_s + STRIDE_S * place / pace) for place in range(count)]


@pytest.mark.parametrize('held_up_s', [2.0, 5.0, 60.0])
def test_after_a_hold_up_the_backlog_is_late_and_the_present_is_not(held_up_s: float) -> None:
    before = stream(20)
    end_s = before[-1][1]
    backlog = [
        (before[-1][0] + STRIDE_S * (place + 1), end_s + held_up_s + 0.002 * place)
        for place in range(int(held_up_s / STRIDE_S))
    ]
    after = stream(10, before[-1][0] + held_up_s + STRIDE_S, end_s + held_up_s + STRIDE_S)
    late = late_windows([*before, *backlog, *after])
    old = [20 + place for place, (stamp_s, _) in enumerate(backlog) if stamp_s < backlog[-1][0] - 1.0]
    assert set(old) <= set(late)
    assert all(place < 20 + len(backlog) for place in late)


@given(
    pace=st.sampled_from([0.05, 0.2, 1.0, 5.0, 20.0]),
    jitter=st.lists(st.floats(0.7, 1.3), min_size=100, max_size=100),
)
def test_no_window_of_a_replay_at_any_pace_is_late(pace: float, jitter: list[float]) -> None:
    now_s, arrivals = 0.0, []
    for place, factor in enumerate(jitter):
        now_s += STRIDE_S / pace * factor
        arrivals.append((1e6 + STRIDE_S * place, now_s))
    assert late_windows(arrivals) == []


def test_a_paused_replay_costs_one_window() -> None:
    before = stream(20)
    after = stream(20, before[-1][0] + STRIDE_S, before[-1][1] + 30.0)
    assert late_windows([*before, *after]) == [20]


def test_windows_missing_for_a_while_and_sources_that_start_again_are_not_late() -> None:
    before = stream(20)
    gap = stream(20, before[-1][0] + 30.0, before[-1][1] + 30.0)
    again = stream(20, 5.0, gap[-1][1] + 3.0)  # a clock that starts at 0
    ahead = stream(20, 9e6, again[-1][1] + 3.0)
    assert late_windows([*before, *gap, *again, *ahead]) == []


def test_a_pace_that_slows_down_is_learned() -> None:
    before = stream(20)
    slower = stream(60, before[-1][0] + STRIDE_S, before[-1][1] + 5.0, pace=0.1)
    late = late_windows([*before, *slower])
    assert all(place < 50 for place in late)
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(late))
