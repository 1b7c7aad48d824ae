# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The newest stretch of an evenly sampled signal, addressed by absolute grid index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SMALLEST_ROOM = 256
# From this number of unmeasured points on, a silence is not stored: it may last for days.
_SHORTEST_SILENCE = 256


class GridBuffer:
    """Grid points in a row, of which the oldest are let go.

    Points that were not measured, never given or let go read as NaN.

    Attributes:
        wanted_from: Index below which points are no longer wanted; set by `want_from`.
        first: Index of the oldest point held, or of the next one when none is.
        end: Index after the newest point.
        last_unmeasured: Index of the newest point that has a NaN; below all indices while there was none.
    """

    def __init__(self, channels: int, max_points: int) -> None:
        """Make an empty buffer.

        Args:
            channels: Number of channels.
            max_points: Most points that `trim` leaves.
        """
        self._max_points = max_points
        self._rows = np.empty((_SMALLEST_ROOM, channels))
        self.wanted_from = 0
        self.begin(0)

    def begin(self, index: int) -> None:
        """Empty the buffer; the next point given has this index."""
        # The newest stretch is in `_rows`, from row `_offset` on; stretches before a long silence are kept apart.
        self._before_silence: list[tuple[int, NDArray[np.float64]]] = []
        self._stretch_first = index
        self._offset = 0
        self.first = self.end = index
        self.last_unmeasured = index - 1

    def append(self, values: NDArray[np.float64]) -> None:
        """Append points from index `end` on, shape (points, channels); NaN values are allowed."""
        count = len(values)
        row = self._room(count)
        self._rows[row : row + count] = values
        missing = np.isnan(values)
        if np.logical_or.reduce(missing, axis=None):
            self.last_unmeasured = self.end + int(np.flatnonzero(missing.any(axis=1))[-1])
        self.end += count

    def append_unmeasured(self, count: int) -> None:
        """Append points that were not measured."""
        if count < _SHORTEST_SILENCE:
            row = self._room(count)
            self._rows[row : row + count] = np.nan
            self.end += count
        else:
            held = self.end - self._stretch_first
            if held:
                self._before_silence.append(
                    (self._stretch_first, self._rows[self._offset : self._offset + held].copy())
                )
            self.end += count
            self._stretch_first = self.end
            self._offset = 0
            self._drop_below(self.wanted_from)
        self.last_unmeasured = self.end - 1

    def want_from(self, index: int) -> None:
        """Points below this index are no longer wanted."""
        self.wanted_from = index
        if self._before_silence:
            self._drop_below(index)

    def trim(self) -> None:
        """Let the oldest points go, wanted or not, where there are more than `max_points`."""
        if self.end - self.wanted_from > self._max_points:
            self.want_from(self.end - self._max_points)
            self._drop_below(self.wanted_from)

    def read(self, index: int, count: int) -> NDArray[np.float64]:
        """A copy of `count` points from `index`, which end at or before `end`; shape (count, channels)."""
        if index >= self._stretch_first:
            row = index - self._stretch_first + self._offset
            return self._rows[row : row + count].copy()
        values = np.full((count, self._rows.shape[1]), np.nan)
        newest = self._rows[self._offset : self._offset + self.end - self._stretch_first]
        for first, rows in [*self._before_silence, (self._stretch_first, newest)]:
            begin, end = max(first, index), min(first + len(rows), index + count)
            if begin < end:
                values[begin - index : end - index] = rows[begin - first : end - first]
        return values

    def _drop_below(self, index: int) -> None:
        self._before_silence = [kept for kept in self._before_silence if kept[0] + len(kept[1]) > index]
        if not self._before_silence and index > self._stretch_first:
            dropped = min(index, self.end) - self._stretch_first
            self._stretch_first += dropped
            self._offset += dropped
        self.first = self._before_silence[0][0] if self._before_silence else self._stretch_first

    def _room(self, count: int) -> int:
        """Make room for `count` points at the end; the row of the first of them."""
        row = self._offset + self.end - self._stretch_first
        if row + count > len(self._rows):
            self._drop_below(self.wanted_from)
            kept = self._rows[self._offset : self._offset + self.end - self._stretch_first]
            row = len(kept)
            # Twice the room that is needed, so that the points move once in a while and not at every call.
            if 2 * (row + count) > len(self._rows):
                self._rows = np.empty((4 * (row + count), self._rows.shape[1]))
            self._rows[:row] = kept
            self._offset = 0
        return row
