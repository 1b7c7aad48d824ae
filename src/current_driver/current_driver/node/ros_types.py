# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Message classes of an installed ROS type, found by the type's name."""

from __future__ import annotations

import importlib
import re
from typing import Any

from current_driver.errors import SurfaceError

_TYPE_NAME = re.compile(r'([a-z][a-z0-9_]*)/(?:msg/)?([A-Z][A-Za-z0-9]*)')


def ros_message_class(msgtype: str) -> type[Any]:
    """Return the Python class of a message type of a sourced ROS installation or workspace.

    Args:
        msgtype: Type name, such as `sensor_msgs/msg/JointState`; `sensor_msgs/JointState` passes too.

    Raises:
        SurfaceError: It is not a type name, or no such type is installed.
    """
    match = _TYPE_NAME.fullmatch(msgtype)
    if match is None:
        raise SurfaceError(
            f'{msgtype!r} is not a message type; write package/msg/Name, such as sensor_msgs/msg/JointState'
        )
    package, name = match.groups()
    try:
        found = getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError) as error:
        raise SurfaceError(
            f'message type {msgtype} is not installed here ({error}); '
            f'build or install the package {package} and source its workspace'
        ) from error
    assert isinstance(found, type)
    return found
