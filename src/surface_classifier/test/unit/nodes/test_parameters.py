# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Parameter tables: what is taken, what is refused and with which words, and the sources and windows they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from current_driver.driver_parameters import DRIVER_PARAMETERS, describe_source, make_source
from current_driver.errors import SurfaceError
from current_driver.node.node_parameters import NodeParameter, check_all
from current_driver.replay_source import ReplaySource
from current_driver.simulation.simulator_source import SimulatorSource
from surface_classifier.nodes.parameters import CLASSIFIER_PARAMETERS, PREPROCESSOR_PARAMETERS, TRAINER_PARAMETERS
from surface_classifier.nodes.window_parameters import window_config, windows_from_file
from surface_classifier.signal.presets import preset_config
from surface_classifier.signal.window_config import default_window_config

TABLES = (DRIVER_PARAMETERS, PREPROCESSOR_PARAMETERS, CLASSIFIER_PARAMETERS, TRAINER_PARAMETERS)
NOW_NS = 1_700_000_000_000_000_000

CHANNEL = "{name: left, topic: joint_states, type: sensor_msgs/msg/JointState, field: 'effort[left_wheel]', scale: -2}"


def preprocessor(**given_values: Any) -> dict[str, Any]:
    return check_all(PREPROCESSOR_PARAMETERS, given_values)


def driver(**given_values: Any) -> dict[str, Any]:
    return check_all(DRIVER_PARAMETERS, {name.replace('__', '.'): value for name, value in given_values.items()})


@pytest.mark.parametrize('table', TABLES)
def test_defaults_pass_their_own_checks_and_every_parameter_is_described(table: tuple[NodeParameter, ...]) -> None:
    assert len({parameter.name for parameter in table}) == len(table)
    for parameter in table:
        assert parameter.check(parameter.default) == parameter.default
        assert parameter.description.endswith('.')


@given(st.integers(-(2**40), 2**40))
def test_whole_numbers_pass_for_numbers(value: int) -> None:
    checked = NodeParameter('x', 0.0, 'Number.').check(value)
    assert checked == value
    assert type(checked) is float


@given(st.one_of(st.booleans(), st.text(), st.floats(), st.none(), st.lists(st.integers(), min_size=1)))
def test_nothing_else_passes_for_a_whole_number(value: object) -> None:
    with pytest.raises(SurfaceError, match=r'parameter x .*whole number'):
        NodeParameter('x', 1, 'Number.').check(value)


@given(st.floats())
def test_numbers_outside_the_range_are_refused(value: float) -> None:
    parameter = NodeParameter('x', 1.0, 'Number.', 'Hz', 0, 10)
    if 0 <= value <= 10:
        assert parameter.check(value) == value
    else:
        with pytest.raises(SurfaceError, match=r'a number from 0 to 10 \[Hz\], such as 1\.0'):
            parameter.check(value)


def test_lists_drop_the_empty_text_that_stands_for_an_empty_list() -> None:
    parameter = NodeParameter('x', (), 'Texts.')
    assert parameter.check(['']) == ()
    assert parameter.check(['a', 'b']) == ('a', 'b')
    for wrong in ('a', [1, 2], 3):
        with pytest.raises(SurfaceError, match='a list of texts'):
            parameter.check(wrong)


def test_other_choices_are_refused_with_those_there_are() -> None:
    with pytest.raises(SurfaceError, match=r"'tensorflow'.*auto, onnx, torch"):
        check_all(CLASSIFIER_PARAMETERS, {'engine': 'tensorflow'})


def test_a_drive_in_real_time_begins_now_and_one_on_its_own_time_does_not() -> None:
    now = make_source(driver(), NOW_NS)
    assert isinstance(now, SimulatorSource)
    assert NOW_NS - 10**9 < now.config.start_ns <= NOW_NS
    for values in ({'rate': 0.0}, {'publish_clock': True}):
        own = make_source(driver(**values), NOW_NS)
        assert isinstance(own, SimulatorSource)
        assert own.config.start_ns == 10**18
    source = make_source(driver(simulator__start_s=5), NOW_NS)
    assert isinstance(source, SimulatorSource)
    assert source.config.start_ns == 5 * 10**9


def test_the_simulators_parameters_arrive() -> None:
    values = driver(
        simulator__seed=7,
        simulator__surfaces=['gravel', 'grass'],
        simulator__payload_kg=3.0,
        simulator__sensor_gain=1.5,
        simulator__shuffle_surfaces=False,
    )
    source = make_source(values, NOW_NS)
    assert isinstance(source, SimulatorSource)
    config = source.config
    assert (config.seed, config.surfaces, config.payload_kg) == (7, ('gravel', 'grass'), 3.0)
    assert (config.sensor_gain, config.charge, config.shuffle_surfaces) == (1.5, None, False)
    assert describe_source(values) == 'simulated robot, seed 7'


def test_a_replay_takes_its_paths() -> None:
    values = driver(source='replay', replay__paths=['a.mcap', 'b.csv'], rate=0.0)
    source = make_source(values, NOW_NS)
    assert isinstance(source, ReplaySource)
    assert [str(path) for path in source.recordings] == ['a.mcap', 'b.csv']
    assert describe_source(values) == 'replay of a.mcap, b.csv as fast as its readers follow'
    assert make_source(driver(source='topic'), NOW_NS) is None
    with pytest.raises(SurfaceError, match='no recording'):
        make_source(driver(source='replay'), NOW_NS)


def test_windows_of_the_simulated_robot_are_the_default_and_numbers_replace_theirs() -> None:
    assert window_config(preprocessor()) == default_window_config()
    config = window_config(preprocessor(stride_samples=10, sample_rate_hz=50, gap_limit_s=1, min_coverage=0.5))
    assert (config.stride_samples, config.window_samples) == (10, 100)
    assert (config.parts[0].sample_rate_hz, config.gap_limit_s, config.min_coverage) == (50.0, 1.0, 0.5)


def test_a_window_file_may_be_the_name_of_a_preset() -> None:
    assert window_config(preprocessor(window_file='create3')) == preset_config('create3')
    assert windows_from_file('create3') == preset_config('create3')
    with pytest.raises(SurfaceError, match='create4: there is no such file and no such preset'):
        window_config(preprocessor(window_file='create4'))


@pytest.mark.parametrize('node', ['/**/preprocessor', 'preprocessor', '/robot_1/preprocessor', '/**'])
def test_a_parameter_file_stands_for_the_windows_that_the_node_would_cut(tmp_path: Path, node: str) -> None:
    file = tmp_path / 'robot.yaml'
    values = {'channels': [CHANNEL, ''], 'sample_rate_hz': 50, 'window_samples': 64, 'use_sim_time': True}
    file.write_text(yaml.safe_dump({'/**/classifier': {'ros__parameters': {}}, node: {'ros__parameters': values}}))
    expected = window_config(preprocessor(channels=[CHANNEL], sample_rate_hz=50, window_samples=64))
    assert windows_from_file(file) == expected
    assert [part.sample_rate_hz for part in windows_from_file(file).parts] == [50.0]


def test_a_parameter_file_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / 'robot.yaml'
    file.write_text(yaml.safe_dump({'preprocessor': {'ros__parameters': {'chanels': [CHANNEL]}}}))
    with pytest.raises(SurfaceError, match=r'robot\.yaml: the preprocessor has no parameter chanels'):
        windows_from_file(file)
    file.write_text(yaml.safe_dump({'preprocessor': {'ros__parameters': {'channels': ['{name: left}']}}}))
    with pytest.raises(SurfaceError, match=r'robot\.yaml: parameter channels: .* lacks the key topic, type, field'):
        windows_from_file(file)
    file.write_text('- 1\n')
    with pytest.raises(SurfaceError, match=r'robot\.yaml: a window configuration is \[1\]'):
        windows_from_file(file)


def test_the_shipped_parameter_file_cuts_a_data_sets_windows_too() -> None:
    config = windows_from_file(Path(__file__).resolve().parents[3] / 'config' / 'joint_states.yaml')
    assert [channel.scale for channel in config.parts[0].channels] == [2.0, -2.0]


def test_channels_alone_make_a_part_and_beside_a_file_they_rewire_it(tmp_path: Path) -> None:
    config = window_config(preprocessor(channels=[CHANNEL]))
    assert [channel.field for channel in config.parts[0].channels] == ['effort[left_wheel]']
    file = tmp_path / 'windows.yaml'
    file.write_text(
        'window: {samples: 32, stride: 8}\n'
        'parts:\n'
        '  - name: motor\n'
        '    sample_rate_hz: 6.5\n'
        '    channels:\n'
        "      - {name: left, topic: motor_current, type: surface_msgs/msg/MotorCurrent, field: 'current[left]'}\n"
        "      - {name: right, topic: motor_current, type: surface_msgs/msg/MotorCurrent, field: 'current[right]'}\n",
        encoding='utf-8',
    )
    plain = window_config(preprocessor(window_file=str(file)))
    rewired = window_config(preprocessor(window_file=str(file), channels=[CHANNEL]))
    assert rewired.digest == plain.digest
    assert [channel.topic for channel in rewired.parts[0].channels] == ['joint_states', 'motor_current']
    assert rewired.parts[0].channels[0].scale == -2.0


@pytest.mark.parametrize(
    ('channels', 'words'),
    [
        (['{'], 'not YAML'),
        (['left'], 'not a mapping'),
        (['{name: left}'], 'lacks'),
        (['{name: left, topic: a, type: b, field: c, colour: red}'], 'colour'),
        ([CHANNEL, CHANNEL], 'twice'),
    ],
)
def test_channels_that_cannot_be_parsed_are_refused(channels: list[str], words: str) -> None:
    with pytest.raises(SurfaceError, match=words):
        window_config(preprocessor(channels=channels))


SPEED = '{name: speed, topic: odom, type: nav_msgs/msg/Odometry, field: twist.twist.linear.x, unit: m/s}'


def test_motion_channels_make_a_last_part_and_rewire_one_that_is_there(tmp_path: Path) -> None:
    config = window_config(preprocessor(channels=[CHANNEL], motion_channels=[SPEED]))
    motion = config.motion_part
    assert motion is not None
    assert (motion.name, motion.sample_rate_hz, motion.channel_names) == ('motion', 10.0, ('speed',))
    assert [part.name for part in config.input_parts] == ['motor']
    slower = window_config(preprocessor(motion_channels=[SPEED], motion_sample_rate_hz=4)).motion_part
    assert slower is not None
    assert slower.sample_rate_hz == 4.0
    file = tmp_path / 'window.yaml'
    file.write_text(yaml.safe_dump(config.to_dict()), encoding='utf-8')
    moved = window_config(preprocessor(window_file=str(file), motion_channels=[SPEED.replace('odom', 'base/odom')]))
    assert moved.motion_part is not None
    assert moved.motion_part.channels[0].topic == 'base/odom'
    assert moved.digest == config.digest


def test_motion_channels_are_refused_for_a_model_that_knows_no_motion(tmp_path: Path) -> None:
    pytest.importorskip('torch', reason='torch is not installed')
    from untrained_model import save_untrained_model

    save_untrained_model(tmp_path / 'model', default_window_config())
    with pytest.raises(SurfaceError, match=r'was trained without a motion part; leave them out'):
        window_config(preprocessor(model=str(tmp_path / 'model'), motion_channels=[SPEED]))


def test_each_of_both_parameters_rewires_its_own_parts(tmp_path: Path) -> None:
    file = tmp_path / 'window.yaml'
    wheels = SPEED.replace('name: speed', 'name: left')
    config = window_config(preprocessor(channels=[CHANNEL], motion_channels=[wheels]))
    file.write_text(yaml.safe_dump(config.to_dict()), encoding='utf-8')
    moved = window_config(
        preprocessor(
            window_file=str(file),
            channels=[CHANNEL.replace('joint_states', 'arm/joint_states')],
            motion_channels=[wheels.replace('odom', 'base/odom')],
        )
    )
    assert [part.channels[0].topic for part in moved.parts] == ['arm/joint_states', 'base/odom']
    with pytest.raises(SurfaceError, match=r"parameter motion_channels: .* 'speed' is none of them"):
        window_config(preprocessor(window_file=str(file), motion_channels=[SPEED]))
    with pytest.raises(SurfaceError, match=r'parameter motion_channels: .* is not YAML'):
        window_config(preprocessor(motion_channels=['{']))
    with pytest.raises(SurfaceError, match=r'motion_sample_rate_hz is 5, but no part of the windows tells the motion'):
        window_config(preprocessor(motion_sample_rate_hz=5))
