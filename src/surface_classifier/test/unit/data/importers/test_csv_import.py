# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""CSV folders become labelled bags, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import Reader

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.recordings.reading.recording_reader import recording_base_ns
from current_driver.recordings.recording import find_recordings
from surface_classifier.data.importers.csv_import import CsvRecording, import_csv

COLUMNS = """
files: {motor: 'pro_{id}.csv', imu: 'imu_{id}.csv'}
motor: {time: time, current: {left: curL, right: curR}, current_unit: mA}
imu: {time: time, angular_velocity: [wx, wy, wz], linear_acceleration: [ax, ay, az]}
"""


def write_csv(path: Path, rows: int = 20, rate_hz: float = 10.0, header: str = 'time,curL,curR') -> Path:
    """Write a CSV whose cell in row i, column c is i + c / 10, after the time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = header.count(',')
    lines = [f'{row / rate_hz},' + ','.join(f'{row + column / 10}' for column in range(columns)) for row in range(rows)]
    path.write_text('\n'.join([header, *lines]) + '\n')
    return path


def test_each_file_becomes_a_labelled_bag(tmp_path: Path) -> None:
    for name in ('ice/a', 'ice/b', 'snow/c'):
        write_csv(tmp_path / 'csv' / f'{name}.csv')
    result = import_csv(tmp_path / 'csv', tmp_path / 'bags', metadata={'robot': 'husky'})
    assert [(item.name, item.surface) for item in result.recordings] == [
        ('ice/a', 'ice'),
        ('ice/b', 'ice'),
        ('snow/c', 'snow'),
    ]
    recordings = find_recordings([tmp_path / 'bags'])
    assert [recording.name for recording in recordings] == ['ice/a', 'ice/b', 'snow/c']
    for index, recording in enumerate(recordings):
        (segment,) = recording.segments()
        assert segment.surface == recording.name.split('/')[0]
        assert segment.start_ns == recording_base_ns(index)
        with recording.reader() as reader:
            assert reader.metadata['robot'] == 'husky'
            blocks = [reader.deserialize(stamped) for stamped in reader.messages(topics=['motor_current'])]
        current = np.concatenate([block.current for block in blocks]).reshape(-1, 2)
        np.testing.assert_array_equal(current, np.arange(20.0)[:, None] + [0.0, 0.1])


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_second_file_at_another_rate(tmp_path: Path, storage: str) -> None:
    write_csv(tmp_path / 'csv' / 'ice' / 'pro_00.csv')
    write_csv(tmp_path / 'csv' / 'ice' / 'imu_00.csv', 200, 100.0, 'time,wx,wy,wz,ax,ay,az')
    write_csv(tmp_path / 'csv' / 'ice' / 'pro_01.csv')
    write_csv(tmp_path / 'csv' / 'ice' / 'imu_07.csv', 200, 100.0, 'time,wx,wy,wz,ax,ay,az')
    write_csv(tmp_path / 'csv' / 'ice' / 'notes.csv')
    (tmp_path / 'columns.yaml').write_text(COLUMNS)
    result = import_csv(tmp_path / 'csv', tmp_path / 'bags', columns=tmp_path / 'columns.yaml', storage=storage)
    assert [dict(item.messages).get('imu') for item in result.recordings] == [200, None]
    assert len(result.warnings) == 2
    assert 'imu_07.csv: left out, the recording has no motor file' in result.warnings[0]
    assert 'notes.csv: left out, its name matches none of' in result.warnings[1]
    with Reader(tmp_path / 'bags' / 'ice' / '00') as reader:
        assert {name: info.msgtype for name, info in reader.topics.items()} == {
            '/surface_truth': messages.SURFACE_TRUTH,
            '/motor_current': messages.MOTOR_CURRENT,
            '/imu': messages.IMU,
        }
        connection, _, data = next(reader.messages([reader.topics['/motor_current'].connections[0]]))
        block = messages.deserialize(bytes(data), connection.msgtype)
    assert block.current[1] == pytest.approx(0.1e-3)


def test_files_without_motor_currents_are_reported(tmp_path: Path) -> None:
    write_csv(tmp_path / 'csv' / 'ice' / '0.csv')
    write_csv(tmp_path / 'csv' / 'ice' / 'imu_0.csv', header='time,wx,wy,wz,ax,ay,az')
    result = import_csv(tmp_path / 'csv', tmp_path / 'bags')
    assert len(result.recordings) == 2
    assert '1 of 2 recordings hold no motor current, such as ice/imu_0; if their files belong' in result.warnings[0]


def test_an_excluded_folder_is_no_class(tmp_path: Path) -> None:
    write_csv(tmp_path / 'csv' / 'ice' / '0.csv')
    write_csv(tmp_path / 'csv' / 'MIXED' / '0.csv')
    result = import_csv(tmp_path / 'csv', tmp_path / 'bags', exclude=['MIXED'])
    assert [item.name for item in result.recordings] == ['ice/0']
    with pytest.raises(SurfaceError, match=r'--exclude MIXD: no such folder.*MIXED, ice'):
        import_csv(tmp_path / 'csv', tmp_path / 'other', exclude=['MIXD'])


def test_a_bad_file_leaves_nothing_behind(tmp_path: Path) -> None:
    write_csv(tmp_path / 'csv' / 'ice' / '0.csv')
    (tmp_path / 'csv' / 'snow').mkdir()
    (tmp_path / 'csv' / 'snow' / '0.csv').write_text('time,curL\n0.0,1.0\n0.1,broken\n0.2,1.0\n')
    with pytest.raises(SurfaceError, match=r"0\.csv, line 3, column 'curL': 'broken' is not a finite number"):
        import_csv(tmp_path / 'csv', tmp_path / 'bags')
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['csv']


def test_the_target_must_be_new(tmp_path: Path) -> None:
    write_csv(tmp_path / 'csv' / 'ice' / '0.csv')
    (tmp_path / 'bags').mkdir()
    import_csv(tmp_path / 'csv', tmp_path / 'bags')
    with pytest.raises(SurfaceError, match='bags: exists already'):
        import_csv(tmp_path / 'csv', tmp_path / 'bags')


def test_recordings_that_came_meanwhile_are_not_replaced(tmp_path: Path) -> None:
    write_csv(tmp_path / 'csv' / 'ice' / 'a.csv')
    other = tmp_path / 'bags' / 'other'

    def make_other(recordings: Sequence[CsvRecording]) -> Iterable[CsvRecording]:
        other.mkdir(parents=True)
        return recordings

    with pytest.raises(SurfaceError, match='bags: the recordings cannot be put there'):
        import_csv(tmp_path / 'csv', tmp_path / 'bags', progress=make_other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['bags', 'csv']
    assert [path.name for path in (tmp_path / 'bags').iterdir()] == ['other']


def test_files_beside_the_folders_are_left_out_and_reported(tmp_path: Path) -> None:
    write_csv(tmp_path / 'csv' / 'ice' / 'a.csv')
    write_csv(tmp_path / 'csv' / 'loose.csv')
    result = import_csv(tmp_path / 'csv', tmp_path / 'bags')
    assert [item.name for item in result.recordings] == ['ice/a']
    assert len(result.warnings) == 1
    assert '1 CSV files beside the folders were left out, such as loose.csv' in result.warnings[0]
