# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that we write: readable by others, and hardly hurt when the writer is killed."""

from __future__ import annotations

import errno
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.interfaces import ConnectionExtRosbag2, QosDurability
from rosbags.rosbag2 import Reader, Writer

from current_driver import messages
from current_driver.errors import RefusedMessageError, SurfaceError
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.writing.bag_storage import McapStorage, SqliteStorage
from current_driver.recordings.writing.recording_writer import STATE_COMPLETE, STATE_KEY, RecordingWriter
from current_driver.testing.drives import START_NS, write_drive

STORAGES = ('mcap', 'sqlite3')

# Writes 100 messages a second until it is killed, and says on standard output when each one was handed over.
ENDLESS_WRITER = """
import sys, time
from current_driver import messages
from current_driver.recordings.writing.recording_writer import STATE_COMPLETE, STATE_KEY, RecordingWriter
writer = RecordingWriter(sys.argv[1], sys.argv[2], metadata={'robot': 'test robot'})
start = time.monotonic()
count = 0
while True:
    stamp = 1_000_000_000_000_000_000 + count * 10_000_000
    writer.write_message('surface_truth', messages.truth_message(stamp, 'ice', 'operator'), stamp, latched=True)
    count += 1
    print(count, time.monotonic(), flush=True)
    time.sleep(max(0.0, start + count * 0.01 - time.monotonic()))
"""


@pytest.mark.parametrize('storage', STORAGES)
def test_rosbags_reads_what_was_written(tmp_path: Path, storage: str) -> None:
    bag = write_drive(tmp_path / 'drive', [('ice', 1.0)], storage=storage, metadata={'robot': 'husky', 'note': ''})
    with Reader(bag) as reader:
        found = [(connection.topic, stamp, bytes(data)) for connection, stamp, data in reader.messages()]
        topics = {topic: info.msgtype for topic, info in reader.topics.items()}
        truth_connection = reader.topics['/surface_truth'].connections[0].ext
        assert isinstance(truth_connection, ConnectionExtRosbag2)
        durability = truth_connection.offered_qos_profiles[0].durability
        noted = reader.storage.metadata.custom or {}
    assert topics == {'/motor_current': messages.MOTOR_CURRENT, '/surface_truth': messages.SURFACE_TRUTH}
    assert [topic for topic, _, _ in found].count('/motor_current') == 10
    assert durability == QosDurability.TRANSIENT_LOCAL
    assert noted['robot'] == 'husky'
    assert 'note' not in noted
    truth = messages.deserialize(found[0][2], messages.SURFACE_TRUTH)
    assert (truth.surface, found[0][1]) == ('ice', START_NS)


def test_mcap_package_decodes_every_message_by_the_definition_in_the_bag(tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'drive', [('ice', 1.0)])
    with (bag / 'drive_0.mcap').open('rb') as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        decoded = [
            (channel.topic, message.log_time, value) for _, channel, message, value in reader.iter_decoded_messages()
        ]
    ours = {}
    with open_recording(bag) as recording:
        for stamped in recording.messages(topics=['motor_current']):
            ours[stamped.stamp_ns] = recording.deserialize(stamped)
    blocks = [(stamp, value) for topic, stamp, value in decoded if topic == '/motor_current']
    assert len(blocks) == len(ours) == 10
    for stamp, block in blocks:
        assert list(block.current) == ours[stamp].current.tolist()
        assert list(block.motor_names) == ['left', 'right']
        assert block.first_sample == ours[stamp].first_sample


def test_stock_types_and_types_with_a_definition_can_be_recorded(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / 'bag') as writer:
        writer.add_topic('joint_states', 'sensor_msgs/msg/JointState')
        writer.add_topic('odd', 'odd_msgs/msg/Odd', 'float64 value\nstring name\n')
        writer.write('odd', START_NS, b'\x00\x01\x00\x00' + np.float64(2.5).tobytes() + b'\x02\x00\x00\x00a\x00')
    with open_recording(tmp_path / 'bag') as reader:
        assert reader.topics == {'/joint_states': 'sensor_msgs/msg/JointState', '/odd': 'odd_msgs/msg/Odd'}
        (odd,) = (reader.deserialize(stamped) for stamped in reader.messages(topics=['odd']))
        assert (odd.value, odd.name) == (2.5, 'a')


@pytest.mark.parametrize('storage', STORAGES)
def test_topics_are_absolute_as_ros_records_them(storage: str, tmp_path: Path) -> None:
    """`ros2 bag play --topics /odd` finds no topic of another name."""
    with RecordingWriter(tmp_path / 'bag', storage) as writer:
        for topic in ('odd', '/odd'):
            writer.add_topic(topic, 'odd_msgs/msg/Odd', 'float64 value\n')
            writer.write(topic, START_NS, b'\x00\x01\x00\x00' + np.float64(2.5).tobytes())
        assert set(writer.topics) == {'/odd'}
    with Reader(tmp_path / 'bag') as bag:
        assert {connection.topic for connection in bag.connections} == {'/odd'}
    with open_recording(tmp_path / 'bag') as reader:
        assert [len(list(reader.messages(topics=[topic]))) for topic in ('odd', '/odd')] == [2, 2]


def test_older_bags_with_relative_topics_are_read_by_either_name(tmp_path: Path) -> None:
    truth = messages.truth_message(START_NS, 'ice', 'operator')
    with Writer(tmp_path / 'bag', version=9) as writer:
        connection = writer.add_connection('surface_truth', messages.SURFACE_TRUTH, typestore=messages.typestore())
        writer.write(connection, START_NS, messages.serialize(truth))
    with open_recording(tmp_path / 'bag') as reader:
        assert [len(list(reader.messages(topics=[topic]))) for topic in ('surface_truth', '/surface_truth')] == [1, 1]
        with pytest.raises(SurfaceError, match="no topic 'truth'; it has surface_truth"):
            reader.messages(topics=['truth'])


def test_a_type_without_definition_is_refused(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / 'bag') as writer, pytest.raises(SurfaceError, match="'odd_msgs/msg/Odd'"):
        writer.add_topic('odd', 'odd_msgs/msg/Odd')


def test_a_topic_keeps_its_type(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / 'bag') as writer:
        writer.add_topic('a', messages.MOTOR_CURRENT)
        writer.add_topic('a', messages.MOTOR_CURRENT)
        with pytest.raises(SurfaceError, match="topic '/a' is recorded as surface_msgs/msg/MotorCurrent"):
            writer.add_topic('a', messages.IMU)


@pytest.mark.parametrize('storage', STORAGES)
def test_metadata_is_there_from_the_start(tmp_path: Path, storage: str) -> None:
    writer = RecordingWriter(tmp_path / 'bag', storage, metadata={'place': 'hall 3'}, flush_interval_s=None)
    writer.add_topic('surface_truth', messages.SURFACE_TRUTH)
    noted = yaml.safe_load((tmp_path / 'bag' / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert noted['custom_data']['place'] == 'hall 3'
    assert noted['custom_data']['surface_recording_state'] == 'open'
    assert noted['topics_with_message_count'][0]['topic_metadata']['name'] == '/surface_truth'
    writer.close()
    noted = yaml.safe_load((tmp_path / 'bag' / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert noted['custom_data']['surface_recording_state'] == 'complete'


@pytest.mark.parametrize('storage', STORAGES)
def test_killing_the_writer_loses_less_than_a_second(tmp_path: Path, storage: str) -> None:
    bag = tmp_path / 'bag'
    process = subprocess.Popen(
        [sys.executable, '-c', ENDLESS_WRITER, str(bag), storage], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    handed_over: dict[int, float] = {}
    try:
        for line in process.stdout:
            count, moment = line.split()
            handed_over[int(count)] = float(moment)
            if int(count) == 250:
                break
    finally:
        killed_at = time.monotonic()
        process.send_signal(signal.SIGKILL)
        rest = process.communicate(timeout=30)[0]
    handed_over.update((int(count), float(moment)) for count, moment in (line.split() for line in rest.splitlines()))

    with open_recording(bag) as reader:
        saved = [reader.deserialize(stamped).surface for stamped in reader.messages()]
        assert reader.metadata['robot'] == 'test robot'
    assert set(saved) == {'ice'}
    lost = [moment for count, moment in handed_over.items() if count > len(saved)]
    assert len(saved) >= 150
    assert not lost or killed_at - min(lost) < 1.0


def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_chunk(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / 'bag', flush_interval_s=None)
    for index in range(20):
        stamp = START_NS + index
        writer.write_message('surface_truth', messages.truth_message(stamp, 'ice', 'operator'), stamp, latched=True)
        if index == 9:
            writer.flush()
    writer.flush()
    file = tmp_path / 'bag' / 'bag_0.mcap'
    whole = file.read_bytes()
    counts = set()
    # The second chunk lies in the last third: cuts from its beginning to its end.
    for cut in range(len(whole) * 2 // 3, len(whole), 7):
        file.write_bytes(whole[:cut])
        with open_recording(tmp_path / 'bag') as reader:
            counts.add(sum(1 for _ in reader.messages()))
    assert counts <= {10, 20}
    writer.close()


def test_messages_from_several_threads_are_all_written(tmp_path: Path) -> None:
    cdr = messages.serialize(messages.truth_message(START_NS, 'ice', 'operator'))
    with RecordingWriter(tmp_path / 'bag', flush_interval_s=0.001) as writer:
        writer.add_topic('surface_truth', messages.SURFACE_TRUTH)

        def write() -> None:
            for index in range(500):
                writer.write('surface_truth', START_NS + index, cdr)

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    assert writer.message_count == 2000
    with open_recording(tmp_path / 'bag') as reader:
        assert sum(1 for _ in reader.messages()) == 2000
        assert (reader.start_ns, reader.end_ns) == (START_NS, START_NS + 499)


def test_a_recording_is_never_written_over_something(tmp_path: Path) -> None:
    (tmp_path / 'bag').mkdir()
    with pytest.raises(SurfaceError, match='bag: exists already'):
        RecordingWriter(tmp_path / 'bag')
    with pytest.raises(SurfaceError, match=r"leave out '\.mcap'"):
        RecordingWriter(tmp_path / 'bag.mcap')
    with pytest.raises(SurfaceError, match="storage 'hdf5' is not known"):
        RecordingWriter(tmp_path / 'other', 'hdf5')


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / 'bag')
    writer.discard()
    assert not (tmp_path / 'bag').exists()
    with pytest.raises(ValueError, match='is closed'):
        writer.write('a', 0, b'')


@pytest.mark.parametrize('storage', STORAGES)
def test_a_full_disk_is_told_to_whoever_writes_next(
    tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def full(_: object) -> None:
        failed.set()
        raise OSError(errno.ENOSPC, 'No space left on device')

    with RecordingWriter(tmp_path / 'bag', storage, flush_interval_s=0.01) as writer:
        writer.add_topic('imu', messages.IMU)
        with monkeypatch.context() as patch:
            patch.setattr(McapStorage if storage == 'mcap' else SqliteStorage, 'flush', full)
            assert failed.wait(10.0)
        with pytest.raises(SurfaceError, match=r'bag: the recording cannot be stored \(.*No space left on device'):
            writer.write('imu', 5, b'\x00\x01\x00\x00')


@pytest.mark.parametrize('storage', STORAGES)
def test_on_a_full_disk_everything_before_is_readable(small_disk: Path, storage: str) -> None:
    rng = np.random.default_rng(0)
    definition = 'uint8[] data\n'
    written = []
    writer = RecordingWriter(small_disk / 'bag', storage, metadata={'robot': 'husky'}, flush_interval_s=None)
    writer.add_topic('noise', 'odd_msgs/msg/Noise', definition)
    flushed = 0

    def fill() -> None:
        nonlocal flushed
        for index in range(1000):
            payload = rng.bytes(2000)  # cannot be compressed
            written.append(b'\x00\x01\x00\x00' + len(payload).to_bytes(4, 'little') + payload)
            writer.write('noise', START_NS + index, written[-1])
            if index % 10 == 9:
                writer.flush()
                flushed = index + 1

    with pytest.raises(SurfaceError, match=r'bag: the recording cannot be stored \(.*free space on the disk'):
        fill()
    assert 50 < flushed < 1000
    assert writer.message_count == flushed
    assert 'free space' in writer.failure
    with pytest.raises(SurfaceError, match='cannot be stored'):
        writer.write('noise', 0, b'')
    writer.close()
    with open_recording(small_disk / 'bag') as reader:
        assert [message.cdr for message in reader.messages()] == written[:flushed]
        assert reader.metadata['robot'] == 'husky'


def test_a_disk_that_is_full_at_the_start_is_told_and_left_clean(small_disk: Path) -> None:
    with pytest.raises(OSError, match='No space left'):
        (small_disk / 'ballast').write_bytes(bytes(10**6))
    with pytest.raises(SurfaceError, match='cannot be written there'):
        RecordingWriter(small_disk / 'bag', 'sqlite3')
    assert not (small_disk / 'bag').exists()


def test_what_was_noted_is_also_in_a_sidecar(tmp_path: Path) -> None:
    notes = {'operator': 'Ann', 'robot': 'husky 2', 'battery': '87 %', 'note': 'wet: after rain'}
    bag = write_drive(tmp_path / 'drive', [('ice', 1.0)], metadata=notes)
    # As a tool leaves it that makes the metadata again from the storage files.
    content = yaml.safe_load((bag / 'metadata.yaml').read_text())
    content['rosbag2_bagfile_information']['custom_data'] = None
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(content))
    with open_recording(bag) as reader:
        assert reader.metadata == notes
    (bag / 'metadata.yaml').unlink()
    with open_recording(bag) as reader:
        assert reader.metadata == notes
    (bag / 'recording.yaml').write_text('- a list')
    with pytest.raises(SurfaceError, match=r'recording\.yaml: not a mapping'):
        open_recording(bag)


def test_a_bag_without_notes_has_no_sidecar(tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'drive', [('ice', 1.0)])
    assert {path.name for path in bag.iterdir()} == {'metadata.yaml', 'drive_0.mcap'}


@pytest.mark.parametrize('storage', STORAGES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_stamp_that_cannot_be_stored_costs_its_message_alone(storage: str, data: st.DataObject) -> None:
    stamps = data.draw(st.lists(st.one_of(st.integers(-(2**63), 2**64), st.integers(0, 2**62))))
    stamps.insert(0, START_NS)
    cdr = messages.serialize(messages.truth_message(START_NS, 'ice', 'operator'))
    refused = 0
    with tempfile.TemporaryDirectory() as folder:
        # Flushed by a thread in between, which must live on.
        with RecordingWriter(Path(folder) / 'bag', storage, flush_interval_s=0.0001) as writer:
            writer.add_topic('truth', messages.SURFACE_TRUTH)
            for stamp in stamps:
                if 0 <= stamp < 2**63:
                    writer.write('truth', stamp, cdr)
                    continue
                with pytest.raises(RefusedMessageError, match='topic truth'):
                    writer.write('truth', stamp, cdr)
                refused += 1
            assert writer.failure == ''
        storable = [stamp for stamp in stamps if 0 <= stamp < 2**63]
        assert (writer.message_count, sum(writer.refused.values())) == (len(storable), refused)
        assert refused == len(stamps) - len(storable)
        with open_recording(Path(folder) / 'bag') as reader:
            assert sorted(message.stamp_ns for message in reader.messages()) == sorted(storable)
            assert reader.metadata[STATE_KEY] == STATE_COMPLETE


def test_an_error_of_any_kind_in_the_flushing_thread_ends_the_recording_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def broken(_: object) -> None:
        failed.set()
        raise struct.error('int too large to convert')

    with RecordingWriter(tmp_path / 'bag', flush_interval_s=0.01) as writer:
        writer.add_topic('imu', messages.IMU)
        writer.write('imu', START_NS, b'\x00\x01\x00\x00')
        writer.flush()
        with monkeypatch.context() as patch:
            patch.setattr(McapStorage, 'flush', broken)
            assert failed.wait(10.0)
        with pytest.raises(SurfaceError, match='int too large'):
            writer.write('imu', START_NS + 1, b'\x00\x01\x00\x00')
        assert 'int too large' in writer.failure
    with open_recording(tmp_path / 'bag') as reader:
        assert [message.stamp_ns for message in reader.messages()] == [START_NS]
