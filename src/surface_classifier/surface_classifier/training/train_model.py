# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""From a data set to a model on disk: train, calibrate and score on held-out recordings, write the contract, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from surface_classifier import __version__
from surface_classifier.data.dataset import Dataset
from surface_classifier.data.json_values import finite
from surface_classifier.data.splits import held_out_parts
from surface_classifier.model.checkpoint import check_model_target, normalisation_of, save_model
from surface_classifier.model.contract import ModelContract
from surface_classifier.training.confidence.fit_confidence import fit_confidence
from surface_classifier.training.confidence.novelty_fit import NOVELTY_PARTS, fit_novelty
from surface_classifier.training.confidence.predictions import Predictions
from surface_classifier.training.cross_fit import belief_of_labels, predict_held_out, streams_for_calibration
from surface_classifier.training.loop import EpochResult, TrainingCancelledError, TrainingResult, train
from surface_classifier.training.metrics import scores
from surface_classifier.training.training_config import TrainingConfig


def train_model(
    dataset: Dataset,
    path: Path | str,
    config: TrainingConfig,
    seed: int = 0,
    *,
    windows: np.ndarray[Any, np.dtype[np.int64]] | None = None,
    overwrite: bool = False,
    on_epoch: Callable[[EpochResult], None] | None = None,
    on_fold: Callable[[int], object] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[ModelContract, TrainingResult]:
    """Train a model and write it.

    Args:
        dataset: Windows and labels.
        path: Folder to make.
        config: The recipe.
        seed: Seed of the run.
        windows: Indices of the windows to use; all when None.
        overwrite: Replace a model that is there already.
        on_epoch: Called after every epoch.
        on_fold: Called with 1 after each of the recipe's `calibration_folds`.
        cancelled: Asked before every step; training stops when it says so.

    Returns:
        The contract of the written model, and how the training went.

    Raises:
        SurfaceError: The data set cannot be learnt from, or the model cannot be written there.
        TrainingCancelledError: `cancelled` said so; nothing was written.
    """
    check_model_target(path, overwrite)
    result = train(dataset, config, seed, windows=windows, on_epoch=on_epoch, cancelled=cancelled)
    if cancelled is not None and cancelled():
        raise TrainingCancelledError('cancelled after the last epoch')
    streams = streams_for_calibration(dataset)
    held_out = predict_held_out(dataset, result, seed, streams=streams, on_fold=on_fold, cancelled=cancelled)
    belief = belief_of_labels(dataset, result.windows, result.train_windows, result.config.class_balance)
    confidence = fit_confidence(held_out, belief)
    divisions = held_out_parts(dataset, result.windows, NOVELTY_PARTS, seed)
    novelty_test = fit_novelty(dataset, result.windows, divisions, seed)
    contract = ModelContract(
        config=dataset.config,
        classes=dataset.classes,
        architecture=result.config.network.to_dict(),
        normalisation=normalisation_of(result.network, dataset.config),
        calibration=confidence.calibration,
        training_data=_describe_training_data(dataset, result),
        training={**result.config.to_dict(), 'epochs_run': len(result.epochs), 'best_epoch': result.best_epoch},
        seed=seed,
        scores=_scores_of_early_stopping(held_out),
        belief={} if confidence.belief is None else confidence.belief.to_dict(),
        conformal=confidence.conformal,
        created_by=f'surface_classifier {__version__}',
        weights_sha256='',
        onnx_sha256='',
    )
    curve = json.dumps(finite({'epochs': [asdict(epoch) for epoch in result.epochs]}), indent=1) + '\n'
    saved = save_model(path, result.network, contract, overwrite, novelty_test=novelty_test, curve=curve)
    return saved, result


def _describe_training_data(dataset: Dataset, result: TrainingResult) -> dict[str, Any]:
    def names(windows: np.ndarray[Any, np.dtype[np.int64]]) -> list[str]:
        if not dataset.has_recordings:
            return []
        return [dataset.recording_names[k] for k in np.unique(dataset.recording[windows])]

    return {
        'digest': dataset.digest,
        'windows': len(result.train_windows),
        'recordings': names(result.train_windows),
        'held_out_windows': len(result.validation_windows),
        'held_out_recordings': names(result.validation_windows),
        'split': 'by recording' if dataset.has_recordings else 'by window, as no recordings are known',
    }


def _scores_of_early_stopping(held_out: Predictions) -> dict[str, float]:
    """Scores on the windows that chose the best epoch, so a little better than on unseen data."""
    rows = held_out.rows(held_out.chose_epoch)
    return scores(rows.labels, rows.predicted) if len(rows) else {}
