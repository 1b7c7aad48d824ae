# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface recover`: a recording whose recorder was killed becomes a whole bag, and the original is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.writing.recording_writer import RecordingWriter
from current_driver.testing.drives import write_drive
from surface_classifier.cli.main import main

REQUIRES = ('mcap', 'rosbags')


def interrupted(path: Path) -> None:
    """Leave a bag as a recorder does that is killed between two flushes."""
    whole = write_drive(path.with_name('whole'), [('ice', 15.0), ('snow', 15.0)])
    with open_recording(whole) as reader:
        messages = list(reader.messages())[:300]
    writing = path.with_name('writing') / path.name
    writer = RecordingWriter(writing, 'mcap', flush_interval_s=None)
    for message in messages:
        writer.add_topic(message.topic, message.msgtype, latched=message.topic == 'surface_truth')
        writer.write(message.topic, message.stamp_ns, message.cdr)
    writer.flush()
    shutil.copytree(writing, path)
    writer.close()
    shutil.rmtree(whole)
    shutil.rmtree(writing.parent)


def test_the_verb_reports_what_was_recovered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = tmp_path / 'drive'
    interrupted(bag)
    assert main(['recover', str(bag), '--json', str(tmp_path / 'report.json')]) == 0
    text = capsys.readouterr().out
    assert f'{bag}: recovered 300 messages over' in text
    assert f'the original is {tmp_path / ".drive.original"}' in text
    assert 'lost: nothing that was in the files' in text
    (report,) = json.loads((tmp_path / 'report.json').read_text())['bags']
    assert report['messages'] == {'/surface_truth': 2, '/motor_current': 298}
    assert report['original'] == str(tmp_path / '.drive.original')
    assert main(['recover', str(bag)]) == 0
    assert 'whole, with 300 messages' in capsys.readouterr().out


def test_a_lone_file_needs_an_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = tmp_path / 'drive'
    interrupted(bag)
    (lone,) = bag.glob('*.mcap')
    assert main(['recover', str(lone)]) == 2
    assert '--output' in capsys.readouterr().err
    assert main(['recover', str(lone), '-o', str(tmp_path / 'other')]) == 0
    with open_recording(tmp_path / 'other') as reader:
        assert len(list(reader.messages())) == 300
    assert main(['recover', str(bag), str(lone), '-o', str(tmp_path / 'x')]) == 2
