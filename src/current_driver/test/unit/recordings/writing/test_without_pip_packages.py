# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Sources and recordings on a robot that has Python packages from apt alone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from current_driver.recordings.recording import Recording
from current_driver.recordings.writing.bag_storage import choose_storage

BLOCK = """
import sys
for name in ('rosbags', 'mcap', 'mcap_ros2', 'zstandard', 'lz4', 'safetensors', 'onnxruntime', 'torch', 'optuna'):
    sys.modules[name] = None
"""
RECORD = """
from pathlib import Path
from current_driver.recordings.message_definitions import message_definition
from current_driver.recordings.reading.csv_reader import ColumnsConfig
from current_driver.recordings.writing.recording_session import RecordingSession
from current_driver.recordings.writing.recording_writer import RecordingWriter
from current_driver.replay_source import ReplaySource
from current_driver.simulation.simulator import SimulatorConfig
from current_driver.simulation.simulator_source import SimulatorSource

def record(source, path, surface):
    session = RecordingSession(RecordingWriter(path), '/surface_truth', surface, 'operator')
    with source:
        for topic, msgtype in source.topics.items():
            session.add_topic(topic, msgtype, message_definition(msgtype), latched=topic in source.latched_topics)
        while (found := source.read_block()) is not None:
            for message in found:
                session.write(message.topic, message.cdr, message.stamp_ns, message.stamp_ns)
    print(session.close().messages)

folder = Path(sys.argv[1])
record(SimulatorSource(SimulatorConfig(seed=1, surfaces=('carpet',), duration_s=2.0)), folder / 'simulated', '')
csv = folder / 'drive.csv'
csv.write_text('time,current_left,current_right\\n' + ''.join(f'{row / 100},1.0,2.0\\n' for row in range(200)))
record(ReplaySource([csv]), folder / 'replayed', 'gravel')
"""
READ = """
from current_driver.errors import SurfaceError
from current_driver.recordings.recording import Recording
from current_driver.recordings.writing.recording_writer import RecordingWriter
for fail in (lambda: Recording(sys.argv[1]).segments(), lambda: RecordingWriter(sys.argv[1] + '_other', 'mcap')):
    try:
        fail()
    except SurfaceError as error:
        print(error)
"""


def run(script: str, *arguments: str) -> str:
    """Run a script where no package of pip can be imported, and return what it printed."""
    done = subprocess.run(
        [sys.executable, '-c', BLOCK + script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.timeout(120)
def test_simulated_and_replayed_drives_are_recorded_into_sqlite3(tmp_path: Path) -> None:
    counts = run(RECORD, str(tmp_path)).split()
    assert len(counts) == 2
    for name, surface, count in zip(('simulated', 'replayed'), ('carpet', 'gravel'), counts, strict=True):
        (file,) = (tmp_path / name).glob('*.db3')
        with sqlite3.connect(file) as database:
            assert database.execute('SELECT COUNT(*) FROM messages').fetchone() == (int(count),)
            hashes = dict(database.execute('SELECT name, type_description_hash FROM topics'))
        assert all(value.startswith('RIHS01_') for value in hashes.values()), hashes
        # What was written without the packages is read with them.
        recording = Recording(tmp_path / name)
        assert [segment.surface for segment in recording.segments()] == [surface]
        with recording.reader() as reader:
            blocks = [reader.deserialize(message) for message in reader.messages(topics=['motor_current'])]
        assert sum(len(block.offsets_ns) for block in blocks) == 200


def test_what_needs_a_package_names_it_and_the_command(tmp_path: Path) -> None:
    (tmp_path / 'bag').mkdir()
    reading, writing = run(READ, str(tmp_path / 'bag')).splitlines()
    assert 'rosbags, mcap, zstandard, lz4; make an environment' in reading
    assert reading.endswith('VENV/bin/pip install rosbags mcap zstandard lz4')
    assert writing.endswith('--system-site-packages VENV && VENV/bin/pip install mcap')
    assert not (tmp_path / 'bag_other').exists()


@pytest.mark.requires('mcap')
def test_a_storage_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_storage('auto') == choose_storage('mcap') == 'mcap'
    monkeypatch.setitem(sys.modules, 'mcap', None)
    assert choose_storage('auto') == choose_storage('sqlite3') == 'sqlite3'
