# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The trainer node: raw bytes of any type with their label into a bag, and training in a child process."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from dataset_samples import save_dataset
from rclpy.action import ActionClient
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState, Joy

from current_driver.driver_node import CurrentDriverNode
from current_driver.errors import SurfaceError
from current_driver.messages import NANOSECONDS
from current_driver.node.qos import stream_qos
from current_driver.recordings.recording import Recording
from current_driver.testing.drives import write_drive
from current_driver.testing.ros_graph import Graph, level_of
from surface_classifier.model.contract import load_contract
from surface_classifier.nodes.clients.trainer_client import TrainerClient
from surface_classifier.nodes.conversion import to_time, truth_message
from surface_classifier.nodes.trainer_node import TrainerNode
from surface_classifier.training_process.train_job import CANCEL_TIMEOUT_S
from surface_msgs.action import Train
from surface_msgs.msg import MotorCurrent, SurfaceTruth
from surface_msgs.srv import SetSurface, StartRecording, StopRecording

REQUIRES = ('rclpy', 'surface_msgs')

START_NS = 1_000_000_000 * NANOSECONDS
# Seconds on a quiet machine; the training gives way to whatever else runs.
TRAINING_S = 250.0
pytestmark = pytest.mark.timeout(400)


def joint_state(stamp_ns: int, effort: float = 1.0) -> Any:
    message = JointState(name=['wheel'], effort=[effort])
    message.header.stamp = to_time(stamp_ns)
    return message


def start(graph: Graph, **fields: str) -> Any:
    return graph.call(StartRecording, 'trainer/start_recording', StartRecording.Request(**fields))


def stop(graph: Graph, *, discard: bool = False) -> Any:
    return graph.call(StopRecording, 'trainer/stop_recording', StopRecording.Request(discard=discard))


def set_surface(graph: Graph, surface: str, stamp_ns: int = 0) -> Any:
    request = SetSurface.Request(surface=surface, stamp=to_time(stamp_ns))
    return graph.call(SetSurface, 'trainer/set_surface', request)


def wait_for_recorded(graph: Graph, node: TrainerNode, count: int) -> None:
    def recorded() -> bool:
        return int(values_of_health(node)['messages']) >= count

    graph.wait_for(recorded, f'{count} recorded messages')


def values_of_health(node: TrainerNode) -> dict[str, str]:
    return {key: str(value) for key, value in node.health().values.items()}


@pytest.mark.requires('mcap', 'rosbags')
def test_raw_messages_of_any_type_are_recorded_with_the_label_set_by_hand(graph: Graph, tmp_path: Path) -> None:
    truths = graph.collect(SurfaceTruth, 'surface_truth', latched=True)
    node = graph.start(TrainerNode, {'output_dir': str(tmp_path), 'topics': ['joint_states']})
    answer = start(graph, name='yard/01', surface='gravel', operator_name='Ann', robot='husky', note='wet')
    assert answer.success, answer.message
    assert answer.path == str(tmp_path / 'yard' / '01')
    assert answer.message.endswith('no publisher of /joint_states yet')
    publisher = graph.publisher(JointState, 'joint_states')
    sent = [joint_state(START_NS + number * NANOSECONDS, effort=number) for number in range(10)]
    for message in sent[:5]:
        publisher.publish(message)
    wait_for_recorded(graph, node, 6)
    changed = set_surface(graph, 'grass', START_NS + 5 * NANOSECONDS)
    assert changed.success
    assert changed.previous == 'gravel'
    for message in sent[5:]:
        publisher.publish(message)
    wait_for_recorded(graph, node, 12)
    summary = stop(graph)
    assert summary.success
    assert dict(zip(summary.surfaces, summary.surface_durations, strict=True)) == pytest.approx(
        {'gravel': 5.0, 'grass': 4.0}
    )
    assert summary.messages == 12

    recording = Recording(summary.path)
    with recording.reader() as reader:
        assert reader.metadata['operator'] == 'Ann'
        assert reader.metadata['note'] == 'wet'
        messages = list(reader.messages(['/joint_states']))
        assert [deserialize_message(message.cdr, JointState) for message in messages] == sent
        assert [message.stamp_ns for message in messages] == [START_NS + number * NANOSECONDS for number in range(10)]
        segments = recording.segments(reader)
    assert [segment.surface for segment in segments] == ['gravel', 'grass']
    assert segments[1].start_ns == START_NS + 5 * NANOSECONDS
    assert [truth.surface for truth in truths.wait_for(2)] == ['gravel', 'grass']
    assert {truth.origin for truth in truths} == {'operator'}


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_negative_stamps_cost_their_messages_alone(graph: Graph, tmp_path: Path, storage: str) -> None:
    parameters = {
        'output_dir': str(tmp_path),
        'topics': ['joint_states'],
        'label_topic': 'surface_truth',
        'storage': storage,
    }
    node = graph.start(TrainerNode, parameters)
    labels = graph.watcher.create_publisher(SurfaceTruth, 'surface_truth', stream_qos(100, reliable=True, latched=True))
    publisher = graph.publisher(JointState, 'joint_states')
    graph.wait_for(lambda: labels.get_subscription_count() > 0, 'the subscription to the label')
    assert start(graph, name='drive').success
    stamps = [START_NS + number * 10_000_000 for number in range(150)]
    for number, stamp_ns in enumerate(stamps):
        publisher.publish(joint_state(stamp_ns))
        if number == 40:
            publisher.publish(joint_state(-5 * NANOSECONDS))
        if number == 60:
            labels.publish(truth_message(-5 * NANOSECONDS, 'ice', 'topic'))
        if number == 80:
            labels.publish(truth_message(stamp_ns, 'snow', 'topic'))
    wait_for_recorded(graph, node, 151)
    refused = set_surface(graph, 'ice', -5 * NANOSECONDS)
    assert not refused.success
    assert '-5 s' in refused.message
    status = graph.status('trainer', lambda status: 'not recorded' in status.message, 'the message left out')
    assert level_of(status) == 2
    assert 'messages of /joint_states are left out' in node.health().text
    assert values_of_health(node)['refused'] == '/joint_states: 1'
    summary = stop(graph)
    assert (summary.success, summary.messages) == (True, 151)
    recording = Recording(summary.path)
    with recording.reader() as reader:
        assert [message.stamp_ns for message in reader.messages(['/joint_states'])] == stamps
        assert reader.metadata['surface_recording_state'] == 'complete'
        assert {segment.surface for segment in recording.segments(reader)} <= {'', 'snow'}


def test_a_first_sample_at_time_0_keeps_the_label(graph: Graph, tmp_path: Path) -> None:
    """As with the simulated time of a robot that has just been switched on."""
    node = graph.start(TrainerNode, {'output_dir': str(tmp_path), 'topics': ['motor_current']})
    publisher = graph.publisher(MotorCurrent, 'motor_current')
    assert start(graph, name='drive', surface='gravel').success
    publisher.publish(MotorCurrent(motor_names=['left'], offsets_ns=[0], current=[1.0]))
    wait_for_recorded(graph, node, 2)
    assert stop(graph).messages == 2


def test_names_and_paths_that_nobody_means_are_refused(graph: Graph, tmp_path: Path) -> None:
    graph.start(TrainerNode, {'output_dir': str(tmp_path)})
    for name in ('a' * 1_000_000, 'ice\nsnow', 'ice\x07'):
        for refused in (set_surface(graph, name), start(graph, name='drive', surface=name)):
            assert not refused.success
            assert ('at most 200' if len(name) > 200 else 'control characters') in refused.message
            assert len(refused.message) < 300
    assert set_surface(graph, 'a' * 100).success
    client = ActionClient(graph.watcher, Train, 'trainer/train')
    graph.wait_for(client.server_is_ready, 'the trainer')
    for goal in (
        Train.Goal(dataset='set', model='mod\x01el'),
        Train.Goal(dataset='s\net', model='model'),
        Train.Goal(recordings=['a\x7f'], model='model'),
    ):
        assert not graph.result(client.send_goal_async(goal)).accepted
        path = repr(next(path for path in (goal.model, goal.dataset, *goal.recordings) if not path.isprintable()))
        status = graph.status('trainer', lambda status, path=path: path in status.message, path)  # type: ignore[misc]
        assert 'the goal is rejected' in status.message
        assert 'control characters' in status.message


@pytest.mark.parametrize(
    ('goal', 'expected'),
    [
        ({'dataset': 'set'}, 'names no folder for the model'),
        ({'model': 'model'}, 'either recordings or a data set'),
        ({'model': 'model', 'dataset': 'set', 'recordings': ['drive']}, 'either recordings or a data set'),
        ({'model': 'model', 'dataset': 'set'}, 'not installed: torch'),
    ],
)
def test_a_goal_that_cannot_be_met_is_rejected(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goal: dict[str, Any], expected: str
) -> None:
    if 'torch' in expected:
        monkeypatch.setitem(sys.modules, 'torch', None)
    graph.start(TrainerNode, {'output_dir': str(tmp_path)})
    client = ActionClient(graph.watcher, Train, 'trainer/train')
    graph.wait_for(client.server_is_ready, 'the trainer')
    assert not graph.result(client.send_goal_async(Train.Goal(**goal))).accepted
    graph.status('trainer', lambda status: expected in status.message, expected)


def test_a_label_set_by_hand_that_a_topic_overrides_is_warned_of(graph: Graph, tmp_path: Path) -> None:
    graph.start(TrainerNode, {'output_dir': str(tmp_path), 'label_topic': 'surface_truth'})
    answer = set_surface(graph, 'ice')
    assert answer.success
    assert answer.message == 'surface is ice; the next message on /surface_truth (label_topic) will override it'


def test_requests_that_make_no_sense_are_refused_with_a_remedy(graph: Graph, tmp_path: Path) -> None:
    graph.start(TrainerNode, {'output_dir': str(tmp_path), 'surfaces': ['gravel', 'grass']})
    assert 'start_recording' in stop(graph).message
    refused = set_surface(graph, 'grvel')
    assert not refused.success
    assert 'gravel, grass' in refused.message
    assert not start(graph, name='a', surface='mud').success
    assert not start(graph, name='../a').success
    assert start(graph, name='a').success
    again = start(graph, name='b')
    assert not again.success
    assert str(tmp_path / 'a') in again.message
    assert stop(graph, discard=True).success
    assert not (tmp_path / 'a').exists()
    (tmp_path / 'c').mkdir()
    taken = start(graph, name='c')
    assert not taken.success
    assert 'exists already' in taken.message


@pytest.mark.requires('mcap', 'rosbags')
def test_the_label_follows_a_topic_and_an_old_label_does_not_reach_into_a_new_drive(
    graph: Graph, tmp_path: Path
) -> None:
    node = graph.start(
        TrainerNode,
        {'output_dir': str(tmp_path), 'topics': ['joint_states'], 'label_topic': 'surface_truth', 'lossless': True},
    )
    labels = graph.publisher(SurfaceTruth, 'surface_truth')
    publisher = graph.publisher(JointState, 'joint_states')
    labels.publish(truth_message(START_NS + 100 * NANOSECONDS, 'ice', 'simulator'))
    graph.wait_for(lambda: values_of_health(node)['surface'] == 'ice', 'the old label')
    assert start(graph, name='drive').success
    # The first sample of the new drive, which began at an earlier time, overtakes its label.
    publisher.publish(joint_state(START_NS))
    wait_for_recorded(graph, node, 2)
    labels.publish(truth_message(START_NS, 'snow', 'simulator'))
    wait_for_recorded(graph, node, 3)
    for number in range(1, 6):
        publisher.publish(joint_state(START_NS + number * NANOSECONDS))
    wait_for_recorded(graph, node, 8)
    assert stop(graph).success
    segments = Recording(tmp_path / 'drive').segments()
    assert segments[-1].surface == 'snow'
    assert segments[-1].start_ns == START_NS


@pytest.mark.requires('mcap', 'rosbags')
def test_a_label_without_a_stamp_holds_from_when_it_came(graph: Graph, tmp_path: Path) -> None:
    node = graph.start(
        TrainerNode,
        {'output_dir': str(tmp_path), 'topics': ['joint_states'], 'label_topic': 'surface_truth', 'lossless': True},
    )
    labels = graph.publisher(SurfaceTruth, 'surface_truth')
    publisher = graph.publisher(JointState, 'joint_states')
    assert start(graph, name='drive').success
    before_ns = time.time_ns()
    publisher.publish(joint_state(before_ns))
    wait_for_recorded(graph, node, 1)
    labels.publish(SurfaceTruth(surface='ice'))
    wait_for_recorded(graph, node, 2)
    publisher.publish(joint_state(time.time_ns() + NANOSECONDS))
    wait_for_recorded(graph, node, 3)
    assert stop(graph).success
    segment = Recording(tmp_path / 'drive').segments()[-1]
    assert segment.surface == 'ice'
    assert before_ns < segment.start_ns <= time.time_ns()
    with Recording(tmp_path / 'drive').reader() as reader:
        assert reader.start_ns >= before_ns - NANOSECONDS


@pytest.mark.requires('mcap', 'rosbags')
def test_a_joystick_sets_the_label(graph: Graph, tmp_path: Path) -> None:
    truths = graph.collect(SurfaceTruth, 'surface_truth', latched=True)
    buttons = ['{button: 0, surface: gravel}', '{button: 1, surface: grass}', '{button: 3, surface: }']
    node = graph.start(TrainerNode, {'output_dir': str(tmp_path), 'topics': ['joint_states'], 'joy_buttons': buttons})
    joystick = graph.publisher(Joy, 'joy')
    publisher = graph.publisher(JointState, 'joint_states')
    assert start(graph, name='drive').success
    for down in (0, 0, 1, 3):
        publisher.publish(joint_state(time.time_ns()))
        # By the clock of another computer, which is a day behind.
        press = Joy(buttons=[int(number == down) for number in range(4)])
        press.header.stamp = to_time(time.time_ns() - 86_400 * NANOSECONDS)
        joystick.publish(press)
    assert [truth.surface for truth in truths.wait_for(3)] == ['gravel', 'grass', '']
    wait_for_recorded(graph, node, 4 + 3)
    assert stop(graph).success
    segments = Recording(tmp_path / 'drive').segments()
    assert [segment.surface for segment in segments] == ['gravel', 'grass', '']
    assert all(abs(segment.start_ns - time.time_ns()) < 60 * NANOSECONDS for segment in segments)


@pytest.mark.parametrize(
    ('buttons', 'word'), [(['{button: 0, surface: mud}'], 'gravel, grass'), (['{knob: 0}'], 'must have button')]
)
def test_buttons_that_make_no_sense_are_refused(graph: Graph, buttons: list[str], word: str) -> None:
    with pytest.raises(SurfaceError, match=word):
        graph.start(TrainerNode, {'joy_buttons': buttons, 'surfaces': ['gravel', 'grass']})


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_full_disk_ends_the_recording_with_an_error_and_leaves_it_readable(
    graph: Graph, small_disk: Path, storage: str
) -> None:
    node = graph.start(
        TrainerNode, {'output_dir': str(small_disk), 'topics': ['joint_states'], 'storage': storage, 'lossless': True}
    )
    publisher = graph.publisher(JointState, 'joint_states')
    assert start(graph, name='drive', surface='gravel').success
    random = np.random.default_rng(0)
    sent: list[Any] = []
    while not node._stopped:
        message = joint_state(START_NS + len(sent) * 10**7)
        message.effort = random.normal(size=500).tolist()  # cannot be compressed
        sent.append(message)
        publisher.publish(message)
        wait_for_recorded_or_stopped(graph, node, len(sent))
        assert len(sent) < 1000
    status = graph.status('trainer', lambda status: level_of(status) == 2, 'an error')
    assert 'recording has stopped' in status.message
    assert 'free space on the disk' in status.message
    assert values_of_health(node)['recording'] == ''
    assert 'recording has stopped' in stop(graph).message
    recording = Recording(small_disk / 'drive')
    with recording.reader() as reader:
        found = [deserialize_message(message.cdr, JointState) for message in reader.messages(['/joint_states'])]
        assert recording.segments(reader)[0].surface == 'gravel'
        assert recording.warnings(reader)
    assert found == sent[: len(found)]
    # Nothing but what came since the last flush is missing: here at most half a second of messages one by one.
    assert len(found) > 20
    # With room again, the next recording works.
    shutil.rmtree(small_disk / 'drive')
    assert start(graph, name='next').success
    publisher.publish(joint_state(START_NS))
    wait_for_recorded(graph, node, 1)
    assert stop(graph).success
    assert level_of(graph.status('trainer', lambda status: level_of(status) == 0, 'that all is well')) == 0


def wait_for_recorded_or_stopped(graph: Graph, node: TrainerNode, count: int) -> None:
    def done() -> bool:
        return bool(node._stopped) or int(values_of_health(node)['messages']) >= count

    graph.wait_for(done, f'{count} recorded messages')


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_simulated_drive_faster_than_real_time_is_recorded_without_loss(
    graph: Graph, tmp_path: Path, storage: str
) -> None:
    graph.start(
        TrainerNode,
        {'output_dir': str(tmp_path), 'label_topic': 'surface_truth', 'lossless': True, 'storage': storage},
    )
    assert start(graph, name='drive').success
    driver = graph.start(
        CurrentDriverNode,
        {'rate': 0.0, 'simulator.duration_s': 30.0, 'simulator.seconds_per_surface': 10.0, 'simulator.seed': 3},
    )
    driver.start()
    graph.wait_for(lambda: driver.health().values['stage'] == 'ended', 'the end of the drive', 60.0)
    summary = stop(graph)
    assert summary.success
    assert len(summary.surfaces) == 3
    assert sum(summary.surface_durations) == pytest.approx(30.0, abs=0.1)
    with Recording(summary.path).reader() as reader:
        blocks = [reader.deserialize(message) for message in reader.messages(['/motor_current'])]
    assert [block.first_sample for block in blocks] == list(range(0, 3000, 10))


def test_a_topic_nobody_publishes_is_told_while_recording(graph: Graph, tmp_path: Path) -> None:
    graph.start(TrainerNode, {'output_dir': str(tmp_path), 'topics': ['nothing'], 'input_timeout_s': 0.2})
    assert start(graph, name='a').success
    status = graph.status('trainer', lambda status: level_of(status) == 1, 'a warning')
    assert '/nothing' in status.message


class TrainClient:
    """Sends one goal and keeps its feedback."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._client = ActionClient(graph.watcher, Train, 'trainer/train')
        self.feedback: list[Any] = []
        graph.wait_for(self._client.server_is_ready, 'the action server')

    def send(self, **goal: Any) -> Any:
        future = self._client.send_goal_async(
            Train.Goal(**goal), feedback_callback=lambda message: self.feedback.append(message.feedback)
        )
        handle = self._graph.result(future)
        assert handle.accepted
        return handle

    def result(self, handle: Any) -> tuple[int, Any]:
        answer = self._graph.result(handle.get_result_async(), TRAINING_S)
        return answer.status, answer.result


def training_file(folder: Path, epochs: int) -> str:
    path = folder / 'recipe.yaml'
    path.write_text(f'epochs: {epochs}\nbatch_size: 8\nnetwork: {{hidden_sizes: [4]}}\n', encoding='utf-8')
    return str(path)


@pytest.fixture
def two_class_dataset(tmp_path: Path) -> Path:
    windows_of = {f'{name}/{number}': {name: 12} for name in ('ice', 'snow') for number in range(4)}
    save_dataset(tmp_path / 'dataset', windows_of)
    return tmp_path / 'dataset'


@pytest.fixture
def client(graph: Graph, tmp_path: Path) -> TrainClient:
    """Give a client of a trainer that writes to the test's folder; the test skips without torch."""
    pytest.importorskip('torch')
    graph.start(TrainerNode, {'output_dir': str(tmp_path)})
    return TrainClient(graph)


def test_training_runs_in_a_child_with_feedback(graph: Graph, tmp_path: Path, two_class_dataset: Path) -> None:
    pytest.importorskip('torch')
    node = graph.start(TrainerNode, {'output_dir': str(tmp_path)})
    client = TrainClient(graph)
    model = tmp_path / 'model'
    handle = client.send(dataset=str(two_class_dataset), model=str(model), config=training_file(tmp_path, 3), seed=5)
    busy = client.send(dataset=str(two_class_dataset), model=str(tmp_path / 'other'))
    assert 'in progress' in client.result(busy)[1].message
    # The node answers while it trains.
    assert set_surface(graph, 'ice').success
    status, result = client.result(handle)
    assert status == GoalStatus.STATUS_SUCCEEDED, result.message
    assert result.success
    contract = load_contract(model)
    assert (result.model, result.model_digest) == (str(model), contract.weights_sha256)
    assert contract.seed == 5
    assert result.accuracy == contract.scores['accuracy']
    epochs = [feedback for feedback in client.feedback if feedback.epoch]
    assert [feedback.epoch for feedback in epochs] == [1, 2, 3]
    assert all(feedback.epochs == 3 and feedback.stage == 'train' for feedback in epochs)
    assert all(math.isfinite(feedback.loss) and math.isfinite(feedback.validation_loss) for feedback in epochs)
    # The first epoch is its own trend; five batches of eight windows have a spread.
    assert epochs[0].loss_low < epochs[0].loss < epochs[0].loss_high
    assert all(feedback.loss_low < feedback.loss_high for feedback in epochs)
    assert [feedback.progress for feedback in epochs] == pytest.approx([1 / 3, 2 / 3, 1.0])
    proof = f'surface diagnose {two_class_dataset} --config {tmp_path / "recipe.yaml"}'
    assert all(feedback.verdict.endswith(proof) for feedback in epochs)
    assert client.feedback[-1].stage == 'export'
    assert (list(result.verdicts), result.diagnosis) == ([], '')
    assert node.health().text == 'ready'


def write_drives(folder: Path, recordings: int, seconds: float = 20.0) -> None:
    for name in ('ice', 'snow'):
        for number in range(recordings):
            write_drive(folder / name / str(number), [(name, seconds)], seed=number)


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.requires('mcap', 'rosbags')
def test_training_from_recordings_builds_the_data_set_first(graph: Graph, tmp_path: Path) -> None:
    pytest.importorskip('torch')
    write_drives(tmp_path / 'drives', recordings=2)
    graph.start(TrainerNode, {'output_dir': str(tmp_path)})
    client = TrainClient(graph)
    handle = client.send(
        recordings=[str(tmp_path / 'drives')], model=str(tmp_path / 'model'), config=training_file(tmp_path, 2)
    )
    status, result = client.result(handle)
    assert status == GoalStatus.STATUS_SUCCEEDED, result.message
    assert client.feedback[0].stage == 'dataset'
    assert any('of 80 s of recordings' in feedback.activity for feedback in client.feedback)
    assert load_contract(tmp_path / 'model').classes == ('ice', 'snow')


@pytest.mark.requires('mcap', 'rosbags')
def test_what_a_failed_goal_built_is_removed_and_what_was_there_stays(graph: Graph, tmp_path: Path) -> None:
    pytest.importorskip('torch')
    # One recording of a surface: none can be held out, as is reported when the data set is there.
    write_drives(tmp_path / 'drives', recordings=1)
    graph.start(TrainerNode, {'output_dir': str(tmp_path)})
    goal = {'recordings': [str(tmp_path / 'drives')], 'model': str(tmp_path / 'models' / 'model')}
    client = TrainClient(graph)
    status, result = client.result(client.send(**goal, config=training_file(tmp_path, 2)))
    assert status == GoalStatus.STATUS_ABORTED
    assert 'held out' in result.message
    assert left_over(tmp_path / 'models') == []
    save_dataset(tmp_path / 'models' / 'model.dataset', {'a': {'ice': 1, 'snow': 1}})
    status, result = client.result(client.send(**goal, config=training_file(tmp_path, 2)))
    assert status == GoalStatus.STATUS_ABORTED
    assert 'there already' in result.message
    assert left_over(tmp_path / 'models') == ['model.dataset']


def test_a_cancelled_training_ends_at_once_and_leaves_nothing(
    graph: Graph, client: TrainClient, tmp_path: Path, two_class_dataset: Path
) -> None:
    model = tmp_path / 'models' / 'model'
    handle = client.send(dataset=str(two_class_dataset), model=str(model), config=training_file(tmp_path, 1_000_000))
    graph.wait_for(lambda: any(feedback.epoch for feedback in client.feedback), 'the first epoch', TRAINING_S)
    result = cancel(graph, client, handle)
    assert 'no model' in result.message
    assert left_over(model.parent) == []


@pytest.mark.requires('mcap', 'rosbags')
def test_cancelled_while_the_data_set_is_built_nothing_is_left(graph: Graph, tmp_path: Path) -> None:
    pytest.importorskip('torch')
    write_drives(tmp_path / 'drives', recordings=2, seconds=120.0)
    graph.start(TrainerNode, {'output_dir': str(tmp_path)})
    client = TrainClient(graph)
    model = tmp_path / 'models' / 'model'
    handle = client.send(recordings=[str(tmp_path / 'drives')], model=str(model))
    graph.wait_for(lambda: left_over(model.parent) != [], 'a data set that is being built', TRAINING_S)
    assert [feedback.stage for feedback in client.feedback] == ['dataset'] * len(client.feedback)
    cancel(graph, client, handle)
    assert left_over(model.parent) == []


def cancel(graph: Graph, client: TrainClient, handle: Any) -> Any:
    """Cancel a goal, check that it ends soon, and return its result."""
    begin_s = time.monotonic()
    graph.result(handle.cancel_goal_async())
    status, result = client.result(handle)
    assert status == GoalStatus.STATUS_CANCELED
    assert not result.success
    assert 'cancelled' in result.message
    assert time.monotonic() - begin_s < CANCEL_TIMEOUT_S + 2.0
    return result


def test_a_diagnosis_follows_the_training_when_it_is_asked_for(
    client: TrainClient, tmp_path: Path, two_class_dataset: Path
) -> None:
    model = tmp_path / 'model'
    goal = {'dataset': str(two_class_dataset), 'config': training_file(tmp_path, 5), 'diagnose': True}
    status, result = client.result(client.send(model=str(model), **goal))
    assert status == GoalStatus.STATUS_SUCCEEDED, result.message
    written = json.loads((tmp_path / 'model.diagnosis.json').read_text(encoding='utf-8'))
    assert result.diagnosis == str(tmp_path / 'model.diagnosis.json')
    # The windows are noise, so there is something to say.
    assert list(result.verdicts) == [verdict['id'] for verdict in written['verdicts']] != ['healthy']
    assert list(result.strengths) == pytest.approx([verdict['strength'] for verdict in written['verdicts']])
    assert list(result.remedies) == [verdict['remedy']['text'] for verdict in written['verdicts']]
    assert list(result.evidence) == [verdict['evidence']['text'] for verdict in written['verdicts']]
    assert list(result.cannot_tell) == [entry['id'] for entry in written['cannot_tell']]
    assert written['dataset']['digest'] == load_contract(model).training_data['digest']
    reports = [feedback for feedback in client.feedback if feedback.stage == 'diagnose']
    assert any(feedback.activity and 0 <= feedback.progress <= 1 for feedback in reports)
    # Another model under the same name would take the old diagnosis for its own.
    shutil.rmtree(model)
    status, result = client.result(client.send(model=str(model), **goal))
    assert status == GoalStatus.STATUS_ABORTED
    assert 'model.diagnosis.json' in result.message


def test_a_cancelled_diagnosis_leaves_the_model(
    graph: Graph, client: TrainClient, tmp_path: Path, two_class_dataset: Path
) -> None:
    model = tmp_path / 'models' / 'model'
    handle = client.send(
        dataset=str(two_class_dataset), model=str(model), config=training_file(tmp_path, 30), diagnose=True
    )
    graph.wait_for(lambda: any(item.stage == 'diagnose' for item in client.feedback), 'the diagnosis', TRAINING_S)
    result = cancel(graph, client, handle)
    assert 'was complete by then and stays' in result.message
    assert result.model_digest == load_contract(model).weights_sha256
    assert left_over(model.parent) == ['model']


def test_a_client_trains_and_its_interruption_cancels(graph: Graph, tmp_path: Path, two_class_dataset: Path) -> None:
    pytest.importorskip('torch')
    node = graph.start(TrainerNode, {'output_dir': str(tmp_path)})
    model = tmp_path / 'model'
    stages: list[str] = []

    def interrupt(feedback: Any) -> None:
        if feedback.epoch:
            raise KeyboardInterrupt

    with TrainerClient() as trainer:
        goal: dict[str, Any] = {'dataset': str(two_class_dataset), 'config': training_file(tmp_path, 2)}
        result = trainer.train(lambda feedback: stages.append(feedback.stage), model=str(model), **goal)
        assert result.model_digest == load_contract(model).weights_sha256
        assert 'train' in stages
        with pytest.raises(SurfaceError, match='/nowhere'):
            trainer.train(model=str(tmp_path / 'other'), dataset='/nowhere')
        goal['config'] = training_file(tmp_path, 1_000_000)
        with pytest.raises(KeyboardInterrupt):
            trainer.train(interrupt, model=str(tmp_path / 'other'), **goal)
        graph.wait_for(lambda: node.health().text == 'ready', 'the end of the training')
    assert not (tmp_path / 'other').exists()


@pytest.mark.parametrize(
    ('goal', 'words'),
    [
        ({'dataset': '/nowhere/dataset'}, ('/nowhere/dataset',)),
        ({'recordings': ['/nowhere/recordings']}, ('/nowhere/recordings',)),
        ({'dataset': 'a', 'config': '/nowhere/recipe.yaml'}, ('/nowhere/recipe.yaml',)),
    ],
)
def test_goals_that_cannot_be_met_are_answered_with_the_reason(
    client: TrainClient, tmp_path: Path, goal: dict[str, Any], words: tuple[str, ...]
) -> None:
    status, result = client.result(client.send(model=str(tmp_path / 'model'), **goal))
    assert status == GoalStatus.STATUS_ABORTED
    assert not result.success
    for word in words:
        assert word in result.message


@pytest.mark.parametrize('goal', [{}, {'dataset': 'a', 'recordings': ['b']}])
def test_goals_that_no_data_could_meet_are_rejected(client: TrainClient, tmp_path: Path, goal: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        client.send(model=str(tmp_path / 'model'), **goal)


def test_an_empty_block_does_not_end_the_recording(graph: Graph, tmp_path: Path) -> None:
    node = graph.start(TrainerNode, {'output_dir': str(tmp_path)})
    publisher_of = graph.watcher.create_publisher(MotorCurrent, 'motor_current', 10)
    graph.wait_for(lambda: publisher_of.get_subscription_count() == 1, 'the trainer')
    assert start(graph, name='a', surface='ice').success
    message = MotorCurrent()
    message.header.stamp = to_time(START_NS)
    publisher_of.publish(message)
    wait_for_recorded(graph, node, 2)
    assert stop(graph).messages == 2
