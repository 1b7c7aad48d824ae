# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of rclpy and of rosbags with the same bytes give the same samples and the same explanations."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import deserialize_message

from current_driver.errors import SurfaceError
from current_driver.messages import serialize, typestore
from surface_classifier.signal.channel_map import TopicReader
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig

REQUIRES = ('rclpy', 'rosbags', 'surface_msgs')

TYPES = typestore().types
JOINT_STATE = 'sensor_msgs/msg/JointState'
ARRAY = 'std_msgs/msg/Float64MultiArray'
IMU = 'sensor_msgs/msg/Imu'
BATTERY = 'sensor_msgs/msg/BatteryState'
EMPTY = np.array([])


def header() -> Any:
    return TYPES['std_msgs/msg/Header'](TYPES['builtin_interfaces/msg/Time'](1_700_000_000, 123_456_789), 'base_link')


def imu() -> Any:
    vector, covariance = TYPES['geometry_msgs/msg/Vector3'], np.arange(9.0)
    orientation = TYPES['geometry_msgs/msg/Quaternion'](0.0, 0.0, 0.0, 1.0)
    turn, push = vector(0.0, 0.0, 0.25), vector(0.0, 0.0, 9.81)
    return TYPES[IMU](header(), orientation, covariance, turn, covariance, push, covariance)


def motor_current() -> Any:
    return TYPES[MOTOR_CURRENT_TYPE](
        header=header(),
        first_sample=2**40,
        stream_id=3,
        motor_names=['left', 'right'],
        offsets_ns=np.array([0, 10, 20]),
        current=np.array([0.1, 0.2, 0.3, np.nan, 0.5, np.inf]),
        wheel_speed=np.arange(6.0),
        voltage=EMPTY,
    )


RECORDED: dict[str, Any] = {
    MOTOR_CURRENT_TYPE: motor_current(),
    JOINT_STATE: TYPES[JOINT_STATE](header(), ['left_wheel', 'right_wheel'], EMPTY, EMPTY, np.array([1.5, -2.5])),
    ARRAY: TYPES[ARRAY](TYPES['std_msgs/msg/MultiArrayLayout']([], 0), np.array([7.0, 8.0])),
    IMU: imu(),
    BATTERY: TYPES[BATTERY](
        header=header(),
        voltage=24.5,
        temperature=20.0,
        current=-3.5,
        charge=1.0,
        capacity=2.0,
        design_capacity=2.0,
        percentage=0.5,
        power_supply_status=2,
        power_supply_health=1,
        power_supply_technology=2,
        present=True,
        cell_voltage=np.array([3.5, 3.75], dtype=np.float32),
        cell_temperature=np.array([], dtype=np.float32),
        location='base',
        serial_number='',
    ),
}


def live(type_name: str) -> Any:
    """The message as a subscription receives it."""
    package, _, name = type_name.split('/')
    message_type = getattr(importlib.import_module(f'{package}.msg'), name)
    return deserialize_message(bytes(serialize(RECORDED[type_name])), message_type)


def reader(type_name: str, *fields: str) -> TopicReader:
    return TopicReader('t', [ChannelConfig(f'c{n}', 't', type_name, field) for n, field in enumerate(fields)])


@pytest.mark.parametrize(
    ('type_name', 'fields'),
    [
        (MOTOR_CURRENT_TYPE, ('current[right]', 'wheel_speed[0]', 'current[left]')),
        (JOINT_STATE, ('effort[right_wheel]', 'effort[0]')),
        (IMU, ('angular_velocity.z', 'orientation_covariance[8]')),
        (ARRAY, ('data[1]',)),
        (BATTERY, ('current', 'cell_voltage[1]')),
    ],
)
def test_live_and_recorded_messages_give_the_same_samples(type_name: str, fields: tuple[str, ...]) -> None:
    from_bag = reader(type_name, *fields).read(RECORDED[type_name], 99)
    from_topic = reader(type_name, *fields).read(live(type_name), 99)
    assert from_topic.stamps_ns.tolist() == from_bag.stamps_ns.tolist()
    assert from_topic.values.tobytes() == from_bag.values.tobytes()
    assert from_topic[3:] == from_bag[3:]
    assert np.isfinite(from_topic.values).any()


@pytest.mark.parametrize(
    ('sent', 'configured', 'field'),
    [
        (JOINT_STATE, JOINT_STATE, 'torque[left_wheel]'),
        (JOINT_STATE, JOINT_STATE, 'effort[middle_wheel]'),
        (JOINT_STATE, JOINT_STATE, 'effort'),
        (JOINT_STATE, JOINT_STATE, 'header.stamp'),
        (JOINT_STATE, JOINT_STATE, 'header.stamp.nsec'),
        (JOINT_STATE, JOINT_STATE, 'name[0]'),
        (ARRAY, ARRAY, 'data[left]'),
        (BATTERY, BATTERY, 'amperes'),
        (MOTOR_CURRENT_TYPE, MOTOR_CURRENT_TYPE, 'current[middle]'),
        (MOTOR_CURRENT_TYPE, MOTOR_CURRENT_TYPE, 'voltage[left]'),
        (JOINT_STATE, MOTOR_CURRENT_TYPE, 'current[left]'),
    ],
)
def test_live_and_recorded_messages_give_the_same_explanation(sent: str, configured: str, field: str) -> None:
    explanations = []
    for message in (RECORDED[sent], live(sent)):
        with pytest.raises(SurfaceError) as error:
            reader(configured, field).read(message, 0)
        explanations.append(str(error.value))
    assert explanations[0] == explanations[1]
