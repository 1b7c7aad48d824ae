# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What the page of an evaluation shows of where a classifier is right: by motion, by speed, by time on a surface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GroupRow:
    """How windows of one group were classified.

    Attributes:
        name: Name of the group, such as `turning`.
        windows: Number of its windows.
        lstm: Accuracy of the LSTM [1].
        trees: Accuracy of the trees [1].
    """

    name: str
    windows: int
    lstm: float
    trees: float


@dataclass(frozen=True)
class GroupTable:
    """Groups of one kind.

    Attributes:
        title: What they are grouped by.
        rows: One for each group.
    """

    title: str
    rows: tuple[GroupRow, ...]


def group_tables(result: Mapping[str, Any]) -> tuple[GroupTable, ...]:
    """Return the tables of an evaluation; none where the motion is not known and no streams were labelled.

    Args:
        result: What `surface evaluate --json` holds.
    """
    comparison = result.get('comparison') or {}
    tables = [
        GroupTable(
            title,
            tuple(
                GroupRow(name, group['windows'], group['lstm'], group['trees'])
                for name, group in comparison[key].items()
            ),
        )
        for key, title in (('by_motion', 'motion'), ('by_speed', 'speed'))
        if comparison.get(key)
    ]
    streams = result.get('streams') or {}
    lstm, trees = (
        ((streams.get(name) or {}).get('filtered') or {}).get('by_time_on_surface') or {} for name in ('lstm', 'trees')
    )
    if lstm:
        rows = (
            GroupRow(name, group['steps'], group['accuracy'], trees[name]['accuracy']) for name, group in lstm.items()
        )
        tables.append(GroupTable('time on a surface', tuple(rows)))
    return tuple(tables)
