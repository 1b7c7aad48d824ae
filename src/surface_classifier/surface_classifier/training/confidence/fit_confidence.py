# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What makes a trained network's answers trustworthy: temperature, belief over time, conformal sets, novelty test.

All of it is chosen on recordings that were held out when the network was trained (for early stopping, which makes the
network a little better on them than on a new drive). They are few, so that what they say is drawn towards what is to be
expected without them: a temperature of 1, and windows that count as much as they overlap. A recipe that holds nothing
out can have further networks trained instead, each without a part of the recordings (`calibration_folds`): then all
recordings have their say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from surface_classifier.data.dataset import Dataset
from surface_classifier.data.joined_streams import ORDERS, Stream, join_recordings
from surface_classifier.data.splits import held_out_parts
from surface_classifier.model.belief import BeliefSettings, filter_sequence
from surface_classifier.model.engine import softmax
from surface_classifier.model.novelty import NoveltyTest
from surface_classifier.training.confidence.calibration import fit_temperature, match_confidence
from surface_classifier.training.confidence.conformal import conformal_thresholds
from surface_classifier.training.confidence.novelty_fit import fit_novelty
from surface_classifier.training.loop import TrainingCancelledError, TrainingResult, train
from surface_classifier.training.prepared_windows import predict_logits, resident
from surface_classifier.training.training_config import ClassBalance

# What is believed of the time on a surface before a recording says more: so many changes, each after so many seconds.
PRIOR_DWELL_S, PRIOR_CHANGES = 20.0, 2.0
SWITCH_MARGIN = 0.1
# As many held-out recordings count as much as the expectation that the temperature is 1.
PRIOR_RECORDINGS = 8.0
ACCURACY_TOLERANCE = 0.005
WEIGHT_FACTORS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
NOVELTY_PARTS = 4

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Confidence:
    """How a network's answers become labels.

    Attributes:
        calibration: `temperature` [1], and the `method` that chose it; what a contract states.
        belief: How evidence adds up over windows; None: no recordings are known, so windows have no order.
        conformal: `levels` and `thresholds`; empty: no recordings were held out.
        novelty_test: Tells windows unlike the training data; None if it was not asked for.
    """

    calibration: Mapping[str, Any]
    belief: BeliefSettings | None
    conformal: Mapping[str, Any]
    novelty_test: NoveltyTest | None

    @property
    def temperature(self) -> float:
        """Number by which logits are divided [1]."""
        return float(self.calibration['temperature'])


@dataclass(frozen=True)
class _Judged:
    """Whole recordings, and a network that was not trained on them.

    Attributes:
        result: The training of the network.
        windows: Indices of the recordings' windows.
    """

    result: TrainingResult
    windows: Ids


def fit_confidence(
    dataset: Dataset,
    result: TrainingResult,
    seed: int = 0,
    *,
    novelty: bool = True,
    on_fold: Callable[[int], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Confidence:
    """Choose what makes a network's answers trustworthy.

    Args:
        dataset: The data set it was trained on.
        result: The training.
        seed: Seed of the novelty test, and of further networks.
        novelty: Fit the test for windows unlike the training data, too.
        on_fold: Called with 1 whenever one of the recipe's `calibration_folds` has been trained.
        cancelled: Asked before every step of these trainings.

    Raises:
        TrainingCancelledError: `cancelled` said so.
    """
    windows = np.sort(np.concatenate([result.train_windows, result.validation_windows]))
    labels, recording = np.asarray(dataset.labels), np.asarray(dataset.recording)
    judged = _judge(dataset, result, windows, seed, on_fold, cancelled)
    calibration: dict[str, Any] = {'method': 'none', 'temperature': 1.0}
    conformal: dict[str, Any] = {}
    if judged:
        logits = np.concatenate(
            [predict_logits(of.result.network, resident(dataset, of.windows)).double().numpy() for of in judged]
        )
        held_out = np.concatenate([of.windows for of in judged])
        recordings = len(np.unique(recording[held_out]))
        if len(judged) == 1:
            found = fit_temperature(logits, labels[held_out])
            share = recordings / (recordings + PRIOR_RECORDINGS)
            method = 'temperature on held-out recordings, drawn towards 1'
        else:
            found, share = match_confidence(logits, labels[held_out]), 1.0
            method = f'mean confidence as accuracy on held-out recordings of {len(judged)} further networks'
        calibration = {
            'method': method,
            'temperature': float(found**share),
            'fitted_temperature': found,
            'recordings': recordings,
            'windows': len(held_out),
        }
        thresholds = conformal_thresholds(
            softmax(logits / calibration['temperature']), labels[held_out], recording[held_out]
        )
        # A threshold of 0 says that there are too few recordings to state the level.
        stated = {level: threshold for level, threshold in thresholds.items() if threshold > 0.0}
        conformal = {'levels': list(stated), 'thresholds': list(stated.values()), 'recordings': recordings}
    belief = None
    if dataset.has_recordings:
        prior = class_prior(labels[result.train_windows], len(dataset.classes), result.config.class_balance)
        belief = first_belief(dataset, windows, prior)
        streams = [(of, stream) for of in judged for stream in held_out_streams(dataset, of.windows)]
        temperature = float(calibration['temperature'])
        answers = [answer_stream(of.result, stream, temperature) for of, stream in streams]
        belief = tune_belief(belief, [stream for _, stream in streams], answers)
    return Confidence(
        calibration=calibration,
        belief=belief,
        conformal=conformal if conformal.get('levels') else {},
        novelty_test=fit_novelty(dataset, windows, held_out_parts(dataset, windows, NOVELTY_PARTS, seed), seed)
        if novelty
        else None,
    )


def _judge(
    dataset: Dataset,
    result: TrainingResult,
    windows: Ids,
    seed: int,
    on_fold: Callable[[int], object] | None,
    cancelled: Callable[[], bool] | None,
) -> list[_Judged]:
    """Return recordings with networks that were not trained on them; none where no recordings are known."""
    config = result.config
    if not dataset.has_recordings:
        return []  # what is held out could be of a drive that was trained on
    if len(result.validation_windows):
        # Single windows of recordings that were trained on say nothing of new recordings.
        return [_Judged(result, result.validation_windows)] if config.validation_split == 'recording' else []
    if config.calibration_folds == 0:
        return []
    judged = []
    for kept, held_out in held_out_parts(dataset, windows, config.calibration_folds, seed):
        if cancelled is not None and cancelled():
            raise TrainingCancelledError('cancelled while calibrating')
        judged.append(_Judged(train(dataset, config, seed, windows=kept, cancelled=cancelled), held_out))
        if on_fold is not None:
            on_fold(1)
    return judged


def class_prior(labels: Ids, classes: int, balance: ClassBalance) -> tuple[float, ...]:
    """Return the prior of the classes in the answers of a network that was trained on windows of these labels."""
    counts = np.bincount(labels, minlength=classes) + 1.0
    share = np.full(classes, 1.0 / classes) if balance != 'none' else counts / counts.sum()
    return tuple(share.tolist())


def first_belief(dataset: Dataset, windows: Ids, prior: tuple[float, ...]) -> BeliefSettings:
    """Return settings from the recordings' labels alone, before any network has answered.

    The mean time on a surface is that of the labelled stretches in recordings with a change of surface. A recording of
    one surface says nothing of it, since whoever made it stopped there; and two changes after 20 s each are assumed
    before any is seen. Windows of which so many overlap count as one together.
    """
    labels, recording = np.asarray(dataset.labels)[windows], np.asarray(dataset.recording)[windows]
    order = np.lexsort((np.asarray(dataset.start_ns)[windows], recording))
    seconds, changes = PRIOR_DWELL_S * PRIOR_CHANGES, PRIOR_CHANGES
    for found in np.split(order, np.flatnonzero(np.diff(recording[order])) + 1):
        changed = int((np.diff(labels[found]) != 0).sum())
        if changed:
            chosen = windows[found]
            span_ns = int(dataset.end_ns[chosen[-1]]) - int(dataset.start_ns[chosen[0]])
            seconds, changes = seconds + span_ns / 1e9, changes + changed
    config = dataset.config
    dwell_s = seconds / changes
    return BeliefSettings(
        dwell_s=dwell_s,
        evidence_weight=min(1.0, config.stride_samples / config.window_samples),
        switch_margin=SWITCH_MARGIN,
        longest_gap_s=max(dwell_s, 3.0 * config.stride_s),
        class_prior=prior,
    )


def held_out_streams(dataset: Dataset, held_out: Ids) -> list[Stream]:
    """Return streams of held-out recordings in a few random orders; none where windows do not overlap or touch."""
    if len(held_out) == 0 or dataset.config.stride_samples > dataset.config.window_samples:
        return []
    joined = [join_recordings(dataset, held_out, seed) for seed in range(ORDERS)]
    return [stream for stream in joined if stream is not None and stream.changes_ns]


def answer_stream(result: TrainingResult, stream: Stream, temperature: float) -> Values:
    """Return what a network says of each window of a stream, (windows, classes)."""
    parts = [torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32)) for part in stream.parts]
    return softmax(predict_logits(result.network, parts).double().numpy() / temperature)


def tune_belief(settings: BeliefSettings, streams: Sequence[Stream], answers: Sequence[Values]) -> BeliefSettings:
    """Choose how much a window counts by the labels of held-out streams.

    A window that counts for more is followed sooner, and the label changes more often without need. The least weight is
    taken whose labels are right about as often as those of the best.

    Args:
        settings: Where to start.
        streams: Streams of held-out recordings; the settings stay as they are without any.
        answers: What the classifier says of their windows, (windows, classes) each.
    """
    if not streams:
        return settings
    weights = sorted({min(1.0, factor * settings.evidence_weight) for factor in WEIGHT_FACTORS})
    accuracies = []
    for weight in weights:
        chosen = replace(settings, evidence_weight=weight)
        right = [
            filter_sequence(chosen, found, stream.stamps_ns.tolist())[1] == stream.truth
            for stream, found in zip(streams, answers, strict=True)
        ]
        accuracies.append(float(np.concatenate(right).mean()))
    good_enough = max(accuracies) - ACCURACY_TOLERANCE
    return replace(
        settings, evidence_weight=next(w for w, a in zip(weights, accuracies, strict=True) if a >= good_enough)
    )
