# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: where they are found, how they are called, and which surface holds when."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.recording import (
    Recording,
    Segment,
    begins_with_header,
    find_recordings,
    leave_margins,
    surface_of_span,
)
from current_driver.recordings.writing.recording_writer import STATE_KEY, STATE_OPEN, STATE_STOPPED, RecordingWriter
from current_driver.testing.drives import START_NS, write_drive

SECOND = messages.NANOSECONDS


def write_labels(path: Path, labels: list[tuple[int, int, str]], end_ns: int) -> Recording:
    """Write a bag of labels (log time, stamp, surface) and one block of current at its end."""
    with RecordingWriter(path, flush_interval_s=None) as writer:
        for log_ns, stamp_ns, surface in labels:
            writer.write_message('truth', messages.truth_message(stamp_ns, surface, 'operator'), log_ns, latched=True)
        writer.add_topic('other', messages.IMU)
        writer.write('other', end_ns, b'\x00\x01\x00\x00')
    return Recording(path)


@pytest.mark.requires('mcap', 'rosbags')
def test_segments_of_a_drive(tmp_path: Path) -> None:
    recording = Recording(write_drive(tmp_path / 'drive', [('ice', 2.0), ('', 1.0), ('snow', 3.0)]))
    assert recording.segments() == [
        Segment(START_NS, START_NS + 2 * SECOND, 'ice'),
        Segment(START_NS + 2 * SECOND, START_NS + 3 * SECOND, ''),
        Segment(START_NS + 3 * SECOND, START_NS + 6 * SECOND - SECOND // 100 + 1, 'snow'),
    ]


@pytest.mark.requires('mcap', 'rosbags')
def test_a_label_set_for_the_past_and_a_repeated_label(tmp_path: Path) -> None:
    labels = [(0, 0, 'ice'), (10, 10, 'snow'), (20, 20, 'snow'), (40, 5, 'gravel'), (41, 30, 'ice'), (42, 30, 'snow')]
    recording = write_labels(tmp_path / 'bag', labels, end_ns=50)
    assert recording.segments() == [Segment(0, 5, 'ice'), Segment(5, 10, 'gravel'), Segment(10, 51, 'snow')]


@given(
    bounds=st.lists(st.integers(0, 60), min_size=1, max_size=6, unique=True).map(sorted),
    names=st.lists(st.sampled_from(['ice', 'snow', '']), min_size=6, max_size=6),
    start=st.integers(-5, 65),
    length=st.integers(0, 20),
)
def test_surface_of_a_span_is_that_of_all_its_stamps(
    bounds: list[int], names: list[str], start: int, length: int
) -> None:
    ends = [*bounds[1:], 70]
    segments = [Segment(a, b, name) for a, b, name in zip(bounds, ends, names, strict=False)]

    def place(stamp: int) -> int:
        return sum(bound <= stamp for bound in bounds) - 1

    expected = names[place(start)] if place(start) == place(start + length) >= 0 else None
    assert surface_of_span(segments, start, start + length) == expected


@given(
    bounds=st.lists(st.integers(0, 60), min_size=1, max_size=6, unique=True).map(sorted),
    names=st.lists(st.sampled_from(['ice', 'snow', 'mud']), min_size=6, max_size=6),
    origins=st.lists(st.sampled_from(['operator', 'simulator']), min_size=6, max_size=6),
    margin=st.integers(0, 10),
    late=st.booleans(),
)
def test_close_to_a_change_that_a_person_made_nothing_is_labelled(
    bounds: list[int], names: list[str], origins: list[str], margin: int, late: bool
) -> None:
    ends = [*bounds[1:], 70]
    segments = [
        Segment(start, end, name, origin)
        for start, end, name, origin in zip(bounds, ends, names, origins, strict=False)
    ]
    first = bounds[0] - late
    trusted = leave_margins(segments, margin, first)
    assert [(a.end_ns, b.start_ns) for a, b in pairwise(trusted) if a.end_ns != b.start_ns] == []
    changes = [
        segment.start_ns
        for segment in segments
        if segment.origin == 'operator' and (segment is not segments[0] or late)
    ]
    for stamp in range(bounds[0], 90):
        close = any(change - margin <= stamp < change + margin for change in changes)
        expected = '' if close else surface_of_span(segments, stamp, stamp)
        assert surface_of_span(trusted, stamp, stamp) == expected


@pytest.mark.requires('mcap', 'rosbags')
def test_recordings_are_named_by_their_path(tmp_path: Path) -> None:
    for name in ('a/00', 'a/01', 'b/00'):
        write_drive(tmp_path / 'set' / name, [('ice', 0.2)])
    assert [recording.name for recording in find_recordings([tmp_path / 'set'])] == ['a/00', 'a/01', 'b/00']
    assert [recording.name for recording in find_recordings([tmp_path / 'set' / 'a' / '00'])] == ['00']
    lone = tmp_path / 'set' / 'a' / '00' / '00_0.mcap'
    assert [recording.name for recording in find_recordings([lone])] == ['00_0']


@pytest.mark.requires('mcap', 'rosbags')
def test_recordings_of_one_name_get_the_given_path(tmp_path: Path) -> None:
    for name in ('x/00', 'y/00'):
        write_drive(tmp_path / name, [('ice', 0.2)])
    names = [recording.name for recording in find_recordings([tmp_path / 'x', tmp_path / 'y', tmp_path / 'x'])]
    assert names == [(tmp_path / 'x' / '00').as_posix(), (tmp_path / 'y' / '00').as_posix()]


def test_a_folder_without_recordings_says_so(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match='holds no recording'):
        find_recordings([tmp_path])
    with pytest.raises(SurfaceError, match='nowhere: no such file or folder'):
        find_recordings([tmp_path / 'nowhere'])


@pytest.mark.requires('mcap', 'rosbags')
def test_a_bag_without_a_label_says_which_topics_it_has(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / 'bag') as writer:
        writer.add_topic('imu', messages.IMU)
        writer.write('imu', 5, b'\x00\x01\x00\x00')
    with pytest.raises(SurfaceError, match=r'bag: has no label.*its topics: /imu.*trainer node'):
        Recording(tmp_path / 'bag').segments()


@pytest.mark.requires('mcap', 'rosbags')
def test_a_label_without_a_stamp_holds_from_when_it_was_recorded(tmp_path: Path) -> None:
    recording = write_labels(tmp_path / 'bag', [(10, 0, 'ice'), (30, 0, 'snow')], end_ns=50)
    assert recording.segments() == [Segment(10, 30, 'ice'), Segment(30, 51, 'snow')]


@pytest.mark.requires('mcap', 'rosbags')
def test_the_last_label_ends_by_the_stamps_when_log_times_are_of_another_clock(tmp_path: Path) -> None:
    """As a bag recorded in wall time of a simulation whose clock started in 2001."""
    simulated = write_drive(tmp_path / 'simulated', [('ice', 3.0), ('gravel', 2.0)])
    with open_recording(simulated) as reader, RecordingWriter(tmp_path / 'wall', flush_interval_s=None) as writer:
        expected = Recording(simulated).segments(reader)
        for topic, msgtype in reader.topics.items():
            writer.add_topic(topic, msgtype)
        for stamped in reader.messages():
            writer.write(stamped.topic, stamped.stamp_ns + 796_116_467 * 10**9, stamped.cdr)
    found = Recording(tmp_path / 'wall').segments()
    assert found == expected
    assert sum(segment.seconds for segment in found) < 6.0


@pytest.mark.parametrize(
    ('definition', 'expected'),
    [
        ('std_msgs/Header header\n', True),
        ('# text\n\n  \n\tstd_msgs/msg/Header header\n', True),
        ('# text\r\n\r\nHeader header\r\n', True),
        ('float64 x\nstd_msgs/Header header\n', False),
        ('# std_msgs/Header header\nfloat64 x\n', False),
        ('\n' * 5000 + 'float64 x\n', False),
        ((' ' * 50 + '\n') * 500 + '# ' * 5000 + 'x', False),
    ],
    ids=['plain', 'comments', 'CRLF', 'second', 'comment', 'empty lines', 'spaces'],
)
def test_a_header_is_found_in_time_whatever_stands_before_it(definition: str, expected: bool) -> None:
    begin = time.process_time()
    assert begins_with_header(definition) == expected
    assert time.process_time() - begin < 1.0


@pytest.mark.parametrize('state', [STATE_OPEN, STATE_STOPPED])
def test_the_state_of_a_recording_hides_no_warning_of_its_reader(tmp_path: Path, state: str) -> None:
    recording = write_labels(tmp_path / 'bag', [(10, 0, 'ice')], end_ns=50)
    with recording.reader() as reader:
        reader.metadata[STATE_KEY] = state
        reader.warnings.append('topic x is left out')
        texts = recording.warnings(reader)
    assert len(texts) == 2
    assert texts[1] == 'topic x is left out'
    assert ('was not closed' if state == STATE_OPEN else 'full disk') in texts[0]
