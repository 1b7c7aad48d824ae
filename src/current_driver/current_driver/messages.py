# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Messages without ROS: our definitions and the stock ROS 2 types, as rosbags dataclasses and as CDR bytes.

Everything that is written to a bag or published goes through here, so that a live graph, a bag and an offline tool see
the same bytes. The definitions of `surface_msgs` travel as package data; a test compares them with the message package.
"""

from __future__ import annotations

import functools
import importlib.util
import struct
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from current_driver.recordings.plain_types import STOCK_DEFINITIONS, PlainStore

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

from current_driver.errors import DamagedMessageError
from current_driver.files.names import check_name

NANOSECONDS = 1_000_000_000

MOTOR_CURRENT = 'surface_msgs/msg/MotorCurrent'
SURFACE_TRUTH = 'surface_msgs/msg/SurfaceTruth'
IMU = 'sensor_msgs/msg/Imu'


@dataclass(frozen=True)
class StampedMessage:
    """One serialized message of a source or a recording.

    Attributes:
        topic: Topic it belongs to.
        msgtype: Full type name, such as `sensor_msgs/msg/JointState`.
        stamp_ns: When the message was complete: the log time in a bag, the stamp of the newest sample in a block [ns].
        cdr: The message as CDR bytes, encapsulation header included.
    """

    topic: str
    msgtype: str
    stamp_ns: int
    cdr: bytes


@dataclass(frozen=True)
class CurrentBlock:
    """Consecutive samples of a robot's motor currents.

    Attributes:
        stamps_ns: When each sample was measured, shape (samples,), int64 [ns].
        current_a: Motor currents, shape (samples, motors), NaN where unmeasured [A].
        motor_names: One name for each column.
        first_sample: Number of the first sample since the source was opened, from 0.
        stream_id: Changes whenever the source is opened again or starts over.
        wheel_speed_mps: Rolling speed of the wheel each motor drives, like `current_a`, or None [m/s].
        voltage_v: Supply voltage at each motor's drive, like `current_a`, or None [V].
    """

    stamps_ns: NDArray[np.int64]
    current_a: NDArray[np.float64]
    motor_names: tuple[str, ...]
    first_sample: int
    stream_id: int = 0
    wheel_speed_mps: NDArray[np.float64] | None = None
    voltage_v: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together.

        Raises:
            ValueError: A shape does not match the number of samples and motors.
        """
        shape = (len(self.stamps_ns), len(self.motor_names))
        if not len(self.stamps_ns):
            raise ValueError('a block of motor currents needs at least one sample')
        for name in ('current_a', 'wheel_speed_mps', 'voltage_v'):
            values = getattr(self, name)
            if values is not None and values.shape != shape:
                raise ValueError(
                    f'{name} has shape {values.shape}; {shape[0]} stamps and {shape[1]} motors need {shape}'
                )

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.stamps_ns)


def surface_msgs_definitions() -> dict[str, str]:
    """Return the text of every message of `surface_msgs` by full type name."""
    folder = resources.files('current_driver') / 'recordings' / 'msg_definitions' / 'surface_msgs' / 'msg'
    return {
        f'surface_msgs/msg/{entry.name[: -len(".msg")]}': entry.read_text(encoding='utf-8')
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith('.msg')
    }


@functools.cache
def rosbags_is_installed() -> bool:
    """Whether types beyond those of our own sources are known, and bags can be read."""
    return importlib.util.find_spec('rosbags') is not None


def new_typestore() -> Typestore:
    """Return a typestore of its own with the stock ROS 2 types and ours, to which a caller may add types.

    Without the package rosbags it holds only the types that sources publish, and no type can be added.
    """
    if not rosbags_is_installed():
        return cast('Typestore', PlainStore({**STOCK_DEFINITIONS, **surface_msgs_definitions()}))
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for msgtype, text in surface_msgs_definitions().items():
        types.update(get_types_from_msg(text, msgtype))
    store.register(types)
    return store


@functools.lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Return the shared typestore: the stock ROS 2 types and `surface_msgs`. Do not add types to it."""
    return new_typestore()


def definition(msgtype: str) -> str:
    """Return the definition of a known type with its dependencies, in the form that rosbag2 stores (ros2msg).

    Args:
        msgtype: Full type name.

    Raises:
        KeyError: The type is neither a stock ROS 2 type nor one of ours.
    """
    store = typestore()
    if msgtype not in store.fielddefs:
        raise KeyError(msgtype)
    return store.generate_msgdef(msgtype, ros_version=2)[0]


def message_class(msgtype: str) -> type[Any]:
    """Return the rosbags dataclass of a known type."""
    return typestore().types[msgtype]


def serialize(message: Any) -> bytes:
    """Return a rosbags message as CDR bytes, little endian whatever the machine."""
    return bytes(typestore().serialize_cdr(message, message.__msgtype__, little_endian=True))


def deserialize(cdr: bytes | memoryview, msgtype: str) -> Any:
    """Return the rosbags message that CDR bytes hold.

    Args:
        cdr: The bytes, encapsulation header included.
        msgtype: Full type name.
    """
    return typestore().deserialize_cdr(cdr, msgtype)


def stamp_ns(time: Any) -> int:
    """Return a `builtin_interfaces/Time` message, of rclpy or of rosbags, as integer nanoseconds."""
    return int(time.sec) * NANOSECONDS + int(time.nanosec)


def header_stamp_ns(cdr: bytes) -> int:
    """Return the stamp of a serialized message whose first field is a header; 0 where it was never set [ns].

    Raises:
        DamagedMessageError: There are too few bytes for a header.
    """
    # Four bytes of encapsulation, the second of which tells the byte order, then the fields.
    try:
        sec, nanosec = struct.unpack_from('<iI' if cdr[1] & 1 else '>iI', cdr, 4)
    except (struct.error, IndexError) as error:
        raise DamagedMessageError(f'a message of {len(cdr)} bytes has no header') from error
    return int(sec) * NANOSECONDS + int(nanosec)


def to_time(stamp: int) -> Any:
    """Return integer nanoseconds as a rosbags `builtin_interfaces/Time`.

    Raises:
        ValueError: The seconds do not fit the message's int32.
    """
    sec, nanosec = divmod(int(stamp), NANOSECONDS)
    if not -(2**31) <= sec < 2**31:
        raise ValueError(f'stamp {stamp} ns does not fit a ROS time message (int32 seconds)')
    return message_class('builtin_interfaces/msg/Time')(sec=sec, nanosec=nanosec)


def header(stamp: int, frame_id: str = '') -> Any:
    """Return a rosbags `std_msgs/Header` for a stamp in nanoseconds."""
    return message_class('std_msgs/msg/Header')(stamp=to_time(stamp), frame_id=frame_id)


def current_block_message(block: CurrentBlock, frame_id: str = 'base_link') -> Any:
    """Return a block of motor currents as a rosbags `surface_msgs/MotorCurrent`."""
    empty = np.empty(0, dtype=np.float64)
    return message_class(MOTOR_CURRENT)(
        header=header(int(block.stamps_ns[0]), frame_id),
        first_sample=block.first_sample,
        stream_id=block.stream_id,
        motor_names=list(block.motor_names),
        offsets_ns=np.asarray(block.stamps_ns - block.stamps_ns[0], dtype=np.int64),
        current=np.ascontiguousarray(block.current_a, dtype=np.float64).reshape(-1),
        wheel_speed=empty if block.wheel_speed_mps is None else np.ascontiguousarray(block.wheel_speed_mps).reshape(-1),
        voltage=empty if block.voltage_v is None else np.ascontiguousarray(block.voltage_v).reshape(-1),
    )


def truth_message(stamp: int, surface: str, origin: str) -> Any:
    """Return a rosbags `surface_msgs/SurfaceTruth`.

    Args:
        stamp: From when on the surface holds [ns].
        surface: Name of the surface; empty: not labelled.
        origin: Who says so: operator, topic, simulator or import.

    Raises:
        SurfaceError: The name holds control characters, or is too long.
    """
    check_name(surface, 'surface')
    return message_class(SURFACE_TRUTH)(header=header(stamp), surface=surface, origin=origin)


def imu_message(
    stamp: int,
    angular_velocity_radps: NDArray[np.float64],
    linear_acceleration_mps2: NDArray[np.float64],
    frame_id: str,
) -> Any:
    """Return a rosbags `sensor_msgs/Imu` without orientation.

    Args:
        stamp: When it was measured [ns].
        angular_velocity_radps: Shape (3,) [rad/s].
        linear_acceleration_mps2: Shape (3,) [m/s^2].
        frame_id: Frame of the sensor.
    """
    vector = message_class('geometry_msgs/msg/Vector3')
    unknown = np.zeros(9)
    no_orientation = unknown.copy()
    no_orientation[0] = -1.0  # sensor_msgs/Imu: "no estimate of this element"
    return message_class(IMU)(
        header=header(stamp, frame_id),
        orientation=message_class('geometry_msgs/msg/Quaternion')(x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=no_orientation,
        angular_velocity=vector(*(float(value) for value in angular_velocity_radps)),
        angular_velocity_covariance=unknown,
        linear_acceleration=vector(*(float(value) for value in linear_acceleration_mps2)),
        linear_acceleration_covariance=unknown,
    )


def stamped(topic: str, message: Any, stamp: int) -> StampedMessage:
    """Return a rosbags message serialized, with its topic and the moment it was complete [ns]."""
    return StampedMessage(topic, message.__msgtype__, int(stamp), serialize(message))
