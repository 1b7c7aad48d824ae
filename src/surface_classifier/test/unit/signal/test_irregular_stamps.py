# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Jitter, drops, duplicates and reordering: windows are those of the clean stream or are voided, never wrong.

Within these bounds:

- Messages are late, lost, repeated or out of order, their stamps are right. Numbered blocks: whatever happens to them.
  Messages without numbers (a JointState): with `gap_limit_s` below two periods, so that one lost message is a gap. Then
  every window that comes equals the clean one to the bit.
- With the default `gap_limit_s` of 2.5 periods one lost message without a number is bridged: its point lies on the
  straight line between its neighbours, and every other point is the clean one to the bit.
- Stamps jitter because samples were taken at uneven times: points lie within the error of linear interpolation.
- Latecomers are older than the newest sample by less than the second after which a clock counts as set back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from surface_classifier.signal.channel_map import TopicSamples
from surface_classifier.signal.grid import Grid
from surface_classifier.signal.sample_gate import CLOCK_JUMP_NS
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig, PartConfig, WindowConfig
from surface_classifier.signal.window_stream import StreamCounters, Window, WindowStream

MS = 1_000_000
SECOND = 1000 * MS
BASE_NS = 1_700_000_000 * SECOND
PERIOD_NS = 10 * MS
RATE_HZ = 100.0
TOPIC = 'joint_states'

Messages = list[TopicSamples]


def window_config(
    numbered: bool, gap_limit_s: float | None, input_rate_hz: float | None = None, rate_hz: float = RATE_HZ
) -> WindowConfig:
    msgtype, fields = (
        (MOTOR_CURRENT_TYPE, ('current[left]', 'current[right]'))
        if numbered
        else ('sensor_msgs/msg/JointState', ('effort[0]', 'effort[1]'))
    )
    channels = tuple(ChannelConfig(f'c{n}', TOPIC, msgtype, field) for n, field in enumerate(fields))
    part = PartConfig('motor', rate_hz, channels, input_rate_hz)
    return WindowConfig((part,), window_samples=20, stride_samples=5, gap_limit_s=gap_limit_s)


def signal_at(stamps_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """A signal that is known at every time, shape (samples, 2): its second derivative is at most `CURVATURE`."""
    time_s = (stamps_ns - BASE_NS) / SECOND
    return np.column_stack((np.sin(2 * np.pi * 3 * time_s), 5 + np.cos(2 * np.pi * 2 * time_s)))


CURVATURE = (2 * np.pi * 3) ** 2


def clean_messages(count: int, samples: int, numbered: bool) -> Messages:
    """Messages of a clean stream, each with so many samples (one where they have no numbers)."""
    stamps = BASE_NS + np.arange(count, dtype=np.int64) * PERIOD_NS
    values = signal_at(stamps)
    return [
        TopicSamples(
            TOPIC, stamps[first : first + samples], values[first : first + samples], first if numbered else None
        )
        for first in range(0, count, samples)
    ]


def cut(config: WindowConfig, messages: Messages) -> tuple[list[Window], StreamCounters]:
    stream = WindowStream(config)
    windows = [window for message in messages for window in stream.push(message._replace(values=message.values.copy()))]
    return windows, stream.counters


@dataclass(frozen=True)
class Fate:
    """What happens to a message on its way.

    Attributes:
        copies: How often it arrives; 0: it is lost.
        delay: By how many messages each copy is late.
    """

    copies: int
    delay: int


FATES = st.one_of(
    st.just(Fate(1, 0)),
    st.just(Fate(1, 0)),
    st.builds(Fate, st.integers(0, 3), st.integers(0, 9)),
)


def arriving(messages: Messages, fates: list[Fate]) -> Messages:
    """The messages in the order of their arrival."""
    arrivals = [
        (place + (fate.delay if copy else fate.delay // 2), copy, place)
        for place, fate in enumerate(fates)
        for copy in range(fate.copies)
    ]
    return [messages[place] for _, _, place in sorted(arrivals)]


def assert_clean_or_voided(windows: list[Window], clean: list[Window]) -> None:
    """Every window equals the clean one of its index to the bit, and none comes twice."""
    by_index = {window.index: window for window in clean}
    assert len({window.index for window in windows}) == len(windows)
    for window in windows:
        expected = by_index[window.index]
        assert (window.start_ns, window.end_ns, window.coverage) == (expected.start_ns, expected.end_ns, 1.0)
        assert window.parts['motor'].tobytes() == expected.parts['motor'].tobytes()


CASES = st.sampled_from(
    [
        # Numbered blocks of 1, 5 and 10 samples: the default limit, and low-passed from 100 Hz to 20 Hz.
        (True, 1, window_config(True, None)),
        (True, 5, window_config(True, None)),
        (True, 10, window_config(True, None)),
        (True, 5, window_config(True, 0.5, RATE_HZ, 20.0)),
        # Single messages without numbers: the limit is below two periods.
        (False, 1, window_config(False, 0.019)),
        (False, 1, window_config(False, 0.012)),
        (False, 1, window_config(False, 0.019, RATE_HZ, 20.0)),
    ]
)


@settings(max_examples=100, deadline=None)
@given(CASES, st.lists(FATES, min_size=60, max_size=60), st.integers(0, 59))
def test_messages_lost_late_repeated_or_out_of_order_change_no_window(
    case: tuple[bool, int, WindowConfig], drawn: list[Fate], first_fault: int
) -> None:
    numbered, samples, config = case
    # The faults lie in a stretch of sixty messages; what comes before and after is clean.
    messages = clean_messages(300 * samples, samples, numbered)
    fates = [Fate(1, 0)] * (60 + first_fault) + drawn
    fates += [Fate(1, 0)] * (300 - len(fates))
    clean, clean_counters = cut(config, messages)
    windows, counters = cut(config, arriving(messages, fates))
    assert_clean_or_voided(windows, clean)
    # Latecomers are at most nine messages of up to ten samples late: no clock was set back.
    assert 9 * samples * PERIOD_NS <= CLOCK_JUMP_NS
    assert counters.clock_jumps == clean_counters.clock_jumps == 0
    # What does not come is counted as voided: nothing vanishes.
    assert len(windows) + counters.voided == len(clean)
    if all(fate == Fate(1, 0) for fate in drawn):
        assert len(windows) == len(clean)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 298), max_size=60, unique=True))
def test_one_lost_message_in_a_row_is_bridged_by_a_straight_line(lost: list[int]) -> None:
    messages = clean_messages(300, 1, numbered=False)
    config = window_config(False, None)
    clean, _ = cut(config, messages)
    windows, counters = cut(config, [message for place, message in enumerate(messages) if place not in lost])
    gone = set(lost)
    by_index = {window.index: window for window in clean}
    for window in windows:
        expected = by_index[window.index].parts['motor']
        first = (window.start_ns - BASE_NS) // PERIOD_NS
        for row in range(20):
            place = first + row
            if place not in gone:
                assert window.parts['motor'][row].tobytes() == expected[row].tobytes()
                continue
            # Two in a row are a gap of three periods, which is not bridged: that window does not come.
            assert not {place - 1, place + 1} & gone
            line = (messages[place - 1].values[0] + messages[place + 1].values[0]) / 2
            np.testing.assert_allclose(window.parts['motor'][row], line, rtol=0, atol=1e-12)
    assert len(windows) + counters.voided == len(clean)
    if not any(place + 1 in gone for place in gone):
        assert counters.voided == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.7), st.booleans())
def test_samples_taken_at_uneven_times_lie_within_the_error_of_interpolation(
    seed: int, jitter: float, numbered: bool
) -> None:
    rng = np.random.default_rng(seed)
    even = BASE_NS + np.arange(300, dtype=np.int64) * PERIOD_NS
    stamps = even + np.rint(rng.uniform(-jitter, jitter, 300) * PERIOD_NS).astype(np.int64)
    # A stamp that jitters past its neighbour arrives after it, and is dropped as a latecomer.
    messages = [
        TopicSamples(TOPIC, stamps[[place]], signal_at(stamps[[place]]), place if numbered else None)
        for place in range(300)
    ]
    config = window_config(numbered, None)
    windows, counters = cut(config, messages)
    grid = Grid(RATE_HZ)
    # Neighbours are at most the gap limit apart: linear interpolation errs by at most its square / 8 times curvature.
    limit_s = config.gap_limit_of_part_s(0)
    bound = limit_s**2 / 8 * CURVATURE
    for window in windows:
        first = grid.first_at_or_after(window.start_ns)
        exact = signal_at(grid.stamps_ns(first, 20))
        assert np.abs(window.parts['motor'] - exact).max() <= bound + 1e-9
    assert counters.clock_jumps == 0
    if jitter < 0.25:
        # No interval can exceed 1.5 periods, no stamp can pass its neighbour: all windows are there.
        assert (counters.voided, counters.out_of_order) == (0, 0)
        assert len(windows) >= 55


@pytest.mark.parametrize('numbered', [True, False])
def test_arrival_jitter_alone_changes_nothing(numbered: bool) -> None:
    """The time of receipt stands in for a missing stamp alone; a right stamp makes the network's jitter invisible."""
    messages = clean_messages(300, 1, numbered)
    config = window_config(numbered, None)
    whole = cut(config, messages)
    # Bunched: nothing for a while, then many at once.
    joined = [
        TopicSamples(
            TOPIC,
            np.concatenate([message.stamps_ns for message in messages[first : first + 30]]),
            np.concatenate([message.values for message in messages[first : first + 30]]),
            first if numbered else None,
        )
        for first in range(0, 300, 30)
    ]
    bunched = cut(config, joined)
    assert [window.parts['motor'].tobytes() for window in bunched[0]] == [
        window.parts['motor'].tobytes() for window in whole[0]
    ]
    assert bunched[1] == whole[1]
