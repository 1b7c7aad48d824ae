# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From messages to windows: the one path, live and offline.

Messages of any topic go in, one after another; windows come out as soon as they are complete. Windows start on absolute
multiples of the stride, so that a late subscriber cuts the same ones, and what a window holds does not depend on how
the samples were split into messages.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.signal.channel_map import MessageReaders, TopicSamples, resolve_topic
from surface_classifier.signal.future_filter import FutureFilter
from surface_classifier.signal.grid import NANOSECONDS, Grid
from surface_classifier.signal.grid_buffer import GridBuffer
from surface_classifier.signal.resampler import LinearResampler, LowPassResampler, Resampler
from surface_classifier.signal.sample_gate import OrderedSamples, SampleGate
from surface_classifier.signal.skipped_messages import SkippedMessages
from surface_classifier.signal.source_mixture import SourceMixture
from surface_classifier.signal.stamp_spreader import StampSpreader
from surface_classifier.signal.value_checks.wrapped_numbers import WrapWatch
from surface_classifier.signal.window_config import PartConfig, WindowConfig

# How long the signals of one topic are kept while those of another, slower one are awaited.
TOPIC_LAG_S = 10.0
# Reasons for which windows are voided, beside channels that are not a number and gaps of a part.
TWO_STREAMS = 'samples of two sources, or of a source that was started again'
MIXED_SOURCES = 'values that alternate as those of two publishers do'
SILENCE = 'gaps as long as the window'
_NEVER_NS = -(2**63)


@dataclass(frozen=True, eq=False)
class Window:
    """One window of evenly sampled signals.

    Attributes:
        index: Absolute number of the window: it starts at grid point `index` x stride of the first part.
        start_ns: Stamp of the first sample of the first part [ns].
        end_ns: Stamp of the last sample of the first part [ns].
        parts: The signals, by the part's name; shape (samples, channels), float64, in the channels' units, NaN where
            unmeasured.
        coverage: Measured share of all values, 0 to 1.
        part_starts_ns: Stamp of each part's first sample [ns].
        part_coverage: Measured share of each part's values, 0 to 1.
    """

    index: int
    start_ns: int
    end_ns: int
    parts: dict[str, NDArray[np.float64]]
    coverage: float
    part_starts_ns: dict[str, int]
    part_coverage: dict[str, float]


@dataclass(frozen=True)
class StreamCounters:
    """What a stream has seen since it was made; a reset does not set the counts back.

    Attributes:
        samples: Samples taken in.
        duplicates: Samples dropped because their stamp was that of the newest sample of their topic.
        out_of_order: Samples dropped because they were older than the newest sample of their topic.
        receive_stamped: Samples without a stamp of their own: the time of their receipt stands in.
        gaps: Intervals between samples that were not bridged, in each part they appear in.
        lost_samples: Samples that the source counted but that never came.
        clock_jumps: Times that the stamps went back to stay, after which the stream began again.
        future: Samples dropped because they were stamped far ahead of those before and after them.
        second_source: Blocks that show that two sources publish on one topic.
        skipped: Messages that lack the configured elements or are damaged.
        windows: Windows given out.
        voided: Windows left out because too little of them was measured.
        observed_rate_hz: Mean rate of the samples that each part takes in, of its fastest topic; NaN while it is
            unknown [Hz].
        last_stamp_ns: Stamp of the newest sample [ns]; None before the first.
    """

    samples: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    receive_stamped: int = 0
    gaps: int = 0
    lost_samples: int = 0
    clock_jumps: int = 0
    windows: int = 0
    voided: int = 0
    future: int = 0
    second_source: int = 0
    skipped: int = 0
    observed_rate_hz: dict[str, float] = field(default_factory=dict)
    last_stamp_ns: int | None = None


class WindowStream:
    """Cuts windows from the messages of the configured topics."""

    def __init__(self, config: WindowConfig) -> None:
        """Make a stream that has seen nothing.

        Args:
            config: The channels, the rates and the windows.

        Raises:
            SurfaceError: A field path cannot lead to a number.
        """
        self.config = config
        self._parts = [_Part(config, index) for index in range(len(config.parts))]
        self._readers = MessageReaders(config)
        self._spreaders = (
            {topic: StampSpreader() for topic in config.topics} if config.repeated_stamps == 'spread' else {}
        )
        self._topics = {
            topic: _Topic(topic, self._parts) for topic in config.topics if topic not in config.names_topics
        }
        self._windows = 0
        self._voided = 0
        self._clock_jumps = 0
        self._void_reasons: Counter[str] = Counter()
        self.reset()

    @property
    def delay_s(self) -> float:
        """Delay of the filters: how long after its stamp the last point of a window is known at the earliest [s]."""
        return max(signal.resampler.reach_ns for part in self._parts for signal in part.signals) / NANOSECONDS

    @property
    def counters(self) -> StreamCounters:
        """What the stream has seen so far."""
        gates = [topic.gate for topic in self._topics.values()]
        newest = [gate.newest_ns for gate in gates if gate.newest_ns is not None]
        return StreamCounters(
            samples=sum(gate.samples for gate in gates),
            duplicates=sum(gate.duplicates for gate in gates),
            out_of_order=sum(gate.out_of_order for gate in gates),
            receive_stamped=sum(topic.receive_stamped for topic in self._topics.values()),
            gaps=sum(signal.resampler.gaps for part in self._parts for signal in part.signals),
            lost_samples=sum(gate.lost_samples for gate in gates),
            clock_jumps=self._clock_jumps,
            future=sum(topic.future.dropped for topic in self._topics.values()),
            second_source=sum(gate.second_source for gate in gates),
            skipped=self.skipped.skipped,
            windows=self._windows,
            voided=self._voided,
            observed_rate_hz={part.config.name: part.observed_rate_hz for part in self._parts},
            last_stamp_ns=max(newest, default=None),
        )

    @property
    def skipped(self) -> SkippedMessages:
        """Messages that were skipped, with the reasons; `skip` of it counts one that cannot be decoded."""
        return self._readers.skipped

    @property
    def clock_jumps(self) -> int:
        """Times that the stamps went back to stay; the counter of that name, without the cost of all of them."""
        return self._clock_jumps

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest sample of any topic [ns]; None before the first, and after a reset."""
        return max(
            (topic.gate.newest_ns for topic in self._topics.values() if topic.gate.newest_ns is not None), default=None
        )

    @property
    def void_reasons(self) -> Mapping[str, int]:
        """How many windows were voided for each reason, the most frequent first."""
        return dict(self._void_reasons.most_common())

    @property
    def mixtures(self) -> dict[str, str]:
        """Topics without numbered samples whose values alternate as those of two publishers do, and how."""
        texts = {name: topic.mixture.text for name, topic in self._topics.items()}
        return {name: text for name, text in texts.items() if text}

    @property
    def wraps(self) -> dict[str, str]:
        """Channels whose values are whole numbers that wrap around, by topic and name, with the remedy."""
        return {
            f'{name}: channel {channel}': text
            for name, topic in self._topics.items()
            for channel, text in topic.wraps.texts().items()
        }

    @property
    def newest_mixtures(self) -> dict[str, str]:
        """Of the mixtures, those that the newest samples show."""
        texts = {name: topic.mixture.newest_text for name, topic in self._topics.items()}
        return {name: text for name, text in texts.items() if text}

    @property
    def second_sources(self) -> dict[str, int]:
        """Blocks that show that two sources publish on a topic, by topic."""
        return {name: topic.gate.second_source for name, topic in self._topics.items()}

    @property
    def voided(self) -> int:
        """Windows left out so far; the counter of that name, without the cost of all of them."""
        return self._voided

    def resolve_topics(self, available: Iterable[str]) -> dict[str, str]:
        """The configured topic for each topic, of those available, that carries one.

        Raises:
            SurfaceError: A configured topic is not there, or could be several; the error lists what is there.
        """
        topics = list(available)
        return {resolve_topic(topic, topics): topic for topic in self.config.topics}

    def push_message(self, topic: str, message: Any, receive_ns: int) -> list[Window]:
        """Take a message in.

        Args:
            topic: Its topic, as it is named in the configuration.
            message: The message, of rclpy or of rosbags.
            receive_ns: When it was received (live) or logged (recording); used where it carries no stamp [ns].

        Returns:
            The windows that it completes, oldest first.

        Raises:
            SurfaceError: The topic is not configured, or a configured field is not in messages of its type.
        """
        windows: list[Window] = []
        for samples in self.read_message(topic, message, receive_ns):
            windows += self.push(samples)
        return windows

    def read_message(self, topic: str, message: Any, receive_ns: int) -> list[TopicSamples]:
        """The samples in a message, for `push`; the arguments and errors of `push_message`."""
        return list(self._readers.read(topic, message, receive_ns))

    def push(self, samples: TopicSamples) -> list[Window]:
        """Take samples in.

        Args:
            samples: Samples of one topic, one column for each channel of the topic in the order of the configuration.

        Returns:
            The windows that they complete, oldest first.

        Raises:
            SurfaceError: The topic is not configured.
        """
        return self._push(self._topic(samples.topic), samples)

    def reset(self) -> None:
        """Forget all samples, as after a jump of the clock; the counts stay."""
        self._readers.reset()
        for spreader in self._spreaders.values():
            spreader.reset()
        for topic in self._topics.values():
            topic.gate.reset()
            topic.future.reset()
            topic.mixture.reset()
        for part in self._parts:
            for signal in part.signals:
                signal.resampler.reset()
        self._next_window: int | None = None
        self._needed: list[tuple[GridBuffer, int]] = []
        # Silences between streams: stamps of the last sample of one and of the first of the next.
        self._pauses: deque[tuple[int, int]] = deque(maxlen=64)
        # Of a topic that two streams share: stamps of the last sample of one and of the first of the next.
        self._joints: deque[tuple[int, int]] = deque(maxlen=64)

    def _topic(self, name: str) -> _Topic:
        try:
            return self._topics[name]
        except KeyError:
            raise SurfaceError(
                f'topic {name!r} is not part of the window configuration; its topics are {", ".join(self._topics)}'
            ) from None

    def _push(self, topic: _Topic, samples: TopicSamples) -> list[Window]:
        if samples.receive_stamped:
            topic.receive_stamped += len(samples.stamps_ns)
        spreader = self._spreaders.get(samples.topic)
        if samples.first_sample is None:
            topic.mixture.add(samples.values, samples.stamps_ns)
        topic.wraps.add(samples.values)
        windows: list[Window] = []
        spread = (samples,) if spreader is None else spreader.add(samples)
        for given in spread:
            for admitted in topic.future.admit(given):
                self._admit(topic, admitted, windows)
        return windows

    def _admit(self, topic: _Topic, samples: TopicSamples, windows: list[Window]) -> None:
        """Put samples in order and on the grids; append the windows that they complete."""
        while True:
            newest_ns = topic.gate.newest_ns
            ordered, jump = topic.gate.admit(samples)
            if ordered is not None:
                if ordered.new_stream and newest_ns is not None:
                    self._pauses.append((newest_ns, int(ordered.stamps_ns[0])))
                    self._joints.append((newest_ns, int(ordered.stamps_ns[0])))
                for signal in topic.signals:
                    signal.push(ordered)
                self._cut(windows)
                for signal in topic.signals:
                    signal.buffer.trim()
            if jump is None:
                return
            self.reset()
            self._clock_jumps += 1
            samples = samples.part(jump)

    def _cut(self, windows: list[Window]) -> None:
        """Append every window that has become complete."""
        if self._next_window is None and not self._find_first_window():
            return
        while self._is_complete():
            assert self._next_window is not None
            if self._skip_silence(self._next_window):
                continue
            window = self._read_window(self._next_window)
            if self._joins_streams(window):
                self._void(TWO_STREAMS)
            elif any(topic.mixture.covers(window.start_ns, window.end_ns) for topic in self._topics.values()):
                self._void(MIXED_SOURCES)
            elif window.coverage >= self.config.min_coverage:
                windows.append(window)
                self._windows += 1
            elif window.coverage > 0:
                self._void(self._missing(window))
            elif not_numbers := self._not_numbers(window):
                self._void(not_numbers)
            else:
                self._void_silent(window.index, window.index)
            self._set_next_window(self._next_window + 1)

    def _void(self, reason: str) -> None:
        self._voided += 1
        self._void_reasons[reason] += 1

    def _joins_streams(self, window: Window) -> bool:
        """Whether a window holds samples from before and after the start of another stream of the same topic."""
        return any(window.start_ns <= old_ns and new_ns <= window.end_ns for old_ns, new_ns in self._joints)

    def _missing(self, window: Window) -> str:
        """Why a window is not measured as far as it must be."""
        if not_numbers := self._not_numbers(window):
            return not_numbers
        names = [
            part.config.name
            for part in self._parts
            if part.config.role == 'input' and window.part_coverage[part.config.name] < 1
        ]
        return f'gaps between the samples of part {" and ".join(names)}'

    def _not_numbers(self, window: Window) -> str:
        """Which channels brought NaN during a window, in words; empty when none did."""
        names = [
            part.config.channel_names[column]
            for part in self._parts
            if part.config.role == 'input'
            for signal in part.signals
            for column, stamp_ns in zip(signal.part_columns, signal.not_number_ns, strict=True)
            if stamp_ns >= window.start_ns
        ]
        if not names:
            return ''
        return f'channel{"s" if len(names) > 1 else ""} {" and ".join(names)} not a number (NaN)'

    def _is_complete(self) -> bool:
        # A plain loop: this runs for every message, and a generator would cost more than the rest of it.
        for buffer, end in self._needed:  # noqa: SIM110
            if buffer.end < end:
                return False
        return True

    def _find_first_window(self) -> bool:
        """Begin with the first window that starts when every signal is known; whether there is one yet."""
        signals = [signal for part in self._parts for signal in part.signals]
        if not all(signal.resampler.has_begun for signal in signals):
            return False
        known_ns = max(signal.resampler.first_known_ns for signal in signals)
        point = self._parts[0].grid.first_at_or_after(known_ns)
        self._set_next_window(-(-point // self.config.stride_samples))
        return True

    def _set_next_window(self, index: int) -> None:
        self._next_window = index
        self._needed.clear()
        for part, first in zip(self._parts, self._part_firsts(index), strict=True):
            for signal in part.signals:
                signal.buffer.want_from(first)
                self._needed.append((signal.buffer, first + part.samples))

    def _part_firsts(self, index: int) -> list[int]:
        """Grid index of each part's first point in a window."""
        first = index * self.config.stride_samples
        if len(self._parts) == 1:
            return [first]
        start_ns = self._parts[0].grid.stamp_ns(first)
        return [first, *(part.grid.first_at_or_after(start_ns) for part in self._parts[1:])]

    def _skip_silence(self, next_window: int) -> bool:
        """Skip the windows in which no signal holds a point, however many: they fill a long silence."""
        for buffer, end in self._needed:
            if buffer.first < end:
                return False
        stride, samples = self.config.stride_samples, self.config.window_samples
        oldest_ns = min(part.grid.stamp_ns(signal.buffer.first) for part in self._parts for signal in part.signals)
        # Some windows to spare: the points of the other parts may lie beyond the span of the first part.
        index = (self._parts[0].grid.last_at_or_before(oldest_ns) - 2 * samples) // stride
        if index <= next_window:
            return False
        self._void_silent(next_window, index - 1)
        self._set_next_window(index)
        return True

    def _void_silent(self, first: int, last: int) -> None:
        """Count windows without any measured value, except those between two streams: nothing was lost in them."""
        grid, stride, samples = self._parts[0].grid, self.config.stride_samples, self.config.window_samples
        voided = last - first + 1
        for old_ns, new_ns in self._pauses:
            first_in_pause = -(-grid.first_at_or_after(old_ns + 1) // stride)
            last_in_pause = (grid.last_at_or_before(new_ns - 1) - samples + 1) // stride
            voided -= max(min(last, last_in_pause) - max(first, first_in_pause) + 1, 0)
        self._voided += voided
        if voided:
            self._void_reasons[SILENCE] += voided

    def _read_window(self, index: int) -> Window:
        grid = self._parts[0].grid
        first = index * self.config.stride_samples
        signals: dict[str, NDArray[np.float64]] = {}
        starts: dict[str, int] = {}
        coverages: dict[str, float] = {}
        measured = total = 0
        for part, part_first in zip(self._parts, self._part_firsts(index), strict=True):
            values, part_measured = part.read(part_first)
            name = part.config.name
            signals[name] = values
            starts[name] = part.grid.stamp_ns(part_first)
            coverages[name] = part_measured / values.size
            if part.config.role == 'input':
                measured += part_measured
                total += values.size
        end_ns = grid.stamp_ns(first + self.config.window_samples - 1)
        start_ns = starts[self._parts[0].config.name]
        return Window(index, start_ns, end_ns, signals, measured / total, starts, coverages)


class _Signal:
    """The channels of one part that come from one topic: their resampler and their newest points."""

    def __init__(self, config: WindowConfig, part_index: int, topic: str, grid: Grid) -> None:
        part = config.parts[part_index]
        self.topic = topic
        topic_channels = [
            (number, channel)
            for number, other in enumerate(config.parts)
            for channel in other.channels
            if channel.topic == topic
        ]
        self.topic_columns = [column for column, (number, _) in enumerate(topic_channels) if number == part_index]
        # Stamp of the newest sample of each column that was NaN.
        self.not_number_ns = [_NEVER_NS] * len(self.topic_columns)
        self.takes_all = len(self.topic_columns) == len(topic_channels)
        self.part_columns = [column for column, channel in enumerate(part.channels) if channel.topic == topic]
        max_points = config.samples_of_part(part_index) + math.ceil(
            (TOPIC_LAG_S + config.stride_s + config.window_s) * part.sample_rate_hz
        )
        self.buffer = GridBuffer(len(self.part_columns), max_points)
        gap_limit_ns = round(config.gap_limit_of_part_s(part_index) * NANOSECONDS)
        self.resampler: Resampler
        if part.decimates:
            assert part.input_rate_hz is not None
            self.resampler = LowPassResampler(grid, gap_limit_ns, self.buffer, part.input_rate_hz)
        else:
            self.resampler = LinearResampler(grid, gap_limit_ns, self.buffer)

    def push(self, samples: OrderedSamples) -> None:
        """Take samples of the topic in: those columns that are channels of this part."""
        if not self.takes_all:
            samples = samples._replace(values=samples.values[:, self.topic_columns])
        missing = np.isnan(samples.values)
        if np.logical_or.reduce(missing, axis=None):
            for column in np.flatnonzero(missing.any(axis=0)).tolist():
                last = int(np.flatnonzero(missing[:, column])[-1])
                self.not_number_ns[column] = int(samples.stamps_ns[last])
        self.resampler.push(samples)


class _Part:
    """One part: its grid and its signals, one for each topic."""

    def __init__(self, config: WindowConfig, index: int) -> None:
        self.config: PartConfig = config.parts[index]
        self.samples = config.samples_of_part(index)
        self.grid = Grid(self.config.sample_rate_hz)
        topics = dict.fromkeys(channel.topic for channel in self.config.channels)
        self.signals = [_Signal(config, index, topic, self.grid) for topic in topics]

    @property
    def observed_rate_hz(self) -> float:
        rates = [signal.resampler.observed_rate_hz for signal in self.signals]
        return max((rate for rate in rates if not math.isnan(rate)), default=math.nan)

    def read(self, first: int) -> tuple[NDArray[np.float64], int]:
        """The part's values in the window that starts at grid point `first`, and how many of them are measured."""
        if len(self.signals) == 1:
            values = self.signals[0].buffer.read(first, self.samples)
        else:
            values = np.empty((self.samples, len(self.config.channels)))
            for signal in self.signals:
                values[:, signal.part_columns] = signal.buffer.read(first, self.samples)
        for signal in self.signals:
            if first <= signal.buffer.last_unmeasured or first < signal.buffer.first:
                return values, values.size - int(np.isnan(values).sum())
        return values, values.size


class _Topic:
    """One topic of samples: its gate and the signals it feeds."""

    def __init__(self, name: str, parts: list[_Part]) -> None:
        self.gate = SampleGate()
        self.future = FutureFilter()
        self.mixture = SourceMixture()
        channels = [channel for part in parts for channel in part.config.channels if channel.topic == name]
        self.wraps = WrapWatch(
            [channel.name for channel in channels],
            [channel.unit for channel in channels],
            [channel.scale for channel in channels],
            [channel.offset for channel in channels],
        )
        self.signals = [signal for part in parts for signal in part.signals if signal.topic == name]
        self.receive_stamped = 0
