# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From a device's own time to host time: counters that wrap are unwrapped, and the two clocks are tied together.

The method is passive: the device need not answer. A sample is received after it was measured, never before, so
`receive time - device time` is the offset of the two clocks plus a delay that is never negative. The lower envelope of
these differences, over the last seconds, is a line: its height is the offset plus the smallest delay, its slope the
drift. It is taken from the lower convex hull, as in Moon, Skelly and Towsley, "Estimation and removal of clock skew
from network delay measurements" (INFOCOM 1999); Olson, "A passive solution to the sensor synchronization problem"
(IROS 2010) uses the same envelope for the sensors of robots. What no passive method can see is the smallest delay
itself: stamps are late by that constant, a fraction of a millisecond on USB.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from current_driver.messages import NANOSECONDS

BUCKET_NS = NANOSECONDS // 4
BUCKETS = 60
BUCKETS_FOR_DRIFT = 8
# Ceramic resonators of cheap boards are off by up to half a percent.
MAX_DRIFT = 0.01
# Stamps are led to a better offset, not thrown: so much of the time that passes may be added, or taken away. Taking
# away is urgent, as a stamp that is too late may lie after its own receipt.
SLEW_UP, SLEW_DOWN = 0.2, 0.8
STEP_NS = NANOSECONDS // 2


class CounterUnwrapper:
    """Makes a counter that starts over at its modulus into one that does not."""

    def __init__(self, modulus: int | None) -> None:
        """Start without a value.

        Args:
            modulus: Value at which the counter starts over from 0; None: never.
        """
        self._modulus = modulus
        self._last: int | None = None

    def unwrap(self, raw: int) -> int:
        """Return the counter as if it had never started over.

        A step of more than half the modulus is taken for one backwards.
        """
        if self._last is None or self._modulus is None:
            self._last = raw
        else:
            step = (raw - self._last) % self._modulus
            self._last += step if step < self._modulus // 2 else step - self._modulus
        return self._last


class DeviceClock:
    """Turns the times of a device into host times.

    Attributes:
        steps: How often the offset jumped, because one of the clocks was set.
    """

    def __init__(self) -> None:
        """Start without any idea of the offset."""
        self.steps = 0
        self._buckets: deque[tuple[int, int]] = deque(maxlen=BUCKETS)  # device time and smallest offset in it
        self._bucket = 0
        self._anchor_ns = 0
        self._height_ns = 0.0
        self._drift = 0.0
        self._applied_ns = 0.0
        self._last: tuple[int, int] | None = None  # device time and stamp of the last sample

    @property
    def drift(self) -> float:
        """How much faster host time runs than the device's clock, as a share; 0 until it is known [1]."""
        return self._drift

    def stamp(self, device_ns: int, receive_ns: int) -> int:
        """Return when a sample was measured, in host time; stamps strictly increase.

        Args:
            device_ns: Time of the device's clock, unwrapped [ns].
            receive_ns: When the host received the sample [ns].
        """
        offset_ns = receive_ns - device_ns
        self._collect(device_ns, offset_ns)
        envelope_ns = self._height_ns + self._drift * (device_ns - self._anchor_ns)
        if offset_ns < envelope_ns:  # earlier than the envelope allows: it was too high
            self._height_ns += offset_ns - envelope_ns
            envelope_ns = float(offset_ns)
        if self._last is None:
            self._applied_ns = envelope_ns
            stamp_ns = device_ns + round(envelope_ns)
        else:
            correction_ns = envelope_ns - self._applied_ns
            if abs(correction_ns) > STEP_NS:
                self.steps += 1
            else:
                passed_ns = max(0, device_ns - self._last[0])
                correction_ns = min(max(correction_ns, -SLEW_DOWN * passed_ns), SLEW_UP * passed_ns)
            self._applied_ns += correction_ns
            stamp_ns = max(device_ns + round(self._applied_ns), self._last[1] + 1)
        self._last = (device_ns, stamp_ns)
        return stamp_ns

    def _collect(self, device_ns: int, offset_ns: int) -> None:
        bucket = device_ns // BUCKET_NS
        if self._buckets and bucket == self._bucket:
            if offset_ns < self._buckets[-1][1]:
                self._buckets[-1] = (device_ns, offset_ns)
            return
        # The newest bucket is not complete before the next one begins: the line is drawn through the others.
        if self._buckets:
            self._fit()
        else:
            self._anchor_ns, self._height_ns = device_ns, float(offset_ns)
        self._bucket = bucket
        self._buckets.append((device_ns, offset_ns))

    def _fit(self) -> None:
        """Lay the line under the smallest offsets: the edge of their lower hull below the middle of the window."""
        points = [(device_ns - self._buckets[0][0], offset_ns) for device_ns, offset_ns in self._buckets]
        self._anchor_ns = self._buckets[0][0]
        hull: list[tuple[int, int]] = []
        for x, y in points:
            while len(hull) > 1 and _turns_right(hull[-2], hull[-1], (x, y)):
                hull.pop()
            hull.append((x, y))
        middle = sum(x for x, _ in points) / len(points)
        self._drift = 0.0
        if len(points) >= BUCKETS_FOR_DRIFT:
            for (x0, y0), (x1, y1) in pairwise(hull):
                if x0 <= middle <= x1:
                    self._drift = min(max((y1 - y0) / (x1 - x0), -MAX_DRIFT), MAX_DRIFT)
        self._height_ns = min(y - self._drift * x for x, y in points)


def _turns_right(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    """Whether b lies on or above the line from a to c, and so not on the lower hull."""
    return (b[0] - a[0]) * (c[1] - a[1]) <= (b[1] - a[1]) * (c[0] - a[0])
