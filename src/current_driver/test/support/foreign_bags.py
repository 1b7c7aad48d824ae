# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What bags of other recorders hold in tests: a latched topic, and a message of a robot's own."""

from __future__ import annotations

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    QosTime(0, 0),
    QosTime(0, 0),
    QosLiveliness.AUTOMATIC,
    QosTime(0, 0),
    avoid_ros_namespace_conventions=False,
)
# A type with a sub-message, as only its robot knows it.
DRIVE = 'robot_msgs/msg/Drive'
DRIVE_TEXT = """\
std_msgs/Header header
Wheel[] wheels
float64[2] limits
================================================================================
MSG: robot_msgs/Wheel
string name
float32 amps
"""
