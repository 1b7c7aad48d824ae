# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Copies windows of data sets into a new one, a few at a time: what every way of changing a data set is made of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset, DatasetWriter, RecordingInfo
from surface_classifier.signal.window_config import WindowConfig

_WINDOWS_AT_ONCE = 256


@dataclass(frozen=True)
class Taken:
    """What is taken from a data set.

    Attributes:
        dataset: The data set.
        rows: Numbers of its windows, in the order in which they are written, int64 (n,).
        labels: Name of the class of each of these windows; None: as it is.
        recordings: For each of its recordings what it becomes; None: left out, and no window of it may be taken.
            None for all: as they are.
        columns: For each part the channels that are kept, int64; None: all.
    """

    dataset: Dataset
    rows: NDArray[np.int64]
    labels: Sequence[str] | None = None
    recordings: Sequence[RecordingInfo | None] | None = None
    columns: Mapping[str, NDArray[np.int64]] | None = None


def write_windows(
    target: str | os.PathLike[str],
    taken: Sequence[Taken],
    *,
    classes: Sequence[str],
    entry: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]] | None = None,
    config: WindowConfig | None = None,
    counters: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    in_place: bool = False,
) -> Dataset:
    """Write a data set of windows of others.

    Args:
        target: Folder to make.
        taken: What is taken from which data set.
        classes: Names of the classes, in the order of the labels.
        entry: What is being done, for the history.
        history: What was done before; that of the first data set when None.
        config: Configuration of the windows; that of the first data set when None.
        counters: What was counted when they were cut; that of the first data set when None.
        overwrite: Replace another data set that is there already.
        in_place: Replace the data set that the windows come from; `target` is its folder.

    Raises:
        SurfaceError: Something is at `target` already, or no window would be left.
    """
    first = taken[0].dataset
    place = Path(target)
    if not in_place:
        check_not_source(place, [part.dataset for part in taken])
    if not sum(len(part.rows) for part in taken):
        raise SurfaceError(f'{first.path}: no window would be left; nothing is written')
    with DatasetWriter(
        place, config or first.config, has_recordings=first.has_recordings, overwrite=overwrite or in_place
    ) as writer:
        for part in taken:
            _copy(writer, part)
        return writer.finish(
            classes=classes,
            counters=first.counters if counters is None else counters,
            history=[*(first.history if history is None else history), entry],
        )


def check_not_source(target: Path, datasets: Sequence[Dataset]) -> None:
    """Refuse to write a data set over one that it is made of.

    Raises:
        SurfaceError: It would be.
    """
    for dataset in datasets:
        if target.exists() and target.resolve() == dataset.path.resolve():
            raise SurfaceError(f'{target}: is the data set itself; give another name with -o')


def remaining_recordings(dataset: Dataset, rows: NDArray[np.int64]) -> list[RecordingInfo | None]:
    """The recordings of which windows are taken, and those that never had one; None for the others."""
    kept = np.bincount(dataset.recording[rows], minlength=len(dataset.recordings))
    had = np.bincount(dataset.recording, minlength=len(dataset.recordings))
    return [info if kept[index] or not had[index] else None for index, info in enumerate(dataset.recordings)]


def _copy(writer: DatasetWriter, taken: Taken) -> None:
    dataset = taken.dataset
    recordings = dataset.recordings if taken.recordings is None else taken.recordings
    ids = np.array([-1 if info is None else writer.add_recording(info) for info in recordings], dtype=np.int64)
    for first in range(0, len(taken.rows), _WINDOWS_AT_ONCE):
        rows = taken.rows[first : first + _WINDOWS_AT_ONCE]
        parts = {}
        for part in writer.config.parts:
            windows = np.asarray(dataset.parts[part.name][rows])
            parts[part.name] = windows if taken.columns is None else windows[:, :, taken.columns[part.name]]
        labels = (
            [dataset.classes[label] for label in dataset.labels[rows].tolist()]
            if taken.labels is None
            else taken.labels[first : first + _WINDOWS_AT_ONCE]
        )
        writer.add_windows(
            parts,
            labels=labels,
            start_ns=np.asarray(dataset.start_ns[rows]),
            end_ns=np.asarray(dataset.end_ns[rows]),
            recordings=ids[dataset.recording[rows]],
        )
