# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A replayed recording gives the windows, to the bit, and the labels that offline classification gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('surface_msgs', reason='surface_msgs is not built')

from real_recordings import BOREALTC_WINDOWS, borealtc_bag
from ros_graph import Collected, Graph

from current_driver.driver_node import CurrentDriverNode, stream_qos
from current_driver.messages import MOTOR_CURRENT
from current_driver.recording_reader import open_recording
from surface_classifier.model.engine import load_engine
from surface_classifier.model.labeller import Label, Labeller
from surface_classifier.nodes.classifier_node import ClassifierNode
from surface_classifier.nodes.conversion import window_from_message
from surface_classifier.nodes.preprocessor_node import PreprocessorNode
from surface_classifier.signal.window_stream import Window, WindowStream
from surface_msgs.msg import CurrentWindow, MotorCurrent, SurfaceLabel


def offline(bag: Path, model: Path, *, dropped: frozenset[int] = frozenset()) -> tuple[list[Window], list[Label], int]:
    """Windows, labels and voided windows of a recording without the given blocks."""
    stream = WindowStream(BOREALTC_WINDOWS)
    windows: list[Window] = []
    with open_recording(bag) as reader:
        for number, message in enumerate(reader.messages(['motor_current'])):
            if number not in dropped:
                windows.extend(stream.push_message('motor_current', reader.deserialize(message), message.stamp_ns))
    labeller = Labeller(load_engine(model, 'onnx'))
    return windows, [labeller.label(window) for window in windows], stream.counters.voided


def assert_equal_windows(live: list[CurrentWindow], expected: list[Window]) -> None:
    assert [message.index for message in live] == [window.index for window in expected]
    for message, window in zip(live, expected, strict=True):
        received = window_from_message(message)
        assert (received.start_ns, received.end_ns) == (window.start_ns, window.end_ns)
        for name, values in window.parts.items():
            assert received.parts[name].tobytes() == np.ascontiguousarray(values).tobytes()


def assert_equal_labels(live: list[SurfaceLabel], expected: list[Label]) -> None:
    assert [message.window_index for message in live] == [label.window_index for label in expected]
    for message, label in zip(live, expected, strict=True):
        assert message.surface == label.surface
        np.testing.assert_allclose(message.probabilities, label.probabilities, rtol=0, atol=1e-6)


def start_chain(graph: Graph, borealtc_model: Path, driver: dict[str, object]) -> tuple[Collected, Collected]:
    windows = graph.collect(CurrentWindow, 'current_window')
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(borealtc_model), 'lossless': True})
    graph.start(PreprocessorNode, {'model': str(borealtc_model), 'lossless': True})
    node = graph.start(CurrentDriverNode, {'source': 'replay', **driver})
    graph.wait_for(lambda: graph.watcher.count_publishers('surface_label') > 0, 'the classifier')
    node.start()
    return windows, labels


@pytest.mark.parametrize('rate', [0.0, 10.0])
def test_a_whole_recording_as_fast_as_its_readers_follow_and_at_ten_times(
    graph: Graph, borealtc_model: Path, tmp_path: Path, rate: float
) -> None:
    bag = borealtc_bag(tmp_path / 'bag', seconds=None if rate == 0 else 60.0)
    expected_windows, expected_labels, _ = offline(bag, borealtc_model)
    assert len(expected_windows) > (60 if rate == 0 else 40)
    windows, labels = start_chain(graph, borealtc_model, {'rate': rate, 'replay.paths': [str(bag)]})
    assert_equal_labels(labels.wait_for(len(expected_labels), 60.0), expected_labels)
    assert_equal_windows(windows.wait_for(len(expected_windows)), expected_windows)


def test_a_recording_in_real_time(graph: Graph, borealtc_model: Path, tmp_path: Path) -> None:
    bag = borealtc_bag(tmp_path / 'bag', seconds=10.0)
    expected_windows, expected_labels, _ = offline(bag, borealtc_model)
    assert len(expected_windows) >= 4
    windows, labels = start_chain(graph, borealtc_model, {'rate': 1.0, 'replay.paths': [str(bag)]})
    assert_equal_labels(labels.wait_for(len(expected_labels), 40.0), expected_labels)
    assert_equal_windows(windows.wait_for(len(expected_windows)), expected_windows)


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
    complete_windows, complete_labels, _ = offline(bag, borealtc_model)

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
        for window, label in zip(complete_windows, complete_labels, strict=True)
        if not any(
            spans[number - 1][1] < window.end_ns and window.start_ns < spans[number + 1][0] for number in dropped
        )
    ]
    assert 0 < len(untouched) < len(complete_windows)
    assert_equal_labels(labels.wait_for(len(untouched), 60.0), [label for _, label in untouched])
    assert_equal_windows(windows.wait_for(len(untouched)), [window for window, _ in untouched])
    assert windows[-1].voided == len(complete_windows) - len(untouched)
