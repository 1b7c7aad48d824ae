# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Confidence that means what it says: temperature scaling, and the error that is left.

Temperature scaling (Guo et al., "On calibration of modern neural networks", 2017) divides all logits by one number, so
that no label changes. Expected calibration error and reliability diagram follow the same paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from surface_classifier.model.engine import softmax
from surface_classifier.training.confidence.predictions import Predictions

BINS = 15
LARGEST_LOG_TEMPERATURE = 2.0
LARGEST_LOG_SHARPENING = 1.0
# As many held-out recordings count as much as the expectation that the temperature is 1.
PRIOR_RECORDINGS = 8.0

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


def calibrate(predictions: Predictions) -> dict[str, Any]:
    """Return the temperature of held-out predictions as a model's contract states it.

    Few recordings were held out from one training, so that what they say is drawn towards a temperature of 1. By
    cross-fitting all recordings have their say, and nothing is drawn anywhere.

    Args:
        predictions: Held-out predictions of a network.

    Returns:
        `temperature` [1] and the `method` that chose it; where there are rows to choose it on, also the
        `fitted_temperature` [1] before it was drawn towards 1, and the numbers of `recordings` and `windows`.
    """
    rows = predictions.for_calibration()
    if len(rows) == 0:
        return {'method': 'none', 'temperature': 1.0}
    if rows.classifiers == 1:
        found, share = fit_temperature(rows.logits, rows.labels), rows.recordings / (rows.recordings + PRIOR_RECORDINGS)
        method = 'temperature on held-out recordings, drawn towards 1'
    else:
        found, share = match_confidence(rows.logits, rows.labels), 1.0
        method = f'mean confidence as accuracy on held-out recordings of {rows.classifiers} further networks'
    return {
        'method': method,
        'temperature': float(found**share),
        'fitted_temperature': found,
        'recordings': rows.recordings,
        'windows': len(rows),
    }


def fit_temperature(logits: Values, truth: Ids, weights: Values | None = None) -> float:
    """Return the temperature at which held-out windows are likeliest [1].

    Args:
        logits: Of windows that the network was not trained on, (windows, classes).
        truth: Their classes, (windows,).
        weights: How much each window counts; None: all the same.
    """
    rows = np.arange(len(truth))
    counted = np.ones(len(truth)) if weights is None else weights

    def loss(log_temperature: float) -> float:
        probabilities = softmax(logits / np.exp(log_temperature))[rows, truth]
        return -float(np.average(np.log(np.maximum(probabilities, 1e-12)), weights=counted))

    bounds = (-LARGEST_LOG_TEMPERATURE, LARGEST_LOG_TEMPERATURE)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method='bounded').x))


def match_confidence(logits: Values, truth: Ids) -> float:
    """Return the temperature at which held-out windows are as confident, on average, as they are right [1].

    What is wrong with confidence, as all of a strange recording, decides the likeliest temperature and makes all other
    windows too modest; here each window counts the same.

    Args:
        logits: Of windows that the network was not trained on, (windows, classes).
        truth: Their classes, (windows,).
    """
    accuracy = float((logits.argmax(axis=1) == truth).mean())

    def excess(log_temperature: float) -> float:
        return float(softmax(logits / np.exp(log_temperature)).max(axis=1).mean()) - accuracy

    low, high = -LARGEST_LOG_SHARPENING, LARGEST_LOG_TEMPERATURE
    if excess(low) <= 0.0:
        return float(np.exp(low))
    if excess(high) >= 0.0:
        return float(np.exp(high))
    return float(np.exp(brentq(excess, low, high)))


@dataclass(frozen=True)
class Reliability:
    """How confidence compares with accuracy.

    Attributes:
        error: Expected calibration error: mean over windows of |accuracy - confidence| of their bin [1].
        confidence: Mean confidence of each bin that has windows [1].
        accuracy: Share of right windows of each of them [1].
        windows: Number of windows of each of them.
    """

    error: float
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    windows: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            'expected_calibration_error': self.error,
            'bins': [
                {'confidence': confidence, 'accuracy': accuracy, 'windows': windows}
                for confidence, accuracy, windows in zip(self.confidence, self.accuracy, self.windows, strict=True)
            ],
        }


def reliability(probabilities: Values, truth: Ids, bins: int = BINS) -> Reliability:
    """Compare the confidence of the likeliest class with how often it is right, in bins of equal width.

    Args:
        probabilities: (windows, classes), at least one window.
        truth: (windows,).
        bins: Number of bins between 0 and 1.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    found = [k for k in range(bins) if (index == k).any()]
    means = [float(confidence[index == k].mean()) for k in found]
    shares = [float(right[index == k].mean()) for k in found]
    counts = [int((index == k).sum()) for k in found]
    error = float(np.average(np.abs(np.subtract(means, shares)), weights=counts))
    return Reliability(error, tuple(means), tuple(shares), tuple(counts))
