# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Pace of a replay and credits of its readers, with time as an argument."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from current_driver.errors import SurfaceError
from current_driver.node.pacing import FlowWindow, Pacer

SECOND = 10**9


def may_send(window: FlowWindow) -> bool:
    """Ask afresh: a type checker takes a property to stay as it was."""
    return window.may_send


@settings(deadline=None)
@given(
    rate=st.sampled_from([0.5, 1.0, 10.0]),
    steps_ms=st.lists(st.integers(0, 900), min_size=1, max_size=30),
    late_ms=st.integers(0, 5000),
)
def test_publishing_keeps_the_distances_of_the_stamps(rate: float, steps_ms: list[int], late_ms: int) -> None:
    pacer = Pacer(rate)
    now = 100.0
    stamp = 10**18
    assert pacer.delay_s(stamp, now) == 0.0
    published = []
    for step in steps_ms:
        stamp += step * 10**6
        now += pacer.delay_s(stamp, now)
        published.append((stamp, now))
    for stamp, when in published:
        assert when == pytest.approx(100.0 + (stamp - 10**18) / SECOND / rate, abs=1e-6)
    now += late_ms / 1000
    assert pacer.lag_s(now) == pytest.approx(late_ms / 1000, abs=1e-6)
    assert pacer.delay_s(stamp, now) == pytest.approx(0.0, abs=1e-6)


def test_a_caller_that_was_late_catches_up() -> None:
    pacer = Pacer()
    pacer.delay_s(0, 0.0)
    assert pacer.delay_s(1 * SECOND, 3.5) == 0.0
    assert pacer.lag_s(3.5) == 2.5
    assert pacer.delay_s(4 * SECOND, 3.5) == 0.5


def test_asking_again_gives_what_is_left() -> None:
    pacer = Pacer(2.0)
    pacer.delay_s(0, 0.0)
    assert pacer.delay_s(SECOND, 0.1) == pytest.approx(0.4)
    assert pacer.delay_s(SECOND, 0.3) == pytest.approx(0.2)


def test_a_step_back_and_the_next_recording_restart() -> None:
    pacer = Pacer()
    pacer.delay_s(50 * SECOND, 0.0)
    assert pacer.delay_s(51 * SECOND, 0.0) == 1.0
    assert pacer.delay_s(10 * SECOND, 1.0) == 0.0
    assert pacer.delay_s(11 * SECOND, 1.0) == 1.0
    pacer.begin_anew()
    assert pacer.due_in_s(2.0) == 0.0
    assert pacer.delay_s((11 + 86_400) * SECOND, 2.0) == 0.0
    assert pacer.delay_s((12 + 86_400) * SECOND, 2.0) == 1.0


def test_a_pause_of_the_robot_is_kept_however_long() -> None:
    pacer = Pacer(2.0)
    pacer.delay_s(0, 0.0)
    assert pacer.delay_s(600 * SECOND, 0.0) == 300.0
    assert pacer.due_in_s(100.0) == 200.0
    assert pacer.lag_s(100.0) == 0.0


def test_rate_zero_never_waits() -> None:
    pacer = Pacer(0.0)
    assert [pacer.delay_s(stamp, 0.0) for stamp in (0, SECOND, 5 * SECOND, 0)] == [0.0] * 4
    assert pacer.lag_s(100.0) == 0.0


@pytest.mark.parametrize('rate', [-1.0, float('nan'), float('inf')])
def test_bad_rate_is_refused(rate: float) -> None:
    with pytest.raises(SurfaceError, match=str(rate)):
        Pacer(rate)


def test_nothing_is_sent_before_every_reader_is_there() -> None:
    window = FlowWindow(in_flight=2, readers=2)
    window.on_progress('/a', 0, 0.0)
    assert not may_send(window)
    window.on_progress('/b', 0, 0.0)
    assert may_send(window)
    assert window.readers() == ('/a', '/b')


def test_slowest_reader_sets_the_pace() -> None:
    window = FlowWindow(in_flight=2, readers=2)
    window.on_progress('/a', 7, 0.0)  # served another replay before
    window.on_progress('/b', 0, 0.0)
    window.on_sent()
    window.on_sent()
    assert not may_send(window)
    window.on_progress('/a', 9, 1.0)
    assert not may_send(window)
    assert window.unacknowledged == 2
    window.on_progress('/b', 1, 1.0)
    assert may_send(window)


def test_a_reader_is_forgotten_when_it_is_silent_and_not_in_the_graph_any_more() -> None:
    window = FlowWindow(in_flight=2, readers=2, silence_s=5.0)
    for reader in ('/a', '/b'):
        window.on_progress(reader, 0, 0.0)
    window.on_sent()
    window.on_sent()
    window.on_progress('/a', 2, 4.0)
    assert not may_send(window)
    assert window.forget_gone(('/a', '/b'), 9.0) == ()
    assert window.forget_gone(('/a',), 4.9) == ()
    assert window.forget_gone((), 6.0) == ('/b',)
    assert window.readers() == ('/a',)
    assert window.unacknowledged == 0
    assert not window.ready


def test_reader_that_starts_again_is_not_owed_the_past() -> None:
    window = FlowWindow(in_flight=4)
    window.on_progress('/a', 0, 0.0)
    for _ in range(4):
        window.on_sent()
    window.on_progress('/a', 3, 1.0)
    window.on_progress('/a', 0, 2.0)
    assert window.unacknowledged == 0
    window.on_sent()
    assert window.unacknowledged == 1


def test_silent_reader_is_named_only_while_messages_wait() -> None:
    window = FlowWindow(silence_s=5.0)
    window.on_progress('/a', 0, 0.0)
    assert window.silent(100.0) == ()
    window.on_sent()
    assert window.silent(4.9) == ()
    assert window.silent(5.1) == ('/a',)
    window.on_progress('/a', 0, 5.2)
    assert window.silent(6.0) == ()


@settings(deadline=None)
@given(
    in_flight=st.integers(1, 5),
    readers=st.integers(0, 3),
    turns=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=200),
)
def test_no_reader_ever_waits_for_more_than_the_window(
    in_flight: int, readers: int, turns: list[tuple[int, int]]
) -> None:
    window = FlowWindow(in_flight, readers)
    done = [0] * readers
    for index in range(readers):
        window.on_progress(f'/{index}', 0, 0.0)
    sent = 0
    for index, worked in turns:
        while readers and window.may_send:
            window.on_sent()
            sent += 1
        if not readers:
            assert may_send(window)
            continue
        assert sent - min(done) == in_flight  # never more, and never less than what is allowed
        reader = index % readers
        done[reader] = min(sent, done[reader] + worked)
        window.on_progress(f'/{reader}', done[reader], 0.0)


@pytest.mark.parametrize(('in_flight', 'readers'), [(0, 1), (1, -1)])
def test_bad_window_is_refused(in_flight: int, readers: int) -> None:
    with pytest.raises(SurfaceError, match='must'):
        FlowWindow(in_flight, readers)
