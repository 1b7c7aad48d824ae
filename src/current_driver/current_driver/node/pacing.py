# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""When to publish the next message: at the pace of its stamps, or as fast as the readers follow.

Both are pure objects: the time of a steady clock is an argument.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from current_driver.errors import SurfaceError
from current_driver.messages import NANOSECONDS


class Pacer:
    """Turns the stamps of messages into waiting times.

    The first stamp is tied to the moment it is first asked for, and every later one keeps its distance from it, divided
    by the rate. Delays of the caller are therefore made up for. A step back in time (a loop) ties again, and so does
    `begin_anew` (the next recording).
    """

    def __init__(self, rate: float = 1.0) -> None:
        """Set the pace.

        Args:
            rate: Factor on real time; 0: no waiting at all.

        Raises:
            SurfaceError: The rate is negative or not finite.
        """
        if not 0.0 <= rate < float('inf'):
            raise SurfaceError(f'rate {rate} must be a finite factor, 1.0 for real time or 0.0 for as fast as possible')
        self.rate = rate
        self._anchor: tuple[int, float] | None = None
        self._last_ns = 0

    def begin_anew(self) -> None:
        """Tie the next stamp to the moment it is first asked for, however far it is from the one before."""
        self._anchor = None

    def delay_s(self, stamp_ns: int, now_s: float) -> float:
        """Return how long to wait before a message is published.

        Args:
            stamp_ns: The message's stamp [ns].
            now_s: Time of a steady clock [s].

        Returns:
            Seconds; 0.0 when it is due. Asking again with a later time for the same stamp gives what is left.
        """
        if self.rate == 0.0:
            return 0.0
        if self._anchor is None or stamp_ns < self._last_ns:
            self._anchor = (stamp_ns, now_s)
        self._last_ns = stamp_ns
        return max(0.0, self._due_s(stamp_ns) - now_s)

    def lag_s(self, now_s: float) -> float:
        """Return how far publishing is behind the stamps asked for last; 0.0 without a pace [s]."""
        return max(0.0, now_s - self._due_s(self._last_ns)) if self._anchor else 0.0

    def due_in_s(self, now_s: float) -> float:
        """Return how long the stamp asked for last still has to wait; 0.0 without a pace [s]."""
        return max(0.0, self._due_s(self._last_ns) - now_s) if self._anchor else 0.0

    def _due_s(self, stamp_ns: int) -> float:
        assert self._anchor is not None
        anchor_ns, anchor_s = self._anchor
        return anchor_s + (stamp_ns - anchor_ns) / NANOSECONDS / self.rate


@dataclass
class _Reader:
    """What a reader last said.

    `sent_before` and `done_before` are the counts when it was first heard, so that a reader that has served another
    replay before is not credited with it.
    """

    sent_before: int
    done_before: int
    done: int
    heard_s: float


class FlowWindow:
    """Credits for one topic: how many messages may be sent before its readers have processed earlier ones.

    Not thread-safe: the caller holds a lock where progress arrives on another thread.

    Attributes:
        sent: Messages sent so far.
    """

    def __init__(self, in_flight: int = 64, readers: int = 1, silence_s: float = 5.0) -> None:
        """Set the size of the window.

        Args:
            in_flight: Messages that may be sent and not yet processed by the slowest reader.
            readers: Readers to wait for before the first message.
            silence_s: A reader that has not been heard for longer is silent [s].

        Raises:
            SurfaceError: A number is below its least sensible value.
        """
        if in_flight < 1:
            raise SurfaceError(f'in_flight {in_flight} must be at least 1')
        if readers < 0:
            raise SurfaceError(f'readers {readers} must not be negative')
        self.sent = 0
        self._in_flight = in_flight
        self._expected = readers
        self._silence_s = silence_s
        self._readers: dict[str, _Reader] = {}

    def on_progress(self, reader: str, done: int, now_s: float) -> None:
        """Take in a reader's progress.

        Args:
            reader: Its fully qualified name.
            done: Messages it has processed since it started.
            now_s: Time of a steady clock [s].
        """
        known = self._readers.get(reader)
        if known is None or done < known.done:  # new, or started again
            self._readers[reader] = _Reader(self.sent, done, done, now_s)
        else:
            known.done = done
            known.heard_s = now_s

    def on_sent(self) -> None:
        """Count a message that was sent."""
        self.sent += 1

    def forget(self, reader: str) -> None:
        """No longer wait for a reader; it is new when it reports again."""
        self._readers.pop(reader, None)

    def forget_gone(self, present: Collection[str], now_s: float) -> tuple[str, ...]:
        """No longer wait for readers that have gone: silent for too long, and not in the graph any more.

        Args:
            present: Names of the readers that the graph still holds.
            now_s: Time of a steady clock [s].

        Returns:
            The readers that are forgotten by this call.
        """
        gone = [
            name
            for name, reader in self._readers.items()
            if name not in present and now_s - reader.heard_s > self._silence_s
        ]
        for name in gone:
            del self._readers[name]
        return tuple(sorted(gone))

    @property
    def ready(self) -> bool:
        """Whether as many readers as expected have been heard."""
        return len(self._readers) >= self._expected

    @property
    def unacknowledged(self) -> int:
        """Messages that were sent and that the slowest reader has not processed."""
        return max((self._open(reader) for reader in self._readers.values()), default=0)

    @property
    def may_send(self) -> bool:
        """Whether one more message may be sent now."""
        return self.ready and self.unacknowledged < self._in_flight

    def _open(self, reader: _Reader) -> int:
        return max(0, self.sent - reader.sent_before - (reader.done - reader.done_before))

    def readers(self) -> tuple[str, ...]:
        """Return the names of all readers that have been heard."""
        return tuple(sorted(self._readers))

    def silent(self, now_s: float) -> tuple[str, ...]:
        """Return the readers that have not been heard for longer than allowed while messages wait for them."""
        return tuple(
            sorted(
                name
                for name, reader in self._readers.items()
                if now_s - reader.heard_s > self._silence_s and self._open(reader)
            )
        )
