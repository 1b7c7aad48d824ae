# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""When the absence of messages means that their sender has stopped: a deadline learned from their intervals.

A publisher that was killed stays in the graph for about 20 s, so that only the missing messages show it. The time of a
steady clock is an argument.
"""

from __future__ import annotations

import statistics
from collections import deque

INTERVALS_KEPT = 128
PERIODS = 3.0
SHORTEST_S = 0.25
# Between the first and the last decile, as a fraction of the median: above, the intervals of the stream are irregular.
REGULAR_SPREAD = 0.35
IRREGULAR_PERIODS = 6.0
IRREGULAR_S = 1.5
# A gap is longer by half at most the next time, and forgotten by half in ten minutes.
GAP_MARGIN = 1.5
GAP_HALF_LIFE_S = 600.0
# Longer gaps, in seconds and in deadlines, are outages, from which nothing is learned.
LONGEST_GAP_S = 1.2
LONGEST_GAP_DEADLINES = 1.5
# A shorter limit is the user's own deadline.
SHORTEST_LIMIT_S = 1.0
# A stream that has gone on for less is no stream yet.
SHORTEST_STREAM_S = 1.5


class ArrivalWatch:
    """Learns the intervals between the messages of one stream.

    Attributes:
        deadline_s: Silence after which the sender has stopped [s].
    """

    def __init__(self, limit_s: float, *, minimum: int = 20, learns: bool = True) -> None:
        """Start with the limit as the deadline.

        Args:
            limit_s: Longest deadline [s]; below 1 s it is the deadline.
            minimum: Intervals from which a deadline is learned.
            learns: Whether the pace of the stream means anything; it does not where flow control sets it.
        """
        self.deadline_s = limit_s
        self._limit_s = limit_s
        self._minimum = minimum
        self._has_pace = learns
        self._learns = learns and limit_s >= SHORTEST_LIMIT_S
        self._intervals_s: deque[float] = deque(maxlen=INTERVALS_KEPT)
        self._last_s: float | None = None
        self._first_s = 0.0
        self._gap_s = 0.0
        self._since_learned = 0

    def set_limit(self, limit_s: float) -> None:
        """Change the longest deadline; what was learned from the intervals stays.

        Args:
            limit_s: As for the constructor [s].
        """
        self.deadline_s = self._limit_s = limit_s
        self._learns = self._has_pace and limit_s >= SHORTEST_LIMIT_S
        if self._learns and self._last_s is not None:
            self._learn(self._last_s)

    def arrive(self, now_s: float) -> None:
        """Take note of a message.

        Args:
            now_s: Time of a steady clock [s].
        """
        last_s, self._last_s = self._last_s, now_s
        if last_s is None:
            self._first_s = now_s
        if last_s is None or not self._learns:
            return
        interval_s = now_s - last_s
        if interval_s > max(LONGEST_GAP_S, LONGEST_GAP_DEADLINES * self.deadline_s):
            return
        self._intervals_s.append(interval_s)
        self._gap_s = max(interval_s, self._gap_s * 0.5 ** (interval_s / GAP_HALF_LIFE_S))
        # The deciles of a pace change slowly; sorting them at each of 1,000 messages a second would cost too much.
        if len(self._intervals_s) == self._minimum or interval_s > 0.1 or self._since_learned >= self._minimum:
            self._learn(now_s)
        self._since_learned += 1

    @property
    def has_begun(self) -> bool:
        """Whether a message has come."""
        return self._last_s is not None

    def age_s(self, now_s: float) -> float | None:
        """Return the time since the last message; None before the first [s]."""
        return None if self._last_s is None else now_s - self._last_s

    def is_silent(self, now_s: float) -> bool:
        """Return whether messages came and have been missing for longer than the deadline."""
        return self._last_s is not None and now_s - self._last_s > self.deadline_s

    def _learn(self, now_s: float) -> None:
        self._since_learned = 0
        if len(self._intervals_s) < self._minimum or now_s - self._first_s < SHORTEST_STREAM_S:
            return
        ordered = sorted(self._intervals_s)
        median_s = statistics.median(ordered)
        low_s, high_s = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
        if high_s - low_s <= REGULAR_SPREAD * max(median_s, SHORTEST_S / PERIODS):
            learned_s = max(SHORTEST_S, PERIODS * median_s)
        else:
            learned_s = max(IRREGULAR_S, IRREGULAR_PERIODS * median_s)
        self.deadline_s = min(self._limit_s, max(learned_s, GAP_MARGIN * self._gap_s))
