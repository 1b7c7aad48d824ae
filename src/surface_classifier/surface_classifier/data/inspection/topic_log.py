# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What comes on a topic, looked at from outside: rate, jitter, gaps, and the course of every number in its messages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver import messages
from current_driver.errors import MessageError, SurfaceError
from current_driver.messages import MOTOR_CURRENT
from current_driver.recordings.reading.recording_reader import RecordingReader
from surface_classifier.signal.channel_map import BLOCK_FIELDS, header_stamp_ns
from surface_classifier.signal.numeric_fields import are_usable, numeric_fields, only_names

# An interval longer than so many usual ones is a gap; the resampler's default limit.
GAP_PERIODS = 2.5
# Longer messages are pictures and clouds of points: counted, not read.
LONGEST_READ_BYTES = 65_536


@dataclass(frozen=True)
class TopicTiming:
    """When messages, or the samples of blocks, come.

    Attributes:
        rate_hz: Mean rate, gaps left out; NaN for fewer than two stamps [Hz].
        jitter_s: Standard deviation of the intervals, gaps left out [s].
        gaps: Intervals of more than 2.5 usual ones.
        longest_s: The longest interval [s].
        usual_longest_s: Interval that 99 of 100 do not exceed [s].
        disordered: Stamps that are not newer than the one before.
        stamped: `header`, `receipt` where the message carries no stamp, or `unread`.
    """

    rate_hz: float
    jitter_s: float
    gaps: int
    longest_s: float
    usual_longest_s: float
    disordered: int
    stamped: str


@dataclass(frozen=True)
class NumberSeries:
    """The course of one number.

    Attributes:
        path: Field path to it.
        stamps_ns: Shape (samples,), int64 [ns].
        values: Shape (samples,), float64, as the messages hold them.
    """

    path: str
    stamps_ns: NDArray[np.int64]
    values: NDArray[np.float64]


class TopicLog:
    """Takes the messages of one topic in.

    Attributes:
        topic: Its name.
        msgtype: Full type name.
        count: Messages taken in.
        names: What the newest message calls the elements of another topic, when it holds names and nothing else.
        names_topic: Topic that names this one's elements; empty: none does.
        names_type: Type of that topic.
    """

    def __init__(self, topic: str, msgtype: str) -> None:
        """Make a log without messages."""
        self.topic = topic
        self.msgtype = msgtype
        self.count = 0
        self.names: list[str] | None = None
        self.names_topic = ''
        self.names_type = ''
        self._stamps: list[int] = []
        self._values: dict[str, tuple[list[int], list[float]]] = {}
        self._received = 0
        self._read = 0

    def add(self, message: Any, receive_ns: int) -> None:
        """Take a message in.

        Args:
            message: The message, of rclpy or of rosbags.
            receive_ns: When it was received or logged [ns].
        """
        self.count += 1
        self._read += 1
        if self.msgtype == MOTOR_CURRENT:
            self._add_block(message)
            return
        stamp_ns = header_stamp_ns(message)
        self._received += not stamp_ns
        place = len(self._stamps)
        self._stamps.append(stamp_ns or receive_ns)
        for path, value in numeric_fields(message).items():
            places, values = self._values.setdefault(path, ([], []))
            places.append(place)
            values.append(value)
        self.names = only_names(message)

    def add_unread(self, receive_ns: int) -> None:
        """Count a message that is not read: too long, or of a type that is not known."""
        self.count += 1
        self._stamps.append(receive_ns)

    def _add_block(self, message: Any) -> None:
        start_ns = messages.stamp_ns(message.header.stamp)
        names = list(message.motor_names)
        first = len(self._stamps)
        self._stamps += [start_ns + int(offset) for offset in message.offsets_ns]
        places = list(range(first, len(self._stamps)))
        for field in BLOCK_FIELDS:
            data = np.asarray(getattr(message, field), dtype=np.float64)
            if data.size != len(places) * len(names):
                continue
            for name, column in zip(names, data.reshape(-1, len(names)).T, strict=True):
                found = self._values.setdefault(f'{field}[{name}]', ([], []))
                found[0].extend(places)
                found[1].extend(column.tolist())

    @property
    def timing(self) -> TopicTiming:
        """When its messages come."""
        stamped = 'unread' if not self._read else 'receipt' if self._received > self._read // 2 else 'header'
        stamps = np.array(self._stamps, dtype=np.int64)
        intervals: NDArray[np.float64] = np.diff(stamps).astype(np.float64) / messages.NANOSECONDS
        disordered = int((intervals <= 0).sum())
        intervals = intervals[intervals > 0]
        if not len(intervals):
            return TopicTiming(math.nan, math.nan, 0, math.nan, math.nan, disordered, stamped)
        usual = intervals[intervals <= GAP_PERIODS * float(np.median(intervals))]
        return TopicTiming(
            rate_hz=1 / float(usual.mean()),
            jitter_s=float(usual.std()),
            gaps=len(intervals) - len(usual),
            longest_s=float(intervals.max()),
            usual_longest_s=float(np.quantile(intervals, 0.99)),
            disordered=disordered,
            stamped=stamped,
        )

    def series(self) -> list[NumberSeries]:
        """The course of every number, in the order of the fields; those that are not finite are left out."""
        stamps = np.array(self._stamps, dtype=np.int64)
        found = []
        for path, (places, numbers) in self._values.items():
            values = np.array(numbers, dtype=np.float64)
            finite = np.isfinite(values)
            if finite.any():
                found.append(NumberSeries(path, stamps[places][finite], values[finite]))
        return found

    def take_names(self, other: TopicLog) -> None:
        """Call the elements of this topic's only array what another topic calls them."""
        assert other.names is not None
        by_index = dict(enumerate(other.names))
        renamed: dict[str, tuple[list[int], list[float]]] = {}
        for path, found in self._values.items():
            field, _, element = path.rstrip(']').partition('[')
            is_element = element.isdecimal() and path == f'{field}[{element}]'
            renamed[f'{field}[{by_index[int(element)]}]' if is_element else path] = found
        self._values = renamed
        self.names_topic, self.names_type = other.topic, other.msgtype

    @property
    def unnamed_elements(self) -> int:
        """Elements of its only array when they bear no names; 0 when there is no such array, or several."""
        fields: dict[str, int] = {}
        for path in self._values:
            field, _, element = path.rstrip(']').partition('[')
            if element.isdecimal() and path == f'{field}[{element}]':
                fields[field] = fields.get(field, 0) + 1
        return next(iter(fields.values())) if len(fields) == 1 else 0


def log_recording(
    reader: RecordingReader, seconds: float, on_progress: Callable[[float], object] | None = None
) -> list[TopicLog]:
    """Look at the beginning of a recording.

    Args:
        reader: The open recording.
        seconds: How much of it is looked at [s].
        on_progress: Called with the seconds that were read since the last call.

    Returns:
        A log for each topic, in the order of their names.
    """
    logs = {topic: TopicLog(topic, msgtype) for topic, msgtype in reader.topics.items()}
    end_ns = reader.start_ns + round(seconds * messages.NANOSECONDS)
    unknown: set[str] = set()
    last_ns = reader.start_ns
    for stamped in reader.messages():
        if stamped.stamp_ns > end_ns:
            break
        log = logs[stamped.topic]
        if len(stamped.cdr) > LONGEST_READ_BYTES or stamped.topic in unknown:
            log.add_unread(stamped.stamp_ns)
            continue
        try:
            message = reader.deserialize(stamped)
        except MessageError:
            log.count += 1  # this one is damaged; the next one may not be
            continue
        except SurfaceError:
            # A bag may hold types that it does not define; that is no reason to say nothing of the others.
            unknown.add(stamped.topic)
            log.add_unread(stamped.stamp_ns)
            continue
        log.add(message, stamped.stamp_ns)
        if on_progress is not None and stamped.stamp_ns - last_ns >= messages.NANOSECONDS:
            on_progress((stamped.stamp_ns - last_ns) / messages.NANOSECONDS)
            last_ns = stamped.stamp_ns
    found = sorted(logs.values(), key=lambda log: log.topic)
    name_elements(found)
    return found


def name_elements(logs: Sequence[TopicLog]) -> None:
    """Let topics of names name the elements of the values beside them.

    A topic of names goes with the topic in its own namespace, else with the only one anywhere, whose single array holds
    as many elements without names.
    """
    for names in (log for log in logs if log.names is not None and are_usable(log.names)):
        assert names.names is not None
        fitting = [log for log in logs if log.unnamed_elements == len(names.names) and not log.names_topic]
        beside = [log for log in fitting if log.topic.rpartition('/')[0] == names.topic.rpartition('/')[0]]
        for candidates in (beside, fitting):
            if len(candidates) == 1:
                candidates[0].take_names(names)
                break
