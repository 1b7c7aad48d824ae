# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How evenly the samples of a recording came: rate, jitter, gaps, measured while it is cut."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from surface_classifier.signal.channel_map import TopicSamples
from surface_classifier.signal.grid import NANOSECONDS
from surface_classifier.signal.window_config import WindowConfig

# Stamps that are looked at together: enough to make the look cheap, few enough to need no memory.
_STAMPS_AT_ONCE = 4096


@dataclass(frozen=True)
class InputTiming:
    """How the samples of one part came, of its fastest topic.

    Attributes:
        samples: How many came.
        rate_hz: Mean rate, gaps left out [Hz]; NaN where there are too few samples.
        jitter_s: Standard deviation of the intervals between samples, gaps left out [s]; NaN likewise.
        longest_s: Longest interval [s]; NaN likewise.
        gaps: Intervals too long to be bridged.
    """

    samples: int
    rate_hz: float
    jitter_s: float
    longest_s: float
    gaps: int

    def to_dict(self) -> dict[str, float]:
        """The attributes by name; what is NaN is left out."""
        return {name: value for name, value in asdict(self).items() if not math.isnan(value)}


class TimingTally:
    """Looks at the intervals between the samples of a recording, part by part, in constant memory."""

    def __init__(self, config: WindowConfig) -> None:
        """Begin to count for the parts of a configuration."""
        self._parts: dict[str, list[_Intervals]] = {}
        self._topics: dict[str, list[_Intervals]] = {}
        for index, part in enumerate(config.parts):
            limit_ns = round(config.gap_limit_of_part_s(index) * NANOSECONDS)
            for topic in dict.fromkeys(channel.topic for channel in part.channels):
                intervals = _Intervals(limit_ns)
                self._parts.setdefault(part.name, []).append(intervals)
                self._topics.setdefault(topic, []).append(intervals)

    def add(self, samples: TopicSamples) -> None:
        """Take the stamps of samples in."""
        for intervals in self._topics[samples.topic]:
            intervals.add(samples.stamps_ns)

    def by_part(self) -> dict[str, InputTiming]:
        """The timing of every part so far, of the topic with most samples."""
        return {
            name: max((entry.timing() for entry in found), key=lambda timing: timing.samples)
            for name, found in self._parts.items()
        }


class _Intervals:
    """The intervals between the stamps of one topic."""

    def __init__(self, limit_ns: int) -> None:
        self._limit_ns = limit_ns
        self._stamps: list[NDArray[np.int64]] = []
        self._held = 0
        self._newest_ns: int | None = None
        self._samples = self._gaps = 0
        self._longest_ns = 0
        # Of the intervals that are no gaps; the squares are those of the distance to the first one.
        self._count, self._sum_ns = 0, 0
        self._first_ns = 0
        self._squares = 0.0

    def add(self, stamps_ns: NDArray[np.int64]) -> None:
        self._stamps.append(stamps_ns)
        self._held += len(stamps_ns)
        if self._held >= _STAMPS_AT_ONCE:
            self._look()

    def timing(self) -> InputTiming:
        self._look()
        if not self._count:
            longest_s = self._longest_ns / NANOSECONDS if self._gaps else math.nan
            return InputTiming(self._samples, math.nan, math.nan, longest_s, self._gaps)
        mean_ns = self._sum_ns / self._count
        variance = max(self._squares / self._count - (mean_ns - self._first_ns) ** 2, 0.0)
        return InputTiming(
            self._samples,
            NANOSECONDS / mean_ns,
            math.sqrt(variance) / NANOSECONDS,
            self._longest_ns / NANOSECONDS,
            self._gaps,
        )

    def _look(self) -> None:
        """Take in what is held."""
        if not self._held:
            return
        stamps = np.concatenate(self._stamps)
        self._stamps.clear()
        self._held = 0
        self._samples += len(stamps)
        if self._newest_ns is not None:
            stamps = np.concatenate([[self._newest_ns], stamps])
        self._newest_ns = int(stamps[-1])
        # Stamps that repeat or go back are counted at the entrance of the stream, and are no intervals.
        intervals = np.diff(stamps)
        intervals = intervals[intervals > 0]
        if not len(intervals):
            return
        self._longest_ns = max(self._longest_ns, int(intervals.max()))
        bridged = intervals[intervals <= self._limit_ns]
        self._gaps += len(intervals) - len(bridged)
        if not len(bridged):
            return
        if not self._count:
            self._first_ns = int(bridged[0])
        self._count += len(bridged)
        self._sum_ns += int(bridged.sum())
        self._squares += float(((bridged - self._first_ns).astype(np.float64) ** 2).sum())
