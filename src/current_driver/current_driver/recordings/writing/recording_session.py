# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""One recording in progress: raw messages and the label, into a bag; free of ROS's graph and clocks."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from current_driver import messages
from current_driver.messages import NANOSECONDS, SURFACE_TRUTH
from current_driver.recordings.writing.recording_writer import STAMP_LIMIT_NS, RecordingWriter


@dataclass(frozen=True)
class RecordingSummary:
    """What a recording holds.

    Attributes:
        path: Its folder.
        seconds: First to last message [s].
        messages: Messages in the bag.
        surface_seconds: Time under each label, in the order they first appeared [s].
    """

    path: str
    seconds: float
    messages: int
    surface_seconds: dict[str, float]


class RecordingSession:
    """Writes what comes in and which surface the robot stands on.

    The label that is set when the recording starts is stamped a nanosecond before the first sample, so that it holds
    from there on whatever the clocks say, and yields to a label for that very moment that arrives a little later.
    """

    def __init__(self, writer: RecordingWriter, truth_topic: str, surface: str, origin: str) -> None:
        """Begin a recording.

        Args:
            writer: The open bag.
            truth_topic: Topic of the label in the bag.
            surface: Label at the start; empty: not labelled.
            origin: Who set it.
        """
        self.writer = writer
        self._truth_topic = truth_topic
        self._first_label: tuple[str, str] | None = (surface, origin)
        self._labels: list[tuple[int, str]] = []
        writer.add_topic(truth_topic, SURFACE_TRUTH, latched=True)

    @property
    def failure(self) -> str:
        """Why nothing more can be stored, such as a full disk; empty when it can."""
        return self.writer.failure

    def add_topic(self, topic: str, msgtype: str, definition: str | None, *, latched: bool) -> None:
        """Announce a topic before its first message; see `RecordingWriter.add_topic`."""
        self.writer.add_topic(topic, msgtype, definition, latched=latched)

    def write(self, topic: str, cdr: bytes, first_ns: int, log_ns: int) -> None:
        """Append a message of an announced topic.

        Args:
            topic: The topic.
            cdr: The message's bytes.
            first_ns: Stamp of its first sample [ns].
            log_ns: Stamp of its newest sample [ns].

        Raises:
            RefusedMessageError: The message cannot be stored; it is counted, and the recording goes on.
            SurfaceError: Nothing more can be stored.
        """
        # A message that the writer refuses does not begin the recording: its stamp is no moment of it.
        if self._first_label is not None and 0 <= first_ns < STAMP_LIMIT_NS:
            surface, origin = self._first_label
            self._first_label = None
            if surface:
                self.set_surface(max(first_ns - 1, 0), surface, origin)
        self.writer.write(topic, log_ns, cdr)

    def set_surface(self, stamp_ns: int, surface: str, origin: str) -> None:
        """Write the label that holds from a stamp on.

        Args:
            stamp_ns: From when on [ns].
            surface: Name of the surface; empty: not labelled.
            origin: Who says so: operator, topic, simulator or import.

        Raises:
            RefusedMessageError: The stamp cannot be stored; the label before it still holds.
            SurfaceError: Nothing more can be stored.
        """
        message = messages.truth_message(stamp_ns, surface, origin)
        self.writer.write(self._truth_topic, stamp_ns, messages.serialize(message))
        self._first_label = None
        self._labels.append((stamp_ns, surface))

    def close(self, *, discard: bool = False) -> RecordingSummary:
        """Complete the bag, or delete it.

        Args:
            discard: Delete what was recorded.

        Raises:
            SurfaceError: Its end cannot be stored.
        """
        writer = self.writer
        start_ns, end_ns = writer.start_ns or 0, writer.end_ns or 0
        seconds: dict[str, float] = {}
        labels = sorted(self._labels, key=lambda label: label[0])
        for (stamp_ns, surface), (label_end_ns, _) in itertools.pairwise([*labels, (end_ns, '')]):
            if surface:
                span = max(0, label_end_ns - max(stamp_ns, start_ns)) / NANOSECONDS
                seconds[surface] = seconds.get(surface, 0.0) + span
        summary = RecordingSummary(str(writer.path), (end_ns - start_ns) / NANOSECONDS, writer.message_count, seconds)
        if discard:
            writer.discard()
        else:
            writer.close()
        return summary
