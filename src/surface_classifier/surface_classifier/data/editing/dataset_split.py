# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Divides a data set into several, recording by recording, with every class in each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset, RecordingInfo, check_dataset_target, history_entry
from surface_classifier.data.editing.dataset_rewrite import Taken, write_windows

_ATTEMPTS = 100


def parse_parts(text: str) -> dict[str, float]:
    """Parts as one types them, `train=0.8,test=0.2`.

    Raises:
        SurfaceError: They are none, or their shares do not add up to 1.
    """
    parts: dict[str, float] = {}
    for piece in text.split(','):
        name, _, share = (word.strip() for word in piece.partition('='))
        try:
            value = float(share)
        except ValueError:
            value = float('nan')
        if not name or not 0.0 < value < 1.0 or Path(name).name != name or name in parts:
            raise SurfaceError(
                f'--parts {text}: {piece.strip()!r} is no part; write names and shares, as in train=0.8,test=0.2'
            )
        parts[name] = value
    if abs(sum(parts.values()) - 1.0) > 1e-6:
        raise SurfaceError(f'--parts {text}: the shares add up to {sum(parts.values()):g}; they must add up to 1')
    return parts


def split(
    dataset: Dataset,
    target: str | os.PathLike[str],
    parts: Mapping[str, float],
    seed: int = 0,
    *,
    overwrite: bool = False,
) -> dict[str, Dataset]:
    """Divide a data set.

    Args:
        dataset: The data set.
        target: Folder that gets one data set for each part, under the part's name.
        parts: Share of the windows of each part; they add up to 1.
        seed: Seed of the choice.
        overwrite: Replace data sets that are there already.

    Returns:
        The data sets by part. Recordings are whole, every class is in each, and shares are met as well as that allows.

    Raises:
        SurfaceError: No recordings are known, a class has too few, or something is in the way.
    """
    folder = Path(target)
    part_of = assign_recordings(dataset, parts, seed)
    for name in parts:
        check_dataset_target(folder / name, overwrite=overwrite)
    written: dict[str, Dataset] = {}
    begun: list[Path] = []
    try:
        for number, (name, share) in enumerate(parts.items()):
            rows = np.flatnonzero(part_of[dataset.recording] == number).astype(np.int64)
            entry = history_entry(
                'dataset split', of=dataset.digest, part=name, parts=dict(parts), share=share, seed=seed
            )
            if not (folder / name).exists():
                begun.append(folder / name)
            written[name] = write_windows(
                folder / name,
                [Taken(dataset, rows, None, _of_part(dataset, rows))],
                classes=dataset.classes,
                entry=entry,
                overwrite=overwrite,
            )
    except BaseException:
        # All parts or none: one alone would pass for the result.
        for path in begun:
            shutil.rmtree(path, ignore_errors=True)
        raise
    return written


def assign_recordings(dataset: Dataset, parts: Mapping[str, float], seed: int) -> NDArray[np.int64]:
    """Number of the part of each recording, int64 (recordings,); -1 for recordings without windows.

    Recordings are dealt out in random order, the long ones first, each to the part that lacks most of its classes; of
    many deals in which every class is in each part, the one nearest to the shares is taken.

    Raises:
        SurfaceError: No recordings are known, or a class has fewer recordings than there are parts.
    """
    if len(parts) < 2:
        raise SurfaceError('a split takes at least two parts, as in --parts train=0.8,test=0.2')
    if not dataset.has_recordings:
        raise SurfaceError(
            f'{dataset.path}: no recordings are known, and windows of one drive on both sides would flatter; import '
            'the arrays with --groups'
        )
    weights = np.zeros((len(dataset.recordings), len(dataset.classes)))
    np.add.at(weights, (np.asarray(dataset.recording), np.asarray(dataset.labels)), 1.0)
    units = (weights > 0).sum(axis=0)
    for name, count in zip(dataset.classes, units.tolist(), strict=True):
        if 0 < count < len(parts):
            raise SurfaceError(
                f'{dataset.path}: class {name!r} has {count} recording{"s" if count > 1 else ""} and cannot be in each '
                f'of {len(parts)} parts; record it once more, or leave it out: '
                f'surface dataset drop --classes {name}'
            )
    shares = np.array(list(parts.values()))
    rng = np.random.default_rng(seed)
    best: tuple[float, NDArray[np.int64]] | None = None
    for _ in range(_ATTEMPTS):
        part_of = _deal(weights, shares, rng)
        cost = _cost(weights, shares, part_of)
        if cost is not None and (best is None or cost < best[0] - 1e-12):
            best = cost, part_of
    if best is None:
        raise SurfaceError(
            f'{dataset.path}: no way of dividing whole recordings was found that leaves every class in each of '
            f'{", ".join(parts)}; use fewer parts, or more equal shares'
        )
    return best[1]


def _deal(weights: NDArray[np.float64], shares: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    totals = weights.sum(axis=0)
    relative = weights / np.where(totals > 0, totals, 1.0)
    order = np.argsort(-relative.sum(axis=1) * rng.uniform(0.5, 2.0, len(weights)), kind='stable')
    part_of = np.full(len(weights), -1, dtype=np.int64)
    loads = np.zeros((len(shares), weights.shape[1]))
    for unit in order:
        if not weights[unit].any():
            continue
        # How full each part is of this recording's classes, for its share; a part without one of them comes first.
        fill = (loads / shares[:, None]) @ relative[unit]
        part = int(np.lexsort((rng.random(len(shares)), np.round(fill, 12)))[0])
        loads[part] += relative[unit]
        part_of[unit] = part
    return part_of


def _cost(weights: NDArray[np.float64], shares: NDArray[np.float64], part_of: NDArray[np.int64]) -> float | None:
    """How far the parts are from their shares, over the classes; None where a class is missing in one."""
    totals = weights.sum(axis=0)
    present = totals > 0
    found = np.stack([weights[part_of == number].sum(axis=0) for number in range(len(shares))])[:, present]
    if not (found > 0).all():
        return None
    return float(np.abs(found / totals[present] - shares[:, None]).mean())


def _of_part(dataset: Dataset, rows: NDArray[np.int64]) -> list[RecordingInfo | None]:
    """The recordings of a part; those without any window are in none."""
    kept = np.bincount(dataset.recording[rows], minlength=len(dataset.recordings))
    return [info if kept[index] else None for index, info in enumerate(dataset.recordings)]
