# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Labels of streams with changes of surface, and their scores: accuracy, delay and false changes.

The labeller of a stream gets its windows and stamps, not the places of the joints.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surface_classifier.data.joined_streams import NANOSECONDS, Stream
from surface_classifier.model.belief import BeliefSettings, filter_sequence
from surface_classifier.training.confidence.predictions import StreamPredictions

TIME_EDGES_S = (0.0, 5.0, 10.0, 20.0, 40.0)

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class StreamLabels:
    """The labels of one stream.

    Attributes:
        truth: Surface at the end of each window, (windows,).
        stamps_ns: Stamp of each window's last sample, (windows,) [ns].
        changes_ns: Stamps of the first samples on another surface than before [ns].
        unlabelled: Strides at the beginning in which there cannot be a window yet.
        raw: The likeliest class of each window by itself, (windows,).
        filtered: Label of the belief filter, (windows,).
    """

    truth: Ids
    stamps_ns: Ids
    changes_ns: tuple[int, ...]
    unlabelled: int
    raw: Ids
    filtered: Ids


def label_streams(
    streams: Sequence[StreamPredictions], temperature: float, belief: BeliefSettings
) -> list[StreamLabels]:
    """Label streams with the filter.

    Args:
        streams: Predictions of their windows.
        temperature: Number by which logits are divided [1].
        belief: The filter.
    """
    found = []
    for stream in streams:
        given = stream.probabilities(temperature)
        _, filtered = filter_sequence(belief, given, stream.stamps_ns.tolist())
        raw = given.argmax(axis=1)
        found.append(StreamLabels(stream.truth, stream.stamps_ns, stream.changes_ns, stream.unlabelled, raw, filtered))
    return found


def score_labelled_streams(streams: Sequence[StreamLabels]) -> dict[str, Any]:
    """Score the labels of streams, `raw` (each window by itself) and `filtered`; at least one stream."""
    return {kind: score_streams(streams, [getattr(stream, kind) for stream in streams]) for kind in ('raw', 'filtered')}


def score_streams(streams: Sequence[StreamLabels | Stream], labels: Sequence[Ids]) -> dict[str, Any]:
    """Score the labels of streams with changes of surface.

    Args:
        streams: At least one stream.
        labels: Label of each window of each stream.

    Returns:
        `accuracy`: share of the steps whose label is that of the surface at the end of the window, steps before the
        first window counting as wrong; `median_delay_s`: from a change of surface to the first right label, a change
        that is not noticed before the next one counting as infinitely late; `missed`: share of such changes;
        `by_time_on_surface`: `accuracy` and number of `steps` after so long on a surface, such as `5 to 10 s`;
        `false_changes_per_minute`: how often the label changes to a surface that the robot is not on; `changes` of
        surface and `minutes` of all streams.
    """
    right = steps = false_changes = 0
    delays: list[float] = []
    on_surface_s: list[Values] = []
    agrees: list[NDArray[np.bool_]] = []
    seconds = 0.0
    for stream, found in zip(streams, labels, strict=True):
        right += int((found == stream.truth).sum())
        steps += len(found) + stream.unlabelled
        false_changes += int(((found[1:] != found[:-1]) & (found[1:] != stream.truth[1:])).sum())
        seconds += float(stream.stamps_ns[-1]) / NANOSECONDS
        begins_ns = np.array([0, *stream.changes_ns], dtype=np.int64)
        last_change = begins_ns[np.searchsorted(begins_ns, stream.stamps_ns, side='right') - 1]
        on_surface_s.append((stream.stamps_ns - last_change) / NANOSECONDS)
        agrees.append(found == stream.truth)
        ends = (*stream.changes_ns[1:], int(stream.stamps_ns[-1]) + 1)
        for begin, end in zip(stream.changes_ns, ends, strict=True):
            noticed = (stream.stamps_ns >= begin) & (stream.stamps_ns < end) & (found == stream.truth)
            first = stream.stamps_ns[noticed]
            delays.append((int(first[0]) - begin) / NANOSECONDS if len(first) else np.inf)
    return {
        'accuracy': right / steps,
        'median_delay_s': float(np.median(delays)) if delays else float('nan'),
        'missed': float(np.mean(np.isinf(delays))) if delays else float('nan'),
        'false_changes_per_minute': false_changes / (seconds / 60.0),
        'by_time_on_surface': _by_time(np.concatenate(on_surface_s), np.concatenate(agrees)),
        'changes': len(delays),
        'minutes': seconds / 60.0,
    }


def _by_time(on_surface_s: Values, right: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    found = {}
    for low, high in itertools.pairwise((*TIME_EDGES_S, np.inf)):
        chosen = right[(on_surface_s >= low) & (on_surface_s < high)]
        if len(chosen):
            name = f'{low:g} to {high:g} s' if np.isfinite(high) else f'{low:g} s and more'
            found[name] = {'accuracy': float(chosen.mean()), 'steps': len(chosen)}
    return found
