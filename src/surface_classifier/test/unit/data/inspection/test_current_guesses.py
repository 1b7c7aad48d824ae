# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Guesses at the motors' current: what speaks for and against a number, and files that work as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from foreign_messages import filled_message, header

from current_driver import messages
from surface_classifier.data.inspection.channels_file import channels_file, flow_mapping, window_settings
from surface_classifier.data.inspection.current_guesses import CurrentGuess, guess_currents, kind_of
from surface_classifier.data.inspection.topic_log import TopicLog, TopicTiming
from surface_classifier.nodes.window_parameters import parse_channel, windows_from_file
from surface_classifier.signal.window_config import ChannelConfig

START_NS = 1_700_000_000 * messages.NANOSECONDS
RNG = np.random.default_rng(0)
COUNT = 400
TIME_S = np.arange(COUNT) / 50
SPEED = np.maximum(0.0, np.sin(2 * np.pi * TIME_S / 4))
CURRENT_A = 0.2 + 2 * SPEED + (0.05 + 0.4 * SPEED) * RNG.normal(size=COUNT)


def log_of(topic: str, make: Callable[[int, int], Any]) -> TopicLog:
    """A topic at 50 Hz; `make` is given stamp and number of each message."""
    log = None
    for number in range(COUNT):
        stamp_ns = START_NS + number * 20_000_000
        message = make(stamp_ns, number)
        log = log or TopicLog(topic, message.__msgtype__)
        log.add(message, stamp_ns)
    assert log is not None
    return log


def number_log(topic: str, values: Any, msgtype: str = 'std_msgs/msg/Float64') -> TopicLog:
    return log_of(topic, lambda _, n: filled_message(msgtype, data=values[n]))


def odometry_log() -> TopicLog:
    def make(stamp_ns: int, number: int) -> Any:
        message = filled_message('nav_msgs/msg/Odometry', header=header(stamp_ns))
        message.twist.twist.linear.x = SPEED[number]
        return message

    return log_of('/odom', make)


def ranked(*logs: TopicLog) -> dict[str, CurrentGuess]:
    return {f'{guess.topic} {guess.field}': guess for guess in guess_currents([*logs, odometry_log()])}


def test_plain_numbers_are_distinguished_by_their_course_alone() -> None:
    guesses = ranked(
        number_log('/a', CURRENT_A),
        number_log('/b', 20 + TIME_S / 10 + 0.001 * RNG.normal(size=COUNT)),
        number_log('/c', np.arange(COUNT), 'std_msgs/msg/Int64'),
        number_log('/d', np.arange(COUNT, dtype=float) * 3),
        number_log('/e', 25.2 - 0.01 * CURRENT_A),
        number_log('/f', RNG.normal(size=COUNT) * 1e-4),
    )
    assert next(iter(guesses)) == '/a data'
    reasons = {key: ' '.join(guess.reasons) for key, guess in guesses.items()}
    assert 'follows the motion' in reasons['/a data']
    assert 'is rough' in reasons['/a data']
    assert 'is smooth' in reasons['/b data']
    assert 'counts' in reasons['/c data']
    assert 'holds another quantity' in reasons['/c data']
    assert 'counts' in reasons['/d data']
    assert 'hardly varies' in reasons['/e data']
    assert 'is no current of a robot' in reasons['/f data']
    assert not guesses['/a data'].unit_known


def test_names_speak_for_and_against() -> None:
    def make(_: int, number: int) -> Any:
        return filled_message(
            'odrive_can/msg/ControllerStatus',
            iq_setpoint=CURRENT_A[number],
            iq_measured=CURRENT_A[number],
            torque_estimate=CURRENT_A[number],
            vel_estimate=SPEED[number],
        )

    guesses = ranked(log_of('/axis', make))
    points = {key.partition(' ')[2]: guess.points for key, guess in guesses.items() if key.startswith('/axis')}
    assert next(iter(points)) == 'iq_measured'
    # The same course, and only the name differs: a preset and its word, against a set point.
    assert points['iq_measured'] - points['iq_setpoint'] == pytest.approx(10.0)
    assert points['iq_measured'] - points['torque_estimate'] == pytest.approx(7.5)
    by_topic = ranked(number_log('/motor_current', CURRENT_A), number_log('/x', CURRENT_A))
    assert by_topic['/motor_current data'].points - by_topic['/x data'].points == pytest.approx(1.0)


def test_a_joint_that_never_moves_is_no_channel() -> None:
    def make(stamp_ns: int, number: int) -> Any:
        effort = [0.0, float(CURRENT_A[number]), float(CURRENT_A[number - 1])]
        names = ['caster', 'wheel_left', 'wheel_right']
        return filled_message('sensor_msgs/msg/JointState', header=header(stamp_ns), name=names, effort=effort)

    guess = guess_currents([log_of('/joint_states', make), odometry_log()])[0]
    assert guess.field == 'effort[*]'
    assert [found.channel.name for found in guess.channels] == ['left', 'right']
    # A torque is called a torque.
    assert guess.quantity == 'torque at the joint'
    assert {found.channel.unit for found in guess.channels} == {'N m'}
    assert 'This is no current' in channels_file(guess, TopicTiming(50, 0, 0, 0.02, 0.02, 0, 'header'))


@pytest.mark.parametrize(
    ('path', 'kind'),
    [
        ('effort[left_wheel]', 'effort[*]'),
        ('drivers[0].current', 'drivers[*].current'),
        ('interface_values[left].values[effort]', 'interface_values[*].values[effort]'),
        ('values[left/effort]', 'values[*/effort]'),
        ('current_ma_left', 'current_ma_*'),
        ('state.current_motor', 'state.current_motor'),
        ('upright', 'upright'),
    ],
)
def test_numbers_of_one_kind(path: str, kind: str) -> None:
    assert kind_of(path) == kind


@pytest.mark.parametrize(
    ('rate_hz', 'usual_s', 'expected'),
    [
        (62.5, 0.016, {'sample_rate_hz': 62.0, 'window_samples': 124, 'stride_samples': 62}),
        (
            1000.0,
            0.001,
            {'sample_rate_hz': 100.0, 'input_rate_hz': 1000.0, 'window_samples': 200, 'stride_samples': 100},
        ),
        (6.5, 0.154, {'sample_rate_hz': 6.5, 'window_samples': 16, 'stride_samples': 8}),
        # Every hundredth interval or so is three periods long.
        (50.0, 0.06, {'sample_rate_hz': 50.0, 'window_samples': 100, 'stride_samples': 50, 'gap_limit_s': 0.09}),
    ],
)
def test_windows_suit_the_rate(rate_hz: float, usual_s: float, expected: dict[str, float]) -> None:
    timing = TopicTiming(rate_hz, 0.0, 0, usual_s, usual_s, 0, 'header')
    assert window_settings(timing) == expected


@pytest.mark.parametrize(
    'channel',
    [
        ChannelConfig('left', '/a/b', 'sensor_msgs/msg/JointState', 'effort[left wheel]', 'N m', -2.5, 0.125),
        ChannelConfig('no', 'yes', 'a/msg/B', "values[it's/effort]", 'A', names_topic='/n', names_type='a/msg/N'),
        ChannelConfig('12', '/12', 'a/msg/B', 'data', 'A', 1e-6),
    ],
)
def test_a_flow_mapping_is_the_channel(channel: ChannelConfig) -> None:
    assert parse_channel(flow_mapping(channel)) == channel
    assert yaml.safe_load(yaml.safe_dump({'channels': [flow_mapping(channel)]}))['channels'] == [flow_mapping(channel)]


def test_the_file_is_both_a_parameter_file_and_a_data_sets_windows(tmp_path: Path) -> None:
    log = log_of(
        '/wheel_status',
        lambda stamp_ns, n: filled_message(
            'irobot_create_msgs/msg/WheelStatus',
            header=header(stamp_ns),
            current_ma_left=int(1000 * CURRENT_A[n]),
            current_ma_right=int(900 * CURRENT_A[n]),
        ),
    )
    guess = guess_currents([log, odometry_log()])[0]
    file = tmp_path / 'robot.yaml'
    file.write_text(channels_file(guess, log.timing), encoding='utf-8')
    config = windows_from_file(file)
    assert [channel.name for channel in config.parts[0].channels] == ['left', 'right']
    assert {channel.scale for channel in config.parts[0].channels} == {0.001}
    parameters = yaml.safe_load(file.read_text(encoding='utf-8'))['/**/preprocessor']['ros__parameters']
    assert len(parameters['channels']) == 2
    assert 'Quantity: motor current [A], as the preset create3 has it.' in file.read_text(encoding='utf-8')
