# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What the trainer says of its state: leftover files of the middleware beside it, and a recording without data yet."""

from pathlib import Path

from std_msgs.msg import Float64

from current_driver.node.shared_memory import LIMIT
from current_driver.testing.ros_graph import Graph, level_of
from surface_classifier.nodes.trainer_node import TrainerNode
from surface_msgs.srv import StartRecording

REQUIRES = ('rclpy', 'surface_msgs')

WARN = 1


def test_the_state_comes_before_the_leftover_files(graph: Graph, middleware_files: Path, tmp_path: Path) -> None:
    for number in range(LIMIT + 1):
        (middleware_files / f'fastrtps_{number:016x}').touch()
    values = graph.watcher.create_publisher(Float64, 'values', 10)
    graph.watcher.create_timer(0.05, lambda: values.publish(Float64(data=1.0)))
    graph.start(TrainerNode, {'output_dir': str(tmp_path), 'topics': ['values']})
    for state in ('ready', 'recording'):
        status = graph.status(
            'trainer',
            lambda status, state=state: status.message.startswith(f'{state}, but the middleware has more than'),  # type: ignore[misc]
            f'that it is {state}',
        )
        assert level_of(status) == WARN
        assert 'fastdds shm clean' in status.message
        if state == 'ready':
            request = StartRecording.Request(name='drive')
            assert graph.call(StartRecording, '/trainer/start_recording', request).success


def test_a_recording_that_starts_before_its_data_says_so(graph: Graph, tmp_path: Path) -> None:
    """As after a kill, when the graph shows a publisher whose messages do not arrive yet."""
    node = graph.start(TrainerNode, {'output_dir': str(tmp_path), 'topics': ['values'], 'input_timeout_s': 0.3})
    values = graph.publisher(Float64, 'values')
    started = graph.call(StartRecording, '/trainer/start_recording', StartRecording.Request(name='drive'))
    assert started.success
    assert started.message.endswith('; nothing has arrived on /values yet, see /diagnostics')
    words = 'recording, but nothing was ever received on /values'
    status = graph.status('trainer', lambda status: status.message.startswith(words), 'that nothing arrives')
    assert level_of(status) == WARN
    values.publish(Float64(data=1.0))
    graph.wait_for(lambda: node.health().text == 'recording', 'a recording')
