# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Fits the test for motions that were never driven (`model/unseen_motion.py`), its threshold on held-out recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surface_classifier.model.unseen_motion import (
    MotionTest,
    motion_features,
    motion_series,
    nearest_distance,
    speed_channels,
)

MOST_REFERENCES = 4000
# In scales: of training motions nearer to each other than the first one is kept; nearer than the second none is unseen.
SAME_MOTION = 0.02
NEAREST_THRESHOLD = 0.1
_SMALLEST_SHARE = 0.05  # of the mean: the scale of a motion that was always the same

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class FittedMotion:
    """A test, and what it says of windows that were held out.

    Attributes:
        test: Fitted on all training windows.
        held_out: For each division, how unlike the motions of the windows that are left each held-out window's is: 1
            at the threshold, (windows,) [1].
    """

    test: MotionTest
    held_out: tuple[Values, ...]


def fit_motion(
    motions: Values,
    units: Sequence[str],
    recording: Ids,
    windows: Ids,
    held_out: Sequence[tuple[Ids, Ids]],
    false_alarms: float,
    seed: int = 0,
) -> FittedMotion | None:
    """Fit the test on training windows; None where none of them measures its motion.

    A recording that was driven as no other was is unlike all others from end to end, and may hold more windows than
    they do. So that such a one does not make everything else look usual, recordings count the same, not windows; and
    where there are so few that one is more than the stated share, the one that is most unlike the others is left out.

    Args:
        motions: The part of all windows that measures the motion, (windows, samples, channels).
        units: Units of its channels.
        recording: Recording of each of all windows, (windows,).
        windows: Indices of the training windows.
        held_out: Divisions of them, as `held_out_parts` gives them.
        false_alarms: Share of held-out windows above the threshold, where every recording counts the same [1].
        seed: Seed of the motions that are kept for comparison when there are too many.
    """
    is_speed = speed_channels(units)
    values = np.asarray(motions[windows], dtype=np.float64)
    found = motion_features(motion_series(values, is_speed))
    known = np.isfinite(found).all(axis=1)
    if not known.any():
        return None
    scale = _scale(found[known], turns_are_speeds=int(is_speed.sum()) > 1)
    features = np.full((len(recording), found.shape[1]), np.nan)
    features[windows] = found / scale
    distances, owners = [], []
    for kept, held in held_out:
        seen, asked = features[kept], features[held]
        seen = seen[np.isfinite(seen).all(axis=1)]
        distances.append(nearest_distance(asked, _distinct(seen, seed)) if len(seen) else np.full(len(held), np.nan))
        owners.append(np.asarray(recording)[held])
    threshold = NEAREST_THRESHOLD
    if distances:
        threshold = max(threshold, _balanced_quantile(np.concatenate(distances), np.concatenate(owners), false_alarms))
    test = MotionTest(
        is_speed=is_speed,
        scale=scale,
        references=_distinct(features[windows[known]], seed).astype(np.float32),
        threshold=np.array([threshold]),
    )
    return FittedMotion(test, tuple(np.nan_to_num(distance / threshold) for distance in distances))


def _scale(features: Values, turns_are_speeds: bool) -> Values:
    """Standard deviation of the mean speed for all that is a speed, of each turn for itself, (features,)."""
    spread = np.maximum(features.std(axis=0), _SMALLEST_SHARE * np.abs(features).mean(axis=0))
    spread[1] = spread[0]
    if turns_are_speeds:
        spread[2] = spread[0]
    return np.where(spread > 0.0, spread, 1.0)


def _distinct(motions: Values, seed: int) -> Values:
    """Return motions that differ, a random part of them where they are too many, (motions, features)."""
    _, first = np.unique(np.round(motions / SAME_MOTION), axis=0, return_index=True)
    if len(first) > MOST_REFERENCES:
        first = np.random.default_rng(seed).choice(first, MOST_REFERENCES, replace=False)
    return motions[np.sort(first)]


def _balanced_quantile(values: Values, owners: NDArray[np.integer], share_above: float) -> float:
    """Return what a share of the values exceeds when every owner counts the same.

    NaN values are left out, and so is the owner of the largest ones where one owner is more than the share.
    """
    known = np.isfinite(values)
    values, owners = values[known], owners[known]
    present = np.unique(owners)
    if len(present) > 1 and len(present) * share_above < 1.0:
        own = [np.quantile(values[owners == owner], 1.0 - share_above) for owner in present]
        usual = owners != present[int(np.argmax(own))]
        values, owners = values[usual], owners[usual]
    if not len(values):
        return 0.0
    weights = 1.0 / np.bincount(owners)[owners]
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, (1.0 - share_above) * total[-1])])
