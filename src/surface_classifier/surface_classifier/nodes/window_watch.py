# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Whether windows leave while inputs arrive, and why they do not: a pure function of counters and times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from current_driver.node.health import Level

# A node checks once a second: so it warns within 2 s, and reports an error within 5 s.
WARN_S, ERROR_S = 1.0, 4.0
# Fraction of what came that must be dropped to be the reason.
MOST_DROPPED = 0.5
_LEAST_SAMPLES = 10

_DROPPED = {
    'duplicates': 'samples carry the stamp of the one before (does /clock run, and does the source set its stamps?)',
    'out_of_order': 'samples are older than the newest one (does a bag or a clock run in a loop?)',
    'future': 'samples are stamped far ahead of the others (is the clock of their source right?)',
    'skipped': 'messages lack the configured elements, or are damaged',
}


@dataclass(frozen=True)
class StreamSnapshot:
    """What a window stream has counted at a time.

    Attributes:
        counts: Counters by name, as in `StreamCounters`.
        void_reasons: Windows voided for each reason.
        newest_ns: Stamp of the newest sample [ns]; None before the first.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    void_reasons: Mapping[str, int] = field(default_factory=dict)
    newest_ns: int | None = None


@dataclass(frozen=True)
class Overdue:
    """Windows that should have come.

    Attributes:
        level: WARN, then ERROR.
        text: For how long none came, how much was lost and the most frequent reason.
    """

    level: Level
    text: str


class WindowWatch:
    """Compares what a stream counts now with what it had counted when its last window left."""

    def __init__(self, first_s: float, following_s: float) -> None:
        """Say when windows are due.

        Args:
            first_s: Time of samples until the first window is complete [s].
            following_s: Time of samples from window to window [s].
        """
        self._first_s = first_s
        self._following_s = following_s
        self._windows = 0
        self._since_s: float | None = None
        self._base = StreamSnapshot()

    def look(self, input_s: float, snapshot: StreamSnapshot, last_window_s: float | None) -> Overdue | None:
        """Say whether windows are overdue; called once a second while inputs arrive.

        Args:
            input_s: When the last input came, by a steady clock [s].
            snapshot: What the stream has counted.
            last_window_s: When the last window left, by that clock; None: none has yet [s].
        """
        windows = snapshot.counts.get('windows', 0)
        if self._since_s is None or windows != self._windows:
            self._windows = windows
            self._since_s = input_s if last_window_s is None else last_window_s
            self._base = snapshot
        idle_s = input_s - self._since_s
        # After a jump of the clock, a whole window has to come in again.
        begins = not windows or self._since(snapshot, 'clock_jumps')
        due_s = self._first_s if begins else self._following_s
        reason = self._dropped(snapshot)
        if not reason:
            # Samples are taken in: a window is missed only from the time on at which the next one is due.
            idle_s -= due_s
            reason = self._voided(snapshot)
        if not reason:
            if self._moves_slowly(snapshot, due_s):
                return None
            reason = f'{self._since(snapshot, "samples")} samples came, too few for a window'
        if idle_s <= WARN_S:
            return None
        return Overdue(Level.ERROR if idle_s > ERROR_S else Level.WARN, f'inputs arrive and no window leaves: {reason}')

    def pause(self) -> None:
        """No input arrives: what was awaited is not overdue."""
        self._since_s = None

    def _since(self, snapshot: StreamSnapshot, name: str) -> int:
        return snapshot.counts.get(name, 0) - self._base.counts.get(name, 0)

    def _moves_slowly(self, snapshot: StreamSnapshot, due_s: float) -> bool:
        """Whether stamps go on, slower than time does, so that no window can be complete yet (a slow replay)."""
        if snapshot.newest_ns is None or not self._since(snapshot, 'samples'):
            return False
        begin_ns = self._base.newest_ns
        return begin_ns is None or 0 < snapshot.newest_ns - begin_ns < due_s * 1e9

    def _voided(self, snapshot: StreamSnapshot) -> str:
        """How many windows were voided, with the most frequent reason; empty where none was."""
        voided = self._since(snapshot, 'voided')
        if not voided:
            return ''
        since = {
            reason: count - self._base.void_reasons.get(reason, 0) for reason, count in snapshot.void_reasons.items()
        }
        reason = max(since, key=lambda name: since[name], default='')
        return f'{voided} windows were voided, {since.get(reason, 0)} of them for this reason: {reason}'

    def _dropped(self, snapshot: StreamSnapshot) -> str:
        """Why samples were dropped, with the count; empty where most of what came was taken in."""
        lost = {name: self._since(snapshot, name) for name in _DROPPED}
        came = self._since(snapshot, 'samples') + sum(lost.values())
        worst = max(lost, key=lambda name: lost[name])
        if sum(lost.values()) < max(_LEAST_SAMPLES, MOST_DROPPED * came):
            return ''
        return f'{lost[worst]} of {came} {_DROPPED[worst]}'
