# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Small recordings and data sets for tests, written with the product's own writers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from current_driver import messages
from current_driver.recordings.writing.recording_writer import RecordingWriter
from surface_classifier.data.dataset import Dataset, RecordingInfo
from surface_classifier.signal.window_config import WindowConfig, default_window_config

START_NS = 1_000_000_000 * messages.NANOSECONDS
LEVELS_A = {'ice': 1.0, 'snow': 2.0, 'asphalt': 3.0}


def write_drive(
    path: Path,
    surfaces: Sequence[tuple[str, float]],
    *,
    rate_hz: float = 100.0,
    storage: str = 'mcap',
    start_ns: int = START_NS,
    motors: Sequence[str] = ('left', 'right'),
    topic: str = 'motor_current',
    metadata: Mapping[str, str] | None = None,
    seed: int = 0,
    origin: str = 'import',
) -> Path:
    """Write a bag with motor currents over several surfaces.

    Args:
        path: Folder of the bag.
        surfaces: Name and length [s] of each stretch; an empty name is not labelled.
        rate_hz: Samples a second.
        storage: mcap or sqlite3.
        start_ns: Stamp of the first sample.
        motors: Names of the motors.
        topic: Topic of the currents.
        metadata: Custom data of the bag.
        seed: Seed of the noise.
        origin: Who sets the labels.
    """
    rng = np.random.default_rng(seed)
    period_ns = round(messages.NANOSECONDS / rate_hz)
    block_samples = max(1, round(rate_hz / 10))
    with RecordingWriter(path, storage, metadata=metadata, flush_interval_s=None) as writer:
        first_sample = 0
        for surface, seconds in surfaces:
            stamp = start_ns + first_sample * period_ns
            writer.write_message('surface_truth', messages.truth_message(stamp, surface, origin), stamp, latched=True)
            last = first_sample + round(seconds * rate_hz)
            while first_sample < last:
                count = min(block_samples, last - first_sample)
                stamps = start_ns + (first_sample + np.arange(count, dtype=np.int64)) * period_ns
                current = rng.normal(LEVELS_A.get(surface, 0.5), 0.2, (count, len(motors)))
                block = messages.CurrentBlock(stamps, current, tuple(motors), first_sample)
                writer.write_message(topic, messages.current_block_message(block), int(stamps[-1]))
                first_sample += count
    return path


def save_dataset(
    path: Path,
    windows_of: Mapping[str, Mapping[str, int]],
    *,
    classes: Sequence[str] | None = None,
    has_recordings: bool = True,
    config: WindowConfig | None = None,
    seed: int = 0,
) -> Dataset:
    """Write a data set of random windows.

    Args:
        path: Folder of the data set.
        windows_of: For each recording its number of windows of each class.
        classes: Names of the classes; those that occur, sorted, when None.
        has_recordings: As in `Dataset`.
        config: Window configuration; the default one when None.
        seed: Seed of the values.
    """
    config = config or default_window_config()
    rng = np.random.default_rng(seed)
    names = tuple(sorted({name for counts in windows_of.values() for name in counts}) if classes is None else classes)
    labels: list[int] = []
    recording: list[int] = []
    for index, counts in enumerate(windows_of.values()):
        for name, count in counts.items():
            labels.extend([names.index(name)] * count)
            recording.extend([index] * count)
    start_ns = START_NS + np.arange(len(labels), dtype=np.int64) * messages.NANOSECONDS
    return Dataset.save(
        path,
        config=config,
        classes=names,
        parts={
            part.name: rng.normal(size=(len(labels), config.samples_of_part(index), len(part.channels)))
            for index, part in enumerate(config.parts)
        },
        labels=np.array(labels, dtype=np.int64),
        start_ns=start_ns,
        end_ns=start_ns + 990_000_000,
        recording=np.array(recording, dtype=np.int64),
        recordings=[RecordingInfo(name, float(sum(counts.values()))) for name, counts in windows_of.items()],
        has_recordings=has_recordings,
    )
