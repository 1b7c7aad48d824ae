# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a crash leaves of a bag is made whole again, and the original is kept."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import yaml
import zstandard
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from mcap_ros2.decoder import DecoderFactory
from rosbags.rosbag2 import Reader

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.messages import StampedMessage
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.recording import Recording, find_recordings
from current_driver.recordings.repair.bag_recovery import recover_bag
from current_driver.recordings.writing.recording_writer import RecordingWriter
from current_driver.testing.drives import START_NS, write_drive

NOTES = {'robot': 'husky', 'operator': 'Ann'}
CDR_HEAD = b'\x00\x01\x00\x00'
SURFACES = [('ice', 1.0), ('snow', 1.0)]


def contents(bag: Path) -> list[StampedMessage]:
    with open_recording(bag) as reader:
        return list(reader.messages())


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def interrupted(path: Path, storage: str, count: int = 300) -> list[StampedMessage]:
    """Leave a bag as a recorder does that is killed between two flushes; return what was flushed."""
    whole = write_drive(path.with_name('whole'), [('ice', count / 20), ('snow', count / 20)], storage=storage)
    found = contents(whole)[:count]
    writer = RecordingWriter(path.with_name('writing') / path.name, storage, metadata=NOTES, flush_interval_s=None)
    for message in found:
        writer.add_topic(message.topic, message.msgtype, latched=message.topic == 'surface_truth')
        writer.write(message.topic, message.stamp_ns, message.cdr)
    writer.flush()
    writer.write('motor_current', START_NS, found[-1].cdr)  # never reaches the disk
    shutil.copytree(path.with_name('writing') / path.name, path)
    writer.close()
    shutil.rmtree(whole)
    shutil.rmtree(path.with_name('writing'))
    return found


def assert_independent_readers_agree(bag: Path, found: list[StampedMessage], storage: str) -> None:
    with Reader(bag) as reader:
        taken = [(connection.topic, stamp, bytes(data)) for connection, stamp, data in reader.messages()]
    assert taken == [(message.topic, message.stamp_ns, message.cdr) for message in found]
    if storage == 'mcap':
        (file,) = bag.glob('*.mcap')
        with file.open('rb') as stream:
            decoded = list(make_reader(stream, decoder_factories=[DecoderFactory()]).iter_decoded_messages())
        assert len(decoded) == len(found)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_killed_recording_becomes_whole_and_the_original_is_kept(tmp_path: Path, storage: str) -> None:
    bag = tmp_path / 'drives' / 'drive'
    found = interrupted(bag, storage)
    before = files_of(bag)
    result = recover_bag(bag)
    assert contents(bag) == found
    assert_independent_readers_agree(bag, found, storage)
    assert result.messages == {'/surface_truth': 2, '/motor_current': 298}
    assert result.seconds == pytest.approx(29.7, abs=0.5)
    assert not result.lost
    assert any('was not closed' in text for text in result.repaired)
    assert result.original == tmp_path / 'drives' / '.drive.original'
    assert files_of(result.original) == before
    assert [recording.path for recording in find_recordings([tmp_path / 'drives'])] == [bag]
    with open_recording(bag) as reader:
        assert Recording(bag).notes(reader) == NOTES
        assert Recording(bag).warnings(reader) == []
        assert reader.latched_topics == {'/surface_truth'}
    info = yaml.safe_load((bag / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert info['custom_data']['surface_recording_state'] == 'recovered'
    assert info['message_count'] == 300
    again = recover_bag(bag)
    assert again.whole
    assert again.output == bag


def test_elsewhere_the_original_stays_where_it_is(tmp_path: Path) -> None:
    bag = tmp_path / 'drive'
    found = interrupted(bag, 'mcap')
    before = files_of(bag)
    result = recover_bag(bag, tmp_path / 'saved' / 'drive')
    assert files_of(bag) == before
    assert contents(tmp_path / 'saved' / 'drive') == found
    assert result.original == bag
    with pytest.raises(SurfaceError, match='exists already'):
        recover_bag(bag, tmp_path / 'saved' / 'drive')


def big_chunk(path: Path, compression: CompressionType, count: int = 400) -> list[StampedMessage]:
    """Write an MCAP file of one large chunk, as rosbag2 does, and without its end."""
    cdr = [
        messages.serialize(messages.truth_message(START_NS + i, f'ice {i * 7919}', 'operator')) for i in range(count)
    ]
    # Noise: a compressed block holds 128 KiB of it.
    found = [StampedMessage('noise', 'odd_msgs/msg/Noise', START_NS + i, part + noise(i)) for i, part in enumerate(cdr)]
    with path.open('wb') as stream:
        writer = McapWriter(stream, chunk_size=10**9, compression=compression)
        writer.start('ros2', 'test')
        schema = writer.register_schema('odd_msgs/msg/Noise', 'ros2msg', b'uint8[] data\n')
        channel = writer.register_channel('noise', 'cdr', schema)
        for message in found:
            writer.add_message(channel, message.stamp_ns, message.cdr, message.stamp_ns)
        writer.flush()
    return found


def noise(seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(2000)


@pytest.mark.parametrize('compression', list(CompressionType))
def test_of_a_chunk_that_was_cut_off_the_messages_before_the_cut_are_saved(
    tmp_path: Path, compression: CompressionType
) -> None:
    bag = tmp_path / 'drive'
    bag.mkdir()
    found = big_chunk(bag / 'drive_0.mcap', compression)
    whole = (bag / 'drive_0.mcap').read_bytes()
    (bag / 'drive_0.mcap').write_bytes(whole[: len(whole) * 3 // 4])
    result = recover_bag(bag)
    saved = contents(bag)
    assert saved == found[: len(saved)]
    # All of it but the block in which the cut lies.
    assert len(saved) > 400 * 3 / 4 * 0.75
    assert any('1 chunks that were cut off' in text for text in result.lost)
    assert any('metadata.yaml: was missing' in text for text in result.repaired)


def test_a_damage_in_the_middle_costs_its_chunk_alone(tmp_path: Path) -> None:
    bag = tmp_path / 'drive'
    writer = RecordingWriter(bag, flush_interval_s=None)
    found = []
    for index in range(100):
        truth = messages.truth_message(START_NS + index, f'surface {index * 7919 % 101}', 'operator')
        writer.write_message('surface_truth', truth, START_NS + index)
        found.append(messages.stamped('/surface_truth', truth, START_NS + index))
        if index % 10 == 9:
            writer.flush()
    writer.close()
    (file,) = bag.glob('*.mcap')
    data = bytearray(file.read_bytes())
    middle = len(data) * 2 // 5
    data[middle : middle + 4] = b'\xff\x00\xff\x00'
    file.write_bytes(data)
    result = recover_bag(bag)
    saved = contents(bag)
    assert 85 <= len(saved) < 100
    assert all(message in found for message in saved)
    assert any('damaged' in text for text in result.lost)
    assert any('of the 100 messages that metadata.yaml counts' in text for text in result.lost)


def test_a_file_cut_anywhere_and_filled_up_with_zeros_gives_its_beginning(tmp_path: Path) -> None:
    bag = tmp_path / 'drive'
    file = bag / 'drive_0.mcap'
    writer = RecordingWriter(bag, flush_interval_s=None)
    flushed = []
    for index in range(20):
        truth = messages.truth_message(START_NS + index, 'ice', 'operator')
        writer.write_message('surface_truth', truth, START_NS + index)
        if index % 5 == 4:
            writer.flush()
            flushed.append(file.stat().st_size)
    writer.close()
    found = contents(bag)
    whole = file.read_bytes()
    random = np.random.default_rng(1)
    counts = set()
    for cut in [*random.integers(0, len(whole), 6).tolist(), *(size - 1 for size in flushed), *flushed]:
        file.write_bytes(whole[:cut] + bytes(random.integers(0, 100)))
        saved = tmp_path / f'saved{cut}'
        if cut < flushed[0] // 2:
            with pytest.raises(SurfaceError):
                recover_bag(bag, saved)
            assert not saved.exists()
        elif cut >= flushed[0]:
            recover_bag(bag, saved)
            there = contents(saved)
            assert there == found[: len(there)]
            assert len(there) >= 5 * sum(cut >= size for size in flushed)
            counts.add(len(there))
    assert {5, 10, 15, 20} <= counts


def test_a_database_in_the_middle_of_a_transaction(tmp_path: Path) -> None:
    bag = tmp_path / 'drive'
    found = contents(write_drive(bag, SURFACES, storage='sqlite3', metadata=NOTES))
    (file,) = bag.glob('*.db3')
    database = sqlite3.connect(file, isolation_level=None)
    database.execute('PRAGMA cache_size = 1')
    database.execute('BEGIN')
    database.execute('DELETE FROM messages')
    for index in range(300):
        database.execute('INSERT INTO messages VALUES (NULL, 1, ?, ?)', (START_NS + index, b'x' * 1000))
    shutil.copytree(bag, tmp_path / 'left')
    database.close()
    assert len(files_of(tmp_path / 'left')) == 4
    before = files_of(tmp_path / 'left')
    result = recover_bag(tmp_path / 'left')
    assert contents(tmp_path / 'left') == found
    assert 'drive_0.db3: its journal is applied' in result.repaired
    assert files_of(result.original) == before


def many_pages(bag: Path) -> tuple[list[StampedMessage], Path]:
    with RecordingWriter(bag, 'sqlite3', flush_interval_s=None) as writer:
        writer.add_topic('noise', 'odd_msgs/msg/Noise', 'uint8[] data\n')
        for index in range(1000):
            writer.write('noise', START_NS + index, CDR_HEAD + noise(index)[:500])
    return contents(bag), next(bag.glob('*.db3'))


def test_a_database_that_was_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    found, file = many_pages(tmp_path / 'drive')
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * 2 // 3 // 4096 * 4096 + 100])
    with pytest.raises(SurfaceError, match='surface recover'):
        open_recording(tmp_path / 'drive')
    result = recover_bag(tmp_path / 'drive')
    saved = contents(tmp_path / 'drive')
    assert len(saved) > 500
    assert all(message in found for message in saved)
    assert 'drive_0.db3: the database was damaged' in result.repaired
    assert any('messages that metadata.yaml counts' in text for text in result.lost)


def test_a_database_with_damaged_pages_gives_the_others(tmp_path: Path) -> None:
    found, file = many_pages(tmp_path / 'drive')
    data = bytearray(file.read_bytes())
    for page in (60, 61, 90):
        data[page * 4096 : page * 4096 + 4096] = b'\xff' * 4096
    file.write_bytes(data)
    result = recover_bag(tmp_path / 'drive')
    saved = contents(tmp_path / 'drive')
    assert all(message in found for message in saved)
    # A page holds seven messages; three of some 145 are gone, and one may be of the index.
    assert 1000 - 3 * 8 <= len(saved) < 1000
    assert sum(result.messages.values()) == len(saved)
    assert any(f'{1000 - len(saved)} messages in damaged pages' in text for text in result.lost)


def test_empty_missing_and_unknown_files_are_told(tmp_path: Path) -> None:
    bag = tmp_path / 'drive'
    found = contents(write_drive(bag, SURFACES, metadata=NOTES))
    (bag / 'drive_1.mcap').write_bytes(b'')
    info = yaml.safe_load((bag / 'metadata.yaml').read_text())
    info['rosbag2_bagfile_information']['relative_file_paths'].append('drive_2.mcap')
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(info))
    result = recover_bag(bag)
    assert contents(bag) == found
    assert {'drive_1.mcap: is empty', 'drive_2.mcap: is missing'} == set(result.lost)
    assert 'metadata.yaml: did not know of drive_1.mcap' in result.repaired


def test_metadata_that_is_gone_or_no_metadata_is_made_anew_with_the_notes_in_the_files(tmp_path: Path) -> None:
    for storage in ('mcap', 'sqlite3'):
        bag = tmp_path / storage
        found = contents(write_drive(bag, SURFACES, metadata=NOTES, storage=storage))
        (bag / 'recording.yaml').unlink()
        (bag / 'metadata.yaml').write_text('rosbag2_bagfile_information: [')
        result = recover_bag(bag)
        assert result.repaired == ['metadata.yaml: could not be read and is made again']
        assert contents(bag) == found
        with open_recording(bag) as reader:
            assert Recording(bag).notes(reader) == NOTES


def test_compressed_files_and_messages_become_plain_ones(tmp_path: Path) -> None:
    bag = tmp_path / 'drive'
    found = contents(write_drive(bag, SURFACES, storage='sqlite3'))
    (file,) = bag.glob('*.db3')
    with sqlite3.connect(file) as database:
        for number, data in database.execute('SELECT id, data FROM messages').fetchall():
            database.execute(
                'UPDATE messages SET data = ? WHERE id = ?', (zstandard.ZstdCompressor().compress(data), number)
            )
    file.with_suffix('.db3.zstd').write_bytes(zstandard.ZstdCompressor().compress(file.read_bytes()))
    file.unlink()
    (bag / 'metadata.yaml').unlink()
    recover_bag(bag)
    assert contents(bag) == found
    assert {path.name for path in bag.iterdir()} == {'drive_0.db3', 'metadata.yaml'}


def test_a_recording_in_progress_is_left_alone(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / 'drive')
    writer.write_message('surface_truth', messages.truth_message(START_NS, 'ice', 'operator'), START_NS)
    writer.flush()
    with pytest.raises(SurfaceError, match='drive: is being recorded'):
        recover_bag(tmp_path / 'drive')
    writer.close()
    assert recover_bag(tmp_path / 'drive').whole


def test_what_cannot_be_saved_is_refused_and_stays(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match='no such recording'):
        recover_bag(tmp_path / 'nothing')
    (tmp_path / 'folder').mkdir()
    with pytest.raises(SurfaceError, match='not a recording'):
        recover_bag(tmp_path / 'folder')
    for name, content in (('empty.mcap', b''), ('noise.mcap', bytes(100)), ('noise.db3', b'\x01' * 5000)):
        bag = tmp_path / name.replace('.', '_')
        bag.mkdir()
        (bag / name).write_bytes(content)
        with pytest.raises(SurfaceError, match=name.partition('.')[0]):
            recover_bag(bag)
        assert files_of(bag) == {name: content}
    assert not list(tmp_path.glob('.*'))
