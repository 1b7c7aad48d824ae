# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What rarity costs: a common surface is made as rare as the rarest, and classified again.

That a rare surface is classified badly proves nothing, for it may be the hardest one. Whether it is the small number of
windows that costs is tried on the common surfaces, which have windows to take away and enough left to judge by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surface_classifier.diagnosis import thresholds

Values = NDArray[np.float64]
Ids = NDArray[np.int64]

_REPEATS = 4  # draws of the windows that stay
_SHRINKAGE = 0.1  # as in `label_checks`


@dataclass(frozen=True)
class RarityCost:
    """What was found.

    Attributes:
        imbalance: Windows of the commonest class for one of the rarest.
        recall: Mean recall of the common classes on held-out windows, with all their windows; 0 where all are
            about equally common [1].
        thinned_recall: The same where each in turn has as few windows as the rarest class, likewise [1].
    """

    imbalance: float
    recall: float = 0.0
    thinned_recall: float = 0.0

    @property
    def loss(self) -> float:
        """Recall that rarity costs [1]."""
        return self.recall - self.thinned_recall


def rarity_cost(features: Values, labels: Ids, splits: Sequence[tuple[Ids, Ids]], seed: int) -> RarityCost:
    """Make each common class as rare as the rarest, and see how many of its held-out windows are still recognised.

    The classifier is a discriminant to which, as to a loss without weights, a common class is likelier beforehand.

    Args:
        features: (windows, features).
        labels: (windows,) class ids.
        splits: Pairs of training and held-out indices.
        seed: Seed of the windows that stay.
    """
    counts = np.bincount(labels)
    present = np.flatnonzero(counts)
    rarest = int(counts[present].min())
    imbalance = float(counts.max() / rarest)
    if imbalance < thresholds.IMBALANCE_RATIO:
        return RarityCost(imbalance)
    common = [int(k) for k in present if counts[k] >= thresholds.IMBALANCE_RATIO * rarest]
    rng = np.random.default_rng(seed)
    recalls: list[float] = []
    thinned: list[float] = []
    for train, test in splits:
        share = len(train) / len(labels)
        stay = max(1, round(rarest * share))
        right = _right(features, labels, train, test)
        for label in common:
            own, others = train[labels[train] == label], train[labels[train] != label]
            judged = labels[test] == label
            if not judged.any() or len(own) <= stay:
                continue
            for _ in range(_REPEATS):
                kept = np.concatenate([others, rng.choice(own, stay, replace=False)])
                thinned += list(_right(features, labels, kept, test)[judged].astype(float))
                recalls += list(right[judged].astype(float))
    if not recalls:
        return RarityCost(imbalance)
    return RarityCost(imbalance, float(np.mean(recalls)), float(np.mean(thinned)))


def _right(features: Values, labels: Ids, train: Ids, test: Ids) -> NDArray[np.bool_]:
    model = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver='lsqr', shrinkage=_SHRINKAGE))
    right: NDArray[np.bool_] = model.fit(features[train], labels[train]).predict(features[test]) == labels[test]
    return right
