# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The bags that we write, field by field: as rosbag2 lays them out, and as writers and readers that are not ours do."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from foreign_bags import DRIVE, DRIVE_TEXT
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.interfaces import MessageDefinitionFormat, Qos
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.rosbag2.metadata import parse_qos
from rosbags.typesys import get_types_from_msg

from current_driver import messages
from current_driver.messages import StampedMessage
from current_driver.recordings.writing.recording_writer import RecordingWriter

START_NS = 1_700_000_000 * 10**9
NOTES = {'robot': 'husky', 'operator': 'Ann'}

# rosbag2_storage_sqlite3, schema version 4: column, type, NOT NULL, primary key.
SQLITE_TABLES = {
    'schema': [('schema_version', 'INTEGER', 0, 1), ('ros_distro', 'TEXT', 1, 0)],
    'metadata': [('id', 'INTEGER', 0, 1), ('metadata_version', 'INTEGER', 1, 0), ('metadata', 'TEXT', 1, 0)],
    'topics': [
        ('id', 'INTEGER', 0, 1),
        ('name', 'TEXT', 1, 0),
        ('type', 'TEXT', 1, 0),
        ('serialization_format', 'TEXT', 1, 0),
        ('offered_qos_profiles', 'TEXT', 1, 0),
        ('type_description_hash', 'TEXT', 1, 0),
    ],
    'message_definitions': [
        ('id', 'INTEGER', 0, 1),
        ('topic_type', 'TEXT', 1, 0),
        ('encoding', 'TEXT', 1, 0),
        ('encoded_message_definition', 'TEXT', 1, 0),
        ('type_description_hash', 'TEXT', 1, 0),
    ],
    'messages': [
        ('id', 'INTEGER', 0, 1),
        ('topic_id', 'INTEGER', 1, 0),
        ('timestamp', 'INTEGER', 1, 0),
        ('data', 'BLOB', 1, 0),
    ],
}
# rosbag2_storage, yaml.hpp, version 9, in the order in which it writes them.
METADATA_FIELDS = [
    'version',
    'storage_identifier',
    'duration',
    'starting_time',
    'message_count',
    'topics_with_message_count',
    'compression_format',
    'compression_mode',
    'relative_file_paths',
    'files',
    'custom_data',
    'ros_distro',
]
TOPIC_FIELDS = ['name', 'type', 'serialization_format', 'offered_qos_profiles', 'type_description_hash']
QOS_FIELDS = {
    'history': 'keep_last',
    'depth': 10,
    'reliability': 'reliable',
    'durability': 'volatile',
    'deadline': {'sec': 9223372036, 'nsec': 854775807},
    'lifespan': {'sec': 9223372036, 'nsec': 854775807},
    'liveliness': 'automatic',
    'liveliness_lease_duration': {'sec': 9223372036, 'nsec': 854775807},
    'avoid_ros_namespace_conventions': False,
}


def typestore() -> Any:
    store = messages.new_typestore()
    store.register(get_types_from_msg(DRIVE_TEXT, DRIVE))
    return store


STORE = typestore()


def recorded() -> list[StampedMessage]:
    found = [messages.stamped('/surface_truth', messages.truth_message(START_NS, 'ice', 'operator'), START_NS)]
    for index in range(20):
        stamp = START_NS + index * 10**7
        wheels = [STORE.types['robot_msgs/msg/Wheel'](f'wheel{index}', 0.5 * index)]
        message = STORE.types[DRIVE](messages.header(stamp), wheels, np.array([1.0, index]))
        found.append(StampedMessage('/drive', DRIVE, stamp, bytes(STORE.serialize_cdr(message, DRIVE))))
    return found


def write_ours(bag: Path, storage: str) -> Path:
    with RecordingWriter(bag, storage, metadata=NOTES) as writer:
        writer.add_topic('/surface_truth', messages.SURFACE_TRUTH, latched=True)
        writer.add_topic('/drive', DRIVE, DRIVE_TEXT)
        for message in recorded():
            writer.write(message.topic, message.stamp_ns, message.cdr)
    return bag


def metadata_of(bag: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((bag / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    return found


def write_theirs(bag: Path, storage: str) -> Path:
    """Write the same content with rosbags, with the profiles that ours has."""
    profiles: dict[str, list[Qos]] = {
        entry['topic_metadata']['name']: parse_qos(entry['topic_metadata']['offered_qos_profiles'])
        for entry in metadata_of(bag.with_name('ours'))['topics_with_message_count']
    }
    with Writer(bag, version=9, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        connections = {}
        for topic, msgtype in (('/surface_truth', messages.SURFACE_TRUTH), ('/drive', DRIVE)):
            connections[topic] = writer.add_connection(
                topic, msgtype, typestore=STORE, offered_qos_profiles=profiles[topic]
            )
        for message in recorded():
            writer.write(connections[message.topic], message.stamp_ns, message.cdr)
        for key, value in (metadata_of(bag.with_name('ours'))['custom_data']).items():
            writer.set_custom_data(key, value)
    return bag


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_metadata_is_that_of_rosbag2_and_of_another_writer(tmp_path: Path, storage: str) -> None:
    ours = metadata_of(write_ours(tmp_path / 'ours', storage))
    theirs = metadata_of(write_theirs(tmp_path / 'theirs', storage))
    assert list(ours) == METADATA_FIELDS
    latched, plain = (entry['topic_metadata'] for entry in ours['topics_with_message_count'])
    assert list(plain) == TOPIC_FIELDS
    assert plain['offered_qos_profiles'] == [QOS_FIELDS]
    assert latched['offered_qos_profiles'] == [QOS_FIELDS | {'depth': 1, 'durability': 'transient_local'}]
    assert plain['type_description_hash'] == STORE.hash_rihs01(DRIVE)
    for own, name in ((ours, 'ours'), (theirs, 'theirs')):
        own.pop('ros_distro')
        (path,) = own['relative_file_paths']
        assert (tmp_path / name / path).is_file()
        assert own['files'][0]['path'] == path
        own['relative_file_paths'] = own['files'][0]['path'] = ''
    assert ours == theirs


def rows(file: Path, table: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(file) as database:
        return database.execute(f'SELECT * FROM {table} ORDER BY 1').fetchall()


def test_a_database_has_the_schema_of_rosbag2_and_the_rows_of_another_writer(tmp_path: Path) -> None:
    (ours,) = write_ours(tmp_path / 'ours', 'sqlite3').glob('*.db3')
    (theirs,) = write_theirs(tmp_path / 'theirs', 'sqlite3').glob('*.db3')
    for file in (ours, theirs):
        with sqlite3.connect(file) as database:
            found = {
                name: [(row[1], row[2], row[3], row[5]) for row in database.execute(f'PRAGMA table_info({name})')]
                for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                if not name.startswith('sqlite_')
            }
            indices = database.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'").fetchall()
            columns = [row[2] for row in database.execute('PRAGMA index_info(timestamp_idx)')]
        assert found == SQLITE_TABLES
        assert (indices, columns) == ([('timestamp_idx', 'messages')], ['timestamp'])
    assert rows(ours, 'messages') == rows(theirs, 'messages')
    assert [row[0] for row in rows(ours, 'schema')] == [row[0] for row in rows(theirs, 'schema')] == [4]
    for own, their in zip(rows(ours, 'topics'), rows(theirs, 'topics'), strict=True):
        assert (*own[:4], own[5]) == (*their[:4], their[5])
        assert yaml.safe_load(own[4]) == yaml.safe_load(their[4])
    for own, their in zip(rows(ours, 'message_definitions'), rows(theirs, 'message_definitions'), strict=True):
        assert (*own[:3], own[4]) == (*their[:3], their[4])
        assert get_types_from_msg(own[3], own[1]) == get_types_from_msg(their[3], own[1])
    ((_, version, inside),) = rows(ours, 'metadata')
    assert version == 9
    noted = yaml.safe_load(inside)
    assert noted == metadata_of(tmp_path / 'ours')


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_rosbags_finds_every_message_and_the_definition_of_a_type_of_its_own(tmp_path: Path, storage: str) -> None:
    with Reader(write_ours(tmp_path / 'ours', storage)) as reader:
        found = [(connection.topic, stamp, bytes(data)) for connection, stamp, data in reader.messages()]
        (connection,) = reader.topics['/drive'].connections
        assert connection.msgdef.format == MessageDefinitionFormat.MSG
        assert connection.digest == STORE.hash_rihs01(DRIVE)
        store = messages.new_typestore()
        store.register(get_types_from_msg(connection.msgdef.data, DRIVE))
    assert found == [(message.topic, message.stamp_ns, message.cdr) for message in recorded()]
    drive: Any = store.deserialize_cdr(found[8][2], DRIVE)
    assert (drive.wheels[0].name, drive.wheels[0].amps, drive.limits[1]) == ('wheel7', 3.5, 7.0)


def test_the_mcap_package_decodes_a_type_of_its_own_and_finds_the_metadata(tmp_path: Path) -> None:
    (file,) = write_ours(tmp_path / 'ours', 'mcap').glob('*.mcap')
    with file.open('rb') as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        decoded = [
            (channel.topic, message.log_time, value) for _, channel, message, value in reader.iter_decoded_messages()
        ]
        (kept,) = reader.iter_metadata()
        summary = reader.get_summary()
    assert len(decoded) == len(recorded())
    topic, stamp, drive = decoded[8]
    assert (topic, stamp) == ('/drive', START_NS + 7 * 10**7)
    assert (drive.wheels[0].name, drive.wheels[0].amps, list(drive.limits)) == ('wheel7', 3.5, [1.0, 7.0])
    assert kept.name == 'rosbag2'
    assert yaml.safe_load(kept.metadata['serialized_metadata']) == metadata_of(tmp_path / 'ours')
    assert summary is not None
    for channel in summary.channels.values():
        assert channel.message_encoding == 'cdr'
        assert channel.metadata['topic_type_hash'].startswith('RIHS01_')
        assert yaml.safe_load(channel.metadata['offered_qos_profiles'])[0].keys() == QOS_FIELDS.keys()
    assert {schema.encoding for schema in summary.schemas.values()} == {'ros2msg'}
