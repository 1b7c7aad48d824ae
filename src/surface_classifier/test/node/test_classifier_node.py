# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The classifier node: models that suit the windows and models that do not, a full queue, bad windows."""

from __future__ import annotations

import os
import threading
import time
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.parameter import Parameter
from real_recordings import BOREALTC_WINDOWS
from std_msgs.msg import Float32, String
from untrained_model import save_untrained_model

from current_driver.testing.ros_graph import Graph, level_of, values_of
from surface_classifier.model.contract import load_contract
from surface_classifier.model.engine import load_engine
from surface_classifier.model.labeller import Labeller
from surface_classifier.nodes import classifier_node
from surface_classifier.nodes.classifier_node import ClassifierNode
from surface_classifier.nodes.conversion import WindowWriter
from surface_classifier.signal.window_config import WindowConfig, default_window_config
from surface_classifier.signal.window_stream import Window
from surface_msgs.msg import CurrentWindow, SurfaceLabel
from surface_msgs.srv import LoadModel

REQUIRES = ('rclpy', 'surface_msgs')

START_NS = 1_000_000_000 * 10**9
ERROR, WARN, OK = 2, 1, 0


def window_message(index: int, config: WindowConfig | None = None) -> CurrentWindow:
    config = config or default_window_config()
    rng = np.random.default_rng(index)
    names = [part.name for part in config.parts]
    start_ns = START_NS + index * 10**9
    window = Window(
        index=index,
        start_ns=start_ns,
        end_ns=start_ns + 10**9,
        parts={
            part.name: rng.normal(size=(config.samples_of_part(number), len(part.channels)))
            for number, part in enumerate(config.parts)
        },
        coverage=1.0,
        part_starts_ns=dict.fromkeys(names, start_ns),
        part_coverage=dict.fromkeys(names, 1.0),
    )
    return WindowWriter(config).message(window, 0, 'base_link')


def load(graph: Graph, path: Path | str) -> Any:
    return graph.call(LoadModel, 'classifier/load_model', LoadModel.Request(path=str(path)))


def test_labels_carry_what_they_rest_on(graph: Graph, default_model: Path) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(default_model)})
    graph.publisher(CurrentWindow, 'current_window').publish(window_message(7))
    label = labels.wait_for(1)[0]
    contract = load_contract(default_model)
    assert label.model_digest == contract.weights_sha256
    assert tuple(label.class_names) == contract.classes
    assert label.surface == label.class_names[label.surface_id - 1]
    assert label.confidence == max(label.probabilities)
    assert label.window_index == 7
    assert label.header.stamp.sec == START_NS // 10**9 + 8
    assert label.window_start.sec == START_NS // 10**9 + 7
    assert 0 < label.inference_duration < 1
    status = graph.status('classifier', lambda status: status.message == 'labelling', 'that it labels')
    assert values_of(status)['engine'] == 'onnx on cpu'
    assert values_of(status)['model_digest'] == contract.weights_sha256


@pytest.mark.parametrize('lossless', [False, True])
def test_name_and_confidence_of_each_label_are_published_as_standard_messages(
    graph: Graph, default_model: Path, lossless: bool
) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    names = graph.collect(String, 'surface_name')
    confidences = graph.collect(Float32, 'surface_confidence')
    graph.start(ClassifierNode, {'model': str(default_model), 'lossless': lossless})
    publisher = graph.publisher(CurrentWindow, 'current_window')
    for index in range(3):
        publisher.publish(window_message(index))
    expected = [(label.surface, pytest.approx(label.confidence)) for label in labels.wait_for(3)]
    assert [name.data for name in names.wait_for(3)] == [surface for surface, _ in expected]
    assert [confidence.data for confidence in confidences.wait_for(3)] == [value for _, value in expected]


def test_without_a_model_it_says_so_and_takes_one_by_service(graph: Graph, default_model: Path) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode)
    publisher = graph.publisher(CurrentWindow, 'current_window')
    publisher.publish(window_message(1))
    status = graph.status('classifier', lambda status: values_of(status)['refused'] == '1', 'a refused window')
    assert level_of(status) == WARN
    assert 'load_model' in status.message
    answer = load(graph, default_model)
    assert answer.success, answer.message
    assert answer.model_digest == load_contract(default_model).weights_sha256
    publisher.publish(window_message(2))
    assert labels.wait_for(1)[0].window_index == 2


@pytest.mark.parametrize('windows_came', [True, False])
def test_a_model_for_other_windows_is_refused_with_both_sides_and_the_old_one_serves(
    graph: Graph, default_model: Path, borealtc_model: Path, windows_came: bool
) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(default_model)})
    publisher = graph.publisher(CurrentWindow, 'current_window')
    if windows_came:
        publisher.publish(window_message(1))
        labels.wait_for(1)
    answer = load(graph, borealtc_model)
    assert not answer.success
    assert '6.5 Hz' in answer.message
    assert '100 Hz' in answer.message
    assert 'keeps serving' in answer.message
    assert answer.model_digest == load_contract(default_model).weights_sha256
    publisher.publish(window_message(2))
    label = labels.wait_for(2 if windows_came else 1)[-1]
    assert (label.window_index, label.model_digest) == (2, answer.model_digest)


def test_another_model_for_the_same_windows_takes_over(graph: Graph, default_model: Path, tmp_path: Path) -> None:
    other = save_untrained_model(tmp_path / 'other', default_window_config(), classes=('mud', 'sand'), seed=1)
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(default_model)})
    publisher = graph.publisher(CurrentWindow, 'current_window')
    publisher.publish(window_message(1))
    labels.wait_for(1)
    answer = load(graph, tmp_path / 'other')
    assert answer.success, answer.message
    assert list(answer.class_names) == ['mud', 'sand']
    publisher.publish(window_message(2))
    assert labels.wait_for(2)[1].model_digest == other.weights_sha256


@pytest.mark.parametrize('damage', ['missing', 'weights', 'contract'])
def test_a_damaged_model_is_refused(graph: Graph, default_model: Path, tmp_path: Path, damage: str) -> None:
    graph.start(ClassifierNode, {'model': str(default_model)})
    path = tmp_path / 'model'
    if damage != 'missing':
        path.mkdir()
        for file in default_model.iterdir():
            content = bytearray(file.read_bytes())
            if file.name == ('model.onnx' if damage == 'weights' else 'model.json'):
                content[len(content) // 2] ^= 1
            (path / file.name).write_bytes(bytes(content))
    answer = load(graph, path)
    assert not answer.success
    assert str(path) in answer.message
    assert answer.model_digest == load_contract(default_model).weights_sha256


def test_a_model_that_never_answers_stops_neither_labels_nor_diagnostics_nor_later_calls(
    graph: Graph, default_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network drive that has gone."""
    go_on = threading.Event()

    def hang_for(path: str, *options: Any) -> Any:
        if path == 'hung':
            go_on.wait(60)
        return load_engine(path, *options)

    monkeypatch.setattr('surface_classifier.nodes.classifier_node.load_engine', hang_for)
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(default_model), 'load_timeout_s': 3.0})
    publisher = graph.publisher(CurrentWindow, 'current_window')
    client = graph.watcher.create_client(LoadModel, 'classifier/load_model')
    graph.wait_for(client.service_is_ready, 'the service')
    hung = client.call_async(LoadModel.Request(path='hung'))
    reports = len(graph.diagnostics)
    for index in range(5):
        publisher.publish(window_message(index))
        labels.wait_for(index + 1, 2.0)
    graph.wait_for(lambda: len(graph.diagnostics) > reports, 'a report while it hangs', 2.0)
    assert not hung.done()
    refused = graph.result(hung)
    assert not refused.success
    assert 'does not answer within 3 s' in refused.message
    assert 'keeps serving' in refused.message
    assert load(graph, default_model).success
    os.mkfifo(tmp_path / 'model.json')
    assert 'not a regular file' in load(graph, tmp_path).message
    go_on.set()


def test_each_of_twenty_calls_at_once_is_answered(graph: Graph, default_model: Path) -> None:
    graph.start(ClassifierNode, {'model': str(default_model)})
    client = graph.watcher.create_client(LoadModel, 'classifier/load_model')
    graph.wait_for(client.service_is_ready, 'the service')
    calls = [client.call_async(LoadModel.Request(path=str(default_model))) for _ in range(20)]
    for call in calls:
        assert graph.result(call, 60.0).success


def test_a_model_that_does_not_answer_at_the_start_leaves_a_node_that_says_so(graph: Graph, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'model.json')
    graph.start(ClassifierNode, {'model': str(tmp_path)})
    status = graph.status('classifier', lambda status: level_of(status) == ERROR, 'the fault')
    assert 'not a regular file' in status.message


def test_windows_of_a_backlog_are_not_labelled(graph: Graph, default_model: Path) -> None:
    """As when a driver that was stopped goes on and sends at once what it has missed."""
    labels = graph.collect(SurfaceLabel, 'surface_label')
    node = graph.start(ClassifierNode, {'model': str(default_model)})
    publisher = graph.publisher(CurrentWindow, 'current_window')
    began_s = time.monotonic()
    for index in range(10):  # a window each 0.2 s, whose stamps are a second apart: a replay at five times the pace
        graph.wait_for(lambda index=index: time.monotonic() >= began_s + 0.2 * index, 'the pace')  # type: ignore[misc]
        publisher.publish(window_message(index))
    labels.wait_for(10)
    graph.status('classifier', lambda status: 'for more than 0.' in status.message, 'silence after three strides')
    graph.wait_for(lambda: time.monotonic() > began_s + 5.0, 'the hold-up')
    for index in range(10, 28):
        publisher.publish(window_message(index))
    graph.wait_for(lambda: node.health().values['received'] == 28, 'the windows')
    late = int(str(node.health().values['late']))
    assert late >= 10
    kept = [label.window_index for label in labels.wait_for(28 - late)]
    assert kept[:10] == list(range(10))
    assert min(kept[10:], default=28) >= 20


def test_windows_of_another_configuration_are_refused_and_told(graph: Graph, default_model: Path) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(default_model)})
    publisher = graph.publisher(CurrentWindow, 'current_window')
    publisher.publish(window_message(1, BOREALTC_WINDOWS))
    status = graph.status('classifier', lambda status: level_of(status) == ERROR, 'the mismatch')
    assert '6.5 Hz' in status.message
    assert '100 Hz' in status.message
    publisher.publish(window_message(2))
    assert labels.wait_for(1)[0].window_index == 2
    graph.status('classifier', lambda status: status.message == 'labelling', 'that it labels again')


def test_an_impossible_window_does_not_end_the_node(graph: Graph, default_model: Path) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(default_model)})
    publisher = graph.publisher(CurrentWindow, 'current_window')
    broken = window_message(1)
    broken.parts[0].data = array('d', [1.0, 2.0, 3.0])
    publisher.publish(broken)
    publisher.publish(window_message(2))
    assert labels.wait_for(1)[0].window_index == 2
    status = graph.status('classifier', lambda status: level_of(status) == ERROR, 'the fault')
    assert '3 values' in status.message
    assert values_of(status)['refused'] == '1'


@pytest.fixture
def slow_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hold every label back until the event is set."""
    go_on = threading.Event()
    label = Labeller.label

    def late(self: Labeller, window: Window) -> Any:
        go_on.wait(30)
        return label(self, window)

    monkeypatch.setattr(Labeller, 'label', late)
    yield go_on
    go_on.set()


def test_a_full_queue_drops_the_oldest_and_counts(
    graph: Graph, default_model: Path, slow_model: threading.Event
) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(default_model), 'queue_size': 3})
    publisher = graph.publisher(CurrentWindow, 'current_window')
    publisher.publish(window_message(0))
    graph.status('classifier', lambda status: values_of(status)['received'] == '1', 'the first window')
    for index in range(1, 11):
        publisher.publish(window_message(index))
    # The executor is not blocked by the model: diagnostics go on while it holds a window.
    status = graph.status('classifier', lambda status: values_of(status)['dropped'] == '7', 'seven dropped windows')
    assert level_of(status) == WARN
    slow_model.set()
    assert [label.window_index for label in labels.wait_for(4)] == [0, 8, 9, 10]


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'device': 'cuda', 'engine': 'onnx'}, ('onnx', 'cuda', 'torch')),
        ({'device': 'cuda'}, ('cuda',)),
    ],
)
def test_a_device_that_is_not_there_is_told(
    graph: Graph, default_model: Path, parameters: dict[str, str], words: tuple[str, ...]
) -> None:
    torch = pytest.importorskip('torch')
    if torch.cuda.is_available():
        pytest.skip('this machine has a CUDA device')
    graph.start(ClassifierNode, {'model': str(default_model), **parameters})
    status = graph.status('classifier', lambda status: level_of(status) == ERROR, 'an error')
    for word in words:
        assert word in status.message


def test_the_torch_engine_gives_the_labels_of_the_onnx_engine(graph: Graph, default_model: Path) -> None:
    found = {}
    for engine in ('onnx', 'torch'):
        labels = graph.collect(SurfaceLabel, f'{engine}/surface_label')
        graph.start(ClassifierNode, {'model': str(default_model), 'engine': engine}, namespace=engine)
        publisher = graph.publisher(CurrentWindow, f'{engine}/current_window')
        for index in range(5):
            publisher.publish(window_message(index))
        found[engine] = labels.wait_for(5)
    for onnx, torch in zip(found['onnx'], found['torch'], strict=True):
        np.testing.assert_allclose(onnx.probabilities, torch.probabilities, rtol=0, atol=1e-5)


def test_windows_of_a_stride_the_model_was_not_trained_with_are_labelled(graph: Graph, default_model: Path) -> None:
    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(default_model)})
    config = replace(default_window_config(), stride_samples=10)
    graph.publisher(CurrentWindow, 'current_window').publish(window_message(3, config))
    assert labels.wait_for(1)[0].window_index == 3


def test_a_motion_that_was_never_driven_is_named(graph: Graph, tmp_path: Path) -> None:
    pytest.importorskip('torch', reason='torch is not installed')
    from model_samples import learnable_dataset, with_motion

    from surface_classifier.training.train_model import train_model
    from surface_classifier.training.training_config import load_training_config

    plain = learnable_dataset(tmp_path / 'plain')
    speed = np.where(np.arange(len(plain)) % 2, 0.2, 0.3)
    dataset = with_motion(plain, tmp_path / 'set', speed, speed)
    train_model(dataset, tmp_path / 'model', replace(load_training_config('default'), epochs=2))

    labels = graph.collect(SurfaceLabel, 'surface_label')
    graph.start(ClassifierNode, {'model': str(tmp_path / 'model')})
    unchecked = graph.collect(SurfaceLabel, 'unchecked/surface_label')
    graph.start(ClassifierNode, {'model': str(tmp_path / 'model'), 'check_novelty': False}, namespace='unchecked')
    publishers = [graph.publisher(CurrentWindow, topic) for topic in ('current_window', 'unchecked/current_window')]
    writer = WindowWriter(dataset.config)
    for index, speed_mps in enumerate((0.2, 1.4)):
        start_ns = START_NS + index * 10**9
        window = Window(
            index=index,
            start_ns=start_ns,
            end_ns=start_ns + 10**9,
            parts={'motor': np.asarray(dataset.parts['motor'][index]), 'motion': np.full((12, 2), speed_mps)},
            coverage=1.0,
            part_starts_ns=dict.fromkeys(('motor', 'motion'), start_ns),
            part_coverage=dict.fromkeys(('motor', 'motion'), 1.0),
        )
        for publisher in publishers:
            publisher.publish(writer.message(window, 0, 'base_link'))
    seen, unseen = labels.wait_for(2)
    assert seen.known
    assert seen.reason == SurfaceLabel.REASON_NONE
    assert not unseen.known
    assert unseen.reason == SurfaceLabel.REASON_UNSEEN_MOTION
    assert unseen.novelty > 1.0
    assert [label.reason for label in unchecked.wait_for(2)] == [SurfaceLabel.REASON_NOT_CHECKED] * 2


def test_novelty_and_possible_surfaces_can_change_at_run_time(
    graph: Graph, default_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[bool] = []

    def make_labeller(*arguments: Any, check_novelty: bool, **options: Any) -> Labeller:
        checks.append(check_novelty)
        return Labeller(*arguments, check_novelty=check_novelty, **options)

    monkeypatch.setattr(classifier_node, 'Labeller', make_labeller)
    labels = graph.collect(SurfaceLabel, 'surface_label')
    node = graph.start(ClassifierNode, {'model': str(default_model)})
    publisher = graph.publisher(CurrentWindow, 'current_window')
    publisher.publish(window_message(1))
    labels.wait_for(1)
    assert node.set_parameters([Parameter('check_novelty', value=False)])[0].successful
    assert checks == [True, False]
    serving = node._serving
    publisher.publish(window_message(2))
    assert labels.wait_for(2)[1].reason == SurfaceLabel.REASON_NOT_CHECKED
    # The model was not calibrated: it has no sets of possible surfaces.
    refused = node.set_parameters([Parameter('possible_level', value=0.9)])[0]
    assert not refused.successful
    assert '0.9' in refused.reason
    assert node.values['possible_level'] == 0.0
    assert node._serving is serving
    assert node.set_parameters([Parameter('input_timeout_s', value=0.5)])[0].successful
    graph.status('classifier', lambda status: level_of(status) == WARN and '0.5 s' in status.message, 'the silence')
