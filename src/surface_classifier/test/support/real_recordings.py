# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Real motor currents for tests: a BorealTC recording where the data is there, else a made one of the same layout."""

from __future__ import annotations

import heapq
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from current_driver import messages
from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.reading.recording_reader import recording_base_ns
from current_driver.recordings.writing.recording_writer import RecordingWriter
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig, PartConfig, WindowConfig

CONFIG = Path(__file__).resolve().parents[2] / 'config'
DATA = Path(os.environ.get('SURFACE_DATA_DIR', ''))
needs_real_recordings = pytest.mark.skipif(
    not os.environ.get('SURFACE_DATA_DIR'), reason='SURFACE_DATA_DIR is not set: no real recordings to test on'
)
RATE_HZ = 6.5
IMU_RATE_HZ = 100.0
WHEEL_RATE_HZ = 15.0
BOREALTC_WINDOWS = WindowConfig(
    (
        PartConfig(
            'motor',
            RATE_HZ,
            tuple(
                ChannelConfig(name, 'motor_current', MOTOR_CURRENT_TYPE, f'current[{name}]')
                for name in ('left', 'right')
            ),
        ),
    ),
    window_samples=32,
    stride_samples=8,
)


def motor_columns(path: Path) -> Path:
    """Write the columns file of BorealTC without the IMU, whose import takes most of the time, and return it."""
    text = (CONFIG / 'borealtc.yaml').read_text()
    path.write_text(text[: text.index('\nimu:')].replace(", imu: 'imu_{id}.csv'", ''))
    return path


def borealtc_bag(path: Path, *, seconds: float | None = None) -> Path:
    """Write a bag of Husky motor currents at 6.5 Hz: `FLOORING/pro_00.csv` of BorealTC where SURFACE_DATA_DIR has it.

    Args:
        path: Folder to make.
        seconds: Length [s]; None: the whole recording, about two minutes.
    """
    data = os.environ.get('SURFACE_DATA_DIR', '')
    csv = Path(data) / 'borealtc' / 'FLOORING' / 'pro_00.csv'
    if not data or not csv.is_file():
        csv = path.with_suffix('.csv')
        _write_made_csv(csv)
    with open_recording(csv) as reader, RecordingWriter(path, flush_interval_s=None) as writer:
        truth = messages.truth_message(reader.start_ns, 'flooring', 'import')
        writer.write_message('surface_truth', truth, reader.start_ns, latched=True)
        for topic, msgtype in reader.topics.items():
            writer.add_topic(topic, msgtype, reader.definitions[msgtype])
        for message in reader.messages():
            if seconds is not None and message.stamp_ns > recording_base_ns(0) + seconds * 1e9:
                break
            writer.write(message.topic, message.stamp_ns, message.cdr)
    return path


def three_rate_bag(path: Path, *, seconds: float) -> Path:
    """Write a labelled bag: Husky motor currents at 6.5 Hz, its IMU at 100 Hz, made wheel speeds at 15 Hz.

    Currents and IMU are those of `FLOORING/pro_00.csv` and `imu_00.csv` of BorealTC where SURFACE_DATA_DIR has them.

    Args:
        path: Folder to make.
        seconds: Length [s].
    """
    data = os.environ.get('SURFACE_DATA_DIR', '')
    csv = Path(data) / 'borealtc' / 'FLOORING' / 'pro_00.csv'
    if not data or not csv.is_file():
        csv = path.with_name(f'{path.name}_csv') / 'pro_00.csv'
        _write_made_csv(csv)
        _write_made_imu(csv.with_name('imu_00.csv'))
    last_ns = recording_base_ns(0) + round(seconds * 1e9)
    with (
        open_recording(csv, CONFIG / 'borealtc.yaml') as reader,
        RecordingWriter(path, flush_interval_s=None) as writer,
    ):
        truth = messages.truth_message(reader.start_ns, 'flooring', 'import')
        writer.write_message('surface_truth', truth, reader.start_ns, latched=True)
        wheels = _wheel_speeds(reader.start_ns, last_ns)
        for topic, msgtype in reader.topics.items():
            writer.add_topic(topic, msgtype, reader.definitions[msgtype])
        recorded = itertools.takewhile(lambda message: message.stamp_ns <= last_ns, reader.messages())
        writer.add_topic('joint_states', 'sensor_msgs/msg/JointState')
        for message in heapq.merge(recorded, wheels, key=lambda message: message.stamp_ns):
            writer.write(message.topic, message.stamp_ns, message.cdr)
    return path


def _wheel_speeds(first_ns: int, last_ns: int) -> Iterator[messages.StampedMessage]:
    """Yield joint states at 15 Hz, whose stamps jitter by up to 4 ms."""
    rng = np.random.default_rng(2)
    joint_state = messages.message_class('sensor_msgs/msg/JointState')
    none = np.empty(0)
    for number in range(int((last_ns - first_ns) * 1e-9 * WHEEL_RATE_HZ)):
        stamp_ns = first_ns + round(number / WHEEL_RATE_HZ * 1e9) + int(rng.integers(0, 4_000_000))
        speed_radps = np.array([np.sin(number / 20), np.cos(number / 30)])
        message = joint_state(messages.header(stamp_ns), ['left_wheel', 'right_wheel'], none, speed_radps, none)
        yield messages.stamped('joint_states', message, stamp_ns)


def _write_made_imu(path: Path) -> None:
    """Write a CSV file of BorealTC's IMU: 100 Hz, noise around gravity."""
    rng = np.random.default_rng(1)
    values = rng.normal([0, 0, 0, 0, 0, 9.81], [0.02, 0.02, 0.1, 0.5, 0.5, 0.8], (12_500, 6))
    rows = [
        ','.join(str(value) for value in (number / IMU_RATE_HZ, *row)) for number, row in enumerate(values.tolist())
    ]
    path.write_text('time,wx,wy,wz,ax,ay,az\n' + '\n'.join(rows) + '\n', encoding='utf-8')


def _write_made_csv(path: Path) -> None:
    """Write a CSV file of BorealTC's layout: levels that wander, quantised at 0.13 A."""
    rng = np.random.default_rng(0)
    samples = round(125 * RATE_HZ)
    time_s = np.arange(samples) / RATE_HZ
    current = np.abs(3 + np.cumsum(rng.normal(0, 0.3, (samples, 2)), axis=0) + rng.normal(0, 1, (samples, 2)))
    lines = [
        f'{time},{left},{right},0.5,0.5'
        for time, (left, right) in zip(time_s.tolist(), (np.round(current / 0.13) * 0.13).tolist(), strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('time,curL,curR,velL,velR\n' + '\n'.join(lines) + '\n', encoding='utf-8')
