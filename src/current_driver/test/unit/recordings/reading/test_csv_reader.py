# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Reading CSV recordings: columns by file and by guess, units, stamps, and every kind of bad cell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.messages import IMU, MOTOR_CURRENT
from current_driver.recordings.reading.csv_reader import ColumnsConfig
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.reading.recording_reader import RecordingReader, recording_base_ns

Stamps = NDArray[np.int64]
Values = NDArray[np.float64]


BASE_NS = recording_base_ns(0)
HUSKY = {
    'files': {'motor': 'pro_{id}.csv', 'imu': 'imu_{id}.csv'},
    'motor': {
        'time': {'column': 'time', 'unit': 's'},
        'current': {'left': 'curL', 'right': 'curR'},
        'wheel_speed': {'left': 'velL', 'right': 'velR'},
    },
    'imu': {'angular_velocity': ['wx', 'wy', 'wz'], 'linear_acceleration': ['ax', 'ay', 'az']},
}
GOOD = 'time,curL,curR\n0.0,1.0,2.0\n0.1,3.0,4.0\n0.2,5.0,6.0\n'


def samples(reader: RecordingReader, topic: str = 'motor_current') -> tuple[Stamps, Values, Values]:
    """Return stamps, currents and wheel speeds of a whole recording."""
    blocks = [reader.deserialize(message) for message in reader.messages([topic])]
    stamps = np.concatenate([messages.stamp_ns(block.header.stamp) + block.offsets_ns for block in blocks])
    motors = len(blocks[0].motor_names)
    current = np.concatenate([block.current for block in blocks]).reshape(-1, motors)
    speed = np.concatenate([block.wheel_speed for block in blocks])
    assert [block.first_sample for block in blocks] == list(np.cumsum([0] + [len(b.offsets_ns) for b in blocks[:-1]]))
    return stamps, current, speed


def write(tmp_path: Path, text: str, name: str = 'run.csv') -> Path:
    """Write a CSV file."""
    path = tmp_path / name
    path.write_text(text)
    return path


def test_guessed_columns_give_motor_currents(tmp_path: Path) -> None:
    with open_recording(write(tmp_path, GOOD)) as reader:
        assert reader.topics == {'motor_current': MOTOR_CURRENT}
        stamps, current, speed = samples(reader)
        assert reader.deserialize(next(reader.messages())).motor_names == ['left', 'right']
        assert (reader.start_ns, reader.end_ns) == (BASE_NS, BASE_NS + 2 * 10**8)
    np.testing.assert_array_equal(stamps, BASE_NS + np.array([0, 1, 2]) * 10**8)
    np.testing.assert_array_equal(current, [[1, 2], [3, 4], [5, 6]])
    assert speed.size == 0


def test_parts_at_two_rates_come_out_in_order(tmp_path: Path) -> None:
    wheel = '\n'.join(f'{i / 6.5!r},{i},{-i},0.5,0.25' for i in range(20))
    imu = '\n'.join(f'{i / 100!r},{i},0,0,0,0,9.81' for i in range(300))
    path = write(tmp_path, f'time,curL,curR,velL,velR\n{wheel}\n', 'pro_07.csv')
    write(tmp_path, f'time,wx,wy,wz,ax,ay,az\n{imu}\n', 'imu_07.csv')
    with open_recording(path, ColumnsConfig.from_dict(HUSKY), recording_base_ns(3)) as reader:
        found = list(reader.messages())
        stamps, current, speed = samples(reader)
        assert reader.topics == {'motor_current': MOTOR_CURRENT, 'imu': IMU}
        assert reader.message_counts == {'motor_current': 20, 'imu': 300}
    assert [message.stamp_ns for message in found] == sorted(message.stamp_ns for message in found)
    assert sum(message.topic == 'imu' for message in found) == 300
    np.testing.assert_array_equal(stamps, recording_base_ns(3) + np.round(np.arange(20) / 6.5 * 1e9).astype(np.int64))
    np.testing.assert_array_equal(current[:, 1], -np.arange(20))
    np.testing.assert_array_equal(speed[:2], [0.5, 0.25])


def test_recording_whose_second_file_is_missing_keeps_the_first(tmp_path: Path) -> None:
    path = write(tmp_path, 'time,curL,curR,velL,velR\n0,1,2,3,4\n', 'pro_07.csv')
    with open_recording(path, ColumnsConfig.from_dict(HUSKY)) as reader:
        assert list(reader.topics) == ['motor_current']


def test_file_name_outside_the_patterns_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD, 'run.csv')
    with pytest.raises(SurfaceError, match=r'run.csv: .*none of the patterns'):
        open_recording(path, ColumnsConfig.from_dict(HUSKY))


def test_blocks_last_at_most_a_tenth_of_a_second(tmp_path: Path) -> None:
    rows = '\n'.join(f'{i},{i}' for i in range(250))
    path = write(tmp_path, f't_ms,current_left\n{rows}\n')
    with open_recording(path) as reader:
        found = list(reader.messages())
        stamps, _, _ = samples(reader)
        assert [len(reader.deserialize(message).offsets_ns) for message in found] == [100, 100, 50]
        late = list(reader.messages(start_ns=BASE_NS + 150 * 10**6))
    assert late == found[1:]
    assert found[0].stamp_ns == BASE_NS + 99 * 10**6
    assert stamps[-1] == BASE_NS + 249 * 10**6


@settings(deadline=None)
@given(st.integers(0, 10**18))
def test_whole_nanoseconds_stay_exact(tmp_path_factory: pytest.TempPathFactory, stamp: int) -> None:
    path = write(tmp_path_factory.mktemp('csv'), f'time,current\n{stamp},1\n')
    config = ColumnsConfig.from_dict(
        {'motor': {'time': {'column': 'time', 'unit': 'ns', 'absolute': True}, 'current': {'drive': 'current'}}}
    )
    with open_recording(path, config) as reader:
        assert reader.start_ns == stamp


def test_units_delimiter_byte_order_mark_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / 'run.csv'
    path.write_bytes('\ufeffzeit;"strom links"\n0;1500\n10;2500\n'.encode())
    (tmp_path / 'columns.yaml').write_text(
        "motor: {time: {column: zeit, unit: ms}, current: {left: strom links}, current_unit: mA}\ndelimiter: ';'\n"
    )
    with open_recording(path, tmp_path / 'columns.yaml') as reader:
        stamps, current, _ = samples(reader)
    np.testing.assert_array_equal(current[:, 0], [1.5, 2.5])
    np.testing.assert_array_equal(np.diff(stamps), [10**7])


@pytest.mark.parametrize('cell', ['', ' ', 'nan', 'inf', '-inf', 'abc', '1,5'])
def test_bad_cell_names_file_line_column_and_value(tmp_path: Path, cell: str) -> None:
    text = GOOD.replace('3.0', f'"{cell}"')
    with pytest.raises(SurfaceError) as caught:
        open_recording(write(tmp_path, text))
    message = str(caught.value)
    assert "run.csv, line 3, column 'curL'" in message
    assert (repr(cell.strip()) in message) if cell.strip() else ('the cell is empty' in message)


@pytest.mark.parametrize('cell', ['', 'noon', 'nan', '1e400'])
def test_bad_time_is_named(tmp_path: Path, cell: str) -> None:
    with pytest.raises(SurfaceError, match="line 3, column 'time'"):
        open_recording(write(tmp_path, GOOD.replace('0.1', cell)))


def test_missing_values_are_kept_when_allowed(tmp_path: Path) -> None:
    config = ColumnsConfig.from_dict({'motor': {'current': {'left': 'curL', 'right': 'curR'}}, 'allow_missing': True})
    with open_recording(write(tmp_path, GOOD.replace('3.0', '').replace('6.0', 'nan')), config) as reader:
        _, current, _ = samples(reader)
    assert np.isnan(current[1, 0])
    assert np.isnan(current[2, 1])
    assert np.isfinite(current).sum() == 4


@pytest.mark.parametrize('cut', ['0.3', '0.3,7.0', '0.3,7.0,', '0.3,,'])
def test_row_cut_at_the_end_is_left_out_with_a_warning(tmp_path: Path, cut: str) -> None:
    with open_recording(write(tmp_path, GOOD + cut)) as reader:
        assert samples(reader)[1].shape == (3, 2)
        assert len(reader.warnings) == 1
        assert 'line 5' in reader.warnings[0]
        assert '1 row' in reader.warnings[0]


def test_time_that_runs_backwards_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match=r"line 4, column 'time': time runs backwards, '0.05'"):
        open_recording(write(tmp_path, GOOD.replace('0.2', '0.05')))


def test_repeated_time_is_kept_with_a_warning(tmp_path: Path) -> None:
    with open_recording(write(tmp_path, GOOD.replace('0.2', '0.1'))) as reader:
        assert samples(reader)[1].shape == (3, 2)
        assert '1 rows repeat' in reader.warnings[0]


@settings(deadline=None)
@given(st.integers(0, 2**31 * 10**9 - 1))
def test_unix_seconds_as_decimals_stay_exact(tmp_path_factory: pytest.TempPathFactory, stamp: int) -> None:
    seconds = f'{stamp // 10**9}.{stamp % 10**9:09d}'
    path = write(tmp_path_factory.mktemp('csv'), f'time,current\n{seconds},1\n')
    config = ColumnsConfig.from_dict({'motor': {'time': {'absolute': True}, 'current': {'drive': 'current'}}})
    with open_recording(path, config) as reader:
        assert reader.start_ns == stamp


@pytest.mark.parametrize(
    'cell', ['nan', 'sNaN', '-inf', 'inf', '1e999999', '1e99999999', '1.5.2', '-1.5', '2147483648.0']
)
def test_bad_unix_time_is_named(tmp_path: Path, cell: str) -> None:
    config = ColumnsConfig.from_dict({'motor': {'time': {'absolute': True}, 'current': {'drive': 'current'}}})
    with pytest.raises(SurfaceError, match=f"line 2, column 'time'.*'{re.escape(cell)}'"):
        open_recording(write(tmp_path, f'time,current\n{cell},1\n'), config)


@pytest.mark.parametrize('mark', [';', '\t', '|'])
def test_what_divides_the_header_line_is_found(tmp_path: Path, mark: str) -> None:
    with (
        open_recording(write(tmp_path, GOOD.replace(',', mark))) as reader,
        open_recording(write(tmp_path, GOOD, 'comma.csv')) as expected,
    ):
        for found, wanted in zip(samples(reader), samples(expected), strict=True):
            assert np.array_equal(found, wanted)


def test_unix_time_needs_absolute(tmp_path: Path) -> None:
    text = GOOD.replace('0.0,', '1.7e9,').replace('0.1,', '1700000000.5,').replace('0.2,', '1700000001,')
    with pytest.raises(SurfaceError, match='absolute: true'):
        open_recording(write(tmp_path, text))


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('', 'the file is empty'),
        ('time,curL\n', 'no row of data'),
        ('time,curL\n1.0\n', 'no row of data'),
        ('a,b\n1,2\n', 'no column looks like time; the columns are a, b'),
        ('time,b\n1,2\n', 'no column looks like a motor current; the columns are time, b'),
        ('time,left\n1,2\n', 'name them as in time,current_left,current_right, or say which is what in a columns file'),
        ('time,t,cur\n1,2,3\n', 'more than one column looks like time'),
        ('time,curL,curL\n1,2,3\n', "more than one column 'curL'"),
    ],
)
def test_unusable_files_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SurfaceError, match=sentence) as caught:
        open_recording(write(tmp_path, text))
    assert 'run.csv' in str(caught.value)


def test_missing_header_and_missing_column_say_which_columns_exist(tmp_path: Path) -> None:
    config = ColumnsConfig.from_dict({'motor': {'current': {'left': 'curX'}}})
    with pytest.raises(SurfaceError, match=r"no column 'curX'; the columns are time, curL, curR"):
        open_recording(write(tmp_path, GOOD), config)
    with pytest.raises(SurfaceError, match='first line must name the columns'):
        open_recording(write(tmp_path, '1,2,3\n4,5,6\n'), config)


def test_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'run.csv'
    path.write_bytes(b'\xff\xfe\x00time')
    with pytest.raises(SurfaceError, match='cannot be read as a CSV file'):
        open_recording(path)


@pytest.mark.parametrize(
    ('data', 'sentence'),
    [
        (None, 'expected a mapping'),
        ({}, "neither 'motor' nor 'imu'"),
        ({'motors': {}}, "unknown key 'motors'"),
        ({'motor': {}}, "'current' is missing"),
        ({'motor': {'current': ['a']}}, 'current must be a mapping, as in current: {left: curL'),
        ({'motor': {'current': {'left': 'a'}, 'current_unit': 'kA'}}, "unknown unit 'kA'"),
        ({'motor': {'current': {'left': 'a'}, 'time': {'unit': 'h'}}}, "unknown unit 'h'"),
        ({'motor': {'current': {'left': 'a'}, 'wheel_speed': {'right': 'b'}}}, 'names the motors right'),
        ({'imu': {'angular_velocity': ['x'], 'linear_acceleration': ['a', 'b', 'c']}}, 'must list three columns'),
        ({'motor': {'current': {'left': 'a'}}, 'files': {'motor': 'run.csv'}}, r'must hold \{id\} once'),
        ({'motor': {'current': {'left': 'a'}}, 'files': {'imu': 'run{id}.csv'}}, "names the part 'imu'"),
        ({'motor': {'current': {'left': 'a'}}, 'delimiter': ', '}, 'one character'),
    ],
)
def test_bad_columns_files_are_named(data: Any, sentence: str) -> None:
    with pytest.raises(SurfaceError, match=sentence) as caught:
        ColumnsConfig.from_dict(data, 'columns.yaml')
    assert str(caught.value).startswith('columns.yaml')


def test_columns_file_that_is_missing_or_not_yaml(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match=r'none\.yaml: cannot be read'):
        ColumnsConfig.from_yaml(tmp_path / 'none.yaml')
    (tmp_path / 'bad.yaml').write_text('a: [')
    with pytest.raises(SurfaceError, match=r'bad\.yaml'):
        ColumnsConfig.from_yaml(tmp_path / 'bad.yaml')


def motors_and_first_speeds(path: Path, columns: ColumnsConfig | None = None) -> dict[str, float]:
    """Return the wheel speed of each motor in the first row."""
    with open_recording(path, columns) as reader:
        block = reader.deserialize(next(reader.messages(['motor_current'])))
    return dict(zip(block.motor_names, block.wheel_speed[: len(block.motor_names)].tolist(), strict=True))


def test_wheel_speeds_go_to_their_motors_in_whatever_order_they_are_given(tmp_path: Path) -> None:
    path = write(tmp_path, 'time,curL,curR,velR,velL\n0.0,1,2,20,10\n0.1,1,2,20,10\n')
    assert motors_and_first_speeds(path) == {'left': 10, 'right': 20}
    motor = {'current': {'left': 'curL', 'right': 'curR'}, 'wheel_speed': {'right': 'velR', 'left': 'velL'}}
    assert motors_and_first_speeds(path, ColumnsConfig.from_dict({'motor': motor})) == {'left': 10, 'right': 20}


def test_a_guessed_current_in_milliampere_is_converted(tmp_path: Path) -> None:
    with open_recording(write(tmp_path, 'time,current_left_mA,current_mA\n0,1500,250\n0.1,1500,250\n')) as reader:
        assert reader.deserialize(next(reader.messages())).motor_names == ['left', 'motor']
        np.testing.assert_array_equal(samples(reader)[1], [[1.5, 0.25]] * 2)


@pytest.mark.parametrize(
    ('header', 'message'),
    [
        (
            'time,curL,current_left',
            r"'curL' and 'current_left' both look like the current of motor 'left'.*columns file",
        ),
        ('time,curL,current_right_mA', r'some motor currents look like A and some like mA'),
    ],
)
def test_columns_that_could_be_meant_in_two_ways_are_not_guessed(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(SurfaceError, match=message):
        open_recording(write(tmp_path, f'{header}\n0,1,2\n0.1,1,2\n'))


def test_a_row_with_more_cells_than_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SurfaceError, match=r'run\.csv, line 3: has 4 cells, but the header line names 2.*decimal comma'
    ):
        open_recording(write(tmp_path, 'time,curL\n0,1\n0,1,1,5\n'))
    with open_recording(write(tmp_path, 'time,curL\n0,1,\n0.1,2,\n')) as reader:  # a delimiter at the end of a line
        assert samples(reader)[1].tolist() == [[1.0], [2.0]]


def test_files_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(SurfaceError, match=r"columns: files must be a mapping, as in files: \{motor: .*got \['a'\]"):
        ColumnsConfig.from_dict({**HUSKY, 'files': ['a']})
