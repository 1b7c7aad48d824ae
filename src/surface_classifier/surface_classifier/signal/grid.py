# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The even time grid: which stamp grid point k has, and which grid point comes next after a stamp.

Point k of a grid lies k sample periods after the epoch, for any reader at any time: that is why a late subscriber
and a reader of the recording cut the same windows. Rates such as 6.5 Hz have no whole number of nanoseconds in a
period, so points are computed exactly, as rational numbers, and only the stamp itself is rounded, to the nearest
nanosecond.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

NANOSECONDS = 1_000_000_000
MAX_RATE_HZ = 1e6
_MAX_DENOMINATOR = 1000
_INT64_SAFE = 2**62


class Grid:
    """The stamps of an even grid whose point 0 is the epoch."""

    def __init__(self, rate_hz: float) -> None:
        """Make a grid.

        Args:
            rate_hz: Grid points a second, above 0 and up to 1 MHz. It is taken as the nearest fraction with a
                denominator of at most 1000, so that 33.3333333 means 100/3.

        Raises:
            ValueError: The rate is not a number in that range.
        """
        if not (math.isfinite(rate_hz) and 0 < rate_hz <= MAX_RATE_HZ):
            raise ValueError(f'a rate of {rate_hz} Hz: it must be above 0 and at most {MAX_RATE_HZ:g} Hz')
        self.rate = Fraction(rate_hz).limit_denominator(_MAX_DENOMINATOR)
        if self.rate == 0:
            raise ValueError(f'a rate of {rate_hz} Hz is below 1/{_MAX_DENOMINATOR} Hz')
        # `points` periods last exactly `span_ns` nanoseconds, and no smaller number of periods lasts a whole number of
        # them.
        period_ns = NANOSECONDS / self.rate
        self._points = period_ns.denominator
        self._span_ns = period_ns.numerator

    def stamp_ns(self, index: int) -> int:
        """Stamp of grid point `index`, rounded to the nearest nanosecond [ns]."""
        return (2 * index * self._span_ns + self._points) // (2 * self._points)

    def first_at_or_after(self, stamp_ns: int) -> int:
        """Index of the first grid point whose stamp is at or after `stamp_ns` [ns]."""
        # stamp(k) >= s  <=>  k * span + points / 2 >= s * points, with stamps rounded half up.
        return -((-(2 * stamp_ns - 1) * self._points) // (2 * self._span_ns))

    def last_at_or_before(self, stamp_ns: int) -> int:
        """Index of the last grid point whose stamp is at or before `stamp_ns` [ns]."""
        return self.first_at_or_after(stamp_ns + 1) - 1

    def stamps_ns(self, first: int, count: int) -> NDArray[np.int64]:
        """Stamps of `count` grid points from index `first`.

        Returns:
            Stamps, shape (count,), int64 [ns]; equal to `stamp_ns` of each index.
        """
        if self._points == 1:
            start = first * self._span_ns
            return np.arange(start, start + count * self._span_ns, self._span_ns, dtype=np.int64)
        spans, point = divmod(first, self._points)
        if 2 * (point + count) * self._span_ns < _INT64_SAFE:
            offsets = np.arange(point, point + count, dtype=np.int64) * (2 * self._span_ns) + self._points
            return offsets // (2 * self._points) + spans * self._span_ns
        return np.array([self.stamp_ns(index) for index in range(first, first + count)], dtype=np.int64)
