# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Dynamixel servos over a pseudo-terminal: the maker's printed examples, and a bus made of the maker's packet code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from device_blocks import BlockReader
from pty_board import PtyBoard
from servo_bus import ServoBus, packet, status

from current_driver.devices.device_source import DeviceSource
from current_driver.devices.dynamixel_link import DynamixelLink
from current_driver.driver_parameters import DRIVER_PARAMETERS, make_source
from current_driver.errors import SurfaceError
from current_driver.node.health import Level
from current_driver.node.node_parameters import check_all

REQUIRES = ('dynamixel_sdk',)

PRESENT_CURRENT = 126
Answer = Callable[[int, int, int, list[int]], bytes]

# "Sync Read" in the e-Manual's description of protocol 2.0: the present position of servos 1 and 2, 166 and 2079.
PRINTED_REQUEST = bytes.fromhex('FF FF FD 00 FE 09 00 82 84 00 04 00 01 02 CE FA')
PRINTED_ANSWERS = bytes.fromhex(
    'FF FF FD 00 01 08 00 55 00 A6 00 00 00 8C C0 FF FF FD 00 02 08 00 55 00 1F 08 00 00 BA BE'
)


def steps_of(number: int, servo: int) -> int:
    """Return what a servo measures in a poll, in steps; negative every other time."""
    return (10 * number + servo) * (-1) ** number


def polls_of(currents: np.ndarray) -> np.ndarray:
    """Return the poll that each sample answers; a busy machine may come too late for some."""
    return (np.abs(np.round(currents[:, 0] / 2.69e-3)).astype(int) - 1) // 10


def current(servo: int, steps: int) -> bytes:
    return status(servo, steps.to_bytes(2, 'little', signed=True))


def all_answer(number: int, address: int, length: int, servos: list[int]) -> bytes:
    assert (address, length) == (PRESENT_CURRENT, 2)
    return b''.join(current(servo, steps_of(number, servo)) for servo in servos)


@contextmanager
def servo_source(
    folder: Path, answer: Answer, **parameters: object
) -> Iterator[tuple[DeviceSource, ServoBus, PtyBoard]]:
    values: dict[str, object] = {'dynamixel.motors': ['left=1', 'right=7'], 'dynamixel.rate_hz': 200.0}
    values |= {f'dynamixel.{name}': value for name, value in parameters.items()}
    with PtyBoard(folder) as board, ServoBus(board, answer) as bus:
        values |= {'source': 'dynamixel', 'dynamixel.port': str(board.port), 'device.retry_s': 0.05, 'block_samples': 5}
        source = make_source(check_all(DRIVER_PARAMETERS, values), time.time_ns())
        assert isinstance(source, DeviceSource)
        with source:
            yield source, bus, board


def test_the_bus_of_these_tests_speaks_as_the_manual_prints_it() -> None:
    assert packet(0xFE, 0x82, PRINTED_REQUEST[8:-2]) == PRINTED_REQUEST
    answers = status(1, (166).to_bytes(4, 'little')) + status(2, (2079).to_bytes(4, 'little'))
    assert answers == PRINTED_ANSWERS


def test_the_link_asks_as_the_manual_prints_it_and_reads_the_printed_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The example reads four bytes at another address; two of them are the numbers that it names.
    monkeypatch.setattr('current_driver.devices.dynamixel_link.LENGTH', 4)
    with PtyBoard(tmp_path) as board, ServoBus(board, lambda *_: PRINTED_ANSWERS) as bus:
        link = DynamixelLink(
            str(board.port), 57600, ['a=1', 'b=2'], 100.0, time.time_ns, address=132, milliampere_per_step=1000.0
        )
        link.load()
        link.open()
        try:
            assert link.read()[0].current_a == [166.0, 2079.0]
        finally:
            link.close()
        assert bus.requests == [PRINTED_REQUEST]


def test_currents_of_all_servos_become_samples(tmp_path: Path) -> None:
    begin_ns = time.time_ns()
    with servo_source(tmp_path, all_answer) as (source, bus, _):
        reader = BlockReader(source)
        currents = reader.samples(20)
        polls = polls_of(currents)
        expected = [[steps_of(number, servo) * 2.69e-3 for servo in (1, 7)] for number in polls]
        assert (np.diff(polls) > 0).all()
        lost = [number for number in range(reader.numbers()[-1]) if number not in reader.numbers()]
        assert int(reader.value('lost samples')) >= len(lost)  # polls that a busy machine came too late for
        np.testing.assert_allclose(currents, expected, atol=1e-12)
        assert reader.blocks[0].motor_names == ['left', 'right']
        stamps_ns = reader.stamps_ns()
        assert begin_ns < stamps_ns[0] < stamps_ns[-1] < time.time_ns()
        # A number for every two-hundredth of a second.
        span = reader.numbers()[-1]
        assert (stamps_ns[-1] - stamps_ns[0]) * 1e-9 == pytest.approx(span / 200, abs=0.01)
        assert 'between request and answer' in reader.value('stamps are')
        # Steps of which a sync read asks for two bytes, like the manual's for four.
        assert bus.requests[0] == packet(0xFE, 0x82, bytes([PRESENT_CURRENT, 0, 2, 0, 1, 7]))


def test_a_value_that_looks_like_a_header_is_read_as_it_is(tmp_path: Path) -> None:
    steps = int.from_bytes(b'\xff\xfd', 'little', signed=True)

    def answer(_number: int, _address: int, _length: int, servos: list[int]) -> bytes:
        return b''.join(status(servo, b'\xff\xfd', error=0xFF) for servo in servos)

    with servo_source(tmp_path, answer, milliampere_per_step=1.0) as (source, _, _):
        np.testing.assert_allclose(BlockReader(source).samples(5)[0], [steps / 1000] * 2)


@pytest.mark.parametrize('fault', ['silent', 'damaged'])
def test_a_poll_without_a_whole_answer_is_a_lost_sample(tmp_path: Path, fault: str) -> None:
    def answer(number: int, address: int, length: int, servos: list[int]) -> bytes:
        data = all_answer(number, address, length, servos)
        if number != 8:
            return data
        return data[: len(data) // 2] if fault == 'silent' else data[:-1] + bytes([data[-1] ^ 1])

    with servo_source(tmp_path, answer, rate_hz=50.0) as (source, _, _):
        reader = BlockReader(source)
        currents = reader.samples(15)
        polls = polls_of(currents)
        np.testing.assert_allclose(currents[:, 0], [steps_of(number, 1) * 2.69e-3 for number in polls], atol=1e-12)
        assert 8 not in polls
        after = int(np.searchsorted(polls, 8))
        assert reader.numbers()[after] - reader.numbers()[after - 1] > 1
        assert int(reader.value('lost samples')) >= 1
        assert int(reader.value('polls without a whole answer')) >= 1
        assert source.health().level is Level.WARN


def test_servos_that_do_not_answer_are_reported_and_found_again(tmp_path: Path) -> None:
    mute = True

    def answer(number: int, address: int, length: int, servos: list[int]) -> bytes:
        return b'' if mute else all_answer(number, address, length, servos)

    with servo_source(tmp_path, answer) as (source, _, _):
        reader = BlockReader(source)
        reader.until(lambda: 'do not answer' in source.health().text, 'what is wrong')
        assert 'There is no status packet' in source.health().text
        assert 'dynamixel.baud_rate' in source.health().text
        mute = False
        assert len(reader.samples(5)) >= 5


def test_a_port_that_is_unplugged_is_reported_and_found_again(tmp_path: Path) -> None:
    values = {'source': 'dynamixel', 'dynamixel.port': str(tmp_path / 'ttyBOARD'), 'dynamixel.motors': ['left=1']}
    source = make_source(check_all(DRIVER_PARAMETERS, {**values, 'device.retry_s': 0.05}), time.time_ns())
    assert isinstance(source, DeviceSource)
    with source:
        reader = BlockReader(source)
        reader.until(lambda: 'no servos can be reached' in source.health().text, 'what is wrong')
        for count in (1, 2):
            with PtyBoard(tmp_path) as board, ServoBus(board, all_answer):
                reader.until(lambda count=count: len({block.stream_id for block in reader.blocks}) == count)  # type: ignore[misc]
            reader.until(lambda: source.health().level is Level.ERROR, 'the loss of the port')


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'port': ''}, ('dynamixel.port', '/dev/ttyUSB0')),
        ({'motors': []}, ('dynamixel.motors', 'left=1')),
        ({'motors': ['left=253']}, ('dynamixel.motors', '252')),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(parameters: dict[str, object], words: tuple[str, ...]) -> None:
    values: dict[str, object] = {'source': 'dynamixel', 'dynamixel.port': 'x', 'dynamixel.motors': ['left=1']}
    values |= {f'dynamixel.{name}': value for name, value in parameters.items()}
    with pytest.raises(SurfaceError) as refused:
        make_source(check_all(DRIVER_PARAMETERS, values), time.time_ns())
    for word in words:
        assert word in str(refused.value)
