# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Between our objects and messages, through the bytes that travel: nothing changes, not a bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from current_driver.errors import DamagedMessageError
from current_driver.messages import header_stamp_ns
from surface_classifier.model.contract import describe_windows
from surface_classifier.model.label import Label, Reason
from surface_classifier.nodes.conversion import (
    WindowWriter,
    describe_window_message,
    label_message,
    to_ns,
    to_time,
    window_from_message,
)
from surface_classifier.nodes.raw_stamps import time_reader
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig
from surface_classifier.signal.window_stream import Window
from surface_msgs.msg import MotorCurrent, SurfaceLabel

REQUIRES = ('rclpy', 'surface_msgs')

STAMPS_NS = st.integers(-(2**31) * 10**9, (2**31 - 1) * 10**9)

CONFIG = WindowConfig(
    (
        PartConfig('motor', 10.0, (ChannelConfig('a', 't', 'x/msg/Y', 'f'), ChannelConfig('b', 't', 'x/msg/Y', 'g'))),
        PartConfig('imu', 25.0, (ChannelConfig('gyro', 'i', 'x/msg/Z', 'h', unit='rad/s'),)),
    ),
    window_samples=4,
    stride_samples=2,
)


def through_the_wire(message: Any) -> Any:
    return deserialize_message(serialize_message(message), type(message))


@settings(deadline=None)  # the first conversion loads the type support, which takes longer than 0.2 s under load
@given(STAMPS_NS)
def test_times_keep_every_nanosecond(stamp_ns: int) -> None:
    assert to_ns(through_the_wire(to_time(stamp_ns))) == stamp_ns


@settings(deadline=None)
@given(
    index=st.integers(-(2**62), 2**62),
    start_ns=STAMPS_NS,
    motor=arrays.arrays(np.float64, (4, 2), elements=st.floats(allow_nan=True, width=64)),
    imu=arrays.arrays(np.float64, (10, 1), elements=st.floats(allow_nan=True, width=64)),
    coverage=st.floats(0, 1),
    fortran=st.booleans(),
)
def test_windows_arrive_to_the_last_bit(
    index: int, start_ns: int, motor: Any, imu: Any, coverage: float, fortran: bool
) -> None:
    window = Window(
        index=index,
        start_ns=start_ns,
        end_ns=start_ns + 1,
        parts={'motor': np.asfortranarray(motor) if fortran else motor, 'imu': imu},
        coverage=coverage,
        part_starts_ns={'motor': start_ns, 'imu': start_ns + 1},
        part_coverage={'motor': coverage, 'imu': 1.0},
    )
    message = through_the_wire(WindowWriter(CONFIG).message(window, 3, 'base_link'))
    found = window_from_message(message)
    assert (found.index, found.start_ns, found.end_ns, found.coverage) == (index, start_ns, start_ns + 1, coverage)
    assert (found.part_starts_ns, found.part_coverage) == (window.part_starts_ns, window.part_coverage)
    assert found.parts['motor'].tobytes() == np.ascontiguousarray(motor).tobytes()
    assert found.parts['imu'].tobytes() == imu.tobytes()
    assert (message.voided, message.config_digest) == (3, CONFIG.digest)
    assert describe_window_message(message) == describe_windows(CONFIG)


def test_a_window_whose_data_does_not_fit_is_refused() -> None:
    parts = {'motor': np.zeros((4, 2)), 'imu': np.zeros((10, 1))}
    window = Window(5, 0, 1, parts, 1.0, dict.fromkeys(parts, 0), dict.fromkeys(parts, 1.0))
    message = WindowWriter(CONFIG).message(window, 0, '')
    message.parts[0].samples = 5
    with pytest.raises(ValueError, match="part 'motor' of window 5 holds 8 values; 5 samples of 2 channels need 10"):
        window_from_message(message)


def test_labels_arrive_as_they_are() -> None:
    probabilities = np.array([0.25, 0.75])
    label = Label(
        stamp_ns=5,
        surface='snow',
        surface_id=2,
        known=True,
        reason=Reason.NOT_CHECKED,
        confidence=0.75,
        class_names=('ice', 'snow'),
        probabilities=probabilities,
        raw_probabilities=probabilities,
        possible_ids=(1, 2),
        possible_level=0.9,
        novelty=math.nan,
        window_start_ns=-7,
        window_index=-3,
        coverage=1.0,
        inference_s=0.001,
        model_digest='abc',
    )
    message = through_the_wire(label_message(label, 'base_link'))
    assert (message.surface, message.surface_id, message.known, message.confidence) == ('snow', 2, True, 0.75)
    assert message.reason == SurfaceLabel.REASON_NOT_CHECKED
    assert message.class_names == ['ice', 'snow']
    assert list(message.probabilities) == list(message.raw_probabilities) == [0.25, 0.75]
    assert list(message.possible_ids) == [1, 2]
    assert math.isnan(message.novelty)
    assert (to_ns(message.window_start), message.window_index, message.model_digest) == (-7, -3, 'abc')


@given(STAMPS_NS)
def test_raw_bytes_tell_their_stamp(stamp_ns: int) -> None:
    message = JointState(name=['a'], effort=[1.0])
    message.header.stamp = to_time(stamp_ns)
    cdr = serialize_message(message)
    assert header_stamp_ns(cdr) == stamp_ns
    times = time_reader('sensor_msgs/msg/JointState', JointState)(cdr, 99)
    assert times == ((stamp_ns, stamp_ns) if stamp_ns else (99, 99))


def test_blocks_are_logged_at_their_newest_sample_and_others_at_their_receipt() -> None:
    block = MotorCurrent(offsets_ns=[0, 10, 20])
    block.header.stamp = to_time(1000)
    assert time_reader('surface_msgs/msg/MotorCurrent', MotorCurrent)(serialize_message(block), 99) == (1000, 1020)
    plain = serialize_message(Float64MultiArray(data=[1.0]))
    assert time_reader('std_msgs/msg/Float64MultiArray', Float64MultiArray)(plain, 99) == (99, 99)
    with pytest.raises(DamagedMessageError, match='has no header'):
        header_stamp_ns(b'\0\1')
