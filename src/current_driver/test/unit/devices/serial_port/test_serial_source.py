# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A board on a serial port: values, stamps and losses over a pseudo-terminal, unplugged and plugged in again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from device_blocks import BlockReader
from pty_board import PtyBoard

from current_driver.devices.device_parameters import DEVICE_PARAMETERS
from current_driver.devices.device_source import DeviceSource
from current_driver.devices.serial_port.sample_frames import encode_frame
from current_driver.driver_parameters import DRIVER_PARAMETERS, make_source
from current_driver.errors import SurfaceError
from current_driver.node.health import Level
from current_driver.node.node_parameters import check_all

REQUIRES = ('serial',)

CSV_HEAD = b'seq,time_us,current_left,current_right_mA\n'


@pytest.fixture
def board(tmp_path: Path) -> Iterator[PtyBoard]:
    """Give a board that is plugged in."""
    with PtyBoard(tmp_path) as plugged:
        yield plugged


def serial_source(port: Path, retry_s: float = 0.05, **parameters: object) -> DeviceSource:
    values = {f'serial.{name}': value for name, value in parameters.items()}
    values |= {'source': 'serial', 'serial.port': str(port), 'device.retry_s': retry_s, 'block_samples': 5}
    source = make_source(check_all(DRIVER_PARAMETERS, values), time.time_ns())
    assert isinstance(source, DeviceSource)
    return source


def csv_lines(first: int, count: int, missing: tuple[int, ...] = ()) -> bytes:
    lines = [
        f'{number},{number * 10_000},{number / 10},{number}\n'
        for number in range(first, first + count)
        if number not in missing
    ]
    return ''.join(lines).encode()


def connected(source: DeviceSource) -> bool:
    return source.health().values['connected'] == 'yes'


@pytest.fixture
def connected_board(board: PtyBoard) -> Iterator[tuple[DeviceSource, BlockReader]]:
    """Give a source that has found the board, and what reads from it."""
    with serial_source(board.port) as source:
        reader = BlockReader(source)
        reader.until(lambda: connected(source), 'the board')
        yield source, reader


def test_csv_lines_become_blocks_with_the_loss_in_their_numbers(
    board: PtyBoard, connected_board: tuple[DeviceSource, BlockReader]
) -> None:
    source, reader = connected_board
    board.send(CSV_HEAD + csv_lines(100, 30, missing=(112, 113)))
    currents = reader.samples(28)
    sent = [number for number in range(100, 130) if number not in (112, 113)]
    np.testing.assert_allclose(currents, [(number / 10, number / 1000) for number in sent])
    assert reader.numbers() == [number - 100 for number in sent]
    assert reader.blocks[0].motor_names == ['left', 'right']
    assert reader.blocks[0].header.frame_id == 'base_link'
    assert (np.diff(reader.stamps_ns()) > 0).all()
    assert reader.value('stamps are') == "the device's clock"
    assert reader.value('loss is seen by') == "the device's sequence counter"
    health = source.health()
    assert health.level is Level.WARN
    assert 'loses samples' in health.text
    assert health.values['lost samples'] == 2


def test_json_lines_without_counter_and_time_are_stamped_at_receipt_and_that_is_said(board: PtyBoard) -> None:
    with serial_source(board.port, format='json') as source:
        reader = BlockReader(source)
        reader.until(lambda: connected(source), 'the board')
        begin_ns = time.time_ns()
        for number in range(20):
            board.send(f'{{"current_a": {number}, "current_b_mA": 5}}\n'.encode())
        board.send(b'{"current_a": 1, \n' + b'{"current_a": 20, "current_b_mA": 5}\n')
        currents = reader.samples(21)
        np.testing.assert_allclose(currents[:, 0], range(21))
        assert reader.numbers() == [*range(20), 21]
        stamps_ns = reader.stamps_ns()
        assert (np.diff(stamps_ns) > 0).all()
        assert begin_ns - 100_000_000 < stamps_ns[0] < stamps_ns[-1] < time.time_ns()
        assert reader.value('stamps are') == 'the time of receipt'
        assert 'no counter' in reader.value('loss is seen by')
        assert reader.value('malformed lines') == '1'


def test_frames_become_blocks_and_damaged_ones_a_loss(board: PtyBoard) -> None:
    with serial_source(board.port, format='binary', columns=['left', 'right']) as source:
        reader = BlockReader(source)
        reader.until(lambda: connected(source), 'the board')
        frames = [encode_frame(number, number * 1000, [number / 4, -number / 4]) for number in range(65_530, 65_560)]
        frames[10] = frames[10][:-1] + bytes([frames[10][-1] ^ 1])
        board.send(b''.join(frames))
        currents = reader.samples(29)
        kept = [number for number in range(30) if number != 10]
        np.testing.assert_array_equal(currents[:, 0], [(65_530 + number) / 4 for number in kept])
        assert reader.numbers() == kept
        assert reader.blocks[0].motor_names == ['left', 'right']
        assert reader.value('CRC errors') == '1'
        assert reader.value('lost samples') == '1'


def test_an_unplugged_board_is_reported_and_found_again(
    board: PtyBoard, connected_board: tuple[DeviceSource, BlockReader]
) -> None:
    source, reader = connected_board
    board.send(CSV_HEAD + csv_lines(0, 20))
    reader.samples(20)
    board.unplug()
    reader.until(lambda: source.health().level is Level.ERROR, 'the fault')
    health = source.health()
    assert str(board.port) in health.text
    assert 'trying again every 0.05 s' in health.text
    board.plug_in()
    reader.until(lambda: connected(source), 'the board')
    board.send(CSV_HEAD + csv_lines(500, 20))
    reader.samples(40)
    # How much was lost meanwhile is unknown: what follows is another stream.
    ids = [block.stream_id for block in reader.blocks]
    assert len(set(ids)) == 2
    assert reader.numbers() == [*range(20), *range(20)]
    assert (np.diff(reader.stamps_ns()) > 0).all()
    assert reader.value('disconnections') == '1'
    assert reader.value('samples') == '40'


def test_a_board_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    with serial_source(tmp_path / 'ttyBOARD') as source:
        reader = BlockReader(source)
        reader.until(lambda: 'no device can be opened' in source.health().text, 'what is wrong')
        assert 'serial.port' in source.health().text
        assert source.health().level is Level.ERROR
        with PtyBoard(tmp_path) as board:
            reader.until(lambda: connected(source), 'the board')
            board.send(CSV_HEAD + csv_lines(0, 20))
            assert len(reader.samples(20)) == 20


def test_a_board_that_changes_its_columns_is_another_stream(
    board: PtyBoard, connected_board: tuple[DeviceSource, BlockReader]
) -> None:
    source, reader = connected_board
    board.send(CSV_HEAD + csv_lines(0, 10))
    reader.samples(10)
    board.send(b'seq,time_us,current_front\n')
    reader.until(lambda: 'disconnections' in source.health().values and connected(source), 'the change')
    board.send(b'seq,time_us,current_front\n' + b''.join(b'%d,%d,1.5\n' % (n, n) for n in range(10)))
    reader.until(lambda: len(reader.numbers()) >= 20)
    assert reader.blocks[-1].motor_names == ['front']


def test_other_names_than_the_frame_has_motors_are_reported(board: PtyBoard) -> None:
    with serial_source(board.port, 5.0, format='binary', columns=['left']) as source:
        reader = BlockReader(source)
        reader.until(
            lambda: 'sends 2 motors, serial.columns names 1' in source.health().text,
            'the mistake',
            each=lambda: board.send(encode_frame(0, 0, [1.0, 2.0])),
        )


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'serial.port': ''}, ('serial.port', '/dev/ttyUSB0')),
        ({'serial.port': 'x', 'serial.columns': ['amps']}, ('amps', 'current_left')),
        ({'serial.port': 'x', 'rate': 0.0}, ('rate', 'its own pace')),
        ({'serial.port': 'x', 'lossless': True}, ('lossless', 'False')),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(parameters: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(SurfaceError) as refused:
        make_source(check_all(DRIVER_PARAMETERS, {'source': 'serial', **parameters}), time.time_ns())
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ('source', 'module', 'package', 'parameters'),
    [
        ('serial', 'serial', 'pyserial', {'serial.port': 'x'}),
        ('can', 'can', 'python-can', {'can.motors': ['left=1']}),
        ('can', 'canopen', 'canopen', {'can.motors': ['left=1'], 'can.protocol': 'canopen'}),
        ('dynamixel', 'dynamixel_sdk', 'dynamixel-sdk', {'dynamixel.port': 'x', 'dynamixel.motors': ['left=1']}),
    ],
)
def test_a_library_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, source: str, module: str, package: str, parameters: dict[str, object]
) -> None:
    monkeypatch.setitem(__import__('sys').modules, module, None)
    made = make_source(check_all(DRIVER_PARAMETERS, {'source': source, **parameters}), time.time_ns())
    assert made is not None
    with pytest.raises(SurfaceError, match=rf'pip install {package}'):
        made.open()


def test_every_device_parameter_is_one_of_the_driver() -> None:
    assert set(DEVICE_PARAMETERS) <= set(DRIVER_PARAMETERS)


def test_a_real_time_priority_is_that_of_the_sampling_thread_or_a_warning(
    board: PtyBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, 'sched_setscheduler', lambda *given: asked.append((*given[:2], given[2].sched_priority)))
    values = {'source': 'serial', 'serial.port': str(board.port), 'device.priority': 20}
    source = make_source(check_all(DRIVER_PARAMETERS, values), time.time_ns())
    assert isinstance(source, DeviceSource)
    with source:
        BlockReader(source).until(lambda: connected(source), 'the board')
        assert asked == [(0, os.SCHED_FIFO, 20)]
        assert source.health().level is Level.OK

    def refuse(*_: object) -> None:
        raise PermissionError('Operation not permitted')

    monkeypatch.setattr(os, 'sched_setscheduler', refuse)
    with source:
        BlockReader(source).until(lambda: 'device.priority 20 is not permitted' in source.health().text, 'the warning')
        assert source.health().level is Level.WARN


def test_blocks_that_no_reader_takes_are_dropped_and_counted(board: PtyBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('current_driver.devices.device_source.QUEUED_BLOCKS', 4)
    with serial_source(board.port) as source:
        reader = BlockReader(source)
        reader.until(lambda: connected(source), 'the board')
        board.send(CSV_HEAD + csv_lines(0, 50))
        end_s = time.monotonic() + 30.0
        while reader.value('samples') != '50':
            assert time.monotonic() < end_s
            time.sleep(0.01)
        reader.samples(20)
        # The newest are kept, and the step in their numbers shows the loss of the others.
        assert reader.numbers() == list(range(30, 50))
        assert reader.value('overruns') == '30'
