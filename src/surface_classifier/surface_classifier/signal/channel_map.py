# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From messages to samples: which numbers of a message are the channels, and when they were measured.

A `MotorCurrent` block gives one sample for each of its stamps; every other message gives one sample, at its header's
stamp, or at the time it was received where it has none. The same objects read live messages (rclpy) and recorded ones
(rosbags). Where the names of a topic's elements come on a topic of their own, values wait until they are named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import DamagedMessageError, MessageError, SurfaceError
from surface_classifier.signal.field_path import FieldReader, PathStep, parse_field_path, string_arrays, type_name
from surface_classifier.signal.grid import NANOSECONDS
from surface_classifier.signal.skipped_messages import SkippedMessages
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig, WindowConfig

# How many messages of a topic wait for the names of their elements: ten seconds of 1 kHz. Older ones are let go.
WAITING_MESSAGES = 10_000

BLOCK_FIELDS = ('current', 'wheel_speed', 'voltage')


class TopicSamples(NamedTuple):
    """Samples of all channels of one topic.

    Attributes:
        topic: The topic, as it is named in the configuration.
        stamps_ns: When each sample was measured, shape (samples,), int64 [ns].
        values: The channels' values, shape (samples, channels), float64, NaN where unmeasured, in the channels' units.
        first_sample: Number of the first sample in its stream; None where the source does not count. A step shows a
            loss.
        stream_id: Changes when the source starts again and counts from 0 again.
        receive_stamped: The message carries no stamp, so that the time of its receipt stands in.
    """

    topic: str
    stamps_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    first_sample: int | None = None
    stream_id: int = 0
    receive_stamped: bool = False

    def part(self, begin: int, end: int | None = None) -> TopicSamples:
        """The samples from one place up to another, not included; None: to the last one."""
        return self._replace(
            stamps_ns=self.stamps_ns[begin:end],
            values=self.values[begin:end],
            first_sample=None if self.first_sample is None else self.first_sample + begin,
        )


class TopicReader:
    """Reads the samples of one topic's channels from its messages."""

    def __init__(self, topic: str, channels: Sequence[ChannelConfig]) -> None:
        """Make a reader.

        Args:
            topic: The topic, as it is named in the configuration.
            channels: The channels of this topic, all of the same message type.

        Raises:
            SurfaceError: A field path cannot lead to a number of that message type.
        """
        self.topic = topic
        self._channels = tuple(channels)
        self._is_block = channels[0].type == MOTOR_CURRENT_TYPE
        self._scale = np.array([channel.scale for channel in channels])
        self._offset = np.array([channel.offset for channel in channels])
        self._names: list[str] | None = None
        self._names_version: int | None = None
        self._whole_numbers = [
            (column, channel.whole_numbers) for column, channel in enumerate(channels) if channel.whole_numbers
        ]
        self._scales = bool((self._scale != 1).any() or (self._offset != 0).any())
        if self._is_block:
            self._block_columns = tuple(_block_column(channel) for channel in channels)
            self._motor_names: list[str] | None = None
            self._columns: list[tuple[str, NDArray[np.intp], NDArray[np.intp]]] = []
        else:
            self._fields = tuple(
                FieldReader(channel.field, f'channel {channel.name!r} of topic {topic!r}') for channel in channels
            )

    def read(self, message: Any, receive_ns: int) -> TopicSamples:
        """The samples in one message.

        Args:
            message: A message of rclpy or of rosbags.
            receive_ns: When it was received (live) or logged (recording); used where it carries no stamp [ns].

        Raises:
            SurfaceError: A configured field is not in messages of this type; the error says which are.
            MessageError: This message lacks a configured element, or does not say which of its values is meant.
        """
        samples = self._read_block(message) if self._is_block else self._read_single(message, receive_ns)
        values = samples.values
        for column, numbers in self._whole_numbers:
            values[:, column] = numbers.read(values[:, column])
        if self._scales:
            values *= self._scale
            values += self._offset
        finite = np.isfinite(values)
        if not np.logical_and.reduce(finite, axis=None):
            values[~finite] = np.nan
        return samples

    def take_names(self, message: Any) -> None:
        """Take what the elements of this topic's messages are called from a message of the topic of names.

        Raises:
            SurfaceError: It holds no array of names, or several.
        """
        arrays = string_arrays(message)
        if len(arrays) != 1:
            listed = ', '.join(arrays) or 'none'
            raise SurfaceError(
                f'topic {self.topic!r}: a {type_name(message)} that is to name its elements must hold one array of '
                f'names, not {listed}; correct names_topic'
            )
        (self._names,) = arrays.values()
        self._names_version = _names_version(message)

    def is_named(self, message: Any) -> bool:
        """Whether the names that were taken are those of a message's elements."""
        return self._names is not None and self._names_version == _names_version(message)

    def _read_single(self, message: Any, receive_ns: int) -> TopicSamples:
        values = np.array([[field.read(message, self._names) for field in self._fields]])
        stamp_ns = header_stamp_ns(message)
        received = not stamp_ns
        return TopicSamples(
            self.topic,
            np.array([receive_ns if received else stamp_ns], dtype=np.int64),
            values,
            receive_stamped=received,
        )

    def _read_block(self, message: Any) -> TopicSamples:
        try:
            names, offsets = message.motor_names, message.offsets_ns
            stamp = message.header.stamp
            first_sample, stream_id = message.first_sample, message.stream_id
        except AttributeError:
            raise SurfaceError(
                f'topic {self.topic!r} is configured as {MOTOR_CURRENT_TYPE} but carries {type_name(message)}; '
                'give the type that is published'
            ) from None
        samples, motors = len(offsets), len(names)
        if names != self._motor_names:
            self._columns = self._find_columns(list(names))
            self._motor_names = list(names)
        if len(self._columns) == 1:
            field, _, motor_columns = self._columns[0]
            values = self._block_values(message, field, samples, motors).take(motor_columns, axis=1)
        else:
            values = np.empty((samples, len(self._channels)))
            for field, channels, motor_columns in self._columns:
                values[:, channels] = self._block_values(message, field, samples, motors)[:, motor_columns]
        stamps = np.asarray(offsets, dtype=np.int64) + (stamp.sec * NANOSECONDS + stamp.nanosec)
        return TopicSamples(self.topic, stamps, values, int(first_sample), int(stream_id))

    def _block_values(self, message: Any, field: str, samples: int, motors: int) -> NDArray[np.float64]:
        """One signal of a block, shape (samples, motors): a view of the message's own memory."""
        data = np.asarray(getattr(message, field), dtype=np.float64)
        if data.size != samples * motors:
            text = f'topic {self.topic!r}: {field!r} holds {data.size} values, not {samples} samples x {motors} motors'
            if not data.size:
                raise MessageError(f'{text}; this source does not measure it, so leave its channels out')
            raise DamagedMessageError(text)
        return data.reshape(samples, motors)

    def _find_columns(self, names: Sequence[str]) -> list[tuple[str, NDArray[np.intp], NDArray[np.intp]]]:
        """For each field of the block that is read: the channels it fills and the motors they take."""
        columns: dict[str, tuple[list[int], list[int]]] = {}
        for index, (channel, step) in enumerate(zip(self._channels, self._block_columns, strict=True)):
            where = f'channel {channel.name!r} of topic {self.topic!r}: field path {channel.field!r}: '
            if isinstance(step.element, int):
                motor = step.element
                if motor >= len(names):
                    raise MessageError(f'{where}there are {len(names)} motors: {", ".join(names)}')
            elif step.element is not None and step.element in names:
                if names.count(step.element) > 1:
                    raise DamagedMessageError(
                        f'{where}motor {step.element!r} is named twice ({", ".join(names)}); give a number'
                    )
                motor = names.index(step.element)
            else:
                raise MessageError(f'{where}no motor is named {step.element!r}; the motors are {", ".join(names)}')
            channels, motors = columns.setdefault(step.field, ([], []))
            channels.append(index)
            motors.append(motor)
        return [
            (field, np.array(channels, dtype=np.intp), np.array(motors, dtype=np.intp))
            for field, (channels, motors) in columns.items()
        ]


class MessageReaders:
    """Reads the samples of every topic of a window configuration, and waits for the names of elements.

    Attributes:
        skipped: Messages that were skipped, because they lack what is configured or are damaged, with the reasons.
    """

    def __init__(self, config: WindowConfig) -> None:
        """Make readers that have seen nothing.

        Args:
            config: The channels.

        Raises:
            SurfaceError: A field path cannot lead to a number of its message type.
        """
        channels: dict[str, list[ChannelConfig]] = {}
        for channel in (channel for part in config.parts for channel in part.channels):
            channels.setdefault(channel.topic, []).append(channel)
        self._by_receipt = config.stamps == 'receipt'
        self._readers = {topic: TopicReader(topic, found) for topic, found in channels.items()}
        self.skipped = SkippedMessages()
        self._named: dict[str, list[str]] = {}
        self._waiting: dict[str, deque[tuple[Any, int]]] = {}
        for topic, found in channels.items():
            if found[0].names_topic:
                self._named.setdefault(found[0].names_topic, []).append(topic)
                self._waiting[topic] = deque(maxlen=WAITING_MESSAGES)

    def read(self, topic: str, message: Any, receive_ns: int) -> Sequence[TopicSamples]:
        """The samples that a message brings: its own, or of messages that it names.

        Args:
            topic: Its topic, as the configuration names it.
            message: A message of rclpy or of rosbags.
            receive_ns: When it was received (live) or logged (recording) [ns].

        Raises:
            SurfaceError: The topic is not configured, or a configured field is not in messages of its type.
        """
        reader = self._readers.get(topic)
        if reader is None:
            return self._take_names(topic, message)
        waiting = self._waiting.get(topic)
        if waiting is not None and (waiting or not reader.is_named(message)):
            waiting.append((message, receive_ns))
            return self._read_waiting(reader, waiting)
        return self._read(reader, message, receive_ns)

    def _read(self, reader: TopicReader, message: Any, receive_ns: int) -> Sequence[TopicSamples]:
        """The samples of a message; none of one that is skipped."""
        try:
            samples = reader.read(message, receive_ns)
        except MessageError as error:
            self.skipped.skip(reader.topic, error)
            return ()
        self.skipped.use(reader.topic)
        if self._by_receipt and len(samples.stamps_ns):
            shifted = samples.stamps_ns + (receive_ns - samples.stamps_ns[-1])
            samples = samples._replace(stamps_ns=shifted, receive_stamped=True)
        return (samples,)

    def reset(self) -> None:
        """Forget the messages that wait for names; the names stay."""
        for waiting in self._waiting.values():
            waiting.clear()

    def _take_names(self, topic: str, message: Any) -> Sequence[TopicSamples]:
        if topic not in self._named:
            known = ', '.join([*self._named, *self._readers])
            raise SurfaceError(f'topic {topic!r} is not part of the window configuration; its topics are {known}')
        samples: list[TopicSamples] = []
        for named in self._named[topic]:
            self._readers[named].take_names(message)
            samples += self._read_waiting(self._readers[named], self._waiting[named])
        return samples

    def _read_waiting(self, reader: TopicReader, waiting: deque[tuple[Any, int]]) -> list[TopicSamples]:
        """Read the waiting messages that are named by now, in their order."""
        samples: list[TopicSamples] = []
        while waiting and reader.is_named(waiting[0][0]):
            samples += self._read(reader, *waiting.popleft())
        return samples


def _names_version(message: Any) -> int | None:
    """The number that pal_statistics puts on names and on values that belong together; None where there is none."""
    version = getattr(message, 'names_version', None)
    return None if version is None else int(version)


def header_stamp_ns(message: Any) -> int | None:
    """Stamp of a message's header [ns]; None where it has no header. A stamp of 0 means that it was never set."""
    header = getattr(message, 'header', None)
    stamp = getattr(header, 'stamp', None)
    return None if stamp is None else int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def resolve_topic(wanted: str, available: Iterable[str]) -> str:
    """The one available topic that a configured name means.

    An absolute name means itself. A relative one also means the same name inside a namespace: `motor_current` matches
    `/robot1/motor_current`. An exact match goes first.

    Raises:
        SurfaceError: No topic matches, or several do; the error lists them.
    """
    topics = list(available)
    exact = [topic for topic in topics if topic.lstrip('/') == wanted.lstrip('/')]
    matching = exact or [topic for topic in topics if not wanted.startswith('/') and topic.endswith(f'/{wanted}')]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise SurfaceError(f'topic {wanted!r} could be any of {", ".join(sorted(matching))}; give the absolute name')
    listed = ', '.join(sorted(topics)) or 'none'
    raise SurfaceError(f'there is no topic {wanted!r}; the topics are: {listed}')


def _block_column(channel: ChannelConfig) -> PathStep:
    steps = parse_field_path(channel.field)
    if len(steps) != 1 or steps[0].field not in BLOCK_FIELDS or steps[0].element is None:
        raise SurfaceError(
            f'channel {channel.name!r}: field path {channel.field!r} leads to no signal of a MotorCurrent; '
            f'its signals are {", ".join(f"{field}[motor]" for field in BLOCK_FIELDS)}'
        )
    return steps[0]
