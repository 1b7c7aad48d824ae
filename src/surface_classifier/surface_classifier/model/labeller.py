# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From one window to one label: the same object in the classifier node and in offline classification.

A label has the fields of `surface_msgs/SurfaceLabel`. Windows go through one at a time, live and offline, so that equal
windows give equal labels.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from surface_classifier.model.engine import InferenceEngine
from surface_classifier.signal.window_stream import Window

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
        probabilities: Filtered over time, here equal to `raw_probabilities`; shape (classes,), sums to 1.
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


class Labeller:
    """Labels windows with one model."""

    def __init__(self, engine: InferenceEngine) -> None:
        """Take the model to label with; its windows must be of the model's configuration (`check_compatible`)."""
        self.engine = engine
        self._contract = engine.contract
        self._part_names = tuple(part.name for part in engine.contract.config.parts)

    def label(self, window: Window) -> Label:
        """Label one window.

        The surface is unknown when the window was measured less completely than the training data had to be, or when
        its values (an infinite current) leave the model without an answer; else it is the likeliest class.
        """
        begin = time.perf_counter()
        probabilities = self.engine.predict([window.parts[name][np.newaxis] for name in self._part_names])[0]
        inference_s = time.perf_counter() - begin

        reason = Reason.NOT_CHECKED
        if not np.isfinite(probabilities).all():
            reason = Reason.BAD_SENSOR
            probabilities = np.full(len(self._contract.classes), 1.0 / len(self._contract.classes))
        elif window.coverage < self._contract.config.min_coverage:
            reason = Reason.LOW_COVERAGE
        known = reason is Reason.NOT_CHECKED
        likeliest = int(np.argmax(probabilities))
        return Label(
            stamp_ns=window.end_ns,
            surface=self._contract.classes[likeliest] if known else UNKNOWN_SURFACE,
            surface_id=likeliest + 1 if known else UNKNOWN_ID,
            known=known,
            reason=reason,
            confidence=float(probabilities[likeliest]),
            class_names=self._contract.classes,
            probabilities=probabilities,
            raw_probabilities=probabilities,
            possible_ids=(),
            possible_level=math.nan,
            novelty=math.nan,
            window_start_ns=window.start_ns,
            window_index=window.index,
            coverage=window.coverage,
            inference_s=inference_s,
            model_digest=self._contract.weights_sha256,
        )
