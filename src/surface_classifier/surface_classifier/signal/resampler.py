# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Irregular samples in, points on an even grid out, one by one as they become known.

Without decimation the points are interpolated linearly, and a sample that lies on a grid point is passed on as it is.
With decimation every point is a weighted mean of the samples around it: a Kaiser-windowed sinc, evaluated at each
sample's own distance from the point [1] and weighted by the time each sample stands for, so that neither jitter nor a
rate that is no multiple of the grid's matters. The kernel is symmetric: points keep the time of what they show, and
only come out later.

Both give the same bits however the samples are split into calls: every point depends on the samples around it alone, by
sums in a fixed order.

[1] J. O. Smith and P. Gossett, "A flexible sampling-rate conversion method", ICASSP 1984.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from surface_classifier.signal.grid import NANOSECONDS, Grid
from surface_classifier.signal.sample_gate import OrderedSamples

# Kernel of the low-pass, in units of the grid's rate and period: flat up to 0.4, closed from 0.5 on (the new Nyquist
# frequency).
PASS_BAND = 0.4
STOP_BAND = 0.5
STOP_BAND_ATTENUATION_DB = 70.0
# Half length from Kaiser's formula: (A - 7.95) / (2.285 * 2 pi * width of the transition) / 2.
KERNEL_REACH_PERIODS = math.ceil((STOP_BAND_ATTENUATION_DB - 7.95) / (4.57 * 2 * math.pi * (STOP_BAND - PASS_BAND)))
_KERNEL_ENTRIES_PER_PERIOD = 1024


class PointSink(Protocol):
    """Where a resampler puts its points."""

    def begin(self, index: int) -> None:
        """The first point has this index."""

    def append(self, values: NDArray[np.float64]) -> None:
        """The next points, shape (points, channels)."""

    def append_unmeasured(self, count: int) -> None:
        """The next points are not measured."""


class Resampler(ABC):
    """Puts the samples of one signal on a grid.

    Attributes:
        gaps: Intervals that were not bridged: too long, or with samples known to be lost.
        reach_ns: How far beyond a point samples are needed [ns]: the delay of the points.
        first_known_ns: Earliest time from which on points can be known [ns], once the signal has begun.
    """

    reach_ns = 0

    def __init__(self, grid: Grid, gap_limit_ns: int, sink: PointSink) -> None:
        """Make a resampler that has seen nothing.

        Args:
            grid: The grid.
            gap_limit_ns: Longest interval between two samples that is bridged [ns].
            sink: Where the points go.
        """
        self._grid = grid
        self._gap_limit_ns = gap_limit_ns
        self._sink = sink
        self.gaps = 0
        self.reset()

    def reset(self) -> None:
        """Forget all samples; the counter of gaps stays."""
        # Index of the next point to give out, and of the first one that the samples of this run define.
        self._next: int | None = None
        self._known_from = 0
        self._newest_ns = 0
        self.first_known_ns = 0
        # Numbers of intervals between samples and their sums, for the observed rate.
        self._bridged = self._bridged_ns = 0
        self._unbridged = self._unbridged_ns = 0

    @property
    def has_begun(self) -> bool:
        """Whether a sample has come since the last reset."""
        return self._next is not None

    @property
    def observed_rate_hz(self) -> float:
        """Mean rate of the incoming samples [Hz]; NaN while it is unknown.

        Gaps are left out, unless most intervals are gaps: then the samples come too slowly for the gap limit.
        """
        count, spanned_ns = self._bridged, self._bridged_ns
        if self._unbridged > self._bridged:
            count, spanned_ns = count + self._unbridged, spanned_ns + self._unbridged_ns
        return count * NANOSECONDS / spanned_ns if spanned_ns else math.nan

    def push(self, samples: OrderedSamples) -> None:
        """Take samples in, and give every point out that has become known."""
        stamps, values = samples.stamps_ns, samples.values
        if self._next is None:
            self._begin_run(stamps, values)
            stamps, values = stamps[1:], values[1:]
            follows = True
        else:
            follows = samples.follows
        count = len(stamps)
        if not count:
            return
        newest_ns = int(stamps[-1])
        first_gap = not follows or int(stamps[0]) - self._newest_ns > self._gap_limit_ns
        if first_gap or (
            newest_ns - self._newest_ns > self._gap_limit_ns
            and count > 1
            and int(np.maximum.reduce(stamps[1:] - stamps[:-1])) > self._gap_limit_ns
        ):
            self._push_with_gaps(stamps, values, first_gap)
            return
        self._extend_run(stamps, values)

    def _push_with_gaps(self, stamps: NDArray[np.int64], values: NDArray[np.float64], first_gap: bool) -> None:
        starts = (np.flatnonzero(stamps[1:] - stamps[:-1] > self._gap_limit_ns) + 1).tolist()
        for start, end in itertools.pairwise([0, *starts, len(stamps)]):
            run_stamps, run_values = stamps[start:end], values[start:end]
            if start or first_gap:
                self.gaps += 1
                self._unbridged += 1
                self._unbridged_ns += int(run_stamps[0]) - self._newest_ns
                self._begin_run(run_stamps, run_values)
                run_stamps, run_values = run_stamps[1:], run_values[1:]
            if len(run_stamps):
                self._extend_run(run_stamps, run_values)

    def _begin_run(self, stamps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Begin a run of samples at the first one given; points that reach back beyond it are unmeasured."""
        stamp = int(stamps[0])
        known = self._grid.first_at_or_after(stamp + self.reach_ns)
        if self._next is None:
            self._next = known
            self.first_known_ns = stamp + self.reach_ns
            self._sink.begin(known)
        self._known_from = known
        self._give_unmeasured(self._grid.last_at_or_before(stamp - self.reach_ns))
        self._newest_ns = stamp
        self._start(stamp, values[:1])

    def _give_unmeasured(self, last: int) -> None:
        """Give those points up to index `last` out that are too close to the start of the run to be known."""
        assert self._next is not None
        end = min(last + 1, self._known_from)
        if end > self._next:
            self._sink.append_unmeasured(end - self._next)
            self._next = end

    def _extend_run(self, stamps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        newest_ns = int(stamps[-1])
        self._bridged += len(stamps)
        self._bridged_ns += newest_ns - self._newest_ns
        self._extend(stamps, values)
        self._newest_ns = newest_ns

    @abstractmethod
    def _start(self, stamp_ns: int, value: NDArray[np.float64]) -> None:
        """Take the first sample of a run, shape (1, channels)."""

    @abstractmethod
    def _extend(self, stamps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Take further samples of the run; `_newest_ns` is the stamp of the one before."""


class LinearResampler(Resampler):
    """Interpolates linearly between the two samples around a point."""

    def _start(self, stamp_ns: int, value: NDArray[np.float64]) -> None:
        assert self._next is not None
        if self._grid.stamp_ns(self._next) == stamp_ns:
            self._sink.append(value)
            self._next += 1
        self._newest = value

    def _extend(self, stamps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        assert self._next is not None
        count = self._grid.last_at_or_before(int(stamps[-1])) - self._next + 1
        if count > 0:
            points = self._grid.stamps_ns(self._next, count)
            if count == len(stamps) and np.logical_and.reduce(points == stamps):
                self._sink.append(values)
            else:
                self._sink.append(self._interpolate(points, stamps, values))
            self._next += count
        self._newest = values[-1:]

    def _interpolate(
        self, points: NDArray[np.int64], stamps: NDArray[np.int64], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        stamps = np.concatenate(([self._newest_ns], stamps))
        values = np.concatenate((self._newest, values))
        # The run's first sample is never needed as the right neighbour: a point on it has been given out already.
        right = stamps.searchsorted(points)
        left = right - 1
        stamps_left, stamps_right = stamps[left], stamps[right]
        values_left, values_right = values[left], values[right]
        share = (points - stamps_left) / (stamps_right - stamps_left)
        result = values_right - values_left
        result *= share[:, np.newaxis]
        result += values_left
        exact = points == stamps_right
        if np.logical_or.reduce(exact):
            result[exact] = values_right[exact]
        return np.asarray(result, dtype=np.float64)


class LowPassResampler(Resampler):
    """Decimates through a linear-phase low-pass.

    At least 60 dB down from the grid's Nyquist frequency on, flat within 0.1 % up to 0.4 times the grid's rate. Points
    come out 22 grid periods after their stamp: 0.22 s at 100 Hz.
    """

    def __init__(self, grid: Grid, gap_limit_ns: int, sink: PointSink, input_rate_hz: float) -> None:
        """Make a resampler that has seen nothing.

        Args:
            grid: The grid.
            gap_limit_ns: Longest interval between two samples that is bridged [ns].
            sink: Where the points go.
            input_rate_hz: Rate of the incoming samples [Hz]. Bridged intervals of more than 1.5 of its periods are
                filled by linear interpolation first.
        """
        period_ns = float(NANOSECONDS / grid.rate)
        self.reach_ns = math.ceil(KERNEL_REACH_PERIODS * period_ns)
        self._input_period_ns = NANOSECONDS / input_rate_hz
        self._entries_per_ns = _KERNEL_ENTRIES_PER_PERIOD / period_ns
        self._kernel = kaiser_sinc_kernel()
        self._kernel_step = np.diff(self._kernel, append=0.0)
        super().__init__(grid, gap_limit_ns, sink)

    def _start(self, stamp_ns: int, value: NDArray[np.float64]) -> None:
        self._stamps = np.array([stamp_ns], dtype=np.int64)
        self._values = value.copy()

    def _extend(self, stamps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        assert self._next is not None
        stamps = np.concatenate((self._stamps[-1:], stamps))
        values = np.concatenate((self._values[-1:], values))
        if int((stamps[1:] - stamps[:-1]).max()) > 1.5 * self._input_period_ns:
            stamps, values = self._fill(stamps, values)
        self._stamps = np.concatenate((self._stamps, stamps[1:]))
        self._values = np.concatenate((self._values, values[1:]))
        last = self._grid.last_at_or_before(int(stamps[-1]) - self.reach_ns)
        self._give_unmeasured(last)
        if last < self._next:
            return
        points = np.empty((last - self._next + 1, values.shape[1]))
        for row, index in enumerate(range(self._next, last + 1)):
            self._weigh(self._grid.stamp_ns(index), points[row])
        self._sink.append(points)
        self._next = last + 1
        oldest = self._stamps.searchsorted(self._grid.stamp_ns(self._next) - self.reach_ns, side='right') - 1
        if oldest > 0:
            self._stamps, self._values = self._stamps[oldest:], self._values[oldest:]

    def _weigh(self, point_ns: int, result: NDArray[np.float64]) -> None:
        """The weighted mean of the samples less than the kernel's reach away from a point, written to `result`."""
        begin = int(self._stamps.searchsorted(point_ns - self.reach_ns, side='right'))
        end = int(self._stamps.searchsorted(point_ns + self.reach_ns, side='left'))
        stamps = self._stamps[begin - 1 : end + 1]
        place = np.abs(stamps[1:-1] - point_ns) * self._entries_per_ns
        entry = place.astype(np.int64)
        place -= entry
        weights = self._kernel_step[entry]
        weights *= place
        weights += self._kernel[entry]
        weights *= stamps[2:] - stamps[:-2]
        np.divide(
            (self._values[begin:end] * weights[:, np.newaxis]).sum(axis=0),
            weights.sum(),
            out=result,
        )

    def _fill(
        self, stamps: NDArray[np.int64], values: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Interpolate inside the intervals that are too long for the sum over samples to stand for an integral."""
        filled_stamps, filled_values = [stamps[:1]], [values[:1]]
        for place in range(1, len(stamps)):
            interval = int(stamps[place] - stamps[place - 1])
            pieces = round(interval / self._input_period_ns) if interval > 1.5 * self._input_period_ns else 1
            if pieces > 1:
                # Place times interval over pieces, rounded down, without a product that outgrows int64.
                whole, rest = divmod(interval, pieces)
                places = np.arange(1, pieces, dtype=np.int64)
                steps = places * whole + places * rest // pieces
                share = (steps / interval)[:, np.newaxis]
                filled_stamps.append(stamps[place - 1] + steps)
                filled_values.append(values[place - 1] + (values[place] - values[place - 1]) * share)
            filled_stamps.append(stamps[place : place + 1])
            filled_values.append(values[place : place + 1])
        return np.concatenate(filled_stamps), np.concatenate(filled_values)


def kaiser_sinc_kernel() -> NDArray[np.float64]:
    """One half of the low-pass kernel: entry i is its value i / 1024 grid periods from the centre.

    Returns:
        Shape (22 * 1024 + 1,); zero from the reach on.
    """
    count = KERNEL_REACH_PERIODS * _KERNEL_ENTRIES_PER_PERIOD
    periods = np.arange(count + 1) / _KERNEL_ENTRIES_PER_PERIOD
    beta = 0.1102 * (STOP_BAND_ATTENUATION_DB - 8.7)
    window = np.i0(beta * np.sqrt(1 - (periods / KERNEL_REACH_PERIODS) ** 2)) / np.i0(beta)
    cutoff = (PASS_BAND + STOP_BAND) / 2
    kernel = 2 * cutoff * np.sinc(2 * cutoff * periods) * window
    return np.asarray(kernel, dtype=np.float64)
