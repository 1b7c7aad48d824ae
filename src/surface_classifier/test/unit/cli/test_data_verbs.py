# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface simulate`, `import` and `dataset` as a user types them: what they write, and how they refuse bad input."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from dataset_samples import save_dataset

from current_driver import messages
from current_driver.messages import StampedMessage
from current_driver.recordings.recording import Recording
from current_driver.recordings.writing.recording_writer import RecordingWriter
from current_driver.simulation.simulator_source import SimulatorSource
from current_driver.testing.drives import write_drive
from surface_classifier.cli.main import main
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.npy_file import NpyAppender


def write_csv(path: Path, text: str = '', rows: int = 300) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'{row / 100},{row % 7},{row % 5}' for row in range(rows)]
    path.write_text(text or '\n'.join(['time,curL,curR', *lines]) + '\n')
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run the command, which must refuse its input in one sentence; return that sentence."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith('surface: error: ')
    assert error.count('\n') == 1
    return error


def test_from_csv_files_to_folds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ('ice/0', 'ice/1', 'snow/0', 'snow/1', 'MIXED/0'):
        write_csv(tmp_path / 'csv' / f'{name}.csv')
    report = tmp_path / 'import.json'
    bags, dataset = tmp_path / 'bags', tmp_path / 'set'
    arguments = ['import', 'csv', tmp_path / 'csv', '-o', bags, '--exclude', 'MIXED', '--robot', 'r2', '--json', report]
    assert main([str(argument) for argument in arguments]) == 0
    output = capsys.readouterr().out
    assert '4 recordings' in output
    imported = json.loads(report.read_text())
    assert {name: entry['recordings'] for name, entry in imported['classes'].items()} == {'ice': 2, 'snow': 2}
    assert imported['excluded'] == ['MIXED']

    assert main(['dataset', 'build', str(bags), '-o', str(dataset)]) == 0
    assert 'windows of 1 s, every 0.5 s' in capsys.readouterr().out
    assert main(['dataset', 'info', str(dataset), '--folds', '2', '--verify', '--recordings', '--json', '-']) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown['windows'] == 20
    assert shown['classes']['ice'] == {'windows': 10, 'recordings': 2, 'robots': ['r2'], 'seconds': 6.0}
    assert shown['digest'] == Dataset.load(dataset).digest
    assert sorted(shown['folds']['repetitions'][0]) == ['ice/0', 'ice/1', 'snow/0', 'snow/1']

    (tmp_path / 'folds.json').write_text(json.dumps(shown['folds']))
    assert main(['dataset', 'info', str(dataset), '--folds-file', str(tmp_path / 'folds.json'), '--recordings']) == 0
    output = capsys.readouterr().out
    assert 'fold 1: tests 2 recordings, 10 windows (ice 5, snow 5)' in output
    assert 'r2' in output


@pytest.mark.requires('mcap', 'rosbags')
def test_windows_by_flags_and_by_file(tmp_path: Path) -> None:
    write_drive(tmp_path / 'bags' / 'a', [('ice', 5.0), ('snow', 5.0)])
    build = ['dataset', 'build', str(tmp_path / 'bags'), '-o', str(tmp_path / 'set')]
    assert main([*build, '--window-seconds', '2', '--stride-seconds', '0.2', '--sample-rate', '50']) == 0
    config = Dataset.load(tmp_path / 'set').config
    assert (config.window_samples, config.stride_samples, config.parts[0].sample_rate_hz) == (100, 10, 50.0)
    (tmp_path / 'channels.yaml').write_text(
        'window: {samples: 40, stride: 20}\n'
        'parts: [{name: motor, sample_rate_hz: 20, channels: [{name: right, topic: motor_current, '
        "type: surface_msgs/msg/MotorCurrent, field: 'current[right]'}]}]\n"
    )
    overridden = ['--channels', str(tmp_path / 'channels.yaml'), '--stride-seconds', '0.5', '--overwrite']
    assert main([*build, *overridden]) == 0
    dataset = Dataset.load(tmp_path / 'set')
    assert dataset.config.parts[0].channel_names == ('right',)
    assert (dataset.config.window_samples, dataset.config.stride_samples) == (40, 10)
    assert dataset.config.parts[0].input_rate_hz == 100.0


def test_arrays_become_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / 'X.npy', np.zeros((12, 100, 1)))
    np.save(tmp_path / 'Y.npy', np.eye(3)[np.arange(12) % 3])
    np.save(tmp_path / 'G.npy', np.arange(12) // 3)
    arguments = ['import', 'arrays', tmp_path / 'X.npy', tmp_path / 'Y.npy', '-o', tmp_path / 'set']
    assert main([str(argument) for argument in arguments]) == 0
    assert 'no recordings are known' in capsys.readouterr().out
    named = ['--groups', tmp_path / 'G.npy', '--sample-rate', '50', '--class-names', 'a', 'b', 'c', '--overwrite']
    assert main([str(argument) for argument in [*arguments, *named]]) == 0
    dataset = Dataset.load(tmp_path / 'set')
    assert dataset.has_recordings
    assert len(dataset.recordings) == 4
    assert dataset.classes == ('a', 'b', 'c')


@pytest.mark.requires('mcap', 'rosbags')
def test_a_simulated_drive_is_a_labelled_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drive = ['--seed', '3', '--surfaces', 'carpet', 'tiles', '--duration', '6', '--seconds-per-surface', '3']
    for name in ('first', 'second'):
        assert main(['simulate', '-o', str(tmp_path / name), *drive, '--json', str(tmp_path / f'{name}.json')]) == 0
    result = json.loads((tmp_path / 'first.json').read_text())
    assert result['surfaces'] == pytest.approx({'carpet': 3.0, 'tiles': 3.0}, abs=0.02)
    recording = Recording(tmp_path / 'first')
    assert {segment.surface for segment in recording.segments()} == {'carpet', 'tiles'}
    with recording.reader() as first, Recording(tmp_path / 'second').reader() as second:
        assert first.metadata['robot'] == 'simulated'
        assert first.metadata['note'] == 'seed 3'
        assert list(first.messages()) == list(second.messages())
    assert "unknown surface 'lava'" in refused(capsys, 'simulate', '-o', tmp_path / 'third', '--surfaces', 'lava')
    assert not (tmp_path / 'third').exists()
    assert 'first: exists already' in refused(capsys, 'simulate', '-o', tmp_path / 'first')


@pytest.mark.requires('mcap', 'rosbags')
def test_a_drive_too_short_for_its_surfaces_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['simulate', '-o', str(tmp_path / 'drive'), '--duration', '2', '--seconds-per-surface', '1']) == 0
    assert 'too short to reach' in capsys.readouterr().out


def test_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / 'empty'
    empty.mkdir()
    error = refused(capsys, 'import', 'csv', empty, '-o', tmp_path / 'bags')
    assert f'{empty}: holds no folder of a class; expected' in error
    error = refused(capsys, 'dataset', 'build', empty, '-o', tmp_path / 'set')
    assert f'{empty}: holds no recording' in error
    (empty / 'ice').mkdir()
    error = refused(capsys, 'import', 'csv', empty, '-o', tmp_path / 'bags')
    assert f'{empty / "ice"}: holds no recording (*.csv); add one, or leave the folder out with --exclude ice' in error
    write_csv(tmp_path / 'flat' / '0.csv')
    error = refused(capsys, 'import', 'csv', tmp_path / 'flat', '-o', tmp_path / 'bags')
    assert 'must lie in a folder named after their class' in error


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            'time,curL\n0.0,1.0\n0.1,abc\n0.2,1.0\n',
            "0.csv, line 3, column 'curL': 'abc' is not a finite number; correct",
        ),
        (
            'time,curL\n0.0,1.0\n0.1,nan\n0.2,1.0\n',
            "0.csv, line 3, column 'curL': 'nan' is not a finite number; correct",
        ),
        ('time,curL\n0.0,1.0\n0.1,\n0.2,1.0\n', "0.csv, line 3, column 'curL': the cell is empty; correct"),
        ('time,curL\n0.0,1.0\n0.2,1.0\n0.1,1.0\n', "0.csv, line 4, column 'time': time runs backwards, '0.1'"),
        ('time,speed\n0.0,1.0\n', '0.csv: no column looks like a motor current'),
        ('time,curL\n', '0.csv: there is no row of data'),
    ],
)
def test_a_csv_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str) -> None:
    write_csv(tmp_path / 'csv' / 'ice' / '0.csv', text)
    assert message in refused(capsys, 'import', 'csv', tmp_path / 'csv', '-o', tmp_path / 'bags')
    assert not (tmp_path / 'bags').exists()


def test_one_class_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(tmp_path / 'csv' / 'ice' / '0.csv')
    assert main(['import', 'csv', str(tmp_path / 'csv'), '-o', str(tmp_path / 'bags')]) == 0
    assert 'only one class, ice' in capsys.readouterr().err
    error = refused(capsys, 'dataset', 'build', tmp_path / 'bags', '-o', tmp_path / 'set')
    assert "set: all 5 windows are of one class, 'ice'; add recordings of another surface" in error
    allowed = ['dataset', 'build', tmp_path / 'bags', '-o', tmp_path / 'set', '--allow-one-class']
    assert main([str(argument) for argument in allowed]) == 0
    error = refused(capsys, 'dataset', 'info', tmp_path / 'set', '--folds', '2')
    assert "set: has one class only, 'ice'" in error


def test_a_class_with_one_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_dataset(tmp_path / 'set', {'a': {'ice': 3}, 'b': {'ice': 3}, 'c': {'snow': 3}})
    error = refused(capsys, 'dataset', 'info', tmp_path / 'set', '--folds', '2')
    assert "set: class 'snow' has one recording only (c)" in error
    assert 'add a second recording' in error


@pytest.mark.requires('mcap', 'rosbags')
def test_windows_longer_than_every_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_drive(tmp_path / 'bags' / 'a', [('ice', 2.0), ('snow', 3.0)])
    error = refused(capsys, 'dataset', 'build', tmp_path / 'bags', '-o', tmp_path / 'set', '--window-seconds', '20')
    assert 'windows of 20 s are longer than every recording under one label (the longest is 2.99 s, in a)' in error
    assert '--window-seconds' in error


@pytest.mark.requires('mcap', 'rosbags')
def test_a_bag_without_the_topic_and_a_wrong_field_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_drive(tmp_path / 'bags' / 'a', [('ice', 2.0), ('snow', 3.0)])
    channels = tmp_path / 'channels.yaml'
    build: list[str | Path] = ['dataset', 'build', tmp_path / 'bags', '-o', tmp_path / 'set', '--channels', channels]
    text = (
        'parts: [{name: motor, sample_rate_hz: 100, channels: [{name: left, topic: TOPIC, '
        "type: surface_msgs/msg/MotorCurrent, field: 'FIELD'}]}]\n"
    )
    channels.write_text(text.replace('TOPIC', 'joint_states').replace('FIELD', 'current[left]'))
    error = refused(capsys, *build)
    assert "bags/a: there is no topic 'joint_states'; the topics are: /motor_current, /surface_truth" in error
    channels.write_text(text.replace('TOPIC', 'motor_current').replace('FIELD', 'current[rear]'))
    error = refused(capsys, *build)
    assert 'bags/a: ' in error
    assert "no motor is named 'rear'; the motors are left, right" in error
    channels.write_text(text.replace('TOPIC', 'motor_current').replace('FIELD', 'amperes[left]'))
    error = refused(capsys, *build)
    assert 'channels.yaml' in error or 'amperes' in error
    channels.write_text(text.replace('name: motor', 'nam: motor'))
    assert 'channels.yaml: unknown key nam' in refused(capsys, *build)


def test_a_bag_without_a_label_or_without_motor_currents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RecordingWriter(tmp_path / 'bag') as writer:
        writer.add_topic('imu', messages.IMU)
        imu = messages.imu_message(10**18, np.zeros(3), np.zeros(3), 'imu_link')
        writer.write('imu', 10**18, messages.serialize(imu))
    error = refused(capsys, 'dataset', 'build', tmp_path / 'bag', '-o', tmp_path / 'set')
    assert 'bag: has no topic of type surface_msgs/msg/MotorCurrent (its topics: /imu); say with --channels' in error


def test_a_file_that_is_no_bag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'broken.mcap').write_bytes(b'not an MCAP file')
    assert 'broken.mcap: cannot be read' in refused(capsys, 'dataset', 'build', tmp_path, '-o', tmp_path / 'set')
    (tmp_path / 'notes.txt').write_text('hello')
    assert 'notes.txt: holds no recording' in refused(
        capsys, 'dataset', 'build', tmp_path / 'notes.txt', '-o', tmp_path / 'set'
    )


@pytest.mark.requires('mcap', 'rosbags')
def test_nothing_is_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_dataset(tmp_path / 'set', {'a': {'ice': 3, 'snow': 3}})
    write_drive(tmp_path / 'bags' / 'a', [('ice', 2.0), ('snow', 3.0)])
    error = refused(capsys, 'dataset', 'build', tmp_path / 'bags', '-o', tmp_path / 'set')
    assert 'replace it with --overwrite' in error
    error = refused(capsys, 'dataset', 'build', tmp_path / 'bags', '-o', tmp_path / 'bags', '--overwrite')
    assert 'exists and is not a data set' in error


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize(
    'arguments',
    [
        ['dataset'],
        ['dataset', 'build', 'x'],
        ['dataset', 'build', 'x', '-o', 'y', '--window-seconds', '-1'],
        ['import', 'xls', 'x'],
        ['import', 'csv', 'x'],
        ['simulate', '--seed', 'one', '-o', 'x'],
    ],
)
def test_wrong_usage_is_exit_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    assert 'usage: surface' in capsys.readouterr().err


@pytest.mark.requires('mcap', 'rosbags')
def test_a_drive_shorter_than_one_sample_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, 'simulate', '-o', tmp_path / 'drive', '--duration', '0.001')
    assert 'duration_s 0.001 is shorter than one sample at 100 Hz' in error
    assert not (tmp_path / 'drive').exists()


@pytest.mark.requires('mcap', 'rosbags')
def test_an_interrupted_drive_leaves_no_bag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = iter(range(3))
    read_block = SimulatorSource.read_block

    def interrupted(source: SimulatorSource) -> Sequence[StampedMessage] | None:
        if next(blocks, None) is None:
            raise KeyboardInterrupt
        return read_block(source)

    monkeypatch.setattr(SimulatorSource, 'read_block', interrupted)
    assert main(['simulate', '-o', str(tmp_path / 'drive'), '--duration', '10']) == 130
    assert not (tmp_path / 'drive').exists()


@pytest.mark.requires('mcap', 'rosbags')
def test_a_disk_that_fills_up_is_reported_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = write_drive(tmp_path / 'bag', [('ice', 3.0), ('snow', 3.0)])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(NpyAppender, 'extend', full)
    monkeypatch.setattr(NpyAppender, 'close', full)
    error = refused(capsys, 'dataset', 'build', bag, '-o', tmp_path / 'set')
    assert 'No space left on device; free space' in error
    assert [path.name for path in tmp_path.iterdir()] == ['bag']


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize(
    ('number', 'code', 'word'), [(signal.SIGTERM, 143, 'terminated'), (signal.SIGINT, 130, 'inter')]
)
def test_a_verb_that_is_stopped_removes_what_is_half_written(
    tmp_path: Path, number: signal.Signals, code: int, word: str
) -> None:
    write_drive(tmp_path / 'r' / 'a', [('ice', 3.0), ('snow', 3.0)])
    script = tmp_path / 'script.py'
    # The verb itself, held in the middle of its work.
    script.write_text(
        'import signal, sys\n'
        'from surface_classifier.cli.main import main\n'
        'from surface_classifier.data import dataset_builder\n'
        'def hold(*_):\n'
        "    print('at work', flush=True)\n"
        '    signal.pause()\n'
        'dataset_builder._add_recording = hold\n'
        "sys.exit(main(['dataset', 'build', 'r', '-o', 'set']))\n"
    )
    with subprocess.Popen(
        [sys.executable, script], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'at work\n'
        assert len(list(tmp_path.glob('.set.partial-*'))) == 1
        process.send_signal(number)
        error = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert word in error
    assert 'Traceback' not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ['r', 'script.py']


@pytest.mark.requires('mcap', 'rosbags')
def test_a_verb_leaves_the_signals_of_its_caller_alone(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    write_drive(tmp_path / 'a', [('ice', 1.0)])
    assert main(['info', str(tmp_path / 'a')]) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_info_takes_the_csv_files_that_a_build_takes_and_prints_the_history(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ('ice/0', 'snow/0'):
        write_csv(tmp_path / 'csv' / f'{name}.csv')
    assert main(['info', str(tmp_path / 'csv' / 'ice' / '0.csv')]) == 0
    assert 'ice/0  3.0 s' in capsys.readouterr().out
    assert main(['info', str(tmp_path / 'csv'), '--json', '-']) == 0
    assert [entry['name'] for entry in json.loads(capsys.readouterr().out)['recordings']] == ['ice/0', 'snow/0']

    assert main(['dataset', 'build', str(tmp_path / 'csv'), '-o', str(tmp_path / 'set')]) == 0
    edit = ['--windows', '0-1', '--to', 'snow', '--in-place']
    assert main(['dataset', 'relabel', str(tmp_path / 'set'), *edit]) == 0
    capsys.readouterr()
    for verb in (['info'], ['dataset', 'info']):
        assert main([*verb, str(tmp_path / 'set')]) == 0
        output = capsys.readouterr().out
        assert 'dataset build  2 recordings' in output
        assert 'dataset relabel  to snow, relabelled 2' in output
