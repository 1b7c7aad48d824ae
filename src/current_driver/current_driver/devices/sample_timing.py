# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The rate at which samples come, and how evenly."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from current_driver.messages import NANOSECONDS

SAMPLES = 2048


@dataclass(frozen=True)
class Timing:
    """Rate and jitter over the last samples.

    Attributes:
        rate_hz: Samples a second, lost ones not counted as gaps; NaN when unknown [Hz].
        jitter_ms: Standard deviation of the time from sample to sample, by their stamps [ms].
        arrival_jitter_ms: The same by the times at which the host received them [ms].
        longest_ms: Longest time between two arrivals [ms].
    """

    rate_hz: float = float('nan')
    jitter_ms: float = float('nan')
    arrival_jitter_ms: float = float('nan')
    longest_ms: float = float('nan')


class TimingMeter:
    """Remembers the last samples' times."""

    def __init__(self) -> None:
        """Start without samples."""
        self._recent: deque[tuple[int, int, int]] = deque(maxlen=SAMPLES)

    def add(self, step: int, stamp_ns: int, receive_ns: int) -> None:
        """Take in a sample.

        Args:
            step: By how many samples it follows the last one.
            stamp_ns: When it was measured [ns].
            receive_ns: When the host received it [ns].
        """
        self._recent.append((step, stamp_ns, receive_ns))

    def timing(self) -> Timing:
        """Return rate and jitter; safe while another thread adds samples."""
        # Copying a deque fails when it changes meanwhile; a list of it does not, as it is one call into C.
        recent = np.array(list(self._recent), dtype=np.int64)
        if len(recent) < 3:
            return Timing()
        steps = recent[1:, 0]
        stamps_ns, arrivals_ns = np.diff(recent[:, 1]), np.diff(recent[:, 2])
        span_ns = int(stamps_ns.sum())
        per_sample_ns = stamps_ns / steps
        return Timing(
            rate_hz=float(steps.sum()) * NANOSECONDS / span_ns if span_ns > 0 else float('nan'),
            jitter_ms=float(per_sample_ns.std()) / 1e6,
            arrival_jitter_ms=float((arrivals_ns / steps).std()) / 1e6,
            longest_ms=float(arrivals_ns.max()) / 1e6,
        )
