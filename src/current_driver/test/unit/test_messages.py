# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Messages without ROS: packaged definitions, CDR round trips and time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from current_driver import messages


def test_every_message_of_ours_has_a_default_definition_text_and_class() -> None:
    for msgtype in messages.surface_msgs_definitions():
        assert messages.message_class(msgtype).__msgtype__ == msgtype
        assert 'MSG: std_msgs/Header' in messages.definition(msgtype) or 'WindowPart' in msgtype


def test_unknown_type_has_no_definition() -> None:
    with pytest.raises(KeyError):
        messages.definition('nobody_msgs/msg/Nothing')


@settings(deadline=None)
@given(st.integers(min_value=-(2**31) * 10**9, max_value=2**31 * 10**9 - 1))
def test_time_round_trip_is_exact(stamp: int) -> None:
    assert messages.stamp_ns(messages.to_time(stamp)) == stamp


@pytest.mark.parametrize('stamp', [2**31 * 10**9, -(2**31) * 10**9 - 1])
def test_time_that_does_not_fit_is_refused(stamp: int) -> None:
    with pytest.raises(ValueError, match=str(stamp)):
        messages.to_time(stamp)


@settings(deadline=None)
@given(data=st.data(), samples=st.integers(1, 20), motors=st.integers(1, 4), optional=st.booleans())
def test_current_block_round_trip_to_the_bit(data: Any, samples: int, motors: int, optional: bool) -> None:
    values = hnp.arrays(np.float64, (samples, motors), elements=st.floats(width=64))
    steps = data.draw(st.lists(st.integers(0, 10**9), min_size=samples, max_size=samples))
    block = messages.CurrentBlock(
        stamps_ns=10**18 + np.cumsum(np.array(steps, dtype=np.int64)),
        current_a=data.draw(values),
        motor_names=tuple(f'motor{index}' for index in range(motors)),
        first_sample=data.draw(st.integers(0, 2**64 - 1)),
        stream_id=data.draw(st.integers(0, 2**32 - 1)),
        wheel_speed_mps=data.draw(values) if optional else None,
    )
    cdr = messages.serialize(messages.current_block_message(block, 'base'))
    back = messages.deserialize(cdr, messages.MOTOR_CURRENT)

    assert messages.serialize(back) == cdr
    assert back.current.tobytes() == block.current_a.tobytes()
    assert back.wheel_speed.size == (samples * motors if optional else 0)
    assert back.voltage.size == 0
    assert (back.first_sample, back.stream_id) == (block.first_sample, block.stream_id)
    assert tuple(back.motor_names) == block.motor_names
    stamps = messages.stamp_ns(back.header.stamp) + back.offsets_ns
    np.testing.assert_array_equal(stamps, block.stamps_ns)


@pytest.mark.parametrize(
    ('stamps', 'current', 'sentence'),
    [(np.arange(2), np.zeros((2, 1)), 'shape'), (np.arange(0), np.zeros((0, 2)), 'at least one sample')],
)
def test_block_that_does_not_fit_is_refused(
    stamps: NDArray[np.int64], current: NDArray[np.float64], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        messages.CurrentBlock(stamps, current, ('left', 'right'), 0)


def test_truth_and_imu_messages() -> None:
    truth = messages.stamped('surface_truth', messages.truth_message(5, 'carpet', 'simulator'), 7)
    assert (truth.msgtype, truth.stamp_ns) == (messages.SURFACE_TRUTH, 7)
    back = messages.deserialize(truth.cdr, truth.msgtype)
    assert (back.surface, back.origin, messages.stamp_ns(back.header.stamp)) == ('carpet', 'simulator', 5)

    imu = messages.imu_message(5, np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), 'imu_link')
    back = messages.deserialize(messages.serialize(imu), messages.IMU)
    assert (back.angular_velocity.z, back.linear_acceleration.x) == (3.0, 4.0)
    assert back.orientation_covariance[0] == -1.0
