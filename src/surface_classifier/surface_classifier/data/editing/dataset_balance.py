# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Makes a data set of equally many windows of each class, of every recording as evenly as it has them."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset, history_entry
from surface_classifier.data.editing.dataset_edit import EditResult
from surface_classifier.data.editing.dataset_rewrite import Taken, remaining_recordings, write_windows


def balance(
    dataset: Dataset,
    target: str | os.PathLike[str],
    windows: int | None = None,
    seed: int = 0,
    *,
    overwrite: bool = False,
    in_place: bool = False,
) -> EditResult:
    """Leave windows of common classes out.

    Args:
        dataset: The data set.
        target: Folder of the new data set.
        windows: Windows of each class; as many as the rarest class has when None.
        seed: Seed of the choice.
        overwrite: Replace a data set that is at `target` already.
        in_place: Replace the data set itself; `target` is its folder.

    Raises:
        SurfaceError: A class has fewer windows, or nothing can be written.
    """
    counts = {name: int(count) for name, count in zip(dataset.classes, dataset.class_counts, strict=True) if count}
    rarest = min(counts, key=lambda name: counts[name])
    each = counts[rarest] if windows is None else windows
    if each < 1 or each > counts[rarest]:
        raise SurfaceError(
            f'--windows {each}: class {rarest!r} of {dataset.path} has {counts[rarest]}; give 1 to {counts[rarest]}'
        )
    rows = choose_windows(dataset, each, seed)
    left_out = len(dataset) - len(rows)
    entry = history_entry('dataset balance', of=dataset.digest, windows_of_each=each, seed=seed, left_out=left_out)
    written = write_windows(
        target,
        [Taken(dataset, rows, None, remaining_recordings(dataset, rows))],
        classes=dataset.classes,
        entry=entry,
        overwrite=overwrite,
        in_place=in_place,
    )
    return EditResult(written, left_out=left_out)


def choose_windows(dataset: Dataset, each: int, seed: int) -> NDArray[np.int64]:
    """Numbers of `each` windows of every class, ascending.

    Within a class every recording gives as many as the others, a short one all it has; so no drive is lost, and none
    speaks for the class alone. Within a recording the choice is random.
    """
    rng = np.random.default_rng(seed)
    labels, recording = np.asarray(dataset.labels), np.asarray(dataset.recording)
    chosen: list[NDArray[np.int64]] = []
    for label in np.unique(labels):
        windows = np.flatnonzero(labels == label)
        units = np.unique(recording[windows])
        available = np.array([(recording[windows] == unit).sum() for unit in units])
        for unit, quota in zip(units, quotas(available, each, rng), strict=True):
            chosen.append(rng.choice(windows[recording[windows] == unit], quota, replace=False).astype(np.int64))
    return np.sort(np.concatenate(chosen))


def quotas(available: NDArray[np.int64], total: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How many of `total` each unit gives, as evenly as what each has allows; who gives one more is drawn by lot."""
    given = np.zeros(len(available), dtype=np.int64)
    left = total
    while left:
        open_units = np.flatnonzero(given < available)
        share = left // len(open_units)
        if not share:
            given[rng.choice(open_units, left, replace=False)] += 1
            break
        more = np.minimum(available[open_units] - given[open_units], share)
        given[open_units] += more
        left -= int(more.sum())
    return given
