# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The novelty score of one window in one pass: what `NoveltyTest` computes for many windows at once.

A single window costs calls of numpy, not arithmetic. So everything that the test's own arrays give is computed once,
the features of the distance and of the forest come from the same sorted series, and a forest is walked with one
comparison for all of its nodes. A window in which something was not measured goes through `NoveltyTest` itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surface_classifier.model.level_features import QUANTILES, PartLevels
from surface_classifier.model.novelty import (
    SHARES,
    SMALLEST_DISTANCE,
    SMALLEST_SPREAD,
    STRANGEST,
    Fault,
    Floats,
    Forest,
    NoveltyTest,
    Values,
    disagreement,
)

_Indices = NDArray[np.intp]
# A channel whose spread is so near to that of a still one is left to the test's own arithmetic.
_NEARLY_STILL = 1.0 + 1e-9


class NoveltyPass:
    """Checks one window at a time with a `NoveltyTest`; not for several threads at once."""

    def __init__(self, test: NoveltyTest) -> None:
        """Compute what does not depend on the window."""
        self._test = test
        self._may_be_equal = bool(test.may_be_equal[0])
        # Twice the references with the sign turned: the square of a distance is both squares and this product.
        references = test.references.astype(np.float64)
        self._references = -2.0 * references
        self._squares = np.square(references).sum(axis=1)
        self._forest = _FlatForest(test.forest)
        ends = np.cumsum([len(part.levels) for part in test.levels.parts])
        spans = [slice(end - len(part.levels), end) for part, end in zip(test.levels.parts, ends, strict=True)]
        self._scales = [test.scale[span, np.newaxis] for span in spans]
        self._quiet = [test.quiet[span] / test.scale[span] * _NEARLY_STILL for span in spans]
        self._usual = [(float(mean), float(deviation)) for mean, deviation in test.usual.T]
        self._features: dict[tuple[int, int], _PartFeatures] = {}

    def check(self, parts: Sequence[Values]) -> tuple[Fault | None, float]:
        """Return what `NoveltyTest.fault` and `NoveltyTest.score` do for a window; NaN instead of a score with a fault.

        Args:
            parts: For each part (samples, channels); NaN where unmeasured.
        """
        values = [part.T / scale for part, scale in zip(parts, self._scales, strict=True)]
        if not all(np.isfinite(part).all() for part in values):
            return self._check_slowly(parts)
        distribution, levels = [], []
        for index, part in enumerate(values):
            features = self._part(index, part.shape[1])
            of_distance, of_forest, spread = features.of(part)
            # Rounding must not decide: the test itself has the last word on a channel that stands still.
            if (spread < self._quiet[index]).any() or not (self._may_be_equal or _all_differ(parts[index].T)):
                return self._check_slowly(parts)
            distribution += of_distance
            levels += of_forest
        return None, self._score(np.concatenate(distribution), np.concatenate(levels))

    def _check_slowly(self, parts: Sequence[Values]) -> tuple[Fault | None, float]:
        fault = self._test.fault(parts)
        score = math.nan if fault else float(self._test.score([part[np.newaxis] for part in parts])[0])
        return fault, score

    def _score(self, distribution: Values, levels: Values) -> float:
        """Return the score of the features of a window."""
        # In single precision as the references were kept, then in double: near a reference the difference is tiny.
        features = ((distribution - self._test.centre) / self._test.spread).astype(np.float32).astype(np.float64)
        products = self._references @ features
        products += self._squares
        square = float(np.minimum.reduce(products)) + float(features @ features)
        shares = self._forest.class_shares(levels.astype(np.float32))
        (mean, deviation), (usual_disagreement, varies) = self._usual
        distance = math.log(math.sqrt(max(square, 0.0)) + SMALLEST_DISTANCE)
        score = (distance - mean) / deviation + (float(disagreement(shares)) - usual_disagreement) / varies
        return min(max(score, -STRANGEST), STRANGEST)

    def _part(self, part: int, samples: int) -> _PartFeatures:
        """Return what computes the features of a part, prepared at the first window of so many samples."""
        features = self._features.get((part, samples))
        if features is None:
            features = self._features[part, samples] = _PartFeatures(self._test.levels.parts[part], samples)
        return features


class _PartFeatures:
    """Features of one part of a window, for the distance and for the forest.

    They are read from series: the channels, sums and differences of neighbours, the sum of all channels where it is not
    that of two neighbours, and the largest and the smallest channel.
    """

    def __init__(self, levels: PartLevels, samples: int) -> None:
        """Prepare what is read from where.

        Args:
            levels: Reference values of the part's channels.
            samples: Samples of a window.
        """
        self._samples = samples
        channels = self._channels = len(levels.levels)
        one = np.eye(channels)
        neighbours = [one[:-1] + one[1:], one[:-1] - one[1:]] if channels > 1 else []
        self._mixing = np.concatenate([one, *neighbours, *([np.ones((1, channels))] if channels > 2 else [])])
        self._mean = np.full(samples, 1.0 / samples)
        # A window of one sample has no steps: their mean counts as 0.
        self._mean_step = np.full(samples - 1, 1.0 / max(samples - 1, 1))
        mixed = len(self._mixing)
        sums, differences = np.arange(channels, 2 * channels - 1), np.arange(2 * channels - 1, 3 * channels - 2)
        total = sums if channels <= 2 else np.array([mixed - 1])
        extremes = np.arange(mixed, mixed + 2) if channels > 1 else np.arange(0)
        self._compared = np.concatenate([np.arange(channels), sums, differences, extremes])
        self._moving = np.concatenate([np.arange(channels), total, differences])
        self._set_places(np.concatenate([self._moving, extremes]))
        # Samples at an idle value are those up to it without those up to the number below it. A value that does not
        # exist is NaN, which stands behind all samples on both sides.
        below = np.nextafter(levels.idle, -np.inf)
        self._limits = np.concatenate([levels.levels, levels.idle, below], axis=1)
        self._level_count, self._idle_count = levels.levels.shape[1], levels.idle.shape[1]

    def _set_places(self, everything: _Indices) -> None:
        """Find the places of quantiles in the sorted series, one after the other.

        Args:
            everything: Series of which the forest sees quantiles.
        """
        last = self._samples - 1
        places = np.array([round(share * last) for share in SHARES])
        # The linear interpolation of numpy's quantiles, with its rounding.
        virtual = np.asarray(QUANTILES) * last
        low = np.floor(virtual).astype(np.intp)
        high = np.minimum(low + 1, last)
        beyond = virtual - low
        upper = beyond >= 0.5
        self._step = np.repeat(np.where(upper, -(1.0 - beyond), beyond), len(everything))
        wanted = [(places, self._compared)] + [(row, everything) for row in (np.where(upper, high, low), low, high)]
        flat = [(row[:, np.newaxis] + self._samples * series).ravel() for row, series in wanted]
        self._places = np.concatenate(flat)
        self._ends = np.cumsum([len(part) for part in flat])

    def of(self, values: Values) -> tuple[list[Values], list[Values], Values]:
        """Return features of the distance and of the forest, block by block, and the channels' standard deviations.

        Args:
            values: The channels divided by their scales, (channels, samples), all finite.
        """
        channels = self._channels
        series = self._series(values)
        ordered = np.sort(series, axis=1)
        centred = series - (series @ self._mean)[:, np.newaxis]
        varied = np.empty((2, len(series)))
        spread, steps = varied
        np.sqrt((centred * centred) @ self._mean, out=spread)
        np.matmul(np.abs(series[:, 1:] - series[:, :-1]), self._mean_step, out=steps)
        at, ends = ordered.ravel().take(self._places), self._ends
        base, low, high = at[ends[0] : ends[1]], at[ends[1] : ends[2]], at[ends[2] :]
        distribution = [at[: ends[0]], np.log(varied.take(self._compared, axis=1) + SMALLEST_SPREAD).ravel()]
        levels = [base + (high - low) * self._step, *self._fractions(ordered)]
        levels.append(varied.take(self._moving, axis=1).ravel())
        if channels > 1:
            product = (centred[: channels - 1] * centred[1:channels]) @ self._mean
            scale = spread[: channels - 1] * spread[1:channels]
            levels.append(np.divide(product, scale, out=np.zeros(channels - 1), where=scale > 0.0))
        return distribution, levels, spread[:channels]

    def _series(self, values: Values) -> Values:
        if self._channels == 1:
            return values
        mixed = len(self._mixing)
        series = np.empty((mixed + 2, self._samples))
        np.matmul(self._mixing, values, out=series[:mixed])
        np.maximum.reduce(values, axis=0, out=series[mixed])
        np.minimum.reduce(values, axis=0, out=series[mixed + 1])
        return series

    def _fractions(self, ordered: Values) -> tuple[Values, Values]:
        """Return the fractions of samples above the levels, (channels x levels,), and at the idle values."""
        up_to = np.array(
            [channel.searchsorted(limits, 'right') for channel, limits in zip(ordered, self._limits, strict=False)]
        )
        idle = self._level_count + self._idle_count
        above = self._samples - up_to[:, : self._level_count]
        at_rest = up_to[:, self._level_count : idle] - up_to[:, idle:]
        return above.ravel() / self._samples, at_rest.ravel() / self._samples


class _FlatForest:
    """A forest whose inner nodes come first and whose leaves lead to themselves, so every step is the same."""

    def __init__(self, forest: Forest) -> None:
        """Reorder the nodes of a forest."""
        is_leaf = forest.feature < 0
        inner, leaves = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
        place = np.empty(len(is_leaf), np.intp)
        place[np.concatenate([inner, leaves])] = np.arange(len(is_leaf))
        self._feature, self._threshold = forest.feature[inner].astype(np.intp), forest.threshold[inner]
        self._left, self._right = place[forest.children[inner].T]
        self._following = np.arange(len(is_leaf))
        self._roots = place[: forest.trees]
        self._shares = np.zeros((len(is_leaf), forest.shares.shape[1]), np.float32)
        self._shares[place[leaves]] = forest.shares[forest.children[leaves, 0]]
        self._depth = 0
        front: NDArray[np.integer] = np.arange(forest.trees)
        while len(front := front[~is_leaf[front]]):
            front, self._depth = forest.children[front].ravel(), self._depth + 1

    def class_shares(self, features: Floats) -> Values:
        """Return the mean over the trees of the shares of the classes, (classes,) [1].

        Args:
            features: Of one window, (features,).
        """
        goes_right = features.take(self._feature) > self._threshold
        self._following[: len(goes_right)] = np.where(goes_right, self._right, self._left)
        node = self._roots
        for _ in range(self._depth):
            node = self._following.take(node)
        shares: Values = np.add.reduce(self._shares.take(node, axis=0), axis=0, dtype=np.float64) / len(node)
        return shares


def _all_differ(values: Values) -> bool:
    """Return whether no two channels are equal, (channels, samples)."""
    return not any((values[row] == values[row + 1 :]).all(axis=1).any() for row in range(len(values) - 1))
