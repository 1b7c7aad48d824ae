# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the belief filter (`model/belief.py`): from the labels of recordings, and from held-out predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from surface_classifier.model.belief import BeliefSettings, filter_sequence
from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.training.confidence.predictions import StreamPredictions
from surface_classifier.training.training_config import ClassBalance

# What is believed of the time on a surface before a recording says more: so many changes, each after so many seconds.
PRIOR_DWELL_S, PRIOR_CHANGES = 20.0, 2.0
SWITCH_MARGIN = 0.1
ACCURACY_TOLERANCE = 0.005
WEIGHT_FACTORS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)

Ids = NDArray[np.int64]


def class_prior(labels: Ids, classes: int, balance: ClassBalance) -> tuple[float, ...]:
    """Return the prior of the classes in the answers of a network that was trained on windows of these labels."""
    counts = np.bincount(labels, minlength=classes) + 1.0
    share = np.full(classes, 1.0 / classes) if balance != 'none' else counts / counts.sum()
    return tuple(share.tolist())


def first_belief(
    config: WindowConfig, prior: tuple[float, ...], *, labels: Ids, recording: Ids, start_ns: Ids, end_ns: Ids
) -> BeliefSettings:
    """Return settings from the labels of recordings alone, before any classifier has predicted.

    The mean time on a surface is that of the labelled stretches in recordings with a change of surface. A recording of
    one surface says nothing of it, since the recording was stopped there; and two changes after 20 s each are assumed
    before any is seen. Windows of which so many overlap count as one together.

    Args:
        config: How the windows were cut.
        prior: Prior probability of each class in the predictions.
        labels: Class of each window, (windows,).
        recording: Recording of each window, (windows,).
        start_ns: Stamp of the first sample of each window, (windows,) [ns].
        end_ns: Stamp of the last sample of each window, (windows,) [ns].
    """
    order = np.lexsort((start_ns, recording))
    seconds, changes = PRIOR_DWELL_S * PRIOR_CHANGES, PRIOR_CHANGES
    for found in np.split(order, np.flatnonzero(np.diff(recording[order])) + 1):
        changed = int((np.diff(labels[found]) != 0).sum())
        if changed:
            span_ns = int(end_ns[found[-1]]) - int(start_ns[found[0]])
            seconds, changes = seconds + span_ns / 1e9, changes + changed
    dwell_s = seconds / changes
    return BeliefSettings(
        dwell_s=dwell_s,
        evidence_weight=min(1.0, config.stride_samples / config.window_samples),
        switch_margin=SWITCH_MARGIN,
        longest_gap_s=max(dwell_s, 3.0 * config.stride_s),
        class_prior=prior,
    )


def tune_belief(
    settings: BeliefSettings, streams: Sequence[StreamPredictions], temperature: float = 1.0
) -> BeliefSettings:
    """Choose how much a window counts by the labels of held-out streams.

    A window that counts for more is followed sooner, and the label changes more often without need. The least weight is
    taken whose labels are right about as often as those of the best.

    Args:
        settings: Where to start.
        streams: Held-out predictions of streams; the settings stay as they are if none has a change of surface.
        temperature: Number by which logits are divided [1].
    """
    changing = [stream for stream in streams if stream.changes_ns]
    if not changing:
        return settings
    probabilities = [stream.probabilities(temperature) for stream in changing]
    weights = sorted({min(1.0, factor * settings.evidence_weight) for factor in WEIGHT_FACTORS})
    accuracies = []
    for weight in weights:
        chosen = replace(settings, evidence_weight=weight)
        right = [
            filter_sequence(chosen, found, stream.stamps_ns.tolist())[1] == stream.truth
            for stream, found in zip(changing, probabilities, strict=True)
        ]
        accuracies.append(float(np.concatenate(right).mean()))
    good_enough = max(accuracies) - ACCURACY_TOLERANCE
    return replace(
        settings, evidence_weight=next(w for w, a in zip(weights, accuracies, strict=True) if a >= good_enough)
    )
