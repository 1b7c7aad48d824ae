# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a window is of a kind that the model was trained on: sensors that are dead, a robot that stands, the unseen.

A network is as sure of itself on a surface it has never met as on those it has, so it is not asked. Two other views of
the distribution of a window's levels are: the distance to the nearest training window, and how much a forest of trees
disagrees about it, which unlike a network does not extrapolate. Both are standardised on recordings that were held out,
added, and averaged over the last seconds, because what is unseen usually lasts. The threshold is the one that a stated
share of held-out windows exceeds. Where a part of the window tells how the robot moves, motions that were never driven
are told by that (`unseen_motion.py`).

All of it is numpy: the live path needs no torch and no scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.model.level_features import LevelFeatures
from surface_classifier.model.tensor_file import read_tensors
from surface_classifier.model.unseen_motion import MotionTest

NANOSECONDS = 1_000_000_000
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
SMALLEST_SPREAD = 0.02  # keeps the logarithm of a constant series finite [scales of the channel]
SMALLEST_DISTANCE = 1e-3  # keeps the logarithm of the distance to an equal window finite [standard deviations]
_FARTHEST = 50.0
# A window's score lies between this and its negative: neither one bump nor one window that is nearly a training window
# may outweigh all others of the last seconds.
STRANGEST = 4.0
_NESTED = ('forest', 'levels', 'motion')  # attributes that are arrays with names of their own
_BATCH = 512  # windows at once, whose distances to all references are in memory

Fault = Literal['standing_still', 'bad_sensor']
Values = NDArray[np.float64]
Floats = NDArray[np.float32]
Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Forest:
    """Trees as arrays; node 0 to `trees - 1` are the roots.

    Attributes:
        feature: Feature that a node looks at; -1 for a leaf, (nodes,).
        threshold: A window with at most so much of it goes left, (nodes,).
        children: Left and right child of a node; of a leaf its row in `shares` and nothing, (nodes, 2).
        shares: Share of each class in a leaf, (leaves, classes) [1].
        trees: Number of trees.
    """

    feature: Ids
    threshold: Floats
    children: Ids
    shares: Floats
    trees: int

    def class_shares(self, features: Floats) -> Values:
        """Return the mean over the trees of the shares of the classes, (windows, classes) [1].

        Args:
            features: (windows, features).
        """
        rows = np.arange(len(features))[:, np.newaxis]
        node = np.broadcast_to(np.arange(self.trees), (len(features), self.trees))
        while True:
            looked_at = self.feature[node]
            inside = looked_at >= 0
            if not inside.any():
                shares: Values = self.shares[self.children[node, 0]].mean(axis=1, dtype=np.float64)
                return shares
            right = (features[rows, looked_at] > self.threshold[node]).astype(np.intp)
            node = np.where(inside, self.children[node, right], node)


@dataclass(frozen=True)
class NoveltyTest:
    """What is needed to tell whether a window is like the training data.

    Attributes:
        scale: Typical size of each channel, all parts one after the other, (channels,) [channel units].
        quiet: A channel that varies less than this stands still or is dead, (channels,) [channel units].
        idle: A still channel at a higher level is stuck, (channels,) [channel units].
        may_be_equal: Whether channels of a part were equal in training windows, (1,).
        centre: Mean of each feature over the training windows, (features,).
        spread: Standard deviation of each feature over them, (features,).
        references: Training windows, their features standardised, (windows, features).
        levels: Gives the features that the forest sees, of windows in scales.
        forest: Tells the classes apart.
        usual: Mean and standard deviation, over held-out windows, of the logarithm of the distance and of the
            disagreement, (2, 2).
        threshold: Averaged score above which a window is unlike the training data, and the standard deviation of that
            score over held-out windows, (2,).
        memory_s: Time constant of the average, (1,) [s].
        motion: Tells motions that were never driven; None: no part of the window tells how the robot moves.
    """

    scale: Values
    quiet: Values
    idle: Values
    may_be_equal: Values
    centre: Values
    spread: Values
    references: Floats
    levels: LevelFeatures
    forest: Forest
    usual: Values
    threshold: Values
    memory_s: Values
    motion: MotionTest | None = None

    def fault(self, parts: Sequence[Values]) -> Fault | None:
        """Say whether the channels of a window carry no signal: the robot stands, or a sensor does not measure.

        Args:
            parts: For each part (samples, channels); NaN where unmeasured.
        """
        values = [_filled(part[np.newaxis])[0] for part in parts]
        spread = np.concatenate([part.std(axis=0) for part in values])
        still = spread < self.quiet
        if not self.may_be_equal[0] and any(_has_equal_channels(part) for part in values):
            return 'bad_sensor'
        if not still.any():
            return None
        level = np.concatenate([np.abs(part).mean(axis=0) for part in values])
        return 'standing_still' if still.all() and (level <= self.idle).all() else 'bad_sensor'

    def components(self, parts: Sequence[Values]) -> Values:
        """Return the logarithm of the distance to the nearest training window, the trees' disagreement, (windows, 2).

        Args:
            parts: For each part (windows, samples, channels); NaN where unmeasured.
        """
        found = []
        for start in range(0, len(parts[0]), _BATCH):
            batch = [part[start : start + _BATCH] for part in parts]
            features = ((distribution_features(batch, self.scale) - self.centre) / self.spread).astype(np.float32)
            levels = self.levels.transform(in_scales(batch, self.scale))
            shares = self.forest.class_shares(levels.astype(np.float32))
            found.append(np.stack([self._log_distance(features), disagreement(shares)], axis=1))
        return np.concatenate(found)

    def score(self, parts: Sequence[Values]) -> Values:
        """Return how unlike the training data each window is by itself, (windows,), before averaging.

        Args:
            parts: For each part (windows, samples, channels); NaN where unmeasured.
        """
        return standard_score(self.components(parts), self.usual)

    def novelty(self, averaged: float) -> float:
        """Return an averaged score on the scale of a label: 1 at the threshold, always positive [1]."""
        return math.exp(float(np.clip((averaged - self.threshold[0]) / self.threshold[1], -_FARTHEST, _FARTHEST)))

    def _log_distance(self, features: Floats) -> Values:
        # In double precision: of a window that is nearly one of the references the difference of squares is tiny.
        rows, references = features.astype(np.float64), self.references.astype(np.float64)
        squares = np.square(references).sum(axis=1) - 2.0 * rows @ references.T
        nearest = squares.min(axis=1) + np.square(rows).sum(axis=1)
        distance: Values = np.log(np.sqrt(np.maximum(nearest, 0.0)) + SMALLEST_DISTANCE)
        return distance

    def to_bytes(self) -> bytes:
        """Return the content of `novelty.safetensors`."""
        arrays = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in _NESTED}
        forest = {
            f'forest.{name}': getattr(self.forest, name) for name in ('feature', 'threshold', 'children', 'shares')
        }
        arrays = {**arrays, **forest, 'forest.trees': np.array([self.forest.trees], dtype=np.int64)}
        arrays.update({f'levels.{name}': array for name, array in self.levels.to_arrays().items()})
        if self.motion is not None:
            arrays.update({f'motion.{name}': array for name, array in vars(self.motion).items()})
        import safetensors.numpy  # where training happens

        return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})

    @classmethod
    def from_bytes(cls, content: bytes, path: Path | str = 'novelty.safetensors') -> NoveltyTest:
        """Return the test that `to_bytes` gave.

        Args:
            content: The bytes.
            path: Their file, named in errors.

        Raises:
            SurfaceError: It is damaged, or an earlier version wrote it.
        """
        arrays = read_tensors(path, content)
        if not any(name.startswith('levels.') for name in arrays):
            raise SurfaceError(
                f'{path}: the test for windows unlike the training data was written by an earlier version; train the '
                'model again'
            )
        forest, levels, motion = (
            {name.removeprefix(f'{prefix}.'): array for name, array in arrays.items() if name.startswith(f'{prefix}.')}
            for prefix in _NESTED
        )
        rest = {name: array for name, array in arrays.items() if '.' not in name}
        try:
            trees = int(forest.pop('trees')[0])
            return cls(
                **rest,
                levels=LevelFeatures.from_arrays(levels),
                forest=Forest(**forest, trees=trees),
                motion=MotionTest(**motion) if motion else None,
            )
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise SurfaceError(
                f'{path} does not hold the arrays of a test ({error}); copy the model again or train it again'
            ) from error


def disagreement(shares: Values) -> Values:
    """Return the entropy of what the trees say, (…,), of the shares of the classes, (…, classes) [1]."""
    entropy: Values = -(shares * np.log(np.maximum(shares, 1e-9))).sum(axis=-1)
    return entropy


def standard_score(components: Values, usual: Values) -> Values:
    """Return how unlike what is usual each window is, (windows,).

    Args:
        components: As `NoveltyTest.components` gives them, (windows, 2).
        usual: Their mean and standard deviation over held-out windows, (2, 2).
    """
    score: Values = np.clip(((components - usual[0]) / usual[1]).sum(axis=1), -STRANGEST, STRANGEST)
    return score


class NoveltyAverage:
    """The average of the scores of the last windows of a stream, in which those long ago count less."""

    def __init__(self, memory_s: float) -> None:
        """Begin without a window.

        Args:
            memory_s: Time constant; after a longer gap between windows, or when the clock goes back, it starts again
                [s].
        """
        self._memory_s = memory_s
        self.reset()

    def reset(self) -> None:
        """Forget all windows, as at the start of a recording."""
        self._sum = self._weight = 0.0
        self._stamp_ns: int | None = None

    def add(self, score: float, stamp_ns: int) -> float:
        """Take in a window's own score; return the average.

        Args:
            score: As `NoveltyTest.score` gives it.
            stamp_ns: Stamp of the window's last sample [ns].
        """
        if self._stamp_ns is not None:
            passed_s = (stamp_ns - self._stamp_ns) / NANOSECONDS
            if passed_s <= 0.0 or passed_s > self._memory_s:
                self.reset()
            else:
                fades = math.exp(-passed_s / self._memory_s)
                self._sum, self._weight = self._sum * fades, self._weight * fades
        self._stamp_ns = stamp_ns
        self._sum, self._weight = self._sum + score, self._weight + 1.0
        return self._sum / self._weight


def in_scales(parts: Sequence[Values], scale: Values) -> list[Values]:
    """Return windows divided by the typical size of each channel, of every part in turn."""
    ends = np.cumsum([part.shape[2] for part in parts])
    return [
        np.asarray(part, dtype=np.float64) / scale[end - part.shape[2] : end]
        for part, end in zip(parts, ends, strict=True)
    ]


def distribution_features(parts: Sequence[Values], scale: Values) -> Values:
    """Return how the levels of windows are distributed, (windows, features).

    For each channel, the sum and the difference of neighbouring channels, and the largest and smallest of a part's:
    quantiles, and the logarithms of the standard deviation and of the mean difference of neighbouring samples.

    Args:
        parts: For each part (windows, samples, channels); NaN where unmeasured.
        scale: Typical size of each channel, all parts one after the other, (channels,) [channel units].
    """
    found = []
    for part in in_scales(parts, scale):
        values = _filled(part)
        series = [values]
        if values.shape[2] > 1:
            series += [values[:, :, :-1] + values[:, :, 1:], values[:, :, :-1] - values[:, :, 1:]]
            series += [values.max(axis=2, keepdims=True), values.min(axis=2, keepdims=True)]
        everything = np.concatenate(series, axis=2)
        ordered = np.sort(everything, axis=1)
        places = [round(share * (values.shape[1] - 1)) for share in SHARES]
        steps = np.abs(np.diff(everything, axis=1)) if values.shape[1] > 1 else np.zeros_like(everything)
        found += [
            ordered[:, places].reshape(len(values), -1),
            np.log(everything.std(axis=1) + SMALLEST_SPREAD),
            np.log(steps.mean(axis=1) + SMALLEST_SPREAD),
        ]
    return np.concatenate(found, axis=1)


def _filled(values: Values) -> Values:
    """Return windows with the channel's mean over the window where nothing was measured; 0 where nothing was at all."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    count = np.maximum((~missing).sum(axis=1, keepdims=True), 1)
    return np.where(missing, np.nansum(values, axis=1, keepdims=True) / count, values)


def _has_equal_channels(values: Values) -> bool:
    channels = values.shape[1]
    return any(
        np.array_equal(values[:, first], values[:, second]) and float(values[:, first].std()) > 0.0
        for first in range(channels)
        for second in range(first + 1, channels)
    )
