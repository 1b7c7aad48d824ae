# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How many samples are missing before one: by the device's counter, or by the time that passed."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np

# A counter that steps back by so few is a sample that came twice or late; by more, a device that has started again.
REORDERED = 64
GAP_PERIODS = 1.7
CATCH_UP_PERIODS = 0.75  # a sample that is late by less has caught up
# So many samples one after another at their usual distance, within so much of it, show that no samples are caught up.
CALM_SAMPLES, CALM_SHARE = 4, 0.25
HELD_SAMPLES = 256
PERIOD_SAMPLES, PERIOD_NEEDED = 2048, 64
SCHEDULE_SAMPLES = 16
# So many gaps one after another are another rate.
GAPS_IN_A_ROW = 16

Item = TypeVar('Item')


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
            The step; 0 for a sample that came twice or too late; None when the counter has begun again.
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


class GapWatch(Generic[Item]):
    """Finds missing samples by the time that passed, and distinguishes them from a sender that was held up.

    After a loss the samples stay late by whole periods; after a stall they come faster until they are on time again. So
    what follows a gap is held back until it has come close to its time, or has gone on at its usual distance for a few
    samples. A sender that does neither is too uneven to distinguish a loss from a stall: such gaps are counted apart.
    The period is that of the last samples, lost ones counted, so that neither stalls nor losses change it.

    Attributes:
        stalls: Gaps that were made up for.
        unclear: Gaps of which it is unknown.
    """

    def __init__(self) -> None:
        """Start without samples."""
        self.stalls = self.unclear = 0
        self._times: deque[tuple[int, int]] = deque(maxlen=PERIOD_SAMPLES)  # number and time
        self._held: list[tuple[int, Item]] = []
        self._steady_period_ns = 0.0
        self._gaps = 0

    @property
    def period_ns(self) -> float | None:
        """Usual time from sample to sample; None before it is known [ns]."""
        if len(self._times) < PERIOD_NEEDED:
            return None
        (first, first_ns), (last, last_ns) = self._times[0], self._times[-1]
        return max(1.0, (last_ns - first_ns) / (last - first))

    def add(self, time_ns: int, item: Item) -> list[tuple[Item, int]]:
        """Take in a sample.

        Args:
            time_ns: Its time [ns].
            item: What comes back with the number of samples lost before it.

        Returns:
            The samples that are decided on, each with the number of samples lost before it.
        """
        if self._held:
            self._held.append((time_ns, item))
            return self._decide(final=False)
        period_ns = self.period_ns
        if period_ns is None or time_ns - self._times[-1][1] <= GAP_PERIODS * period_ns:
            self._accept(time_ns, 0)
            return [(item, 0)]
        self._held = [(time_ns, item)]
        self._steady_period_ns = self._unhurried_period_ns(period_ns)
        return []

    def _unhurried_period_ns(self, mean_ns: float) -> float:
        """Return the period by samples that were on time: the mean is wrong where the first one was late."""
        numbers, times_ns = np.array(self._times, dtype=np.int64).T
        late_ns = (times_ns - times_ns[0]) - (numbers - numbers[0]) * mean_ns
        half = len(late_ns) // 2
        early, late = int(late_ns[:half].argmin()), half + int(late_ns[half:].argmin())
        return mean_ns + float(late_ns[late] - late_ns[early]) / float(numbers[late] - numbers[early])

    def flush(self) -> list[tuple[Item, int]]:
        """Decide on what is held back: nothing more will come."""
        return self._decide(final=True) if self._held else []

    def _decide(self, *, final: bool) -> list[tuple[Item, int]]:
        period_ns = self._steady_period_ns
        last = self._times[-1][0]
        # A sample is late or on time, never early: the earliest of the last ones give the schedule.
        recent = [self._times[-1 - back] for back in range(min(SCHEDULE_SAMPLES, len(self._times)))]
        schedule_ns = min(time_ns - (number - last) * period_ns for number, time_ns in recent)
        late_ns = min(time_ns - schedule_ns - (1 + ahead) * period_ns for ahead, (time_ns, _) in enumerate(self._held))
        lost = 0
        if late_ns > CATCH_UP_PERIODS * period_ns:
            steps_ns = [later[0] - earlier[0] for earlier, later in pairwise(self._held[-1 - CALM_SAMPLES :])]
            calm = [abs(step_ns - period_ns) < CALM_SHARE * period_ns for step_ns in steps_ns]
            steady = final or (len(calm) == CALM_SAMPLES and all(calm))
            if steady:
                lost = max(1, round(late_ns / period_ns))
            elif len(self._held) < HELD_SAMPLES:
                return []
            else:
                self.unclear += 1
        else:
            self.stalls += 1
        (time_ns, item), *rest = self._held
        self._held = []
        self._accept(time_ns, lost)
        decided = [(item, lost)]
        for later_ns, later in rest:
            decided += self.add(later_ns, later)
        return decided + (self.flush() if final else [])

    def _accept(self, time_ns: int, lost: int) -> None:
        self._gaps = self._gaps + 1 if lost else 0
        if self._gaps >= GAPS_IN_A_ROW:
            self._times.clear()
            self._gaps = 0
        number = self._times[-1][0] + 1 + lost if self._times else 0
        self._times.append((number, time_ns))
