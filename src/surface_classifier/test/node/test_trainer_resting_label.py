# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A label is sent when the surface changes: that it rests between is no reason to warn."""

from pathlib import Path

from sensor_msgs.msg import JointState

from current_driver.node.qos import stream_qos
from current_driver.testing.ros_graph import Graph, level_of, values_of
from surface_classifier.nodes.trainer_node import TrainerNode
from surface_msgs.msg import SurfaceTruth
from surface_msgs.srv import StartRecording

REQUIRES = ('rclpy', 'surface_msgs')

TIMEOUT_S = 0.3


def test_a_latched_label_may_rest_while_the_other_topics_come(graph: Graph, tmp_path: Path) -> None:
    truth = graph.watcher.create_publisher(SurfaceTruth, 'surface_truth', stream_qos(1, reliable=True, latched=True))
    truth.publish(SurfaceTruth(surface='gravel', origin='simulator'))
    joints = graph.watcher.create_publisher(JointState, 'joint_states', 10)
    graph.watcher.create_timer(TIMEOUT_S / 10, lambda: joints.publish(JointState(name=['left'], effort=[1.0])))
    parameters = {
        'output_dir': str(tmp_path),
        'topics': ['joint_states'],
        'label_topic': 'surface_truth',
        'input_timeout_s': TIMEOUT_S,
    }
    graph.start(TrainerNode, parameters)
    answer = graph.call(StartRecording, '/trainer/start_recording', StartRecording.Request(name='drive'))
    assert answer.success, answer.message

    graph.status(
        'trainer',
        lambda status: (
            float(values_of(status)['recorded [s]']) > 5 * TIMEOUT_S and values_of(status)['messages'] != '0'
        ),
        'a recording that is older than the timeout',
    )
    recording = [status for status in graph.diagnostics if status.message.startswith('recording')]
    assert recording
    assert [status.message for status in recording if level_of(status) > 0] == []
