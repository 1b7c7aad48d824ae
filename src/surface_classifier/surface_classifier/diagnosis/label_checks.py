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

from surface_classifier.diagnosis import thresholds
from surface_classifier.diagnosis.hand_features import hand_features

Values = NDArray[np.float64]
Ids = NDArray[np.int64]
Splits = Sequence[tuple[Ids, Ids]]

_LEAST_PROBABILITY = 1e-4  # that a classifier is taken to mean; trees say 0
_FEW_WINDOWS = 5
_NEIGHBOURS = 2  # windows before and after, in the same recording, that are looked at
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
        noise_rate: Share of labels that are drawn at random rather than from what the windows look like, as estimated
            by `estimate_label_noise` [1].
        noise_support: How much likelier the labels are with that share than without any [nat].
        out_of_line: Suspects whose label differs from that of their neighbours in the recording, which agree; None
            where recordings are not known or too short to show it.
        accuracy: Balanced accuracy of the discriminant, windows shuffled [1].
        chance: What it reaches on permuted labels: the 99th percentile [1].
    """

    suspects: Ids
    probable: Ids
    probability: Values
    drop_gain: float
    drop_gain_error: float
    noise_rate: float
    noise_support: float
    out_of_line: int | None
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


def check_labels(features: Values, labels: Ids, recordings: Ids | None, seed: int) -> LabelFindings:
    """Look for wrong labels, and for any relation between windows and labels.

    Confident learning (Northcutt, Jiang, Chuang, Confident learning: estimating uncertainty in dataset labels, JAIR 70,
    2021) in the strict form that two unlike classifiers must agree; the control drops as many windows at random. A
    classifier is sure of itself where surfaces overlap, too: how many labels are wrong at all is estimated apart.

    Args:
        features: (windows, features).
        labels: (windows,) class ids.
        recordings: (windows,) recording of every window, windows of one in the order of time; None: not known.
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
    noise_rate, support = estimate_label_noise(np.sqrt(linear * trees), labels)
    accuracy, chance = _against_chance(features, labels, seed)
    return LabelFindings(
        suspects=order,
        probable=mean[order].argmax(axis=1),
        probability=mean[order].max(axis=1),
        drop_gain=gain,
        drop_gain_error=error,
        noise_rate=noise_rate,
        noise_support=support,
        out_of_line=None if recordings is None else count_out_of_line(labels, recordings, order),
        accuracy=accuracy,
        chance=chance,
    )


def estimate_label_noise(probabilities: Values, labels: Ids) -> tuple[float, float]:
    """Share of labels that were drawn at random, by maximum likelihood.

    The labels are taken for a mixture: most follow a classifier whose confidence is brought to the right temperature,
    the others are drawn evenly from all classes (the label noise of Bootkrajang, Kaban, Label-noise robust logistic
    regression and its applications, ECML PKDD 2012). Where surfaces merely overlap the temperature explains the errors
    and the share is 0; wrong labels lie where no temperature would put them.

    Args:
        probabilities: Out of sample, shape (windows, classes); not negative, and need not add up to 1.
        labels: (windows,) class ids.

    Returns:
        The share [1], and how much likelier the labels are with it than without, by the logarithm [nat].
    """
    from scipy.optimize import minimize

    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    # No classifier knows a class of a few windows: to it, they all look wrong.
    known = counts[labels] >= _FEW_WINDOWS
    if not known.any():
        return 0.0, 0.0
    probabilities, labels = probabilities[known], labels[known]
    rows = np.arange(len(labels))
    # The classifiers take all classes for equally common.
    prior = np.log(np.maximum(counts, 1) / counts.sum())
    logits = np.log(np.clip(probabilities, _LEAST_PROBABILITY, 1.0))

    def surprise(log_temperature: float, share: float) -> float:
        tempered = logits / np.exp(log_temperature) + prior
        tempered = np.exp(tempered - tempered.max(axis=1, keepdims=True))
        own = tempered[rows, labels] / tempered.sum(axis=1)
        return -float(np.log((1.0 - share) * own + share / classes).sum())

    bounds = [(-3.0, 3.0), (0.0, 0.999)]
    starts = [(temperature, share) for temperature in (0.0, -0.7) for share in (0.02, 0.2)]
    found = [minimize(lambda x: surprise(x[0], x[1]), start, method='L-BFGS-B', bounds=bounds) for start in starts]
    best = min(found, key=lambda result: float(result.fun))
    without = min(
        float(minimize(lambda x: surprise(x[0], 0.0), [start], method='L-BFGS-B', bounds=bounds[:1]).fun)
        for start in (0.0, -0.7)
    )
    return float(best.x[1]), max(0.0, without - float(best.fun))


def count_out_of_line(labels: Ids, recordings: Ids, windows: Ids) -> int | None:
    """How many windows carry another label than their neighbours in the recording, which agree with each other.

    A robot that changes the surface stays on the new one for some windows; a label that stands alone is a slip.

    Args:
        labels: (windows,) class ids.
        recordings: (windows,) recording of every window, windows of one in the order of time.
        windows: Which ones to look at.

    Returns:
        The number; None where none of them has two neighbours.
    """
    found: list[bool] = []
    for window in windows:
        near = np.arange(max(0, window - _NEIGHBOURS), min(len(labels), window + _NEIGHBOURS + 1))
        near = near[(near != window) & (recordings[near] == recordings[window])]
        if len(near) >= 2:
            around = np.unique(labels[near])
            found.append(bool(len(around) == 1 and around[0] != labels[window]))
    return sum(found) if found else None


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
