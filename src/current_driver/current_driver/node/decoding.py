# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Decodes serialized messages, with one error for those that are damaged."""

from __future__ import annotations

from typing import Any

from rclpy.serialization import deserialize_message

from current_driver.errors import DamagedMessageError


def type_name(message_class: type[Any]) -> str:
    """Return the name of a message's type, such as `sensor_msgs/msg/JointState`."""
    return f'{message_class.__module__.split(".")[0]}/msg/{message_class.__name__}'


def decode(cdr: bytes, message_class: type[Any], topic: str) -> Any:
    """Return the message that bytes hold.

    Args:
        cdr: The serialized message.
        message_class: Its class.
        topic: Name of its topic, for the error.

    Raises:
        DamagedMessageError: The bytes are not a message of this class.
    """
    try:
        return deserialize_message(cdr, message_class)
    except Exception as error:  # the middleware has its own classes, and the conversion to Python others
        msgtype = type_name(message_class)
        reason = (
            f'a message cannot be decoded as {msgtype}; it was cut short or damaged, or sent with another definition '
            'of the type'
        )
        raise DamagedMessageError(f'topic {topic!r}, a message of {len(cdr)} bytes: {reason}', reason) from error
