# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From one window to one label: the same object in the classifier node and in offline classification.

A label has the fields of `surface_msgs/SurfaceLabel`. Windows go through one at a time and in the order of time, live
and offline, so that equal streams of windows give equal labels. What was believed before is part of a label: `reset`
begins again, as for another recording.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surface_classifier.model.belief import BeliefFilter
from surface_classifier.model.engine import InferenceEngine
from surface_classifier.model.label import UNKNOWN_ID, UNKNOWN_SURFACE, Label, Reason
from surface_classifier.model.novelty import NoveltyAverage
from surface_classifier.model.novelty_pass import NoveltyPass
from surface_classifier.signal.window_stream import Window


class Labeller:
    """Labels the windows of one stream with one model.

    Attributes:
        engine: Runs the model.
        part_names: Names of the parts that its network sees.
    """

    def __init__(
        self, engine: InferenceEngine, *, possible_level: float | None = None, check_novelty: bool = True
    ) -> None:
        """Take the model to label with; its windows must be of the model's configuration (`check_compatible`).

        Args:
            engine: Runs the model.
            possible_level: Coverage of the surfaces that are named as possible; None: none are named [1].
            check_novelty: Ask whether windows are like the training data; else every measured window gets a label, with
                the reason NOT_CHECKED.

        Raises:
            SurfaceError: The model has no sets of possible surfaces of that level.
        """
        self.engine = engine
        self._contract = contract = engine.contract
        self.part_names = tuple(part.name for part in contract.config.input_parts)
        self._motion_part = contract.config.motion_part
        self._possible_level = math.nan if possible_level is None else possible_level
        self._threshold = None if possible_level is None else contract.possible_threshold(possible_level)
        settings = contract.belief_settings
        self._belief = None if settings is None else BeliefFilter(settings)
        self._test = test = engine.novelty_test if check_novelty else None
        self._pass = None if test is None else NoveltyPass(test)
        self._scores = None if test is None else NoveltyAverage(float(test.memory_s[0]))

    def reset(self) -> None:
        """Forget what was believed, as at the start of a recording."""
        if self._belief is not None:
            self._belief.reset()
        if self._scores is not None:
            self._scores.reset()

    def label(self, window: Window) -> Label:
        """Label one window, which ends later than the one before.

        The surface is unknown when the window was measured less completely than the training data had to be, when its
        values (an infinite current) leave the model without an answer, or when it is unlike all that the model was
        trained on; such a window does not count in what is believed. Else it is the surface that is believed in.
        """
        begin = time.perf_counter()
        parts = [window.parts[name] for name in self.part_names]
        raw = self.engine.predict([part[np.newaxis] for part in parts])[0]
        reason, novelty = self._check(window, parts, raw)
        if not np.isfinite(raw).all():
            raw = np.full(len(self._contract.classes), 1.0 / len(self._contract.classes))
        known = reason in (Reason.NONE, Reason.NOT_CHECKED)
        believed, likeliest = self._believe(raw if known else None, raw, window.end_ns)
        inference_s = time.perf_counter() - begin
        return Label(
            stamp_ns=window.end_ns,
            surface=self._contract.classes[likeliest] if known else UNKNOWN_SURFACE,
            surface_id=likeliest + 1 if known else UNKNOWN_ID,
            known=known,
            reason=reason,
            confidence=float(believed[likeliest]),
            class_names=self._contract.classes,
            probabilities=believed,
            raw_probabilities=raw,
            possible_ids=self._possible_ids(raw) if known else (),
            possible_level=self._possible_level,
            novelty=novelty,
            window_start_ns=window.start_ns,
            window_index=window.index,
            coverage=window.coverage,
            inference_s=inference_s,
            model_digest=self._contract.weights_sha256,
        )

    def _check(
        self, window: Window, parts: Sequence[NDArray[np.float64]], raw: NDArray[np.float64]
    ) -> tuple[Reason, float]:
        """Say why the label cannot be trusted, if it cannot, and how unlike the training data the window is [1]."""
        if not np.isfinite(raw).all():
            return Reason.BAD_SENSOR, math.nan
        if window.coverage < self._contract.config.min_coverage:
            return Reason.LOW_COVERAGE, math.nan
        test = self._test
        if test is None or self._pass is None or self._scores is None:
            return Reason.NOT_CHECKED, math.nan
        fault, score = self._pass.check(parts)
        if fault is not None:
            return (Reason.STANDING_STILL if fault == 'standing_still' else Reason.BAD_SENSOR), math.nan
        motion_novelty = 0.0
        if test.motion is not None and self._motion_part is not None:
            motion_novelty = float(test.motion.novelty(window.parts[self._motion_part.name][np.newaxis])[0])
            if motion_novelty > 1.0:
                # What the currents are like says nothing here, nor in the average when the motion is a known one again.
                return Reason.UNSEEN_MOTION, motion_novelty
        novelty = test.novelty(self._scores.add(score, window.end_ns))
        return (Reason.UNSEEN_SURFACE if novelty > 1.0 else Reason.NONE), max(novelty, motion_novelty)

    def _believe(
        self, evidence: NDArray[np.float64] | None, raw: NDArray[np.float64], stamp_ns: int
    ) -> tuple[NDArray[np.float64], int]:
        """Return what is believed now, and the index of the surface that is held to be true."""
        if self._belief is None:
            return raw, int(np.argmax(raw))
        believed = self._belief.update(evidence, stamp_ns)
        label = self._belief.label
        return believed, int(np.argmax(believed)) if label is None or evidence is None else label

    def _possible_ids(self, raw: NDArray[np.float64]) -> tuple[int, ...]:
        if self._threshold is None:
            return ()
        # The likeliest is always possible: an empty set would say that the sets were not computed.
        return tuple(int(k) + 1 for k in np.flatnonzero(raw >= min(self._threshold, raw.max())))
