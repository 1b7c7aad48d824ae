# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The one way to read a recording, whatever it is stored as: rosbag2 bags of both storages and CSV files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from current_driver import messages
from current_driver.errors import MessageError, SurfaceError
from current_driver.messages import StampedMessage

# What was noted with a bag, beside its metadata.yaml: tools that make the metadata again drop custom data.
SIDECAR_FILE = 'recording.yaml'

# In the warning of a reader that found a file without its end.
NOT_CLOSED = 'was not closed'

FIRST_STAMP_NS = -(2**63)

_Reader = TypeVar('_Reader', bound='RecordingReader')


def recording_base_ns(index: int) -> int:
    """Return the stamp at which the index-th imported recording without absolute time begins [ns].

    Recordings are a day apart. Every base is a whole number of seconds divisible by 2 and 5, so that the even time
    grids used for imported data begin at the recording's first sample.
    """
    return (1_000_000_000 + 86_400 * index) * messages.NANOSECONDS


class RecordingReader(ABC):
    """An open recording. Close it, or use it as a context manager.

    Attributes:
        path: What was opened.
        topics: Full type name of every topic, by topic.
        latched_topics: Topics whose last message a late subscriber must get.
        message_counts: Number of messages of every topic.
        start_ns: Stamp of the first message; of the first sample for CSV [ns].
        end_ns: Stamp of the last message [ns].
        definitions: Definition text (ros2msg, with dependencies) by full type name.
        metadata: What the recorder noted: operator, robot, place, ...
        warnings: What was left out on reading and why, one sentence each.
        left_out: Topics that are in the recording and cannot be read, with the reason.
        publishers: How many publishers offered each topic when it was recorded; 0 where that is not known.
    """

    path: Path
    topics: dict[str, str]
    latched_topics: frozenset[str]
    message_counts: dict[str, int]
    start_ns: int
    end_ns: int
    definitions: dict[str, str]
    metadata: dict[str, str]
    warnings: list[str]
    left_out: dict[str, str]
    publishers: dict[str, int]

    @abstractmethod
    def _read(self, topics: frozenset[str], start_ns: int) -> Iterator[StampedMessage]:
        """Yield the messages of known topics from a stamp on, in the order of their stamps."""

    def messages(self, topics: Collection[str] | None = None, start_ns: int | None = None) -> Iterator[StampedMessage]:
        """Yield messages in the order of their stamps (log time).

        Args:
            topics: Topics to read, with or without the leading slash that ROS writes; None: all.
            start_ns: Only messages at or after this stamp; None: all [ns].

        Raises:
            SurfaceError: A topic is not in the recording, or the recording cannot be read.
        """
        wanted = frozenset(self.topics if topics is None else map(self._recorded_name, topics))
        if missing := sorted(wanted - self.topics.keys()):
            if missing[0] in self.left_out:
                raise SurfaceError(f'{self.path}: topic {missing[0]!r} cannot be read; {self.left_out[missing[0]]}')
            raise SurfaceError(
                f'{self.path}: the recording has no topic {missing[0]!r}; it has {", ".join(sorted(self.topics))}'
            )
        return self._read(wanted, FIRST_STAMP_NS if start_ns is None else start_ns)

    def decoded(
        self, topics: Collection[str], on_damaged: Callable[[StampedMessage, MessageError], object]
    ) -> Iterator[tuple[StampedMessage, Any]]:
        """Yield messages in the order of their stamps, with what they hold; those that cannot be decoded are left out.

        Args:
            topics: Topics to read.
            on_damaged: Called with each message that is left out, and why.

        Raises:
            SurfaceError: A topic is not in the recording, its type is not known, or the recording cannot be read.
        """
        for stamped in self.messages(topics=topics):
            try:
                message = self.deserialize(stamped)
            except MessageError as error:
                on_damaged(stamped, error)
                continue
            yield stamped, message

    def _recorded_name(self, topic: str) -> str:
        """Return a topic as it is named in the recording: absolute, as ROS writes it, or relative in older ones."""
        names = (topic, f'/{topic}', topic.removeprefix('/'))
        return next((name for name in names if name in self.topics), topic)

    @abstractmethod
    def deserialize(self, message: StampedMessage) -> Any:
        """Return a message of this recording as a rosbags dataclass.

        Raises:
            SurfaceError: The type is not known.
            DamagedMessageError: The bytes are not a message of that type.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the files."""

    def __enter__(self: _Reader) -> _Reader:
        """Return the open recording."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the recording."""
        self.close()
