# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Where time runs twice: only where stamps come that were there before, not where they go to another time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from surface_classifier.data.build_outcome import TimeWatch

SECOND = 1_000_000_000


def watched(*stamps_s: float) -> Any:
    """Return a watch that has seen stamps, with a jump of the clock wherever they step back."""
    stream = SimpleNamespace(newest_ns=None, clock_jumps=0)
    watch = TimeWatch(stream)  # type: ignore[arg-type]
    for stamp_s in stamps_s:
        stamp_ns = round(stamp_s * SECOND)
        if stream.newest_ns is not None and stamp_ns < stream.newest_ns:
            stream.clock_jumps += 1
        stream.newest_ns = stamp_ns
        watch.look(stamp_ns)
    return watch


def window(start_s: float, end_s: float) -> Any:
    return SimpleNamespace(start_ns=round(start_s * SECOND), end_ns=round(end_s * SECOND))


@pytest.mark.parametrize(('start_s', 'twice'), [(7.0, True), (9.5, True), (10.5, False)])
def test_windows_over_a_time_that_was_there_before_run_twice(start_s: float, twice: bool) -> None:
    watch = watched(1.0, 5.0, 10.0, 7.0, 12.0)
    assert watch.runs_twice(window(start_s, start_s + 1.0)) == twice


def test_time_that_goes_back_to_before_the_first_stamp_is_new() -> None:
    """As when the first messages carry no stamp and get the time of recording, and the others that of a simulation."""
    watch = watched(1_700_000_000.0, 1_700_000_001.0, 5.0, 20.0)
    assert not watch.runs_twice(window(6.0, 7.0))


def test_time_that_never_goes_back_runs_once() -> None:
    assert not watched(1.0, 2.0, 3.0).runs_twice(window(1.0, 2.0))
