# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Which windows are a backlog: they were cut long ago and arrive all at once, as after a process was held up.

A label of such a window is of a place that the robot has left. The age of a stamp alone does not show it, because
clocks differ and recordings are replayed: what shows it is that stamps fall behind the pace at which they came, and
catch up in a burst. Pure; the time of a steady clock is an argument.
"""

from __future__ import annotations

import statistics
from collections import deque

LIMIT_S = 1.0
INTERVALS_KEPT = 21
LEARNED_FROM = 5
NANOSECONDS = 1_000_000_000


class BacklogGate:
    """Separates windows that are late from those that come at their pace.

    The first window after a gap, whose stamp does not account for the gap, is late as well: it may be the first of a
    burst. When the next one comes at the usual pace, the source was paused, and its windows are taken from then on.

    Attributes:
        refused: Windows found to be late.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        """Set the limit.

        Args:
            limit_s: How far a window may be behind the pace [s].
        """
        self.refused = 0
        self._limit_s = limit_s
        self._paces: deque[float] = deque(maxlen=INTERVALS_KEPT)  # seconds of stamps in a second
        self._last: tuple[int, float] | None = None
        self._anchor: tuple[int, float] = (0, 0.0)
        self._was_late = False

    def is_late(self, stamp_ns: int, now_s: float) -> bool:
        """Take in a window and return whether it belongs to a backlog.

        Args:
            stamp_ns: End of the window [ns].
            now_s: When it came, by a steady clock [s].
        """
        last, self._last = self._last, (stamp_ns, now_s)
        if last is None or stamp_ns <= last[0] or now_s <= last[1]:
            # The first window, or a source that starts again at an earlier time.
            if last is None or stamp_ns <= last[0]:
                self._paces.clear()
            return self._take(stamp_ns, now_s)
        stamp_step_s, step_s = (stamp_ns - last[0]) / NANOSECONDS, now_s - last[1]
        if len(self._paces) < LEARNED_FROM:
            self._paces.append(stamp_step_s / step_s)
            return self._take(stamp_ns, now_s)
        pace = statistics.median(self._paces)
        in_burst = step_s * pace < 0.5 * stamp_step_s
        anchor_ns, anchor_s = self._anchor
        late_s = (now_s - anchor_s) - (stamp_ns - anchor_ns) / NANOSECONDS / pace
        if not in_burst:
            self._paces.append(stamp_step_s / step_s)
        # A slow replay is uneven by as much as its slow windows.
        limit_s = max(self._limit_s, stamp_step_s / pace)
        if late_s > limit_s and (in_burst or not self._was_late):
            self._was_late = True
            self.refused += 1
            return True
        return self._take(stamp_ns, now_s)

    def _take(self, stamp_ns: int, now_s: float) -> bool:
        self._anchor = (stamp_ns, now_s)
        self._was_late = False
        return False
