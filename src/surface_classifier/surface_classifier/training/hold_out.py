# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Which windows are held out for early stopping, and whether a data set can be trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.splits import grouped_holdout
from surface_classifier.training.training_config import TrainingConfig, ValidationSplit

Indices = NDArray[np.int64]


def check_trainable(dataset: Dataset, windows: Indices) -> None:
    """Refuse windows from which no classes can be learnt.

    Raises:
        SurfaceError: Fewer than two classes have windows.
    """
    found = [dataset.classes[k] for k in np.unique(dataset.labels[windows])]
    if len(found) < 2:
        raise SurfaceError(
            f'{dataset.path} has windows of {", ".join(found) or "no class"} only; training needs two classes or more: '
            'add recordings of another surface'
        )


def hold_out(
    dataset: Dataset, windows: Indices, fraction: float, seed: int, split: ValidationSplit = 'recording'
) -> tuple[Indices, Indices]:
    """Hold out windows of every class for early stopping: whole recordings, or windows drawn one by one.

    Returns:
        Indices of the windows to train on, and of those held out.

    Raises:
        SurfaceError: A class cannot be held out, as training would be left without it.
    """
    if split == 'window':
        return _hold_out_windows(dataset, windows, fraction, seed)
    kept, held_out = grouped_holdout(dataset, fraction, seed, windows)
    missing = np.setdiff1d(dataset.labels[windows], dataset.labels[held_out])
    if missing.size:
        name = dataset.classes[missing[0]]
        recordings = np.unique(dataset.recording[windows][dataset.labels[windows] == missing[0]])
        if dataset.has_recordings and len(recordings) == 1:
            why = f'class {name!r} has one recording only among those to train on'
        else:
            why = f'class {name!r} is in too few recordings besides those that training cannot spare'
        raise SurfaceError(
            f'{dataset.path}: {why}, so none of it can be held out for early stopping; add a second recording of it, '
            'or set validation_fraction: 0 in the training configuration'
        )
    return kept, held_out


def recipe_that_fits(
    dataset: Dataset, windows: Indices, config: TrainingConfig, seed: int
) -> tuple[TrainingConfig, str]:
    """Return the recipe, without a hold-out where the windows allow none, and why; the reason is empty if they do.

    Too few recordings for a hold-out inside the training part of a fold are no reason not to test on its other part.

    Args:
        dataset: Windows and labels.
        windows: Indices of the windows to train on.
        config: The recipe.
        seed: Seed of the run.
    """
    if config.validation_fraction > 0:
        try:
            hold_out(dataset, windows, config.validation_fraction, seed, config.validation_split)
        except SurfaceError as error:
            return replace(config, validation_fraction=0.0), f'trained for all epochs ({error})'
    return config, ''


def _hold_out_windows(dataset: Dataset, windows: Indices, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Hold out the same share of each class, at least one window, whatever recordings they are of."""
    rng = np.random.default_rng(seed)
    labels = np.asarray(dataset.labels)[windows]
    held = np.zeros(len(windows), dtype=bool)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        if len(own) == 1:
            raise SurfaceError(
                f'{dataset.path}: class {dataset.classes[label]!r} has one window only, which cannot be held out for '
                'early stopping; add windows of it, or set validation_fraction: 0 in the training configuration'
            )
        held[rng.permutation(own)[: min(len(own) - 1, max(1, round(fraction * len(own))))]] = True
    return windows[~held], windows[held]
