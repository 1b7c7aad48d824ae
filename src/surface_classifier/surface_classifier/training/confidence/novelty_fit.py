# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Fits the test for windows unlike the training data (`model/novelty.py`), its threshold on held-out recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from surface_classifier.data.dataset import Dataset
from surface_classifier.model.level_features import LevelFeatures
from surface_classifier.model.novelty import (
    Forest,
    NoveltyAverage,
    NoveltyTest,
    distribution_features,
    in_scales,
    standard_score,
)
from surface_classifier.training.confidence.predictions import UNKNOWN_RECORDING
from surface_classifier.training.confidence.unseen_motion_fit import FittedMotion, fit_motion

FALSE_ALARMS = 0.05
MEMORY_S = 20.0
REFERENCES = 2000
# More windows make larger trees, and the file of the model with them.
MOST_WINDOWS = 10_000
TREES = 48
# Large leaves: a window counts as disputed where whole surfaces overlap, not where single windows do.
MOST_LEAF_WINDOWS, LEAST_LEAF_WINDOWS, LEAF_SHARE = 30, 5, 0.01
FEATURE_SHARE = 0.3
# A window that varies less than half of what one in a thousand training windows does is still.
QUIET_QUANTILE, QUIET_SHARE = 0.001, 0.5
IDLE_QUANTILE = 0.25
# Into how many parts recordings are divided, each held out in turn.
NOVELTY_PARTS = 4

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOutNovelty:
    """What tests that were fitted without them say of windows.

    Attributes:
        components: Components of the score, (windows, components).
        recording: Recording of each window, -1 where none is known, (windows,).
        stamps_ns: Stamp of the last sample of each window, (windows,) [ns].
    """

    components: Values
    recording: Ids
    stamps_ns: Ids

    def rows(self, chosen: NDArray[np.bool_]) -> HeldOutNovelty:
        """Return some windows."""
        return HeldOutNovelty(self.components[chosen], self.recording[chosen], self.stamps_ns[chosen])


def join_novelty(parts: Sequence[HeldOutNovelty]) -> HeldOutNovelty:
    """Return several parts in one value."""
    return HeldOutNovelty(
        np.concatenate([part.components for part in parts]),
        np.concatenate([part.recording for part in parts]),
        np.concatenate([part.stamps_ns for part in parts]),
    )


def fit_novelty(
    dataset: Dataset,
    windows: Ids,
    held_out: Sequence[tuple[Ids, Ids]],
    seed: int = 0,
    *,
    false_alarms: float = FALSE_ALARMS,
    memory_s: float = MEMORY_S,
) -> NoveltyTest:
    """Fit the test on training windows; what is usual comes from parts of them that are held out in turn.

    Args:
        dataset: The data set.
        windows: Indices of the training windows.
        held_out: Divisions of them, as `held_out_parts` gives them; without any, the training windows themselves say
            what is usual, which makes the test too strict.
        seed: Seed of the trees and of the windows that are kept for comparison.
        false_alarms: Share of held-out windows above the threshold [1].
        memory_s: Time constant over which the score is averaged [s].
    """
    divisions = list(held_out) or [(windows, windows)]
    motion = _fit_motion(dataset, windows, held_out, false_alarms, seed)
    unseen = [np.zeros(len(held), dtype=bool) for _, held in divisions]
    if motion is not None and held_out:
        unseen = [novelty > 1.0 for novelty in motion.held_out]
        if all(mask.all() for mask in unseen):
            unseen = [~mask for mask in unseen]
    parts = []
    for (kept, held), mask in zip(divisions, unseen, strict=True):
        test = _fit(dataset, kept, seed, memory_s)
        # A held-out window with a motion of its own is detected by that: its currents do not say what is usual.
        components = test.components(dataset.inputs(held))
        parts.append(HeldOutNovelty(components, *_places(dataset, held)).rows(~mask))
    usual, threshold = novelty_threshold(join_novelty(parts), false_alarms, memory_s)
    return replace(
        _fit(dataset, windows, seed, memory_s),
        usual=usual,
        threshold=threshold,
        motion=None if motion is None else motion.test,
    )


def novelty_threshold(held_out: HeldOutNovelty, false_alarms: float, memory_s: float) -> tuple[Values, Values]:
    """Return what is usual in held-out windows, and the threshold that a stated share of them exceeds.

    Args:
        held_out: Components of held-out windows.
        false_alarms: Share of the windows above the threshold [1].
        memory_s: Time constant over which the score is averaged [s].

    Returns:
        Mean and standard deviation of each component, (2, components), and threshold and standard deviation of the
        averaged score, (2,).
    """
    components = held_out.components
    usual = np.stack([components.mean(axis=0), np.maximum(components.std(axis=0), 1e-6)])
    scores = average_in_recordings(standard_score(components, usual), held_out.recording, held_out.stamps_ns, memory_s)
    return usual, np.array([np.quantile(scores, 1.0 - false_alarms), max(float(scores.std()), 1e-6)])


def window_novelty(test: NoveltyTest, dataset: Dataset, windows: Ids) -> tuple[Values, Values]:
    """Return how unlike the training data windows of a data set are, as the live path computes it.

    Only the test for dead sensors and a standing robot, which there comes first, is not made.

    Args:
        test: The test.
        dataset: The data set.
        windows: Indices of the windows.

    Returns:
        Novelty of what the network sees, averaged over time, and of the motion; each 1 at its threshold, (windows,)
        [1]. A window with an unseen motion has no part in the average, and 0 of its own.
    """
    motion = np.zeros(len(windows))
    part = dataset.config.motion_part
    if test.motion is not None and part is not None:
        motion = test.motion.novelty(np.asarray(dataset.parts[part.name][windows]))
    known = motion <= 1.0
    found = np.zeros(len(windows))
    if known.any():
        scores = test.score(dataset.inputs(windows[known]))
        averaged = average_scores(dataset, windows[known], scores, float(test.memory_s[0]))
        found[known] = [test.novelty(score) for score in averaged]
    return found, motion


def average_scores(dataset: Dataset, windows: Ids, scores: Values, memory_s: float) -> Values:
    """Average the scores of windows over time, recording by recording, as the live path does.

    Args:
        dataset: The data set.
        windows: Indices of the windows.
        scores: Score of each of them by itself.
        memory_s: Time constant [s].
    """
    return average_in_recordings(scores, *_places(dataset, windows), memory_s)


def average_in_recordings(scores: Values, recording: Ids, stamps_ns: Ids, memory_s: float) -> Values:
    """Average scores over time, recording by recording, as the live path does.

    Args:
        scores: Score of each window by itself, (windows,).
        recording: Recording of each window, (windows,); where none is known, each stands for itself.
        stamps_ns: Stamp of the last sample of each window, (windows,) [ns].
        memory_s: Time constant [s].
    """
    averaged = np.empty(len(scores))
    order = np.lexsort((stamps_ns, recording))
    average = NoveltyAverage(memory_s)
    for place, before in zip(order, [order[0], *order[:-1]] if len(order) else [], strict=True):
        if recording[place] == UNKNOWN_RECORDING or recording[place] != recording[before]:
            average.reset()
        averaged[place] = average.add(float(scores[place]), int(stamps_ns[place]))
    return averaged


def _places(dataset: Dataset, windows: Ids) -> tuple[Ids, Ids]:
    """Return recording and stamp [ns] of windows."""
    if not dataset.has_recordings:
        return np.full(len(windows), UNKNOWN_RECORDING, dtype=np.int64), np.asarray(dataset.end_ns)[windows]
    return np.asarray(dataset.recording)[windows], np.asarray(dataset.end_ns)[windows]


def _fit_motion(
    dataset: Dataset, windows: Ids, held_out: Sequence[tuple[Ids, Ids]], false_alarms: float, seed: int
) -> FittedMotion | None:
    part = dataset.config.motion_part
    if part is None:
        return None
    motions = dataset.parts[part.name]
    return fit_motion(motions, part.channel_units, dataset.recording, windows, held_out, false_alarms, seed)


def _fit(dataset: Dataset, windows: Ids, seed: int, memory_s: float) -> NoveltyTest:
    """Fit all but what is usual and the threshold."""
    rng = np.random.default_rng(seed)
    if len(windows) > MOST_WINDOWS:
        windows = np.sort(rng.choice(windows, MOST_WINDOWS, replace=False))
    parts = dataset.inputs(windows)
    labels = np.asarray(dataset.labels)[windows]
    scale = np.concatenate([_scale(part) for part in parts])
    features = distribution_features(parts, scale)
    centre, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    standard = ((features - centre) / spread).astype(np.float32)
    scaled = in_scales(parts, scale)
    levels = LevelFeatures.fit(scaled)
    kept = np.sort(rng.permutation(len(standard))[:REFERENCES])
    classifier = ExtraTreesClassifier(
        n_estimators=TREES,
        min_samples_leaf=int(np.clip(LEAF_SHARE * len(labels), LEAST_LEAF_WINDOWS, MOST_LEAF_WINDOWS)),
        max_features=FEATURE_SHARE,
        class_weight='balanced',
        random_state=seed,
        n_jobs=1,
    ).fit(levels.transform(scaled).astype(np.float32), labels)
    spreads, magnitudes = (
        np.concatenate([_over_time(part, kind) for part in parts], axis=1) for kind in ('spread', 'level')
    )
    return NoveltyTest(
        scale=scale,
        quiet=QUIET_SHARE * np.quantile(spreads, QUIET_QUANTILE, axis=0),
        idle=np.quantile(magnitudes, IDLE_QUANTILE, axis=0),
        may_be_equal=np.array([float(any(_equal_channels(part) > QUIET_QUANTILE for part in parts))]),
        centre=centre,
        spread=spread,
        references=standard[kept],
        levels=levels,
        forest=forest_of(classifier),
        usual=np.array([[0.0, 0.0], [1.0, 1.0]]),
        threshold=np.array([0.0, 1.0]),
        memory_s=np.array([memory_s]),
    )


def forest_of(classifier: Any) -> Forest:
    """Return a fitted forest of scikit-learn as arrays."""
    feature, threshold, children, shares = [], [], [], []
    trees = [estimator.tree_ for estimator in classifier.estimators_]
    # Roots first: node k of a tree is the place behind the roots of all trees and the other nodes of earlier ones.
    offset = len(trees)
    leaves = 0
    for number, tree in enumerate(trees):
        place = np.concatenate([[number], offset + np.arange(tree.node_count - 1)])
        offset += tree.node_count - 1
        is_leaf = tree.children_left < 0
        values = tree.value[is_leaf, 0, :]
        shares.append(values / values.sum(axis=1, keepdims=True))
        both = np.zeros((tree.node_count, 2), dtype=np.int32)
        both[~is_leaf, 0] = place[tree.children_left[~is_leaf]]
        both[~is_leaf, 1] = place[tree.children_right[~is_leaf]]
        both[is_leaf, 0] = leaves + np.arange(int(is_leaf.sum()))
        leaves += int(is_leaf.sum())
        feature.append(np.where(is_leaf, -1, tree.feature).astype(np.int32))
        threshold.append(_not_above(tree.threshold))
        children.append(both)
    return Forest(
        feature=_roots_first(feature),
        threshold=_roots_first(threshold),
        children=_roots_first(children),
        shares=np.concatenate(shares).astype(np.float32),
        trees=len(trees),
    )


def _roots_first(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([*(array[:1] for array in arrays), *(array[1:] for array in arrays)])


def _not_above(threshold: Values) -> NDArray[np.float32]:
    # A float32 is at most the threshold exactly if it is at most the largest float32 that is.
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded).astype(np.float32)


def _scale(part: Values) -> Values:
    """Standard deviation of each channel, its unit where it never changes, (channels,)."""
    spread = np.nanstd(part.reshape(-1, part.shape[2]), axis=0)
    return np.where(np.isfinite(spread) & (spread > 0.0), spread, 1.0)


def _over_time(part: Values, kind: str) -> Values:
    """Standard deviation or mean magnitude of each channel over each window, (windows, channels); 0 if unmeasured."""
    measured = ~np.isnan(part)
    count = np.maximum(measured.sum(axis=1), 1)
    if kind == 'level':
        level: Values = np.nansum(np.abs(part), axis=1) / count
        return level
    mean = np.nansum(part, axis=1, keepdims=True) / count[:, np.newaxis]
    spread: Values = np.sqrt(np.nansum(np.square(part - mean), axis=1) / count)
    return spread


def _equal_channels(part: Values) -> float:
    """Share of the windows in which two channels are equal and vary."""
    channels = part.shape[2]
    varies = np.nanmax(part, axis=1) > np.nanmin(part, axis=1) if channels > 1 else np.zeros((len(part), 1), dtype=bool)
    equal = np.zeros(len(part), dtype=bool)
    for first in range(channels):
        for second in range(first + 1, channels):
            equal |= (part[:, :, first] == part[:, :, second]).all(axis=1) & varies[:, first]
    return float(equal.mean())
