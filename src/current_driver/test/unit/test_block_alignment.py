# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Blocks of a simulation in real time begin on absolute multiples of their length, so that no label waits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from current_driver.driver_parameters import DRIVER_PARAMETERS, make_source
from current_driver.messages import MOTOR_CURRENT, deserialize, stamp_ns
from current_driver.node.node_parameters import check_all

SECOND_NS = 1_000_000_000


def first_block(now_ns: int, **given_values: Any) -> Any:
    """The first block of currents of a simulator that was made at a moment."""
    source = make_source(check_all(DRIVER_PARAMETERS, given_values), now_ns)
    assert source is not None
    with source:
        block = source.read_block()
        assert block is not None
        return next(deserialize(found.cdr, found.msgtype) for found in block if found.msgtype == MOTOR_CURRENT)


@settings(deadline=None)
@given(
    now_ns=st.integers(1_000 * SECOND_NS, 2_000_000_000 * SECOND_NS),
    rate_hz=st.sampled_from([6.5, 60.0, 100.0, 1000.0]),
    block_samples=st.integers(1, 20),
)
def test_blocks_end_just_before_a_multiple_of_their_length(now_ns: int, rate_hz: float, block_samples: int) -> None:
    message = first_block(now_ns, block_samples=block_samples, **{'simulator.sample_rate_hz': rate_hz})
    first_ns = stamp_ns(message.header.stamp)
    index = round(first_ns * rate_hz / SECOND_NS)
    assert index % block_samples == 0
    period_ns = SECOND_NS / rate_hz
    newest_ns = first_ns + int(message.offsets_ns[-1])
    assert newest_ns <= now_ns
    assert now_ns - newest_ns <= (block_samples + 1) * period_ns


@pytest.mark.parametrize('values', [{'rate': 0.0}, {'publish_clock': True}])
def test_a_simulation_with_its_own_time_does_not_begin_now(values: dict[str, Any]) -> None:
    stamps = {stamp_ns(first_block(now_ns * SECOND_NS, **values).header.stamp) for now_ns in (5_000, 6_000)}
    assert len(stamps) == 1
