# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Splits that keep every recording whole: stratified leave-recordings-out folds, folds from a file, and a hold-out.

Windows of one recording resemble each other far more than windows of another drive over the same surface, so a split
that cuts through a recording measures memory, not recognition. Here a recording is on one side or the other. Data sets
without recordings (bare arrays) are split by window, and the result's `protocol` says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from current_driver.files.documents import DocumentError, read_json
from surface_classifier.data.dataset import Dataset

_ATTEMPTS = 50


@dataclass(frozen=True)
class Fold:
    """One division of a data set's windows into training and test.

    Attributes:
        index: Number of the fold, from 0.
        train: Indices of the training windows, int64, ascending.
        test: Indices of the test windows, int64, ascending.
        test_recordings: Names of the recordings in the test set; empty for a data set without recordings.
    """

    index: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    test_recordings: tuple[str, ...]


@dataclass(frozen=True)
class Folds:
    """All folds of one protocol; every window is tested exactly once, or once in each of several repetitions.

    Attributes:
        folds: The folds.
        protocol: How they were made, in words, for reports.
        warnings: What a reader of the score should know, such as a class that is missing from a test set.
    """

    folds: tuple[Fold, ...]
    protocol: str
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.folds)

    def __iter__(self) -> Iterator[Fold]:
        return iter(self.folds)


def stratified_folds(dataset: Dataset, count: int = 5, seed: int = 0) -> Folds:
    """Divide a data set into folds of whole recordings, every class in every training set.

    Recordings are dealt out greedily, the long ones first, each to the fold that has least of its classes; so the folds
    come out as even as whole recordings allow, and each class is in each test set if it has `count` recordings.

    Args:
        dataset: The data set.
        count: Number of folds, at least 2.
        seed: Seed of the order in which recordings of similar length are dealt out.

    Raises:
        SurfaceError: There is one class only, a class is in one recording only, or there are more folds than
            recordings.
    """
    if count < 2:
        raise SurfaceError(f'--folds {count}: at least 2 folds are needed')
    units = _Units.of(dataset)
    units.check_divisible(dataset, count)
    rng = np.random.default_rng(seed)
    for _ in range(_ATTEMPTS):
        fold_of_unit = _deal(units.weights, count, rng)
        if _classes_in_one_fold(units.weights, fold_of_unit, count).size == 0:
            break
    else:
        lonely = dataset.classes[_classes_in_one_fold(units.weights, fold_of_unit, count)[0]]
        raise SurfaceError(
            f'{dataset.path}: no division into {count} folds leaves {lonely!r} in every training set; use more folds '
            'or record it once more'
        )
    unit = 'leave-recordings-out' if dataset.has_recordings else 'windows shuffled, no recordings known'
    units_of_class = (units.weights > 0).sum(axis=0)
    fewest = int(units_of_class[units_of_class > 0].min())
    remedy = f'; with --folds {fewest} each fold tests every class' if fewest < count else ''
    protocol = f'{count} folds, {unit}, stratified, seed {seed}'
    return _folds(dataset, units.of_window, fold_of_unit, count, protocol, remedy)


def folds_from_file(dataset: Dataset, path: str | os.PathLike[str], repetition: int = 0) -> Folds:
    """Read which recording is tested in which fold from a JSON file.

    The file holds `{"repetitions": [{"<recording>": <fold>, ...}, ...]}`; other keys are for people.

    Args:
        dataset: The data set; each of its recordings with windows must be in the file.
        path: The JSON file.
        repetition: Which of the file's divisions.

    Raises:
        SurfaceError: The file has another layout, lacks a recording, or leaves a class out of a training set.
    """
    file = Path(path)
    if not dataset.has_recordings:
        raise SurfaceError(
            f'{file}: assigns recordings to folds, but {dataset.path} has no recordings; import it with --groups'
        )
    table = _read_folds_file(file, repetition)
    units = _Units.of(dataset)
    names = dataset.recording_names
    missing = [names[unit] for unit in units.used if names[unit] not in table]
    if missing:
        raise SurfaceError(
            f'{file}: repetition {repetition} has no fold for {_listed(missing)} of {dataset.path}; add them, or leave '
            'them out of the data set'
        )
    count = max(table.values()) + 1
    fold_of_unit = np.array([table.get(name, -1) for name in names], dtype=np.int64)
    fold_of_unit[~units.has_windows] = -1
    for fold in range(count):
        if not (fold_of_unit == fold).any():
            raise SurfaceError(f'{file}: no recording of {dataset.path} is in fold {fold} of repetition {repetition}')
    lonely = _classes_in_one_fold(units.weights, fold_of_unit, count)
    if lonely.size:
        raise SurfaceError(
            f'{file}: repetition {repetition} has every recording of {dataset.classes[lonely[0]]!r} in one fold, so it '
            'would be tested without having been trained on; divide its recordings over at least two folds'
        )
    protocol = f'{count} folds, leave-recordings-out, {file.name}, repetition {repetition}'
    return _folds(dataset, units.of_window, fold_of_unit, count, protocol)


def join_folds(repetitions: Sequence[Folds]) -> Folds:
    """Take several divisions of one data set together, each window tested once in each; folds are numbered through."""
    if len(repetitions) == 1:
        return repetitions[0]
    folds = [fold for repetition in repetitions for fold in repetition]
    warnings = dict.fromkeys(warning for repetition in repetitions for warning in repetition.warnings)
    return Folds(
        tuple(replace(fold, index=index) for index, fold in enumerate(folds)),
        ' and '.join(repetition.protocol for repetition in repetitions),
        tuple(warnings),
    )


def grouped_holdout(
    dataset: Dataset, fraction: float, seed: int, windows: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold out whole recordings, for early stopping or a quick score.

    About `fraction` of each class is held out, but never a class's last recording: a class with one recording stays in
    training and is missing from the hold-out.

    Args:
        dataset: The data set.
        fraction: Share of the windows to hold out, above 0 and below 1.
        seed: Seed of the choice.
        windows: Indices to choose from, such as a fold's training windows; all windows when None.

    Returns:
        Indices of the windows to train on and of those held out, each int64 and ascending; none is held out when every
        class has one recording only.
    """
    if not 0.0 < fraction < 1.0:
        raise SurfaceError(f'a hold-out of {fraction} is not possible; give a share above 0 and below 1')
    chosen = (
        np.arange(len(dataset), dtype=np.int64) if windows is None else np.sort(np.asarray(windows, dtype=np.int64))
    )
    units = _Units.of(dataset, chosen)
    totals = units.weights.sum(axis=0)
    held = np.zeros(len(units.weights), dtype=bool)
    rng = np.random.default_rng(seed)
    kept_units = (units.weights > 0).sum(axis=0)
    held_weight = np.zeros(len(totals))
    for unit in rng.permutation(units.used):
        present = units.weights[unit] > 0
        after = held_weight + units.weights[unit]
        # Half of the recording may lie beyond the wanted share: then the expected share is the wanted one.
        wanted = (after[present] - units.weights[unit][present] / 2 <= fraction * totals[present]).all()
        first = (held_weight[present] == 0).any() and (after[present] <= 0.5 * totals[present]).all()
        if (kept_units[present] > 1).all() and (wanted or first):
            held[unit] = True
            held_weight = after
            kept_units = kept_units - present
    mask = held[units.of_window[chosen]]
    return chosen[~mask], chosen[mask]


def held_out_parts(
    dataset: Dataset, windows: NDArray[np.int64], count: int, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Divide windows, such as a fold's training windows, into parts of whole recordings, each held out in turn.

    A recording without which one of its classes would be missing from training is in no part.

    Args:
        dataset: The data set.
        windows: Indices of the windows to divide.
        count: Number of parts at most.
        seed: Seed of the order in which recordings of similar length are dealt out.

    Returns:
        For each part the indices of the windows that are left, and of those held out, each int64 and ascending. Parts
        without a window are left out.
    """
    chosen = np.sort(np.asarray(windows, dtype=np.int64))
    units = _Units.of(dataset, chosen)
    part_of_unit = _deal(units.weights, count, np.random.default_rng(seed))
    for lonely in _classes_in_one_fold(units.weights, part_of_unit, count):
        part_of_unit[units.weights[:, lonely] > 0] = -1
    part_of_window = part_of_unit[units.of_window[chosen]]
    return [
        (chosen[part_of_window != part], chosen[part_of_window == part])
        for part in range(count)
        if (part_of_window == part).any()
    ]


def check_classes(dataset: Dataset) -> None:
    """Refuse a data set from which nothing can be learnt.

    Raises:
        SurfaceError: Fewer than two classes have windows.
    """
    present = [name for name, windows in zip(dataset.classes, dataset.class_counts, strict=True) if windows]
    if len(present) < 2:
        raise SurfaceError(
            f'{dataset.path}: has one class only, {_listed(present)}; add recordings of another surface '
            'and build it again'
        )


@dataclass(frozen=True)
class _Units:
    """What a split deals out: recordings, or single windows where no recordings are known.

    Attributes:
        weights: Windows of each unit and class, float64 (units, classes).
        of_window: Unit of each window of the data set.
    """

    weights: NDArray[np.float64]
    of_window: NDArray[np.int64]

    @classmethod
    def of(cls, dataset: Dataset, windows: NDArray[np.int64] | None = None) -> _Units:
        of_window = np.asarray(dataset.recording) if dataset.has_recordings else np.arange(len(dataset), dtype=np.int64)
        chosen: Any = slice(None) if windows is None else windows
        count = len(dataset.recordings) if dataset.has_recordings else len(dataset)
        weights = np.zeros((count, len(dataset.classes)))
        np.add.at(weights, (of_window[chosen], np.asarray(dataset.labels)[chosen]), 1.0)
        return cls(weights, of_window)

    @property
    def has_windows(self) -> NDArray[np.bool_]:
        return self.weights.sum(axis=1) > 0

    @property
    def used(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.has_windows).astype(np.int64)

    def check_divisible(self, dataset: Dataset, count: int) -> None:
        check_classes(dataset)
        unit = 'recording' if dataset.has_recordings else 'window'
        units_of_class = (self.weights > 0).sum(axis=0)
        for name, units in zip(dataset.classes, units_of_class, strict=True):
            if units == 1:
                where = ''
                if dataset.has_recordings:
                    holder = np.flatnonzero(self.weights[:, dataset.classes.index(name)])[0]
                    where = f' ({dataset.recordings[holder].name})'
                raise SurfaceError(
                    f'{dataset.path}: class {name!r} has one {unit} only{where}, so it cannot be in training and test; '
                    f'add a second {unit} of it, or build the data set without it'
                )
        if len(self.used) < count:
            raise SurfaceError(
                f'{dataset.path}: {len(self.used)} {unit}s cannot be divided into {count} folds; use --folds '
                f'{len(self.used)} or fewer'
            )


def _deal(weights: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Fold of each unit, -1 for units without windows."""
    totals = weights.sum(axis=0)
    shares = weights / np.where(totals > 0, totals, 1.0)
    # Long recordings first, as they are the hardest to place; jitter makes the seed matter among similar ones.
    order = np.argsort(-shares.sum(axis=1) * rng.uniform(0.8, 1.25, len(weights)), kind='stable')
    fold_of_unit = np.full(len(weights), -1, dtype=np.int64)
    loads = np.zeros((count, weights.shape[1]))
    for unit in order:
        if not weights[unit].any():
            continue
        crowding = loads @ shares[unit]
        total_load = loads.sum(axis=1)
        fold = np.lexsort((rng.random(count), total_load, np.round(crowding, 12)))[0]
        loads[fold] += shares[unit]
        fold_of_unit[unit] = fold
    return fold_of_unit


def _classes_in_one_fold(
    weights: NDArray[np.float64], fold_of_unit: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Classes that would be missing from a training set."""
    present = np.stack([(weights[fold_of_unit == fold] > 0).any(axis=0) for fold in range(count)])
    return np.flatnonzero(present.sum(axis=0) == 1).astype(np.int64)


def _folds(
    dataset: Dataset,
    unit_of_window: NDArray[np.int64],
    fold_of_unit: NDArray[np.int64],
    count: int,
    protocol: str,
    remedy: str = '',
) -> Folds:
    fold_of_window = fold_of_unit[unit_of_window]
    labels = np.asarray(dataset.labels)
    folds = []
    warnings = []
    for index in range(count):
        test = np.flatnonzero(fold_of_window == index).astype(np.int64)
        train = np.flatnonzero(fold_of_window != index).astype(np.int64)
        names: tuple[str, ...] = ()
        if dataset.has_recordings:
            names = tuple(dataset.recordings[unit].name for unit in np.flatnonzero(fold_of_unit == index))
        folds.append(Fold(index, train, test, names))
        untested = np.setdiff1d(np.unique(labels), labels[test])
        if untested.size:
            classes = _listed([dataset.classes[k] for k in untested])
            warnings.append(f'fold {index} tests no window of {classes}{remedy}')
    return Folds(tuple(folds), protocol, tuple(warnings))


def _read_folds_file(file: Path, repetition: int) -> Mapping[str, int]:
    try:
        content = read_json(file, 'correct the folds file')
    except DocumentError as error:
        if not error.missing:
            raise
        raise SurfaceError(f'{file}: no such folds file') from None
    repetitions = content.get('repetitions') if isinstance(content, dict) else None
    if not isinstance(repetitions, list) or not repetitions:
        raise SurfaceError(f'{file}: expected {{"repetitions": [{{"<recording>": <fold>, ...}}, ...]}}')
    if not 0 <= repetition < len(repetitions):
        raise SurfaceError(f'{file}: has no repetition {repetition}; choose 0 to {len(repetitions) - 1}')
    table = repetitions[repetition]
    if not isinstance(table, dict) or not table:
        raise SurfaceError(f'{file}: repetition {repetition} is not a table of recordings and folds')
    for name, fold in table.items():
        if not isinstance(fold, int) or isinstance(fold, bool) or fold < 0:
            raise SurfaceError(
                f'{file}: repetition {repetition} has the fold {fold!r} for {name!r}; folds count from 0'
            )
    if max(table.values()) == 0:
        raise SurfaceError(f'{file}: repetition {repetition} has one fold only; at least 2 are needed')
    return table


def _listed(names: Sequence[str], limit: int = 5) -> str:
    text = ', '.join(repr(name) for name in names[:limit])
    return text if len(names) <= limit else f'{text} and {len(names) - limit} more'
