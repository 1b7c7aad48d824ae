# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Real motor currents for tests: a BorealTC recording where the data is there, else a made one of the same layout."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from current_driver import messages
from current_driver.recording_reader import open_recording, recording_base_ns
from surface_classifier.data.recording_writer import RecordingWriter
from surface_classifier.signal.config import MOTOR_CURRENT_TYPE, ChannelConfig, PartConfig, WindowConfig

RATE_HZ = 6.5
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


def _write_made_csv(path: Path) -> None:
    """Write a CSV file of BorealTC's layout: levels that wander, quantised at 0.13 A."""
    rng = np.random.default_rng(0)
    samples = round(125 * RATE_HZ)
    time_s = np.arange(samples) / RATE_HZ
    current = np.abs(3 + np.cumsum(rng.normal(0, 0.3, (samples, 2)), axis=0) + rng.normal(0, 1, (samples, 2)))
    lines = [
        f'{time},{left},{right}'
        for time, (left, right) in zip(time_s.tolist(), (np.round(current / 0.13) * 0.13).tolist(), strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('time,curL,curR\n' + '\n'.join(lines) + '\n', encoding='utf-8')
