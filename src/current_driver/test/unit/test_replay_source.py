# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Replay of recordings: order, offset, loop, topics and what is refused."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.messages import MOTOR_CURRENT, SURFACE_TRUTH, CurrentBlock, StampedMessage
from current_driver.replay_source import ReplaySource
from current_driver.testing.drives import write_drive

START_NS = 1_000_000_000 * 10**9
SECOND = 10**9


def recorded(
    seconds: int, start_ns: int = START_NS, surfaces: tuple[str, ...] = ('carpet', 'ice')
) -> list[StampedMessage]:
    """Return labels, one for each equal part of the time, and motor currents in ten blocks a second."""
    found = []
    for index, surface in enumerate(surfaces):
        stamp = start_ns + index * seconds * SECOND // len(surfaces)
        found.append(messages.stamped('/surface_truth', messages.truth_message(stamp, surface, 'operator'), stamp))
    for index in range(seconds * 10):
        stamps = start_ns + index * 10**8 + np.arange(10, dtype=np.int64) * 10**7
        block = CurrentBlock(stamps, np.full((10, 2), float(index)), ('left', 'right'), 10 * index)
        found.append(messages.stamped('/motor_current', messages.current_block_message(block), int(stamps[-1])))
    return sorted(found, key=lambda message: message.stamp_ns)


def write_bag(path: Path, found: list[StampedMessage]) -> Path:
    """Write a bag."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for message in found:
            if message.topic not in connections:
                connections[message.topic] = writer.add_connection(
                    message.topic, message.msgtype, typestore=messages.typestore()
                )
            writer.write(connections[message.topic], message.stamp_ns, message.cdr)
    return path


def play(source: ReplaySource, limit: int | None = None) -> list[StampedMessage]:
    """Return all messages, or the first ones; a block never steps back in time."""
    found: list[StampedMessage] = []
    with source:
        while (block := source.read_block()) is not None and (limit is None or len(found) < limit):
            assert all(one.stamp_ns <= other.stamp_ns for one, other in pairwise(block))
            found.extend(block)
    return found[:limit]


def test_first_playback_is_bit_equal(tmp_path: Path) -> None:
    found = recorded(12)
    source = ReplaySource([write_bag(tmp_path / 'bag', found)])
    assert play(source) == found
    with source:
        assert source.topics == {'/motor_current': MOTOR_CURRENT, '/surface_truth': SURFACE_TRUTH}
        assert source.latched_topics == {'/surface_truth'}
    assert source.read_block() is None


def test_csv_is_played_too(tmp_path: Path) -> None:
    (tmp_path / 'run.csv').write_text('time,curL,curR\n0,1,2\n0.5,3,4\n1.0,5,6\n')
    found = play(ReplaySource([tmp_path / 'run.csv', tmp_path / 'run.csv']))
    stamps = [message.stamp_ns for message in found]
    assert np.diff(stamps).tolist() == [SECOND // 2, SECOND // 2, 86_399 * SECOND, SECOND // 2, SECOND // 2]


def test_recordings_follow_each_other_with_another_stream(tmp_path: Path) -> None:
    one, other = recorded(3), recorded(4, START_NS + 100 * SECOND)
    source = ReplaySource([write_bag(tmp_path / 'one', one), write_bag(tmp_path / 'other', other)])
    found = play(source)
    assert source.playing == tmp_path / 'other'
    assert found[: len(one)] == one
    assert [(m.topic, m.stamp_ns) for m in found[len(one) :]] == [(m.topic, m.stamp_ns) for m in other]
    again = [messages.deserialize(m.cdr, m.msgtype) for m in found[len(one) :] if m.topic == '/motor_current']
    assert len({block.stream_id for block in again}) == 1
    assert again[0].stream_id != 0
    assert [block.first_sample for block in again] == [10 * index for index in range(40)]


def test_loop_steps_back_and_changes_the_stream_every_round(tmp_path: Path) -> None:
    found = recorded(2)
    played = play(ReplaySource([write_bag(tmp_path / 'bag', found)], loop=True), 3 * len(found))
    assert [m.stamp_ns for m in played] == 3 * [m.stamp_ns for m in found]
    blocks = [messages.deserialize(m.cdr, m.msgtype) for m in played if m.topic == '/motor_current']
    ids = [block.stream_id for block in blocks]
    assert len(set(ids)) == 3
    assert ids == sorted(ids, key=ids.index)


def test_the_recording_that_a_block_comes_from_is_counted_over_all_rounds(tmp_path: Path) -> None:
    bags = [write_bag(tmp_path / name, recorded(1)) for name in ('a', 'b')]
    with ReplaySource(bags, loop=True) as source:
        numbers: list[int] = []
        while len(set(numbers)) < 5:
            assert source.read_block()
            assert source.playing == bags[source.playback % 2]
            numbers.append(source.playback)
    assert numbers == sorted(numbers)
    assert set(numbers) == {0, 1, 2, 3, 4}


def test_start_offset_keeps_the_label_that_holds(tmp_path: Path) -> None:
    found = recorded(10)
    bag = write_bag(tmp_path / 'bag', found)
    start_ns = START_NS + 3 * SECOND
    played = play(ReplaySource([bag], start_offset_s=3.0))
    assert messages.deserialize(played[0].cdr, SURFACE_TRUTH).surface == 'carpet'
    assert played[0].stamp_ns == start_ns
    assert played[1:] == [message for message in found if message.stamp_ns >= start_ns]


def test_only_the_topics_asked_for_are_played(tmp_path: Path) -> None:
    found = recorded(2)
    source = ReplaySource([write_bag(tmp_path / 'bag', found)], topics=['motor_current'])
    assert play(source) == [message for message in found if message.topic == '/motor_current']
    with source:
        assert source.topics == {'/motor_current': MOTOR_CURRENT}
        assert source.latched_topics == frozenset()


@pytest.mark.parametrize('wanted', ['motor_current', '/motor_current'])
def test_a_topic_is_found_by_its_relative_and_its_absolute_name(tmp_path: Path, wanted: str) -> None:
    bag = write_drive(tmp_path / 'bag', [('ice', 1.0)])
    with ReplaySource([bag], topics=[wanted]) as source:
        assert list(source.topics) == ['/motor_current']


def test_recordings_that_name_a_topic_with_and_without_slash_play_one_topic(tmp_path: Path) -> None:
    (tmp_path / 'run.csv').write_text('time,curL,curR\n0,1,2\n0.5,3,4\n1.0,5,6\n')
    old = [dataclasses.replace(message, topic=message.topic.lstrip('/')) for message in recorded(1)]
    bags = [write_bag(tmp_path / 'new', recorded(1)), write_bag(tmp_path / 'old', old), tmp_path / 'run.csv']
    with ReplaySource(bags) as source:
        assert source.topics == {'/motor_current': MOTOR_CURRENT, '/surface_truth': SURFACE_TRUTH}
        assert source.latched_topics == {'/surface_truth'}
    played = play(ReplaySource(bags, topics=['motor_current']))
    assert {message.topic for message in played} == {'/motor_current'}
    assert len(played) == 10 + 10 + 3


def test_a_bag_that_names_a_topic_in_both_ways_plays_one_topic_and_its_label(tmp_path: Path) -> None:
    both = [
        dataclasses.replace(message, topic=message.topic.lstrip('/')) if index % 2 else message
        for index, message in enumerate(recorded(4))
    ]
    bag = write_bag(tmp_path / 'both', both)
    played = play(ReplaySource([bag], topics=['/motor_current'], start_offset_s=1.0))
    expected = [message for message in both if message.topic.endswith('motor_current')]
    assert [message.cdr for message in played] == [m.cdr for m in expected if m.stamp_ns >= START_NS + SECOND]
    assert {message.topic for message in played} == {'/motor_current'}


def test_bad_requests_are_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', recorded(2))
    with pytest.raises(SurfaceError, match='no recording is given'):
        ReplaySource([])
    with pytest.raises(SurfaceError, match='-1'):
        ReplaySource([bag], start_offset_s=-1.0)
    with pytest.raises(SurfaceError, match=r'99 s lies behind the end .* lasts 1\.99 s'):
        ReplaySource([bag], start_offset_s=99.0).open()
    with pytest.raises(SurfaceError, match="no topic 'imu' to replay; there are /motor_current, /surface_truth"):
        ReplaySource([bag], topics=['imu']).open()
    with pytest.raises(SurfaceError, match='no such recording'):
        ReplaySource([bag, tmp_path / 'none']).open()


def test_topic_with_two_types_is_refused(tmp_path: Path) -> None:
    one = write_bag(tmp_path / 'one', recorded(1))
    truth = messages.truth_message(START_NS, 'ice', 'operator')
    other = write_bag(tmp_path / 'other', [messages.stamped('/motor_current', truth, START_NS)])
    with pytest.raises(SurfaceError, match="'/motor_current' has the type"):
        ReplaySource([one, other]).open()


@pytest.mark.parametrize('loop', [False, True])
def test_a_replay_that_finds_no_message_says_so(tmp_path: Path, loop: bool) -> None:
    imu = messages.stamped('/imu', messages.imu_message(START_NS, np.zeros(3), np.zeros(3), 'imu_link'), START_NS)
    bag = write_bag(tmp_path / 'bag', [imu, *recorded(4)])
    with (
        ReplaySource([bag], start_offset_s=2.0, topics=['imu'], loop=loop) as source,
        pytest.raises(SurfaceError, match=r'bag: from 2 s on there is no message of /imu to replay'),
    ):
        source.read_block()
