# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""One path from samples to windows: the same windows however, whenever and with whatever losses the samples come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from current_driver.messages import typestore
from surface_classifier.signal.channel_map import TopicSamples
from surface_classifier.signal.grid import Grid
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig, PartConfig, WindowConfig
from surface_classifier.signal.window_stream import Window, WindowStream

MS = 1_000_000
SECOND = 1000 * MS
BASE_NS = 1_700_000_000 * SECOND
MOTOR, IMU = 'motor_current', 'imu'


def motor_part(rate_hz: float = 100.0, input_rate_hz: float | None = None, topic: str = MOTOR) -> PartConfig:
    channels = tuple(ChannelConfig(name, topic, MOTOR_CURRENT_TYPE, f'current[{name}]') for name in ('left', 'right'))
    return PartConfig('motor', rate_hz, channels, input_rate_hz)


def imu_part(rate_hz: float = 100.0) -> PartConfig:
    channels = tuple(ChannelConfig(axis, IMU, 'sensor_msgs/msg/Imu', f'angular_velocity.{axis}') for axis in 'xyz')
    return PartConfig('imu', rate_hz, channels)


def config(samples: int = 20, stride: int = 5, **changes: Any) -> WindowConfig:
    return WindowConfig(**{'parts': (motor_part(),), 'window_samples': samples, 'stride_samples': stride, **changes})


@dataclass
class Signal:
    """A numbered signal that can be cut into messages anywhere."""

    stamps_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    topic: str = MOTOR
    numbered: bool = True
    stream_id: int = 0

    def block(self, start: int, end: int) -> TopicSamples:
        first = start if self.numbered else None
        return TopicSamples(self.topic, self.stamps_ns[start:end], self.values[start:end].copy(), first, self.stream_id)

    def blocks(self, sizes: Iterable[int]) -> list[TopicSamples]:
        blocks, start = [], 0
        for size in sizes:
            blocks.append(self.block(start, start + size))
            start += size
        return [*blocks, self.block(start, len(self.stamps_ns))]

    def every(self, size: int) -> list[TopicSamples]:
        return self.blocks([size] * (len(self.stamps_ns) // size))


def even_signal(
    count: int, period_ns: int = 10 * MS, start_ns: int = BASE_NS, channels: int = 2, **changes: Any
) -> Signal:
    stamps = start_ns + np.arange(count, dtype=np.int64) * period_ns
    # What a sample holds depends on its stamp alone, so that signals that begin elsewhere agree.
    phase = (stamps - BASE_NS)[:, np.newaxis] / 1e8 * np.arange(1, channels + 1)
    return Signal(stamps, np.sin(phase) + phase / 1000, **changes)


def cut(config_: WindowConfig, blocks: Sequence[TopicSamples]) -> tuple[list[Window], WindowStream]:
    stream = WindowStream(config_)
    return [window for block in blocks for window in stream.push(block)], stream


def assert_equal(windows: Sequence[Window], expected: Sequence[Window]) -> None:
    """Windows are equal to the last bit."""
    assert [window.index for window in windows] == [window.index for window in expected]
    for window, other in zip(windows, expected, strict=True):
        assert (window.start_ns, window.end_ns, window.coverage) == (other.start_ns, other.end_ns, other.coverage)
        assert (window.part_starts_ns, window.part_coverage) == (other.part_starts_ns, other.part_coverage)
        assert window.parts.keys() == other.parts.keys()
        for name, values in window.parts.items():
            assert values.tobytes() == other.parts[name].tobytes()


def test_windows_of_an_even_signal_hold_its_samples() -> None:
    signal = even_signal(200)
    windows, stream = cut(config(), signal.every(7))
    assert len(windows) == (200 - 20) // 5 + 1
    for number, window in enumerate(windows):
        assert np.array_equal(window.parts['motor'], signal.values[5 * number : 5 * number + 20])
        assert window.start_ns == signal.stamps_ns[5 * number]
        assert window.end_ns == signal.stamps_ns[5 * number + 19]
        assert window.index * 5 == Grid(100.0).first_at_or_after(window.start_ns)
        assert window.coverage == window.part_coverage['motor'] == 1.0
    counters = stream.counters
    assert (counters.samples, counters.windows, counters.voided, counters.gaps) == (200, 37, 0, 0)
    assert counters.observed_rate_hz == {'motor': 100.0}
    assert counters.last_stamp_ns == signal.stamps_ns[-1]


def test_a_window_comes_with_the_sample_that_completes_it() -> None:
    stream = WindowStream(config())
    signal = even_signal(40)
    given_out = [len(stream.push(block)) for block in signal.every(1)]
    assert [place for place, windows in enumerate(given_out) if windows] == [19, 24, 29, 34, 39]


INTERVALS_NS = st.one_of(
    st.just(10 * MS),
    st.integers(1, 24 * MS),
    st.integers(-30 * MS, 40 * MS),
    st.just(0),
    st.integers(25 * MS, 900 * MS),
)


@st.composite
def rough_signals(draw: st.DrawFn) -> Signal:
    """Jitter, duplicates, late samples, gaps and unmeasured values; numbered or not."""
    steps = draw(st.lists(INTERVALS_NS, min_size=1, max_size=150))
    stamps = BASE_NS + draw(st.integers(0, 20 * MS)) + np.cumsum(np.array(steps, dtype=np.int64))
    values = np.random.default_rng(len(steps)).normal(size=(len(steps), 2))
    values[draw(st.lists(st.integers(0, len(steps) - 1), max_size=2)), 0] = np.nan
    return Signal(stamps, values, numbered=draw(st.booleans()))


CONFIGS = st.sampled_from(
    [
        config(),
        config(7, 9, min_coverage=0.3),
        config(11, 2, parts=(motor_part(6.5),), gap_limit_s=0.3),
        config(8, 3, parts=(motor_part(20.0, 100.0),), gap_limit_s=0.06),
        config(12, 4, parts=(motor_part(200.0),), min_coverage=0.5),
    ]
)


@settings(max_examples=300, deadline=None)
@given(rough_signals(), CONFIGS, st.lists(st.integers(0, 40), max_size=40))
def test_the_size_of_the_blocks_does_not_matter(signal: Signal, config_: WindowConfig, sizes: list[int]) -> None:
    whole, whole_stream = cut(config_, [signal.block(0, len(signal.stamps_ns))])
    for blocks in (signal.blocks(sizes), signal.every(1)):
        windows, stream = cut(config_, blocks)
        assert_equal(windows, whole)
        assert repr(stream.counters) == repr(whole_stream.counters)


@settings(deadline=None)
@given(st.integers(1, 299), st.integers(0, 9_999_999), CONFIGS)
def test_a_late_subscriber_cuts_the_same_windows(start: int, offset_ns: int, config_: WindowConfig) -> None:
    signal = even_signal(300, start_ns=BASE_NS + offset_ns)
    windows, _ = cut(config_, signal.every(10))
    late, stream = cut(config_, [signal.block(place, place + 1) for place in range(start, 300)])
    assert_equal(late, windows[len(windows) - len(late) :])
    assert stream.counters.voided == 0
    expected = sum(window.start_ns >= signal.stamps_ns[start] + round(stream.delay_s * SECOND) for window in windows)
    assert len(late) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 59), max_size=20, unique=True), st.integers(0, 9_999_999), CONFIGS)
def test_lost_blocks_void_the_windows_they_touch_and_shift_none(
    lost: list[int], offset_ns: int, config_: WindowConfig
) -> None:
    config_ = WindowConfig(config_.parts, config_.window_samples, config_.stride_samples, config_.gap_limit_s)
    signal = even_signal(600, start_ns=BASE_NS + offset_ns)
    blocks = signal.every(10)
    lost = [place for place in lost if 0 < place < 59]
    windows, stream = cut(config_, blocks)
    kept, kept_stream = cut(config_, [block for place, block in enumerate(blocks) if place not in lost])
    by_index = {window.index: window for window in windows}
    assert_equal(kept, [by_index[window.index] for window in kept])
    reach_ns = round(stream.delay_s * SECOND)
    kept_indices = {window.index for window in kept}
    for window in windows:
        # Points strictly between the samples around a lost block rest on nothing measured.
        touched = any(
            _has_point(
                config_,
                window,
                int(signal.stamps_ns[10 * place - 1]) - reach_ns,
                int(signal.stamps_ns[10 * place + 10]) + reach_ns,
            )
            for place in lost
        )
        assert touched == (window.index not in kept_indices)
    assert kept_stream.counters.lost_samples == 10 * len(lost)
    assert kept_stream.counters.voided == len(windows) - len(kept)


def _has_point(config_: WindowConfig, window: Window, after_ns: int, before_ns: int) -> bool:
    """Whether a grid point of a window lies strictly between two stamps."""
    grid = Grid(config_.parts[0].sample_rate_hz)
    point = grid.stamp_ns(grid.first_at_or_after(max(window.start_ns, after_ns + 1)))
    return point <= min(window.end_ns, before_ns - 1)


def test_a_lost_block_is_seen_even_when_the_interval_is_short() -> None:
    # 1 kHz onto 100 Hz: ten lost samples leave an interval below the gap limit of 25 ms.
    signal = even_signal(3000, MS)
    blocks = signal.every(10)
    settings_ = config(parts=(motor_part(input_rate_hz=1000.0),))
    _, stream = cut(settings_, blocks[:150] + blocks[151:])
    assert (stream.counters.gaps, stream.counters.lost_samples) == (1, 10)
    assert stream.counters.voided > 0


def test_duplicates_and_late_samples_are_dropped_and_counted() -> None:
    signal = even_signal(200)
    blocks = signal.every(10)
    mixed = [*blocks[:8], blocks[7], blocks[3], *blocks[8:]]
    windows, stream = cut(config(), mixed)
    assert_equal(windows, cut(config(), blocks)[0])
    assert (stream.counters.duplicates, stream.counters.out_of_order, stream.counters.lost_samples) == (1, 19, 0)


def test_blocks_that_overlap_leave_no_gap() -> None:
    signal = even_signal(100)
    windows, stream = cut(config(), [signal.block(0, 50), signal.block(40, 100)])
    assert_equal(windows, cut(config(), signal.every(10))[0])
    assert (stream.counters.gaps, stream.counters.lost_samples) == (0, 0)


def test_blocks_that_change_places_void_and_shift_nothing() -> None:
    signal = even_signal(200)
    blocks = signal.every(10)
    blocks[8], blocks[9] = blocks[9], blocks[8]
    windows, stream = cut(config(), blocks)
    by_index = {window.index: window for window in cut(config(), signal.every(10))[0]}
    assert_equal(windows, [by_index[window.index] for window in windows])
    assert len(windows) + stream.counters.voided == len(by_index)
    assert stream.counters.out_of_order == 10


def test_a_restart_of_the_source_voids_what_lies_across() -> None:
    first = even_signal(100)
    second = even_signal(100, start_ns=int(first.stamps_ns[-1]) + 10 * MS, stream_id=1)
    windows, stream = cut(config(), [*first.every(10), *second.every(10)])
    alone = [*cut(config(), first.every(10))[0], *cut(config(), second.every(10))[0]]
    # 0.99 s and 1.00 s follow one another on the grid: no point is unmeasured, and yet nothing joins the two streams.
    assert_equal(windows, alone)
    assert (stream.counters.gaps, stream.counters.voided) == (1, 3)
    shifted = even_signal(100, start_ns=int(first.stamps_ns[-1]) + 15 * MS, stream_id=1)
    windows, stream = cut(config(), [*first.every(10), *shifted.every(10)])
    assert_equal(windows, [*cut(config(), first.every(10))[0], *cut(config(), shifted.every(10))[0]])
    assert stream.counters.voided == 4


def test_recordings_days_apart_give_the_windows_they_give_alone() -> None:
    recordings = [
        even_signal(150, start_ns=BASE_NS + day * 86_400 * SECOND, stream_id=day, numbered=numbered)
        for numbered in (True, False)
        for day in range(4)
    ]
    for numbered in (True, False):
        chosen = [signal for signal in recordings if signal.numbered == numbered]
        windows, stream = cut(config(min_coverage=0.4), [block for signal in chosen for block in signal.every(10)])
        whole = {w.index: w for signal in chosen for w in cut(config(min_coverage=0.4), signal.every(10))[0]}
        complete = [window for window in windows if window.coverage == 1]
        assert_equal(complete, [whole[window.index] for window in complete])
        assert len(complete) == len(whole) == 4 * 27
        # Windows that reach into the silence hold 15, 10 or 5 of 20 samples; two of them suffice at each of six edges.
        assert len(windows) - len(complete) == 6 * 2
        if numbered:
            assert stream.counters.voided == 6
        else:
            days = 3 * (86_400 * 20 - 30 + 3)
            assert stream.counters.voided + 6 * 2 == days


def test_a_source_that_starts_over_at_an_earlier_time_is_followed_at_once() -> None:
    first = even_signal(200)
    again = even_signal(200, stream_id=1)
    windows, stream = cut(config(), [*first.every(10), *again.every(10)])
    alone = cut(config(), first.every(10))[0]
    assert_equal(windows, [*alone, *alone])
    assert (stream.counters.clock_jumps, stream.counters.out_of_order) == (1, 0)


def test_a_clock_that_is_set_back_is_followed_after_a_second() -> None:
    late = even_signal(200, start_ns=BASE_NS + 1000 * SECOND, numbered=False)
    early = even_signal(300, numbered=False)
    windows, stream = cut(config(), [*late.every(10), *early.every(1)])
    assert stream.counters.clock_jumps == 1
    assert stream.counters.out_of_order == 101
    expected = [window for window in cut(config(), early.every(10))[0] if window.start_ns >= early.stamps_ns[101]]
    assert_equal(windows[37:], expected)


def test_one_stamp_from_the_far_future_does_not_stop_the_stream() -> None:
    signal = even_signal(400, numbered=False)
    wild = even_signal(1, start_ns=BASE_NS + 10**9 * SECOND, numbered=False)
    windows, stream = cut(config(), [*signal.every(10)[:5], wild.block(0, 1), *signal.every(10)[5:]])
    assert (stream.counters.future, stream.counters.clock_jumps) == (1, 0)
    assert_equal(windows, cut(config(), signal.every(10))[0])


def test_a_reset_forgets_samples_and_keeps_counts() -> None:
    signal = even_signal(200)
    stream = WindowStream(config())
    before = stream.push(signal.block(0, 110))
    stream.reset()
    after = stream.push(signal.block(110, 200))
    assert_equal(after, cut(config(), [signal.block(110, 200)])[0])
    assert stream.counters.windows == len(before) + len(after)
    assert (stream.counters.samples, stream.counters.voided, stream.counters.gaps) == (200, 0, 0)
    # The clock may have been set back.
    stream.reset()
    assert len(stream.push(signal.block(0, 200))) == 37
    assert stream.counters.out_of_order == 0


def test_windows_with_enough_coverage_tell_what_is_measured() -> None:
    signal = even_signal(100)
    blocks = signal.every(10)
    windows, stream = cut(config(20, 20, min_coverage=0.5), [*blocks[:3], *blocks[4:]])
    assert [window.coverage for window in windows] == [1.0, 0.5, 1.0, 1.0, 1.0]
    values = windows[1].parts['motor']
    assert np.isnan(values[10:]).all()
    assert np.array_equal(values[:10], signal.values[20:30])
    assert stream.counters.voided == 0
    assert cut(config(20, 20, min_coverage=0.51), [*blocks[:3], *blocks[4:]])[1].counters.voided == 1


def two_rates() -> WindowConfig:
    return config(32, 8, parts=(motor_part(6.5), imu_part()))


def motor_and_imu(seconds: int, start_ns: int = BASE_NS) -> tuple[Signal, Signal]:
    motor = even_signal(seconds * 13 // 2, start_ns=start_ns)
    grid = Grid(6.5)
    motor.stamps_ns = grid.stamps_ns(grid.first_at_or_after(start_ns), len(motor.stamps_ns))
    return motor, even_signal(seconds * 100, start_ns=start_ns, channels=3, topic=IMU, numbered=False)


def interleaved(*signals: Signal, size: int) -> list[TopicSamples]:
    blocks = [block for signal in signals for block in signal.every(size) if len(block.stamps_ns)]
    return sorted(blocks, key=lambda block: int(block.stamps_ns[-1]))


@pytest.mark.parametrize('size', [1, 7])
def test_parts_of_two_rates_share_a_span(size: int) -> None:
    motor, imu = motor_and_imu(60)
    windows, stream = cut(two_rates(), interleaved(motor, imu, size=size))
    assert len(windows) == (390 - 32) // 8 + 1
    for number, window in enumerate(windows):
        assert np.array_equal(window.parts['motor'], motor.values[8 * number : 8 * number + 32])
        first = int(np.searchsorted(imu.stamps_ns, window.start_ns))
        assert window.part_starts_ns['imu'] == imu.stamps_ns[first]
        assert 0 <= window.part_starts_ns['imu'] - window.part_starts_ns['motor'] < 10 * MS
        assert np.array_equal(window.parts['imu'], imu.values[first : first + 492])
    assert stream.counters.observed_rate_hz == pytest.approx({'motor': 6.5, 'imu': 100.0})


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 200), st.integers(0, 8 * SECOND))
def test_how_far_one_topic_lags_behind_does_not_matter(motor_size: int, imu_size: int, lag_ns: int) -> None:
    motor, imu = motor_and_imu(40)
    expected, _ = cut(two_rates(), interleaved(motor, imu, size=1))
    blocks = [(int(block.stamps_ns[-1]), block) for block in motor.every(motor_size) if len(block.stamps_ns)]
    blocks += [(int(block.stamps_ns[-1]) + lag_ns, block) for block in imu.every(imu_size) if len(block.stamps_ns)]
    windows, _ = cut(two_rates(), [block for _, block in sorted(blocks, key=lambda entry: entry[0])])
    assert_equal(windows, expected)


def test_a_topic_that_is_lost_voids_its_windows_and_shifts_none() -> None:
    motor, imu = motor_and_imu(60)
    blocks = interleaved(motor, imu, size=1)
    expected, _ = cut(two_rates(), blocks)
    lost = (BASE_NS + 20 * SECOND, BASE_NS + 30 * SECOND)
    windows, stream = cut(
        two_rates(), [block for block in blocks if block.topic == MOTOR or not lost[0] <= block.stamps_ns[0] < lost[1]]
    )
    by_index = {window.index: window for window in expected}
    assert_equal(windows, [by_index[window.index] for window in windows])
    assert stream.counters.voided == len(expected) - len(windows) > 0


def test_a_topic_that_never_comes_costs_bounded_memory() -> None:
    stream = WindowStream(two_rates())
    _, imu = motor_and_imu(600)
    for block in imu.every(10):
        assert stream.push(block) == []
    buffer = stream._parts[1].signals[0].buffer
    assert buffer.end - buffer.first <= 100 * 30
    assert len(buffer._rows) <= 100 * 120


def test_channels_of_one_part_may_come_from_two_topics() -> None:
    left, right = motor_part(topic='left').channels[0], motor_part(topic='right').channels[1]
    settings_ = config(parts=(PartConfig('motor', 100.0, (right, left)),))
    both = even_signal(100)
    signals = [Signal(both.stamps_ns, both.values[:, [n]], topic) for n, topic in enumerate(('left', 'right'))]
    windows, _ = cut(settings_, interleaved(*signals, size=3))
    assert len(windows) == 17
    for number, window in enumerate(windows):
        assert np.array_equal(window.parts['motor'], both.values[5 * number : 5 * number + 20, ::-1])


def test_one_topic_may_feed_two_parts() -> None:
    channels = motor_part().channels
    parts = (PartConfig('fast', 100.0, channels[:1]), PartConfig('slow', 50.0, channels[1:], 100.0))
    signal = even_signal(300)
    windows, stream = cut(config(parts=parts), signal.every(10))
    assert windows[0].parts['fast'].shape == (20, 1)
    assert windows[0].parts['slow'].shape == (10, 1)
    assert stream.counters.samples == 300
    first = int(np.searchsorted(signal.stamps_ns, windows[0].start_ns))
    assert np.array_equal(windows[0].parts['fast'][:, 0], signal.values[first : first + 20, 0])


def test_windows_do_not_change_after_they_were_given_out() -> None:
    signal = even_signal(5000)
    stream = WindowStream(config())
    first = stream.push(signal.block(0, 20))[0]
    copy = first.parts['motor'].copy()
    stream.push(signal.block(20, 5000))
    assert np.array_equal(first.parts['motor'], copy)


def test_messages_are_read_and_unknown_topics_are_named() -> None:
    types = typestore().types
    signal = even_signal(100)
    stream = WindowStream(config())
    windows = []
    for start in range(0, 100, 10):
        seconds, nanoseconds = divmod(int(signal.stamps_ns[start]), SECOND)
        message = types[MOTOR_CURRENT_TYPE](
            header=types['std_msgs/msg/Header'](types['builtin_interfaces/msg/Time'](seconds, nanoseconds), ''),
            first_sample=start,
            stream_id=0,
            motor_names=['left', 'right'],
            offsets_ns=signal.stamps_ns[start : start + 10] - signal.stamps_ns[start],
            current=signal.values[start : start + 10].ravel(),
            wheel_speed=np.array([]),
            voltage=np.array([]),
        )
        windows += stream.push_message(MOTOR, message, 0)
    assert_equal(windows, cut(config(), signal.every(10))[0])
    with pytest.raises(
        SurfaceError, match="'/motor' is not part of the window configuration; its topics are motor_current"
    ):
        stream.push_message('/motor', None, 0)


def test_configured_topics_are_found_among_those_available() -> None:
    stream = WindowStream(two_rates())
    assert stream.resolve_topics(['/a/motor_current', '/imu', '/b/imu']) == {'/a/motor_current': MOTOR, '/imu': IMU}


def test_samples_stamped_on_receipt_are_reported() -> None:
    stream = WindowStream(config())
    stream.push(even_signal(1).block(0, 1)._replace(receive_stamped=True))
    assert stream.counters.receive_stamped == 1


ODOMETRY = 'odom'


def motion_config(input_rate_hz: float | None = None, **changes: Any) -> WindowConfig:
    channels = (ChannelConfig('speed', ODOMETRY, 'nav_msgs/msg/Odometry', 'twist.twist.linear.x', 'm/s'),)
    motion = PartConfig('motion', 10.0, channels, input_rate_hz, role='motion')
    return config(100, 50, parts=(motor_part(), motion), **changes)


def test_a_fast_motion_delays_no_window_and_costs_none() -> None:
    motor = even_signal(1000)
    odometry = even_signal(500, 20 * MS, channels=1, topic=ODOMETRY, numbered=False)
    alone, _ = cut(config(100, 50), motor.every(10))
    windows, stream = cut(motion_config(input_rate_hz=50.0), interleaved(motor, odometry, size=1))
    assert stream.delay_s == 0.0
    assert len(windows) >= len(alone) - 1  # the grid of the motion ends a little earlier
    for window, other in zip(windows, alone, strict=False):
        assert window.parts['motor'].tobytes() == other.parts['motor'].tobytes()


def test_gaps_of_the_motion_void_no_window() -> None:
    motor = even_signal(1000)
    whole = even_signal(100, 100 * MS, channels=1, topic=ODOMETRY, numbered=False)
    kept = np.r_[0:30, 60:100]
    odometry = Signal(whole.stamps_ns[kept], whole.values[kept], ODOMETRY, numbered=False)
    # A gap limit that suits the currents is shorter than the period of the motion.
    windows, stream = cut(motion_config(gap_limit_s=0.025), interleaved(motor, odometry, size=1))
    assert stream.counters.voided == 0
    assert all(window.coverage == 1.0 for window in windows)
    coverage = [window.part_coverage['motion'] for window in windows]
    assert coverage[0] == coverage[-1] == 1.0
    assert min(coverage) == 0.0
