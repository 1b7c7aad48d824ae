# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Every executable ends with status 0 and without a traceback on Ctrl-C and on a stop request, at any moment."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from node_process import Launcher

from current_driver.testing.ros_graph import Graph
from surface_msgs.msg import CurrentWindow, MotorCurrent, SurfaceLabel

REQUIRES = ('rclpy', 'surface_msgs')

EXECUTABLES = ('bringup', 'classifier_node', 'current_driver_node', 'preprocessor_node', 'trainer_node')
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
READY_S = 40.0


@pytest.mark.parametrize('number', SIGNALS)
@pytest.mark.parametrize('executable', EXECUTABLES)
def test_it_ends_quietly_while_it_is_starting(
    graph: Graph, launch: Launcher, executable: str, number: signal.Signals
) -> None:
    process = launch(executable)
    # rclpy's library is mapped: the imports are under way, and no handler of rclpy's is installed yet or just now.
    graph.wait_for(lambda: '_rclpy_pybind11' in process.memory_map(), 'the import of rclpy', READY_S)
    process.assert_clean(process.stop(number))


@pytest.mark.parametrize('number', SIGNALS)
@pytest.mark.parametrize('executable', EXECUTABLES)
def test_it_ends_quietly_when_it_is_idle(
    graph: Graph, launch: Launcher, executable: str, number: signal.Signals
) -> None:
    process = launch(executable, {'current_driver': {'source': 'topic'}})
    graph.wait_for(lambda: bool(graph.diagnostics), 'its first health report', READY_S)
    process.assert_clean(process.stop(number))


@pytest.mark.parametrize('number', SIGNALS)
@pytest.mark.parametrize('apart', [True, False])
def test_all_of_them_end_quietly_in_the_middle_of_work(
    graph: Graph, launch: Launcher, default_model: Path, tmp_path: Path, number: signal.Signals, apart: bool
) -> None:
    # Hundreds of messages a second keep every callback busy; none may get lost, or a busy machine voids every window.
    driver: dict[str, Any] = {'simulator': {'sample_rate_hz': 400.0}, 'block_samples': 1}
    reader = {'model': str(default_model), 'stride_samples': 5, 'lossless': True, 'readers': 0}
    classifier = {'model': str(default_model)}
    labels = graph.collect(SurfaceLabel, 'surface_label')
    nodes = [launch('trainer_node', {'trainer': {'output_dir': str(tmp_path / 'recordings')}})]
    if apart:
        nodes.append(launch('classifier_node', {'classifier': classifier}))
        nodes.append(launch('preprocessor_node', {'preprocessor': reader}))
        nodes.append(launch('current_driver_node', {'current_driver': driver}))
    else:
        parameters = {'current_driver': driver, 'preprocessor': reader, 'classifier': classifier}
        nodes.append(launch('bringup', parameters))
    graph.collect(CurrentWindow, 'current_window')
    graph.collect(MotorCurrent, 'motor_current')
    labels.wait_for(5, READY_S)
    for node in nodes:
        node.popen.send_signal(number)
    for node in nodes:
        node.assert_clean(node.wait())


@pytest.mark.parametrize(
    ('executable', 'parameters', 'words'),
    [
        ('classifier_node', {'classifier': {'engine': 'tensorflow'}}, ('engine', 'onnx, torch')),
        ('preprocessor_node', {'preprocessor': {'min_coverage': 2.0}}, ('min_coverage',)),
        ('current_driver_node', {'current_driver': {'rate': 'fast'}}, ('rate', 'fast')),
        (
            'current_driver_node',
            {'current_driver': {'source': 'replay', 'replay': {'paths': ['/nowhere/bag']}, 'exit_when_done': True}},
            ('/nowhere/bag',),
        ),
        ('trainer_node', {'trainer': {'storage': 'zip'}}, ('storage', 'mcap, sqlite3')),
        ('bringup', {'classifier': {'queue_size': 0}}, ('queue_size',)),
    ],
)
def test_bad_parameters_end_it_with_status_2_and_a_sentence(
    launch: Launcher, executable: str, parameters: dict[str, dict[str, Any]], words: tuple[str, ...]
) -> None:
    process = launch(executable, parameters)
    assert process.wait(READY_S) == 2, process.output
    last = process.output.strip().splitlines()[-1]
    assert last.startswith(f'{executable}: error: ')
    for word in words:
        assert word in last
    assert 'Traceback' not in process.output
