# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The driver node: pace, back-pressure, the clock, loops, and sources that cannot be opened."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from current_driver.driver_node import CurrentDriverNode
from current_driver.errors import SurfaceError
from current_driver.messages import NANOSECONDS, CurrentBlock, current_block_message
from current_driver.node.qos import stream_qos
from current_driver.recordings.writing.recording_writer import RecordingWriter
from current_driver.testing.drives import START_NS, write_drive
from current_driver.testing.ros_graph import Graph, level_of, values_of
from surface_classifier.nodes.conversion import to_ns
from surface_msgs.msg import MotorCurrent, StreamProgress, SurfaceTruth

REQUIRES = ('rclpy', 'surface_msgs')

ERROR, WARN = 2, 1


class SlowReader:
    """Reads a topic and reports progress only when the test asks it to."""

    def __init__(self, graph: Graph, topic: str, node: Node | None = None) -> None:
        node = node or graph.watcher
        self.received: list[Any] = []
        self.done = 0
        self.name = node.get_fully_qualified_name()
        self._progress = node.create_publisher(StreamProgress, f'{topic}/progress', stream_qos(10, reliable=True))
        node.create_subscription(MotorCurrent, topic, self._take, stream_qos(1000, reliable=True))
        graph.wait_for(lambda: self._progress.get_subscription_count() == 1, 'the driver')
        self.report(0)

    def report(self, done: int) -> None:
        self.done = done
        self._progress.publish(StreamProgress(reader=self.name, received=len(self.received), done=done))

    def follow(self, graph: Graph, count: int, what: str) -> None:
        """Report every message as done until there are so many."""

        def all_there() -> bool:
            self.report(len(self.received))
            return len(self.received) == count

        graph.wait_for(all_there, what)

    def _take(self, message: Any) -> None:
        self.received.append(message)


def start_replay(graph: Graph, tmp_path: Path, *, seconds: float = 20.0, **parameters: int) -> CurrentDriverNode:
    """Start a driver that replays a drive over ice as fast as its readers allow."""
    bag = write_drive(tmp_path / 'bag', [('ice', seconds)])
    driver = graph.start(CurrentDriverNode, {'source': 'replay', 'rate': 0.0, 'replay.paths': [str(bag)], **parameters})
    driver.start()
    return driver


def add_node(graph: Graph, name: str) -> Node:
    node = Node(name, context=graph.context)
    graph.executor.add_node(node)
    return node


def test_a_drive_in_real_time_keeps_its_pace_and_is_stamped_with_the_present(graph: Graph) -> None:
    blocks = graph.collect(MotorCurrent, 'motor_current')
    arrivals_s: list[float] = []
    graph.watcher.create_subscription(
        MotorCurrent, 'motor_current', lambda _: arrivals_s.append(time.monotonic()), stream_qos(100, reliable=True)
    )
    driver = graph.start(CurrentDriverNode, {'block_samples': 10, 'simulator.motors': 4})
    graph.wait_for(lambda: graph.watcher.count_publishers('motor_current') == 1, 'the driver')
    now_ns = time.time_ns()
    driver.start()
    blocks.wait_for(21)
    assert abs(to_ns(blocks[0].header.stamp) - now_ns) < 5 * NANOSECONDS
    assert len(blocks[0].motor_names) == 4
    assert len(blocks[0].current) == 40
    # Twenty blocks of a tenth of a second.
    assert arrivals_s[20] - arrivals_s[0] == pytest.approx(2.0, abs=0.3)


@pytest.mark.requires('mcap', 'rosbags')
def test_a_replay_never_runs_further_ahead_than_its_reader_allows(graph: Graph, tmp_path: Path) -> None:
    driver = start_replay(graph, tmp_path, in_flight=16)
    assert driver.health().values['messages'] == 0
    reader = SlowReader(graph, 'motor_current')
    while len(reader.received) < 200:
        allowed = min(200, reader.done + 16)
        graph.wait_for(lambda allowed=allowed: len(reader.received) == allowed, f'{allowed} blocks')  # type: ignore[misc]
        # It waits there: nothing more comes while nothing is processed.
        settle_s = time.monotonic() + 0.1
        graph.wait_for(lambda settle_s=settle_s: time.monotonic() > settle_s, 'a tenth of a second')  # type: ignore[misc]
        assert len(reader.received) == allowed
        reader.report(allowed)
    assert [block.first_sample for block in reader.received] == list(range(0, 2000, 10))
    graph.wait_for(lambda: driver.health().values['stage'] == 'ended', 'the end')


@pytest.mark.requires('mcap', 'rosbags')
def test_a_replay_waits_for_its_readers_on_every_topic_that_they_name(graph: Graph, tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'bag', [('ice', 5.0)])
    driver = graph.start(CurrentDriverNode, {'source': 'replay', 'rate': 0.0, 'replay.paths': [str(bag)]})
    driver.start()
    labels = graph.collect(SurfaceTruth, 'surface_truth', latched=True)
    blocks = graph.collect(MotorCurrent, 'motor_current')
    progress = {
        topic: graph.publisher(StreamProgress, f'{topic}/progress') for topic in ('surface_truth', 'motor_current')
    }
    topics = [graph.watcher.resolve_topic_name(topic) for topic in progress]

    def report(topic: str, received: int) -> None:
        name = graph.watcher.get_fully_qualified_name()
        progress[topic].publish(StreamProgress(reader=name, received=received, done=received, topics=topics))

    # Heard on one of its topics, the reader may not be found on the other one yet: its first messages would be lost.
    report('surface_truth', 0)
    labels.wait_for(1)
    report('surface_truth', 1)
    settle_s = time.monotonic() + 0.2
    graph.wait_for(lambda: time.monotonic() > settle_s, 'a fifth of a second')
    assert not blocks

    def follow() -> bool:
        report('motor_current', len(blocks))
        return len(blocks) == 50

    graph.wait_for(follow, 'the whole replay')


@pytest.mark.requires('mcap', 'rosbags')
def test_a_reader_that_falls_silent_is_named(graph: Graph, tmp_path: Path) -> None:
    start_replay(graph, tmp_path, in_flight=16)
    reader = SlowReader(graph, 'motor_current')
    status = graph.status('current_driver', lambda status: level_of(status) == WARN, 'the silent reader')
    assert status.message.startswith(f'{reader.name} reports no progress')


@pytest.mark.requires('mcap', 'rosbags')
def test_a_replay_goes_on_for_the_others_when_a_reader_dies(graph: Graph, tmp_path: Path) -> None:
    start_replay(graph, tmp_path, in_flight=16, readers=2)
    mortal = add_node(graph, 'mortal')
    dying = SlowReader(graph, 'motor_current', mortal)
    survivor = SlowReader(graph, 'motor_current')
    graph.wait_for(lambda: len(survivor.received) == 16, 'what may be sent at first')
    survivor.report(16)
    dying.report(4)
    graph.wait_for(lambda: len(survivor.received) == 20, 'what the slower reader lets through')
    graph.executor.remove_node(mortal)
    mortal.destroy_node()

    survivor.report(20)
    graph.wait_for(lambda: len(survivor.received) == 36, 'what the survivor alone allows')

    def named() -> bool:
        survivor.report(20)  # as readers do while they live
        words = f'/mortal has gone; the replay goes on for {survivor.name}'
        return any(status.message == words for status in graph.diagnostics)

    graph.wait_for(named, 'who has gone')
    survivor.follow(graph, 200, 'the whole replay')
    assert [block.first_sample for block in survivor.received] == list(range(0, 2000, 10))


@pytest.mark.requires('mcap', 'rosbags')
def test_a_replay_goes_on_without_a_silent_reader_that_is_still_there(graph: Graph, tmp_path: Path) -> None:
    """As after SIGSTOP, or in a debugger."""
    start_replay(graph, tmp_path, in_flight=16, readers=2)
    sleeper = add_node(graph, 'sleeper')
    silent = SlowReader(graph, 'motor_current', sleeper)
    reader = SlowReader(graph, 'motor_current')
    graph.wait_for(lambda: len(reader.received) == 16, 'what may be sent at first')

    def named() -> bool:
        reader.report(16)
        return any('/sleeper has reported no progress for 5 s' in status.message for status in graph.diagnostics)

    graph.wait_for(named, 'who is silent')
    reader.follow(graph, 200, 'the whole replay')
    assert len(silent.received) == 200
    graph.executor.remove_node(sleeper)
    sleeper.destroy_node()


@pytest.mark.requires('mcap', 'rosbags')
def test_a_reader_is_not_awaited_for_good_on_a_topic_that_it_has_only_named(graph: Graph, tmp_path: Path) -> None:
    start_replay(graph, tmp_path, seconds=2.0)
    progress = graph.watcher.create_publisher(StreamProgress, 'motor_current/progress', stream_qos(100, reliable=True))
    blocks = graph.collect(MotorCurrent, 'motor_current')
    graph.wait_for(lambda: progress.get_subscription_count() > 0, 'the driver')

    def follow() -> bool:
        topics = ['/motor_current', '/surface_truth']
        progress.publish(StreamProgress(reader='/half', received=len(blocks), done=len(blocks), topics=topics))
        return len(blocks) == 20

    graph.wait_for(follow, 'the whole replay')


@pytest.mark.requires('mcap', 'rosbags')
def test_a_replay_whose_only_reader_dies_waits_for_its_return(graph: Graph, tmp_path: Path) -> None:
    start_replay(graph, tmp_path, in_flight=16)
    mortal = add_node(graph, 'mortal')
    dying = SlowReader(graph, 'motor_current', mortal)
    graph.wait_for(lambda: len(dying.received) == 16, 'what may be sent at first')
    graph.executor.remove_node(mortal)
    mortal.destroy_node()
    graph.status('current_driver', lambda status: 'the replay waits for a reader' in status.message, 'who has gone')
    assert len(dying.received) == 16
    heir = SlowReader(graph, 'motor_current')
    heir.follow(graph, 200 - 16, 'the rest of the replay')


@pytest.mark.requires('mcap', 'rosbags')
def test_a_replay_without_readers_says_what_it_waits_for(graph: Graph, tmp_path: Path) -> None:
    start_replay(graph, tmp_path, seconds=2.0)
    status = graph.status('current_driver', lambda status: level_of(status) == WARN, 'that it waits')
    assert 'lossless' in status.message


@pytest.mark.requires('mcap', 'rosbags')
def test_the_clock_runs_with_the_stamps(graph: Graph, tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'bag', [('ice', 3.0)])
    clock = graph.collect(Clock, '/unused')
    ticks: list[int] = []
    graph.watcher.create_subscription(
        Clock, '/clock', lambda message: ticks.append(to_ns(message.clock)), stream_qos(100, reliable=False)
    )
    blocks = graph.collect(MotorCurrent, 'motor_current')
    driver = graph.start(
        CurrentDriverNode, {'source': 'replay', 'rate': 10.0, 'publish_clock': True, 'replay.paths': [str(bag)]}
    )
    graph.wait_for(lambda: graph.watcher.count_publishers('/clock') == 1, 'the clock')
    driver.start()
    blocks.wait_for(30)
    graph.wait_for(lambda: bool(ticks) and ticks[-1] == START_NS + 2_990_000_000, 'the last tick')
    assert ticks == sorted(ticks)
    assert not clock


@pytest.mark.requires('mcap', 'rosbags')
def test_a_loop_starts_over_as_another_stream(graph: Graph, tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'bag', [('ice', 1.0), ('snow', 1.0)])
    blocks = graph.collect(MotorCurrent, 'motor_current')
    truths = graph.collect(SurfaceTruth, 'surface_truth')
    driver = graph.start(
        CurrentDriverNode,
        {'source': 'replay', 'rate': 20.0, 'replay.loop': True, 'replay.paths': [str(bag)]},
        namespace='robot1',
    )
    blocks_of_robot = graph.collect(MotorCurrent, 'robot1/motor_current')
    truths_of_robot = graph.collect(SurfaceTruth, 'robot1/surface_truth', latched=True)
    graph.wait_for(lambda: graph.watcher.count_publishers('robot1/motor_current') == 1, 'the driver')
    driver.start()
    first, second = blocks_of_robot.wait_for(40)[:20], blocks_of_robot[20:40]
    assert [block.first_sample for block in first] == [block.first_sample for block in second]
    assert len({block.stream_id for block in (*first, *second)}) == 2
    assert [truth.surface for truth in truths_of_robot.wait_for(3)[:3]] == ['ice', 'snow', 'ice']
    assert not blocks
    assert not truths


@pytest.mark.requires('mcap', 'rosbags')
def test_a_pause_inside_a_recording_is_kept_and_the_time_between_two_is_not(graph: Graph, tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / 'paused', flush_interval_s=None) as writer:
        for first_sample, second in ((0, 0), (1, 20)):
            stamps_ns = np.array([START_NS + second * NANOSECONDS])
            block = CurrentBlock(stamps_ns, np.ones((1, 2)), ('left', 'right'), first_sample)
            writer.write_message('motor_current', current_block_message(block), int(stamps_ns[0]))
    next_day = write_drive(tmp_path / 'next_day', [('ice', 0.1)], start_ns=START_NS + 86_400 * NANOSECONDS)
    arrivals_s: list[float] = []
    graph.watcher.create_subscription(
        MotorCurrent, 'motor_current', lambda _: arrivals_s.append(time.monotonic()), stream_qos(100, reliable=True)
    )
    paths = [str(tmp_path / 'paused'), str(next_day)]
    driver = graph.start(CurrentDriverNode, {'source': 'replay', 'rate': 10.0, 'replay.paths': paths})
    graph.wait_for(lambda: graph.watcher.count_publishers('motor_current') == 1, 'the driver')
    driver.start()
    graph.wait_for(lambda: len(arrivals_s) == 3, 'three blocks')
    assert arrivals_s[1] - arrivals_s[0] == pytest.approx(2.0, abs=0.3)
    assert arrivals_s[2] - arrivals_s[1] < 1.0


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'source': 'replay'}, ('no recording',)),
        ({'source': 'replay', 'replay.paths': ['/nowhere/bag']}, ('/nowhere/bag',)),
        ({'simulator.surfaces': ['lava']}, ('lava', 'gravel')),
        ({'simulator.motors': 3}, ('motors',)),
    ],
)
def test_a_source_that_cannot_be_opened_is_told_and_the_node_stays(
    graph: Graph, parameters: dict[str, Any], words: tuple[str, ...]
) -> None:
    driver = graph.start(CurrentDriverNode, parameters)
    driver.start()
    status = graph.status('current_driver', lambda status: level_of(status) == ERROR, 'an error')
    for word in words:
        assert word in status.message


def test_a_source_that_cannot_be_opened_ends_a_driver_that_is_to_end(graph: Graph) -> None:
    driver = graph.start(
        CurrentDriverNode, {'source': 'replay', 'replay.paths': ['/nowhere/bag'], 'exit_when_done': True}
    )
    with pytest.raises(SurfaceError, match='/nowhere/bag'):
        driver.start()


def test_warnings_of_a_recording_are_in_the_report(graph: Graph, tmp_path: Path) -> None:
    csv = tmp_path / 'drive.csv'
    rows = [f'{number / 100},1.0,2.0' for number in range(50)]
    csv.write_text('\n'.join(['time,curL,curR', *rows, '0.5,1.0']), encoding='utf-8')
    driver = graph.start(CurrentDriverNode, {'source': 'replay', 'replay.paths': [str(csv)]})
    driver.start()
    status = graph.status('current_driver', lambda status: 'warnings' in values_of(status), 'the warning')
    assert 'drive.csv' in values_of(status)['warnings']


@pytest.mark.requires('mcap', 'rosbags')
def test_the_rate_of_a_replay_can_change_at_run_time(graph: Graph, tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'bag', [('ice', 60.0)])
    blocks = graph.collect(MotorCurrent, 'motor_current')
    driver = graph.start(CurrentDriverNode, {'source': 'replay', 'rate': 0.5, 'replay.paths': [str(bag)]})
    driver.start()
    blocks.wait_for(2)
    begin_s = time.monotonic()
    assert driver.set_parameters([Parameter('rate', value=100.0)])[0].successful
    blocks.wait_for(600)
    assert time.monotonic() - begin_s < 15.0  # 120 s at the rate of before
    for value, expected in ((-1.0, 'must lie between 0 and'), (0.0, 'chosen at the start alone')):
        answer = driver.set_parameters([Parameter('rate', value=value)])[0]
        assert not answer.successful
        assert expected in answer.reason or 'range' in answer.reason
    assert driver.get_parameter('rate').value == driver.values['rate'] == 100.0


def test_a_parameter_that_cannot_change_says_why(graph: Graph) -> None:
    driver = graph.start(CurrentDriverNode)
    answer = driver.set_parameters([Parameter('source', value='replay')])[0]
    assert not answer.successful
    assert 'read-only' in answer.reason
    description = driver.describe_parameter('source').description
    assert description.endswith(
        'Read-only: the node makes its publishers, subscriptions, threads and source of it at the start.'
    )
    assert driver.describe_parameter('rate').description.endswith('[1] Can change at run time.')


def test_a_driver_beside_another_publisher_is_idle(graph: Graph) -> None:
    driver = graph.start(CurrentDriverNode, {'source': 'topic'})
    driver.start()
    status = graph.status('current_driver', lambda status: 'idle' in status.message, 'that it is idle')
    assert (level_of(status), status.message) == (0, 'idle: another node publishes the input')
    assert status.hardware_id
    answer = driver.set_parameters([Parameter('rate', value=2.0)])[0]
    assert 'source topic has no pace' in answer.reason
