# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a robot moves as it did when the model was trained: at a speed, a turn and a steadiness that were driven.

Currents at a speed that was never driven look like those of another surface at a speed that was, so the currents cannot
separate them; wheel speeds or a twist can. A window's motion is three or more numbers, and it is unseen when no
training window has a motion nearby. How near is near enough comes from recordings that were held out. All of it is
numpy.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from surface_classifier.signal.window_config import SPEED_UNIT

_BATCH = 128  # windows at once, whose distances to all references are in memory

Values = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class MotionSeries:
    """How a robot moves over time, in the units of its channels.

    Attributes:
        speed: Forward speed, (windows, samples).
        turns: What measures a turn, (windows, samples, turns); without any, nothing does.
    """

    speed: Values
    turns: Values


def speed_channels(units: Sequence[str]) -> NDArray[np.bool_]:
    """Return which channels of a motion part are speeds; the others are turn rates, (channels,).

    Those in m/s are; where none is, such as with wheel speeds in rad/s, those of the first one's unit.

    Args:
        units: Unit of each channel.
    """
    unit = SPEED_UNIT if SPEED_UNIT in units else units[0]
    return np.array([other == unit for other in units])


def motion_series(values: Values, is_speed: NDArray[np.bool_]) -> MotionSeries:
    """Read speed and turn from the channels of a part.

    Several speeds are those of wheels: their mean is the robot's, their largest difference is its turn.

    Args:
        values: (windows, samples, channels); NaN where unmeasured.
        is_speed: As `speed_channels` gives it, (channels,).
    """
    values = np.where(np.isfinite(values), values, np.nan)
    speeds, turns = values[:, :, is_speed], values[:, :, ~is_speed]
    if speeds.shape[2] > 1:
        turns = np.concatenate([np.ptp(speeds, axis=2, keepdims=True), turns], axis=2)
    return MotionSeries(speeds.mean(axis=2), turns)


def motion_features(series: MotionSeries) -> Values:
    """Return mean and standard deviation of the speed and the mean of each turn, (windows, 2 + turns); signs left out.

    NaN where nothing of a window was measured.
    """
    with warnings.catch_warnings():
        # A window without a single measured sample has no mean: NaN, as wanted.
        warnings.simplefilter('ignore', RuntimeWarning)
        level, spread = np.nanmean(np.abs(series.speed), axis=1), np.nanstd(series.speed, axis=1)
        turns = np.nanmean(np.abs(series.turns), axis=1)
    features: Values = np.concatenate([level[:, np.newaxis], spread[:, np.newaxis], turns], axis=1)
    return features


@dataclass(frozen=True)
class MotionTest:
    """What is needed to decide whether a motion was driven.

    Attributes:
        is_speed: Whether a channel of the motion part is a speed; the others are turn rates, (channels,).
        scale: Size of each feature at which motions differ, (features,) [channel units].
        references: Motions that were driven, divided by the scale, (motions, features).
        threshold: Distance to the nearest of them at which a motion is unseen, (1,) [1].
    """

    is_speed: NDArray[np.bool_]
    scale: Values
    references: Floats
    threshold: Values

    def _features(self, values: Values) -> Values:
        return motion_features(motion_series(np.asarray(values, dtype=np.float64), self.is_speed)) / self.scale

    def with_references(self, values: Values) -> MotionTest:
        """Return a test for which the motions of these windows were driven, too.

        Args:
            values: Windows of the motion part, (windows, samples, channels); NaN where unmeasured.
        """
        features = self._features(values)
        features = features[np.isfinite(features).all(axis=1)].astype(np.float32)
        return replace(self, references=np.unique(np.concatenate([self.references, features]), axis=0))

    def distance(self, values: Values) -> Values:
        """Return the distance to the nearest motion that was driven, (windows,); NaN where nothing was measured [1].

        Args:
            values: Windows of the motion part, (windows, samples, channels); NaN where unmeasured.
        """
        return nearest_distance(self._features(values), self.references)

    def novelty(self, values: Values) -> Values:
        """Return how unlike the motions that were driven each window's is: 1 at the threshold, (windows,) [1].

        0 where nothing of the motion was measured.

        Args:
            values: Windows of the motion part, (windows, samples, channels); NaN where unmeasured.
        """
        return np.nan_to_num(self.distance(values) / self.threshold[0])


def nearest_distance(features: Values, references: NDArray[np.floating]) -> Values:
    """Return the Euclidean distance of each row to the nearest reference, (rows,)."""
    found = np.empty(len(features))
    for start in range(0, len(features), _BATCH):
        rows = features[start : start + _BATCH, np.newaxis]
        found[start : start + _BATCH] = np.sqrt(np.square(rows - references).sum(axis=2).min(axis=1))
    return found
