# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Topics of different rates become the parts of one window, live and offline alike, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from offline_reference import assert_equal_windows
from real_recordings import CONFIG, three_rate_bag

from current_driver.driver_node import CurrentDriverNode
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.recording import Recording
from current_driver.testing.ros_graph import Graph
from surface_classifier.data.dataset_builder import build_dataset
from surface_classifier.nodes.preprocessor_node import PreprocessorNode
from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.signal.window_stream import Window, WindowStream
from surface_msgs.msg import CurrentWindow

REQUIRES = ('rclpy', 'surface_msgs', 'mcap', 'rosbags')

SECONDS = 20.0
WHEELS = {
    'name': 'wheels',
    'sample_rate_hz': 15,
    'channels': [
        {
            'name': f'{side}_speed',
            'topic': 'joint_states',
            'type': 'sensor_msgs/msg/JointState',
            'field': f'velocity[{side}_wheel]',
            'unit': 'rad/s',
        }
        for side in ('left', 'right')
    ],
}


def window_file(path: Path, *parts: dict[str, Any]) -> Path:
    """Write the shipped configuration of motor currents and IMU, with further parts."""
    values = yaml.safe_load((CONFIG / 'borealtc_motor_imu_window.yaml').read_text(encoding='utf-8'))
    values['parts'] += parts
    path.write_text(yaml.safe_dump(values), encoding='utf-8')
    return path


def cut_offline(bag: Path, config: WindowConfig) -> list[Window]:
    stream = WindowStream(config)
    with open_recording(bag) as reader:
        topics = stream.resolve_topics(reader.topics)
        return [
            window
            for message in reader.messages(list(topics))
            for window in stream.push_message(topics[message.topic], reader.deserialize(message), message.stamp_ns)
        ]


@pytest.mark.parametrize('further_parts', [(), (WHEELS,)], ids=['two parts', 'three parts'])
def test_currents_imu_and_wheel_speeds_in_one_window(
    graph: Graph, tmp_path: Path, further_parts: tuple[dict[str, Any], ...]
) -> None:
    bag = three_rate_bag(tmp_path / 'bag', seconds=SECONDS)
    file = window_file(tmp_path / 'windows.yaml', *further_parts)
    config = WindowConfig.from_yaml(file)
    expected = cut_offline(bag, config)
    # The first window begins when every signal is known; the wheels' first stamp is a little later.
    assert len(expected) == (int(SECONDS * 6.5) - 32) // 8 + (0 if further_parts else 1)
    assert {name: part.shape for name, part in expected[0].parts.items()} == {
        'motor': (32, 2),
        'imu': (492, 6),
        **({'wheels': (74, 2)} if further_parts else {}),
    }

    windows = graph.collect(CurrentWindow, 'current_window')
    graph.start(PreprocessorNode, {'window_file': str(file), 'lossless': True, 'readers': 0})
    driver = graph.start(
        CurrentDriverNode,
        {'source': 'replay', 'rate': 0.0, 'replay.paths': [str(bag)], 'replay.topics': list(config.topics)},
    )
    graph.wait_for(lambda: graph.watcher.count_publishers('current_window') > 0, 'the preprocessor')
    driver.start()
    assert_equal_windows(windows.wait_for(len(expected), 60.0), expected)

    # The data set of the same recording holds the same bits.
    dataset = build_dataset([Recording(bag)], config, tmp_path / 'set', allow_one_class=True).dataset
    assert len(dataset) == len(expected)
    for name, values in dataset.parts.items():
        live = np.stack([window.parts[name] for window in expected])
        assert np.ascontiguousarray(values).tobytes() == live.tobytes()
