# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Presets: from the text of a definition, through a message of that very type, to channel values in SI units."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from foreign_messages import definition_texts, empty_message, filled_message, header, through_bytes

from current_driver.errors import SurfaceError
from surface_classifier.signal.channel_map import MessageReaders, TopicSamples
from surface_classifier.signal.presets import (
    HEADER_STAMP,
    RECEIPT_STAMP,
    load_windows,
    preset_config,
    preset_names,
    preset_notes,
    preset_text,
)
from surface_classifier.signal.window_config import WindowConfig

STAMP_NS = 1_700_000_000_123_456_789
RECEIVE_NS = STAMP_NS + 5_000_000
SI_UNITS = {'A', 'N m'}


def stamped(msgtype: str, **values: Any) -> Any:
    return filled_message(msgtype, header=header(STAMP_NS), **values)


def driver_states(package: str) -> list[Any]:
    """The drivers of a Husarion robot, the rear one first."""
    return [
        filled_message(
            f'{package}/msg/DriverStateNamed',
            name=name,
            state=filled_message(f'{package}/msg/DriverState', voltage=36.5, current=current),
        )
        for name, current in (('rear', 3.25), ('front', 2.5))
    ]


def puma_drivers(msgtype: str) -> list[Any]:
    return [
        filled_message(msgtype, device_number=5 - n, device_name=f'{name}_wheel_joint', current=current, speed=7.0)
        for n, (name, current) in enumerate([('rear_left', 9.0), ('front_right', -1.5), ('front_left', 1.25)])
    ]


JOINTS = ['caster', 'right_wheel_joint', 'left_wheel_joint']

# Preset: messages by topic, and what its channels must hold.
TABLE: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    'joint_state_effort': (
        {'joint_states': stamped('sensor_msgs/msg/JointState', name=JOINTS, effort=[0.5, -1.25, 1.5])},
        {'left': 1.5, 'right': -1.25},
    ),
    'battery_state': (
        {'battery_state': stamped('sensor_msgs/msg/BatteryState', voltage=24.5, current=-3.5, charge=7.0)},
        {'battery': 3.5},
    ),
    'dynamic_joint_state': (
        {
            'dynamic_joint_states': stamped(
                'control_msgs/msg/DynamicJointState',
                joint_names=JOINTS,
                interface_values=[
                    filled_message(
                        'control_msgs/msg/InterfaceValue', interface_names=['velocity', 'effort'], values=[9.0, effort]
                    )
                    for effort in (0.0, -2.0, 2.5)
                ],
            )
        },
        {'left': 2.5, 'right': -2.0},
    ),
    'state_interfaces': (
        {
            'state_interfaces_broadcaster/names': stamped(
                'control_msgs/msg/Keys',
                keys=['left_wheel_joint/velocity', 'right_wheel_joint/effort', 'left_wheel_joint/effort'],
            ),
            'state_interfaces_broadcaster/values': stamped(
                'control_msgs/msg/Float64Values', values=[8.0, -0.75, 0.625]
            ),
        },
        {'left': 0.625, 'right': -0.75},
    ),
    'create3': (
        {'wheel_status': stamped('irobot_create_msgs/msg/WheelStatus', current_ma_left=-320, current_ma_right=145)},
        {'left': -0.32, 'right': 0.145},
    ),
    'kobuki': (
        {'sensors/core': stamped('kobuki_ros_interfaces/msg/SensorState', current=[12, 255], battery=161)},
        {'left': 0.12, 'right': 2.55},
    ),
    'clearpath_feedback': (
        {
            'platform/feedback': stamped(
                'clearpath_platform_msgs/msg/Feedback',
                drivers=[
                    filled_message('clearpath_platform_msgs/msg/DriveFeedback', current=current, duty_cycle=0.5)
                    for current in (1.5, 2.25)
                ],
            )
        },
        {'left': 1.5, 'right': 2.25},
    ),
    'clearpath_power_husky': (
        {'platform/mcu/status/power': stamped('clearpath_platform_msgs/msg/Power', measured_currents=[0.5, 2.5, 3.75])},
        {'left': 2.5, 'right': 3.75},
    ),
    'clearpath_power_jackal': (
        {
            'platform/mcu/status/power': stamped(
                'clearpath_platform_msgs/msg/Power', measured_currents=[4.5, 1.0, 3.25, 0.25]
            )
        },
        {'drive': 3.25},
    ),
    'puma': (
        {
            'platform/puma/feedback': stamped(
                'puma_motor_msgs/msg/MultiFeedback', drivers_feedback=puma_drivers('puma_motor_msgs/msg/Feedback')
            )
        },
        {'left': 1.25, 'right': -1.5},
    ),
    'clearpath_puma': (
        {
            'platform/puma/feedback': stamped(
                'clearpath_motor_msgs/msg/PumaMultiFeedback',
                drivers_feedback=puma_drivers('clearpath_motor_msgs/msg/PumaFeedback'),
            )
        },
        {'left': 1.25, 'right': -1.5},
    ),
    'vesc': (
        {
            'sensors/core': stamped(
                'vesc_msgs/msg/VescStateStamped',
                state=filled_message('vesc_msgs/msg/VescState', current_motor=-6.5, current_input=2.0, speed=900.0),
            )
        },
        {'motor': -6.5},
    ),
    'odrive': (
        {
            'odrive_axis0/controller_status': filled_message(
                'odrive_can/msg/ControllerStatus', iq_setpoint=1.0, iq_measured=1.125
            ),
            'odrive_axis1/controller_status': filled_message(
                'odrive_can/msg/ControllerStatus', iq_setpoint=1.0, iq_measured=-0.875
            ),
        },
        {'left': 1.125, 'right': -0.875},
    ),
    'husarion_ugv': (
        {
            'hardware/robot_driver_state': stamped(
                'husarion_ugv_msgs/msg/RobotDriverState', driver_states=driver_states('husarion_ugv_msgs')
            )
        },
        {'front': 2.5, 'rear': 3.25},
    ),
    'panther': (
        {
            'hardware/robot_driver_state': stamped(
                'panther_msgs/msg/RobotDriverState', drivers_states=driver_states('panther_msgs')
            )
        },
        {'front': 2.5, 'rear': 3.25},
    ),
    'roboteq': (
        {
            'left/feedback': stamped('roboteq_msgs/msg/Feedback', motor_current=2.25, supply_current=0.5),
            'right/feedback': stamped('roboteq_msgs/msg/Feedback', motor_current=-1.75, supply_current=0.5),
        },
        {'left': 2.25, 'right': -1.75},
    ),
    'scout': (
        {
            'scout_status': stamped(
                'scout_msgs/msg/ScoutStatus',
                actuator_states=[
                    filled_message('scout_msgs/msg/ScoutActuatorState', motor_id=motor, rpm=100, current=motor + 0.5)
                    for motor in range(4)
                ],
            )
        },
        {'front_right': 0.5, 'front_left': 1.5, 'rear_right': 2.5, 'rear_left': 3.5},
    ),
    'px4_esc': (
        {
            'fmu/out/esc_status': filled_message(
                'px4_msgs/msg/EscStatus',
                timestamp=123_456,
                esc_count=2,
                esc=[
                    filled_message('px4_msgs/msg/EscReport', esc_voltage=15.0, esc_current=motor + 0.25)
                    for motor in range(12)
                ],
            )
        },
        {'left': 0.25, 'right': 1.25},
    ),
    'float32': ({'motor_current': filled_message('std_msgs/msg/Float32', data=1.5)}, {'motor': 1.5}),
    'float64': ({'motor_current': filled_message('std_msgs/msg/Float64', data=-1.5)}, {'motor': -1.5}),
    'float32_multi_array': (
        {'motor_currents': filled_message('std_msgs/msg/Float32MultiArray', data=[1.5, 2.5])},
        {'left': 1.5, 'right': 2.5},
    ),
    'float64_multi_array': (
        {'motor_currents': filled_message('std_msgs/msg/Float64MultiArray', data=[1.5, 2.5, 9.0])},
        {'left': 1.5, 'right': 2.5},
    ),
}


def read_all(config: WindowConfig, arriving: dict[str, Any]) -> list[TopicSamples]:
    readers = MessageReaders(config)
    found = [
        samples
        for topic, message in arriving.items()
        for samples in readers.read(topic, through_bytes(message), RECEIVE_NS)
    ]
    readers.skipped.check()
    return found


def channel_values(config: WindowConfig, samples: list[TopicSamples]) -> dict[str, float]:
    """What each channel of the single part holds."""
    values: dict[str, float] = {}
    for taken in samples:
        names = [channel.name for channel in config.parts[0].channels if channel.topic == taken.topic]
        values.update(zip(names, taken.values[0].tolist(), strict=True))
    return values


def test_every_preset_is_in_the_table() -> None:
    assert set(TABLE) == set(preset_names())


@pytest.mark.parametrize('name', sorted(TABLE))
def test_a_message_of_the_genuine_definition_gives_si_values(name: str) -> None:
    config, notes = preset_config(name), preset_notes(name)
    arriving, expected = TABLE[name]
    assert set(arriving) == set(config.topics)
    for topic, message in arriving.items():
        assert message.__msgtype__ == config.topics[topic]
    samples = read_all(config, arriving)
    assert channel_values(config, samples) == pytest.approx(expected, rel=1e-6)
    for taken in samples:
        assert taken.receive_stamped == (notes.stamp == RECEIPT_STAMP)
        assert taken.stamps_ns.tolist() == [RECEIVE_NS if taken.receive_stamped else STAMP_NS]
    # Where the time of receipt stands in, the preset's note says so.
    assert notes.stamp in (HEADER_STAMP, RECEIPT_STAMP)
    assert ('receipt' in notes.note) == (notes.stamp == RECEIPT_STAMP)


@pytest.mark.parametrize('name', sorted(TABLE))
def test_a_preset_states_its_unit_truly(name: str) -> None:
    config, notes = preset_config(name), preset_notes(name)
    units = {unit for part in config.parts for unit in part.channel_units}
    assert units <= SI_UNITS
    assert notes.is_current == (units == {'A'})
    if not notes.is_current:
        assert 'not currents' in preset_text(name).splitlines()[0]
    factors = {'mA': 1e-3, 'steps of 10 mA': 1e-2, 'A, negative when discharging': -1.0}
    expected = factors.get(notes.source_unit, 1.0)
    assert {channel.scale for part in config.parts for channel in part.channels} == {expected}
    assert f'--channels {name}\n' in preset_text(name)


def test_every_definition_is_read_by_a_preset() -> None:
    used = {msgtype for name in preset_names() for msgtype in preset_config(name).topics.values()}
    packages = {msgtype.partition('/')[0] for msgtype in definition_texts()}
    # pal_statistics shows that names with a version are taken; see below.
    assert packages - {'pal_statistics_msgs'} <= {msgtype.partition('/')[0] for msgtype in used}


def test_a_preset_is_loaded_by_name_and_a_file_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_windows('create3') == preset_config('create3')
    (tmp_path / 'create3').write_text(preset_text('kobuki'), encoding='utf-8')
    monkeypatch.chdir(tmp_path)
    assert load_windows('create3') == preset_config('kobuki')
    with pytest.raises(SurfaceError, match=r'no such file and no such preset; the presets are battery_state, '):
        load_windows('create4')
    with pytest.raises(SurfaceError, match=r'create4\.yaml: cannot be read'):
        load_windows('create4.yaml')
    with pytest.raises(SurfaceError, match="no preset 'create4'"):
        preset_text('create4')


def named_values(version: int | None, **channel: str) -> WindowConfig:
    types = {
        None: ('control_msgs/msg/Float64Values', 'control_msgs/msg/Keys'),
        1: ('pal_statistics_msgs/msg/StatisticsValues', 'pal_statistics_msgs/msg/StatisticsNames'),
    }[version]
    return WindowConfig.from_dict(
        {
            'parts': [
                {
                    'name': 'motor',
                    'sample_rate_hz': 50,
                    'channels': [
                        {
                            'name': 'left',
                            'topic': 'values',
                            'type': types[0],
                            'field': 'values[left]',
                            'names_topic': 'names',
                            'names_type': types[1],
                            **channel,
                        }
                    ],
                }
            ]
        }
    )


def float_values(*values: float) -> Any:
    return stamped('control_msgs/msg/Float64Values', values=list(values))


def test_values_that_come_before_their_names_wait_for_them() -> None:
    readers = MessageReaders(named_values(None))
    assert readers.read('values', float_values(1.0, 2.0), 0) == []
    assert readers.read('values', float_values(3.0, 4.0), 0) == []
    named = readers.read('names', stamped('control_msgs/msg/Keys', keys=['right', 'left']), 0)
    assert [samples.values.item() for samples in named] == [2.0, 4.0]
    (after,) = readers.read('values', float_values(5.0, 6.0), 0)
    assert after.values.item() == 6.0
    # A robot that renames its interfaces is followed.
    assert list(readers.read('names', stamped('control_msgs/msg/Keys', keys=['left', 'right']), 0)) == []
    (renamed,) = readers.read('values', float_values(7.0, 8.0), 0)
    assert renamed.values.item() == 7.0


def test_values_wait_for_names_of_their_version() -> None:
    def names(version: int, *listed: str) -> Any:
        return stamped('pal_statistics_msgs/msg/StatisticsNames', names=list(listed), names_version=version)

    def values(version: int, *listed: float) -> Any:
        return stamped('pal_statistics_msgs/msg/StatisticsValues', values=list(listed), names_version=version)

    readers = MessageReaders(named_values(1))
    readers.read('names', names(1, 'left', 'right'), 0)
    assert readers.read('values', values(1, 1.0, 2.0), 0)[0].values.item() == 1.0
    assert readers.read('values', values(2, 3.0, 4.0, 5.0), 0) == []
    (late,) = readers.read('names', names(2, 'new', 'right', 'left'), 0)
    assert late.values.item() == 5.0


@pytest.mark.parametrize(
    ('names', 'values', 'text'),
    [
        (['left'], [1.0, 2.0], "'values' holds 2 values, but there are 1 names"),
        (['a', 'b'], [1.0, 2.0], "no element is named 'left'; the names are a, b"),
        ([], [1.0], 'must hold one array of names, not none'),
    ],
)
def test_names_that_do_not_fit_are_explained(names: list[str], values: list[float], text: str) -> None:
    arriving = {'names': stamped('control_msgs/msg/Keys', keys=names), 'values': float_values(*values)}
    with pytest.raises(SurfaceError) as error:
        read_all(named_values(None), arriving)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'names_type': ''}, 'give both or none'),
        ({'names_topic': 'values'}, 'configured both as'),
        ({'names_topic': 'values', 'names_type': 'control_msgs/msg/Float64Values'}, 'both for names and for values'),
    ],
)
def test_topics_of_names_are_checked(changes: dict[str, str], text: str) -> None:
    with pytest.raises(SurfaceError, match=text):
        named_values(None, **changes)


def test_topics_of_names_are_part_of_the_configuration_and_survive_the_way_to_a_file() -> None:
    config = preset_config('state_interfaces')
    assert list(config.topics) == ['state_interfaces_broadcaster/names', 'state_interfaces_broadcaster/values']
    assert config.names_topics == {'state_interfaces_broadcaster/names'}
    assert WindowConfig.from_dict(config.to_dict()) == config
    assert 'names_topic' not in str(preset_config('create3').to_dict())


def test_an_element_of_an_array_of_messages_is_found_by_its_own_name() -> None:
    config = preset_config('puma')
    message = TABLE['puma'][0]['platform/puma/feedback']
    readers = MessageReaders(config)
    assert readers.read('platform/puma/feedback', message, 0)[0].values.tolist() == [[1.25, -1.5]]
    message.drivers_feedback.reverse()
    assert readers.read('platform/puma/feedback', message, 0)[0].values.tolist() == [[1.25, -1.5]]
    other = empty_message('puma_motor_msgs/msg/MultiFeedback')
    other.drivers_feedback = message.drivers_feedback[1:]
    assert readers.read('platform/puma/feedback', other, 0) == ()
    (text,) = readers.skipped.topics['platform/puma/feedback'].reasons
    assert re.search(r"'front_left_wheel_joint'; the names are front_right.*, rear_left", text)
