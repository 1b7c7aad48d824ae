# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A recording in progress: when its first label holds, what its summary says, and definitions of foreign types."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from current_driver import messages
from current_driver.errors import RefusedMessageError, SurfaceError
from current_driver.messages import IMU, NANOSECONDS
from current_driver.recordings.message_definitions import message_definition
from current_driver.recordings.recording import Recording
from current_driver.recordings.writing.recording_session import RecordingSession
from current_driver.recordings.writing.recording_writer import RecordingWriter

START_NS = 1_000_000_000 * NANOSECONDS
CDR = b'\0\1\0\0' + bytes(60)


def session(path: Path, surface: str) -> RecordingSession:
    made = RecordingSession(RecordingWriter(path), '/surface_truth', surface, 'operator')
    made.add_topic('/imu', IMU, None, latched=False)
    return made


@pytest.mark.requires('mcap', 'rosbags')
def test_the_label_that_was_set_holds_from_the_first_sample_on(tmp_path: Path) -> None:
    recording = session(tmp_path / 'a', 'ice')
    recording.write('/imu', CDR, START_NS, START_NS + 90)
    recording.write('/imu', CDR, START_NS + 10 * NANOSECONDS, START_NS + 10 * NANOSECONDS)
    summary = recording.close()
    assert summary.surface_seconds == pytest.approx({'ice': 10.0})
    segments = Recording(summary.path).segments()
    assert [(segment.surface, segment.start_ns) for segment in segments] == [('ice', START_NS - 1)]


@pytest.mark.parametrize('first_ns', [-5, -(2**62), 2**63])
def test_a_first_stamp_that_is_no_moment_does_not_begin_the_label(tmp_path: Path, first_ns: int) -> None:
    recording = session(tmp_path / 'a', 'ice')
    with contextlib.suppress(RefusedMessageError):
        recording.write('/imu', CDR, first_ns, first_ns or START_NS)
    recording.write('/imu', CDR, START_NS, START_NS)
    summary = recording.close()
    assert [segment.start_ns for segment in Recording(summary.path).segments()] == [START_NS - 1]


@pytest.mark.requires('mcap', 'rosbags')
def test_a_label_for_the_first_sample_that_comes_late_goes_first(tmp_path: Path) -> None:
    recording = session(tmp_path / 'a', 'ice')
    recording.write('/imu', CDR, START_NS, START_NS)
    recording.set_surface(START_NS, 'snow', 'simulator')
    recording.write('/imu', CDR, START_NS + NANOSECONDS, START_NS + NANOSECONDS)
    summary = recording.close()
    assert summary.surface_seconds['snow'] == pytest.approx(1.0)
    assert Recording(summary.path).segments()[-1].surface == 'snow'


def test_no_label_is_written_where_none_was_set(tmp_path: Path) -> None:
    recording = session(tmp_path / 'a', '')
    recording.write('/imu', CDR, START_NS, START_NS)
    summary = recording.close()
    assert (summary.messages, summary.surface_seconds) == (1, {})


def test_an_empty_recording_can_be_closed_and_deleted(tmp_path: Path) -> None:
    kept = session(tmp_path / 'kept', 'ice').close()
    assert (kept.messages, kept.seconds) == (0, 0.0)
    gone = session(tmp_path / 'gone', 'ice').close(discard=True)
    assert not Path(gone.path).exists()


def test_times_under_each_label_are_summed(tmp_path: Path) -> None:
    recording = session(tmp_path / 'a', 'ice')
    for second in range(10):
        if second in (3, 6):
            recording.set_surface(START_NS + second * NANOSECONDS, {3: 'snow', 6: 'ice'}[second], 'operator')
        recording.write('/imu', CDR, START_NS + second * NANOSECONDS, START_NS + second * NANOSECONDS)
    assert recording.close().surface_seconds == pytest.approx({'ice': 6.0, 'snow': 3.0})


@pytest.fixture
def installed_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    share = tmp_path / 'prefix' / 'share'
    for name, text in {
        'robot_msgs/msg/Drive': 'std_msgs/Header header\nWheel[4] wheels  # four\nint32 MODE=1\nfloat64[<=3] bounded\n',
        'robot_msgs/msg/Wheel': 'string<=9 name\nother_msgs/msg/Load load\n',
        'other_msgs/msg/Load': 'float64 current\n',
        'std_msgs/msg/Header': 'builtin_interfaces/Time stamp\nstring frame_id\n',
        'builtin_interfaces/msg/Time': 'int32 sec\nuint32 nanosec\n',
    }.items():
        file = share / f'{name}.msg'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding='utf-8')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path / 'prefix'))
    return share


def test_the_definition_of_a_foreign_type_holds_those_it_is_made_of(tmp_path: Path, installed_types: Path) -> None:
    text = message_definition('robot_msgs/msg/Drive')
    assert text is not None
    assert text.startswith('std_msgs/Header header')
    for name in ('robot_msgs/Wheel', 'other_msgs/Load', 'std_msgs/Header', 'builtin_interfaces/Time'):
        assert f'MSG: {name}\n' in text
    # The recording's own writer understands it.
    with RecordingWriter(tmp_path / 'bag') as writer:
        writer.add_topic('/drive', 'robot_msgs/msg/Drive', text)
    assert installed_types.is_dir()


def test_types_that_every_recording_knows_need_no_definition() -> None:
    assert message_definition(IMU) is None
    assert message_definition(messages.MOTOR_CURRENT) is None


def test_a_type_whose_definition_is_not_installed_is_told(
    installed_types: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (installed_types / 'other_msgs' / 'msg' / 'Load.msg').unlink()
    with pytest.raises(SurfaceError, match=r'other_msgs/msg/Load\.msg'):
        message_definition('robot_msgs/msg/Drive')
    monkeypatch.delenv('AMENT_PREFIX_PATH')
    with pytest.raises(SurfaceError, match='AMENT_PREFIX_PATH'):
        message_definition('robot_msgs/msg/Drive')
