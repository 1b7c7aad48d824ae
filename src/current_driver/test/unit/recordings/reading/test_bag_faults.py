# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Bags with faults that must not change other values: texts, clocks of single topics, odd times and metadata."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest
import yaml
import zstandard
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore

from current_driver import messages
from current_driver.errors import DamagedMessageError, SurfaceError
from current_driver.recordings.reading.file_order import bounded_times
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.recording import find_recordings
from current_driver.recordings.repair.bag_recovery import recover_bag
from current_driver.testing.drives import START_NS, write_drive

SECOND = messages.NANOSECONDS
BAD = b'm\xf6tor'  # Latin-1
TEXT = struct.pack('<I', len(BAD) + 1) + BAD + b'\0'
BLOB = 'test_msgs/msg/Blob'
BLOB_DEFINITION = 'uint8[] data\nstring name\nstring other\n'


def blob(data: bytes, name: str, other: str) -> tuple[Typestore, bytes]:
    store = messages.new_typestore()
    store.register(get_types_from_msg(BLOB_DEFINITION, BLOB))
    message = store.types[BLOB](data=np.frombuffer(data, np.uint8), name=name, other=other)
    return store, bytes(store.serialize_cdr(message, BLOB))


def blob_bag(path: Path, cdr: bytes, store: Typestore) -> Path:
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('blob', BLOB, typestore=store)
        writer.write(connection, START_NS, cdr)
    return path


@pytest.mark.parametrize('data', [b'', BAD, TEXT, TEXT + TEXT, b'\0\0' + TEXT], ids=len)
def test_a_text_that_is_no_utf8_is_repaired_and_the_same_bytes_elsewhere_stay(tmp_path: Path, data: bytes) -> None:
    store, cdr = blob(data, 'motor', 'motor')
    text = struct.pack('<I', 6) + b'motor\0'
    assert cdr.count(text) == 2
    with open_recording(blob_bag(tmp_path / 'bag', cdr.replace(text, TEXT), store)) as reader:
        (stamped,) = reader.messages()
        message = reader.deserialize(stamped)
    assert bytes(message.data) == data
    assert (message.name, message.other) == ('m?tor', 'm?tor')


def test_a_text_cut_short_by_its_message_is_damage(tmp_path: Path) -> None:
    store, cdr = blob(b'', 'motor', '')
    cut = cdr[: cdr.index(b'motor')] + b'm\xf6'
    with open_recording(blob_bag(tmp_path / 'bag', cut, store)) as reader:
        (stamped,) = reader.messages()
        with pytest.raises(DamagedMessageError):
            reader.deserialize(stamped)


@pytest.mark.parametrize('storage', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_clock_of_one_topic_that_is_set_back_costs_its_messages_alone(tmp_path: Path, storage: StoragePlugin) -> None:
    cdr = messages.serialize(messages.imu_message(START_NS, np.zeros(3), np.zeros(3), ''))
    path = tmp_path / 'bag'
    with Writer(path, version=9, storage_plugin=storage) as writer:
        steady, stepped = (
            writer.add_connection(name, messages.IMU, typestore=messages.typestore()) for name in ('steady', 'stepped')
        )
        for index in range(200):
            stamp = START_NS + index * SECOND // 20
            writer.write(steady, stamp, cdr)
            writer.write(stepped, stamp - (3 * SECOND if index >= 100 else 0), cdr)
    with open_recording(path) as reader:
        counts = {name: sum(1 for _ in reader.messages([name])) for name in reader.topics}
        assert counts['steady'] == 200
        assert 60 <= counts['stepped'] < 200
        assert len(reader.warnings) == 1
        assert 'the messages of stepped in that stretch are left out' in reader.warnings[0]


@pytest.mark.parametrize('use_chunking', [True, False])
@pytest.mark.parametrize('log_ns', [2**63, 2**64 - 1])
def test_log_times_beyond_int64_cost_their_messages_alone(tmp_path: Path, log_ns: int, use_chunking: bool) -> None:
    file = tmp_path / 'odd.mcap'
    cdr = messages.serialize(messages.truth_message(START_NS, 'ice', 'operator'))
    with file.open('wb') as stream:
        writer = McapWriter(stream, use_chunking=use_chunking)
        writer.start('ros2', 'test')
        text = messages.definition(messages.SURFACE_TRUTH).encode()
        schema = writer.register_schema(messages.SURFACE_TRUTH, 'ros2msg', text)
        channel = writer.register_channel('truth', 'cdr', schema)
        for stamp in (START_NS, START_NS + 1, log_ns):
            writer.add_message(channel, stamp, cdr, START_NS)
        writer.finish()
    with open_recording(file) as reader:
        assert [message.stamp_ns for message in reader.messages()] == [START_NS, START_NS + 1, log_ns]
    result = recover_bag(file, tmp_path / 'saved')
    assert result.messages == {'truth': 2}
    assert '1 messages of topic truth, whose stamps cannot be stored' in result.lost


def test_log_times_above_int64_are_the_largest_ones() -> None:
    assert bounded_times([5, 2**63, 2**64 - 1]).tolist() == [5, 2**63 - 1, 2**63 - 1]


ODD_METADATA = [
    ('relative_file_paths', 5),
    ('relative_file_paths', 'drive_0.mcap'),
    ('relative_file_paths', [['drive_0.mcap']]),
    ('relative_file_paths', {'a': 1}),
    ('custom_data', [1]),
    ('custom_data', 'operator'),
    ('message_count', 'many'),
    ('message_count', [1]),
    ('message_count', True),
    ('storage_identifier', 5),
    ('compression_mode', ['file']),
    ('compression_format', {}),
]


@pytest.mark.parametrize(('key', 'value'), ODD_METADATA, ids=lambda value: re.sub(r'\W+', '_', str(value)))
def test_metadata_of_another_type_is_named_and_recovered(tmp_path: Path, key: str, value: object) -> None:
    bag = write_drive(tmp_path / 'drive', [('ice', 1.0)])
    with open_recording(bag) as reader:
        count = sum(reader.message_counts.values())
    metadata = yaml.safe_load((bag / 'metadata.yaml').read_text())
    metadata['rosbag2_bagfile_information'][key] = value
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    with pytest.raises(SurfaceError, match=rf'metadata\.yaml: {key} .*delete it'):
        open_recording(bag)
    result = recover_bag(bag)
    assert sum(result.messages.values()) == count
    assert any('could not be read' in text for text in result.repaired)


@pytest.mark.parametrize('text', ['5', '[1]', 'rosbag2_bagfile_information: 5', 'rosbag2_bagfile_information: [a]', ''])
def test_metadata_that_is_no_mapping_is_named(tmp_path: Path, text: str) -> None:
    bag = write_drive(tmp_path / 'drive', [('ice', 1.0)])
    (bag / 'metadata.yaml').write_text(text)
    with pytest.raises(SurfaceError, match='not the metadata of a rosbag2 bag'):
        open_recording(bag)


def test_compressed_files_without_metadata_are_found(tmp_path: Path) -> None:
    folder = tmp_path / 'set' / 'ice'
    bag = write_drive(tmp_path / 'drive', [('ice', 1.0)])
    folder.mkdir(parents=True)
    data = next(bag.glob('*.mcap')).read_bytes()
    (folder / 'first.mcap.zstd').write_bytes(zstandard.ZstdCompressor().compress(data))
    (folder / '._first.mcap.zstd').write_bytes(b'\0\5\x16\7')
    (recording,) = find_recordings([tmp_path / 'set'])
    assert recording.name == 'ice/first'
    assert [recording.name for recording in find_recordings([folder / 'first.mcap.zstd'])] == ['first']
    with recording.reader() as reader:
        assert next(reader.messages(['motor_current'])).topic == '/motor_current'
