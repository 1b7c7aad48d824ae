# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The trainer as a process: no sample is lost while it trains, less than a second when it is killed, no child stays."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from dataset_samples import save_dataset
from node_process import Launcher, Process
from rclpy.action import ActionClient

from current_driver.messages import NANOSECONDS
from current_driver.recordings.recording import Recording
from current_driver.testing.ros_graph import Collected, Graph, values_of
from surface_classifier.nodes.conversion import to_ns
from surface_msgs.action import Train
from surface_msgs.msg import MotorCurrent
from surface_msgs.srv import StartRecording, StopRecording

REQUIRES = ('rclpy', 'surface_msgs')

READY_S = 40.0


def start_recording(graph: Graph, launch: Launcher, folder: Path, storage: str) -> tuple[Any, Collected]:
    """Record a simulated drive in real time; return the trainer and what is published while it runs."""
    # An answer is lost when the trainer does not yet know the client that asked: the client is there before it, and the
    # trainer is heard before it is asked.
    client = graph.watcher.create_client(StartRecording, 'trainer/start_recording')
    trainer = launch(
        'trainer_node',
        {'trainer': {'output_dir': str(folder), 'label_topic': 'surface_truth', 'storage': storage}},
    )
    request = StartRecording.Request(name='drive')
    graph.wait_for(client.service_is_ready, 'the trainer', READY_S)
    graph.status('trainer', lambda _: True, 'that it is there')
    assert graph.result(client.call_async(request)).success
    blocks = graph.collect(MotorCurrent, 'motor_current')
    launch('current_driver_node', {'current_driver': {'simulator': {'seconds_per_surface': 1.0}}})
    graph.status(
        'trainer', lambda status: int(values_of(status).get('messages', 0)) > 20, 'that two seconds are recorded'
    )
    # The trainer may find the driver before this test does.
    blocks.wait_for(1)
    return trainer, blocks


@pytest.mark.requires('mcap', 'rosbags')
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


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_trainer_completes_its_recording(
    graph: Graph, launch: Launcher, tmp_path: Path, number: signal.Signals
) -> None:
    """SIGHUP comes when the ssh connection of its terminal is lost."""
    trainer, _ = start_recording(graph, launch, tmp_path / 'recordings', 'mcap')
    trainer.assert_clean(trainer.stop(number))
    with Recording(tmp_path / 'recordings' / 'drive').reader() as reader:
        assert reader.metadata['surface_recording_state'] == 'complete'
        assert reader.message_counts['/motor_current'] > 10


def start_wide_drive(graph: Graph, launch: Launcher, folder: Path, block_samples: int) -> tuple[Process, Process]:
    """Record four motors at 1 kHz in real time, without flow control; return the trainer and the driver."""
    trainer = launch('trainer_node', {'trainer': {'output_dir': str(folder)}})
    simulator = {'sample_rate_hz': 1000.0, 'motors': 4}
    driver = launch('current_driver_node', {'current_driver': {'simulator': simulator, 'block_samples': block_samples}})
    heard = 'age of /motor_current [s]'
    graph.status(
        'trainer', lambda status: values_of(status).get(heard, 'never received') != 'never received', 'the driver'
    )
    started = graph.call(StartRecording, 'trainer/start_recording', StartRecording.Request(name='drive'))
    assert started.success, started.message
    wait_for_more(graph, 'trainer', 20)
    return trainer, driver


def wait_for_more(graph: Graph, node: str, messages: int) -> None:
    """Wait until a node has handled so many messages more than it last reported."""
    before = int(values_of(graph.status(node, lambda _: True, 'its health'))['messages'])
    graph.status(node, lambda status: int(values_of(status)['messages']) >= before + messages, f'{messages} more')


def recorded_blocks(graph: Graph, folder: Path, block_samples: int) -> list[Any]:
    """Complete the recording, and return its blocks if there is every one from its first to its last."""
    stopped = graph.call(StopRecording, 'trainer/stop_recording', StopRecording.Request())
    assert stopped.success, stopped.message
    with Recording(folder / 'drive').reader() as reader:
        blocks = [reader.deserialize(message) for message in reader.messages(['/motor_current'])]
    first = [int(block.first_sample) for block in blocks]
    assert first == list(range(first[0], first[-1] + 1, block_samples))
    assert sum(len(block.offsets_ns) for block in blocks) == first[-1] + block_samples - first[0]
    assert {len(block.motor_names) for block in blocks} == {4}
    return blocks


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_no_sample_is_lost_while_a_model_is_trained(graph: Graph, launch: Launcher, tmp_path: Path) -> None:
    pytest.importorskip('torch')
    windows_of = {f'{name}/{k}': {name: 12} for name in ('ice', 'snow', 'grass') for k in range(4)}
    save_dataset(tmp_path / 'dataset', windows_of)
    recipe = tmp_path / 'recipe.yaml'
    # Some seconds of a core, beside loading torch and exporting the model.
    recipe.write_text('{preset: fluctuating-loss-large, epochs: 30}\n', encoding='utf-8')
    client = ActionClient(graph.watcher, Train, 'trainer/train')
    start_wide_drive(graph, launch, tmp_path, block_samples=10)
    graph.wait_for(client.server_is_ready, 'the trainer', READY_S)
    goal = Train.Goal(dataset=str(tmp_path / 'dataset'), model=str(tmp_path / 'model'), config=str(recipe))
    sent_ns = time.time_ns()
    handle = graph.result(client.send_goal_async(goal))
    result = graph.result(handle.get_result_async(), 300.0).result
    trained_ns = time.time_ns()
    assert result.success, result.message
    wait_for_more(graph, 'trainer', 400)
    blocks = recorded_blocks(graph, tmp_path, block_samples=10)
    assert to_ns(blocks[0].header.stamp) < sent_ns < trained_ns < to_ns(blocks[-1].header.stamp)


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize('held_up', ['trainer', 'driver'])
def test_no_sample_is_lost_when_a_process_is_held_up_for_seconds(
    graph: Graph, launch: Launcher, tmp_path: Path, held_up: str
) -> None:
    """As on a machine that is busy with something else; a message for each sample is the hardest case."""
    trainer, driver = start_wide_drive(graph, launch, tmp_path, block_samples=1)
    stopped, other = (trainer, 'current_driver') if held_up == 'trainer' else (driver, 'trainer')
    stopped.popen.send_signal(signal.SIGSTOP)
    # The other one reports its health once a second.
    count = len([status for status in graph.diagnostics if status.name == other])
    graph.wait_for(
        lambda: len([status for status in graph.diagnostics if status.name == other]) >= count + 3, 'two seconds'
    )
    stopped.popen.send_signal(signal.SIGCONT)
    wait_for_more(graph, 'current_driver', 3000)
    wait_for_more(graph, 'trainer', 1000)
    recorded_blocks(graph, tmp_path, block_samples=1)


@pytest.mark.timeout(300)
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
    graph.wait_for(lambda: any(item.feedback.epoch for item in feedback), 'the first epoch', 250.0)
    children = psutil.Process(trainer.popen.pid).children(recursive=True)
    assert len(children) == 1
    trainer.popen.send_signal(number)
    trainer.wait()
    _, alive = psutil.wait_procs(children, timeout=20.0)
    assert not alive
    assert not (tmp_path / 'model').exists()
    if number == signal.SIGINT:
        trainer.assert_clean(trainer.popen.returncode)
