# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface inspect` on a running graph: live topics give the guesses of a recording, and the file starts the node."""

from __future__ import annotations

import math

import pytest
import yaml
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from current_driver.testing.ros_graph import Graph
from surface_classifier.data.inspection.channels_file import channels_file
from surface_classifier.data.inspection.current_guesses import guess_currents
from surface_classifier.nodes.clients.inspect_node import listen
from surface_classifier.nodes.preprocessor_node import PreprocessorNode
from surface_msgs.msg import CurrentWindow

REQUIRES = ('rclpy', 'surface_msgs')


def publish_a_robot(graph: Graph) -> None:
    """Efforts and speeds of two wheels at 50 Hz, latched names, and a temperature without a stamp."""
    joints = graph.watcher.create_publisher(JointState, '/base/joints', stream_qos(10, reliable=False))
    warmth = graph.watcher.create_publisher(Float64, '/base/warmth', stream_qos(10, reliable=True))
    number = 0

    def publish() -> None:
        nonlocal number
        number += 1
        speed = max(0.0, math.sin(number / 30))
        message = JointState(name=['left_wheel', 'right_wheel'], velocity=[speed, speed])
        message.effort = [speed + 0.1 * (number % 3), speed + 0.1 * (number % 5)]
        message.header.stamp = graph.watcher.get_clock().now().to_msg()
        joints.publish(message)
        warmth.publish(Float64(data=20.0 + 0.001 * number))

    graph.watcher.create_timer(0.02, publish)


def test_a_running_robot_is_looked_at_and_the_file_starts_the_preprocessor(graph: Graph) -> None:
    publish_a_robot(graph)
    logs = {log.topic: log for log in listen([], 4.0, graph.context)}
    assert {'/base/joints', '/base/warmth'} <= logs.keys()
    assert not [topic for topic in logs if topic in ('/rosout', '/parameter_events')]
    assert logs['/base/joints'].msgtype == 'sensor_msgs/msg/JointState'
    assert logs['/base/joints'].timing.stamped == 'header'
    assert logs['/base/warmth'].timing.stamped == 'receipt'
    assert logs['/base/joints'].timing.rate_hz == pytest.approx(50.0, rel=0.3)

    guess = guess_currents(list(logs.values()))[0]
    assert (guess.topic, guess.field) == ('/base/joints', 'effort[*]')
    assert [found.channel.name for found in guess.channels] == ['left', 'right']
    text = channels_file(guess, logs['/base/joints'].timing)
    parameters = yaml.safe_load(text)['/**/preprocessor']['ros__parameters']
    # On a busy machine the test's own timer is late now and then.
    windows = graph.collect(CurrentWindow, 'current_window')
    graph.start(PreprocessorNode, {**parameters, 'window_samples': 10, 'stride_samples': 10, 'gap_limit_s': 5.0})
    assert windows.wait_for(2)[0].parts[0].channel_names == ['left', 'right']
    assert windows[0].parts[0].channel_units == ['N m', 'N m']


def test_one_topic_is_looked_at_alone(graph: Graph) -> None:
    publish_a_robot(graph)
    assert [log.topic for log in listen(['/base/warmth'], 1.0, graph.context)] == ['/base/warmth']


def test_a_topic_that_no_node_publishes_is_named(graph: Graph) -> None:
    publish_a_robot(graph)
    with pytest.raises(
        SurfaceError, match=r'no node publishes /base/joint; the topics of the graph are .*/base/joints'
    ):
        listen(['/base/joint'], 0.5, graph.context)
