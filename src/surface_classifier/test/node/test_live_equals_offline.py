# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A replayed recording gives the windows, to the bit, and the labels that offline classification gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from offline_reference import assert_equal_labels, assert_equal_windows, classify_offline
from real_recordings import borealtc_bag

from current_driver.driver_node import CurrentDriverNode
from current_driver.messages import MOTOR_CURRENT
from current_driver.node.qos import stream_qos
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.testing.ros_graph import Collected, Graph
from surface_classifier.nodes.classifier_node import ClassifierNode
from surface_classifier.nodes.preprocessor_node import PreprocessorNode
from surface_msgs.msg import CurrentWindow, MotorCurrent, SurfaceLabel

REQUIRES = ('rclpy', 'surface_msgs', 'mcap', 'rosbags')


def start_chain(graph: Graph, borealtc_model: Path, driver: dict[str, object]) -> tuple[Collected, Collected]:
    windows = graph.collect(CurrentWindow, 'current_window')
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(borealtc_model), 'lossless': True})
    graph.start(PreprocessorNode, {'model': str(borealtc_model), 'lossless': True})
    node = graph.start(CurrentDriverNode, {'source': 'replay', 'lossless': True, **driver})
    graph.wait_for(lambda: graph.watcher.count_publishers('surface_label') > 0, 'the classifier')
    node.start()
    return windows, labels


@pytest.mark.parametrize('rate', [0.0, 10.0])
def test_a_whole_recording_as_fast_as_its_readers_follow_and_at_ten_times(
    graph: Graph, borealtc_model: Path, tmp_path: Path, rate: float
) -> None:
    bag = borealtc_bag(tmp_path / 'bag', seconds=None if rate == 0 else 60.0)
    expected = classify_offline(bag, borealtc_model)
    assert len(expected.windows) > (60 if rate == 0 else 40)
    windows, labels = start_chain(graph, borealtc_model, {'rate': rate, 'replay.paths': [str(bag)]})
    assert_equal_labels(labels.wait_for(len(expected.labels), 60.0), expected.labels)
    assert_equal_windows(windows.wait_for(len(expected.windows)), expected.windows)


def test_a_recording_in_real_time(graph: Graph, borealtc_model: Path, tmp_path: Path) -> None:
    bag = borealtc_bag(tmp_path / 'bag', seconds=10.0)
    expected = classify_offline(bag, borealtc_model)
    assert len(expected.windows) >= 4
    windows, labels = start_chain(graph, borealtc_model, {'rate': 1.0, 'replay.paths': [str(bag)]})
    assert_equal_labels(labels.wait_for(len(expected.labels), 40.0), expected.labels)
    assert_equal_windows(windows.wait_for(len(expected.windows)), expected.windows)


def test_dropped_blocks_void_the_windows_they_touch_and_shift_nothing(
    graph: Graph, borealtc_model: Path, tmp_path: Path
) -> None:
    bag = borealtc_bag(tmp_path / 'bag', seconds=120.0)
    with open_recording(bag) as reader:
        blocks = [message for message in reader.messages(['motor_current']) if message.msgtype == MOTOR_CURRENT]
        spans = []
        for block in blocks:
            message = reader.deserialize(block)
            first_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            spans.append((first_ns + int(message.offsets_ns[0]), first_ns + int(message.offsets_ns[-1])))
    dropped = frozenset({len(blocks) // 4, len(blocks) // 2, len(blocks) // 2 + 1, 3 * len(blocks) // 4})
    complete = classify_offline(bag, borealtc_model)
    assert complete.voided == 0

    # A node between driver and preprocessor that loses some blocks, as a network would.
    relay = graph.watcher.create_publisher(MotorCurrent, 'lossy_current', stream_qos(1000, reliable=True))
    received: list[int] = []

    def pass_on(message: MotorCurrent) -> None:
        if len(received) not in dropped:
            relay.publish(message)
        received.append(message.first_sample)

    graph.watcher.create_subscription(MotorCurrent, 'motor_current', pass_on, stream_qos(1000, reliable=True))
    windows = graph.collect(CurrentWindow, 'current_window')
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(borealtc_model), 'lossless': True})
    channels = [
        f"{{name: {name}, topic: lossy_current, type: {MOTOR_CURRENT}, field: 'current[{name}]'}}"
        for name in ('left', 'right')
    ]
    graph.start(PreprocessorNode, {'model': str(borealtc_model), 'lossless': True, 'channels': channels})
    driver = graph.start(CurrentDriverNode, {'source': 'replay', 'rate': 100.0, 'replay.paths': [str(bag)]})
    graph.wait_for(lambda: relay.get_subscription_count() == 1, 'the preprocessor')
    graph.wait_for(lambda: graph.watcher.count_subscribers('motor_current') == 1, 'the relay')
    driver.start()

    # The last block lies behind the last window's end or completes it; either way these are all windows there can be.
    untouched = [
        (window, label)
        for window, label in zip(complete.windows, complete.labels, strict=True)
        if not any(
            spans[number - 1][1] < window.end_ns and window.start_ns < spans[number + 1][0] for number in dropped
        )
    ]
    assert 0 < len(untouched) < len(complete.windows)
    assert_equal_labels(labels.wait_for(len(untouched), 60.0), [label for _, label in untouched])
    assert_equal_windows(windows.wait_for(len(untouched)), [window for window, _ in untouched])
    assert windows[-1].voided == len(complete.windows) - len(untouched)
