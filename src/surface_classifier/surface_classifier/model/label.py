# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What a label holds, apart from what makes labels: readers of labels need no model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

UNKNOWN_SURFACE = 'unknown'
UNKNOWN_ID = 0


class Reason(IntEnum):
    """Why a label is not known, or that this was not checked: REASON_* of `surface_msgs/SurfaceLabel`."""

    NONE = 0
    NOT_CHECKED = 1
    UNSEEN_SURFACE = 2
    UNSEEN_MOTION = 3
    STANDING_STILL = 4
    BAD_SENSOR = 5
    LOW_COVERAGE = 6

    @property
    def text(self) -> str:
        """What a user reads; a changed sensor or gear looks like another surface, so none is claimed."""
        return _REASON_TEXTS.get(self, self.name.lower().replace('_', ' '))


_REASON_TEXTS = {Reason.UNSEEN_SURFACE: 'unlike the training data', Reason.UNSEEN_MOTION: 'untrained speed or turn'}


@dataclass(frozen=True)
class Label:
    """The surface as the model sees it at the end of one window.

    Attributes:
        stamp_ns: Stamp of the last sample of the window's first part [ns].
        surface: Class name, or `unknown`.
        surface_id: 0 = unknown, else the index into `class_names` plus 1.
        known: False: do not trust the label, see `reason`.
        reason: Why `known` is false or untested.
        confidence: Probability of `surface`; of the likeliest class when it is unknown [1].
        class_names: Names of the classes in the order of the probabilities.
        probabilities: Filtered over time; equal to `raw_probabilities` if the model has no filter; shape (classes,),
            sums to 1.
        raw_probabilities: Of this window alone; shape (classes,), sums to 1.
        possible_ids: Surfaces that cannot be ruled out; empty when not computed.
        possible_level: Stated coverage of `possible_ids`; NaN when not computed [1].
        novelty: How unlike the training data the window is, threshold at 1; NaN when not computed [1].
        window_start_ns: Stamp of the first sample of the window [ns].
        window_index: Absolute number of the window on the time grid.
        coverage: Share of the window's values that were measured [1].
        inference_s: Time the model took; the one field that differs from run to run [s].
        model_digest: SHA-256 of the model's weights.
    """

    stamp_ns: int
    surface: str
    surface_id: int
    known: bool
    reason: Reason
    confidence: float
    class_names: tuple[str, ...]
    probabilities: NDArray[np.float64]
    raw_probabilities: NDArray[np.float64]
    possible_ids: tuple[int, ...]
    possible_level: float
    novelty: float
    window_start_ns: int
    window_index: int
    coverage: float
    inference_s: float
    model_digest: str
