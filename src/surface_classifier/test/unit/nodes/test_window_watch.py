# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Windows that do not leave while inputs arrive are reported in time, and nothing is reported that is not overdue."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from current_driver.node.health import Level
from surface_classifier.nodes.window_watch import Overdue, StreamSnapshot, WindowWatch

RATE_HZ = 10
SECOND_NS = 10**9


def snapshot(at_s: float, windows: int, *, reasons: Mapping[str, int] | None = None, **counts: int) -> StreamSnapshot:
    counts = {'samples': round(at_s * RATE_HZ), 'windows': windows, **counts}
    return StreamSnapshot(counts, reasons or {}, round(at_s * SECOND_NS))


def test_one_voided_window_is_not_overdue_before_the_next_one_is_due() -> None:
    """Windows every 5 s from 6 s on; the one at 16 s is voided."""
    watch = WindowWatch(first_s=6.0, following_s=5.0)
    levels = {}
    for at_s in range(1, 40):
        due = [due_s for due_s in range(6, at_s + 1, 5) if due_s != 16]
        counts = {'voided': int(at_s >= 16)}
        found: Overdue | None = watch.look(
            float(at_s), snapshot(at_s, len(due), reasons={'gaps': 1}, **counts), float(due[-1]) if due else None
        )
        if found is not None:
            levels[at_s] = found.level
    assert levels == {18: Level.WARN, 19: Level.WARN, 20: Level.WARN}


@pytest.mark.parametrize('reason', ['duplicates', 'future', 'skipped'])
def test_dropped_samples_are_reported_although_no_window_is_due(reason: str) -> None:
    watch = WindowWatch(first_s=60.0, following_s=60.0)
    levels = []
    for at_s in range(8):
        found = watch.look(float(at_s), StreamSnapshot({reason: 20 * at_s}), None)
        levels.append(found.level if found is not None else Level.OK)
    assert levels == [Level.OK] * 2 + [Level.WARN] * 3 + [Level.ERROR] * 3


def test_after_a_pause_everything_is_awaited_again() -> None:
    watch = WindowWatch(first_s=1.0, following_s=1.0)
    assert watch.look(0.0, snapshot(0.0, 0), None) is None
    overdue = watch.look(9.0, snapshot(9.0, 0), None)
    assert overdue is not None
    watch.pause()
    assert watch.look(9.5, snapshot(9.5, 0), None) is None
