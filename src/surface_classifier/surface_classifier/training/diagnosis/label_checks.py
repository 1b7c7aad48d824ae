# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What simple classifiers on window features say of the labels: are some wrong, can they be learnt, do recordings leak.

Two classifiers that fail in different ways look at the same features: a linear discriminant and extremely randomised
trees. Neither is the network under diagnosis, so that its faults are not taken for the data's.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surface_classifier.training.diagnosis import thresholds
from surface_classifier.training.hand_features import hand_features

Values = NDArray[np.float64]
Ids = NDArray[np.int64]
Splits = Sequence[tuple[Ids, Ids]]

_SHRINKAGE = 0.1  # of the discriminant's covariances; an estimated one fails on a class with a single window


@dataclass(frozen=True)
class LabelFindings:
    """What was found.

    Attributes:
        suspects: Windows whose label both classifiers hold for nearly impossible, most suspect first.
        probable: The class each suspect looks like.
        probability: Probability of that class, out of sample.
        drop_gain: By how much dropping the suspects from training raises the held-out accuracy on all other windows,
            above dropping as many at random [1].
        drop_gain_error: Standard error of it [1].
        accuracy: Balanced accuracy of the discriminant, windows shuffled [1].
        chance: What it reaches on permuted labels: the 99th percentile [1].
    """

    suspects: Ids
    probable: Ids
    probability: Values
    drop_gain: float
    drop_gain_error: float
    accuracy: float
    chance: float


def window_features(parts: Sequence[NDArray[np.float64]]) -> Values:
    """Ten features of every channel (`hand_features`), shape (windows, 10 x channels); unmeasured samples filled.

    Args:
        parts: For each part an array (windows, samples, channels); NaN where unmeasured.
    """
    columns = []
    for part in parts:
        for channel in range(part.shape[2]):
            values = np.asarray(part[:, :, channel : channel + 1], dtype=np.float64)
            mean = np.nanmean(values) if np.isfinite(values).any() else 0.0
            columns.append(hand_features(np.where(np.isfinite(values), values, mean)))
    return np.concatenate(columns, axis=1)


def check_labels(features: Values, labels: Ids, seed: int) -> LabelFindings:
    """Look for wrong labels, and for any relation between windows and labels.

    Confident learning (Northcutt, Jiang, Chuang, Confident learning: estimating uncertainty in dataset labels, JAIR 70,
    2021) in the strict form that two unlike classifiers must agree; the control drops as many windows at random.

    Args:
        features: (windows, features).
        labels: (windows,) class ids.
        seed: Seed of folds, trees and permutations.
    """
    linear = _probabilities(features, labels, 'linear', seed, repeats=4)
    trees = _probabilities(features, labels, 'trees', seed, repeats=2)
    rows = np.arange(len(labels))
    of_linear, of_trees = linear[rows, labels], trees[rows, labels]
    suspect = (of_linear < thresholds.LINEAR_DOUBT) & (of_trees < thresholds.TREES_DOUBT)
    order = np.flatnonzero(suspect)
    order = order[np.argsort((of_linear + of_trees)[order], kind='stable')]
    mean = (linear + trees) / 2
    gain, error = _drop_gain(features, labels, order, seed)
    accuracy, chance = _against_chance(features, labels, seed)
    return LabelFindings(order, mean[order].argmax(axis=1), mean[order].max(axis=1), gain, error, accuracy, chance)


def cross_validated_accuracy(features: Values, labels: Ids, splits: Splits, kind: str, seed: int) -> float:
    """Balanced accuracy over all test windows of some splits [1].

    Args:
        features: (windows, features).
        labels: (windows,) class ids.
        splits: Pairs of training and test indices.
        kind: `linear`, `trees` or `nearest`.
        seed: Seed of the trees.
    """
    predicted = np.full(len(labels), -1)
    for train, test in splits:
        predicted[test] = (
            _classifier(kind, seed, labels[train]).fit(features[train], labels[train]).predict(features[test])
        )
    tested = predicted >= 0
    return _balanced(labels[tested], predicted[tested])


def shuffled_splits(labels: Ids, folds: int, seed: int) -> list[tuple[Ids, Ids]]:
    """Folds over windows without regard to recordings, every class in each where it has enough windows."""
    rare = int(np.bincount(labels)[np.unique(labels)].min())
    splitter = StratifiedKFold(max(2, min(folds, rare)), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)  # a class with a single window
        return list(splitter.split(np.zeros((len(labels), 1)), labels))


def _classifier(kind: str, seed: int, labels: Ids) -> Any:
    if kind == 'trees':
        return ExtraTreesClassifier(100, min_samples_leaf=2, class_weight='balanced', random_state=seed, n_jobs=1)
    if kind == 'nearest':
        from sklearn.neighbors import KNeighborsClassifier

        return make_pipeline(StandardScaler(), KNeighborsClassifier(1))
    classes = np.unique(labels)
    return make_pipeline(
        StandardScaler(),
        LinearDiscriminantAnalysis(solver='lsqr', shrinkage=_SHRINKAGE, priors=np.full(len(classes), 1 / len(classes))),
    )


def _probabilities(features: Values, labels: Ids, kind: str, seed: int, repeats: int) -> Values:
    """Out-of-sample probabilities, mean over repeated folds, shape (windows, classes)."""
    total = np.zeros((len(labels), int(labels.max()) + 1))
    for repeat in range(repeats):
        for train, test in shuffled_splits(labels, 5, seed + repeat):
            model = _classifier(kind, seed + repeat, labels[train]).fit(features[train], labels[train])
            total[np.ix_(test, model[-1].classes_ if kind == 'linear' else model.classes_)] += model.predict_proba(
                features[test]
            )
    return total / repeats


def _drop_gain(features: Values, labels: Ids, suspects: Ids, seed: int) -> tuple[float, float]:
    """Held-out accuracy on all but the suspects: trained without the suspects, less trained without as many others."""
    if len(suspects) == 0:
        return 0.0, 0.0
    rng = np.random.default_rng(seed)
    others = np.setdiff1d(np.arange(len(labels)), suspects)
    gains = []
    for repeat in range(6):
        random = rng.choice(others, min(len(suspects), len(others) // 2), replace=False)
        right: dict[str, list[float]] = {'suspects': [], 'random': []}
        for train, test in shuffled_splits(labels, 5, seed + 100 + repeat):
            judged = np.intersect1d(test, others)
            for name, dropped in (('suspects', suspects), ('random', random)):
                kept = np.setdiff1d(train, dropped)
                model = _classifier('linear', seed, labels[kept]).fit(features[kept], labels[kept])
                right[name] += list((model.predict(features[judged]) == labels[judged]).astype(float))
        gains.append(np.mean(right['suspects']) - np.mean(right['random']))
    return float(np.mean(gains)), float(np.std(gains, ddof=1) / np.sqrt(len(gains)))


def _against_chance(features: Values, labels: Ids, seed: int) -> tuple[float, float]:
    """Cross-validated accuracy, and the 99th percentile of it on permuted labels (Ojala, Garriga, JMLR 11, 2010)."""
    rng = np.random.default_rng(seed)
    splits = shuffled_splits(labels, 5, seed)
    accuracy = cross_validated_accuracy(features, labels, splits, 'linear', seed)
    permuted = [
        cross_validated_accuracy(features, rng.permutation(labels), splits, 'linear', seed)
        for _ in range(thresholds.PERMUTATIONS)
    ]
    # A normal tail: the percentile itself would need hundreds of permutations.
    return accuracy, float(np.mean(permuted) + 2.33 * np.std(permuted, ddof=1))


def _balanced(truth: Ids, predicted: Ids) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)  # a predicted class that the test windows lack
        return float(balanced_accuracy_score(truth, predicted))
