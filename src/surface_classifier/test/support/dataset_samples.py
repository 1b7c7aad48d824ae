# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Small data sets for tests, written with the product's own writer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from current_driver import messages
from current_driver.testing.drives import START_NS
from surface_classifier.data.dataset import METADATA_FILE, Dataset, RecordingInfo
from surface_classifier.signal.window_config import WindowConfig, default_window_config


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


def seal(path: Path) -> Dataset:
    """Make the digest of a data set whose files a test has changed that of its content, and load it."""
    file = path / METADATA_FILE
    description = json.loads(file.read_text(encoding='utf-8'))
    description['digest'] = Dataset.load(path, verify=False).content_digest()
    file.write_text(json.dumps(description), encoding='utf-8')
    return Dataset.load(path)
