# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reading rosbag2 recordings: both storages, unknown types, latched topics, bags that were never closed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from foreign_bags import LATCHED
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.messages import MOTOR_CURRENT, SURFACE_TRUTH, CurrentBlock, StampedMessage
from current_driver.recordings.reading.open_recording import open_recording

START_NS = 1_000_000_000 * 10**9


def recorded(count: int = 30) -> list[StampedMessage]:
    """Return a label and motor currents, ten blocks a second."""
    found = [messages.stamped('surface_truth', messages.truth_message(START_NS, 'carpet', 'operator'), START_NS)]
    for index in range(count):
        stamps = START_NS + index * 10**8 + np.arange(10, dtype=np.int64) * 10**7
        block = CurrentBlock(stamps, np.full((10, 2), float(index)), ('left', 'right'), 10 * index)
        found.append(messages.stamped('motor_current', messages.current_block_message(block), int(stamps[-1])))
    return found


def write_bag(path: Path, found: list[StampedMessage], storage: StoragePlugin) -> Path:
    """Write a bag with rosbags."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for message in found:
            if message.topic not in connections:
                qos = [LATCHED] if message.topic == 'surface_truth' else []
                connections[message.topic] = writer.add_connection(
                    message.topic, message.msgtype, typestore=messages.typestore(), offered_qos_profiles=qos
                )
            writer.write(connections[message.topic], message.stamp_ns, message.cdr)
        writer.set_custom_data('operator', 'Ada')
    return path


def write_open_mcap(path: Path, found: list[StampedMessage], use_chunking: bool, close: bool = False) -> Path:
    """Write an MCAP file and leave it as a killed recorder does, without its end."""
    with path.open('wb') as stream:
        writer = McapWriter(stream, chunk_size=2000, use_chunking=use_chunking)
        writer.start('ros2', 'test')
        channels: dict[str, int] = {}
        for message in found:
            if message.topic not in channels:
                text = messages.definition(message.msgtype).encode()
                schema = writer.register_schema(message.msgtype, 'ros2msg', text)
                channels[message.topic] = writer.register_channel(message.topic, 'cdr', schema)
            writer.add_message(channels[message.topic], message.stamp_ns, message.cdr, message.stamp_ns)
        if close:
            writer.finish()
        stream.flush()
    return path


@pytest.mark.parametrize('storage', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_both_storages_give_back_what_was_written(tmp_path: Path, storage: StoragePlugin) -> None:
    found = recorded()
    with open_recording(write_bag(tmp_path / 'bag', found, storage)) as reader:
        assert list(reader.messages()) == found
        assert reader.topics == {'surface_truth': SURFACE_TRUTH, 'motor_current': MOTOR_CURRENT}
        assert reader.latched_topics == {'surface_truth'}
        assert reader.message_counts == {'surface_truth': 1, 'motor_current': 30}
        assert (reader.start_ns, reader.end_ns) == (found[0].stamp_ns, found[-1].stamp_ns)
        assert reader.metadata == {'operator': 'Ada'}
        assert reader.warnings == []
        assert 'MSG: std_msgs/Header' in reader.definitions[MOTOR_CURRENT]
        assert reader.deserialize(found[3]).first_sample == 20
        assert list(reader.messages(['motor_current'], found[5].stamp_ns)) == found[5:]


def test_storage_file_alone_is_a_recording(tmp_path: Path) -> None:
    found = recorded()
    bag = write_bag(tmp_path / 'bag', found, StoragePlugin.MCAP)
    with open_recording(next(bag.glob('*.mcap'))) as reader:
        assert list(reader.messages()) == found
        assert reader.latched_topics == {'surface_truth'}


def test_folder_without_metadata_is_read(tmp_path: Path) -> None:
    found = recorded()
    bag = write_bag(tmp_path / 'bag', found, StoragePlugin.SQLITE3)
    (bag / 'metadata.yaml').unlink()
    with open_recording(bag) as reader:
        assert list(reader.messages()) == found


@pytest.mark.parametrize('use_chunking', [False, True])
@pytest.mark.parametrize('keep', [1.0, 0.7, 0.31])
def test_unclosed_mcap_gives_all_whole_messages(tmp_path: Path, use_chunking: bool, keep: float) -> None:
    found = recorded(100)
    path = write_open_mcap(tmp_path / 'cut.mcap', found, use_chunking)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])

    with open_recording(path) as reader:
        got = list(reader.messages())
        assert got == found[: len(got)]
        assert len(got) >= len(found) * keep - 12  # the record or the chunk that was being written is lost
        assert reader.end_ns == got[-1].stamp_ns
        assert sum(reader.message_counts.values()) == len(got)
        assert len(reader.warnings) == 1
        assert f'{len(got)} messages' in reader.warnings[0]


def test_bag_of_a_killed_recorder_with_stale_metadata(tmp_path: Path) -> None:
    found = recorded()
    bag = write_bag(tmp_path / 'bag', found[:1], StoragePlugin.MCAP)
    write_open_mcap(next(bag.glob('*.mcap')), found, use_chunking=False)
    with open_recording(bag) as reader:
        assert list(reader.messages()) == found
        assert reader.metadata == {'operator': 'Ada'}


def test_unindexed_messages_out_of_order_come_out_in_order(tmp_path: Path) -> None:
    found = recorded()
    shuffled = found[:10] + found[20:] + found[10:20]
    path = write_open_mcap(tmp_path / 'mixed.mcap', shuffled, use_chunking=False, close=True)
    with open_recording(path) as reader:
        assert list(reader.messages()) == found
        assert reader.warnings == []


def test_split_bag_is_one_recording(tmp_path: Path) -> None:
    found = recorded()
    bag = tmp_path / 'bag'
    bag.mkdir()
    write_open_mcap(bag / 'bag_0.mcap', found[:12], use_chunking=True, close=True)
    write_open_mcap(bag / 'bag_1.mcap', found[12:], use_chunking=True, close=True)
    with open_recording(bag) as reader:
        assert list(reader.messages()) == found
        assert reader.end_ns == found[-1].stamp_ns


def test_type_that_only_the_bag_knows(tmp_path: Path) -> None:
    text = 'std_msgs/Header header\nfloat64[] amps\n'
    store = messages.new_typestore()
    store.register(get_types_from_msg(text, 'robot_msgs/msg/Drive'))
    drive = store.types['robot_msgs/msg/Drive'](header=messages.header(START_NS), amps=np.array([1.5, 2.5]))
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('drive', 'robot_msgs/msg/Drive', typestore=store)
        writer.write(connection, START_NS, bytes(store.serialize_cdr(drive, 'robot_msgs/msg/Drive')))
    with open_recording(tmp_path / 'bag') as reader:
        (message,) = reader.messages()
        np.testing.assert_array_equal(reader.deserialize(message).amps, [1.5, 2.5])
        assert 'float64[] amps' in reader.definitions['robot_msgs/msg/Drive']
    assert 'robot_msgs/msg/Drive' not in messages.typestore().types


def test_definition_in_the_bag_wins_over_ours(tmp_path: Path) -> None:
    text = messages.surface_msgs_definitions()[SURFACE_TRUTH] + 'float64 certainty\n'
    store = messages.new_typestore()
    del store.fielddefs[SURFACE_TRUTH], store.types[SURFACE_TRUTH]
    store.register(get_types_from_msg(text, SURFACE_TRUTH))
    truth = store.types[SURFACE_TRUTH](messages.header(START_NS), 'ice', 'operator', certainty=0.5)
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('surface_truth', SURFACE_TRUTH, typestore=store)
        writer.write(connection, START_NS, bytes(store.serialize_cdr(truth, SURFACE_TRUTH)))
    with open_recording(tmp_path / 'bag') as reader:
        assert reader.deserialize(next(reader.messages())).certainty == 0.5


def test_bad_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match='no such recording'):
        open_recording(tmp_path / 'nothing')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(SurfaceError, match=r'empty: not a recording'):
        open_recording(tmp_path / 'empty')
    (tmp_path / 'noise.mcap').write_bytes(b'\x00' * 500)
    with pytest.raises(SurfaceError, match=r'noise.mcap: cannot be read'):
        open_recording(tmp_path / 'noise.mcap')
    (tmp_path / 'noise.db3').write_bytes(b'\x01' * 500)
    with pytest.raises(SurfaceError, match=r'noise.db3: cannot be read'):
        open_recording(tmp_path / 'noise.db3')
    (tmp_path / 'notes.txt').write_text('hello')
    with pytest.raises(SurfaceError, match=r'notes.txt: not a recording'):
        open_recording(tmp_path / 'notes.txt')
    write_open_mcap(tmp_path / 'none.mcap', [], use_chunking=False, close=True)
    with pytest.raises(SurfaceError, match='holds no message'):
        open_recording(tmp_path / 'none.mcap')


def test_broken_metadata_and_missing_file_are_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', recorded(), StoragePlugin.MCAP)
    next(bag.glob('*.mcap')).rename(bag / 'other.txt')
    with pytest.raises(SurfaceError, match=r'bag.mcap: .*missing'):
        open_recording(bag)
    (bag / 'metadata.yaml').write_text('x: [')
    with pytest.raises(SurfaceError, match=r'metadata\.yaml: is not YAML'):
        open_recording(bag)


def test_missing_topic_says_which_exist(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', recorded(), StoragePlugin.MCAP)
    sentence = "no topic 'joint_states'; it has motor_current, surface_truth"
    with open_recording(bag) as reader, pytest.raises(SurfaceError, match=sentence):
        reader.messages(['joint_states'])


def test_bytes_that_do_not_fit_their_type_are_named(tmp_path: Path) -> None:
    with open_recording(write_bag(tmp_path / 'bag', recorded(), StoragePlugin.MCAP)) as reader:
        with pytest.raises(SurfaceError, match="'motor_current' at 5 ns"):
            reader.deserialize(StampedMessage('motor_current', MOTOR_CURRENT, 5, b'\x00\x01\x00\x00\x01'))
        with pytest.raises(SurfaceError, match='does not define'):
            reader.deserialize(StampedMessage('drive', 'robot_msgs/msg/Drive', 5, b'\x00\x01\x00\x00\x01'))


def test_metadata_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / 'bag' / 'metadata.yaml').mkdir(parents=True)
    with pytest.raises(SurfaceError, match=r'metadata\.yaml: cannot be read \(Is a directory\)'):
        open_recording(tmp_path / 'bag')
