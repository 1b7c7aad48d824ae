# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Predictions as a value: what a classifier says of windows, and which of them say something of new recordings.

They are made once (`cross_fit`), for the LSTM and for the extra trees alike. Temperature, conformal sets, belief
filter, scores and report are functions of them and need neither the classifier nor the data set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surface_classifier.model.engine import softmax

UNKNOWN_RECORDING = -1

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
Values = NDArray[np.float64]
# From windows, (windows, samples, channels) for each part, to logits, (windows, classes).
Classifier = Callable[[Sequence[Values]], Values]

_SMALLEST_PROBABILITY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class StreamPredictions:
    """Predictions of the windows of one stream: pieces of recordings that were joined, with changes of surface.

    Attributes:
        logits: (windows, classes), in the order of the stream.
        truth: Surface at the end of each window, (windows,).
        stamps_ns: Stamp of each window's last sample, (windows,) [ns].
        changes_ns: Stamps of the first samples on another surface than before [ns].
        unlabelled: Strides at the beginning in which there cannot be a window yet.
    """

    logits: Values
    truth: Ids
    stamps_ns: Ids
    changes_ns: tuple[int, ...]
    unlabelled: int

    def probabilities(self, temperature: float = 1.0) -> Values:
        """Return the probability of each class at a temperature [1], (windows, classes)."""
        return softmax(self.logits / temperature)

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        arrays = {name: getattr(self, name).tolist() for name in ('logits', 'truth', 'stamps_ns')}
        return {**arrays, 'changes_ns': list(self.changes_ns), 'unlabelled': self.unlabelled}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> StreamPredictions:
        """Return the predictions that `to_json` gave."""
        return cls(
            logits=np.array(values['logits'], dtype=np.float64),
            truth=np.array(values['truth'], dtype=np.int64),
            stamps_ns=np.array(values['stamps_ns'], dtype=np.int64),
            changes_ns=tuple(values['changes_ns']),
            unlabelled=values['unlabelled'],
        )


@dataclass(frozen=True)
class Predictions:
    """Predictions of windows, one row for each.

    Attributes:
        windows: Index of the window in its data set, (rows,).
        logits: Of a classifier that gives probabilities their logarithm, (rows, classes).
        labels: True class, (rows,).
        recording: Index of the recording, -1 where none is known, (rows,).
        stamps_ns: Stamp of the window's last sample, (rows,) [ns].
        order: Place of the window in the stream of its recording, from 0, (rows,).
        classifier: Number of the classifier that predicted the row, from 0, (rows,).
        new_recording: Whether the classifier was fitted on no window of the row's recording, (rows,).
        chose_epoch: Whether the row also chose the epoch of the classifier's training, which makes the classifier a
            little better on it than on a new recording, (rows,).
        streams: Predictions of the rows' recordings, joined into streams; empty if that was not asked for.
    """

    windows: Ids
    logits: Values
    labels: Ids
    recording: Ids
    stamps_ns: Ids
    order: Ids
    classifier: Ids
    new_recording: Mask
    chose_epoch: Mask
    streams: tuple[StreamPredictions, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse columns of different lengths.

        Raises:
            ValueError: The column and both lengths are in the message.
        """
        for name in _COLUMNS:
            if len(getattr(self, name)) != len(self.windows):
                raise ValueError(f'{name} has {len(getattr(self, name))} rows, windows has {len(self.windows)}')

    @classmethod
    def of(
        cls,
        logits: Values,
        labels: Ids,
        recording: Ids,
        stamps_ns: Ids,
        *,
        windows: Ids | None = None,
        fitted: Ids | None = None,
        chose_epoch: bool = False,
        streams: Sequence[StreamPredictions] = (),
    ) -> Predictions:
        """Return the predictions of one classifier.

        Args:
            logits: (rows, classes).
            labels: True class, (rows,).
            recording: Index of the recording, -1 where none is known, (rows,).
            stamps_ns: Stamp of the window's last sample, (rows,) [ns].
            windows: Index of the window in its data set, (rows,); None: they are numbered through.
            fitted: Indices of the recordings that the classifier was fitted on; None: on none of these.
            chose_epoch: Whether the rows also chose the epoch of the classifier's training.
            streams: Predictions of the rows' recordings, joined into streams.
        """
        count = len(labels)
        seen = [UNKNOWN_RECORDING] if fitted is None else [*np.unique(fitted), UNKNOWN_RECORDING]
        return cls(
            windows=np.arange(count) if windows is None else windows,
            logits=logits,
            labels=labels,
            recording=recording,
            stamps_ns=stamps_ns,
            order=places_in_recordings(recording, stamps_ns),
            classifier=np.zeros(count, dtype=np.int64),
            new_recording=~np.isin(recording, seen),
            chose_epoch=np.full(count, chose_epoch),
            streams=tuple(streams),
        )

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def predicted(self) -> Ids:
        """The likeliest class of each row, (rows,)."""
        found: Ids = self.logits.argmax(axis=1)
        return found

    @property
    def classifiers(self) -> int:
        """How many classifiers predicted the rows."""
        return len(np.unique(self.classifier))

    @property
    def recordings(self) -> int:
        """How many recordings the rows are of."""
        return len(np.unique(self.recording))

    def probabilities(self, temperature: float = 1.0) -> Values:
        """Return the probability of each class at a temperature [1], (rows, classes)."""
        return softmax(self.logits / temperature)

    def rows(self, chosen: Mask | Ids) -> Predictions:
        """Return some rows, with all streams.

        Args:
            chosen: Whether to take each row, (rows,), or the numbers of the rows.
        """
        return replace(self, **{name: getattr(self, name)[chosen] for name in _COLUMNS})

    def for_calibration(self) -> Predictions:
        """Return the rows that say something of new recordings.

        Rows that also chose the epoch are taken only where there are no others.
        """
        unbiased = self.new_recording & ~self.chose_epoch
        return self.rows(unbiased if unbiased.any() else self.new_recording)

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        columns = {name: getattr(self, name).tolist() for name in _COLUMNS}
        return {**columns, 'streams': [stream.to_json() for stream in self.streams]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Predictions:
        """Return the predictions that `to_json` gave; of no rows it does not know the number of classes."""
        types = {'logits': np.float64, 'new_recording': np.bool_, 'chose_epoch': np.bool_}
        return cls(
            **{name: np.array(values[name], dtype=types.get(name, np.int64)) for name in _COLUMNS},
            streams=tuple(StreamPredictions.from_json(stream) for stream in values['streams']),
        )


_COLUMNS = tuple(column.name for column in fields(Predictions) if column.name != 'streams')


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Return predictions of several classifiers in one value, the classifiers numbered through.

    Args:
        parts: At least one.
    """
    firsts = np.cumsum([0, *(int(part.classifier.max(initial=-1)) + 1 for part in parts)])
    numbered = [replace(part, classifier=part.classifier + first) for part, first in zip(parts, firsts, strict=False)]
    return Predictions(
        **{name: np.concatenate([getattr(part, name) for part in numbered]) for name in _COLUMNS},
        streams=tuple(stream for part in parts for stream in part.streams),
    )


def logits_of_probabilities(probabilities: Values) -> Values:
    """Return logits whose softmax these probabilities are, (rows, classes); finite where a probability is 0."""
    logits: Values = np.log(np.maximum(probabilities, _SMALLEST_PROBABILITY))
    return logits


def logits_of_labels(labels: Ids, classes: int) -> Values:
    """Return logits of a classifier that names one class and is always certain, (rows, classes)."""
    return logits_of_probabilities(np.eye(classes)[labels])


def places_in_recordings(recording: Ids, stamps_ns: Ids) -> Ids:
    """Return the place of each row among those of its recording in time order, from 0, (rows,).

    Args:
        recording: Recording of each row; rows of `UNKNOWN_RECORDING` each stand for themselves, at 0.
        stamps_ns: Stamp of each row [ns].
    """
    places = np.zeros(len(recording), dtype=np.int64)
    by_time = np.lexsort((stamps_ns, recording))
    starts = np.flatnonzero(np.diff(recording[by_time], prepend=UNKNOWN_RECORDING - 1))
    lengths = np.diff([*starts, len(recording)])
    places[by_time] = np.arange(len(recording)) - np.repeat(starts, lengths)
    return np.where(recording == UNKNOWN_RECORDING, 0, places)
