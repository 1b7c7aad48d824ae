# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Plays recordings back: bags of both storages and CSV files, one after the other, once or in a loop.

Every message keeps its topic, type and stamps, so a loop steps back in time, as `ros2 bag play --loop` does. Topics get
their absolute names: CSV files and older bags leave the slash out. So that a reader never joins the end of one playback
to the beginning of the next, motor currents get another `stream_id` in every playback after the first.
"""

from __future__ import annotations

import dataclasses
import itertools
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from current_driver import messages
from current_driver.errors import DamagedMessageError, SurfaceError
from current_driver.messages import MOTOR_CURRENT, NANOSECONDS, StampedMessage
from current_driver.recordings.reading.csv_reader import ColumnsConfig
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.reading.recording_reader import RecordingReader, recording_base_ns
from current_driver.recordings.writing.recording_writer import absolute_name
from current_driver.source import CurrentSource

BLOCK_MESSAGES = 32


class ReplaySource(CurrentSource):
    """A source that plays recordings.

    Attributes:
        recordings: What is played, in this order; known after `open`.
        warnings: What the readers left out and why; known after `open`.
        playing: Recording that the last block came from, or None.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        start_offset_s: float = 0.0,
        loop: bool = False,
        topics: Collection[str] = (),
        columns: ColumnsConfig | str | Path | None = None,
    ) -> None:
        """Describe the playback; nothing is opened yet.

        Args:
            paths: Recordings, played in this order. CSV files without absolute time are placed a day apart.
            start_offset_s: Left out at the beginning of the first recording, in every round of a loop [s].
            loop: Begin again after the last recording, for ever.
            topics: Topics to play; empty: all.
            columns: What the columns of CSV files are, or the YAML file that says so; None: by their names.

        Raises:
            SurfaceError: There is no path, or the offset is negative.
        """
        if not paths:
            raise SurfaceError(
                'replay: no recording is given; name at least one rosbag2 folder, .mcap, .db3 or .csv file'
            )
        if not start_offset_s >= 0.0:
            raise SurfaceError(f'replay: start offset {start_offset_s} s must not be negative')
        self.recordings = [Path(path) for path in paths]
        self.warnings: list[str] = []
        self.playing: Path | None = None
        self._start_offset_ns = round(start_offset_s * NANOSECONDS)
        self._loop = loop
        self._wanted = frozenset(topics)
        self._columns = columns
        self._topics: dict[str, str] = {}
        self._latched: frozenset[str] = frozenset()
        self._readers: list[RecordingReader] = []
        self._blocks: Iterator[list[StampedMessage]] = iter(())
        self._playback = 0
        self._stack = ExitStack()

    @property
    def playback(self) -> int:
        """Number of the recording that the last block came from, counted over all rounds of a loop."""
        return self._playback

    @property
    def topics(self) -> Mapping[str, str]:
        """Full type name of every topic that is played, by its absolute name."""
        return self._topics

    @property
    def latched_topics(self) -> frozenset[str]:
        """Topics that were recorded latched (transient local)."""
        return self._latched

    def open(self) -> None:
        """Open every recording.

        Raises:
            SurfaceError: A recording cannot be read, a topic is in none of them or has two types, or the offset lies
                behind the end of the first recording.
        """
        self.close()
        columns = self._columns
        if columns is not None and not isinstance(columns, ColumnsConfig):
            columns = ColumnsConfig.from_yaml(columns)
        try:
            for index, path in enumerate(self.recordings):
                reader = self._stack.enter_context(open_recording(path, columns, recording_base_ns(index)))
                self._readers.append(reader)
            self._collect_topics()
            first = self._readers[0]
            if first.start_ns + self._start_offset_ns > first.end_ns:
                seconds = (first.end_ns - first.start_ns) / NANOSECONDS
                raise SurfaceError(
                    f'{first.path}: start offset {self._start_offset_ns / NANOSECONDS:g} s lies behind the end of the '
                    f'recording, which lasts {seconds:g} s'
                )
        except BaseException:
            self.close()
            raise
        self.warnings = [warning for reader in self._readers for warning in reader.warnings]
        self._blocks = self._play()

    def _collect_topics(self) -> None:
        found: dict[str, str] = {}
        for reader in self._readers:
            for name, msgtype in reader.topics.items():
                topic = absolute_name(name)
                if found.setdefault(topic, msgtype) != msgtype:
                    raise SurfaceError(
                        f'{reader.path}: topic {topic!r} has the type {msgtype}, in another recording {found[topic]}; '
                        'replay them one by one'
                    )
        if missing := sorted(topic for topic in self._wanted if absolute_name(topic) not in found):
            raise SurfaceError(
                f'{self.recordings[0]}: no topic {missing[0]!r} to replay; there are {", ".join(sorted(found))}'
            )
        wanted = {absolute_name(topic) for topic in self._wanted}
        self._topics = {topic: msgtype for topic, msgtype in found.items() if not wanted or topic in wanted}
        latched = {absolute_name(name) for reader in self._readers for name in reader.latched_topics}
        self._latched = frozenset(latched & self._topics.keys())

    def _play(self) -> Iterator[list[StampedMessage]]:
        playbacks = itertools.cycle(self._readers) if self._loop else iter(self._readers)
        played = False
        for number, reader in enumerate(playbacks):
            if number == len(self._readers) and not played:
                break  # no further round would find anything either
            self.playing, self._playback = reader.path, number
            offset_ns = self._start_offset_ns if reader is self._readers[0] else 0
            found = self._messages(reader, reader.start_ns + offset_ns)
            if number:
                found = (_restamped_stream(message, reader, number) for message in found)
            stream = (dataclasses.replace(message, topic=absolute_name(message.topic)) for message in found)
            while block := list(itertools.islice(stream, BLOCK_MESSAGES)):
                played = True
                yield block
        if not played:
            raise SurfaceError(
                f'{self.recordings[0]}: from {self._start_offset_ns / NANOSECONDS:g} s on there is no message of '
                f'{", ".join(sorted(self._topics))} to replay; choose other topics or a smaller start offset'
            )

    def _messages(self, reader: RecordingReader, start_ns: int) -> Iterator[StampedMessage]:
        topics = {name for name in reader.topics if absolute_name(name) in self._topics}
        if start_ns > reader.start_ns:
            # What was latched before the start still holds: the surface the robot stands on.
            held: dict[str, StampedMessage] = {}
            for message in reader.messages(topics & reader.latched_topics):
                if message.stamp_ns >= start_ns:
                    break
                held[message.topic] = dataclasses.replace(message, stamp_ns=start_ns)
            yield from held.values()
        yield from reader.messages(topics, start_ns)

    def read_block(self) -> Sequence[StampedMessage] | None:
        """Return the next messages, or None at the end of the last recording.

        Raises:
            SurfaceError: A recording cannot be read to its end, or none holds a message that is to be played.
        """
        return next(self._blocks, None)

    def close(self) -> None:
        """Close the recordings."""
        self._blocks = iter(())
        self._readers = []
        self._stack.close()


def _restamped_stream(message: StampedMessage, reader: RecordingReader, playback: int) -> StampedMessage:
    """Return motor currents with another stream_id, and everything else, damaged messages included, as it is."""
    if message.msgtype != MOTOR_CURRENT:
        return message
    try:
        block = reader.deserialize(message)
    except DamagedMessageError:
        return message  # as in the first round; its readers skip and count it
    # A checksum, because adding the number of the playback could give the id that the recording before it ended with.
    stream_id = zlib.crc32(f'{playback} {block.stream_id}'.encode())
    return dataclasses.replace(message, cdr=messages.serialize(dataclasses.replace(block, stream_id=stream_id)))
