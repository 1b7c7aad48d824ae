# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Channels are found in messages of any type, and an error says which fields there are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from current_driver.errors import SurfaceError
from current_driver.messages import typestore
from surface_classifier.signal.channel_map import TopicReader, resolve_topic
from surface_classifier.signal.field_path import FieldReader, PathStep, parse_field_path
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig

REQUIRES = ('rosbags',)  # messages of stock types that no source publishes

TYPES = typestore().types
STAMP_NS = 1_700_000_000_123_456_789
JOINT = 'sensor_msgs/msg/JointState'


def header(stamp_ns: int = STAMP_NS) -> Any:
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return TYPES['std_msgs/msg/Header'](TYPES['builtin_interfaces/msg/Time'](seconds, nanoseconds), 'base_link')


def joint_state(stamp_ns: int = STAMP_NS, names: tuple[str, ...] = ('left_wheel', 'right_wheel')) -> Any:
    return TYPES[JOINT](header(stamp_ns), list(names), np.array([0.1, 0.2]), np.array([]), np.array([1.5, -2.5]))


def motor_current(samples: int = 3, motors: tuple[str, ...] = ('left', 'right'), **changes: Any) -> Any:
    values = np.arange(samples * len(motors), dtype=np.float64)
    fields = {
        'header': header(),
        'first_sample': 40,
        'stream_id': 7,
        'motor_names': list(motors),
        'offsets_ns': np.arange(samples, dtype=np.int64) * 10,
        'current': values,
        'wheel_speed': -values,
        'voltage': np.array([]),
    }
    return TYPES[MOTOR_CURRENT_TYPE](**{**fields, **changes})


def block_reader(*fields: str, **settings: Any) -> TopicReader:
    channels = [
        ChannelConfig(f'c{n}', 'motor_current', MOTOR_CURRENT_TYPE, f, **settings) for n, f in enumerate(fields)
    ]
    return TopicReader('motor_current', channels)


def single_reader(type_name: str, *fields: str) -> TopicReader:
    return TopicReader('t', [ChannelConfig(f'c{n}', 't', type_name, field) for n, field in enumerate(fields)])


def test_paths_are_parsed() -> None:
    assert parse_field_path('a.b[0].c') == (PathStep('a'), PathStep('b', 0), PathStep('c'))
    assert parse_field_path('effort[left_wheel]') == (PathStep('effort', 'left_wheel'),)
    assert parse_field_path("effort['front/left']") == (PathStep('effort', 'front/left'),)


@pytest.mark.parametrize(
    'path', ['', '.', 'a.', '.a', 'a..b', 'a[', 'a[]', 'a]0[', 'a[0', '0a', 'a b', '__import__("os")', 'a[0][1]', 'a()']
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(SurfaceError, match='cannot be read at character'):
        parse_field_path(path)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        steps = parse_field_path(text)
    except SurfaceError:
        return
    assert steps


@pytest.mark.parametrize(
    ('message', 'path', 'value'),
    [
        (joint_state(), 'effort[right_wheel]', -2.5),
        (joint_state(), 'effort[0]', 1.5),
        (joint_state(), 'header.stamp.sec', 1_700_000_000.0),
        (motor_current(samples=1), 'current[right]', 1.0),
    ],
)
def test_the_number_at_a_path(message: Any, path: str, value: float) -> None:
    assert FieldReader(path).read(message) == value


def test_a_name_is_found_wherever_it_moves() -> None:
    reader = FieldReader('effort[left_wheel]')
    assert reader.read(joint_state()) == 1.5
    assert reader.read(joint_state(names=('right_wheel', 'left_wheel'))) == -2.5
    assert reader.read(joint_state()) == 1.5


@pytest.mark.parametrize(
    ('path', 'parts'),
    [
        (
            'torque',
            ["no field 'torque' in sensor_msgs/msg/JointState", 'fields are header, name, position, velocity, effort'],
        ),
        ('header.time', ["no field 'time' in std_msgs/msg/Header", 'stamp, frame_id']),
        ('effort[front]', ["no element is named 'front'", 'name: left_wheel, right_wheel']),
        ('effort[2]', ["'effort' holds 2 values, so there is no [2]"]),
        ('velocity[left_wheel]', ["'velocity' holds 0 values"]),
        ('header[0]', ["'header' of sensor_msgs/msg/JointState is not an array"]),
        ('header.frame_id[0]', ["'frame_id' of std_msgs/msg/Header is not an array"]),
        ('header.stamp', ['builtin_interfaces/msg/Time with the fields sec, nanosec']),
        ('effort', ['array of 2 values', 'effort[0]']),
        ('name[0]', ["the text 'left_wheel', not a number"]),
    ],
)
def test_an_error_says_what_there_is(path: str, parts: list[str]) -> None:
    with pytest.raises(SurfaceError) as error:
        FieldReader(path, "channel 'left'").read(joint_state())
    for part in ["channel 'left'", f'{path!r}', *parts]:
        assert part in str(error.value)
    assert '__' not in str(error.value)


def test_a_name_without_names_beside_it() -> None:
    layout = TYPES['std_msgs/msg/MultiArrayLayout']([], 0)
    message = TYPES['std_msgs/msg/Float64MultiArray'](layout, np.array([1.0, 2.0]))
    assert FieldReader('data[1]').read(message) == 2.0
    with pytest.raises(SurfaceError, match=r'no array of names beside .data.*data\[0\]'):
        FieldReader('data[left]').read(message)


def test_a_message_with_a_header_is_one_sample_at_its_stamp() -> None:
    samples = single_reader(JOINT, 'effort[left_wheel]', 'position[0]').read(joint_state(), 5)
    assert samples.stamps_ns.tolist() == [STAMP_NS]
    assert samples.values.tolist() == [[1.5, 0.1]]
    assert (samples.first_sample, samples.receive_stamped) == (None, False)


@pytest.mark.parametrize('stamp_ns', [0, None])
def test_without_a_stamp_the_time_of_receipt_stands_in(stamp_ns: int | None) -> None:
    if stamp_ns is None:
        samples = single_reader('std_msgs/msg/Float64', 'data').read(TYPES['std_msgs/msg/Float64'](3.0), 77)
    else:
        samples = single_reader(JOINT, 'effort[0]').read(joint_state(stamp_ns), 77)
    assert samples.stamps_ns.tolist() == [77]
    assert samples.receive_stamped


def test_a_block_gives_a_sample_for_each_stamp() -> None:
    samples = block_reader('current[right]', 'wheel_speed[0]').read(motor_current(), 0)
    assert samples.stamps_ns.tolist() == [STAMP_NS, STAMP_NS + 10, STAMP_NS + 20]
    assert samples.values.tolist() == [[1.0, -0.0], [3.0, -2.0], [5.0, -4.0]]
    assert (samples.first_sample, samples.stream_id) == (40, 7)


def test_motors_are_found_by_name_when_their_order_changes() -> None:
    reader = block_reader('current[left]')
    assert reader.read(motor_current(1), 0).values.tolist() == [[0.0]]
    assert reader.read(motor_current(1, ('right', 'left')), 0).values.tolist() == [[1.0]]
    assert reader.read(motor_current(1), 0).values.tolist() == [[0.0]]


def test_scale_and_offset_lead_to_the_unit_and_leave_the_message_alone() -> None:
    message = motor_current(2, ('left',))
    assert block_reader('current[left]', scale=-2.0, offset=0.5).read(message, 0).values.tolist() == [[0.5], [-1.5]]
    assert message.current.tolist() == [0.0, 1.0]


def test_infinities_are_unmeasured() -> None:
    message = motor_current(2, ('left',), current=np.array([np.inf, 2.0]))
    values = block_reader('current[left]').read(message, 0).values
    assert math.isnan(values[0, 0])
    assert values[1, 0] == 2.0


@pytest.mark.parametrize(
    ('field', 'message', 'text'),
    [
        ('current[front]', motor_current(), "no motor is named 'front'; the motors are left, right"),
        ('current[2]', motor_current(), 'there are 2 motors: left, right'),
        (
            'voltage[left]',
            motor_current(),
            "'voltage' holds 0 values, not 3 samples x 2 motors; this source does not measure",
        ),
        ('current[left]', motor_current(current=np.zeros(5)), "'current' holds 5 values, not 3 samples x 2 motors"),
        ('current[left]', joint_state(), 'carries sensor_msgs/msg/JointState; give the type that is published'),
    ],
)
def test_a_block_that_does_not_fit_is_explained(field: str, message: Any, text: str) -> None:
    with pytest.raises(SurfaceError) as error:
        block_reader(field).read(message, 0)
    assert text in str(error.value)


@pytest.mark.parametrize('field', ['current', 'motor_names[0]', 'header.stamp.sec', 'effort[left]'])
def test_a_field_that_is_no_signal_of_a_block_is_refused_at_once(field: str) -> None:
    with pytest.raises(SurfaceError, match=r'current\[motor\], wheel_speed\[motor\], voltage\[motor\]'):
        block_reader(field)


@pytest.mark.parametrize(
    ('wanted', 'available', 'found'),
    [
        ('motor_current', ['/motor_current'], '/motor_current'),
        ('motor_current', ['/a/motor_current', '/imu'], '/a/motor_current'),
        ('motor_current', ['/motor_current', '/a/motor_current'], '/motor_current'),
        ('/motor_current', ['motor_current', '/a/motor_current'], 'motor_current'),
        ('imu/data', ['/robot/imu/data'], '/robot/imu/data'),
    ],
)
def test_a_topic_is_found(wanted: str, available: list[str], found: str) -> None:
    assert resolve_topic(wanted, available) == found


@pytest.mark.parametrize(
    ('wanted', 'available', 'text'),
    [
        (
            'motor_current',
            ['/a/motor_current', '/b/motor_current'],
            'could be any of /a/motor_current, /b/motor_current',
        ),
        ('motor_current', ['/imu', '/my_motor_current'], 'the topics are: /imu, /my_motor_current'),
        ('/motor_current', ['/a/motor_current'], "there is no topic '/motor_current'"),
        ('imu', [], 'the topics are: none'),
    ],
)
def test_a_topic_that_is_missing_or_ambiguous_is_explained(wanted: str, available: list[str], text: str) -> None:
    with pytest.raises(SurfaceError) as error:
        resolve_topic(wanted, available)
    assert text in str(error.value)
