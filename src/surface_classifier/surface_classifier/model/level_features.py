# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers that describe how a window's values are distributed: what trees see instead of the sequence.

The tree baseline sees them, and the forest of the test for windows unlike the training data.

For the two motor currents of a differential-drive robot these are 99 numbers: quantiles of left, right, their sum,
difference, largest and smallest; shares of samples above sixteen levels; idle shares; standard deviation and mean
absolute difference; and the correlation of left and right. Order within the window hardly counts, so a network that
does not beat trees on them has learnt levels and nothing about time.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.0, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 1.0)
LEVELS = 16
IDLE_VALUES = 2

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PartLevels:
    """Reference values of one part's channels, taken from training windows.

    Attributes:
        levels: Evenly spaced quantiles of each channel, shape (channels, LEVELS) [channel units].
        idle: The values each channel takes most often, shape (channels, IDLE_VALUES) [channel units]. A quantised
            current that rests at a few values has its idle levels there; a continuous one has none that matter.
    """

    levels: FloatArray
    idle: FloatArray


@dataclass(frozen=True)
class LevelFeatures:
    """Turns windows into level features, with levels fixed by the training windows."""

    parts: tuple[PartLevels, ...]

    @classmethod
    def fit(cls, parts: Sequence[FloatArray]) -> LevelFeatures:
        """Take the levels from training windows.

        Args:
            parts: For each part an array (windows, samples, channels); NaN where unmeasured.
        """
        return cls(tuple(_fit_part(np.asarray(part, dtype=np.float64)) for part in parts))

    def transform(self, parts: Sequence[FloatArray]) -> FloatArray:
        """Return the features of windows, shape (windows, features); 0 where nothing was measured.

        Args:
            parts: For each part an array (windows, samples, channels); NaN where unmeasured.
        """
        features = [
            _part_features(np.asarray(part, dtype=np.float64), levels)
            for part, levels in zip(parts, self.parts, strict=True)
        ]
        return np.nan_to_num(np.concatenate(features, axis=1), nan=0.0)

    def to_arrays(self) -> dict[str, FloatArray]:
        """Return the reference values by name."""
        return {
            f'{name}.{number}': getattr(part, name)
            for number, part in enumerate(self.parts)
            for name in ('levels', 'idle')
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> LevelFeatures:
        """Return what `to_arrays` gave."""
        parts = len(arrays) // 2
        return cls(tuple(PartLevels(arrays[f'levels.{k}'], arrays[f'idle.{k}']) for k in range(parts)))


def _fit_part(values: FloatArray) -> PartLevels:
    channels = values.reshape(-1, values.shape[-1])
    inner = np.arange(1, LEVELS + 1) / (LEVELS + 1)
    idle = np.full((channels.shape[1], IDLE_VALUES), np.nan)
    for index, channel in enumerate(channels.T):
        found, counts = np.unique(channel[~np.isnan(channel)], return_counts=True)
        commonest = found[np.argsort(-counts, kind='stable')[:IDLE_VALUES]]
        idle[index, : len(commonest)] = commonest
    return PartLevels(levels=np.nanquantile(channels, inner, axis=0).T, idle=idle)


def _part_features(values: FloatArray, levels: PartLevels) -> FloatArray:
    """Features of one part: `values` is (windows, samples, channels)."""
    # numpy's NaN-aware quantiles are slower by an order of magnitude.
    quantile = np.nanquantile if np.isnan(values).any() else np.quantile
    with np.errstate(invalid='ignore', divide='ignore'), warnings.catch_warnings():
        # A series without a single measured value has no quantile, mean or spread: NaN, as wanted.
        warnings.simplefilter('ignore', RuntimeWarning)
        joint = _joint_series(values)
        moving = np.concatenate([values, *joint[:2]], axis=2)
        everything = np.concatenate([values, *joint], axis=2)
        measured = ~np.isnan(values)
        count = measured.sum(axis=1)
        blocks = [
            _flat(np.moveaxis(quantile(everything, QUANTILES, axis=1), 0, 1)),
            _flat((values[..., None] > levels.levels).sum(axis=1) / count[..., None]),
            _flat((values[..., None] == levels.idle).sum(axis=1) / count[..., None]),
            np.nanstd(moving, axis=1),
            np.nanmean(np.abs(np.diff(moving, axis=1)), axis=1),
            _neighbour_correlations(values),
        ]
    return np.concatenate(blocks, axis=1)


def _joint_series(values: FloatArray) -> tuple[FloatArray, ...]:
    """Sum, differences of neighbouring channels, largest and smallest: none of them for a single channel."""
    if values.shape[2] == 1:
        nothing = values[:, :, :0]
        return (nothing,) * 4
    return (
        values.sum(axis=2, keepdims=True),
        values[:, :, :-1] - values[:, :, 1:],
        values.max(axis=2, keepdims=True),
        values.min(axis=2, keepdims=True),
    )


def _neighbour_correlations(values: FloatArray) -> FloatArray:
    """Correlation of each channel with the next one, shape (windows, channels - 1); 0 for a constant channel."""
    centred = values - np.nanmean(values, axis=1, keepdims=True)
    product = np.nanmean(centred[:, :, :-1] * centred[:, :, 1:], axis=1)
    spread = np.nanstd(values, axis=1)
    scale = spread[:, :-1] * spread[:, 1:]
    return np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)


def _flat(values: FloatArray) -> FloatArray:
    return values.reshape(len(values), -1)
