# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The preprocessor node: any topic by parameters alone, bad input told and survived, jumps of the clock, silence."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import BatteryState, JointState
from std_msgs.msg import Float64MultiArray

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from current_driver.testing.ros_graph import Graph, level_of, values_of
from surface_classifier.nodes.classifier_node import ClassifierNode
from surface_classifier.nodes.conversion import to_time
from surface_classifier.nodes.preprocessor_node import PreprocessorNode
from surface_msgs.msg import CurrentWindow, SurfaceLabel

REQUIRES = ('rclpy', 'surface_msgs')

START_NS = 1_000_000_000 * 10**9
ERROR, WARN, OK = 2, 1, 0
WHEELS = ('left_wheel', 'right_wheel')

JOINT_CHANNELS = [
    f"{{name: {side}, topic: joint_states, type: sensor_msgs/msg/JointState, field: 'effort[{side}_wheel]'}}"
    for side in ('left', 'right')
]


def joint_state(
    stamp_ns: int, left: float, right: float, names: tuple[str, ...] = ('left_wheel', 'right_wheel')
) -> Any:
    message = JointState(name=list(names), effort=[left, right])
    message.header.stamp = to_time(stamp_ns)
    message.header.frame_id = 'chassis'
    return message


def battery_state(stamp_ns: int, current_a: float) -> Any:
    message = BatteryState(current=current_a)
    message.header.stamp = to_time(stamp_ns)
    return message


def test_joint_states_of_somebody_else_get_labels_through_parameters_alone(graph: Graph, default_model: Path) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    windows = graph.collect(CurrentWindow, 'current_window')
    graph.start(ClassifierNode, {'model': str(default_model)})
    graph.start(PreprocessorNode, {'model': str(default_model), 'channels': JOINT_CHANNELS})
    publisher = graph.publisher(JointState, 'joint_states')

    for number in range(210):
        publisher.publish(joint_state(START_NS + number * 10_000_000, 0.01 * number, 1.0))
        graph.wait_for(lambda sent=number: len(windows) >= (sent - 99) // 50, 'the windows so far')  # type: ignore[misc]

    for label, window in zip(labels.wait_for(3), windows.wait_for(3), strict=True):
        assert label.window_index == window.index
        assert abs(sum(label.probabilities) - 1) < 1e-9
        assert label.header.frame_id == 'chassis'
    values = np.frombuffer(windows[1].parts[0].data).reshape(100, 2)
    np.testing.assert_array_equal(values[:, 0], 0.01 * np.arange(50, 150))
    np.testing.assert_array_equal(values[:, 1], 1.0)


@pytest.mark.parametrize(
    ('message_type', 'type_name', 'field', 'make'),
    [
        (BatteryState, 'sensor_msgs/msg/BatteryState', 'current', battery_state),
        (Float64MultiArray, 'std_msgs/msg/Float64MultiArray', 'data[1]', None),
    ],
)
def test_other_types_with_and_without_a_header(
    graph: Graph, message_type: Any, type_name: str, field: str, make: Callable[[int, float], Any] | None
) -> None:
    windows = graph.collect(CurrentWindow, 'current_window')
    parameters = {
        'channels': [f"{{name: bus, topic: robot/power, type: {type_name}, field: '{field}', scale: -1}}"],
        'sample_rate_hz': 20.0,
        'window_samples': 10,
        'stride_samples': 10,
        'gap_limit_s': 5.0,
    }
    graph.start(PreprocessorNode, parameters)
    publisher = graph.publisher(message_type, 'robot/power')
    if make is not None:
        for number in range(31):
            publisher.publish(make(START_NS + number * 50_000_000, 2.5))
    else:
        # The time of receipt stands in for the stamp: real time has to pass.
        def send_until_two_windows() -> bool:
            publisher.publish(Float64MultiArray(data=[0.0, 2.5]))
            return len(windows) >= 2

        graph.wait_for(send_until_two_windows, 'windows of messages without a header')
    for window in windows.wait_for(2):
        assert set(window.parts[0].data) == {-2.5}
        assert window.parts[0].channel_units == ['A']


def test_names_on_a_latched_topic_of_their_own_name_the_values(graph: Graph) -> None:
    windows = graph.collect(CurrentWindow, 'current_window')
    named = 'type: std_msgs/msg/Float64MultiArray, names_topic: names, names_type: sensor_msgs/msg/JointState'
    parameters = {
        'channels': [f"{{name: left, topic: values, {named}, field: 'data[left_wheel]'}}"],
        'sample_rate_hz': 20.0,
        'window_samples': 4,
        'stride_samples': 4,
        'gap_limit_s': 5.0,
        'input_timeout_s': 0.5,
    }
    # Said once, before anybody listens.
    names = graph.watcher.create_publisher(JointState, 'names', stream_qos(1, reliable=True, latched=True))
    names.publish(JointState(name=['right_wheel', 'left_wheel']))
    graph.start(PreprocessorNode, parameters)
    values = graph.publisher(Float64MultiArray, 'values')

    def send_until_two_windows() -> bool:
        values.publish(Float64MultiArray(data=[0.0, 2.5]))
        return len(windows) >= 2

    graph.wait_for(send_until_two_windows, 'windows of named values')
    assert {value for window in windows for value in window.parts[0].data} == {2.5}

    # The names stay what they are: their silence is no cause for concern.
    status = graph.status('preprocessor', lambda status: 'more than 0.5 s' in status.message, 'that values went silent')
    assert status.message == 'nothing was received on values for more than 0.5 s'
    assert values_of(status)['age of names [s]'] == '0.0'


def test_a_wrong_field_is_told_with_the_fields_there_are_and_the_node_goes_on(graph: Graph) -> None:
    windows = graph.collect(CurrentWindow, 'current_window')
    graph.start(PreprocessorNode, {'channels': JOINT_CHANNELS})
    publisher = graph.publisher(JointState, 'joint_states')
    publisher.publish(joint_state(START_NS, 1.0, 1.0, names=('front_wheel', 'rear_wheel')))
    status = graph.status('preprocessor', lambda status: level_of(status) == ERROR, 'an error')
    assert 'left_wheel' in status.message
    assert 'front_wheel' in status.message
    for number in range(1, 250):
        publisher.publish(joint_state(START_NS + number * 10_000_000, 1.0, 1.0))
    assert windows.wait_for(1)[0].coverage == 1.0


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'model': '/nowhere/model'}, ('/nowhere/model', 'surface train')),
        ({'window_file': '/nowhere/windows.yaml'}, ('/nowhere/windows.yaml',)),
        ({'model': 'a', 'window_file': 'b'}, ('model', 'window_file')),
        ({'channels': ['left']}, ('left', 'joint_states')),
        ({'channels': ['{name: a, topic: b, type: c/msg/D, field: e}']}, ('c/msg/D', 'source')),
        ({'channels': ['{name: a, topic: b, type: std_msgs/msg/Float64MultiArray, field: "__class__"}']}, ('field',)),
    ],
)
def test_unusable_configurations_are_told_and_the_node_stays(
    graph: Graph, parameters: dict[str, Any], words: tuple[str, ...]
) -> None:
    graph.start(PreprocessorNode, parameters)
    status = graph.status('preprocessor', lambda status: level_of(status) == ERROR, 'an error')
    for word in words:
        assert word in status.message


def test_a_model_for_other_channels_names_both_sides(graph: Graph, default_model: Path) -> None:
    channel = '{name: bus, topic: power, type: sensor_msgs/msg/BatteryState, field: current}'
    graph.start(PreprocessorNode, {'model': str(default_model), 'channels': [channel]})
    status = graph.status('preprocessor', lambda status: level_of(status) == ERROR, 'an error')
    assert 'bus' in status.message
    assert 'left, right' in status.message


@pytest.mark.parametrize(
    ('name', 'value', 'word'),
    [
        ('sample_rate_hz', -1.0, 'sample_rate_hz'),
        ('sample_rate_hz', 'fast', 'a number'),
        ('min_coverage', 1.5, 'min_coverage'),
        ('window_samples', 2.5, 'a whole number'),
        ('channels', 'left', 'a list of texts'),
        ('lossless', 'yes', 'a truth value'),
    ],
)
def test_bad_parameter_values_are_refused_by_name(graph: Graph, name: str, value: Any, word: str) -> None:
    with pytest.raises(SurfaceError, match=word):
        graph.start(PreprocessorNode, {name: value})


def test_silence_is_told(graph: Graph) -> None:
    graph.start(PreprocessorNode, {'channels': JOINT_CHANNELS, 'input_timeout_s': 0.5})
    status = graph.status('preprocessor', lambda status: level_of(status) == WARN, 'silence')
    assert 'nothing was ever received' in status.message
    assert 'joint_states' in status.message
    graph.publisher(JointState, 'joint_states').publish(joint_state(START_NS, 1.0, 1.0))
    graph.status('preprocessor', lambda status: 'more than 0.5 s' in status.message, 'that it went silent')


def test_a_clock_that_jumps_back_clears_the_buffers_once(graph: Graph) -> None:
    windows = graph.collect(CurrentWindow, 'current_window')
    node = graph.start(PreprocessorNode, {'channels': JOINT_CHANNELS, 'use_sim_time': True})
    clock = graph.publisher(Clock, '/clock')
    publisher = graph.publisher(JointState, 'joint_states')

    def set_clock(stamp_ns: int) -> None:
        clock.publish(Clock(clock=to_time(stamp_ns)))
        graph.wait_for(lambda: node.get_clock().now().nanoseconds == stamp_ns, 'the clock')

    def drive(start_ns: int, samples: int, level_a: float) -> None:
        for number in range(samples):
            publisher.publish(joint_state(start_ns + number * 10_000_000, level_a, level_a))

    set_clock(START_NS + 10 * 10**9)
    drive(START_NS + 10 * 10**9, 149, 1.0)
    assert len(windows.wait_for(1)) == 1
    set_clock(START_NS)
    drive(START_NS, 151, 2.0)
    old_time_s = START_NS // 10**9 + 10
    graph.wait_for(
        lambda: sum(window.start.sec < old_time_s for window in windows) == 2, 'both windows of the new time'
    )
    for window in windows:
        # Nothing of the time before is in a window of the time after.
        assert set(window.parts[0].data) == {1.0 if window.start.sec >= old_time_s else 2.0}
    status = graph.status('preprocessor', lambda status: values_of(status).get('clock_jumps') != '0', 'the jump')
    assert values_of(status)['clock_jumps'] == '1'


def test_samples_that_alias_are_told(graph: Graph) -> None:
    graph.start(PreprocessorNode, {'channels': JOINT_CHANNELS, 'sample_rate_hz': 10.0})
    publisher = graph.publisher(JointState, 'joint_states')
    for number in range(300):
        publisher.publish(joint_state(START_NS + number * 10_000_000, 1.0, 1.0))
    status = graph.status('preprocessor', lambda status: 'alias' in status.message, 'that the input aliases')
    # A busy machine may lose some of the samples, which come without a pause.
    advised = re.search(r'set input_rate_hz to ([\d.]+)', status.message)
    assert advised is not None, status.message
    assert float(advised[1]) == pytest.approx(100.0, rel=0.1)
