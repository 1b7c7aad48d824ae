# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The real executables as processes: a replayed recording, apart and composed, and a foreign topic."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from node_process import STRANGER, Launcher, Process
from offline_reference import Offline, assert_equal_labels, assert_equal_windows, classify_offline
from real_recordings import borealtc_bag

from current_driver.testing.ros_graph import Collected, Graph, LosslessReader, level_of, values_of
from surface_msgs.msg import CurrentWindow, SurfaceLabel, SurfaceTruth

REQUIRES = ('rclpy', 'surface_msgs')

READY_S = 40.0


def collect(graph: Graph) -> tuple[Collected, Collected]:
    return graph.collect(CurrentWindow, 'current_window'), graph.collect(SurfaceLabel, 'surface_label')


def driver_parameters(bag: Path, rate: float) -> dict[str, Any]:
    return {
        'source': 'replay',
        'rate': rate,
        'lossless': True,
        'exit_when_done': True,
        'replay': {'paths': [str(bag)]},
    }


@pytest.fixture(params=[0.0, 10.0])
def replayed(request: pytest.FixtureRequest, tmp_path: Path, borealtc_model: Path) -> tuple[dict[str, Any], Offline]:
    """Give parameters of the driver that replay a recording, at each rate, and what offline classification gives."""
    rate: float = request.param
    bag = borealtc_bag(tmp_path / 'bag', seconds=None if rate == 0 else 60.0)
    return driver_parameters(bag, rate), classify_offline(bag, borealtc_model)


@pytest.mark.requires('mcap', 'rosbags')
def test_three_processes_give_the_windows_and_labels_of_offline_classification(
    graph: Graph, launch: Launcher, borealtc_model: Path, replayed: tuple[dict[str, Any], Offline]
) -> None:
    driving, expected = replayed
    windows, labels = collect(graph)
    reader = {'model': str(borealtc_model), 'lossless': True}
    nodes = [
        launch('classifier_node', {'classifier': reader}),
        launch('preprocessor_node', {'preprocessor': reader}),
    ]
    graph.wait_for_publishers('surface_label', 'current_window', deadline_s=READY_S)
    driver = launch('current_driver_node', {'current_driver': driving})
    nodes.append(driver)
    assert_equal_labels(labels.wait_for(len(expected.labels), 60.0), expected.labels)
    assert_equal_windows(windows.wait_for(len(expected.windows)), expected.windows)
    driver.assert_clean(driver.wait())
    for node in nodes[:2]:
        node.assert_clean(node.stop())


@pytest.mark.requires('mcap', 'rosbags')
def test_one_process_gives_the_windows_and_labels_of_offline_classification(
    graph: Graph, launch: Launcher, borealtc_model: Path, replayed: tuple[dict[str, Any], Offline]
) -> None:
    driving, expected = replayed
    labels = graph.collect(SurfaceLabel, 'surface_label')
    truths, windows = (
        LosslessReader(graph, SurfaceTruth, 'surface_truth'),
        LosslessReader(graph, CurrentWindow, 'current_window'),
    )
    reader = {'model': str(borealtc_model), 'lossless': True}
    bringup = launch(
        'bringup',
        {
            # Nodes of the same process are readers too; the second one is this test.
            'current_driver': driving | {'readers': 2},
            'preprocessor': reader | {'readers': 2},
            'classifier': reader,
        },
    )
    graph.wait_for_publishers('surface_label', deadline_s=READY_S)
    windows.start(READY_S)
    truths.start(READY_S)
    bringup.assert_clean(bringup.wait(60.0))
    assert_equal_labels(labels.wait_for(len(expected.labels)), expected.labels)
    graph.wait_for(lambda: len(windows.messages) >= len(expected.windows), 'all windows')
    assert_equal_windows(windows.messages, expected.windows)
    assert [truth.surface for truth in truths.messages] == ['flooring']


@pytest.mark.parametrize('composed', [False, True])
def test_a_stranger_with_joint_states_gets_labels_through_parameters_alone(
    graph: Graph, launch: Launcher, default_model: Path, composed: bool
) -> None:
    channels = [
        f"{{name: {side}, topic: joint_states, type: sensor_msgs/msg/JointState, field: 'effort[{side}_wheel]'}}"
        for side in ('left', 'right')
    ]
    # A sample every 10 ms by a timer: the longest gap must be wider than the timer is late.
    preprocessor: dict[str, Any] = {'model': str(default_model), 'channels': channels, 'gap_limit_s': 5.0}
    classifier: dict[str, Any] = {'model': str(default_model)}
    nodes: list[Process] = []
    if composed:
        parameters = {'preprocessor': preprocessor, 'classifier': classifier, 'current_driver': {'source': 'topic'}}
        nodes.append(launch('bringup', parameters))
    else:
        nodes.append(launch('preprocessor_node', {'preprocessor': preprocessor}))
        nodes.append(launch('classifier_node', {'classifier': classifier}))
    labels = graph.collect(SurfaceLabel, 'surface_label')
    stranger = subprocess.Popen([sys.executable, '-c', STRANGER], env=os.environ.copy())
    try:
        found = labels.wait_for(3, READY_S)
    finally:
        stranger.kill()
        stranger.wait()
    assert [label.window_index for label in found] == [found[0].window_index + number for number in range(len(found))]
    status = graph.status('classifier', lambda status: int(values_of(status)['labels']) >= 3, 'three labels')
    assert level_of(status) == 0
    for node in nodes:
        node.assert_clean(node.stop())


def test_the_composed_process_loads_neither_torch_nor_scipy(
    graph: Graph, launch: Launcher, default_model: Path
) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    reader = {'model': str(default_model)}
    bringup = launch('bringup', {'preprocessor': reader, 'classifier': reader})
    labels.wait_for(1, READY_S)
    mapped = bringup.memory_map()
    assert 'onnxruntime' in mapped
    for library in ('libtorch', '/scipy/', 'sklearn', 'matplotlib'):
        assert library not in mapped
    bringup.assert_clean(bringup.stop())
