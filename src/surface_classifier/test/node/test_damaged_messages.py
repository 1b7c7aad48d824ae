# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A message that cannot be decoded is skipped and counted; nothing waits for it, and nothing ends because of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import serialize_message

from current_driver import messages
from current_driver.driver_node import CurrentDriverNode
from current_driver.node.qos import stream_qos
from current_driver.recordings.recording import Recording
from current_driver.recordings.writing.recording_writer import RecordingWriter
from current_driver.testing.drives import START_NS
from current_driver.testing.ros_graph import Graph, values_of
from surface_classifier.nodes.classifier_node import ClassifierNode
from surface_classifier.nodes.conversion import truth_message
from surface_classifier.nodes.preprocessor_node import PreprocessorNode
from surface_classifier.nodes.trainer_node import TrainerNode
from surface_msgs.msg import CurrentWindow, MotorCurrent, StreamProgress, SurfaceTruth
from surface_msgs.srv import StartRecording, StopRecording

REQUIRES = ('rclpy', 'surface_msgs')

BLOCKS = 30
BLOCK_SAMPLES = 10
WINDOWS: dict[str, Any] = {
    'channels': [
        f"{{name: {side}, topic: motor_current, type: surface_msgs/msg/MotorCurrent, field: 'current[{side}]'}}"
        for side in ('left', 'right')
    ],
    'window_samples': 50,
    'stride_samples': 50,
}


def cut_short(cdr: bytes) -> bytes:
    return cdr[: len(cdr) // 2]


def block_cdr(number: int) -> bytes:
    stamps = START_NS + (number * BLOCK_SAMPLES + np.arange(BLOCK_SAMPLES, dtype=np.int64)) * 10_000_000
    values = np.ones((BLOCK_SAMPLES, 2))
    block = messages.CurrentBlock(stamps, values, ('left', 'right'), number * BLOCK_SAMPLES)
    return messages.serialize(messages.current_block_message(block))


def last_progress(reports: list[StreamProgress]) -> tuple[int, int]:
    return (reports[-1].received, reports[-1].done) if reports else (0, 0)


@pytest.mark.parametrize('node_type', [PreprocessorNode, ClassifierNode, TrainerNode])
def test_a_lossless_reader_counts_it_as_processed(graph: Graph, tmp_path: Path, node_type: type[Any]) -> None:
    inputs: dict[type, tuple[str, type, bytes, dict[str, Any]]] = {
        PreprocessorNode: ('motor_current', MotorCurrent, block_cdr(0), {**WINDOWS, 'readers': 0}),
        ClassifierNode: ('current_window', CurrentWindow, serialize_message(CurrentWindow()), {}),
        TrainerNode: (
            'surface_truth',
            SurfaceTruth,
            serialize_message(truth_message(START_NS, 'ice', 'topic')),
            {'topics': ['motor_current'], 'label_topic': 'surface_truth', 'output_dir': str(tmp_path)},
        ),
    }
    topic, message_type, good, parameters = inputs[node_type]
    reports = graph.collect(StreamProgress, f'{topic}/progress')
    publisher = graph.watcher.create_publisher(message_type, topic, stream_qos(100, reliable=True))
    graph.start(node_type, {'lossless': True, **parameters})
    graph.wait_for(lambda: publisher.get_subscription_count() > 0 and bool(reports), 'the reader')
    for cdr in (good, cut_short(good), b'', good):
        publisher.publish(cdr)
    graph.wait_for(lambda: last_progress(reports) == (4, 4), 'four processed messages')


def test_the_preprocessor_counts_it_as_offline_and_goes_on(graph: Graph) -> None:
    windows = graph.collect(CurrentWindow, 'current_window')
    node = graph.start(PreprocessorNode, WINDOWS)
    publisher = graph.publisher(MotorCurrent, 'motor_current')
    for number in range(BLOCKS):
        if number == 5:
            publisher.publish(cut_short(block_cdr(number)))
        publisher.publish(block_cdr(number))
    windows.wait_for(3)
    health = node.health()
    assert health.values['skipped'] == 1
    assert health.text == 'cutting windows'


def test_a_damaged_window_is_refused_and_named(graph: Graph) -> None:
    graph.start(ClassifierNode)
    publisher = graph.publisher(CurrentWindow, 'current_window')
    publisher.publish(cut_short(serialize_message(CurrentWindow(config_digest='a' * 64))))
    status = graph.status('classifier', lambda status: 'cannot be decoded' in status.message, 'the damaged window')
    assert values_of(status)['refused'] == '1'


def write_bag_with_damage(path: Path) -> Path:
    with RecordingWriter(path, 'sqlite3', flush_interval_s=None) as writer:
        writer.add_topic('motor_current', messages.MOTOR_CURRENT)
        for number in range(BLOCKS):
            stamp_ns = START_NS + (number * BLOCK_SAMPLES + BLOCK_SAMPLES - 1) * 10_000_000
            cdr = block_cdr(number)
            writer.write('motor_current', stamp_ns, cut_short(cdr) if number == 12 else cdr)
    return path


def test_a_composed_driver_goes_on_and_restamps_the_next_round(graph: Graph, tmp_path: Path) -> None:
    """As in `bringup`, with a replay of two recordings: the second one's blocks get another stream_id."""
    paths = [str(write_bag_with_damage(tmp_path / name)) for name in ('a', 'b')]
    parameters = {'source': 'replay', 'rate': 0.0, 'readers': 1, 'replay.paths': paths}
    driver = graph.start(CurrentDriverNode, parameters)
    preprocessor = graph.start(PreprocessorNode, WINDOWS, local_topics=driver.local_topics, local_classifier=True)
    taken: list[Any] = []
    preprocessor.hand_over(lambda window, _: taken.append(window))
    take: Callable[[bytes], None]
    for resolved_topic, take in preprocessor.local_inputs.items():
        driver.hand_over(resolved_topic, take)
    driver.start()
    graph.wait_for(lambda: driver.health().values['stage'] == 'ended', 'the end of the replay')
    assert driver.health().text == 'ended'
    assert preprocessor.health().values['skipped'] == 2
    assert taken


def test_the_trainer_records_it_as_it_came(graph: Graph, tmp_path: Path) -> None:
    node = graph.start(TrainerNode, {'output_dir': str(tmp_path), 'topics': ['motor_current']})
    publisher = graph.publisher(MotorCurrent, 'motor_current')
    assert graph.call(StartRecording, '/trainer/start_recording', StartRecording.Request(name='drive')).success
    sent = [block_cdr(number) for number in range(4)]
    sent[2] = cut_short(sent[2])
    for cdr in (*sent, b''):
        publisher.publish(cdr)
    graph.wait_for(lambda: int(str(node.health().values['messages'])) >= 5, 'the messages')
    health = node.health()
    assert health.values['damaged'] == '/motor_current: 2'
    assert 'recording, but messages of /motor_current cannot be decoded' in health.text
    summary = graph.call(StopRecording, '/trainer/stop_recording', StopRecording.Request())
    with Recording(summary.path).reader() as reader:
        assert {message.cdr for message in reader.messages(['/motor_current'])} == {*sent, b''}
