# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Simple classifiers to stand beside the LSTM: a score means nothing until it is seen what needs no network.

Each `fit_…` takes training windows, one float64 array (windows, samples, channels) for each part with NaN where
unmeasured, and their labels, and returns a function from windows to labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surface_classifier.model.level_features import LevelFeatures
from surface_classifier.training.confidence.predictions import Classifier, logits_of_labels

Parts = Sequence[NDArray[np.float64]]
Labels = NDArray[np.int64]
Predictor = Callable[[Parts], Labels]

TREES = 400
TREES_LEAF_SAMPLES = 3
TREES_FEATURE_SHARE = 0.15


def fit_majority(_parts: Parts, labels: Labels) -> Predictor:
    """Always the commonest class of the training windows."""
    commonest = int(np.bincount(labels).argmax())
    return lambda parts: np.full(len(parts[0]), commonest, dtype=np.int64)


def fit_nearest_mean(parts: Parts, labels: Labels) -> Predictor:
    """The class whose mean level is nearest: one mean per channel, standardised over the training windows."""
    classifier = make_pipeline(StandardScaler(), NearestCentroid()).fit(_means(parts), labels)
    return lambda parts: np.asarray(classifier.predict(_means(parts)), dtype=np.int64)


def fit_trees(parts: Parts, labels: Labels, seed: int = 0) -> Predictor:
    """Extremely randomised trees (Geurts et al., 2006) on the distribution of levels, classes weighted equally."""
    shares = fit_tree_shares(parts, labels, int(labels.max()) + 1, seed)
    return lambda parts: np.asarray(shares(parts).argmax(axis=1), dtype=np.int64)


def fit_baseline(name: str, parts: Parts, labels: Labels, seed: int = 0) -> Predictor:
    """Fit `trees`, `nearest_mean` or `majority`.

    Args:
        name: Which.
        parts: Training windows.
        labels: Their classes.
        seed: Seed of the trees.
    """
    if name == 'trees':
        return fit_trees(parts, labels, seed)
    return {'nearest_mean': fit_nearest_mean, 'majority': fit_majority}[name](parts, labels)


def label_classifier(label: Predictor, classes: int) -> Classifier:
    """Return a baseline as a classifier that is certain of its labels.

    Args:
        label: The baseline.
        classes: Number of classes.
    """
    return lambda parts: logits_of_labels(label(parts), classes)


def fit_tree_shares(
    parts: Parts, labels: Labels, classes: int, seed: int = 0
) -> Callable[[Parts], NDArray[np.float64]]:
    """Fit the trees of `fit_trees`; return a function from windows to the mean share of each class in their leaves.

    Args:
        parts: Training windows.
        labels: Their classes.
        classes: Number of classes; those without training windows have the share 0.
        seed: Seed of the trees.
    """
    features = LevelFeatures.fit(parts)
    classifier = ExtraTreesClassifier(
        n_estimators=TREES,
        min_samples_leaf=TREES_LEAF_SAMPLES,
        max_features=TREES_FEATURE_SHARE,
        class_weight='balanced',
        random_state=seed,
        n_jobs=1,
    ).fit(features.transform(parts), labels)

    def shares(tested: Parts) -> NDArray[np.float64]:
        found = np.zeros((len(tested[0]), classes))
        found[:, classifier.classes_] = classifier.predict_proba(features.transform(tested))
        return found

    return shares


def _means(parts: Parts) -> NDArray[np.float64]:
    """Mean of each channel over each window, shape (windows, all channels); 0 where nothing was measured."""
    sums = [np.nansum(part, axis=1) for part in parts]
    counts = [np.maximum((~np.isnan(part)).sum(axis=1), 1) for part in parts]
    return np.concatenate([total / count for total, count in zip(sums, counts, strict=True)], axis=1)
