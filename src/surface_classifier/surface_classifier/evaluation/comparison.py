# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""How sure a difference between two classifiers is, and where a classifier fails: recordings, speeds, motions.

Windows of one recording err together, so intervals come from a bootstrap over recordings (Efron and Tibshirani, "An
introduction to the bootstrap", 1993): recordings are drawn with replacement, and both classifiers are scored on the
same draw. Accuracies here are over all tested windows, whatever their fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 4000
CONFIDENCE = 0.95

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A share with its interval of 95 %.

    Attributes:
        value: The share [1].
        low: Lower end [1].
        high: Upper end [1].
    """

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Return JSON types."""
        return {'value': self.value, 'low': self.low, 'high': self.high}


def bootstrap_mean(values: Values, recording: Sequence[str], seed: int = 0) -> Interval:
    """Return the mean over windows, with an interval from drawing recordings.

    Args:
        values: One for each window: 1 where right, or the difference of two classifiers, which makes it paired.
        recording: Recording of each window.
        seed: Seed of the draws.
    """
    _, index = np.unique(np.asarray(recording), return_inverse=True)
    sums, counts = np.bincount(index, weights=values), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(counts), size=(DRAWS, len(counts)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0])
    return Interval(float(np.mean(values)), float(low), float(high))


def compare(right: Mapping[str, Values], recording: Sequence[str], model: str = 'lstm') -> dict[str, Any]:
    """Return accuracy of each classifier and the model's lead over each other, with intervals.

    Args:
        right: For each classifier whether each window was right, (windows,), mean over its runs [1].
        recording: Recording of each window.
        model: The classifier whose lead is described.
    """
    lead = {
        name: bootstrap_mean(right[model] - values, recording).to_dict()
        for name, values in right.items()
        if name != model
    }
    return {
        'accuracy': {name: bootstrap_mean(values, recording).to_dict() for name, values in right.items()},
        'lead': lead,
        'sentence': _sentence(lead),
    }


def _sentence(lead: Mapping[str, Mapping[str, float]]) -> str:
    """Say whether the LSTM earns its place: whether it beats the trees."""
    if 'trees' not in lead:
        return ''
    found = lead['trees']
    text = f'{found["value"]:+.3f} [{found["low"]:+.3f}, {found["high"]:+.3f}] in accuracy, paired over recordings'
    if found['low'] > 0:
        return f'the LSTM is better than the trees: {text}'
    if found['high'] < 0:
        return f'the LSTM is worse than the trees: {text}; use the trees, or other inputs'
    return f'the LSTM is not better than the trees as far as these recordings show: {text}'


def zero_accuracy_recordings(right: Values, recording: Sequence[str]) -> list[str]:
    """Return the names of the recordings with 0 % accuracy, sorted."""
    names = np.asarray(recording)
    return [str(name) for name in np.unique(names) if not right[names == name].any()]


def by_group(right: Mapping[str, Values], groups: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return for each group of windows their number and each classifier's accuracy, in the order of the names.

    Args:
        right: For each classifier whether each window was right, (windows,) [1].
        groups: Group of each window; empty: of none.
    """
    names = np.asarray(groups)
    return {
        str(group): {
            'windows': int((names == group).sum()),
            **{name: float(values[names == group].mean()) for name, values in right.items()},
        }
        for group in np.unique(names)
        if group
    }
