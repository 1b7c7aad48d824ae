# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Samples stamped far ahead are held until others confirm them: one wrong stamp costs no more than its own samples.

A pause looks like a stamp far ahead, too, until the next samples come: they go on after a pause, and return to the old
time after a wrong stamp. All decisions are taken sample by sample, so that they do not depend on how samples are split
into messages.
"""

from __future__ import annotations

from current_driver.messages import NANOSECONDS
from surface_classifier.signal.channel_map import TopicSamples

# A sample further ahead of the newest one is held.
FUTURE_NS = 10 * NANOSECONDS
# Held samples that span so much are confirmed: longer than one block of samples lasts.
CONFIRM_NS = NANOSECONDS // 2


class FutureFilter:
    """Holds the samples of one topic that are stamped far ahead.

    Attributes:
        dropped: Samples dropped because those that followed returned to the time before.
    """

    def __init__(self) -> None:
        """Make one that has seen nothing."""
        self.dropped = 0
        self.reset()

    def reset(self) -> None:
        """Forget the newest sample and those that are held."""
        self._newest_ns: int | None = None
        self._held: list[TopicSamples] = []
        self._held_first_ns = self._held_last_ns = 0

    def admit(self, samples: TopicSamples) -> list[TopicSamples]:
        """The samples that are not held, in the order they came; samples held before are among them once confirmed."""
        stamps = samples.stamps_ns
        if not len(stamps):
            return [samples]
        if not self._held:
            newest_ns = int(stamps[0]) if self._newest_ns is None else self._newest_ns
            largest_ns = int(stamps.max())
            if largest_ns <= newest_ns + FUTURE_NS:
                self._newest_ns = max(newest_ns, largest_ns)
                return [samples]
        return self._sort(samples)

    def _sort(self, samples: TopicSamples) -> list[TopicSamples]:
        """Decide sample by sample; neighbours with the same fate stay together."""
        passed: list[TopicSamples] = []
        begin = 0
        is_held = False
        for place, stamp in enumerate(samples.stamps_ns.tolist()):
            ahead = self._newest_ns is not None and stamp > self._newest_ns + FUTURE_NS
            if ahead != is_held:
                self._put(samples, begin, place, is_held, passed)
                begin, is_held = place, ahead
            if not ahead:
                self._drop_held()
                self._newest_ns = stamp if self._newest_ns is None else max(self._newest_ns, stamp)
                continue
            assert self._newest_ns is not None
            if not self._held and begin == place:
                self._held_first_ns = stamp
            elif self._contradicts(stamp):
                self._put(samples, begin, place, True, passed)
                self._drop_held()
                begin, self._held_first_ns = place, stamp
            self._held_last_ns = stamp
            if stamp - self._held_first_ns >= CONFIRM_NS:
                self._put(samples, begin, place + 1, True, passed)
                passed += self._held
                self._held = []
                self._newest_ns = stamp
                begin, is_held = place + 1, False
        self._put(samples, begin, len(samples.stamps_ns), is_held, passed)
        return passed

    def _contradicts(self, stamp: int) -> bool:
        """Whether a sample far ahead does not go on where the held ones end."""
        assert self._newest_ns is not None
        step_ns = stamp - self._held_last_ns
        return step_ns < 0 or step_ns > max(FUTURE_NS, 2 * (self._held_first_ns - self._newest_ns))

    def _put(self, samples: TopicSamples, begin: int, end: int, is_held: bool, passed: list[TopicSamples]) -> None:
        if end > begin:
            (self._held if is_held else passed).append(samples.part(begin, end))

    def _drop_held(self) -> None:
        self.dropped += sum(len(held.stamps_ns) for held in self._held)
        self._held = []
