# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How fast a robot drives and whether it turns, from any message that shows it; free of ROS's graph.

Odometry is asked first, then the speeds of wheels, and what was commanded only where nothing was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from current_driver.messages import MOTOR_CURRENT

TURN_ABOVE_RADPS = 0.15
# Where the distance of the wheels is not known: sides that differ by so much of the faster one.
TURN_ABOVE_SHARE = 0.2
STANDING_BELOW_MPS = 0.05

# In the order of preference.
MOTION_TYPES = (
    'nav_msgs/msg/Odometry',
    MOTOR_CURRENT,
    'sensor_msgs/msg/JointState',
    'geometry_msgs/msg/TwistStamped',
    'geometry_msgs/msg/Twist',
)


@dataclass(frozen=True)
class Motion:
    """What a robot does.

    Attributes:
        speed_mps: Speed over ground, without a sign [m/s].
        turning: Whether it turns.
    """

    speed_mps: float
    turning: bool


def motion_of(msgtype: str, message: Any, wheel_radius_m: float = 0.0) -> Motion | None:
    """Return the motion that a message holds, None when it holds none.

    Args:
        msgtype: Full type name, one of `MOTION_TYPES`.
        message: The message.
        wheel_radius_m: For joint states, whose wheels turn in rad/s; 0: not known [m].
    """
    if msgtype == 'nav_msgs/msg/Odometry':
        return _of_twist(message.twist.twist)
    if msgtype == 'geometry_msgs/msg/TwistStamped':
        return _of_twist(message.twist)
    if msgtype == 'geometry_msgs/msg/Twist':
        return _of_twist(message)
    if msgtype == MOTOR_CURRENT:
        motors = len(message.motor_names)
        if not len(message.wheel_speed) or not motors:
            return None
        speeds = np.asarray(message.wheel_speed, dtype=np.float64).reshape(-1, motors)
        measured = np.isfinite(speeds)
        counts = measured.sum(axis=0)
        means = np.where(measured, speeds, 0.0).sum(axis=0) / np.maximum(counts, 1)
        return _of_wheels(message.motor_names, np.where(counts > 0, means, math.nan).tolist())
    if wheel_radius_m > 0.0 and len(message.velocity) == len(message.name):
        return _of_wheels(message.name, [wheel_radius_m * value for value in message.velocity])
    return None


def preferred_topics(published: Mapping[str, Sequence[str]], wheel_radius_m: float) -> list[tuple[str, str]]:
    """Return the topics that may hold the motion, with their types, the best first.

    Args:
        published: Types of each topic that is published.
        wheel_radius_m: As for `motion_of`; without it joint states hold no speed [m].
    """
    usable = [msgtype for msgtype in MOTION_TYPES if msgtype != 'sensor_msgs/msg/JointState' or wheel_radius_m > 0.0]
    return [
        (topic, msgtype)
        for msgtype in usable
        for topic in sorted(published, key=lambda topic: (len(topic), topic))
        if list(published[topic]) == [msgtype]
    ]


def _of_twist(twist: Any) -> Motion:
    speed = math.hypot(twist.linear.x, twist.linear.y)
    return Motion(speed, abs(twist.angular.z) > TURN_ABOVE_RADPS)


def _of_wheels(names: Sequence[str], speeds_mps: Sequence[float]) -> Motion | None:
    """Return the motion of a robot whose wheels on one side turn together."""
    measured = [(name, float(speed)) for name, speed in zip(names, speeds_mps, strict=False) if math.isfinite(speed)]
    if not measured:
        return None
    sides = [[speed for name, speed in measured if side in name.lower()] for side in ('left', 'right')]
    if not all(sides):
        return Motion(abs(sum(speed for _, speed in measured) / len(measured)), turning=False)
    left, right = (sum(side) / len(side) for side in sides)
    fastest = max(abs(left), abs(right))
    turning = fastest > STANDING_BELOW_MPS and abs(left - right) > TURN_ABOVE_SHARE * fastest
    return Motion(abs(left + right) / 2, turning)
