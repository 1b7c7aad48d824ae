# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of any origin: metadata of versions 5 to 9, both storages, compressed or not, in one file or split."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import yaml
import zstandard
from foreign_bags import DRIVE, DRIVE_TEXT, LATCHED
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.metadata import dump_qos_v8
from rosbags.typesys import get_types_from_msg

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.messages import StampedMessage
from current_driver.recordings.reading.open_recording import open_recording

START_NS = 1_700_000_000 * 10**9


def typestore() -> Any:
    store = messages.new_typestore()
    store.register(get_types_from_msg(DRIVE_TEXT, DRIVE))
    return store


STORE = typestore()


def drive(index: int) -> StampedMessage:
    """Return a message of a type that only the bag knows."""
    stamp = START_NS + index * 10**7
    wheels = [STORE.types['robot_msgs/msg/Wheel'](f'wheel{index}', 0.5 * index)]
    message = STORE.types[DRIVE](messages.header(stamp), wheels, np.array([1.0, index]))
    return StampedMessage('/drive', DRIVE, stamp, bytes(STORE.serialize_cdr(message, DRIVE)))


def label(stamp: int, surface: str) -> StampedMessage:
    return messages.stamped('/surface_truth', messages.truth_message(stamp, surface, 'operator'), stamp)


FOUND = [label(START_NS, 'ice'), *(drive(index) for index in range(1, 40)), label(START_NS + 10**9, 'snow')]


def write(
    path: Path,
    found: list[StampedMessage],
    storage: StoragePlugin,
    compression: CompressionMode,
    version: Literal[8, 9] = 9,
) -> None:
    """Write a bag with rosbags."""
    writer = Writer(path, version=version, storage_plugin=storage)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for message in found:
            if message.topic not in connections:
                connections[message.topic] = writer.add_connection(
                    message.topic,
                    message.msgtype,
                    typestore=STORE,
                    offered_qos_profiles=[LATCHED] if message.topic == '/surface_truth' else [],
                )
            writer.write(connections[message.topic], message.stamp_ns, message.cdr)
        writer.set_custom_data('robot', 'husky')


def edit_metadata(bag: Path, edit: Any) -> None:
    file = bag / 'metadata.yaml'
    content = yaml.safe_load(file.read_text())
    edit(content['rosbag2_bagfile_information'])
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def split_bag(bag: Path, storage: StoragePlugin, compression: CompressionMode) -> None:
    """Make a bag of three files as a recorder with a size limit does, from three bags of one file."""
    files = []
    for number, part in enumerate((FOUND[:10], FOUND[10:25], FOUND[25:])):
        single = bag.with_name(f'single{number}')
        write(single, part, storage, compression)
        (info,) = yaml.safe_load((single / 'metadata.yaml').read_text()).values()
        (name,) = info['relative_file_paths']
        bag.mkdir(exist_ok=True)
        renamed = name.replace(single.name, f'{bag.name}_{number}')
        shutil.move(single / name, bag / renamed)
        files.append({**info['files'][0], 'path': renamed})
        if number == 0:
            shutil.copy(single / 'metadata.yaml', bag / 'metadata.yaml')

    def edit(info: dict[str, Any]) -> None:
        info['relative_file_paths'] = [file['path'] for file in files]
        info['files'] = files
        info['message_count'] = len(FOUND)
        info['duration'] = {'nanoseconds': FOUND[-1].stamp_ns - START_NS}

    edit_metadata(bag, edit)


def age_metadata(bag: Path, version: int) -> None:
    """Write the metadata as an older rosbag2 does (its yaml.hpp: what each version brought)."""

    def edit(info: dict[str, Any]) -> None:
        info['version'] = version
        if version < 8:
            del info['ros_distro']
        if version < 6:
            del info['custom_data']
        for entry in info['topics_with_message_count']:
            topic = entry['topic_metadata']
            if version < 9 and not isinstance(topic['offered_qos_profiles'], str):
                profiles = [LATCHED] if topic['name'] == '/surface_truth' else []
                topic['offered_qos_profiles'] = dump_qos_v8(profiles)
            if version < 7:
                del topic['type_description_hash']

    edit_metadata(bag, edit)


def check(bag: Path, warnings: int = 0) -> None:
    """Read a bag, and find in it what was written."""
    with open_recording(bag) as reader:
        assert list(reader.messages()) == FOUND
        assert reader.topics == {'/surface_truth': messages.SURFACE_TRUTH, '/drive': DRIVE}
        assert reader.message_counts == {'/surface_truth': 2, '/drive': 39}
        assert reader.latched_topics == {'/surface_truth'}
        assert (reader.start_ns, reader.end_ns) == (START_NS, FOUND[-1].stamp_ns)
        assert list(reader.messages(['/drive'], FOUND[30].stamp_ns)) == FOUND[30:-1]
        decoded = reader.deserialize(FOUND[7])
        assert (decoded.wheels[0].name, decoded.wheels[0].amps, decoded.limits[1]) == ('wheel7', 3.5, 7.0)
        assert 'float32 amps' in reader.definitions[DRIVE]
        assert len(reader.warnings) == warnings


MODES = [
    pytest.param(storage, compression, id=f'{storage.name}-{compression.name}')
    for storage in (StoragePlugin.MCAP, StoragePlugin.SQLITE3)
    for compression in (CompressionMode.NONE, CompressionMode.FILE, CompressionMode.MESSAGE, CompressionMode.STORAGE)
    if (storage, compression) != (StoragePlugin.SQLITE3, CompressionMode.STORAGE)
]


@pytest.mark.parametrize(('storage', 'compression'), MODES)
@pytest.mark.parametrize('version', [5, 6, 7, 8, 9])
def test_every_version_storage_and_compression_is_read(
    tmp_path: Path, version: int, storage: StoragePlugin, compression: CompressionMode
) -> None:
    bag = tmp_path / 'bag'
    write(bag, FOUND, storage, compression, version=9 if version == 9 else 8)
    age_metadata(bag, version)
    check(bag)
    with open_recording(bag) as reader:
        assert reader.metadata == ({'robot': 'husky'} if version >= 6 else {})


@pytest.mark.parametrize(('storage', 'compression'), MODES)
def test_split_bags_are_read(tmp_path: Path, storage: StoragePlugin, compression: CompressionMode) -> None:
    split_bag(tmp_path / 'bag', storage, compression)
    assert len(list((tmp_path / 'bag').iterdir())) == 4
    check(tmp_path / 'bag')


@pytest.mark.parametrize(('storage', 'compression'), MODES)
def test_without_metadata_the_files_alone_are_read(
    tmp_path: Path, storage: StoragePlugin, compression: CompressionMode
) -> None:
    split_bag(tmp_path / 'bag', storage, compression)
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    check(tmp_path / 'bag')


def test_the_last_file_of_a_killed_recorder_is_not_compressed_yet(tmp_path: Path) -> None:
    bag = tmp_path / 'bag'
    split_bag(bag, StoragePlugin.SQLITE3, CompressionMode.FILE)
    last = bag / 'bag_2.db3.zstd'
    (bag / 'bag_2.db3').write_bytes(zstandard.ZstdDecompressor().decompressobj().decompress(last.read_bytes()))
    last.unlink()
    check(bag)


def test_a_compressed_file_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    bag = tmp_path / 'bag'
    write(bag, FOUND, StoragePlugin.MCAP, CompressionMode.FILE)
    (file,) = bag.glob('*.zstd')
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes())
    # As a recorder writes it: in frames' blocks, the last of which did not come.
    compressor = zstandard.ZstdCompressor().compressobj()
    head = compressor.compress(plain[:-50]) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    file.write_bytes(head)
    with open_recording(bag) as reader:
        assert list(reader.messages()) == FOUND
        assert any('cut off' in warning for warning in reader.warnings)
    file.write_bytes(b'no zstd at all')
    with pytest.raises(SurfaceError, match=r'zstd: cannot be decompressed'):
        open_recording(bag)


def test_profiles_that_differ_between_metadata_and_file_lose_no_message(tmp_path: Path) -> None:
    bag = tmp_path / 'bag'
    write(bag, FOUND, StoragePlugin.SQLITE3, CompressionMode.MESSAGE)

    def edit(info: dict[str, Any]) -> None:
        for entry in info['topics_with_message_count']:
            entry['topic_metadata']['offered_qos_profiles'] = []

    edit_metadata(bag, edit)
    check(bag)


def test_another_compression_is_refused_by_name(tmp_path: Path) -> None:
    bag = tmp_path / 'bag'
    write(bag, FOUND, StoragePlugin.MCAP, CompressionMode.MESSAGE)
    edit_metadata(bag, lambda info: info.update(compression_format='lz4'))
    with pytest.raises(SurfaceError, match="compressed as 'lz4'; only zstd"):
        open_recording(bag)


def write_mcap(path: Path, index_types: IndexType, found: list[StampedMessage]) -> None:
    with path.open('wb') as stream:
        writer = McapWriter(stream, chunk_size=500, index_types=index_types, compression=CompressionType.LZ4)
        writer.start('ros2', 'test')
        channels: dict[str, int] = {}
        for message in found:
            if message.topic not in channels:
                text = STORE.generate_msgdef(message.msgtype, ros_version=2)[0].encode()
                channels[message.topic] = writer.register_channel(
                    message.topic, 'cdr', writer.register_schema(message.msgtype, 'ros2msg', text)
                )
            writer.add_message(channels[message.topic], message.stamp_ns, message.cdr, message.stamp_ns)
        writer.finish()


@pytest.mark.parametrize('index_types', [IndexType.ALL, IndexType.CHUNK, IndexType.MESSAGE, IndexType.NONE])
def test_an_mcap_file_is_read_whatever_index_it_has(tmp_path: Path, index_types: IndexType) -> None:
    write_mcap(tmp_path / 'a.mcap', index_types, FOUND)
    with open_recording(tmp_path / 'a.mcap') as reader:
        assert list(reader.messages()) == FOUND
        assert reader.warnings == []


def test_a_message_at_time_zero_is_not_lost(tmp_path: Path) -> None:
    # Writers take a first stamp of 0 for "none yet" and note the second message's as the start.
    early = [StampedMessage(m.topic, m.msgtype, (m.stamp_ns - START_NS), m.cdr) for m in FOUND]
    write_mcap(tmp_path / 'a.mcap', IndexType.ALL, early)
    with open_recording(tmp_path / 'a.mcap') as reader:
        assert list(reader.messages()) == early
        assert reader.start_ns == 0


def test_a_definition_that_cannot_be_parsed_hurts_its_own_topic_alone(tmp_path: Path) -> None:
    bag = tmp_path / 'bag'
    write(bag, FOUND, StoragePlugin.SQLITE3, CompressionMode.NONE)
    (file,) = bag.glob('*.db3')
    with sqlite3.connect(file) as database:
        # As rosbag2 of 2023 wrote it for services.
        database.execute(
            'UPDATE message_definitions SET encoded_message_definition = ? WHERE topic_type = ?',
            ('MSG: x/srv/A_Event\nboo', DRIVE),
        )
    with open_recording(bag) as reader:
        assert reader.deserialize(FOUND[0]).surface == 'ice'
        assert list(reader.messages()) == FOUND
        with pytest.raises(SurfaceError, match=r"topic '/drive' .*definition in the bag cannot be read"):
            reader.deserialize(FOUND[1])


def test_a_type_that_an_old_bag_does_not_define_is_taken_from_the_sourced_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = tmp_path / 'bag'
    write(bag, FOUND, StoragePlugin.SQLITE3, CompressionMode.NONE)
    (file,) = bag.glob('*.db3')
    with sqlite3.connect(file) as database:
        database.execute('DROP TABLE message_definitions')  # which came with schema version 4, in Iron
        database.execute('UPDATE schema SET schema_version = 3')
    monkeypatch.delenv('AMENT_PREFIX_PATH', raising=False)
    with open_recording(bag) as reader:
        assert list(reader.messages()) == FOUND
        assert reader.deserialize(FOUND[0]).surface == 'ice'
        with pytest.raises(SurfaceError, match='source a workspace with the package'):
            reader.deserialize(FOUND[1])
    definition, wheel = DRIVE_TEXT.split('=' * 80 + '\nMSG: robot_msgs/Wheel\n')
    folder = tmp_path / 'prefix' / 'share' / 'robot_msgs' / 'msg'
    header = tmp_path / 'prefix' / 'share' / 'std_msgs' / 'msg' / 'Header.msg'
    time = tmp_path / 'prefix' / 'share' / 'builtin_interfaces' / 'msg' / 'Time.msg'
    for path, text in (
        (folder / 'Drive.msg', definition),
        (folder / 'Wheel.msg', wheel),
        (header, 'builtin_interfaces/Time stamp\nstring frame_id\n'),
        (time, 'int32 sec\nuint32 nanosec\n'),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path / 'prefix'))
    check(bag, warnings=1)


def test_a_topic_that_is_not_stored_as_cdr_is_left_out_and_told(tmp_path: Path) -> None:
    bag = tmp_path / 'bag'
    write(bag, FOUND, StoragePlugin.SQLITE3, CompressionMode.NONE)
    (file,) = bag.glob('*.db3')
    with sqlite3.connect(file) as database:
        database.execute("UPDATE topics SET serialization_format = 'protobuf' WHERE name = '/drive'")
    with open_recording(bag) as reader:
        assert [message.topic for message in reader.messages()] == ['/surface_truth'] * 2
        assert reader.warnings == [f"{bag}: topic '/drive' is left out; it is stored as 'protobuf', not as CDR"]


@pytest.mark.parametrize('mode', ['WAL', 'DELETE'])
def test_what_is_still_in_a_journal_counts(tmp_path: Path, mode: str) -> None:
    """A database that its recorder left with a write-ahead log, or in the middle of a transaction."""
    bag = tmp_path / 'bag'
    write(tmp_path / 'made', FOUND, StoragePlugin.SQLITE3, CompressionMode.NONE)
    bag.mkdir()
    (source,) = (tmp_path / 'made').glob('*.db3')
    database = sqlite3.connect(source, isolation_level=None)
    database.execute(f'PRAGMA journal_mode = {mode}')
    database.execute('PRAGMA cache_size = 1')  # so that changes reach the file before their commit
    extra = FOUND[-1]
    database.execute('BEGIN')
    database.execute('DELETE FROM messages WHERE timestamp >= ?', (extra.stamp_ns,))
    for index in range(200):
        database.execute('INSERT INTO messages VALUES (NULL, 1, ?, ?)', (START_NS + index, b'x' * 1000))
    if mode == 'WAL':
        database.execute('DELETE FROM messages WHERE length(data) = 1000')
        database.execute('INSERT INTO messages VALUES (NULL, 1, ?, ?)', (extra.stamp_ns, extra.cdr))
        database.execute('COMMIT')
    for suffix in ('', '-wal', '-journal'):
        left = source.with_name(source.name + suffix)
        if left.exists():
            shutil.copy(left, bag / left.name)
    shutil.copy(tmp_path / 'made' / 'metadata.yaml', bag / 'metadata.yaml')
    database.close()
    before = {path.name: path.read_bytes() for path in bag.iterdir()}
    assert len(before) == 3
    check(bag, warnings=1)
    assert {path.name: path.read_bytes() for path in bag.iterdir()} == before


ROSBAG2 = Path(os.environ.get('SURFACE_ROSBAG2_DIR', '/nonexistent'))


@pytest.mark.skipif(not ROSBAG2.is_dir(), reason='SURFACE_ROSBAG2_DIR does not name a clone of ros2/rosbag2')
def test_the_bags_of_rosbag2_itself_are_read() -> None:
    """What genuine recorders wrote: the bags in the resources of rosbag2's own tests."""
    bags = [path.parent for path in sorted(ROSBAG2.rglob('metadata.yaml'))]
    read = 0
    for bag in bags:
        info = yaml.safe_load((bag / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
        formats = {entry['topic_metadata']['serialization_format'] for entry in info['topics_with_message_count']}
        if not info['message_count'] or (formats - {'cdr'} and info['storage_identifier'] == 'mcap'):
            continue  # an empty bag, and one in a format that is made up
        with open_recording(bag) as reader:
            assert sum(1 for _ in reader.messages()) == info['message_count'], bag
        read += 1
    assert read >= 10
