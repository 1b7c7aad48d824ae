# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A driver that is killed or stopped: reported at once, and nothing stale is labelled."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from node_process import Launcher

from current_driver.testing.ros_graph import Graph
from surface_classifier.nodes.conversion import to_ns
from surface_msgs.msg import SurfaceLabel

REQUIRES = ('rclpy', 'surface_msgs')

READY_S = 60.0
HELD_UP_S = 6.0
NANOSECONDS = 1_000_000_000


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_driver_is_reported_at_once_and_its_backlog_is_not_labelled(
    graph: Graph, launch: Launcher, default_model: Path, number: signal.Signals
) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    launch('classifier_node', {'classifier': {'model': str(default_model)}})
    launch('preprocessor_node', {'preprocessor': {'model': str(default_model)}})
    driver = launch('current_driver_node', {'current_driver': {'block_samples': 10}})
    labels.wait_for(12, READY_S)  # what the deadlines are learned from
    usual_age_ns = time.time_ns() - to_ns(labels[-1].header.stamp)
    graph.diagnostics.clear()
    driver.popen.send_signal(number)
    died_s = time.monotonic()
    for node, limit_s in (('preprocessor', 1.5), ('classifier', 3.0)):  # with a second for a busy machine
        status = graph.status(node, lambda status: 'nothing was received on' in status.message, 'the silence')
        assert time.monotonic() - died_s < limit_s, status.message
    if number == signal.SIGKILL:
        return
    before = len(labels)
    graph.wait_for(lambda: time.monotonic() > died_s + HELD_UP_S, 'the hold-up')
    assert len(labels) == before
    driver.popen.send_signal(signal.SIGCONT)
    labels.wait_for(before + 3)
    late_ns = time.time_ns() - to_ns(labels[before].header.stamp) - usual_age_ns
    assert late_ns < 3.5 * NANOSECONDS  # three labels later, of a backlog of six seconds
