# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The plot window waits for its publishers, shows fields that the nodes publish, and gathers diagnostics."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from current_driver.errors import SurfaceError
from current_driver.testing.ros_graph import Graph
from surface_classifier.nodes.classifier_node import LABEL_TOPIC as PUBLISHED_TOPIC
from surface_classifier.nodes.clients import plot_window
from surface_classifier.nodes.clients.plot_window import PlotNode, open_plot, parse_arguments, write_layout
from surface_classifier.signal.field_path import FieldReader
from surface_classifier.startup.plot_layouts import CURRENT_TOPIC, LABEL_TOPIC, RQT, TOPIC_TYPES
from surface_msgs.msg import MotorCurrent, SurfaceLabel

REQUIRES = ('rclpy', 'surface_msgs')


@pytest.fixture
def layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the layouts of the source tree, and give ROS_HOME a folder of the test."""
    share = tmp_path / 'prefix' / 'share' / 'surface_classifier'
    share.mkdir(parents=True)
    (share / 'config').symlink_to(Path(__file__).resolve().parents[2] / 'config')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path / 'prefix'))
    monkeypatch.setenv('ROS_HOME', str(tmp_path / 'home'))
    return tmp_path / 'home'


def plot_node(graph: Graph) -> PlotNode:
    """Start the node in the robot's namespace."""
    node = PlotNode('surface_plot_1', namespace='robot1', context=graph.context)
    graph.add(node)
    return node


def test_plotted_fields_are_read_from_a_label() -> None:
    package, _, name = TOPIC_TYPES[LABEL_TOPIC].split('/')
    assert (SurfaceLabel.__module__.split('.')[0], SurfaceLabel.__name__) == (package, name)
    assert f'/{PUBLISHED_TOPIC}' == LABEL_TOPIC
    label = SurfaceLabel(confidence=0.6, class_names=['gravel', 'tiles'], probabilities=[0.6, 0.4], novelty=0.2)
    fields = [FieldReader(field).read(label) for field in ('confidence', 'novelty', 'probabilities[1]', 'surface_id')]
    assert fields == [0.6, 0.2, 0.4, 0.0]


def test_rqt_opens_once_labels_and_currents_have_publishers(
    graph: Graph, layouts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Path, int]] = []
    node = plot_node(graph)

    def run_rqt(layout: Path) -> int:
        opened.append((layout, node.count_publishers('/robot1/surface_label')))
        return 0

    monkeypatch.setattr(plot_window, 'run_rqt', run_rqt)
    graph.watcher.create_publisher(MotorCurrent, '/robot1/motor_current', 10)
    late = threading.Timer(0.5, graph.watcher.create_publisher, (SurfaceLabel, '/robot1/surface_label', 10))
    late.start()
    began_s = time.monotonic()
    arguments = parse_arguments([RQT, '--namespace', 'robot1', '--classes', '2', '--currents'])
    assert open_plot(arguments, node) == 0
    assert time.monotonic() - began_s > 0.4
    ((layout, publishers),) = opened
    assert publishers == 1, 'rqt_plot looks up its topics at once'
    assert layout.is_relative_to(layouts)
    assert '/robot1/surface_label/probabilities[1]' in layout.read_text()
    assert 'probabilities[2]' not in layout.read_text()


def test_without_labels_it_names_topic_namespace_and_domain(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, ros_domain: int
) -> None:
    monkeypatch.setattr(plot_window, 'run_rqt', lambda _: pytest.fail('there is nothing to show'))
    arguments = parse_arguments([RQT, '--namespace', 'robot1', '--wait', '0.3'])
    with pytest.raises(SurfaceError, match=rf'/robot1/surface_label had no publisher for 0.3 s.*domain {ros_domain}'):
        open_plot(arguments, plot_node(graph))


def test_it_waits_thirty_seconds_by_default() -> None:
    assert parse_arguments([RQT]).wait == 30.0


def test_the_diagnostics_of_all_nodes_are_gathered_in_one_array(graph: Graph) -> None:
    plot_node(graph)
    gathered = graph.collect(DiagnosticArray, '/robot1/surface_plot_1/diagnostics')
    publisher = graph.publisher(DiagnosticArray, '/diagnostics', subscribers=2)
    for name in ('robot1/preprocessor', 'robot1/classifier'):
        publisher.publish(DiagnosticArray(status=[DiagnosticStatus(name=name, message=f'of {name}')]))

    def complete() -> bool:
        return bool(gathered) and len(gathered[-1].status) == 2

    graph.wait_for(complete, 'both')
    assert [status.message for status in gathered[-1].status] == ['of robot1/preprocessor', 'of robot1/classifier']


def test_the_layout_of_another_namespace_is_another_file(layouts: Path) -> None:
    paths = {write_layout(RQT, namespace, None) for namespace in ('', 'robot1', 'fleet/robot1')}
    assert len(paths) == 3
    assert all(path.is_relative_to(layouts) for path in paths)
    assert CURRENT_TOPIC in write_layout(RQT, '', None).read_text()
