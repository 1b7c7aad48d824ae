# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What feeds the terminal view and the demo: the watching node, the observer of drives, the client of the trainer."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rich.console import Console

from current_driver.errors import SurfaceError
from current_driver.node.qos import stream_qos
from surface_classifier.nodes.classifier_node import ClassifierNode
from surface_classifier.nodes.clients import drive_observer, trainer_client
from surface_classifier.nodes.clients.drive_observer import observe_drive
from surface_classifier.nodes.clients.trainer_client import TrainerClient
from surface_classifier.nodes.clients.watch_node import WatchNode, watch
from surface_classifier.nodes.conversion import WindowWriter, to_time, truth_message
from surface_classifier.nodes.publishers import publishers_of
from surface_classifier.signal.window_config import default_window_config
from surface_classifier.signal.window_stream import Window
from surface_classifier.terminal.screen import Screen
from surface_classifier.terminal.watch_view import render
from surface_msgs.msg import CurrentWindow, SurfaceLabel, SurfaceTruth

if TYPE_CHECKING:
    from current_driver.testing.ros_graph import Graph

REQUIRES = ('rclpy',)

SECOND_NS = 1_000_000_000
START_NS = 1_000_000_000 * SECOND_NS
STRIDE_NS = SECOND_NS // 2
SAMPLES = 100
CLASSES = ['grass', 'sand']


def window_message(index: int, level_a: float) -> CurrentWindow:
    start_ns = START_NS + index * STRIDE_NS
    window = Window(
        index=index,
        start_ns=start_ns,
        end_ns=start_ns + (SAMPLES - 1) * SECOND_NS // 100,
        parts={'motor': np.full((SAMPLES, 2), level_a)},
        coverage=1.0,
        part_starts_ns={'motor': start_ns},
        part_coverage={'motor': 1.0},
    )
    return WindowWriter(default_window_config()).message(window, voided=0, frame_id='base_link')


def label_message(index: int, surface: str, confidence: float = 0.8) -> SurfaceLabel:
    message = SurfaceLabel(
        surface=surface,
        known=True,
        confidence=confidence,
        class_names=CLASSES,
        probabilities=[confidence if name == surface else 1 - confidence for name in CLASSES],
        window_start=to_time(START_NS + index * STRIDE_NS),
        window_index=index,
    )
    message.header.stamp = to_time(START_NS + index * STRIDE_NS + (SAMPLES - 1) * SECOND_NS // 100)
    return message


def quiet_screen() -> Screen:
    return Screen(render, 'surface watch', Console(file=io.StringIO()), plain=True)


def test_the_view_is_fed_by_labels_windows_and_the_truth(graph: Graph) -> None:
    node: WatchNode = graph.add(WatchNode(context=graph.context))
    labels = graph.publisher(SurfaceLabel, 'surface_label')
    windows = graph.publisher(CurrentWindow, 'current_window')
    qos = stream_qos(10, reliable=True, latched=True)
    truths = graph.watcher.create_publisher(SurfaceTruth, 'surface_truth', qos)
    truths.publish(truth_message(START_NS, 'sand', 'operator'))
    graph.wait_for(lambda: node.state.truth == 'sand', 'the truth')
    for index in range(10):
        windows.publish(window_message(index, 1.0 + index))
        labels.publish(label_message(index, 'sand'))
    graph.wait_for(lambda: node.state.labels == 10, 'ten labels')
    graph.wait_for(lambda: node.state.newest_ns == START_NS + 9 * STRIDE_NS + 99 * SECOND_NS // 100, 'the last window')
    assert node.state.surface == 'sand'
    assert (node.state.right, node.state.compared) == (10, 10)
    assert node.state.class_names == ('grass', 'sand')
    # Windows overlap by half; each column holds what was new in one window.
    levels = [cell[0] for cell in node.state.strip(11)]
    np.testing.assert_allclose(levels, [1.0, 1.0, *np.arange(2.0, 11.0)], atol=0.03)


def test_a_silent_graph_is_reported_with_the_topic(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('surface_classifier.nodes.clients.watch_node.SILENCE_S', 0.0)
    node: WatchNode = graph.add(WatchNode(context=graph.context, namespace='/robot_1'))
    node.refresh_notice()
    assert 'no message on /robot_1/surface_label' in node.state.notice
    assert 'no classifier runs; start it with ros2 launch' in node.state.notice


def test_the_worst_status_of_the_chain_is_shown(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('surface_classifier.nodes.clients.watch_node.SILENCE_S', 0.0)
    node: WatchNode = graph.add(WatchNode(context=graph.context))
    graph.start(ClassifierNode)
    graph.wait_for(lambda: bool(publishers_of(node, 'surface_label')), 'the classifier')
    diagnostics = graph.watcher.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def notice() -> str:
        diagnostics.publish(DiagnosticArray(status=[DiagnosticStatus(level=b'\2', name='battery', message='empty')]))
        node.refresh_notice()
        return node.state.notice

    graph.wait_for(lambda: '/classifier: ' in notice(), 'the status of the classifier without a model')
    assert 'no message on /surface_label' in node.state.notice
    assert 'load_model' in node.state.notice
    assert 'empty' not in node.state.notice  # of another program


def test_watch_ends_after_so_many_labels_and_leaves_a_picture(graph: Graph, tmp_path: Path) -> None:
    labels = graph.publisher(SurfaceLabel, 'surface_label', subscribers=0)
    graph.watcher.create_timer(0.02, lambda: labels.publish(label_message(0, 'grass')))
    state = watch(plain=True, label_count=5, picture=tmp_path / 'view.svg')
    assert state.labels >= 5
    assert ElementTree.parse(tmp_path / 'view.svg').getroot().tag.endswith('svg')


def test_a_drive_is_kept_whole(graph: Graph) -> None:
    labels = graph.publisher(SurfaceLabel, 'surface_label', subscribers=0)
    windows = graph.publisher(CurrentWindow, 'current_window', subscribers=0)
    qos = stream_qos(10, reliable=True, latched=True)
    truths = graph.watcher.create_publisher(SurfaceTruth, 'surface_truth', qos)
    count = 500
    done = threading.Event()

    def publish_all() -> None:
        graph.wait_for(lambda: labels.get_subscription_count() and windows.get_subscription_count(), 'the observer')
        truths.publish(truth_message(START_NS, 'grass', 'operator'))
        for index in range(count):
            windows.publish(window_message(index, float(index)))
            labels.publish(label_message(index, 'grass'))
        done.set()

    thread = threading.Thread(target=publish_all)
    drive = observe_drive(thread.start, lambda: not done.is_set(), screen=quiet_screen(), column_ns=SECOND_NS)
    thread.join()
    assert [label.window_index for label in drive.labels] == list(range(count))
    assert sorted(drive.windows) == list(range(count))
    assert all((parts['motor'] == index).all() for index, parts in drive.windows.items())
    assert drive.truths == [(START_NS, 'grass')]
    assert drive.class_names == ('grass', 'sand')
    np.testing.assert_array_equal(drive.labels[7].probabilities, [0.8, 1 - 0.8])


def test_a_graph_without_a_classifier_is_not_observed(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    del graph
    monkeypatch.setattr(drive_observer, 'FOUND_TIMEOUT_S', 0.3)
    with pytest.raises(SurfaceError, match='no node publishes surface_label'):
        observe_drive(lambda: pytest.fail('started'), lambda: True, screen=quiet_screen(), column_ns=SECOND_NS)


def test_a_missing_trainer_is_named(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    del graph
    monkeypatch.setattr(trainer_client, 'START_TIMEOUT_S', 0.3)
    with TrainerClient() as trainer, pytest.raises(SurfaceError, match='trainer/stop_recording is not there'):
        trainer.stop_recording()


def test_a_trainer_that_refuses_is_quoted(graph: Graph, tmp_path: Path) -> None:
    from surface_classifier.nodes.trainer_node import TrainerNode

    graph.start(TrainerNode, {'output_dir': str(tmp_path)})
    with TrainerClient() as trainer:
        with pytest.raises(SurfaceError, match='stop_recording: '):
            trainer.stop_recording()
        started = trainer.start_recording(name='walk', surface='grass', operator_name='operator')
        assert Path(started.path).name == 'walk'
        trainer.set_surface('sand')
        assert trainer.stop_recording(discard=True).success
