# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""No damage of an MCAP file passes for a value: what is recovered was recorded, and what is missing is named.

Kinds of damage after https://github.com/foxglove/mcap/issues/1390 (recover and the CRC of chunks),
https://github.com/foxglove/mcap/pull/1331 (files joined by `cat`) and https://github.com/ros2/rosbag2/issues/1399
(files of recorders that were killed).
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from mcap.opcode import Opcode
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.messages import StampedMessage
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.repair.bag_recovery import RecoveryResult, recover_bag
from current_driver.testing.drives import START_NS

STEP_NS = 10_000_000
COUNT = 200
TYPE = 'surface_msgs/msg/SurfaceTruth'
FORMS = {
    'plain chunks': {'compression': CompressionType.NONE},
    'zstd chunks': {'compression': CompressionType.ZSTD},
    'lz4 chunks': {'compression': CompressionType.LZ4},
    'no chunks': {'use_chunking': False},
}


def write_mcap(path: Path, begin: int = 0, **options: object) -> list[StampedMessage]:
    """Write messages of two topics in turn, in several chunks."""
    found = []
    with path.open('wb') as stream:
        writer = McapWriter(stream, **{'chunk_size': 1500, **options})
        writer.start('ros2', 'test')
        schema = writer.register_schema(TYPE, 'ros2msg', messages.definition(TYPE).encode())
        channels = {topic: writer.register_channel(topic, 'cdr', schema) for topic in ('truth', 'other')}
        for index in range(begin, begin + COUNT):
            topic = 'truth' if index % 2 else 'other'
            stamp = START_NS + index * STEP_NS
            cdr = messages.serialize(messages.truth_message(stamp, f'surface {index * 7919}', 'operator'))
            writer.add_message(channels[topic], stamp, cdr, stamp)
            found.append(StampedMessage(topic, TYPE, stamp, cdr))
        writer.finish()
    return found


def recovered(file: Path) -> tuple[RecoveryResult, list[StampedMessage]]:
    target = file.with_name('saved')
    result = recover_bag(file, target)
    with open_recording(target) as reader:
        saved = list(reader.messages())
    assert sum(result.messages.values()) == len(saved)
    return result, saved


def lost_of(found: list[StampedMessage], saved: list[StampedMessage]) -> list[StampedMessage]:
    assert all(message in found for message in saved), 'a message was recovered that was never recorded'
    assert len(saved) == len(set(saved))
    return [message for message in found if message not in saved]


def records_of(data: bytes | bytearray, opcode: int) -> list[int]:
    """Positions of the records of one kind outside of chunks."""
    positions, position = [], 8
    while position + 9 <= len(data) - 8:
        kind, length = struct.unpack_from('<BQ', data, position)
        if kind == opcode:
            positions.append(position)
        position += 9 + length
    return positions


@pytest.mark.parametrize('form', ['plain chunks', 'zstd chunks', 'lz4 chunks'])
def test_one_changed_bit_in_a_chunk_costs_the_chunk_and_is_named_by_topic_and_time(tmp_path: Path, form: str) -> None:
    file = tmp_path / 'drive.mcap'
    found = write_mcap(file, **FORMS[form])
    data = bytearray(file.read_bytes())
    chunk = records_of(data, Opcode.CHUNK)[2]
    data[chunk + 9 + 200] ^= 8
    file.write_bytes(data)
    result, saved = recovered(file)
    lost = lost_of(found, saved)
    assert 0 < len(lost) < COUNT // 4
    told = {entry['topic']: entry for entry in result.dropped}
    for topic in ('truth', 'other'):
        stamps = [message.stamp_ns for message in lost if message.topic == topic]
        assert told[topic]['messages'] == len(stamps)
        assert (told[topic]['start_ns'], told[topic]['end_ns']) == (min(stamps), max(stamps))
        assert any(f'{topic}: {len(stamps)} messages' in text for text in result.lost)


def test_damaged_chunks_are_kept_on_request_and_the_result_warns_of_them(tmp_path: Path) -> None:
    file = tmp_path / 'drive.mcap'
    found = write_mcap(file, compression=CompressionType.NONE)
    data = bytearray(file.read_bytes())
    data[records_of(data, Opcode.CHUNK)[2] + 9 + 200] ^= 8
    file.write_bytes(data)
    result = recover_bag(file, tmp_path / 'saved', keep_damaged=True)
    assert sum(result.messages.values()) == len(found)
    assert any('are kept; the checksums do not match' in text for text in result.lost)


def test_a_damage_in_the_first_chunk_which_describes_the_topics_does_not_cost_the_others(tmp_path: Path) -> None:
    file = tmp_path / 'drive.mcap'
    found = write_mcap(file, compression=CompressionType.NONE)
    whole = file.read_bytes()
    for offset in (60, 1200):  # in the schema, in a message
        data = bytearray(whole)
        data[records_of(data, Opcode.CHUNK)[0] + 9 + offset] ^= 1
        file.write_bytes(data)
        _, saved = recovered(file)
        assert 0 < len(lost_of(found, saved)) < COUNT // 4
        for path in sorted((tmp_path / 'saved').iterdir()):
            path.unlink()
        (tmp_path / 'saved').rmdir()


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('what', ['opcode', 'length', 'many bytes'])
def test_behind_a_damaged_head_the_next_record_is_found(tmp_path: Path, form: str, what: str) -> None:
    file = tmp_path / 'drive.mcap'
    found = write_mcap(file, **FORMS[form])
    data = bytearray(file.read_bytes())
    kind = Opcode.MESSAGE if form == 'no chunks' else Opcode.CHUNK
    at = records_of(data, kind)[3]
    if what == 'opcode':
        data[at] = 0x7F
    elif what == 'length':
        data[at + 4] ^= 0x40
    else:
        data[at : at + 30] = b'\xee' * 30
    file.write_bytes(data)
    result, saved = recovered(file)
    lost = lost_of(found, saved)
    assert len(lost) == 1 if form == 'no chunks' else 0 < len(lost) < COUNT // 4
    assert result.lost


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('crcs', [True, False])
def test_zeros_that_stand_for_what_was_never_written_are_no_message(tmp_path: Path, form: str, crcs: bool) -> None:
    file = tmp_path / 'drive.mcap'
    found = write_mcap(file, **FORMS[form], enable_crcs=crcs)
    data = file.read_bytes()
    for number, keep in enumerate(np.linspace(len(data) // 3, len(data) * 0.8, 12).astype(int).tolist()):
        for size in (len(data), keep + 1000):
            folder = tmp_path / f'{number}_{size}'
            folder.mkdir()
            zeroed = folder / 'drive.mcap'
            zeroed.write_bytes(data[:keep] + bytes(max(size - keep, 0)))
            result, saved = recovered(zeroed)
            lost_of(found, saved)
            assert saved == found[: len(saved)]
            assert len(saved) > COUNT // 8
            assert result.lost or result.repaired


def test_a_hole_of_zeros_in_a_file_without_checksums_is_no_message(tmp_path: Path) -> None:
    for form in ('plain chunks', 'no chunks'):
        (tmp_path / form).mkdir()
        file = tmp_path / form / 'drive.mcap'
        found = write_mcap(file, **FORMS[form], enable_crcs=False)
        data = bytearray(file.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 700] = bytes(700)
        file.write_bytes(data)
        result, saved = recovered(file)
        wrong = [message for message in saved if message not in found]
        # Without a checksum, a message in which the hole ends is not known from a whole one, but that it has a hole is.
        assert len(wrong) <= 1
        assert len(saved) > COUNT // 2
        assert result.lost


@pytest.mark.parametrize('form', FORMS)
def test_files_joined_by_cat_become_one(tmp_path: Path, form: str) -> None:
    found, content = [], b''
    for number in range(3):
        part = tmp_path / f'{number}.mcap'
        found += write_mcap(part, begin=number * COUNT, **FORMS[form])
        content += part.read_bytes()
    file = tmp_path / 'all.mcap'
    file.write_bytes(content)
    with open_recording(file) as reader:
        assert list(reader.messages()) == found
        assert any('3 files that were joined' in text for text in reader.warnings)
    result, saved = recovered(file)
    assert saved == found
    assert not result.lost
    assert 'all.mcap: 3 files that were joined are one file now' in result.repaired


def test_a_file_that_was_cut_off_and_another_behind_it_give_both(tmp_path: Path) -> None:
    found = write_mcap(tmp_path / 'a.mcap', compression=CompressionType.NONE)
    more = write_mcap(tmp_path / 'b.mcap', begin=COUNT, compression=CompressionType.NONE)
    cut = (tmp_path / 'a.mcap').read_bytes()
    file = tmp_path / 'ab.mcap'
    file.write_bytes(cut[: len(cut) // 3] + (tmp_path / 'b.mcap').read_bytes())
    result, saved = recovered(file)
    lost = lost_of(found + more, saved)
    assert not set(lost) & set(more)
    assert len(lost) < COUNT * 0.9
    assert any('cut off' in text for text in result.lost)


def test_a_changed_value_where_only_the_whole_file_has_a_checksum_is_reported(tmp_path: Path) -> None:
    file = tmp_path / 'drive.mcap'
    write_mcap(file, use_chunking=False, enable_data_crcs=True)
    bag_is_whole = recover_bag(file, tmp_path / 'whole')
    assert not bag_is_whole.lost
    data = bytearray(file.read_bytes())
    data[records_of(data, Opcode.MESSAGE)[50] + 9 + 22 + 20] ^= 1
    file.write_bytes(data)
    result, _ = recovered(file)
    assert any('checksum of the file does not match' in text for text in result.lost)
    with open_recording(file) as reader:
        assert reader.warnings


def test_messages_that_do_not_fit_their_type_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / 'drive.mcap'
    found = write_mcap(file, use_chunking=False, enable_crcs=False)
    data = bytearray(file.read_bytes())
    for at in records_of(data, Opcode.MESSAGE)[20:25]:
        data[at + 9 + 22 + 4 + 8 : at + 9 + 22 + 4 + 12] = b'\xff\xff\xff\x7f'  # the length of a string
    data = data[: records_of(data, Opcode.DATA_END)[0]]
    file.write_bytes(data)
    result, saved = recovered(file)
    assert len(lost_of(found, saved)) == 5
    assert sum(entry['messages'] for entry in result.dropped) == 5


@pytest.mark.parametrize('form', ['plain chunks', 'zstd chunks', 'lz4 chunks'])
def test_whatever_byte_is_changed_no_wrong_message_is_recovered(tmp_path: Path, form: str) -> None:
    file = tmp_path / 'drive.mcap'
    found = write_mcap(file, **FORMS[form])
    whole = file.read_bytes()
    random = np.random.default_rng(7)
    for number in range(40):
        data = bytearray(whole)
        for at in random.integers(8, len(data), random.integers(1, 4)).tolist():
            data[at] ^= int(random.integers(1, 256))
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / 'drive.mcap').write_bytes(data)
        try:
            result, saved = recovered(folder / 'drive.mcap')
        except SurfaceError as error:
            assert str(folder) in str(error)  # noqa: PT017 - no other error may come
            continue
        assert not lost_of(found, saved) or result.lost
