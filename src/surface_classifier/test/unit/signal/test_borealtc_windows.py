# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Real Husky currents pass through the window stream untouched, in the published number of windows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from current_driver.recordings.reading.recording_reader import recording_base_ns
from surface_classifier.signal.channel_map import TopicSamples
from surface_classifier.signal.window_config import MOTOR_CURRENT_TYPE, ChannelConfig, PartConfig, WindowConfig
from surface_classifier.signal.window_stream import WindowStream

BLOCK_SAMPLES = 10


@pytest.fixture(scope='module')
def recordings() -> list[tuple[str, NDArray[np.int64], NDArray[np.float64]]]:
    """Name, stamps and both currents of every labelled recording, at the stamps that the importer gives them."""
    data_dir = os.environ.get('SURFACE_DATA_DIR')
    if not data_dir:
        pytest.skip('SURFACE_DATA_DIR is not set: it names the folder that holds borealtc/<CLASS>/pro_NN.csv')
    paths = [path for path in sorted(Path(data_dir, 'borealtc').glob('*/pro_*.csv')) if path.parent.name != 'MIXED']
    loaded = []
    for number, path in enumerate(paths):
        table = np.loadtxt(path, delimiter=',', skiprows=1, usecols=(0, 1, 2))
        stamps = recording_base_ns(number) + np.rint(table[:, 0] * 1e9).astype(np.int64)
        loaded.append((f'{path.parent.name}/{path.stem}', stamps, table[:, 1:]))
    assert len(loaded) == 71
    return loaded


def borealtc_config(window_samples: int, stride_samples: int) -> WindowConfig:
    channels = tuple(
        ChannelConfig(name, 'motor_current', MOTOR_CURRENT_TYPE, f'current[{name}]') for name in ('left', 'right')
    )
    return WindowConfig((PartConfig('motor', 6.5, channels),), window_samples, stride_samples)


@pytest.mark.parametrize(
    ('window_samples', 'stride_samples', 'expected'), [(11, 5, 9220), (32, 8, 5586), (65, 13, 3274)]
)
def test_every_window_holds_the_recorded_samples(
    recordings: list[tuple[str, NDArray[np.int64], NDArray[np.float64]]],
    window_samples: int,
    stride_samples: int,
    expected: int,
) -> None:
    together = WindowStream(borealtc_config(window_samples, stride_samples))
    total = 0
    for number, (name, stamps, values) in enumerate(recordings):
        alone = WindowStream(borealtc_config(window_samples, stride_samples))
        blocks = [
            TopicSamples('motor_current', stamps[i : i + BLOCK_SAMPLES], values[i : i + BLOCK_SAMPLES], i, number)
            for i in range(0, len(stamps), BLOCK_SAMPLES)
        ]
        windows = [window for block in blocks for window in alone.push(block)]
        assert len(windows) == (len(stamps) - window_samples) // stride_samples + 1, name
        for place, window in enumerate(windows):
            start = place * stride_samples
            assert window.start_ns == stamps[start]
            assert window.parts['motor'].tobytes() == values[start : start + window_samples].tobytes(), name
        assert (alone.counters.voided, alone.counters.gaps) == (0, 0)
        assert alone.counters.observed_rate_hz['motor'] == pytest.approx(6.5)
        # All recordings in one stream, as a replay gives them, are cut into the same windows.
        assert [window.index for block in blocks for window in together.push(block)] == [w.index for w in windows]
        total += len(windows)
    assert total == expected
