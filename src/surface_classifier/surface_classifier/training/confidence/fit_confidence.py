# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What makes a classifier's predictions trustworthy: temperature, conformal sets and belief over time.

All of it is a function of held-out predictions, and says as much of a new drive as these do: those of recordings that
stopped the training early are a little too good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from surface_classifier.model.belief import BeliefSettings
from surface_classifier.training.confidence.belief_fit import tune_belief
from surface_classifier.training.confidence.calibration import calibrate
from surface_classifier.training.confidence.conformal import conformal_sets
from surface_classifier.training.confidence.predictions import Predictions


@dataclass(frozen=True)
class Confidence:
    """How a network's predictions become labels.

    Attributes:
        calibration: `temperature` [1], and the `method` that chose it; what a contract states.
        belief: How evidence adds up over windows; None: no recordings are known, so windows have no order.
        conformal: `levels` and `thresholds`; empty: no recordings were held out.
    """

    calibration: Mapping[str, Any]
    belief: BeliefSettings | None
    conformal: Mapping[str, Any]

    @property
    def temperature(self) -> float:
        """Number by which logits are divided [1]."""
        return float(self.calibration['temperature'])


def fit_confidence(predictions: Predictions, belief: BeliefSettings | None) -> Confidence:
    """Choose what makes predictions trustworthy.

    Args:
        predictions: Held-out predictions, with streams where the belief filter is to be chosen.
        belief: The filter before any prediction is known (`first_belief`); None: windows have no order.
    """
    calibration = calibrate(predictions)
    temperature = float(calibration['temperature'])
    return Confidence(
        calibration=calibration,
        belief=None if belief is None else tune_belief(belief, predictions.streams, temperature),
        conformal=conformal_sets(predictions, temperature),
    )
