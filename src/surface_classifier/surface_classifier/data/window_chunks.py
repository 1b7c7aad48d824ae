# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of one recording on their way from the process that cut them into the data set: a folder of arrays.

Windows go through the file system and not through a pipe, so that neither side ever holds more than a few of them, and
so that it makes no difference which process, or which machine of a cluster, cut them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from surface_classifier.data.dataset import DatasetWriter
from surface_classifier.data.npy_file import NpyAppender

_INDEX = ('labels', 'start_ns', 'end_ns')
_WINDOWS_AT_ONCE = 256


class ChunkWriter:
    """Writes the windows of one recording, window by window; a context manager.

    Attributes:
        labels: Names of the classes so far; label k of the chunk is `labels[k]`.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder."""
        folder.mkdir(parents=True)
        self._folder = folder
        self.labels: list[str] = []
        self._arrays = {name: NpyAppender(folder / f'{name}.npy', (), np.int64) for name in _INDEX}
        self._parts: dict[str, NpyAppender] = {}

    def add_window(self, parts: Mapping[str, NDArray[np.float64]], label: str, start_ns: int, end_ns: int) -> None:
        """Append one window; see `DatasetWriter.add_window`."""
        if not self._parts:
            for name, samples in parts.items():
                self._parts[name] = NpyAppender(_part_file(self._folder, name), samples.shape, np.float64)
        for name, samples in parts.items():
            self._parts[name].append(samples)
        if label not in self.labels:
            self.labels.append(label)
        for name, value in zip(_INDEX, (self.labels.index(label), start_ns, end_ns), strict=True):
            self._arrays[name].append(value)

    def __enter__(self) -> ChunkWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for appender in (*self._arrays.values(), *self._parts.values()):
            appender.close()


def move_chunk(folder: Path, labels: Sequence[str], writer: DatasetWriter, recording: int) -> None:
    """Append the windows of a chunk to a data set, and remove the chunk.

    Args:
        folder: Folder of the chunk.
        labels: As `ChunkWriter.labels` was at its end.
        writer: The data set.
        recording: What `add_recording` returned.
    """
    if labels:
        arrays = {name: np.load(folder / f'{name}.npy', allow_pickle=False) for name in _INDEX}
        parts = {
            part.name: np.load(_part_file(folder, part.name), mmap_mode='r', allow_pickle=False)
            for part in writer.config.parts
        }
        for first in range(0, len(arrays['labels']), _WINDOWS_AT_ONCE):
            rows = slice(first, first + _WINDOWS_AT_ONCE)
            class_ids = arrays['labels'][rows]
            writer.add_windows(
                {name: array[rows] for name, array in parts.items()},
                labels=[labels[class_id] for class_id in class_ids.tolist()],
                start_ns=arrays['start_ns'][rows],
                end_ns=arrays['end_ns'][rows],
                recordings=np.full(len(class_ids), recording, dtype=np.int64),
            )
    shutil.rmtree(folder)


def _part_file(folder: Path, name: str) -> Path:
    return folder / f'part_{name}.npy'
