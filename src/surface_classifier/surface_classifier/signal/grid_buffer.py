# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The newest stretch of an evenly sampled signal, addressed by absolute grid index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class GridBuffer:
    """Grid points in a row, of which the oldest are let go.

    Points that were never given or were let go read as unmeasured (NaN).

    Args:
        channels: Number of channels.
        max_points: Most points that are held; beyond, the oldest are let go even when they are still wanted.

    Attributes:
        wanted_from: Index below which points are no longer wanted; to be set by the reader.
        first: Index of the oldest point held.
        end: Index after the newest point.
        last_unmeasured: Index of the newest point that has a NaN; below `first` when none held has.
    """

    def __init__(self, channels: int, max_points: int) -> None:
        self._max_points = max_points
        self._rows = np.empty((min(max_points, 256), channels))
        self.wanted_from = 0
        self.begin(0)

    def begin(self, index: int) -> None:
        """Empty the buffer; the next point given has this index."""
        self.first = self.end = index
        self._offset = 0
        self.last_unmeasured = index - 1

    def append(self, values: NDArray[np.float64]) -> None:
        """Append points from index `end` on, shape (points, channels); NaN values are allowed."""
        count = len(values)
        if count > self._max_points:
            self.begin(self.end + count - self._max_points)
            values = values[-self._max_points :]
            count = self._max_points
        row = self._room(count)
        self._rows[row : row + count] = values
        missing = np.isnan(values)
        if missing.any():
            self.last_unmeasured = self.end + int(np.flatnonzero(missing.any(axis=1))[-1])
        self.end += count

    def append_unmeasured(self, count: int) -> None:
        """Append points that were not measured."""
        if count >= self._max_points:
            self.begin(self.end + count)
            return
        row = self._room(count)
        self._rows[row : row + count] = np.nan
        self.end += count
        self.last_unmeasured = self.end - 1

    def read(self, index: int, count: int) -> NDArray[np.float64]:
        """A copy of `count` points from `index`, which end at or before `end`; shape (count, channels)."""
        if index >= self.first:
            row = index - self.first + self._offset
            return self._rows[row : row + count].copy()
        values = np.full((count, self._rows.shape[1]), np.nan)
        held = min(index + count - self.first, count)
        if held > 0:
            values[count - held :] = self._rows[self._offset : self._offset + held]
        return values

    def _room(self, count: int) -> int:
        """Make room for `count` points at the end; the row of the first of them."""
        held = self.end - self.first
        row = self._offset + held
        if row + count <= len(self._rows):
            return row
        spare = max(min(self.wanted_from - self.first, held), held + count - self._max_points, 0)
        kept = self._rows[self._offset + spare : row]
        self.first += spare
        self._offset = 0
        needed = len(kept) + count
        if 2 * needed > len(self._rows) and len(self._rows) < self._max_points:
            rows = np.empty((min(max(4 * needed, 256), self._max_points), self._rows.shape[1]))
        else:
            rows = self._rows
        rows[: len(kept)] = kept
        self._rows = rows
        return len(kept)
