# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The robot's part as processes without packages of pip: simulator, CSV, a topic of another node, a recording."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from node_process import STRANGER, Launcher

from current_driver.testing.ros_graph import Graph, values_of
from surface_classifier.model.contract import load_contract
from surface_classifier.nodes.conversion import to_ns
from surface_msgs.msg import CurrentWindow, SurfaceLabel, SurfaceTruth
from surface_msgs.srv import SetSurface, StartRecording, StopRecording

REQUIRES = ('rclpy', 'surface_msgs')

READY_S = 100.0
SURFACES = ['carpet', 'gravel']
DRIVE_S = 30.0
# Windows of 1 s, one every 0.5 s on multiples of it; the first samples belong to no whole window.
DRIVE_LABELS = 58


def check_labels(labels: list[Any], model: Path) -> None:
    """Fail unless labels are those of the model, one a window."""
    contract = load_contract(model)
    assert all(label.model_digest == contract.weights_sha256 for label in labels)
    assert all(tuple(label.class_names) == contract.classes for label in labels)
    indices = [label.window_index for label in labels]
    assert indices == list(range(indices[0], indices[0] + len(indices)))
    np.testing.assert_allclose([sum(label.raw_probabilities) for label in labels], 1.0, atol=1e-6)


def check_engine(graph: Graph) -> None:
    """Fail unless the classifier runs the model with numpy."""
    status = graph.status('classifier', lambda status: int(values_of(status).get('labels', 0)) > 0, 'labels')
    assert values_of(status)['engine'] == 'numpy on cpu'


def accuracy(labels: list[Any], truths: list[Any]) -> float:
    """Return the fraction of labels whose likeliest class is the surface on which the window ends."""
    stamps = np.array([to_ns(truth.header.stamp) for truth in truths])
    hits = 0
    for label in labels:
        truth = truths[int(np.searchsorted(stamps, to_ns(label.header.stamp), side='right')) - 1]
        hits += label.class_names[int(np.argmax(label.raw_probabilities))] == truth.surface
    return hits / len(labels)


def test_the_simulator_is_labelled(graph: Graph, launch: Launcher, model: Path) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    truths = graph.collect(SurfaceTruth, 'surface_truth', latched=True)
    reader = {'model': str(model), 'lossless': True}
    nodes = [launch('classifier_node', {'classifier': reader}), launch('preprocessor_node', {'preprocessor': reader})]
    graph.wait_for_publishers('surface_label', 'current_window', deadline_s=READY_S)
    simulator = {'seed': 77, 'surfaces': SURFACES, 'duration_s': DRIVE_S, 'seconds_per_surface': 5.0}
    driver = launch('current_driver_node', {'current_driver': {'rate': 10.0, 'lossless': True, 'simulator': simulator}})
    check_labels(labels.wait_for(DRIVE_LABELS, READY_S), model)
    assert {truth.surface for truth in truths} == set(SURFACES)
    assert accuracy(labels, truths) > 0.7  # chance: 0.5
    check_engine(graph)
    for node in (driver, *reversed(nodes)):
        node.assert_clean(node.stop())


def test_a_csv_file_is_labelled_in_one_process(graph: Graph, launch: Launcher, model: Path, tmp_path: Path) -> None:
    current = np.random.default_rng(0).normal(2.0, 0.5, (round(DRIVE_S * 100), 2))
    rows = [f'{number / 100:.2f},{left:.4f},{right:.4f}' for number, (left, right) in enumerate(current)]
    file = tmp_path / 'drive.csv'
    file.write_text('\n'.join(['time,current_left,current_right', *rows]) + '\n')
    labels = graph.collect(SurfaceLabel, 'surface_label')
    bringup = launch(
        'bringup',
        {
            'current_driver': {
                'source': 'replay', 'rate': 10.0, 'lossless': True, 'readers': 1, 'exit_when_done': True,
                'replay': {'paths': [str(file)]},
            },
            'preprocessor': {'model': str(model), 'lossless': True},
            'classifier': {'model': str(model), 'lossless': True},
        },
    )  # fmt: skip
    check_labels(labels.wait_for(DRIVE_LABELS, READY_S), model)
    bringup.assert_clean(bringup.wait(READY_S))


def test_joint_states_of_another_node_are_labelled(graph: Graph, launch: Launcher, model: Path) -> None:
    channels = [
        f"{{name: {side}, topic: joint_states, type: sensor_msgs/msg/JointState, field: 'effort[{side}_wheel]'}}"
        for side in ('left', 'right')
    ]
    bringup = launch(
        'bringup',
        {
            'current_driver': {'source': 'topic'},
            # A sample every 10 ms by a timer: the longest gap must be wider than the timer is late.
            'preprocessor': {'model': str(model), 'channels': channels, 'gap_limit_s': 5.0},
            'classifier': {'model': str(model)},
        },
    )
    labels = graph.collect(SurfaceLabel, 'surface_label')
    stranger = subprocess.Popen([sys.executable, '-c', STRANGER], env=os.environ.copy())
    try:
        check_labels(labels.wait_for(3, READY_S), model)
    finally:
        stranger.kill()
        stranger.wait()
    check_engine(graph)
    mapped = bringup.memory_map()
    assert not [name for name in ('onnxruntime', 'libtorch', 'safetensors', 'zstandard') if name in mapped]
    bringup.assert_clean(bringup.stop())


def test_driver_and_preprocessor_cut_windows(graph: Graph, launch: Launcher) -> None:
    windows = graph.collect(CurrentWindow, 'current_window')
    preprocessor = launch('preprocessor_node', {'preprocessor': {'lossless': True, 'readers': 0}})
    graph.wait_for_publishers('current_window', deadline_s=READY_S)
    simulator = {'surfaces': SURFACES, 'duration_s': 10.0}
    driver = launch('current_driver_node', {'current_driver': {'rate': 10.0, 'lossless': True, 'simulator': simulator}})
    found = windows.wait_for(18, READY_S)
    assert [window.index for window in found] == [found[0].index + number for number in range(len(found))]
    for node in (driver, preprocessor):
        node.assert_clean(node.stop())


def test_a_labelled_drive_is_recorded(graph: Graph, launch: Launcher, tmp_path: Path) -> None:
    client = graph.watcher.create_client(StartRecording, 'trainer/start_recording')
    trainer = launch('trainer_node', {'trainer': {'output_dir': str(tmp_path / 'recordings')}})
    graph.wait_for(client.service_is_ready, 'the trainer', READY_S)
    graph.status('trainer', lambda _: True, 'that it is there')
    assert graph.result(client.call_async(StartRecording.Request(name='drive', surface='gravel'))).success
    driver = launch('current_driver_node', {'current_driver': {'simulator': {'surfaces': SURFACES}}})
    recorded = _recorded(graph, 10)
    assert graph.call(SetSurface, 'trainer/set_surface', SetSurface.Request(surface='grass')).success
    recorded = _recorded(graph, recorded + 10)
    summary = graph.call(StopRecording, 'trainer/stop_recording', StopRecording.Request())
    assert summary.success, summary.message
    assert list(summary.surfaces) == ['gravel', 'grass']
    assert summary.messages >= recorded
    (file,) = (tmp_path / 'recordings' / 'drive').glob('*.db3')
    with sqlite3.connect(file) as database:
        assert database.execute('SELECT COUNT(*) FROM messages').fetchone() == (summary.messages,)
        topics = dict(database.execute('SELECT name, type FROM topics'))
    assert topics == {
        '/motor_current': 'surface_msgs/msg/MotorCurrent',
        '/surface_truth': 'surface_msgs/msg/SurfaceTruth',
    }
    for node in (trainer, driver):
        node.assert_clean(node.stop())


def _recorded(graph: Graph, count: int) -> int:
    """Wait until the trainer has recorded so many messages, and return how many it has."""
    status = graph.status(
        'trainer', lambda status: int(values_of(status).get('messages', 0)) >= count, f'{count} recorded messages'
    )
    return int(values_of(status)['messages'])


def test_imports_of_these_processes_fail(launch: Launcher) -> None:  # noqa: ARG001 - sets the path of the processes
    """What the other tests show is worth something only where this holds."""
    for name in ('onnxruntime', 'torch', 'safetensors', 'rosbags', 'mcap'):
        done = subprocess.run([sys.executable, '-c', f'import {name}'], capture_output=True, text=True, check=False)
        assert 'ModuleNotFoundError' in done.stderr, done.stderr
