# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings become windows: the right ones, with the right labels, in little memory."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from current_driver import messages
from current_driver.errors import SurfaceError
from current_driver.recordings.recording import Recording, find_recordings
from current_driver.recordings.writing.recording_writer import RecordingWriter
from current_driver.testing.drives import START_NS, write_drive
from surface_classifier.data.dataset_builder import (
    build_dataset,
    motor_window_config,
    override_window_config,
    recording_seconds,
)
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig, default_window_config
from surface_classifier.signal.window_stream import WindowStream

SECOND = messages.NANOSECONDS


@pytest.mark.requires('mcap', 'rosbags')
def test_windows_lie_entirely_under_one_label(tmp_path: Path) -> None:
    write_drive(tmp_path / 'r' / 'a', [('ice', 3.0), ('', 2.0), ('snow', 3.2)], metadata={'robot': 'husky'})
    write_drive(tmp_path / 'r' / 'b', [('snow', 2.0)], seed=1)
    result = build_dataset(find_recordings([tmp_path / 'r']), default_window_config(), tmp_path / 'set')
    dataset = result.dataset
    assert result.warnings == []
    assert dataset.classes == ('ice', 'snow')
    starts_s = (np.asarray(dataset.start_ns) - START_NS) / SECOND
    found = list(zip(dataset.recording.tolist(), dataset.labels.tolist(), starts_s.tolist(), strict=True))
    first = [(0, 0, start) for start in (0.0, 0.5, 1.0, 1.5, 2.0)] + [
        (0, 1, start) for start in (5.0, 5.5, 6.0, 6.5, 7.0)
    ]
    assert found == [*first, *((1, 1, start) for start in (0.0, 0.5, 1.0))]
    assert (dataset.end_ns - dataset.start_ns == 990_000_000).all()
    assert dataset.recordings[0].robot == 'husky'
    assert dataset.recordings[0].seconds == pytest.approx(8.19)
    assert dataset.counters['unlabelled'] == 3
    assert dataset.counters['over_a_change'] == 2
    assert dataset.config.parts[0].input_rate_hz == 100.0


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize(
    ('origin', 'margin_s', 'starts_s'),
    [
        ('operator', 0.5, [0.0, 0.5, 1.0, 1.5, 3.5, 4.0, 4.5, 5.0]),
        ('operator', 0.0, [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 3.5, 4.0, 4.5, 5.0]),
        ('operator', None, [0.0, 0.5, 1.0, 4.0, 4.5, 5.0]),
        ('simulator', None, [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 3.5, 4.0, 4.5, 5.0]),
    ],
)
def test_what_lies_close_to_a_change_that_a_person_made_is_left_out(
    tmp_path: Path, origin: str, margin_s: float | None, starts_s: list[float]
) -> None:
    bag = write_drive(tmp_path / 'a', [('ice', 3.0), ('snow', 3.0)], origin=origin)
    given: dict[str, Any] = {} if margin_s is None else {'label_margin_s': margin_s}
    dataset = build_dataset([Recording(bag)], default_window_config(), tmp_path / 'set', **given).dataset
    assert ((np.asarray(dataset.start_ns) - START_NS) / SECOND).tolist() == starts_s
    assert dataset.counters.get('label_margin', 0) == 10 - len(starts_s)
    assert dataset.counters['over_a_change'] == 1
    assert dataset.history[0]['label_margin_s'] == (1.0 if margin_s is None else margin_s)


@pytest.mark.requires('mcap', 'rosbags')
def test_windows_are_those_of_the_live_stream(tmp_path: Path) -> None:
    recording = Recording(write_drive(tmp_path / 'a', [('ice', 4.0), ('snow', 4.0)]))
    config = dataclasses.replace(default_window_config(), stride_samples=7)
    dataset = build_dataset([recording], config, tmp_path / 'set').dataset
    stream = WindowStream(dataset.config)
    live = []
    with recording.reader() as reader:
        for stamped in reader.messages(topics=['motor_current']):
            live.extend(stream.push_message('motor_current', reader.deserialize(stamped), stamped.stamp_ns))
    by_start = {window.start_ns: window.parts['motor'] for window in live}
    assert len(dataset) > 80
    for row, start_ns in enumerate(dataset.start_ns.tolist()):
        np.testing.assert_array_equal(dataset.parts['motor'][row], by_start[start_ns])


@pytest.mark.requires('mcap', 'rosbags')
def test_building_twice_gives_one_digest(tmp_path: Path) -> None:
    write_drive(tmp_path / 'r' / 'a', [('ice', 3.0), ('snow', 3.0)])
    recordings = find_recordings([tmp_path / 'r'])
    first = build_dataset(recordings, default_window_config(), tmp_path / 'first').dataset
    second = build_dataset(recordings, default_window_config(), tmp_path / 'second').dataset
    assert first.digest == second.digest
    shorter = dataclasses.replace(default_window_config(), window_samples=50)
    assert build_dataset(recordings, shorter, tmp_path / 'third').dataset.digest != first.digest


@pytest.mark.requires('mcap', 'rosbags')
def test_both_storages_give_the_same_windows(tmp_path: Path) -> None:
    sets = []
    for storage in ('mcap', 'sqlite3'):
        bag = write_drive(tmp_path / storage / 'a', [('ice', 3.0), ('snow', 3.0)], storage=storage)
        result = build_dataset([Recording(bag)], default_window_config(), tmp_path / f'set_{storage}')
        sets.append(result.dataset.digest)
    assert sets[0] == sets[1]


@pytest.mark.requires('mcap', 'rosbags')
def test_default_windows_follow_the_motors_and_the_rate_of_the_recordings(tmp_path: Path) -> None:
    fast = Recording(write_drive(tmp_path / 'fast', [('ice', 2.0)], rate_hz=1000, motors=('a', 'b', 'c')))
    config = motor_window_config([fast])
    assert config.parts[0].channel_names == ('a', 'b', 'c')
    assert (config.parts[0].sample_rate_hz, config.parts[0].input_rate_hz) == (100.0, 1000.0)
    assert (config.window_samples, config.stride_samples) == (100, 50)
    slow = Recording(write_drive(tmp_path / 'slow', [('ice', 40.0)], rate_hz=20, topic='/robot/motor_current'))
    config = motor_window_config([slow], window_s=2.0, stride_s=0.5)
    assert config.parts[0].sample_rate_hz == 20.0
    assert (config.window_samples, config.stride_samples) == (40, 10)
    assert config.parts[0].channels[0].topic == 'motor_current'
    with pytest.raises(SurfaceError, match=r'slow: has the motors left, right.*fast has a, b, c'):
        motor_window_config([fast, slow])


@pytest.mark.requires('mcap', 'rosbags')
def test_data_sets_of_one_robot_get_the_same_grid_although_its_rate_wavers(tmp_path: Path) -> None:
    rates = {
        motor_window_config([Recording(write_drive(tmp_path / str(rate_hz), [('ice', 20.0)], rate_hz=rate_hz))])
        .parts[0]
        .sample_rate_hz
        for rate_hz in (50.15, 50.17, 49.9)
    }
    assert rates == {50.0}


def test_overridden_settings() -> None:
    config = override_window_config(default_window_config(), sample_rate_hz=50.0, window_s=3.0)
    assert (config.parts[0].sample_rate_hz, config.window_samples, config.stride_samples) == (50.0, 150, 50)
    with pytest.raises(SurfaceError, match=r'--stride-seconds 0\.001: is shorter than one sample at 100 Hz'):
        override_window_config(default_window_config(), stride_s=0.001)
    part = default_window_config().parts[0]
    two = WindowConfig((part, dataclasses.replace(part, name='other')))
    with pytest.raises(SurfaceError, match='several parts, motor, other'):
        override_window_config(two, sample_rate_hz=50.0)


@pytest.mark.requires('mcap', 'rosbags')
def test_windows_longer_than_every_recording_are_refused(tmp_path: Path) -> None:
    recordings = [Recording(write_drive(tmp_path / 'a', [('ice', 2.0), ('snow', 3.0)]))]
    config = override_window_config(default_window_config(), window_s=20.0)
    with pytest.raises(
        SurfaceError, match=r'windows of 20 s are longer than every recording.*2\.99 s, in a\).*--window-sec'
    ):
        build_dataset(recordings, config, tmp_path / 'set')
    assert not (tmp_path / 'set').exists()


@pytest.mark.requires('mcap', 'rosbags')
def test_a_recording_too_short_for_a_window_is_reported(tmp_path: Path) -> None:
    write_drive(tmp_path / 'r' / 'a', [('ice', 3.0), ('snow', 3.0), ('mud', 0.5)])
    write_drive(tmp_path / 'r' / 'short', [('ice', 0.5)])
    result = build_dataset(find_recordings([tmp_path / 'r']), default_window_config(), tmp_path / 'set')
    assert any('short: gives no window (a window lasts 1 s, the recording 0.5 s)' in text for text in result.warnings)
    assert any('no window of mud' in text for text in result.warnings)
    assert result.dataset.classes == ('ice', 'snow')
    assert [info.windows for info in result.dataset.recordings] == [10, 0]


@pytest.mark.requires('mcap', 'rosbags')
def test_samples_too_slow_for_the_grid_are_refused(tmp_path: Path) -> None:
    recordings = [Recording(write_drive(tmp_path / 'a', [('ice', 9.0), ('snow', 9.0)], rate_hz=6.5))]
    with pytest.raises(
        SurfaceError, match=r"windows were voided: part 'motor' has samples at 6\.5 Hz on a grid of 100 Hz"
    ):
        build_dataset(recordings, default_window_config(), tmp_path / 'set')


@pytest.mark.requires('mcap', 'rosbags')
def test_one_class_only_needs_a_word(tmp_path: Path) -> None:
    recordings = [Recording(write_drive(tmp_path / 'a', [('ice', 3.0)]))]
    with pytest.raises(SurfaceError, match=r"all 5 windows are of one class, 'ice'.*--allow-one-class"):
        build_dataset(recordings, default_window_config(), tmp_path / 'set')
    result = build_dataset(recordings, default_window_config(), tmp_path / 'set', allow_one_class=True)
    assert result.dataset.classes == ('ice',)


@pytest.mark.requires('mcap', 'rosbags')
def test_an_unlabelled_drive_is_refused(tmp_path: Path) -> None:
    recordings = [Recording(write_drive(tmp_path / 'a', [('', 3.0)]))]
    with pytest.raises(SurfaceError, match='no recording has a stretch with a label'):
        build_dataset(recordings, default_window_config(), tmp_path / 'set')


@pytest.mark.requires('mcap', 'rosbags')
def test_a_bag_without_the_topic(tmp_path: Path) -> None:
    write_drive(tmp_path / 'r' / 'a', [('ice', 3.0), ('snow', 3.0)])
    write_drive(tmp_path / 'r' / 'b', [('ice', 3.0)], topic='other')
    recordings = find_recordings([tmp_path / 'r'])
    with pytest.raises(
        SurfaceError,
        match=r"b: there is no topic 'motor_current'; the topics are: /other, /surface_truth; .*--skip-mis",
    ):
        build_dataset(recordings, default_window_config(), tmp_path / 'set')
    result = build_dataset(recordings, default_window_config(), tmp_path / 'set', skip_missing=True)
    assert result.dataset.recording_names == ('a',)
    assert 'b: left out, its topics are /other, /surface_truth, not all of motor_current' in result.warnings[0]
    with pytest.raises(SurfaceError, match='not one of 1 recordings has the topics motor_current'):
        build_dataset(recordings[1:], default_window_config(), tmp_path / 'none', skip_missing=True)


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize(
    ('channel', 'message'),
    [
        (ChannelConfig('x', 'motor_current', messages.MOTOR_CURRENT, 'current[rear]'), r"'rear'.*left, right"),
        (
            ChannelConfig('x', 'motor_current', messages.IMU, 'linear_acceleration.x'),
            r'is of type surface_msgs/msg/Motor',
        ),
        (ChannelConfig('x', 'surface_truth', messages.SURFACE_TRUTH, 'header.height'), r"'?height'?.*stamp.*frame_id"),
    ],
)
def test_a_wrong_field_path_says_which_fields_exist(tmp_path: Path, channel: ChannelConfig, message: str) -> None:
    recordings = [Recording(write_drive(tmp_path / 'a', [('ice', 3.0), ('snow', 3.0)]))]
    config = WindowConfig((PartConfig('motor', 100.0, (channel,), 100.0),))
    with pytest.raises(SurfaceError, match=message) as error:
        build_dataset(recordings, config, tmp_path / 'set')
    assert str(recordings[0].path) in str(error.value)


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_recording_that_was_never_closed_is_used_with_a_warning(tmp_path: Path, storage: str) -> None:
    whole = Recording(write_drive(tmp_path / 'whole', [('ice', 4.0), ('snow', 4.0)]))
    cut = RecordingWriter(tmp_path / 'cut', storage, flush_interval_s=None)
    with whole.reader() as reader:
        for topic, msgtype in reader.topics.items():
            cut.add_topic(topic, msgtype)
        for stamped in reader.messages():
            cut.write(stamped.topic, stamped.stamp_ns, stamped.cdr)
    cut.flush()
    result = build_dataset([Recording(tmp_path / 'cut')], default_window_config(), tmp_path / 'set')
    assert len(result.dataset) == 14
    assert len(result.warnings) == 1
    assert 'not closed' in result.warnings[0]
    cut.close()


@pytest.mark.requires('mcap', 'rosbags')
def test_any_topic_and_several_rates(tmp_path: Path) -> None:
    joint_state = messages.message_class('sensor_msgs/msg/JointState')
    empty = np.empty(0)
    with RecordingWriter(tmp_path / 'bag', flush_interval_s=None) as writer:
        for surface, first in (('ice', 0), ('snow', 500)):
            stamp = START_NS + first * SECOND // 100
            writer.write_message('label', messages.truth_message(stamp, surface, 'import'), stamp, latched=True)
            for index in range(first, first + 500):
                stamp = START_NS + index * SECOND // 100
                imu = messages.imu_message(stamp, np.array([0.0, 0.0, index]), np.zeros(3), 'imu_link')
                writer.write_message('/robot/imu', imu, stamp)
                if index % 5 == 0:
                    effort = np.array([7.0, index])
                    joints = joint_state(messages.header(stamp), ['arm', 'left_wheel'], empty, empty, effort)
                    writer.write_message('/robot/joint_states', joints, stamp)
    wheel = ChannelConfig('wheel', 'joint_states', 'sensor_msgs/msg/JointState', 'effort[left_wheel]', scale=0.5)
    yaw = ChannelConfig('yaw', 'imu', messages.IMU, 'angular_velocity.z', unit='rad/s')
    config = WindowConfig((PartConfig('motor', 20.0, (wheel,)), PartConfig('imu', 100.0, (yaw,))), 20, 10)
    dataset = build_dataset([Recording(tmp_path / 'bag')], config, tmp_path / 'set').dataset
    assert [part.input_rate_hz for part in dataset.config.parts] == [20.0, 100.0]
    assert {name: array.shape for name, array in dataset.parts.items()} == {'motor': (18, 20, 1), 'imu': (18, 100, 1)}
    assert dataset.class_counts.tolist() == [9, 9]
    for row, start_ns in enumerate(dataset.start_ns.tolist()):
        first = (start_ns - START_NS) * 100 // SECOND
        np.testing.assert_array_equal(dataset.parts['motor'][row, :, 0], 0.5 * (first + 5.0 * np.arange(20)))
        np.testing.assert_array_equal(dataset.parts['imu'][row, :, 0], first + np.arange(100.0))


@pytest.mark.requires('mcap', 'rosbags')
def test_progress_adds_up(tmp_path: Path) -> None:
    write_drive(tmp_path / 'r' / 'a', [('ice', 3.7), ('snow', 3.0)])
    write_drive(tmp_path / 'r' / 'b', [('snow', 2.2)])
    recordings = find_recordings([tmp_path / 'r'])
    seconds: list[float] = []
    build_dataset(recordings, default_window_config(), tmp_path / 'set', on_progress=seconds.append)
    assert sum(seconds) == pytest.approx(recording_seconds(recordings))
    assert sum(seconds) == pytest.approx(8.88)


MEASURE_MEMORY = """
import resource, sys
from pathlib import Path
from surface_classifier.data.dataset_builder import build_dataset
from current_driver.recordings.recording import Recording
from surface_classifier.signal.window_config import default_window_config
import dataclasses
config = dataclasses.replace(default_window_config(), stride_samples=1)
short, long = (Recording(path) for path in sys.argv[1:3])
build_dataset([short], config, sys.argv[3] + '/short_set', allow_one_class=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
build_dataset([long], config, sys.argv[3] + '/long_set', allow_one_class=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.requires('mcap', 'rosbags')
def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    short = write_drive(tmp_path / 'short', [('ice', 10.0)])
    long = write_drive(tmp_path / 'long', [('ice', 300.0)])
    command = [sys.executable, '-c', MEASURE_MEMORY, str(short), str(long), str(tmp_path)]
    grown_kib = int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=110).stdout)
    written_kib = (tmp_path / 'long_set' / 'part_motor.npy').stat().st_size / 1024
    assert written_kib > 40_000
    assert grown_kib < 10_000


@pytest.mark.requires('mcap', 'rosbags')
def test_a_recording_at_another_rate_than_the_first_one_is_reported(tmp_path: Path) -> None:
    write_drive(tmp_path / 'r' / 'a', [('ice', 3.0), ('snow', 3.0)])
    write_drive(tmp_path / 'r' / 'b', [('ice', 3.0), ('snow', 3.0)], rate_hz=1000.0)
    recordings = find_recordings([tmp_path / 'r'])
    result = build_dataset(recordings, motor_window_config(recordings), tmp_path / 'set')
    assert len(result.warnings) == 1
    assert (
        'r/b: part motor: samples come at 1000 Hz and are put on a 100 Hz grid without a low-pass' in result.warnings[0]
    )


@pytest.mark.requires('mcap', 'rosbags')
def test_a_rate_that_differs_without_harm_to_the_filter_is_reported(tmp_path: Path) -> None:
    for name, rate_hz in (('a', 100.0), ('b', 120.0)):
        write_drive(tmp_path / 'r' / name, [('ice', 3.0), ('snow', 3.0)], rate_hz=rate_hz)
    recordings = find_recordings([tmp_path / 'r'])
    result = build_dataset(recordings, motor_window_config(recordings), tmp_path / 'set')
    assert len(result.warnings) == 1
    assert 'samples come at 120 Hz, the data set is cut for an input of 100 Hz' in result.warnings[0]


@pytest.mark.requires('mcap', 'rosbags')
def test_the_rates_of_all_recordings_are_counted(tmp_path: Path) -> None:
    for name, rate_hz in (('a', 110.0), ('b', 125.0), ('c', 100.0)):
        write_drive(tmp_path / 'r' / name, [('ice', 3.0), ('snow', 3.0)], rate_hz=rate_hz)
    recordings = find_recordings([tmp_path / 'r'])
    dataset = build_dataset(recordings, motor_window_config(recordings), tmp_path / 'set').dataset
    assert dataset.counters['lowest_observed_rate_hz']['motor'] == pytest.approx(100.0)
    assert dataset.counters['highest_observed_rate_hz']['motor'] == pytest.approx(125.0)
