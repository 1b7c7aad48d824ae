# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Samples as lines and as frames: what is read is what was sent, and no damaged sample passes."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from current_driver.devices.readings import BY_ERRORS, BY_SEQUENCE, BY_TIME, DEVICE_CLOCK, RECEIVE_TIME, Reading
from current_driver.devices.serial_port.sample_frames import CRC_ERRORS, SKIPPED_BYTES, FrameParser, crc16, encode_frame
from current_driver.devices.serial_port.sample_lines import MALFORMED, Columns, LineParser
from current_driver.errors import SurfaceError

COLUMNS = ('seq', 'time_us', 'current_left', 'current_right_mA')


def parse(
    text: str, columns: tuple[str, ...] | None = COLUMNS, *, json_lines: bool = False
) -> tuple[list[Reading], int]:
    """Return the samples of a text that follows the cut first line, and the number of malformed lines."""
    counters: Counter[str] = Counter()
    parser = LineParser(Columns.from_names(columns) if columns else None, json_lines, counters)
    readings = parser.feed(b'0,1.0\n', 0) if columns and not json_lines else []
    readings += parser.feed(text.encode(), 7)
    return readings, counters[MALFORMED]


def test_csv_lines_are_samples_in_ampere() -> None:
    readings, malformed = parse('5,1000,1.5,-250\n6,2000,,nan\n')
    assert readings[0] == Reading([1.5, -0.25], 7, 5, 1_000_000)
    assert math.isnan(readings[1].current_a[0])
    assert math.isnan(readings[1].current_a[1])
    assert malformed == 0


@pytest.mark.parametrize(
    'line', ['5,1000,1.5', '5,1000,1.5,2,3', '5,1000,abc,2', 'x,1000,1,2', '5,,1,2', '5,inf,1,2', '5,1,inf,2']
)
def test_a_malformed_line_is_a_lost_sample(line: str) -> None:
    readings, malformed = parse(f'1,10,1,2\n{line}\n3,30,1,2\n')
    assert [(reading.sequence, reading.lost_before) for reading in readings] == [(1, 0), (3, 1)]
    assert malformed == 1


def test_the_first_line_is_cut_and_no_sample() -> None:
    parser = LineParser(Columns.from_names(COLUMNS), False, counters := Counter[str]())
    # Cut in its number: it would be taken for sample 3.
    assert [reading.sequence for reading in parser.feed(b'3,1000,1,2\n124,2000,1,2\n', 0)] == [124]
    assert not counters[MALFORMED]


def test_the_cut_first_line_does_not_choose_what_divides_the_cells() -> None:
    parser = LineParser(Columns.from_names(('current_left', 'current_right')), False, counters := Counter[str]())
    # Cut in the first line: its rest has as many semicolons as a line has tabs.
    readings = parser.feed(b'5;7,0\n1,5\t-2,5\n1,0\t-2,0\n', 0)
    assert [reading.current_a for reading in readings] == [[1.5, -2.5], [1.0, -2.0]]
    assert not counters[MALFORMED]


def test_the_board_names_its_columns() -> None:
    text = '# current sensors\nseq, time_ms, current_left_mA,temperature\n1,5,1500,21\n2,6,1600,21\n'
    parser = LineParser(None, False, Counter())
    readings = parser.feed(text.encode(), 0)
    assert parser.columns is not None
    assert parser.columns.motors == ('left',)
    assert [(reading.current_a, reading.device_ns) for reading in readings] == [([1.5], 5_000_000), ([1.6], 6_000_000)]
    assert not parser.changed
    parser.feed(b'seq,time_ms,current_right\n', 0)
    assert parser.changed


def test_json_lines_are_samples_whatever_the_order_of_their_keys() -> None:
    lines = [
        {'seq': 1, 'current_left': 1.5, 'current_right_mA': 20, 'note': 'on'},
        {'current_right_mA': None, 'current_left': 2.5, 'seq': 2},
    ]
    text = 'rt": 1}\n' + ''.join(json.dumps(line) + '\n' for line in lines) + '{"seq": 3}\n[1]\n'
    readings, malformed = parse(text, None, json_lines=True)
    assert readings[0] == Reading([1.5, 0.02], 7, 1)
    assert readings[1].current_a[0] == 2.5
    assert math.isnan(readings[1].current_a[1])
    # An object without a current that was named before is one that was not measured.
    assert [reading.sequence for reading in readings] == [1, 2, 3]
    assert malformed == 1


@given(st.lists(st.integers(0, 200), max_size=6), st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20))
def test_lines_are_the_same_wherever_the_bytes_are_cut(cuts: list[int], currents: list[float]) -> None:
    data = ''.join(f'{number},{number},{value!r},1\n' for number, value in enumerate(currents)).encode()
    parser = LineParser(Columns.from_names(COLUMNS), False, counters := Counter[str]())
    parser.feed(b'\n', 0)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    readings = [reading for begin, end in pairwise(edges) for reading in parser.feed(data[begin:end], 0)]
    assert [reading.current_a[0] for reading in readings] == currents
    assert not counters[MALFORMED]


@pytest.mark.parametrize(
    ('columns', 'stamps', 'loss'),
    [
        (('seq', 'time_us', 'current_a'), DEVICE_CLOCK, BY_SEQUENCE),
        (('time_s', 'current_a'), DEVICE_CLOCK, BY_TIME),
        (('seq', 'current_a'), RECEIVE_TIME, BY_SEQUENCE),
        (('current_a',), RECEIVE_TIME, BY_ERRORS),
    ],
)
def test_what_the_columns_allow_is_said(columns: tuple[str, ...], stamps: str, loss: str) -> None:
    timing = Columns.from_names(columns).timing
    assert (timing.stamps, timing.loss) == (stamps, loss)


@pytest.mark.parametrize('columns', [('seq', 'amps'), ('current_a', 'current_a_mA')])
def test_columns_that_cannot_be_used_are_refused(columns: tuple[str, ...]) -> None:
    with pytest.raises(SurfaceError, match='current'):
        Columns.from_names(columns)


def test_the_checksum_is_that_of_the_catalogue() -> None:
    # "check" of CRC-16/IBM-3740 in the CRC RevEng catalogue.
    assert crc16(b'123456789') == 0x29B1


def test_a_frame_is_laid_out_as_documented() -> None:
    frame = encode_frame(0x0102, 0x03040506, [1.0, -2.0])
    body = bytes.fromhex('01 02 0201 06050403 0000803f 000000c0')
    assert frame == bytes.fromhex('a55a') + body + crc16(body).to_bytes(2, 'little')


frames = st.lists(
    st.tuples(
        st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.lists(st.floats(width=32), min_size=3, max_size=3)
    ),
    max_size=12,
)


@given(frames, st.binary(max_size=40), st.integers(1, 60))
def test_every_frame_is_found_after_any_noise_and_wherever_bytes_are_cut(
    sent: list[tuple[int, int, list[float]]], noise: bytes, chunk: int
) -> None:
    # A frame more, whose beginning the noise may swallow by looking like one itself.
    data = noise + b'\0' * 80 + b''.join(encode_frame(*frame) for frame in sent)
    parser = FrameParser(Counter())
    readings = [item for begin in range(0, len(data), chunk) for item in parser.feed(data[begin : begin + chunk], 0)]
    assert [(item.sequence, item.device_ns) for item in readings] == [(frame[0], frame[1] * 1000) for frame in sent]
    for item, frame in zip(readings, sent, strict=True):
        assert [repr(value) for value in item.current_a] == [repr(value) for value in frame[2]]


@settings(max_examples=200)
@given(st.integers(0, 3 * 24 * 8 - 1))
def test_no_damaged_frame_passes_and_the_next_is_found(bit: int) -> None:
    frames = [encode_frame(number, 1000 * number, [1.0, 2.0, 3.0]) for number in range(5)]
    data = bytearray(b''.join(frames))
    data[len(frames[0]) + bit // 8] ^= 1 << bit % 8
    counters: Counter[str] = Counter()
    readings = FrameParser(counters).feed(bytes(data) + bytes(80), 0)
    found = [reading.sequence for reading in readings]
    damaged = 1 + bit // 8 // len(frames[0])
    assert set(range(5)) - set(found) == {damaged}
    assert all(tuple(reading.current_a) == (1.0, 2.0, 3.0) for reading in readings)
    assert counters[CRC_ERRORS] + counters[SKIPPED_BYTES] > 0
