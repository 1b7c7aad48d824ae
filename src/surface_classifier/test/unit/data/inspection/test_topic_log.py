# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A look at topics from outside: rates, jitter and gaps, every number with its path, and names that come apart."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_messages import filled_message, header, through_bytes

from current_driver import messages
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.writing.recording_writer import RecordingWriter
from current_driver.testing.drives import write_drive
from surface_classifier.data.inspection.topic_log import TopicLog, log_recording, name_elements
from surface_classifier.signal.field_path import FieldReader
from surface_classifier.signal.numeric_fields import numeric_fields, only_names

START_NS = 1_700_000_000 * messages.NANOSECONDS
MS = 1_000_000
JOINT = 'sensor_msgs/msg/JointState'


def joint_state(stamp_ns: int, effort: list[float], names: list[str] | None = None) -> Any:
    return filled_message(JOINT, header=header(stamp_ns), name=names or ['left', 'right'], effort=effort)


def float_values(count: int) -> Any:
    return filled_message('control_msgs/msg/Float64Values', header=header(START_NS), values=list(range(count)))


def keys(*names: str) -> Any:
    return filled_message('control_msgs/msg/Keys', header=header(START_NS), keys=list(names))


def log_of(topic: str, *arriving: Any) -> TopicLog:
    log = TopicLog(topic, arriving[0].__msgtype__)
    for number, message in enumerate(arriving):
        log.add(message, START_NS + number * 10 * MS)
    return log


def test_every_path_leads_back_to_its_number() -> None:
    drivers = [
        filled_message('puma_motor_msgs/msg/Feedback', device_name=name, device_number=number, current=1.5 * number)
        for number, name in enumerate(('left_wheel', 'right_wheel'))
    ]
    interfaces = [
        filled_message('control_msgs/msg/InterfaceValue', interface_names=['effort', 'velocity'], values=[1.0 + n, 7.0])
        for n in range(2)
    ]
    for message in (
        joint_state(START_NS, [1.5, -2.5]),
        filled_message('puma_motor_msgs/msg/MultiFeedback', header=header(START_NS), drivers_feedback=drivers),
        filled_message('control_msgs/msg/DynamicJointState', joint_names=['a', 'b'], interface_values=interfaces),
        filled_message('kobuki_ros_interfaces/msg/SensorState', current=[12, 13], left_pwm=-5),
        filled_message('std_msgs/msg/Float32MultiArray', data=[1.0, 2.0]),
    ):
        read = through_bytes(message)
        found = numeric_fields(read)
        assert found
        for path, value in found.items():
            assert FieldReader(path).read(read) == value
    assert 'drivers_feedback[right_wheel].current' in numeric_fields(
        filled_message('puma_motor_msgs/msg/MultiFeedback', drivers_feedback=drivers)
    )


def test_what_is_no_measurement_is_left_out() -> None:
    found = numeric_fields(filled_message('nav_msgs/msg/Odometry', header=header(START_NS)))
    assert 'twist.twist.linear.x' in found
    assert not [path for path in found if 'stamp' in path or 'covariance' in path]
    scan = filled_message('sensor_msgs/msg/LaserScan', ranges=[1.0] * 360)
    assert not [path for path in numeric_fields(scan) if path.startswith('ranges')]
    switches = filled_message('irobot_create_msgs/msg/WheelStatus', wheels_enabled=True)
    assert 'wheels_enabled' not in numeric_fields(switches)


@pytest.mark.parametrize('names', [['a', 'a'], ['0', '1'], ['a[0]', 'b'], ['', 'b']])
def test_names_that_tell_nothing_apart_give_way_to_indices(names: list[str]) -> None:
    assert set(numeric_fields(joint_state(START_NS, [1.5, 2.5], names))) == {'effort[0]', 'effort[1]'}


def test_timing_shows_rate_jitter_gaps_and_disorder() -> None:
    stamps = np.cumsum([0, *[10] * 50, 100, *[10] * 49]) * MS
    log = log_of('joint_states', *[joint_state(START_NS + int(stamp), [1.0, 2.0]) for stamp in stamps])
    timing = log.timing
    assert timing.rate_hz == pytest.approx(100.0)
    assert (timing.gaps, timing.disordered) == (1, 0)
    assert timing.longest_s == pytest.approx(0.1)
    assert timing.jitter_s == pytest.approx(0.0, abs=1e-9)
    assert timing.stamped == 'header'
    log.add(joint_state(START_NS, [1.0, 2.0]), START_NS)
    assert log.timing.disordered == 1
    assert math.isnan(log_of('joint_states', joint_state(START_NS, [1.0, 2.0])).timing.rate_hz)


def test_messages_without_a_stamp_are_reported_by_their_receipt() -> None:
    log = log_of('value', *[filled_message('std_msgs/msg/Float32', data=float(n)) for n in range(10)])
    assert log.timing.stamped == 'receipt'
    assert log.timing.rate_hz == pytest.approx(100.0)
    (series,) = log.series()
    assert (series.path, series.values.tolist()) == ('data', [float(n) for n in range(10)])
    assert series.stamps_ns[0] == START_NS


def test_a_number_that_comes_and_goes_keeps_its_stamps() -> None:
    log = log_of(
        'joint_states',
        joint_state(START_NS, [1.0, 2.0]),
        joint_state(START_NS + 5 * MS, [3.0], ['right']),
        joint_state(START_NS + 9 * MS, [4.0, math.nan]),
    )
    courses = {series.path: series for series in log.series()}
    assert courses['effort[left]'].values.tolist() == [1.0, 4.0]
    assert courses['effort[right]'].values.tolist() == [2.0, 3.0]
    assert (courses['effort[right]'].stamps_ns - START_NS).tolist() == [0, 5 * MS]


def test_names_on_a_topic_of_their_own_name_the_values_beside_them() -> None:
    assert only_names(keys('a', 'b')) == ['a', 'b']
    assert only_names(joint_state(START_NS, [1.0, 2.0])) is None
    values, other = log_of('/robot/values', float_values(2)), log_of('/tool/values', float_values(2))
    name_elements([log_of('/robot/names', keys('left/effort', 'right/effort')), other, values])
    assert [series.path for series in values.series()] == ['values[left/effort]', 'values[right/effort]']
    assert (values.names_topic, values.names_type) == ('/robot/names', 'control_msgs/msg/Keys')
    assert [series.path for series in other.series()] == ['values[0]', 'values[1]']
    # Nowhere near, but the only one that fits.
    lonely = log_of('/arm/values', float_values(3))
    name_elements([log_of('/robot/names', keys('a', 'b', 'c')), lonely, log_of('/x/values', float_values(2))])
    assert [series.path for series in lonely.series()] == ['values[a]', 'values[b]', 'values[c]']


@pytest.mark.requires('mcap', 'rosbags')
def test_a_recording_is_looked_at_as_far_as_is_asked(tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'bag', [('ice', 10.0)], rate_hz=50.0)
    seen: list[float] = []
    with open_recording(bag) as reader:
        logs = {log.topic: log for log in log_recording(reader, 4.0, seen.append)}
    assert sum(seen) == pytest.approx(4.0, abs=1.1)
    blocks = logs['/motor_current']
    assert 39 <= blocks.count <= 41
    # Blocks are counted as messages; rates are those of their samples.
    assert blocks.timing.rate_hz == pytest.approx(50.0)
    assert [series.path for series in blocks.series()] == ['current[left]', 'current[right]']
    assert len(blocks.series()[0].values) == 5 * blocks.count
    assert logs['/surface_truth'].count == 1


def test_a_message_that_is_too_long_is_counted_and_not_read(tmp_path: Path) -> None:
    image = filled_message('sensor_msgs/msg/Image', header=header(START_NS), data=[0] * 100_000)
    with RecordingWriter(tmp_path / 'bag', flush_interval_s=None) as writer:
        for number in range(3):
            writer.write_message('picture', image, START_NS + number * 100 * MS)
    with open_recording(tmp_path / 'bag') as reader:
        (log,) = log_recording(reader, 10.0)
    assert (log.count, log.timing.stamped, log.series()) == (3, 'unread', [])
    assert log.timing.rate_hz == pytest.approx(10.0)
