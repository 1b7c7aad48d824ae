# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C reaches a node from the terminal and again from `ros2 launch`: however often, it ends with status 0."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest
from node_process import STOP_TIMEOUT_S, Launcher

from current_driver.testing.ros_graph import Graph

REQUIRES = ('rclpy', 'surface_msgs')

PERIOD_S = 0.002


@pytest.mark.parametrize(
    'executable', ['bringup', 'classifier_node', 'current_driver_node', 'preprocessor_node', 'trainer_node']
)
def test_signals_that_go_on_until_the_end_change_nothing(graph: Graph, launch: Launcher, executable: str) -> None:
    process = launch(executable, {'current_driver': {'source': 'topic'}})
    graph.wait_for(lambda: bool(graph.diagnostics), 'its first health report', 40.0)
    end_s = time.monotonic() + STOP_TIMEOUT_S
    while process.popen.poll() is None and time.monotonic() < end_s:
        process.popen.send_signal(signal.SIGINT)
        try:
            process.popen.wait(PERIOD_S)
        except subprocess.TimeoutExpired:
            continue
    process.assert_clean(process.wait())
