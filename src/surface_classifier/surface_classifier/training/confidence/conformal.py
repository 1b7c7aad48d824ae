# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Conformal sets: every surface that cannot be ruled out at a stated coverage.

A set holds every class whose probability is at least a threshold, chosen so that the true class is in the set in a
stated share of the cases. The usual guarantee needs exchangeable windows; windows of one recording are not, since they
err together. Whole recordings of the same kind of drive nearly are: the threshold is chosen over recordings, each with
the same weight whatever its length, as if one more recording were as bad as can be (the pooled bound of Dunn, Wasserman
and Ramdas, "Distribution-free prediction sets for two-layer hierarchical models", 2023). What is stated is thus
coverage on average over new recordings, not in each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surface_classifier.training.confidence.predictions import Predictions

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


def conformal_sets(predictions: Predictions, temperature: float) -> dict[str, Any]:
    """Return the sets of held-out predictions as a model's contract states them.

    Args:
        predictions: Held-out predictions.
        temperature: Number by which logits are divided [1].

    Returns:
        `levels` and `thresholds` [1], and the number of `recordings`; empty if no level can be stated.
    """
    rows = predictions.for_calibration()
    if len(rows) == 0:
        return {}
    thresholds = conformal_thresholds(rows.probabilities(temperature), rows.labels, rows.recording)
    # A threshold of 0 says that there are too few recordings to state the level.
    stated = {level: threshold for level, threshold in thresholds.items() if threshold > 0.0}
    if not stated:
        return {}
    return {'levels': list(stated), 'thresholds': list(stated.values()), 'recordings': rows.recordings}


def conformal_thresholds(
    probabilities: Values, truth: Ids, recording: Ids, levels: Sequence[float] = LEVELS
) -> dict[float, float]:
    """Return for each level the probability from which a class is in the set.

    Args:
        probabilities: Calibrated probabilities of held-out windows, (windows, classes).
        truth: (windows,).
        recording: Recording of each window, (windows,).
        levels: Coverages to state, each above 0 and below 1.

    Returns:
        The thresholds [1]; 0, so that every class is possible, where there are too few recordings to state a level.
    """
    of_truth = probabilities[np.arange(len(truth)), truth]
    _, index, counts = np.unique(recording, return_inverse=True, return_counts=True)
    order = np.argsort(-of_truth)
    # Share of the recordings, one more added that is never covered, that is covered when the threshold is so low.
    covered = np.cumsum(1.0 / counts[index][order]) / (len(counts) + 1)
    found = {}
    for level in levels:
        place = int(np.searchsorted(covered, level - 1e-12))
        found[float(level)] = float(of_truth[order[place]]) if place < len(order) else 0.0
    return found
