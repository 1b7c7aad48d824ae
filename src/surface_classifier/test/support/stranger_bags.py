# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of unknown robots: twelve topics under random names, one of which holds the motors' current.

A robot drives and stands on two surfaces. Its motors are of one of the kinds that robots publish; beside them come a
battery, an IMU, odometry, commands, joint positions, temperatures, voltages and counters, some as plain numbers.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from foreign_messages import filled_message, header, serialised, whole_definition
from numpy.typing import NDArray

from current_driver import messages
from current_driver.recordings.writing.recording_writer import RecordingWriter

START_NS = 1_700_000_000 * messages.NANOSECONDS
SECONDS = 16.0
TOPICS = 12

Values = NDArray[np.float64]
# A message at a stamp from the motors' currents [A] and the robot's speed [m/s].
Make = Callable[[int, Values, float], Any]


@dataclass(frozen=True)
class MotorKind:
    """A way in which robots publish the current of their motors.

    Attributes:
        name: Name of the kind.
        rate_hz: Rate of the messages [Hz].
        motors: How many there are.
        field: Kind of field that holds the current, as `surface inspect` writes it.
        make: Makes its messages.
    """

    name: str
    rate_hz: float
    motors: int
    field: str
    make: Make


@dataclass(frozen=True)
class StrangerBag:
    """A bag and what is true of it.

    Attributes:
        path: Folder of the bag.
        kind: How its motors are published.
        topic: Topic of the currents.
        field: Kind of field that holds them.
    """

    path: Path
    kind: str
    topic: str
    field: str


def motor_kinds(rng: np.random.Generator) -> list[MotorKind]:
    """All kinds, with joints under random names."""
    joints = [random_name(rng) for _ in range(4)]
    return [
        MotorKind('create3', 62.5, 2, 'current_ma_*', _wheel_status),
        MotorKind('kobuki', 50, 2, 'current[*]', _kobuki),
        MotorKind('clearpath_feedback', 50, 2, 'drivers[*].current', _drive_feedback),
        MotorKind('puma', 25, 4, 'drivers_feedback[*].current', lambda *given: _puma(joints, *given)),
        MotorKind('vesc', 50, 1, 'state.current_motor', _vesc),
        MotorKind('odrive', 10, 1, 'iq_measured', _odrive),
        MotorKind('husarion_ugv', 20, 2, 'driver_states[*].state.current', _husarion),
        MotorKind('roboteq', 25, 1, 'motor_current', _roboteq),
        MotorKind('scout', 50, 4, 'actuator_states[*].current', _scout),
        MotorKind('px4_esc', 10, 4, 'esc[*].esc_current', _px4),
        MotorKind('joint_state_effort', 50, 4, 'effort[*]', lambda *given: _joint_state(joints, *given)),
        MotorKind(
            'dynamic_joint_state', 50, 2, 'interface_values[*].values[effort]', lambda *given: _dynamic(joints, *given)
        ),
        MotorKind('state_interfaces', 50, 2, 'values[*/effort]', _float_values),
        MotorKind('float32', 50, 1, 'data', lambda _, amps, __: filled_message('std_msgs/msg/Float32', data=amps[0])),
        MotorKind('float64_multi_array', 50, 4, 'data[*]', _multi_array),
    ]


def random_name(rng: np.random.Generator) -> str:
    """A name that says nothing."""
    return ''.join(rng.choice(list(string.ascii_lowercase), rng.integers(3, 8)).tolist())


def write_stranger_bag(path: Path, seed: int, kind: str | None = None) -> StrangerBag:
    """Write a bag.

    Args:
        path: Folder to make.
        seed: Seed of names, of the drive and of the kind of motors.
        kind: Kind of motors; None: one after the other, in an order of their own.
    """
    rng = np.random.default_rng(seed)
    kinds = motor_kinds(rng)
    order = np.random.default_rng(0).permutation(len(kinds))
    motors = next(entry for entry in kinds if entry.name == kind) if kind else kinds[order[seed % len(kinds)]]
    names = [f'/{random_name(rng)}/{random_name(rng)}' for _ in range(TOPICS)]
    drive = _Drive(rng, motors.motors)
    streams: list[tuple[str, float, Make]] = [(names[0], motors.rate_hz, motors.make)]
    streams += [(name, rate_hz, make) for name, (rate_hz, make) in zip(names[1:], _others(rng), strict=False)]
    if motors.name == 'state_interfaces':
        streams[-1] = (f'{names[0].rpartition("/")[0]}/{random_name(rng)}', 0.0, lambda *given: _keys(rng, *given))
    arriving = []
    for topic, rate_hz, make in streams:
        count = round(SECONDS * rate_hz) if rate_hz else 1
        for number in range(count):
            time_s = number / rate_hz if rate_hz else 0.0
            stamp_ns = START_NS + round(time_s * 1e9)
            message = make(stamp_ns, *drive.at(time_s))
            arriving.append((stamp_ns + int(rng.integers(0, 2_000_000)), topic, message))
    arriving.sort(key=lambda entry: entry[0])
    with RecordingWriter(path, flush_interval_s=None) as writer:
        for surface, start_s in (('mud', 0.0), ('tar', SECONDS / 2)):
            stamp_ns = START_NS + round(start_s * 1e9)
            writer.write_message(
                'surface_truth', messages.truth_message(stamp_ns, surface, 'operator'), stamp_ns, latched=True
            )
        for topic, rate_hz, _ in streams:
            msgtype = next(message.__msgtype__ for _, name, message in arriving if name == topic)
            writer.add_topic(topic, msgtype, whole_definition(msgtype), latched=not rate_hz)
        for receive_ns, topic, message in arriving:
            writer.write(topic, receive_ns, serialised(message))
    return StrangerBag(path, motors.name, names[0], motors.field)


class _Drive:
    """A drive: speed and currents at any time."""

    def __init__(self, rng: np.random.Generator, motors: int) -> None:
        self._rng = rng
        self._phase = rng.uniform(0, 2 * np.pi, 4)
        self._gain = rng.uniform(0.6, 1.4, motors)

    def at(self, time_s: float) -> tuple[Values, float]:
        """Currents [A] and speed [m/s]; the robot stands in every fourth or so of the time."""
        slow = np.sin(2 * np.pi * time_s / 7 + self._phase[0]) + 0.6 * np.sin(2 * np.pi * time_s / 3.1 + self._phase[1])
        speed = max(0.0, 0.5 + 0.6 * float(slow))
        drag = 1.2 if time_s < SECONDS / 2 else 2.0
        noise = self._rng.normal(0, 1, len(self._gain))
        amps = self._gain * (0.15 + drag * speed + (0.05 + 0.35 * speed) * noise)
        return np.maximum(amps, 0.0), speed


def _others(rng: np.random.Generator) -> list[tuple[float, Make]]:
    """Eleven other topics: rate [Hz] and how their messages are made."""
    counter = iter(range(10_000))
    ticks = iter(np.cumsum(rng.integers(1, 30, 10_000)).tolist())

    def imu(stamp_ns: int, _: Values, speed: float) -> Any:
        return messages.imu_message(
            stamp_ns,
            rng.normal(0, 0.02 + 0.2 * speed, 3),
            rng.normal([0, 0, 9.81], 0.05 + speed, 3),
            'imu_link',
        )

    def odometry(stamp_ns: int, _: Values, speed: float) -> Any:
        message = filled_message('nav_msgs/msg/Odometry', header=header(stamp_ns))
        message.twist.twist.linear.x = speed + float(rng.normal(0, 0.01))
        message.pose.pose.position.x = 0.5 * (stamp_ns - START_NS) * 1e-9
        return message

    def command(stamp_ns: int, _: Values, speed: float) -> Any:
        message = filled_message('geometry_msgs/msg/TwistStamped', header=header(stamp_ns))
        message.twist.linear.x = speed
        return message

    def battery(stamp_ns: int, amps: Values, _: float) -> Any:
        drawn = 1.5 + amps.sum() + float(rng.normal(0, 0.05))
        return filled_message(
            'sensor_msgs/msg/BatteryState',
            header=header(stamp_ns),
            voltage=25.2 - 0.02 * drawn,
            current=-drawn,
            charge=18.0 - (stamp_ns - START_NS) * 1e-12,
            percentage=0.9,
        )

    def positions(stamp_ns: int, _: Values, __: float) -> Any:
        return filled_message(
            'sensor_msgs/msg/JointState',
            header=header(stamp_ns),
            name=['pan', 'tilt'],
            position=[0.3 * np.sin(stamp_ns * 1e-9), 0.1],
            velocity=[0.3 * np.cos(stamp_ns * 1e-9), 0.0],
        )

    def warmth(stamp_ns: int) -> float:
        return 40 - 15 * float(np.exp((START_NS - stamp_ns) * 1e-9 / 20)) + float(rng.normal(0, 0.02))

    return [
        (25.0, imu),
        (20.0, odometry),
        (10.0, command),
        (5.0, battery),
        (20.0, positions),
        (
            5.0,
            lambda at, _, __: filled_message('sensor_msgs/msg/Temperature', header=header(at), temperature=warmth(at)),
        ),
        (10.0, lambda at, _, __: filled_message('std_msgs/msg/Float64MultiArray', data=[warmth(at), warmth(at) + 5])),
        (10.0, lambda _, amps, __: filled_message('std_msgs/msg/Float32', data=25.2 - 0.02 * amps.sum())),
        (10.0, lambda _, __, ___: filled_message('std_msgs/msg/Int64', data=next(counter))),
        (20.0, lambda _, __, ___: filled_message('std_msgs/msg/Float64', data=float(next(ticks)))),
        (5.0, lambda at, _, speed: filled_message('sensor_msgs/msg/Range', header=header(at), range=2 - 0.1 * speed)),
    ]


def _wheel_status(stamp_ns: int, amps: Values, speed: float) -> Any:
    left, right = np.rint(1000 * amps).astype(int).tolist()
    pwm = int(12_000 * speed)
    return filled_message(
        'irobot_create_msgs/msg/WheelStatus',
        header=header(stamp_ns),
        current_ma_left=left,
        current_ma_right=right,
        pwm_left=pwm,
        pwm_right=pwm,
    )


def _kobuki(stamp_ns: int, amps: Values, speed: float) -> Any:
    elapsed_ms = (stamp_ns - START_NS) // 1_000_000
    return filled_message(
        'kobuki_ros_interfaces/msg/SensorState',
        header=header(stamp_ns),
        time_stamp=elapsed_ms % 65_536,
        left_encoder=elapsed_ms % 65_536,
        left_pwm=int(40 * speed),
        battery=161,
        current=np.minimum(np.rint(amps * 40), 255).tolist(),
    )


def _drive_feedback(stamp_ns: int, amps: Values, speed: float) -> Any:
    drivers = [
        filled_message(
            'clearpath_platform_msgs/msg/DriveFeedback',
            current=current,
            duty_cycle=0.4 * speed,
            bridge_temperature=31.0,
            measured_velocity=9 * speed,
        )
        for current in amps.tolist()
    ]
    return filled_message('clearpath_platform_msgs/msg/Feedback', header=header(stamp_ns), drivers=drivers)


def _puma(joints: list[str], stamp_ns: int, amps: Values, speed: float) -> Any:
    drivers = [
        filled_message(
            'puma_motor_msgs/msg/Feedback', device_name=name, device_number=5, current=current, speed=9 * speed
        )
        for name, current in zip(joints, amps.tolist(), strict=True)
    ]
    return filled_message('puma_motor_msgs/msg/MultiFeedback', header=header(stamp_ns), drivers_feedback=drivers)


def _vesc(stamp_ns: int, amps: Values, speed: float) -> Any:
    state = filled_message(
        'vesc_msgs/msg/VescState',
        current_motor=amps[0],
        current_input=0.3 * amps[0] * speed,
        speed=3000 * speed,
        voltage_input=16.1,
        temp_fet=30.0,
    )
    return filled_message('vesc_msgs/msg/VescStateStamped', header=header(stamp_ns), state=state)


def _odrive(_: int, amps: Values, speed: float) -> Any:
    return filled_message(
        'odrive_can/msg/ControllerStatus',
        vel_estimate=speed,
        iq_setpoint=2 * speed,
        iq_measured=amps[0],
        torque_estimate=0.08 * amps[0],
    )


def _husarion(stamp_ns: int, amps: Values, _: float) -> Any:
    states = [
        filled_message(
            'husarion_ugv_msgs/msg/DriverStateNamed',
            name=name,
            state=filled_message('husarion_ugv_msgs/msg/DriverState', voltage=36.0 - 0.05 * current, current=current),
        )
        for name, current in zip(('front', 'rear'), amps.tolist(), strict=True)
    ]
    return filled_message('husarion_ugv_msgs/msg/RobotDriverState', header=header(stamp_ns), driver_states=states)


def _roboteq(stamp_ns: int, amps: Values, speed: float) -> Any:
    return filled_message(
        'roboteq_msgs/msg/Feedback',
        header=header(stamp_ns),
        motor_current=amps[0],
        motor_power=0.4 * speed,
        measured_velocity=9 * speed,
        supply_voltage=24.0,
        supply_current=0.4 * amps[0] * speed,
    )


def _scout(stamp_ns: int, amps: Values, speed: float) -> Any:
    states = [
        filled_message(
            'scout_msgs/msg/ScoutActuatorState', motor_id=motor, rpm=int(900 * speed), current=round(current, 1)
        )
        for motor, current in enumerate(amps.tolist())
    ]
    return filled_message(
        'scout_msgs/msg/ScoutStatus',
        header=header(stamp_ns),
        linear_velocity=speed,
        battery_voltage=25.0,
        actuator_states=states,
    )


def _px4(stamp_ns: int, amps: Values, speed: float) -> Any:
    reports = [
        filled_message('px4_msgs/msg/EscReport', esc_rpm=int(900 * speed), esc_voltage=16.0, esc_current=current)
        for current in [*amps.tolist(), *[0.0] * (12 - len(amps))]
    ]
    return filled_message('px4_msgs/msg/EscStatus', timestamp=(stamp_ns - START_NS) // 1000, esc=reports)


def _joint_state(joints: list[str], stamp_ns: int, amps: Values, speed: float) -> Any:
    return filled_message(
        'sensor_msgs/msg/JointState',
        header=header(stamp_ns),
        name=joints,
        position=[0.4 * (stamp_ns - START_NS) * 1e-9] * 4,
        velocity=[9 * speed] * 4,
        effort=amps.tolist(),
    )


def _dynamic(joints: list[str], stamp_ns: int, amps: Values, speed: float) -> Any:
    values = [
        filled_message(
            'control_msgs/msg/InterfaceValue', interface_names=['velocity', 'effort'], values=[9 * speed, current]
        )
        for current in amps.tolist()
    ]
    return filled_message(
        'control_msgs/msg/DynamicJointState', header=header(stamp_ns), joint_names=joints[:2], interface_values=values
    )


def _float_values(stamp_ns: int, amps: Values, speed: float) -> Any:
    values = [value for current in amps.tolist() for value in (9 * speed, current)]
    return filled_message('control_msgs/msg/Float64Values', header=header(stamp_ns), values=values)


def _keys(rng: np.random.Generator, stamp_ns: int, _: Values, __: float) -> Any:
    joints = [random_name(rng) for _ in range(2)]
    keys = [f'{joint}/{interface}' for joint in joints for interface in ('velocity', 'effort')]
    return filled_message('control_msgs/msg/Keys', header=header(stamp_ns), keys=keys)


def _multi_array(_: int, amps: Values, __: float) -> Any:
    return filled_message('std_msgs/msg/Float64MultiArray', data=amps.tolist())
