# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Small recordings of drives, written with the product's own writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from current_driver import messages
from current_driver.recordings.writing.recording_writer import RecordingWriter

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
