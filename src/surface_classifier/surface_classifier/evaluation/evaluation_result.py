# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation gives: predictions of each classifier by fold and seed, and the scores computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surface_classifier.evaluation.comparison import by_group, compare, zero_accuracy_recordings
from surface_classifier.evaluation.motion_scores import WindowMotion
from surface_classifier.model.belief import BeliefSettings
from surface_classifier.training.confidence.calibration import reliability
from surface_classifier.training.confidence.predictions import Predictions
from surface_classifier.training.metrics import confusion, per_class_scores, scores

Ids = NDArray[np.int64]
CLASSIFIERS = ('lstm', 'trees', 'nearest_mean', 'majority')
# Those that give probabilities, whose labels can be filtered.
SEQUENCED = ('lstm', 'trees')


@dataclass(frozen=True)
class FoldPredictions:
    """What one classifier predicted of one test set, and how that is read.

    Attributes:
        fold: Number of the fold.
        seed: Seed of the training run.
        predictions: Of the tested windows.
        temperature: Number by which logits are divided to get probabilities [1]; None if the classifier gives none.
        belief: The filter of its labels on streams; None where none was chosen.
    """

    fold: int
    seed: int
    predictions: Predictions
    temperature: float | None = None
    belief: BeliefSettings | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            'fold': self.fold,
            'seed': self.seed,
            'predictions': self.predictions.to_json(),
            'temperature': self.temperature,
            'belief': None if self.belief is None else self.belief.to_dict(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FoldPredictions:
        """Return what `to_json` gave."""
        belief = values['belief']
        return cls(
            fold=values['fold'],
            seed=values['seed'],
            predictions=Predictions.from_json(values['predictions']),
            temperature=values['temperature'],
            belief=None if belief is None else BeliefSettings.from_dict(belief),
        )


@dataclass(frozen=True)
class EvaluationResult:
    """All predictions of an evaluation and what is needed to read them.

    Attributes:
        classes: Class names; predictions and truth are indices into it.
        truth: True class of every window of the data set.
        recording_names: Name of the recording of every window, or of the fold where no recordings are known.
        recordings: Number of recordings tested; 0 where none are known.
        protocol: How training and test were divided, in words.
        seconds: How long it took [s].
        predictions: By classifier: `lstm`, `trees`, `nearest_mean`, `majority`; None where there was nothing to fit on.
        epochs: Learning curves of the LSTM: fold, seed and the fields of `EpochResult`.
        notes: What a reader of the scores should know.
        provenance: Digest of the data set, recipe, and what else the numbers hang on.
        streams: By classifier, scores of its filtered labels on joined streams; empty if that was not asked for.
        motion: How the robot moved in each window; None where it is unknown.
    """

    classes: tuple[str, ...]
    truth: Ids
    recording_names: Sequence[str]
    recordings: int
    protocol: str
    seconds: float
    predictions: Mapping[str, Sequence[FoldPredictions] | None]
    epochs: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    streams: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    motion: WindowMotion | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON types.

        `lstm`, `trees`, `nearest_mean` and `majority` hold `accuracy`, `balanced_accuracy` and `macro_f1` (means over
        `per_fold`, whose entries carry `fold` and `seed`), `per_class` and `confusion` (over all tested windows), and
        `predictions`: for each recording its `fold` and, window by window in time order and seed after seed, `truth`
        and `predicted` as indices into `classes`, with the `seed` of each. Where a classifier gives probabilities,
        `reliability` compares its confidence with its accuracy.

        `comparison` holds the accuracy of each over all windows and the LSTM's lead, with intervals from a paired
        bootstrap over recordings, a `sentence`, the recordings with 0 % accuracy (`zero_accuracy`) and, where the
        motion is known, accuracy `by_motion` and `by_speed`.
        """
        models = {name: self._model(found) if found else None for name, found in self.predictions.items()}
        if models.get('lstm') is not None:
            models['lstm'] = {**models['lstm'], 'epochs': [dict(epoch) for epoch in self.epochs]}  # type: ignore[dict-item]
        return {
            **models,
            'comparison': self._comparison(),
            'streams': {name: dict(found) for name, found in self.streams.items()},
            'windows': len(self.truth),
            'recordings': self.recordings,
            'classes': list(self.classes),
            'protocol': self.protocol,
            'notes': list(self.notes),
            'provenance': dict(self.provenance),
            'seconds': self.seconds,
        }

    def _comparison(self) -> dict[str, Any]:
        right: dict[str, NDArray[np.float64]] = {}
        for name, runs in self.predictions.items():
            if runs:
                total, times = np.zeros(len(self.truth)), np.zeros(len(self.truth))
                for found in (run.predictions for run in runs):
                    total[found.windows] += found.predicted == found.labels
                    times[found.windows] += 1
                right[name] = np.divide(total, times, out=np.full(len(total), np.nan), where=times > 0)
        tested = np.all([~np.isnan(values) for values in right.values()], axis=0)
        right = {name: values[tested] for name, values in right.items()}
        recording = [name for name, known in zip(self.recording_names, tested, strict=True) if known]
        comparison = compare(right, recording)
        comparison['zero_accuracy'] = {
            name: zero_accuracy_recordings(right[name], recording) for name in right if name in SEQUENCED
        }
        if self.motion is not None:
            for key, groups in (('by_motion', self.motion.motion), ('by_speed', self.motion.speed_bin)):
                comparison[key] = by_group(right, [name for name, known in zip(groups, tested, strict=True) if known])
        return comparison

    def _model(self, runs: Sequence[FoldPredictions]) -> dict[str, Any]:
        per_fold = [
            {
                'fold': run.fold,
                'seed': run.seed,
                'windows': len(run.predictions),
                **scores(run.predictions.labels, run.predictions.predicted),
            }
            for run in runs
        ]
        truth = np.concatenate([run.predictions.labels for run in runs])
        predicted = np.concatenate([run.predictions.predicted for run in runs])
        calibrated = [run.predictions.probabilities(run.temperature) for run in runs if run.temperature is not None]
        known = {'reliability': reliability(np.concatenate(calibrated), truth).to_dict()} if calibrated else {}
        return {
            **known,
            **{
                name: float(np.mean([fold[name] for fold in per_fold]))
                for name in ('accuracy', 'balanced_accuracy', 'macro_f1')
            },
            'per_fold': per_fold,
            'per_class': per_class_scores(truth, predicted, self.classes),
            'confusion': confusion(truth, predicted, len(self.classes)),
            'predictions': self._by_recording(runs),
        }

    def _by_recording(self, runs: Sequence[FoldPredictions]) -> dict[str, dict[str, Any]]:
        by_recording: dict[str, dict[str, Any]] = {}
        for run in runs:
            found = run.predictions
            rows = zip(found.windows.tolist(), found.labels.tolist(), found.predicted.tolist(), strict=True)
            for window, truth, predicted in rows:
                entry = by_recording.setdefault(
                    self.recording_names[window], {'fold': run.fold, 'seed': [], 'truth': [], 'predicted': []}
                )
                entry['seed'].append(run.seed)
                entry['truth'].append(truth)
                entry['predicted'].append(predicted)
        return by_recording
