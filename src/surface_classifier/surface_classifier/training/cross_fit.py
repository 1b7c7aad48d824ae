# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Makes held-out predictions: of windows that a classifier was not fitted on, once, for all that is chosen from them.

Cross-fitting divides whole recordings into parts; for each part a classifier is fitted on the other parts and predicts
it (Chernozhukov et al., "Double/debiased machine learning for treatment and structural parameters", 2018).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from surface_classifier.data.dataset import Dataset
from surface_classifier.data.joined_streams import ORDERS, join_recordings
from surface_classifier.data.splits import held_out_parts
from surface_classifier.model.belief import BeliefSettings
from surface_classifier.model.network.ensemble import Network
from surface_classifier.training.confidence.belief_fit import class_prior, first_belief
from surface_classifier.training.confidence.predictions import (
    UNKNOWN_RECORDING,
    Classifier,
    Predictions,
    StreamPredictions,
    join_predictions,
)
from surface_classifier.training.hold_out import hold_out, recipe_that_fits
from surface_classifier.training.loop import TrainingCancelledError, TrainingResult, train
from surface_classifier.training.prepared_windows import predict_logits
from surface_classifier.training.training_config import ClassBalance, TrainingConfig

Ids = NDArray[np.int64]
Values = NDArray[np.float64]
Division = tuple[Ids, Ids]


def network_classifier(network: Network) -> Classifier:
    """Return a network as a classifier of windows in float64."""

    def classify(parts: Sequence[Values]) -> Values:
        tensors = [torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32)) for part in parts]
        logits: Values = predict_logits(network, tensors).double().numpy()
        return logits

    return classify


def predict(
    dataset: Dataset,
    windows: Ids,
    classify: Classifier,
    *,
    fitted: Ids | None = None,
    chose_epoch: bool = False,
    streams: int = 0,
) -> Predictions:
    """Return what a classifier predicts of windows.

    Args:
        dataset: The data set.
        windows: Indices of the windows.
        classify: The classifier.
        fitted: Indices of the windows that it was fitted on; None: it has seen none of this data set.
        chose_epoch: Whether `windows` also chose the epoch of its training.
        streams: Also join the windows' recordings into so many streams, each in a random order; no stream where no
            recordings are known.

    Raises:
        SurfaceError: Streams are asked for, and windows do not overlap or touch.
    """
    recording = np.full(len(dataset), UNKNOWN_RECORDING, dtype=np.int64)
    if dataset.has_recordings:
        recording = np.asarray(dataset.recording)
    # A slice of the data set stays on the disk.
    inputs = dataset.inputs(slice(None) if np.array_equal(windows, np.arange(len(dataset))) else windows)
    return Predictions.of(
        classify(inputs) if len(windows) else np.zeros((0, len(dataset.classes))),
        np.asarray(dataset.labels)[windows],
        recording[windows],
        np.asarray(dataset.end_ns)[windows],
        windows=windows,
        fitted=None if fitted is None else recording[fitted],
        chose_epoch=chose_epoch,
        streams=tuple(_predict_streams(dataset, windows, classify, streams)),
    )


def cross_fit(
    dataset: Dataset, divisions: Iterable[Division], fit: Callable[[Ids], Classifier], *, streams: int = 0
) -> Predictions:
    """Return predictions of each division's held-out windows by a classifier that was fitted on the others.

    Args:
        dataset: The data set.
        divisions: Indices of the windows that are kept and of those held out, of whole recordings.
        fit: Fits a classifier on windows.
        streams: As in `predict`.
    """
    found = [predict(dataset, held, fit(kept), fitted=kept, streams=streams) for kept, held in divisions]
    return join_predictions(found) if found else _none(dataset)


def calibration_divisions(dataset: Dataset, windows: Ids, config: TrainingConfig, seed: int) -> list[Division]:
    """Return the divisions into the recipe's `calibration_folds`; none where no recordings are known."""
    if config.calibration_folds == 0 or not dataset.has_recordings:
        return []
    return held_out_parts(dataset, windows, config.calibration_folds, seed)


def streams_for_calibration(dataset: Dataset) -> int:
    """Return into how many streams recordings are joined to choose the belief filter; 0 where they cannot be joined."""
    touch = dataset.config.stride_samples <= dataset.config.window_samples
    return ORDERS if dataset.has_recordings and touch else 0


def predict_held_out(
    dataset: Dataset,
    result: TrainingResult,
    seed: int = 0,
    *,
    streams: int = 0,
    on_fold: Callable[[int], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Predictions:
    """Return what networks of a recipe predict of the windows that they were not trained on.

    Those are the windows that chose the epoch of the network, and all windows by cross-fitting if the recipe has
    `calibration_folds`.

    Args:
        dataset: The data set that the network was trained on.
        result: The training.
        seed: Seed of the trainings.
        streams: As in `predict`; such as `streams_for_calibration`.
        on_fold: Called with 1 whenever one of the `calibration_folds` has been trained.
        cancelled: Asked before every step of these trainings.

    Raises:
        TrainingCancelledError: `cancelled` said so.
    """
    windows = result.windows
    divisions = calibration_divisions(dataset, windows, result.config, seed)
    by_recording = result.config.validation_split == 'recording'
    held_out = predict(
        dataset,
        result.validation_windows,
        network_classifier(result.network),
        # Windows that are drawn one by one leak: they say nothing of new recordings.
        fitted=result.train_windows if by_recording else windows,
        chose_epoch=True,
        streams=streams if by_recording and not divisions else 0,
    )

    def fit(kept: Ids) -> Classifier:
        if cancelled is not None and cancelled():
            raise TrainingCancelledError('cancelled while calibrating')
        recipe, why = recipe_that_fits(dataset, kept, result.config, seed)
        if why:
            logging.getLogger(__name__).warning('a network for calibration is %s', why)
        further = train(dataset, recipe, seed, windows=kept, cancelled=cancelled)
        if on_fold is not None:
            on_fold(1)
        return network_classifier(further.network)

    return join_predictions([held_out, cross_fit(dataset, divisions, fit, streams=streams)])


def predict_held_out_by(
    fit: Callable[[Ids], Classifier], dataset: Dataset, windows: Ids, config: TrainingConfig, seed: int, streams: int
) -> Predictions:
    """Return what another classifier predicts of the windows on which networks of a recipe are calibrated.

    No row chose an epoch. There are no rows where the recipe holds out no recordings.

    Args:
        fit: Fits the classifier on windows.
        dataset: The data set.
        windows: Indices of the windows to fit on and to hold out.
        config: The recipe.
        seed: Seed of the divisions.
        streams: As in `predict`.
    """
    divisions = calibration_divisions(dataset, windows, config, seed)
    if not divisions and config.validation_fraction > 0 and config.validation_split == 'recording':
        divisions = [hold_out(dataset, windows, config.validation_fraction, seed)]
    return cross_fit(dataset, divisions, fit, streams=streams)


def belief_of_labels(dataset: Dataset, windows: Ids, fitted: Ids, balance: ClassBalance) -> BeliefSettings | None:
    """Return the belief filter before any prediction is known; None where no recordings are known.

    Args:
        dataset: The data set.
        windows: Indices of the windows that the classifier is fitted on, and of those held out.
        fitted: Indices of the windows that it is fitted on, of which come the prior probabilities in its predictions.
        balance: How the classes are balanced in fitting it.
    """
    if not dataset.has_recordings:
        return None
    labels = np.asarray(dataset.labels)
    return first_belief(
        dataset.config,
        class_prior(labels[fitted], len(dataset.classes), balance),
        labels=labels[windows],
        recording=np.asarray(dataset.recording)[windows],
        start_ns=np.asarray(dataset.start_ns)[windows],
        end_ns=np.asarray(dataset.end_ns)[windows],
    )


def _predict_streams(dataset: Dataset, windows: Ids, classify: Classifier, count: int) -> Iterable[StreamPredictions]:
    if len(windows) == 0 or not dataset.has_recordings:
        return
    for seed in range(count):
        stream = join_recordings(dataset, windows, seed)
        if stream is not None:
            yield StreamPredictions(
                classify(stream.parts), stream.truth, stream.stamps_ns, stream.changes_ns, stream.unlabelled
            )


def _none(dataset: Dataset) -> Predictions:
    return predict(dataset, np.zeros(0, dtype=np.int64), lambda _: np.zeros((0, len(dataset.classes))))
