# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How many samples are missing before one: by the device's counter, or by the time that passed."""

from __future__ import annotations

import statistics
from collections import deque

# A counter that steps back by so few is a sample that came twice or late; by more, a device that has started again.
REORDERED = 64
GAP_PERIODS = 1.7
CATCH_UP_PERIODS = 0.5
INTERVALS = 64
INTERVALS_NEEDED = 16  # and so often the median is taken anew


class SequenceCounter:
    """Follows a counter that goes up by one with each sample and starts over at its modulus."""

    def __init__(self, modulus: int) -> None:
        """Start without a value.

        Args:
            modulus: Value at which the counter starts over from 0.
        """
        self._modulus = modulus
        self._last: int | None = None

    def step(self, raw: int) -> int | None:
        """Return by how many samples this one follows the last: 1 when none is missing.

        Returns:
            The step; 0 for a sample that came twice or too late; None when the counter has begun anew.
        """
        if self._last is None:
            self._last = raw
            return 1
        forward = (raw - self._last) % self._modulus
        if forward < self._modulus // 2:
            if forward:
                self._last = raw
            return forward
        if self._modulus - forward <= REORDERED:
            return 0
        self._last = raw
        return None


class PeriodEstimate:
    """The usual time between two samples: the median of the last ones."""

    def __init__(self, period_ns: float | None = None) -> None:
        """Start with a known period, or learn it.

        Args:
            period_ns: The period, None: not known [ns].
        """
        self._given = period_ns
        self._recent: deque[int] = deque(maxlen=INTERVALS)
        self._count = 0
        self._median: float | None = None

    def add(self, interval_ns: int) -> None:
        """Take in the time between two samples [ns]."""
        self._recent.append(interval_ns)
        self._count += 1
        if self._given is None and self._count % INTERVALS_NEEDED == 0:
            self._median = statistics.median(self._recent)

    @property
    def period_ns(self) -> float | None:
        """The period; None before it is known [ns]."""
        return self._given or self._median


def is_gap(interval_ns: int, period_ns: float | None) -> bool:
    """Whether so much time passed between two samples that one must be missing."""
    return period_ns is not None and interval_ns > GAP_PERIODS * period_ns


def lost_in_gap(interval_ns: int, next_interval_ns: int | None, period_ns: float) -> int:
    """Return how many samples a gap stands for.

    A sender that was held up catches up: the next sample then follows at once, and none is missing.

    Args:
        interval_ns: Length of the gap [ns].
        next_interval_ns: Time from the sample after the gap to the one after that; None: not known [ns].
        period_ns: Usual time between samples [ns].
    """
    if next_interval_ns is not None and next_interval_ns < CATCH_UP_PERIODS * period_ns:
        return 0
    return max(1, round(interval_ns / period_ns) - 1)
