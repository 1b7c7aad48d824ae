# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The preprocessor node: any topic by parameters alone, bad input reported, jumps of the clock, silence."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import BatteryState, JointState
from std_msgs.msg import Float64MultiArray

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from current_driver.testing.ros_graph import Graph, level_of, values_of
from surface_classifier.nodes.classifier_node import ClassifierNode
from surface_classifier.nodes.conversion import to_time
from surface_classifier.nodes.preprocessor_node import PreprocessorNode
from surface_msgs.msg import CurrentWindow, StreamProgress, SurfaceLabel

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


def test_a_message_of_40_mb_is_refused_and_counted(graph: Graph) -> None:
    windows = graph.collect(CurrentWindow, 'current_window')
    node = graph.start(PreprocessorNode, {'channels': JOINT_CHANNELS})
    publisher = graph.publisher(JointState, 'joint_states')
    large = joint_state(START_NS, 1.0, 1.0)
    large.position = array('d', bytes(40_000_000))
    publisher.publish(large)
    status = graph.status('preprocessor', lambda status: 'more than 16 MB' in status.message, 'the refused message')
    assert level_of(status) == WARN
    assert values_of(status)['refused of joint_states'] == '1'
    for number in range(1, 250):
        publisher.publish(joint_state(START_NS + number * 10_000_000, 1.0, 1.0))
    assert windows.wait_for(1)[0].coverage == 1.0
    assert node.health().values['age of joint_states [s]'] != 'never received'


def test_the_limit_of_a_message_can_be_set(graph: Graph) -> None:
    graph.start(PreprocessorNode, {'channels': JOINT_CHANNELS, 'max_message_mb': 0.001})
    publisher = graph.publisher(JointState, 'joint_states')
    message = joint_state(START_NS, 1.0, 1.0)
    message.position = array('d', bytes(2000))
    publisher.publish(message)
    graph.status('preprocessor', lambda status: 'more than 0.001 MB' in status.message, 'the refused message')


@pytest.mark.parametrize('kind', ['reliability', 'durability', 'type'])
def test_an_input_that_never_matches_is_named_within_two_seconds(graph: Graph, kind: str) -> None:
    if kind == 'durability':
        named = (
            'type: std_msgs/msg/Float64MultiArray, names_topic: joint_states, names_type: sensor_msgs/msg/JointState'
        )
        parameters: dict[str, Any] = {
            'channels': [f"{{name: left, topic: values, {named}, field: 'data[left_wheel]'}}"]
        }
    else:
        parameters = {'channels': JOINT_CHANNELS, 'lossless': True}
    message_type = BatteryState if kind == 'type' else JointState
    # One participant of the middleware knows one type for each topic.
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=graph.context.get_domain_id(), args=[])
    stranger = Node('stranger', context=context)
    stranger.create_publisher(message_type, 'joint_states', stream_qos(10, reliable=kind != 'reliability'))
    node = graph.start(PreprocessorNode, parameters)
    words = {
        'reliability': '/stranger offers reliability best_effort, this node asks for reliable',
        'durability': '/stranger offers durability volatile, this node asks for transient_local',
        'type': '/stranger publishes sensor_msgs/msg/BatteryState, this node reads sensor_msgs/msg/JointState',
    }
    status = graph.status('preprocessor', lambda status: words[kind] in status.message, 'the conflict')
    assert node.uptime_s < 2.5  # with some time for a busy machine
    assert level_of(status) == WARN
    assert 'topic /joint_states' in status.message
    if kind != 'type':
        assert f'qos_overrides./joint_states.subscription.{kind}' in status.message
    stranger.destroy_node()
    context.try_shutdown()


def test_a_reader_that_never_matches_is_named(graph: Graph) -> None:
    graph.start(PreprocessorNode, {'channels': JOINT_CHANNELS})
    graph.watcher.create_subscription(
        CurrentWindow, 'current_window', lambda _: None, stream_qos(1, reliable=True, latched=True)
    )
    words = '/watcher asks for durability transient_local, this node offers volatile'
    graph.status('preprocessor', lambda status: words in status.message, 'the conflict')


def test_a_silent_reader_of_windows_is_named_and_left_behind(graph: Graph) -> None:
    parameters = {'channels': JOINT_CHANNELS, 'lossless': True, 'readers': 2, 'in_flight': 16, 'stride_samples': 1}
    node = graph.start(PreprocessorNode, parameters)
    windows = graph.collect(CurrentWindow, 'current_window')
    graph.collect(CurrentWindow, 'current_window')  # a subscription for each of the two readers
    reports = {
        name: graph.watcher.create_publisher(StreamProgress, 'current_window/progress', stream_qos(10, reliable=True))
        for name in ('/quick', '/silent')
    }
    publisher = graph.publisher(JointState, 'joint_states', depth=1000)
    graph.wait_for(lambda: all(report.get_subscription_count() for report in reports.values()), 'the preprocessor')

    def heard() -> bool:
        for name, report in reports.items():
            report.publish(StreamProgress(reader=name, topics=['/current_window']))
        return node._flow.readers() == ('/quick', '/silent')

    graph.wait_for(heard, 'both readers')
    for number in range(200):
        publisher.publish(joint_state(START_NS + number * 10_000_000, 1.0, 1.0))

    def follow() -> bool:
        reports['/quick'].publish(StreamProgress(reader='/quick', done=len(windows), topics=['/current_window']))
        return len(windows) >= 100

    graph.wait_for(follow, 'all windows', 40.0)
    words = '/silent has reported no progress for 5 s'
    graph.status('preprocessor', lambda status: words in status.message, 'who is silent')


def test_a_classifier_without_lossless_is_named_and_holds_nothing_up(graph: Graph, default_model: Path) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(default_model)})
    graph.start(PreprocessorNode, {'model': str(default_model), 'channels': JOINT_CHANNELS, 'lossless': True})
    publisher = graph.publisher(JointState, 'joint_states')
    for number in range(250):
        publisher.publish(joint_state(START_NS + number * 10_000_000, 1.0, 1.0))
    words = '/classifier reports no progress and is waited for 5 s; start it with lossless true'
    graph.status('preprocessor', lambda status: words in status.message, 'who reports nothing')
    assert not labels
    labels.wait_for(1)


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
        ('lossless', 'yes', 'true or false'),
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
