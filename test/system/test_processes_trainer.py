# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The trainer as a process: killed while it records it loses less than a second, and no child outlives it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('surface_msgs', reason='surface_msgs is not built')

from node_process import Launcher
from rclpy.action import ActionClient
from recording_samples import save_dataset
from ros_graph import Collected, Graph, values_of

from current_driver.messages import NANOSECONDS
from surface_classifier.data.recording import Recording
from surface_classifier.nodes.conversion import to_ns
from surface_msgs.action import Train
from surface_msgs.msg import MotorCurrent
from surface_msgs.srv import StartRecording

READY_S = 40.0


def start_recording(graph: Graph, launch: Launcher, folder: Path, storage: str) -> tuple[Any, Collected]:
    """Record a simulated drive in real time; return the trainer and what is published while it runs."""
    trainer = launch(
        'trainer_node',
        {'trainer': {'output_dir': str(folder), 'label_topic': 'surface_truth', 'storage': storage}},
    )
    request = StartRecording.Request(name='drive')
    client = graph.watcher.create_client(StartRecording, 'trainer/start_recording')
    graph.wait_for(client.service_is_ready, 'the trainer', READY_S)
    assert graph.result(client.call_async(request)).success
    blocks = graph.collect(MotorCurrent, 'motor_current')
    launch('current_driver_node', {'current_driver': {'simulator': {'seconds_per_surface': 1.0}}})
    graph.status(
        'trainer', lambda status: int(values_of(status).get('messages', 0)) > 20, 'that two seconds are recorded'
    )
    # The trainer may find the driver before this test does.
    blocks.wait_for(1)
    return trainer, blocks


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_killed_trainer_loses_less_than_a_second(
    graph: Graph, launch: Launcher, tmp_path: Path, storage: str
) -> None:
    trainer, blocks = start_recording(graph, launch, tmp_path / 'recordings', storage)
    trainer.popen.kill()
    trainer.popen.wait()
    published_ns = to_ns(blocks[-1].header.stamp)
    with Recording(tmp_path / 'recordings' / 'drive').reader() as reader:
        found = [reader.deserialize(message) for message in reader.messages(['/motor_current'])]
        segments = Recording(tmp_path / 'recordings' / 'drive').segments(reader)
    assert published_ns - to_ns(found[-1].header.stamp) < NANOSECONDS
    first = [block.first_sample for block in found]
    assert first == list(range(first[0], first[0] + 10 * len(first), 10))
    assert len({segment.surface for segment in segments if segment.surface}) >= 2


def test_a_stopped_trainer_completes_its_recording(graph: Graph, launch: Launcher, tmp_path: Path) -> None:
    trainer, _ = start_recording(graph, launch, tmp_path / 'recordings', 'mcap')
    trainer.assert_clean(trainer.stop(signal.SIGTERM))
    with Recording(tmp_path / 'recordings' / 'drive').reader() as reader:
        assert reader.metadata['surface_recording_state'] == 'complete'
        assert reader.message_counts['/motor_current'] > 20


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT])
def test_no_training_outlives_the_trainer(
    graph: Graph, launch: Launcher, tmp_path: Path, number: signal.Signals
) -> None:
    pytest.importorskip('torch')
    windows_of = {f'{name}/{k}': {name: 12} for name in ('ice', 'snow') for k in range(4)}
    save_dataset(tmp_path / 'dataset', windows_of)
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text('epochs: 1000000\nnetwork: {hidden_sizes: [4]}\n', encoding='utf-8')
    trainer = launch('trainer_node', {'trainer': {'output_dir': str(tmp_path)}})
    client = ActionClient(graph.watcher, Train, 'trainer/train')
    graph.wait_for(client.server_is_ready, 'the trainer', READY_S)
    feedback: list[Any] = []
    goal = Train.Goal(dataset=str(tmp_path / 'dataset'), model=str(tmp_path / 'model'), config=str(recipe))
    handle = graph.result(client.send_goal_async(goal, feedback_callback=feedback.append))
    assert handle.accepted
    graph.wait_for(lambda: any(item.feedback.epoch for item in feedback), 'the first epoch', 90.0)
    children = psutil.Process(trainer.popen.pid).children(recursive=True)
    assert len(children) == 1
    trainer.popen.send_signal(number)
    trainer.wait()
    _, alive = psutil.wait_procs(children, timeout=20.0)
    assert not alive
    assert not (tmp_path / 'model').exists()
    if number == signal.SIGINT:
        trainer.assert_clean(trainer.popen.returncode)
